"""`isthmus detect` and `isthmus explain`, and the guide to outliers."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import Autoencoder, OutlierDetector
from isthmus.outliers import default_autoencoder

ROOT = Path(__file__).parents[2]
FAST = ("--n-estimators", 2, "--random-state", 0, "--quiet")


@pytest.fixture
def cli(cli):
    """Run a command line in a folder with 100 rows, the third of which is far off, and 20 new."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2)) @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(120, 4))
    frame = pl.DataFrame(x, schema=list("abcd"))
    frame = frame.insert_column(0, pl.Series("name", [f"n{i:03}" for i in range(120)]))
    frame[2, "c"] = 30.0
    frame.head(100).write_csv("t.csv")
    frame.tail(20).select("d", "c", "b", "name", "a").write_csv("new.csv")
    return cli


@pytest.fixture
def saved(cli):
    words = ("--contamination", 0.03, "--save", "d.isthmus", "-o", "flags.csv", "--explain", 2)
    assert cli("detect", "t.csv", "--id", "name", *words, *FAST) == (0, "", "")
    return "d.isthmus"


@pytest.fixture
def model(cli):
    X = pl.read_csv("t.csv").drop("name")
    Autoencoder(2, max_epochs=3, random_state=0).fit(X).save("m.isthmus")
    return "m.isthmus"


def refused(ended, text, status=2):
    assert ended.status == status, ended
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert text in ended.err


def test_flags_are_the_detectors(cli, saved):
    table = pl.read_csv("flags.csv")
    assert table.columns == ["name", "score", "outlier", "because1", "because2"]
    X = pl.read_csv("t.csv").drop("name")
    same = OutlierDetector(n_estimators=2, contamination=0.03, random_state=0).fit(X)
    np.testing.assert_allclose(table["score"], same.score_samples(X), rtol=1e-12)
    assert table["outlier"].to_list() == (same.predict(X) == -1).tolist()
    assert table["outlier"].sum() == 3
    odd = table.filter("outlier", name="n002").row(0, named=True)
    for i, line in enumerate(same.explain(X[2]).frame(2).iter_rows(named=True)):
        text = f"{line['column']}: expected {line['expected']:.4g}, got {line['observed']:.4g}"
        assert odd[f"because{i + 1}"] == text
    assert table.filter(~pl.col("outlier"))["because1"].null_count() == 97


def test_a_saved_detector_decides_as_it_did(cli, saved):
    ended = cli("detect", "t.csv", "--id", "name", "--model", saved)
    assert ended.out.splitlines()[0] == "name,score,outlier"
    assert ended.out.splitlines()[1:] == [
        ",".join(line.split(",")[:3]) for line in Path("flags.csv").read_text().splitlines()[1:]
    ]
    assert re.fullmatch(r"isthmus: rows 100, outliers 3, threshold -[\d.e-]+\n", ended.err)
    few = cli("detect", "new.csv", "--model", saved, "--quiet")
    assert few.out.count("\n") == 21
    assert few.err == ""


def test_identifiers_may_stand_in_the_new_rows_alone(cli):
    pl.read_csv("t.csv").drop("name").write_csv("anonymous.csv")
    words = ("--contamination", "none", "--new", "new.csv", *FAST, "--max-epochs", 1)
    ended = cli("detect", "anonymous.csv", "--id", "name", *words)
    assert (ended.status, ended.err) == (0, "")
    assert [line[:5] for line in ended.out.splitlines()[:2]] == ["name,", "n100,"]
    refused(cli("detect", "anonymous.csv", "--id", "nam", *words), "new.csv has no column 'nam'", 1)


def test_novelties_have_p_values(cli):
    words = ("--contamination", "none", "--new", "new.csv", "--id", "name", "-o", "n.parquet")
    ended = cli("detect", "t.csv", *words, *FAST, "--json")
    told = json.loads(ended.out)
    table = pl.read_parquet("n.parquet")
    assert table.columns == ["name", "score", "outlier", "pvalue"]
    assert table["name"].to_list() == [f"n{i:03}" for i in range(100, 120)]
    assert told["rows"] == 20
    assert told["outliers"] == table["outlier"].sum()
    assert told["output"] == "n.parquet"
    X, new = (pl.read_csv(f).select(*"abcd") for f in ("t.csv", "new.csv"))
    same = OutlierDetector(n_estimators=2, contamination="none", random_state=0).fit(X)
    assert told["threshold"] == pytest.approx(same.offset_)
    np.testing.assert_allclose(table["pvalue"], same.pvalues(new))


@pytest.mark.parametrize(
    ("words", "params"),
    [
        (("--target-fpr", 0.3), {"target_fpr": 0.3}),
        (("--alpha", 0.3, "--calibration-fraction", 0.5), None),
        (("--alpha", 0.9, "--fdr"), {"alpha": 0.9, "fdr": True}),
        (("--alpha", 0.3, "--calibration", "cross"), {"alpha": 0.3, "calibration": "cross"}),
        (("--n-references", 2), {"n_references": 2}),
    ],
)
def test_thresholds_are_the_detectors(cli, words, params):
    params = params or {"alpha": 0.3, "calibration_fraction": 0.5}
    told = json.loads(cli("detect", "t.csv", "--ignore", "name", *words, *FAST, "--json").out)
    X = pl.read_csv("t.csv").drop("name")
    same = OutlierDetector(n_estimators=2, random_state=0, **params).fit(X)
    assert told["table"]["outlier"] == (same.predict(X) == -1).tolist()
    assert "pvalue" not in told["table"]  # of rows that were trained on it would mean nothing
    assert told["threshold"] == (None if same.by_pvalues else pytest.approx(same.offset_))


def test_options_of_the_model_change_the_detectors_own(cli):
    words = ("detect", "t.csv", "--ignore", "name", "--save", "d.isthmus", "--force", *FAST)
    assert cli(*words, "--max-epochs", 3, "--loss", "mae").status == 0
    ae = isthmus.load("d.isthmus").member_autoencoder()
    assert (ae.max_epochs, ae.slots_.loss.name, ae.n_components) == (3, "mae", 4)
    assert cli(*words, "--max-epochs", 3).status == 0
    again = isthmus.load("d.isthmus").member_autoencoder()
    assert again.slots_.loss.name == "mse"
    assert isthmus.load("d.isthmus").verbose == 0


def test_arrays_and_images(cli, digits):
    np.save("x.npy", digits[:60])
    np.save("photos.npy", digits[:60].reshape(-1, 8, 8))
    fast = (*FAST, "--max-epochs", 2)
    assert cli("detect", "x.npy", *fast, "-o", "x.csv", "--save", "x.isthmus").status == 0
    assert pl.read_csv("x.csv").columns == ["score", "outlier"]
    why = cli("explain", "x.isthmus", "x.npy", "--all", "--top", 2, "--quiet").out
    assert re.search(r"^59,x\d+,", why, flags=re.MULTILINE)
    assert why.count("\n") == 121
    refused(cli("detect", "photos.npy", *fast, "--explain", 2), "--explain is for columns")
    assert cli("detect", "photos.npy", *fast, "--save", "p.isthmus", "-o", "p.csv").status == 0
    refused(cli("explain", "p.isthmus", "photos.npy"), "p.isthmus was fitted on images")
    refused(
        cli("detect", "x.npy", "--new", "photos.npy", *fast),
        "photos.npy has images of shape 8x8, but",
        1,
    )


def test_explanations_are_the_detectors(cli, saved):
    assert cli("explain", saved, "t.csv", "--id", "name", "-o", "why.csv", "--quiet").status == 0
    table = pl.read_csv("why.csv")
    assert table.columns == ["name", "column", "contribution", "observed", "expected"]
    flags = pl.read_csv("flags.csv").filter("outlier")
    assert table["name"].to_list() == [n for n in flags["name"] for _ in range(3)]
    told = json.loads(cli("explain", saved, "t.csv", "--top", 9, "--all", "--json").out)
    assert (told["rows"], told["explained"]) == (100, 100)
    sums = (
        pl.DataFrame(told["table"]).group_by("row", maintain_order=True).agg(pl.sum("contribution"))
    )
    detector = isthmus.load(saved)
    X = pl.read_csv("t.csv").drop("name")
    np.testing.assert_allclose(sums["contribution"], -detector.score_samples(X))
    assert sums["row"].to_list() == list(range(100))


def test_where_nothing_is_odd_there_is_nothing_to_explain(cli, saved):
    detector = isthmus.load(saved)
    detector.offset_ = -1e9
    detector.save("calm.isthmus")
    ended = cli("explain", "calm.isthmus", "t.csv", "--id", "name")
    assert ended.out == "name,column,contribution,observed,expected\n"
    assert "explained 0" in ended.err
    assert "No row is an outlier, so none is explained; --all explains all." in ended.err
    ended = cli("detect", "t.csv", "--model", "calm.isthmus", "--explain", 1, "--quiet")
    assert ended.out.splitlines()[0] == "score,outlier,because1"


def test_a_model_explains_its_error(cli, model):
    ended = cli("explain", model, "t.csv", "--id", "name", "--top", 9, "--json")
    table = pl.DataFrame(json.loads(ended.out)["table"])
    assert set(table["column"]) == set("abcd")
    sums = table.group_by("name", maintain_order=True).agg(pl.sum("contribution"))
    ae, X = isthmus.load(model), pl.read_csv("t.csv").drop("name")
    np.testing.assert_allclose(sums["contribution"], -ae.score_samples(X), rtol=1e-4)
    first = table.filter(name="n000")
    assert first["contribution"].is_sorted(descending=True)
    again = dict(zip("abcd", np.asarray(ae.reconstruct(X))[0], strict=True))
    assert dict(zip(first["column"], first["expected"], strict=True)) == pytest.approx(again)
    cosine = Autoencoder(2, loss="cosine", max_epochs=1).fit(X)
    cosine.save("cosine.isthmus")
    refused(cli("explain", "cosine.isthmus", "t.csv"), "no sum over columns")


def test_the_two_kinds_of_files_are_told_apart(cli, saved, model):
    text = "d.isthmus holds a detector of outliers and no single autoencoder"
    for words in (
        ("encode", saved, "t.csv", "-o", "o.csv"),
        ("score", saved, "t.csv"),
        ("fit", "t.csv", "--init", saved, "-o", "o.isthmus"),
        ("embed", saved, "t.csv", "-o", "o.csv"),
    ):
        refused(cli(*words), text, 1)
    refused(cli("detect", "t.csv", "--model", model), "holds a single autoencoder and no detector")


@pytest.mark.parametrize(
    ("words", "rule", "held"),
    [
        (("--contamination", 0.03), "contamination 0.03", 0),
        (("--target-fpr", 0.1), "a false-positive rate of 0.1", 20),
        (("--contamination", "none"), "a false-positive rate of 0.05 on rows held out", 20),
        (
            ("--contamination", "none", "--calibration-fraction", 0.1),
            "a false-positive rate of 0.091 on rows held out",
            10,
        ),
        (("--alpha", 0.2), "p-values of at most 0.2", 20),
        (("--alpha", 0.2, "--fdr"), "p-values, for a false-discovery rate of 0.2", 20),
    ],
)
def test_info_describes_a_detector(cli, words, rule, held):
    more = ("--n-components", 3, "--architecture", "dense:hidden=[5]", "--save", "d.isthmus")
    assert (
        cli("detect", "t.csv", "--id", "name", *words, *more, *FAST, "--max-epochs", 2).status == 0
    )
    found = isthmus.load("d.isthmus")
    told = json.loads(cli("info", "d.isthmus", "--json").out)
    d = told["detector"]
    assert (d["n_members"], d["widths"], d["layers"]) == (2, [3], ["4", "5", "3"])
    assert d["n_parameters"] == sum(m.model.n_parameters for m in found.members_)
    references = found.members_[0].references
    assert d["n_references"] == references.shape[-2]
    assert d["n_draws"] * d["n_references"] * 4 == references.size
    assert (d["rule"], d["n_held_out"]) == (rule, held)
    assert d["threshold"] == (None if "--fdr" in words else found.offset_)
    assert told["features"] == list("abcd")
    assert told["member"]["n_parameters"] == found.members_[0].model.n_parameters
    text = cli("info", "d.isthmus").out
    assert "OutlierDetector: 4 features, 2 autoencoders" in text
    assert rule in text
    assert (f"by {held} rows held out" if held else "none: no rows were held out") in text
    assert "The first member\nAutoencoder: 4 features, 3 components" in text
    assert "a, b, c, d" in text


@pytest.mark.filterwarnings("error")
def test_a_report_of_a_detector_judges_by_it(cli, saved):
    assert cli("report", saved, "t.csv", "--id", "name", "-o", "r.json", "--quiet") == (0, "", "")
    facts, found = json.loads(Path("r.json").read_text()), isthmus.load(saved)
    scores = found.score_samples(pl.read_csv("t.csv").drop("name"))
    assert facts["outliers"]["by"] == "detector"
    assert facts["outliers"]["n_flagged"] == 3
    assert facts["outliers"]["detector"]["threshold"] == found.offset_
    first = facts["outliers"]["rows"][0]
    assert (first["id"], first["score"]) == (f"n{scores.argmin():03}", scores.min())
    assert {cause["column"] for cause in first["causes"]} == set("abcd")
    (model,) = facts["models"]
    assert model["name"] == "d (1 of 2)"
    assert model["n_parameters"] == found.members_[0].model.n_parameters
    assert [column["name"] for column in facts["data"]["columns"]] == list("abcd")
    assert "contamination=0.03" in facts["reproduce"]["detector"]
    assert cli("report", saved, "t.csv", "-o", "r.md", "--quiet").status == 0
    text = Path("r.md").read_text()
    assert "It is 2 autoencoders, of which the first is described" in text
    assert "are flagged, by contamination 0.03" in text


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        ("detect no.csv", "there is no such file", 1),
        ("detect t.csv --new no.csv", "Cannot read no.csv", 1),
        ("detect t.csv --model no.isthmus", "Cannot read no.isthmus", 1),
        ("detect t.csv --as name=number", "in the column 'name' is no number", 1),
        ("detect t.csv --contamination x", "--contamination must be auto, none or a share", 2),
        (
            "detect t.csv --contamination 0.9",
            "contamination must be 'auto', 'none' or a number in [0, 0.5]",
            2,
        ),
        ("detect t.csv --fdr", "fdr=True needs alpha", 2),
        ("detect t.csv --alpha 0.1 --target-fpr 0.1", "two thresholds", 2),
        ("detect t.csv --loss nonsense", "nonsense", 2),
        ("detect t.csv --explain -1", "--explain must be at least 0", 2),
        ("detect t.csv -o o.npy", "must end in .csv", 1),
        ("detect t.csv -o t.csv --force", "is also an input", 1),
        ("detect t.csv --save o.csv", "must end in .isthmus", 1),
        ("detect t.csv --model d.isthmus --alpha 0.1", "--alpha cannot be given", 2),
        ("detect t.csv --model d.isthmus --save e.isthmus", "--save cannot be given", 2),
        ("detect t.csv --model d.isthmus --max-epochs 3", "--max-epochs cannot be given", 2),
        ("explain d.isthmus t.csv --top 0", "--top must be at least 1", 2),
        ("explain d.isthmus photos", "photos is a folder of images", 2),
        ("explain d.isthmus t.csv -o flags.csv", "flags.csv exists", 1),
        ("explain t.csv t.csv", "t.csv is no isthmus model", 1),
    ],
)
def test_errors_are_one_line(cli, words, text, status):
    Path("photos").mkdir()
    Path("flags.csv").touch()
    Path("d.isthmus").touch()
    words = words.split()
    refused(cli(*words, "--quiet"), text, status)
    assert not Path("o.csv").exists()


def test_an_interrupt_writes_nothing(cli, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.cli.commands.detect._fit_and_score", interrupted)
    before = set(Path().iterdir())
    ended = cli("detect", "t.csv", "--id", "name", "-o", "o.csv", "--save", "d.isthmus")
    assert (ended.status, ended.err) == (130, "isthmus: interrupted.\n")
    assert set(Path().iterdir()) - before <= {Path("cache")}


def test_identifiers_keep_out_of_the_results(cli):
    pl.read_csv("t.csv").rename({"name": "because1"}).write_csv("t.csv")
    words = ("detect", "t.csv", "--id", "because1", "--save", "d.isthmus", *FAST)
    refused(cli(*words, "--explain", 1), "The identifier 'because1' has the name of a column")
    assert not Path("d.isthmus").exists()
    assert cli(*words).status == 0
    pl.read_csv("t.csv").rename({"because1": "column"}).write_csv("t.csv")
    refused(cli("explain", "d.isthmus", "t.csv", "--id", "column"), "The identifier 'column'")


@pytest.mark.parametrize("verb", ["detect", "explain"])
def test_help_has_examples(cli, verb):
    assert "For example:" in cli(verb, "--help").out


def test_help_shows_the_detectors_own_defaults(cli):
    text = " ".join(re.sub(r"[│╭╮╰╯─\n]", " ", cli("detect", "--help").out).split())
    own = default_autoencoder(np.empty((256, 50))).get_params(deep=False)
    usual = Autoencoder().get_params(deep=False)
    in_words = {"n_components": "one a column, at most 32", "max_epochs": "about 300 steps"}
    for name in (name for name in own if own[name] != usual[name]):
        about = re.search(rf"--{name.replace('_', '-')} .*?(?= --|$)", text).group()
        shown = re.search(r"\[default: (.*?\]?)\](?: |$)", about).group(1)
        value = "no" if own[name] is False else str(own[name])
        assert shown == in_words.get(name, value), name
    assert (own["n_components"], own["max_epochs"]) == (32, 150)


def test_the_guide_runs(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "guides" / "outliers.md").read_text()
    space = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "outliers.md", "exec"), space)
    assert len(space["outliers"]) == 9
    assert {7, 60, 100, 150} <= set(space["outliers"])
    assert space["strange"][58:].mean() > 0.9
    assert space["p"][:58].mean() > 0.3
    assert space["found"][58:].mean() > 0.9
    np.testing.assert_array_equal(space["again"].score_samples(space["X"]), space["scores"])
    assert "observed" in capsys.readouterr().out

"""`--by COLUMN`: one model for each of its values, on the command line from fit to ONNX."""

import json

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import Autoencoder
from isthmus.__main__ import main
from isthmus.cli import big

MANY = "has a model for each of 3 groups of 'machine', which isthmus"
SMALL = ["--max-epochs", "3", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("groups"), np.random.default_rng(0)
    machine = np.repeat(["m1", "m2", "m3"], [40, 60, 7])
    rows = (
        rng.normal(size=(107, 4)) @ rng.normal(size=(4, 4))
        + np.repeat([0, 50, 9], [40, 60, 7])[:, None]
    )
    table = pl.DataFrame(rows, schema=list("abcd")).with_columns(
        machine=pl.Series(machine), number=pl.Series(range(107))
    )
    table.write_csv(folder / "data.csv")
    table.with_columns(pl.col("machine").cast(pl.Categorical)).write_parquet(
        folder / "data.parquet"
    )
    table.head(3).with_columns(machine=pl.Series(["m1", "m9", "m3"])).write_csv(folder / "new.csv")
    sex = pl.when(pl.col("number") > 9).then(1.0)
    mixed = table.with_columns(service=pl.lit("tcp"), flag=pl.lit("S0"), sex=sex)
    mixed.write_csv(folder / "mixed.csv")
    table.with_columns(machine=pl.lit(None, pl.String)).write_csv(folder / "none.csv")
    model, detector = str(folder / "m.isthmus"), str(folder / "d.isthmus")
    data = str(folder / "data.csv")
    assert main(["fit", data, "--by", "machine", "--id", "number", "-o", model, *SMALL]) == 0
    words = ["detect", data, "--by", "machine", "--id", "number", "--save", detector]
    words += ["--contamination", "none", "-o", str(folder / "flags.csv"), "--n-estimators", "2"]
    assert main([*words, *SMALL]) == 0
    return folder


def run(folder, monkeypatch, *words):
    monkeypatch.chdir(folder)
    return main([*words, "--quiet", *(["--force"] if "-o" in words else [])])


def test_the_group_stands_beside_each_row(folder, monkeypatch):
    flags = pl.read_csv(folder / "flags.csv")
    assert flags.columns == ["number", "machine", "score", "outlier"]
    run(folder, monkeypatch, "detect", "new.csv", "--model", "d.isthmus", "-o", "new_flags.csv")
    found = pl.read_csv(folder / "new_flags.csv")
    assert found.columns == ["machine", "score", "outlier", "pvalue"]
    assert found["machine"].to_list() == ["m1", "m9", "m3"]


@pytest.mark.parametrize("data", ["data.csv", "data.parquet"])
def test_commands_take_the_column_that_the_file_names(folder, monkeypatch, data):
    ae = isthmus.load(folder / "m.isthmus")
    table = pl.read_parquet(folder / "data.parquet")
    X, groups = table.select("a", "b", "c", "d"), table["machine"]
    for command, right in (
        ("score", ae.score_samples(X, groups=groups)[:, None]),
        ("encode", ae.transform(X, groups=groups)),
        ("reconstruct", ae.reconstruct(X, groups=groups).to_numpy()),
    ):
        assert run(folder, monkeypatch, command, "m.isthmus", data, "-o", "out.parquet") == 0
        out = pl.read_parquet(folder / "out.parquet")
        assert out["machine"].cast(pl.String).to_list() == groups.cast(pl.String).to_list()
        np.testing.assert_allclose(out.drop("machine").to_numpy(), right, rtol=1e-6)


def test_scores_of_the_command_are_those_of_python(folder, monkeypatch, capsys):
    ae, table = isthmus.load(folder / "m.isthmus"), pl.read_parquet(folder / "data.parquet")
    run(folder, monkeypatch, "score", "m.isthmus", "data.csv", "--json")
    facts = json.loads(capsys.readouterr().out)
    right = ae.score(table.select("a", "b", "c", "d"), groups=table["machine"])
    assert facts["score"] == pytest.approx(right)


def test_explanations_are_of_the_rows_group(folder, monkeypatch):
    run(folder, monkeypatch, "explain", "d.isthmus", "data.csv", "--all", "-o", "why.csv")
    why = pl.read_csv(folder / "why.csv")
    assert why.columns == ["machine", "column", "contribution", "observed", "expected"]
    far = why.filter(pl.col("machine") == "m2")
    assert (far["expected"] - 50).abs().max() < 20


def test_thresholds_are_settled_by_the_rows_groups(folder, monkeypatch):
    detector, table = isthmus.load(folder / "d.isthmus"), pl.read_csv(folder / "data.csv")[20:80]
    table.write_csv(folder / "recent.csv")
    X, groups = table.select("a", "b", "c", "d"), table["machine"]
    words = ["threshold", "d.isthmus", "recent.csv", "-o", "rates.csv"]
    assert run(folder, monkeypatch, *words) == 0
    right = detector.threshold_table(X, groups=groups)
    assert pl.read_csv(folder / "rates.csv")["alerts"].to_list() == right.alerts.tolist()
    words = ["recalibrate", "d.isthmus", "recent.csv", "-o", "again.isthmus"]
    assert run(folder, monkeypatch, *words) == 0
    again = isthmus.load(folder / "again.isthmus")
    assert again.offset_ == pytest.approx(detector.recalibrate(X, groups=groups).offset_)
    assert again.fleet_.fleet.keys.name == "machine"


def test_info_counts_groups(folder, monkeypatch, capsys):
    for model in ("m.isthmus", "d.isthmus"):
        monkeypatch.chdir(folder)
        assert main(["info", model, "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)["groups"]
        assert (facts["by"], facts["groups"], facts["pooled_groups"]) == ("machine", 3, 1)
        assert main(["info", model]) == 0
        assert "Groups: 3 by 'machine', of" in capsys.readouterr().out


def test_one_group_is_exported(folder, monkeypatch, capsys):
    pytest.importorskip("onnxruntime")
    words = ["export", "m.isthmus", "-o", "m2.onnx", "--part", "score"]
    assert run(folder, monkeypatch, *words, "--group", "m2") == 0
    assert run(folder, monkeypatch, *words) == 1
    assert "isthmus export --group KEY" in capsys.readouterr().err
    assert run(folder, monkeypatch, *words, "--group", "m8") == 1
    assert "no group 'm8'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "data.csv", "--by", "place", "-o", "x.isthmus"], "place"),
        (
            ["fit", "data.csv", "--by", "number", "--ignore", "machine", "-o", "x.isthmus"],
            "None of the 107 groups has 32",
        ),
        (
            ["fit", "none.csv", "--by", "machine", "-o", "x.isthmus"],
            "no 'machine' in 107 rows, the first",
        ),
        (
            ["fit", "data.csv", "--by", "machine", "--init", "m.isthmus", "-o", "x.isthmus"],
            "--init",
        ),
        (["detect", "data.csv", "--by", "machine", "--model", "d.isthmus"], "--by cannot be given"),
        (["export", "d.isthmus", "--group", "m1", "-o", "x.onnx"], "a detector, whose groups"),
        (["report", "d.isthmus", "data.csv", "-o", "x.html"], f"{MANY} report does not take"),
        (["monitor", "d.isthmus", "--new", "data.csv"], f"{MANY} monitor does not take"),
        (["embed", "m.isthmus", "data.csv", "-o", "x.csv"], f"{MANY} embed does not take"),
        (
            ["compare", "data.csv", "--label", "machine", "--model", "m.isthmus"],
            f"{MANY} compare does not take: isthmus score, encode",
        ),
        (
            ["export", "d.isthmus", "-o", "x.onnx"],
            "this detector has 3 groups, which share its score",
        ),
        (
            ["fit", "mixed.csv", "--by", "machine", "-o", "x.isthmus"],
            "mixed.csv has columns that models of groups, which take plain numbers, do not take "
            "(service, flag: words; sex: 10 cells missing): leave them out with --ignore "
            "service,flag,sex, encode",
        ),
        (
            ["detect", "mixed.csv", "--by", "machine", "--columns", "sex", "--save", "x.isthmus"],
            "do not take (sex: 10 cells missing): encode or fill them",
        ),
        (
            ["fit", "data.csv", "--by", "machine", "--columns", "machine,a", "-o", "x.isthmus"],
            "--by takes the column 'machine' already",
        ),
        (
            ["fit", "data.csv", "--by", "machine", "--weight", "a", "-o", "x.isthmus"],
            "in the column 'a', line ",
        ),
    ],
)
def test_what_cannot_be_is_said(folder, monkeypatch, capsys, words, said):
    if words[0] == "export":
        pytest.importorskip("onnxruntime")
    assert run(folder, monkeypatch, *words) in (1, 2)
    assert said in capsys.readouterr().err
    assert not (folder / "x.isthmus").exists()


def test_whole_numbers_that_a_gap_makes_floats_are_the_same_keys(folder, monkeypatch, capsys):
    table = (
        pl.read_parquet(folder / "data.parquet")
        .drop("number")
        .with_columns(machine=pl.Series(np.repeat([1, 2, 3], [40, 60, 7])))
    )
    table.write_parquet(folder / "whole.parquet")
    gap = table.with_columns(table["machine"].cast(pl.Float64).scatter([3, 50], [None, np.nan]))
    gap.write_parquet(folder / "gap.parquet")
    fit = ["--by", "machine", "-o", "w.isthmus", "--max-epochs", "3"]
    assert run(folder, monkeypatch, "fit", "whole.parquet", *fit) == 0
    python = Autoencoder(2, max_epochs=3, random_state=0)
    python.fit(table.drop("machine"), groups=table["machine"]).save(folder / "p.isthmus")
    for model in ("w.isthmus", "p.isthmus"):
        capsys.readouterr()
        for data in ("whole", "gap"):
            words = ["score", model, f"{data}.parquet", "-o", f"{data}.csv"]
            assert run(folder, monkeypatch, *words) == 0
        assert "2 rows have no group: the pooled model answers" in capsys.readouterr().err
        whole, found = (pl.read_csv(folder / f"{data}.csv")["score"] for data in ("whole", "gap"))
        assert ((whole != found).arg_true()).to_list() == [3, 50]
    assert run(folder, monkeypatch, "fit", "gap.parquet", *fit) == 1
    assert "no 'machine' in 2 rows, the first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (pl.lit("m1"), "holds 'm1', and the groups of the fit were whole numbers"),
        (pl.lit(1.5), "holds 1.5: groups are texts, whole numbers or dates"),
    ],
)
def test_keys_of_another_kind_are_refused(folder, monkeypatch, capsys, key, said):
    table = pl.read_parquet(folder / "data.parquet").drop("machine", "number")
    python = Autoencoder(2, max_epochs=1, random_state=0)
    python.fit(table, groups=pl.Series("machine", [4] * 107)).save(folder / "p4.isthmus")
    table.with_columns(machine=key).write_parquet(folder / "other.parquet")
    assert run(folder, monkeypatch, "score", "p4.isthmus", "other.parquet", "-o", "x.csv") == 1
    assert said in capsys.readouterr().err


def test_an_option_of_other_commands_is_said_to_be_theirs(folder, monkeypatch, capsys):
    assert run(folder, monkeypatch, "tune", "data.csv", "--by", "machine") == 2
    said = "isthmus tune has no --by, which isthmus detect and fit take. See isthmus tune --help."
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "detect"])
def test_large_files_are_said_to_be_read_as_a_whole(folder, monkeypatch, capsys, command):
    monkeypatch.setattr(big, "BIG", 0)
    words = [
        command,
        "data.csv",
        "--by",
        "place",
        "-o",
        "x.isthmus" if command == "fit" else "x.csv",
    ]
    assert run(folder, monkeypatch, *words) == 1
    warned, refused = capsys.readouterr().err.splitlines()
    assert "data.csv is read as a whole for --by, and all its rows" in warned
    assert "no column 'place'" in refused

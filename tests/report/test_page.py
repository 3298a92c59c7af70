"""The report as people get it: one page about a model and rows, its facts, and its plane."""

import base64
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

import isthmus
from isthmus import Autoencoder, OutlierDetector, Report
from isthmus.__main__ import main
from isthmus.embedding import Embedding
from isthmus.report import report as report_module
from isthmus.report.blocks import Section, Table
from isthmus.report.code_sections import _label_sentence
from isthmus.report.measurements import code_facts, effective_rank, row_facts
from isthmus.report.pages import escape_markdown, section_anchors, to_markdown
from isthmus.report.plane import THUMBNAIL, embed_codes, label_payload, thumbnail_sheet

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ROOT = Path(__file__).parents[2]
HOSTILE = "</script><script>alert('x')</script> & \"quoted\" `tick` | \u2028 <!--"
COLUMNS = [f"column {i}" for i in range(12)] + [HOSTILE]
LABEL = f"label {HOSTILE}"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


class Page(HTMLParser):
    """The tags, texts and data blocks of a page."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.data, self.text, self.inside = [], [], [], "", None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        self.inside = tag if dict(attrs).get("type") == "application/json" else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        self.text += data
        if self.inside:
            self.data.append(json.loads(data))


@pytest.fixture(scope="module")
def table(wine):
    return pd.DataFrame(wine, columns=COLUMNS)


@pytest.fixture(scope="module")
def labels(table):
    return np.array(["first", 'se"cond', HOSTILE])[np.arange(len(table)) % 3]


@pytest.fixture(scope="module")
def model(table):
    return Autoencoder(4, max_epochs=20, random_state=0).fit(table)


@pytest.fixture(scope="module")
def report(model, table, labels):
    ids = [f"bottle {i}" for i in range(len(table))]
    return Report(model, table, labels, ids=ids, title=HOSTILE, label=LABEL, intro=[HOSTILE])


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    path = report.save(tmp_path_factory.mktemp("page") / "r.html")
    return Page(path.read_text("utf-8"))


class Given:
    """What stands in for the results of other parts."""

    def __init__(self, facts):
        self._facts = facts

    def facts(self):
        return self._facts


# -- facts -----------------------------------------------------------------------------------------


def test_facts_are_what_json_holds(report):
    assert json.loads(json.dumps(report.facts(), allow_nan=False)) == report.facts()


def test_facts_of_rows_are_those_of_pandas(report, table, labels):
    data = report.facts()["data"]
    assert (data["n_rows"], data["n_columns"], data["n_missing"]) == (178, 13, 0)
    found = pd.DataFrame(data["columns"]).set_index("name")
    expected = table.describe().T
    np.testing.assert_allclose(found[["min", "mean", "max"]], expected[["min", "mean", "max"]])
    np.testing.assert_allclose(found["std"], table.std(ddof=0))
    assert found["n_distinct"].tolist() == table.nunique().tolist()
    counts = {c["label"]: c["rows"] for c in data["labels"]["counts"]}
    assert counts == pd.Series(labels).value_counts().to_dict()


def test_gaps_constants_and_repetitions_are_counted(model, wine):
    X = np.r_[wine, wine[:5]]
    X[:, 2] = 7
    X[3, 0] = np.nan
    found = row_facts(X, (13,), [f"c{i}" for i in range(13)], None)
    assert (found["n_missing"], found["n_repeated"]) == (1, 4)
    assert found["columns"][0]["missing"] == 1
    assert found["columns"][0]["mean"] == pytest.approx(np.nanmean(X[:, 0]))
    assert found["columns"][2]["min"] == found["columns"][2]["max"] == 7


def test_the_code_is_measured_by_its_own_definitions(model, table):
    codes, found = model.transform(table).astype(float), code_facts("m", model.transform(table))
    values = np.linalg.eigvalsh(np.cov(codes.T))
    share = values / values.sum()
    rank = np.exp(-np.sum(share * np.log(share)))
    r = np.abs(np.corrcoef(codes.T)[np.triu_indices(4, 1)])
    assert found["effective_rank"] == pytest.approx(rank, rel=1e-5)
    assert found["mean_correlation"] == pytest.approx(r.mean(), rel=1e-6)
    assert (found["width"], found["n_dead"]) == (4, 0)


@pytest.mark.parametrize(("k", "rank"), [(1, 1), (3, 3)])
def test_the_effective_rank_counts_equal_directions(rng, k, rank):
    axes = np.linalg.qr(rng.normal(size=(6, k)))[0]
    white = np.linalg.qr(rng.normal(size=(40, k)) - 0)[0]
    white = np.linalg.qr(white - white.mean(axis=0))[0]
    assert effective_rank(white @ axes.T) == pytest.approx(rank)
    assert effective_rank(np.ones((5, 3))) == 0


def test_strange_rows_are_those_of_the_lowest_scores(report, model, table, labels):
    scores = model.score_samples(table)
    found = report.facts()["outliers"]
    rows = [r["row"] for r in found["rows"]]
    assert rows == np.argsort(scores)[:8].tolist()
    assert found["rows"][0]["id"] == f"bottle {rows[0]}"
    assert found["rows"][0]["label"] == labels[rows[0]]
    assert found["median"] == pytest.approx(np.median(scores))


def test_causes_are_the_columns_shares_of_the_loss_in_the_datas_units(report, model, table):
    found, X = report.facts()["outliers"]["rows"][0], table.to_numpy()
    made = model.reconstruct(table).to_numpy()[found["row"]]
    parts = ((made - X[found["row"]]) / model.scaler_.scale) ** 2
    cause = found["causes"][0]
    j = int(np.argmax(parts))
    assert cause["column"] == COLUMNS[j]
    assert cause["contribution"] == pytest.approx(parts[j] / parts.sum(), rel=1e-3)
    assert cause["observed"] == X[found["row"], j]
    assert cause["expected"] == pytest.approx(made[j])


@pytest.mark.parametrize("loss", ["mse", "bce", "poisson"])
def test_column_losses_add_up_to_minus_the_score_with_what_lies_outside(loss, rng):
    X = rng.integers(0, 2, (60, 5)).astype(float)
    model = Autoencoder(2, loss=loss, scaling="minmax", max_epochs=2, random_state=0).fit(X)
    strange = X - 0.25 * (np.arange(5) == 3)  # below what counts and probabilities can be
    again = model.reconstruct(strange)
    parts = model.fitted_.model.column_losses(strange, again)
    np.testing.assert_allclose(parts.sum(axis=1), -model.score_samples(strange), rtol=1e-4)
    outside = 0 if loss == "mse" else 0.25 / 5 * (strange[:, 3] < 0)
    assert np.all(parts[:, 3] >= outside - 1e-6)
    assert np.all(parts >= 0)


def test_the_users_loss_says_columns_where_it_is_a_mean_over_them(rng):
    def pinball(x_out, x):
        return jnp.mean(jnp.maximum(0.9 * (x - x_out), 0.1 * (x_out - x)), axis=1)

    X = rng.normal(size=(60, 4))
    model = Autoencoder(2, loss=pinball, max_epochs=2, random_state=0).fit(X)
    again = model.reconstruct(X)
    parts, e = model.fitted_.model.column_losses(X, again), (X - again) / model.scaler_.scale
    np.testing.assert_allclose(parts, np.maximum(0.9 * e, -0.1 * e) / 4, rtol=1e-3, atol=1e-5)
    made_for_four = jnp.array([1.0, 2, 3, 4])
    for other in (
        lambda x_out, x: jnp.max(jnp.abs(x_out - x), axis=1),
        lambda x_out, x: jnp.mean(made_for_four * (x_out - x) ** 2, axis=1),
    ):
        model.set_params(loss=other).fit(X)
        with pytest.raises(ValueError, match="is no sum over columns"):
            model.fitted_.model.column_losses(X, again)


def test_a_loss_that_is_no_mean_over_columns_blames_none(tmp_path, iris):
    model = Autoencoder(2, loss="cosine", max_epochs=2, random_state=0).fit(iris)
    report = Report(model, iris, embedding=False)
    assert report.facts()["outliers"]["rows"][0]["causes"] is None
    assert "no column is to blame" in Page(report.save(tmp_path / "r.html").read_text()).text


def fitted_detector(table, loss="mse", **parameters):
    member = Autoencoder(2, loss=loss, max_epochs=3, early_stopping=False)
    return OutlierDetector(member, n_estimators=2, random_state=0, **parameters).fit(table)


@pytest.mark.parametrize(
    "parameters",
    [
        {"contamination": 0.1},
        {"contamination": "none"},
        {"contamination": "none", "calibration": "cross"},
        {"alpha": 0.3, "fdr": True},
    ],
)
@pytest.mark.filterwarnings("ignore:.* stranger than all")
def test_a_detector_judges_instead_of_the_model(tmp_path, model, table, parameters):
    detector = fitted_detector(table, **parameters)
    report = Report(model, table, detector=detector, embedding=False)
    found, scores = report.facts()["outliers"], detector.score_samples(table)
    rows = np.argsort(scores, kind="stable")[:8]
    assert [r["row"] for r in found["rows"]] == rows.tolist()
    assert [r["score"] for r in found["rows"]] == scores[rows].tolist()
    assert found["n_flagged"] == int((detector.predict(table) < 0).sum())
    pvalues = [r["pvalue"] for r in found["rows"]]
    known = parameters.get("contamination") != 0.1
    assert pvalues == (detector.pvalues(table)[rows].tolist() if known else [None] * 8)
    lines = detector.explain(table.iloc[rows]).frame(5).to_dicts()
    assert [c for r in found["rows"] for c in r["causes"]] == [
        {name: value for name, value in line.items() if name != "row"} for line in lines
    ]
    text = Page(report.save(tmp_path / "r.html").read_text()).text
    assert f"the detector flags {found['n_flagged']}" in text
    assert ("p-value" in text) == known
    assert "adds to minus the row's score" in text


def test_a_detector_may_know_no_causes(tmp_path, model, table):
    report = Report(model, table, detector=fitted_detector(table, "cosine"), embedding=False)
    assert report.facts()["outliers"]["rows"][0]["causes"] is None
    text = Page(report.save(tmp_path / "r.html").read_text()).text
    assert "no column is to blame" in text


def test_results_of_other_parts_are_reported_if_there_are_any(tmp_path, model, table):
    times = {"fit_seconds": 1.25, "score_seconds": 0.5}
    rows = [
        {"input": HOSTILE, "classifier": "k-NN", "width": 2, "mean": 0.7, "std": None, **times},
        {"input": "codes", "classifier": "linear", "width": 4, "mean": 0.9, "std": 0.02, **times},
    ]
    compared = {"table": rows, "most_frequent": 0.4, "seen": True}
    found = {
        "scoring": "reconstruction",
        "best_params": {"n_components": 4},
        "best_score": 0.8,
        "importance": {"n_components": 0.75, "loss": 0.25},
        "candidates": [{"params": {"n_components": 4}, "score": 0.8, "std": 0.1, "seconds": 2.0}],
    }
    report = Report(model, table, comparison=Given(compared), search=found)
    text = Page(report.save(tmp_path / "r.html").read_text()).text
    assert "linear on codes, 0.900 \u00b1 0.020" in text
    assert HOSTILE.replace("\u2028", "") in text.replace("\u2028", "")
    assert "1 candidate was compared by reconstruction" in text
    assert "n_components=4" in text
    assert "1.75" in text
    assert "right for 0.400" in text
    assert "may have seen" in text
    assert report.facts()["search"] == found
    bare = Report(model, table, embedding=False)
    assert bare.facts()["comparison"] is bare.facts()["search"] is None
    titles = [s.title for s in bare.sections()]
    assert not {"Classifiers on the code", "The search"} & set(titles)


def test_what_is_given_again_makes_the_same_model(model, table):
    found = Report(model, table, embedding=False).facts()["reproduce"]
    made = found["models"][0]
    assert made["code"] == "Autoencoder(n_components=4, max_epochs=20, random_state=0)"
    again = eval(made["code"], {"Autoencoder": Autoencoder}).fit(table)
    np.testing.assert_array_equal(again.transform(table), model.transform(table))
    assert found["versions"]["isthmus"] == isthmus.__version__
    assert found["versions"]["numpy"] == np.__version__
    other = Report(model, table + 1, embedding=False).facts()["reproduce"]
    assert found["fingerprint"] != other["fingerprint"]


def test_slots_of_a_loaded_model_are_reported_as_specs(tmp_path, iris):
    slots = {"corruption": ("swap", "gaussian:std=0.2"), "sparsity": "kl:rho=0.1"}
    model = Autoencoder(3, "dense:hidden=[5]", **slots, max_epochs=1, random_state=0).fit(iris)
    model.save(tmp_path / "m.isthmus")
    again = isthmus.load(tmp_path / "m.isthmus")
    (made,) = Report(again, iris, embedding=False).facts()["reproduce"]["models"]
    remade = eval(made["code"], {"Autoencoder": Autoencoder}).fit(iris)
    np.testing.assert_array_equal(remade.transform(iris), model.transform(iris))


# -- the plane -------------------------------------------------------------------------------------


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.02])
def test_labels_of_pure_chance_are_not_praised(rate, rng):
    points, labels = rng.normal(size=(600, 2)), rng.random(600) < rate
    (text,) = _label_sentence(points, labels)
    assert "lie together" not in text
    chance = np.mean([np.mean(np.delete(labels, i) == label) for i, label in enumerate(labels)])
    assert f"would for {100 * chance:.1f} % by chance" in text


@pytest.mark.parametrize("rate", [0.5, 0.1])
def test_labels_that_lie_together_are_praised_beside_chance(rate, rng):
    labels = rng.random(600) < rate
    (text,) = _label_sentence(rng.normal(size=(600, 2)) + 9 * labels[:, None], labels)
    assert "lie together" in text
    assert "by chance" in text


def test_the_plane_holds_points_labels_and_values(page, report, model, table, labels):
    (data,) = page.data
    points = report.embedding.points
    xy = unpacked(data["xy"], "<u2").reshape(-1, 2).astype(float)
    side = np.ptp(points, axis=0).max()
    np.testing.assert_allclose(
        (xy - xy[0]) / 65535, (points - points[0]) / side, atol=2 / 65535, rtol=1e-4
    )
    assert data["rows"] == list(range(178))
    assert data["ids"][5] == "bottle 5"
    kinds = np.array(data["label"]["kinds"])[unpacked(data["label"]["data"], "<u2")]
    assert kinds.tolist() == labels.tolist()
    assert [v["name"] for v in data["values"]] == ["score", *COLUMNS]
    np.testing.assert_allclose(
        unpacked(data["values"][0]["data"], "<f4"), model.score_samples(table), rtol=1e-6
    )
    np.testing.assert_allclose(unpacked(data["values"][3]["data"], "<f4"), table.iloc[:, 2])


def test_many_labels_are_a_scale_or_the_commonest(rng):
    scale = label_payload(np.arange(40.0), "age")
    assert scale["kinds"] is None
    np.testing.assert_array_equal(unpacked(scale["data"], "<f4"), np.arange(40))
    words = np.array([f"w{i}" for i in range(20) for _ in range(i + 1)])
    found = label_payload(words, "word")
    assert found["kinds"][:3] == ["w19", "w18", "w17"]
    kinds = np.array(found["kinds"])[unpacked(found["data"], "<u2")]
    assert kinds.tolist() == words.tolist()


@pytest.mark.parametrize("shape", [(8, 8, 1), (40, 30, 3)])
def test_thumbnails_lie_in_the_sprite_where_the_page_looks(rng, shape):
    images = np.repeat(np.linspace(0, 1, 7), np.prod(shape)).reshape(7, *shape)
    made = thumbnail_sheet(images)
    kind, content = re.match(r"data:image/(\w+);base64,(.*)", made["source"]).groups()
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("L"), float)
    assert max(made["w"], made["h"]) == min(max(shape), THUMBNAIL)
    for i in range(7):
        left, top = made["w"] * (i % made["across"]), made["h"] * (i // made["across"])
        tile = sheet[top : top + made["h"], left : left + made["w"]]
        assert tile.mean() == pytest.approx(255 * i / 6, abs=4), (i, kind)


def test_a_code_of_two_is_shown_as_it_is_and_others_are_laid_out(iris):
    rows = np.arange(150)
    two = embed_codes(iris[:, :2], rows, 150, 0)
    np.testing.assert_array_equal(two.points, iris[:, :2])
    assert two.method == "code"
    first, again = (embed_codes(iris, rows, 150, 4) for _ in range(2))
    np.testing.assert_array_equal(first.points, again.points)
    seeds = [embed_codes(iris[:, :1], rows, 150, seed).points for seed in (4, 5)]
    assert not np.allclose(*seeds)
    assert 0.8 < first.trustworthiness <= 1


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_few_or_equal_rows_are_reported(tmp_path, iris, n):
    model = Autoencoder(3, max_epochs=1, random_state=0).fit(iris)
    for X in (iris[:n], np.repeat(iris[:1], n, axis=0)):
        page = Page(Report(model, X, list(range(n))).save(tmp_path / "r.html").read_text())
        assert page.data[0]["n"] == n


def test_one_column_and_a_constant_one_are_reported(tmp_path, iris):
    model = Autoencoder(1, max_epochs=1, random_state=0).fit(iris[:, :1])
    assert Report(model, iris[:, :1]).save(tmp_path / "a.html").exists()
    X = np.c_[iris, np.ones(len(iris))]
    model = Autoencoder(3, max_epochs=1, random_state=0).fit(X)
    text = Page(Report(model, X).save(tmp_path / "b.html").read_text()).text
    assert "Constant, and so nothing to learn from: 4." in text


def test_a_plane_from_elsewhere_is_drawn_and_none_is_left_out(tmp_path, model, table, labels):
    rows = np.arange(5, 60)
    points = np.random.default_rng(0).normal(size=(55, 2))
    given = Embedding(points, rows, 178, "umap", 0.75, 55, 1.0)
    report = Report(model, table, labels, embedding=given)
    page = Page(report.save(tmp_path / "r.html").read_text())
    assert page.data[0]["rows"] == rows.tolist()
    assert "Codes in the plane (UMAP)" in page.text
    assert "55 of 178 rows" in page.text
    assert "0.750" in page.text
    without = Page(Report(model, table, embedding=False).save(tmp_path / "w.html").read_text())
    assert "script" not in without.tags
    assert not without.data


def test_samples_of_many_rows_are_stated(tmp_path, monkeypatch, model, table):
    monkeypatch.setattr(report_module, "MOST_ROWS", 100)
    monkeypatch.setattr(report_module, "MOST_POINTS", 50)
    report = Report(model, table, random_state=3)
    facts = report.facts()
    assert (facts["models"][0]["n_rows"], facts["data"]["n_rows"]) == (100, 178)
    assert facts["embedding"]["n_points"] == 50
    assert facts["outliers"]["n_rows"] == 178
    text = Page(report.save(tmp_path / "r.html").read_text()).text
    assert "measured on 100 of them and the plane shows 50, drawn at random (seed 3)" in text
    other = Report(model, table, random_state=4)
    assert other.embedding.rows.tolist() != report.embedding.rows.tolist()


# -- pages -----------------------------------------------------------------------------------------


def test_no_text_becomes_markup_or_script(page):
    assert page.tags.count("script") == 2
    assert page.data[0]["label"]["name"] == LABEL
    assert "alert" not in page.tags
    assert not [a for _, attrs in page.attributes for a in attrs if a.startswith("on")]
    text = page.text.replace("\u2028", "")
    assert text.count(HOSTILE.replace("\u2028", "")) >= 4


def test_the_page_asks_for_nothing_and_only_its_own_script_runs(report, tmp_path):
    html = report.save(tmp_path / "r.html").read_text("utf-8")
    page = Page(html)
    links = [v for _, a in page.attributes for k, v in a.items() if k in ("src", "href", "action")]
    assert all(v.startswith(("data:", "#")) for v in links)
    (policy,) = (a["content"] for t, a in page.attributes if "Content-Security" in str(a))
    assert policy.startswith("default-src 'none'")
    import hashlib

    script = html.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttp|innerHTML|eval\(", html)


def test_the_page_is_one_that_screen_readers_can_read(page):
    images = [a for t, a in page.attributes if t == "img"]
    assert images
    assert all(a["alt"].strip() for a in images)
    assert page.tags.count("table") == page.tags.count("caption")
    headings = [t for t in page.tags if re.fullmatch("h[1-6]", t)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    anchors = {a["id"] for t, a in page.attributes if t == "h2"}
    links = {a["href"][1:] for t, a in page.attributes if t == "a"}
    assert anchors == links
    assert {"noscript", "nav", "main", "canvas"} <= set(page.tags)


def test_sections_of_one_title_have_addresses_of_their_own():
    sections = [Section("A b!", []), Section("a  B", []), Section("\u6f22", [])]
    assert section_anchors(sections) == ["a-b", "a-b-1", "section"]


def test_markdown_says_the_same_and_escapes_it(report, tmp_path):
    text = report.save(tmp_path / "r.md").read_text("utf-8")
    assert "<script" not in text.replace("\\<script", "")
    assert f"**{escape_markdown('Columns and their ranges')}**" in text
    assert "## The strangest rows" in text
    rows = [line for line in text.splitlines() if line.startswith("| column 1 ")]
    assert rows
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(bars) == 1, block


def test_markdown_fences_are_longer_than_what_they_hold():
    section = Section("t", [], code=[("c", "a\n````\nb")], tables=[Table("x", ("a|b",), [["`"]])])
    text = to_markdown({"title": "t", "intro": []}, [section])
    assert "`````\na\n````\nb\n`````" in text
    assert "| a\\|b |" in text


def test_labels_have_the_name_of_a_series(model, table):
    y = pd.Series(range(len(table)), name="vintage")
    found = [Report(model, table, y, label=n, embedding=False).facts() for n in (None, "year")]
    assert [f["data"]["labels"]["name"] for f in found] == ["vintage", "year"]


def test_json_is_the_facts(report, tmp_path):
    path = report.save(tmp_path / "r.JSON")
    assert json.loads(path.read_text("utf-8")) == report.facts()


def test_the_same_report_is_the_same_page(model, table, labels, tmp_path):
    first, again = (
        Report(model, table, labels).save(tmp_path / name).read_bytes()
        for name in ("a.html", "b.html")
    )
    assert first == again


def test_images_are_reported_as_one_column_and_shown(tmp_path, digits):
    model = Autoencoder(3, max_epochs=2, random_state=0).fit(digits[:150].reshape(-1, 8, 8))
    report = Report(model, digits[:120].reshape(-1, 8, 8), np.arange(120) % 3)
    assert [c["name"] for c in report.facts()["data"]["columns"]] == ["all values"]
    page = Page(report.save(tmp_path / "r.html").read_text())
    assert page.data[0]["sprite"]["w"] == 8
    assert [v["name"] for v in page.data[0]["values"]] == ["score"]
    assert any("strangest images" in a.get("alt", "") for _, a in page.attributes)


def test_several_models_share_one_report_and_focus_on_one(tmp_path, iris):
    settings = {"max_epochs": 2, "random_state": 0}
    models = {"two": Autoencoder(2, **settings), "three": Autoencoder(3, **settings)}
    for model in models.values():
        model.fit(iris)
    first, second = (Report(models, iris, focus=f, embedding=None) for f in (None, "three"))
    assert first.facts()["embedding"]["name"] == "two"
    assert second.facts()["embedding"]["width"] == 3
    assert [c["name"] for c in second.facts()["codes"]] == ["two", "three"]
    rows = [[r["row"] for r in f.facts()["outliers"]["rows"]] for f in (first, second)]
    assert rows[0] != rows[1]


@pytest.mark.parametrize(
    ("y", "counts"),
    [
        ([None, "a", "b"], {"missing": 1, "a": 1, "b": 1}),
        ([np.nan, 1.0, 1.0], {"missing": 1, "1": 2}),
        (pd.array([pd.NA, 1, 1], dtype="Int64"), {"missing": 1, "1": 2}),
        (pl.Series([None, 1, 1]), {"missing": 1, "1": 2}),
        ([True, False, False], {"True": 1, "False": 2}),
        (np.array(["2020-01-01", "NaT", "NaT"], "datetime64[D]"), {"2020-01-01": 1, "missing": 2}),
    ],
)
def test_labels_of_any_kind_are_counted_and_drawn(tmp_path, model, table, y, counts):
    report = Report(model, table[:3], y)
    assert report.facts()["data"]["labels"]["name"] == "label"
    found = report.facts()["data"]["labels"]["counts"]
    assert {c["label"]: c["rows"] for c in found} == counts
    assert report.save(tmp_path / "r.html").exists()


def test_polars_and_pandas_give_the_same_facts(model, table):
    frame = pl.DataFrame(table.to_numpy(), schema=COLUMNS)
    facts = [Report(model, X, embedding=False).facts() for X in (table, frame)]
    assert facts[0] == facts[1]


def test_what_cannot_be_reported_is_refused_clearly(model, table, tmp_path):
    with pytest.raises(ValueError, match="y must hold one value for each of the 178 rows"):
        Report(model, table, [1, 2])
    with pytest.raises(ValueError, match="ids must hold one value"):
        Report(model, table, ids=["a"])
    with pytest.raises(ValueError, match="focus must be one of 'autoencoder'; got 'deep'"):
        Report(model, table, focus="deep")
    with pytest.raises(ValueError, match=r"ends in \.html, \.md, \.json; got .*r\.pdf"):
        Report(model, table, embedding=False).save(tmp_path / "r.pdf")
    with pytest.raises(ValueError, match="not fitted"):
        Report(Autoencoder(2), table)
    model.save(tmp_path / "encoder.isthmus", part="encoder")
    with pytest.raises(ValueError, match="needs the whole model; this one was saved as an encoder"):
        Report(isthmus.load(tmp_path / "encoder.isthmus"), table)
    (tmp_path / "encoder.isthmus").unlink()
    with pytest.raises(TypeError, match="about an Autoencoder, or several by name; got PCA"):
        Report(PCA(2), table)
    with pytest.raises(TypeError, match="must be an OutlierDetector; got IsolationForest"):
        Report(model, table, detector=IsolationForest())
    with pytest.raises(ValueError, match="not fitted"):
        Report(model, table, detector=OutlierDetector())
    with pytest.raises(TypeError, match="must be what embed returned, or False; got True"):
        Report(model, table, embedding=True)
    with pytest.raises(ValueError, match="one of 150 rows, but the report is about 178"):
        Report(model, table, embedding=isthmus.embed(None, np.eye(150, 2)))
    assert not list(tmp_path.iterdir())


# -- in a browser ----------------------------------------------------------------------------------

CHECK = """
const plane = document.querySelector("figure.plane").plane, canvas = plane.canvas, found = {};
const at = (i) => {
  const [x, y] = plane.place(i, plane.size()), box = canvas.getBoundingClientRect();
  return { clientX: box.left + x, clientY: box.top + y, pointerId: 1, pointerType: "mouse" };
};
canvas.dispatchEvent(new PointerEvent("pointermove", at(3)));
found.chosen = plane.chosen;
found.tip = plane.tip.textContent;
const before = plane.place(3, plane.size());
plane.scaled(3, ...before);
const after = plane.place(3, plane.size());
found.moved = Math.hypot(before[0] - after[0], before[1] - after[1]);
found.zoom = plane.zoom;
found.kinds = [...plane.legend.children].map((item) => item.textContent);
plane.legend.querySelector("button").click();
found.hidden = [...Array(plane.data.n).keys()].filter((i) => !plane.seen(i)).length;
found.choices = [...plane.select.options].map((o) => o.textContent);
plane.select.value = "0";
plane.select.onchange();
found.scale = plane.legend.textContent;
canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "0" }));
found.back = plane.zoom;
plane.paint();
const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
found.inked = pixels.filter((v, i) => i % 4 === 3 && v > 0).length;
found.still = getComputedStyle(document.querySelector("img.still")).display;
document.title = JSON.stringify(found);
"""


NARROW = """
const tables = [...document.querySelectorAll(".scroll")];
const table = tables.find((s) => s.scrollWidth > s.clientWidth + 100);
table.scrollLeft = 90;
const left = (element) => element.getBoundingClientRect().left;
const cells = table.querySelector("tbody tr").children;
const found = {width: innerWidth, page: document.documentElement.scrollWidth,
  kept: left(cells[0]) - left(table), gone: left(cells[1]) < left(cells[0]) + cells[0].offsetWidth,
  pictures: Math.max(...[...document.querySelectorAll(".half img")].map((i) => i.offsetWidth))};
parent.postMessage(JSON.stringify(found), "*");
"""
FRAME = """<title></title>
<script>onmessage = (e) => { document.title = e.data; };</script>
<iframe src="c.html" style="border:0;width:390px;height:900px"></iframe>"""


def asked(report, check, folder, frame=None):
    """Run a check in the page, or in the page within a frame, and return what it says."""
    html = report.save(folder / "r.html").read_text("utf-8")
    html = re.sub(r"<meta http-equiv=.Content-Security-Policy.*?>", "", html)  # lets the check run
    (folder / "c.html").write_text(html.replace("</body>", f"<script>{check}</script></body>"))
    (folder / "f.html").write_text(frame or "")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    page = folder / ("c.html" if frame is None else "f.html")
    command += ["--virtual-time-budget=2000", "--dump-dom", f"file://{page}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in done.stderr
    return json.loads(Page(done.stdout).text.strip().partition("\n")[0])


@pytest.mark.skipif(BROWSER is None, reason="no browser here")
def test_a_phone_scrolls_tables_and_not_the_page(report, tmp_path):
    found = asked(report, NARROW, tmp_path, FRAME)
    assert found["width"] == 390 >= found["page"]
    assert 0 < found["pictures"] <= 390
    assert found["gone"]  # the second column has moved under the first
    assert abs(found["kept"]) < 1  # which stays


@pytest.mark.skipif(BROWSER is None, reason="no browser here")
def test_the_plane_works_in_a_browser(report, labels, tmp_path):
    found = asked(report, CHECK, tmp_path)
    assert found["chosen"] == 3
    assert found["tip"].startswith("bottle 3row3")
    assert "column 0" in found["tip"]
    assert found["moved"] < 0.5
    assert (found["zoom"], found["back"], found["still"]) == (3, 1, "none")
    assert len(found["kinds"]) == 3
    assert found["hidden"] == (labels == sorted(set(labels))[0]).sum()
    assert found["choices"] == [LABEL, "score", *COLUMNS]
    assert found["scale"].count("\u2264") == 1
    assert found["inked"] > 1000


def test_pictures_are_dark_on_a_dark_page(page):
    images = [a for tag, a in page.attributes if tag == "img"]
    lines = [i["src"].partition(",")[2] for i in images if i["src"].startswith("data:image/svg")]
    assert lines
    for content in lines:
        style = base64.b64decode(content).decode().partition("</style>")[0]
        assert "@media (prefers-color-scheme: dark)" in style
        assert "[style*='fill: #ffffff'] { fill: none !important }" in style
    points = [i for i in images if i["src"].startswith("data:image/png")]
    assert points
    assert all("drawn" in i["class"] for i in points)  # of a table nothing else is made of pixels


# -- on the command line ---------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, monkeypatch, iris):
    frame = pl.DataFrame(iris, schema=["a", "b", "c", "d"])
    kinds = [f"kind {i % 3}" for i in range(150)]
    names = [f"flower {i}" for i in range(150)]
    frame = frame.with_columns(pl.Series("kind", kinds), pl.Series("name", names))
    frame.write_csv(tmp_path / "flowers.csv")
    np.save(tmp_path / "flowers.npy", iris)
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(frame.select("a", "b", "c", "d"))
    model.save(tmp_path / "m o.isthmus")
    Autoencoder(2, max_epochs=2, random_state=0).fit(iris).save(tmp_path / "bare.isthmus")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_a_page_and_says_how_to_again(files, capsys):
    words = ["report", "m o.isthmus", "flowers.csv", "--id", "name", "--label", "kind"]
    assert main(words) == 0
    page = Page((files / "m o.html").read_text("utf-8"))
    assert page.data[0]["ids"][:2] == ["flower 0", "flower 1"]
    assert page.data[0]["label"]["kinds"] == ["kind 0", "kind 1", "kind 2"]
    command = "isthmus report 'm o.isthmus' flowers.csv --id name --label kind --output 'm o.html'"
    assert command in page.text
    assert "m o.html" in capsys.readouterr().out
    assert main(words) == 1
    assert "--force" in capsys.readouterr().err
    assert main([*words, "--force", "--title", "Flowers & <b>"]) == 0
    again = Page((files / "m o.html").read_text("utf-8"))
    assert "Flowers & <b>" in again.text
    assert "b" not in again.tags


def test_a_label_that_the_model_was_trained_on_is_no_discovery(files, capsys):
    assert (
        main(["fit", "flowers.csv", "--ignore", "name", "--max-epochs", "2", "-o", "k.isthmus"])
        == 0
    )
    capsys.readouterr()
    assert main(["report", "k.isthmus", "flowers.csv", "--label", "kind", "-o", "k.html"]) == 0
    assert capsys.readouterr().err.count("'kind' is one of the columns") == 1
    text = Page((files / "k.html").read_text("utf-8")).text
    assert "which the model was trained on: kind is one of its columns" in text
    assert "Raw columns and PCA are without it" in text
    assert "never saw" not in text
    assert "but no label" not in text


def test_the_command_writes_facts_and_arrays_need_no_labels(files, capsys):
    assert main(["report", "bare.isthmus", "flowers.npy", "-o", "f.json", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["report"] == "f.json"
    assert found["rows"] == 150
    facts = json.loads((files / "f.json").read_text())
    assert facts["data"]["labels"] is None
    words = ["flowers.csv", "--label", "kind", "--id", "name", "-o", "a.md"]
    assert main(["report", "bare.isthmus", *words]) == 0
    assert "kind 1" in (files / "a.md").read_text()


def test_the_command_says_what_a_search_found(files, capsys):
    words = ["--columns", "a,b,c,d", "--grid", "n_components=1,2", "--max-epochs", "2", "--quiet"]
    assert main(["tune", "flowers.csv", *words, "--table", "c.json", "-o", "b.isthmus"]) == 0
    found = json.loads((files / "c.json").read_text())
    assert [c["params"]["n_components"] for c in found["candidates"]] in ([1, 2], [2, 1])
    words = ["b.isthmus", "flowers.csv", "--search", "c.json"]
    assert main(["report", *words, "-o", "r.json"]) == 0
    facts = json.loads((files / "r.json").read_text())
    assert facts["search"] == found
    assert "--search c.json" in facts["reproduce"]["command"]
    assert main(["report", *words, "-o", "r.html"]) == 0
    assert "2 candidates were compared" in Page((files / "r.html").read_text("utf-8")).text


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "NaN", '{"candidates": [1]}', "\ufeff{}", "[" * 9999]
)
def test_what_is_no_search_is_refused(files, capsys, text):
    (files / "c.json").write_text(text, "utf-8")
    words = ["bare.isthmus", "flowers.npy", "--search", "c.json", "-o", "r.html"]
    assert main(["report", *words]) == 1
    assert "c.json is not what a search found" in capsys.readouterr().err
    assert not (files / "r.html").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["flowers.csv", "--label", "kin"], 1, "has no column 'kin'. Did you mean 'kind'?"),
        (["flowers.npy", "--label", "kind"], 2, "--label needs a CSV or Parquet file: flowers.npy"),
        (["flowers.csv", "-o", "r.pdf"], 1, "must end in .html, .md or .json"),
        (["none.csv"], 1, "there is no such file"),
    ],
)
def test_mistakes_on_the_command_line_are_reported(files, capsys, words, status, said):
    assert main(["report", "m o.isthmus", *words]) == status
    assert said in capsys.readouterr().err
    assert not list(files.glob("*.html"))


def test_the_guide_to_reports_runs(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "guides" / "report.md").read_text()
    monkeypatch.chdir(tmp_path)
    space = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "report.md", "exec"), space)
    assert {p.name for p in tmp_path.iterdir()} >= {"cancer.html", "cancer.md", "cancer.json"}
    assert space["strangest"]["causes"][0]["contribution"] > 0


def test_causes_of_a_loss_that_counts_from_0_are_shares_too(rng):
    X = rng.poisson(20, (80, 4)).astype(float)
    X[3, 2] = 200
    model = Autoencoder(1, loss=isthmus.Poisson(deviance=False), max_epochs=5, random_state=0).fit(
        X
    )
    causes = [row["causes"] for row in Report(model, X).facts()["outliers"]["rows"]]
    assert causes
    assert all(0 <= cause["contribution"] <= 1 for row in causes for cause in row)

"""The report: facts that are right, figures that show them, a page that needs nothing."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure

import isthmus
from isthmus import Autoencoder, _facts, _sections, judging, plots, report
from isthmus._sections import Picture, Section

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
HOSTILE = '<script>alert("x")</script> & $\\frac{$ _'


class Page(HTMLParser):
    """What a page says and refers to."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.references, self.headings, self.text = [], [], [], [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.references += [v for k, v in attrs if k in ("src", "href", "srcset", "action")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


@pytest.fixture(scope="module")
def images(digits):
    return digits[:300], digits[300:450]


@pytest.fixture(scope="module")
def models(images):
    settings = {"scaling": "range", "max_epochs": 120, "random_state": 0}
    made = {
        "sparse": Autoencoder(70, sparsity="kl:rho=0.1", **settings),
        "denoising": Autoencoder(8, corruption="gaussian", **settings),
    }
    return {name: model.fit(images[0]) for name, model in made.items()}


@pytest.fixture(scope="module")
def facts(models, images):
    return {name: report.summarize(m, images[1], name=name) for name, m in models.items()}


@pytest.fixture
def table(iris):
    return pd.DataFrame(iris, columns=["a", HOSTILE, "c", "_d"])


def written(tmp_path, *args, **keywords):
    return Page(report.write(tmp_path / "r.html", *args, **keywords).read_text("utf-8"))


# -- facts -----------------------------------------------------------------------------------------


def test_facts_are_json(facts):
    for f in facts.values():
        assert json.loads(json.dumps(f, allow_nan=False)) == f


def test_errors_equal_those_computed_by_hand(facts, models, images):
    train, test = images
    for name, model in models.items():
        difference = model.reconstruct(test) - test
        f = facts[name]
        assert f["raw_error"] == pytest.approx(np.mean(difference**2), rel=1e-6)
        assert f["error"] == pytest.approx(np.mean((difference / np.ptp(train)) ** 2), rel=1e-4)
        assert f["score"] == model.score(test)
        assert f["n_rows"] == 150
        assert f["baseline"]["pca"] == pytest.approx(model.baseline_["pca"])


def test_sparsity_counts_units_under_rho(facts, models):
    s = facts["sparse"]["sparsity"]
    assert (s["rho"], s["units"]) == (0.1, 70)
    assert s["within"] == int((models["sparse"].mean_activation_ <= 0.11).sum())
    assert facts["denoising"]["sparsity"] is None


def test_noise_has_the_models_deviation_in_the_datas_units(facts):
    assert facts["sparse"]["denoising"] is None
    d = facts["denoising"]["denoising"]
    assert d["noisy_error"] == pytest.approx((0.3 * 16) ** 2, rel=0.05)
    assert d["denoised_error"] < d["noisy_error"]


def test_corrupted_is_drawn_by_the_seed(models, images):
    X, model = images[1], models["denoising"]
    noise = _facts.corrupted(model, X, seed=5) - X
    assert noise.mean() == pytest.approx(0, abs=0.2)
    np.testing.assert_array_equal(_facts.corrupted(model, X, seed=5) - X, noise)
    assert not np.allclose(_facts.corrupted(model, X, seed=6) - X, noise)


def test_lost_variance_by_column(table):
    model = Autoencoder(2, max_epochs=5, random_state=0).fit(table)
    made, X = model.reconstruct(table), table.to_numpy()
    lost = ((made - X) ** 2).sum(axis=0) / ((X - X.mean(axis=0)) ** 2).sum(axis=0)
    columns = report.summarize(model, table)["columns"]
    assert [c["name"] for c in columns] == list(table.columns)
    np.testing.assert_allclose([c["lost"] for c in columns], lost, rtol=1e-6)


def test_a_constant_column_has_no_variance_to_lose(iris):
    X = np.c_[iris, np.ones(len(iris))]
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    assert report.summarize(model, X)["columns"][-1] == {"name": "4", "lost": None}


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_tables_keep_their_names_on_the_way_through_noise(iris, frame):
    names = ["a", "b", "c", "schema"]
    X = pd.DataFrame(iris, columns=names) if frame is pd.DataFrame else pl.DataFrame(iris, names)
    model = Autoencoder(2, corruption="swap", max_epochs=2, random_state=0).fit(X)
    assert report.summarize(model, X)["denoising"]["text"] == "swap:rate=0.15"


def test_functions_in_slots_are_called_by_their_names(iris):
    def halve(key, x):
        return x / 2

    model = Autoencoder(2, corruption=halve, max_epochs=2, random_state=0).fit(iris)
    f = report.summarize(model, iris)
    assert f["equation"]["corruption"] == "halve"
    assert f["denoising"]["noisy_error"] > 0


def test_seconds_are_those_of_all_phases():
    history = {"phase": ["layer 1", "layer 1", "fit"], "seconds": [1.0, 2.0, 2.5]}
    assert _facts.seconds(history) == 2.5


def test_last_terms_skip_what_was_not_measured():
    history = {"phase": ["fit"] * 2, "epoch": [1, 2], "loss": [3.0, 2.0], "kl": [1.0, float("nan")]}
    assert judging.last_terms(history) == {"loss": 2.0, "kl": 1.0}


# -- figures ---------------------------------------------------------------------------------------


def test_losses_draws_a_line_a_term_and_leaves_gaps_out():
    history = {
        "phase": ["layer 1", "fit", "fit"],
        "epoch": [1, 1, 2],
        "loss": [3.0, 2.0, 1.0],
        "reconstruction": [2.0, 1.5, 0.9],
        "kl": [1.0, 0.5, 0.1],
        "validation_loss": [float("nan"), 2.0, 1.0],
        "learning_rate": [0.1, 0.1, 0.1],
        "seconds": [1.0, 2.0, 3.0],
    }
    figure = plots.losses(history)
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    terms = ("whole loss", "reconstruction", "kl", "reconstruction, held-out rows")
    assert set(terms) <= set(lines)
    assert list(lines["kl"].get_ydata()) == [1.0, 0.5, 0.1]
    assert list(lines[terms[-1]].get_xdata()) == [2, 3]
    assert [t.get_text() for t in figure.axes[0].texts] == ["layer 1", "fit"]


def test_losses_of_a_plain_model_has_no_second_line_for_the_same_thing(models):
    labels = [line.get_label() for line in plots.losses(models["denoising"].history_).axes[0].lines]
    assert labels == ["reconstruction", "reconstruction, held-out rows"]


def test_negative_losses_are_drawn_on_a_linear_scale():
    history = {"phase": ["fit"] * 2, "epoch": [1, 2], "reconstruction": [1.0, -1.0]}
    assert plots.losses(history).axes[0].get_yscale() == "linear"


def test_pairs_are_one_tile_an_image_in_one_range():
    original = np.arange(24.0).reshape(2, 3, 4)
    figure = plots.pairs(original, original / 2, ["p", "q"])
    axes = figure.axes[0]
    picture = np.ma.filled(axes.images[0].get_array(), np.nan)
    assert picture.shape == (3 + 1 + 3, 4 + 1 + 4)
    np.testing.assert_allclose(picture[:3, :4], original[0] / 23)
    np.testing.assert_allclose(picture[4:, 5:], original[1] / 46)
    assert np.isnan(picture[3]).all()
    assert [t.get_text() for t in axes.get_yticklabels()] == ["original", "reconstruction"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["p", "q"]


def test_denoised_cuts_what_is_out_of_range(rng):
    original = rng.uniform(size=(3, 8, 8))
    figure = plots.denoised(original, original + 9, original - 9)
    picture = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
    assert np.nanmin(picture[9:17]) == 1
    assert np.nanmax(picture[18:]) == 0


def test_colour_images_are_drawn_in_colour(rng):
    images = rng.uniform(size=(2, 5, 5, 3))
    assert plots.pairs(images, images).axes[0].images[0].get_array().shape == (11, 11, 3)


def test_filters_are_tiles_symmetric_around_zero(rng):
    weights = rng.normal(size=(12, 10))
    image = plots.filters(weights, (3, 4)).axes[0].images[0]
    picture = np.ma.filled(image.get_array(), np.nan)
    assert picture.shape == (2 * 4 - 1, 8 * 5 - 1)
    np.testing.assert_allclose(picture[:3, 5:9], weights[:, 1].reshape(3, 4))
    assert np.isnan(picture[4:, 10:]).all()
    low, high = image.get_clim()
    assert low == -high < 0


def test_mean_activations_are_the_models_with_rho_beside_them(models):
    axes = plots.mean_activations(models["sparse"], 0.1).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, np.sort(models["sparse"].mean_activation_)[::-1])
    np.testing.assert_allclose([line.get_ydata()[0] for line in axes.lines], [0.1, 0.11])
    assert not plots.mean_activations(models["sparse"]).axes[0].lines


def test_error_against_width_draws_what_it_is_given():
    axes = plots.error_against_width([2, 4], {"deep": [2.0, 1.0]}, [3.0, 2.0], "px").axes[0]
    lines = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert lines == {"PCA": [3.0, 2.0], "deep": [2.0, 1.0]}
    assert "px" in axes.get_ylabel()
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2", "4"]


def test_embedding_colours_few_labels_and_scales_many(rng):
    points, labels = rng.normal(size=(40, 2)), np.arange(40) % 4
    axes = plots.embedding(points, labels).axes[0]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == list("0123")
    assert [len(c.get_offsets()) for c in axes.collections] == [10] * 4
    assert len(plots.embedding(points, np.arange(40.0)).axes) == 2  # a colour scale
    assert plots.embedding(points).axes[0].get_legend() is None
    assert plots.embedding(points, [f"name {i}" for i in range(40)]).axes[0].get_legend() is None


def test_hostile_words_are_drawn_as_they_are(rng):
    labels = np.array(["_hidden", HOSTILE, "$$", "\u6f22"] * 3)
    for figure in (
        plots.embedding(rng.normal(size=(12, 2)), labels),
        plots.column_errors(list(labels[:4]), [0.1, 0.2, 0.3, 0.4]),
        plots.error_against_width([2, 4], {HOSTILE: [1, 2]}, [2, 1]),
    ):
        assert isinstance(figure, Figure)
        assert plots.as_svg(figure).startswith("data:image/svg+xml;base64,")


def test_figures_leave_the_global_state_alone():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.as_png(plots.error_against_width([2, 4], [2, 1], [2, 1]))
    assert dict(mpl.rcParams) == before


# -- the page --------------------------------------------------------------------------------------


def test_the_page_holds_all_it_shows(tmp_path, models, images, digits):
    page = written(tmp_path, models, images[1], image_shape=(8, 8), embedded="sparse")
    assert all(reference.startswith("data:") for reference in page.references)
    assert not {"script", "iframe", "object"} & set(page.tags)
    assert page.open == []
    html = (tmp_path / "r.html").read_text("utf-8")
    assert not re.search(r"@import|url\(|https?://", html)
    assert page.headings == [
        "Autoencoders",
        "The models",
        "Losses by epoch",
        "Originals and reconstructions",
        "Noisy and denoised",
        "Learned filters",
        "Mean activations",
        "Codes in the plane (t-SNE)",
    ]


def test_the_page_says_what_the_facts_are(tmp_path, models, images, facts):
    text = written(tmp_path, models, images[1], image_shape=(8, 8), rows="150 digits").text
    for f in facts.values():
        assert f"{f['score']:.3f}" in text
        assert f"{f['n_parameters']:,}" in text
    s = facts["sparse"]["sparsity"]
    assert f"{s['within']} of 70 units" in text
    assert _sections.number(facts["denoising"]["denoising"]["denoised_error"]) in text
    assert "sparsity.penalty(z)" in text
    assert "150 digits" in text


def test_sections_that_make_no_sense_are_absent(tmp_path, iris):
    model = Autoencoder(2, max_epochs=3, random_state=0).fit(iris)
    page = written(tmp_path, {"plain": model}, iris)
    assert page.headings[1:] == ["The models", "Losses by epoch", "What is lost, by column"]


def test_denoising_a_table_is_told_in_words(tmp_path, iris):
    model = Autoencoder(2, corruption="swap", max_epochs=3, random_state=0).fit(iris)
    page = written(tmp_path, {"swapped": model}, iris)
    assert "Noisy and denoised" in page.headings
    assert "swapped: the corruption swap:rate=0.15 puts the values off" in page.text


def test_colour_images_have_no_filters(tmp_path, rng):
    X = rng.integers(0, 256, (40, 4, 4, 3)).astype(np.uint8)
    model = Autoencoder(3, corruption="masking", max_epochs=2, random_state=0).fit(X)
    headings = written(tmp_path, {"colour": model}, X).headings
    assert "Noisy and denoised" in headings
    assert "Learned filters" not in headings


def test_a_loaded_and_a_partly_fitted_model_are_reported(tmp_path, models, images, iris):
    models["sparse"].save(tmp_path / "m.isthmus")
    again = isthmus.load(tmp_path / "m.isthmus")
    written(tmp_path, {"again": again}, images[1], image_shape=(8, 8))
    partial = Autoencoder(2, random_state=0).partial_fit(iris)
    assert "partial" in written(tmp_path, {"partial": partial}, iris).text


def test_hostile_names_are_escaped(tmp_path, table):
    model = Autoencoder(2, max_epochs=3, random_state=0).fit(table)
    page = written(tmp_path, {HOSTILE: model}, table, title=HOSTILE, intro=[HOSTILE], rows=HOSTILE)
    assert "script" not in page.tags
    assert page.headings[0] == HOSTILE
    assert page.text.count(HOSTILE) >= 5


def test_pictures_are_escaped_too():
    section = Section(HOSTILE, [HOSTILE], [Picture("data:,", f'"{HOSTILE}', HOSTILE)])
    page = Page(report.to_html({"title": "t", "intro": [], "rows": "r", "models": []}, [section]))
    assert "script" not in page.tags
    assert page.references == ["data:,", "data:,"]


def test_what_cannot_be_reported_is_refused_clearly(tmp_path, iris, models, images):
    with pytest.raises(ValueError, match="at least one model"):
        report.write(tmp_path / "r.html", {}, iris)
    with pytest.raises(ValueError, match="holds 63 values, but the rows have 64"):
        report.write(tmp_path / "r.html", models, images[1], image_shape=(7, 9))


def test_examples_are_typical_of_their_labels(digits):
    y = np.arange(len(digits)) % 5
    chosen = _sections.examples(digits.reshape(-1, 8, 8), y)
    assert list(y[chosen]) == [0, 1, 2, 3, 4]
    assert _sections.examples(digits, None) == sorted(_sections.examples(digits, None))
    assert len(_sections.examples(digits[:3], None)) == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "\u2013"), (0, "0.00"), (0.011, "0.0110"), (123.4, "123"), (1e6, "1.0e+06")],
)
def test_numbers_are_written_to_three_figures(value, text):
    assert _sections.number(value) == text

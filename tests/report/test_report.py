"""The report: facts that are right, figures that show them, a page that needs nothing."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure

import isthmus
from isthmus import Autoencoder, Report, demo, plots
from isthmus.io.plain import as_json
from isthmus.model.fitted import last_terms
from isthmus.plots import tiles
from isthmus.report.blocks import Picture, Section, number_text
from isthmus.report.facts import (
    known_row_shape,
    layer_shapes,
    training_phases,
    training_seconds,
)
from isthmus.report.measurements import (
    ModelPasses,
    corrupt_rows,
    denoise_rows,
    measure_rows,
    model_facts,
)
from isthmus.report.model_sections import (
    MOST_FILTERS,
    Examples,
    choose_examples,
    filters_section,
    maps_section,
    same_noise_sentence,
)
from isthmus.report.pages import to_html
from isthmus.report.text_sections import comparison_notes

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
HOSTILE = '<script>alert("x")</script> & $\\frac{$ _'


class Page(HTMLParser):
    """What a page says and refers to."""

    VOID = ("meta", "link", "img", "br", "wbr")

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
def colours():
    """Images of 7 x 5 pixels in three channels, each a spot of one colour."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:7, :5]
    centres, labels = rng.uniform(1, 4, (120, 2, 1, 1)), np.arange(120) % 6
    spots = np.exp(-((y - centres[:, 0]) ** 2 + (x - centres[:, 1]) ** 2) / 2)
    paints = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]])[labels]
    return (255 * spots[..., None] * paints[:, None, None]).astype(np.uint8), labels


@pytest.fixture(scope="module")
def coloured(colours):
    """A dense model, a convolutional one of two layers, and one whose code is maps."""
    settings = {"max_epochs": 4, "random_state": 0}
    made = {
        "dense": Autoencoder(4, **settings),
        "conv": Autoencoder(4, "conv:channels=[6,20]", corruption="gaussian", **settings),
        "maps": Autoencoder(None, "conv:channels=[5],stride=1,code=maps", **settings),
    }
    return {name: model.fit(colours[0][:80]) for name, model in made.items()}


@pytest.fixture(scope="module")
def stacked(digits):
    """A convolutional model of flat rows, trained layer by layer, sparse in its code."""
    layers = "conv:channels=[3],input_shape=[8,8]"
    settings = {"sparsity": "kl", "pretrain": 2, "max_epochs": 3, "random_state": 0}
    return Autoencoder(5, layers, **settings).fit(digits[:200])


@pytest.fixture
def drawn(monkeypatch):
    """What the sections had drawn: the arguments of each figure, by the function's name."""
    seen = {}
    for name in ("filters", "maps", "pairs", "signals"):
        draw = getattr(plots, name)

        def recording(*args, name=name, draw=draw):
            seen.setdefault(name, []).append(args)
            return draw(*args)

        monkeypatch.setattr(plots, name, recording)
    return seen


@pytest.fixture(scope="module")
def facts(models, images):
    return {name: summarized(m, images[1], name) for name, m in models.items()}


@pytest.fixture
def table(iris):
    return pd.DataFrame(iris, columns=["a", HOSTILE, "c", "_d"])


def summarized(model, X, name="model"):
    measured = measure_rows(name, model, X)
    return as_json(model_facts(measured, denoise_rows(measured)))


def passed(models, images):
    rows = np.arange(len(images))
    return ModelPasses(models, next(iter(models)), images, rows, rows), images.astype(float)


def filters_of(models, images):
    passes, values = passed(models, images)
    return filters_section(passes.measured, values)


def written(tmp_path, *args, embedding=False, **keywords):
    made = Report(*args, embedding=embedding, **keywords)
    return Page(made.save(tmp_path / "r.html").read_text("utf-8"))


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
    noise = corrupt_rows(model, X, seed=5) - X
    assert noise.mean() == pytest.approx(0, abs=0.2)
    np.testing.assert_array_equal(corrupt_rows(model, X, seed=5) - X, noise)
    assert not np.allclose(corrupt_rows(model, X, seed=6) - X, noise)


def test_lost_variance_by_column(table):
    model = Autoencoder(2, max_epochs=5, random_state=0).fit(table)
    made, X = model.reconstruct(table).to_numpy(), table.to_numpy()
    lost = ((made - X) ** 2).sum(axis=0) / ((X - X.mean(axis=0)) ** 2).sum(axis=0)
    columns = summarized(model, table)["columns"]
    assert [c["name"] for c in columns] == list(table.columns)
    np.testing.assert_allclose([c["lost"] for c in columns], lost, rtol=1e-6)


def test_a_constant_column_has_no_variance_to_lose(iris):
    X = np.c_[iris, np.ones(len(iris))]
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    assert summarized(model, X)["columns"][-1] == {"name": "4", "lost": None}


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_tables_keep_their_names_on_the_way_through_noise(iris, frame):
    names = ["a", "b", "c", "schema"]
    X = pd.DataFrame(iris, columns=names) if frame is pd.DataFrame else pl.DataFrame(iris, names)
    model = Autoencoder(2, corruption="swap", max_epochs=2, random_state=0).fit(X)
    assert summarized(model, X)["denoising"]["text"] == "swap:rate=0.15"


def test_functions_in_slots_are_called_by_their_names(iris):
    def halve(key, x):
        return x / 2

    model = Autoencoder(2, corruption=halve, max_epochs=2, random_state=0).fit(iris)
    f = summarized(model, iris)
    assert f["equation"]["corruption"] == "halve"
    assert f["denoising"]["noisy_error"] > 0


def test_seconds_are_those_of_all_phases():
    history = {"phase": ["layer 1", "layer 1", "fit"], "seconds": [1.0, 2.0, 2.5]}
    assert training_seconds(history) == 2.5


def test_layers_are_reported_as_shapes(coloured, models):
    assert layer_shapes(coloured["conv"]) == ["7x5x3", "4x3x6", "2x2x20", "4"]
    assert layer_shapes(coloured["maps"]) == ["7x5x3", "7x5x5"]
    assert layer_shapes(models["sparse"]) == ["64", "70"]


def test_phases_are_reported_with_their_epochs(stacked, models):
    found = training_phases(stacked.history_)
    assert found == [
        {"name": "layer 1", "epochs": 2},
        {"name": "layer 2", "epochs": 2},
        {"name": "fit", "epochs": 3},
    ]
    assert training_phases(models["sparse"].history_) == [{"name": "fit", "epochs": 120}]


def test_models_know_what_their_rows_are(coloured, stacked, models):
    assert known_row_shape({"dense": coloured["dense"]}) == (7, 5, 3)
    assert known_row_shape({**models, "stacked": stacked}) == (8, 8, 1)
    assert known_row_shape(models) is None
    signals = np.random.default_rng(0).normal(size=(30, 6, 2))
    settings = {"max_epochs": 1, "random_state": 0}
    conv = Autoencoder(2, "conv1d:channels=[2]", **settings).fit(signals)
    dense = Autoencoder(2, **settings).fit(signals)
    assert known_row_shape({"dense": dense, "conv": conv}) == (6, 2)


def test_last_terms_skip_what_was_not_measured():
    history = {"phase": ["fit"] * 2, "epoch": [1, 2], "loss": [3.0, 2.0], "kl": [1.0, float("nan")]}
    assert last_terms(history) == {"loss": 2.0, "kl": 1.0}


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
    np.testing.assert_array_equal(lines["kl"].get_ydata(), [1.0, np.nan, 0.5, 0.1])
    np.testing.assert_array_equal(lines["kl"].get_xdata(), [1, np.nan, 2, 3])
    assert list(lines[terms[-1]].get_xdata()) == [2, 3]
    assert [t.get_text() for t in figure.axes[0].texts] == ["layer 1", "fit"]


def test_losses_of_a_plain_model_has_no_second_line_for_the_same_thing(models):
    labels = [line.get_label() for line in plots.losses(models["denoising"].history_).axes[0].lines]
    assert labels == ["reconstruction", "reconstruction, held-out rows"]


def history_of(*phases, **terms):
    labels = [name for name, epochs in phases for _ in range(epochs)]
    return {"phase": labels, "epoch": list(range(len(labels))), **terms}


def test_terms_of_some_phases_have_no_line_across_the_others():
    nan = float("nan")
    history = history_of(("layer 1", 2), ("layer 2", 2), ("fit", 2), kl=[3, 2, nan, nan, 1, 0.5])
    (line,) = (n for n in plots.losses(history).axes[0].lines if n.get_label() == "kl")
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, nan, 5, 6])


def test_what_a_phase_measured_once_is_a_point():
    history = history_of(("layer 1", 1), ("fit", 3), reconstruction=[4.0, 3.0, 2.0, 1.0])
    points = [n for n in plots.losses(history).axes[0].lines if n.get_marker() == "."]
    assert [list(p.get_xdata()) for p in points] == [[1]]


@pytest.mark.parametrize(
    ("phases", "words"),
    [
        ([("layer 1", 40), ("layer 2", 40), ("fit", 60)], ["layer 1", "layer 2", "fit"]),
        ([("layer 1", 30), ("layer 2", 9), ("fit", 60)], ["layer 1", "2", "fit"]),
        ([("layer 1", 1), ("layer 2", 1), ("layer 3", 1), ("fit", 400)], ["1"]),
    ],
)
def test_names_of_phases_never_overlap(phases, words):
    epochs = sum(n for _, n in phases)
    figure = plots.losses(history_of(*phases, reconstruction=np.linspace(2, 1, epochs)))
    texts = figure.axes[0].texts
    assert [t.get_text() for t in texts] == words
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in texts]
    assert all(a.x1 <= b.x0 for a, b in pairwise(boxes))
    assert len([n for n in figure.axes[0].lines if n.get_linewidth() == 1]) == len(phases) - 1


def test_a_term_that_reaches_0_leaves_the_scale_logarithmic():
    history = history_of(("fit", 3), reconstruction=[9.0, 0.1, 0.01], l1=[1.0, 0.0, 0.0])
    assert plots.losses(history).axes[0].get_yscale() == "log"


@pytest.mark.parametrize("low", [1e-6, 1e-3, 0.3, 0.9, 0.99])
def test_every_logarithmic_axis_has_several_ticks_within_it(low):
    axes = plots.losses(history_of(("fit", 2), reconstruction=[1.0, low])).axes[0]
    ticks, (bottom, top) = axes.get_yticks(), axes.get_ylim()
    assert 2 <= len(ticks) <= 12
    assert bottom <= min(ticks) < max(ticks) <= top
    assert [float(t.get_text()) for t in axes.get_yticklabels()] == pytest.approx(list(ticks))


def test_negative_losses_are_drawn_on_a_linear_scale():
    history = {"phase": ["fit"] * 2, "epoch": [1, 2], "reconstruction": [1.0, -1.0]}
    assert plots.losses(history).axes[0].get_yscale() == "linear"


def picture_of(figure):
    return np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)


def test_pairs_are_one_tile_an_image_in_one_range():
    original = np.arange(24.0).reshape(2, 3, 4)
    figure = plots.pairs(original, original / 2, ["p", "q"])
    axes, picture = figure.axes[0], picture_of(figure)
    assert picture.shape == (12 + 2 + 12, 16 + 2 + 16)  # four pixels for each, and gaps
    np.testing.assert_allclose(picture[:12:4, :16:4], original[0] / 23)
    np.testing.assert_allclose(picture[14::4, 18::4], original[1] / 46)
    assert np.isnan(picture[12:14]).all()
    assert [t.get_text() for t in axes.get_yticklabels()] == ["original", "reconstruction"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["p", "q"]
    assert list(axes.get_yticks()) == [5.5, 19.5]
    assert list(axes.get_xticks()) == [7.5, 25.5]


def test_tiles_and_their_words_keep_in_step_whatever_their_shape(rng):
    laid_out = tiles.mosaic(rng.uniform(size=(2, 3, 28, 100)), fill=np.nan)
    assert laid_out.picture.shape == (28 + 2 + 28, 100 + 2 + 100 + 2 + 100)
    assert laid_out.rows == [13.5, 43.5]
    assert laid_out.columns == [49.5, 151.5, 253.5]


def test_long_names_of_rows_are_not_cut_off(rng):
    images = rng.uniform(size=(10, 8, 8))
    names = ["simplest", "deep", "sparse", "denoising", "convolutional"]
    names += ["stacked denoising convolutional"]
    figure = plots.pairs(images, dict.fromkeys(names, images))
    figure.set_dpi(160)
    figure.draw_without_rendering()
    assert min(t.get_window_extent().x0 for t in figure.axes[0].get_yticklabels()) >= -1
    assert figure.axes[0].get_yticklabels()[-1].get_text().count("\n") == 2


def test_denoised_cuts_what_is_out_of_range(rng):
    original = rng.uniform(size=(3, 12, 12))
    picture = picture_of(plots.denoised(original, original + 9, original - 9))
    assert np.nanmin(picture[14:26]) == 1
    assert np.nanmax(picture[28:]) == 0


def test_colour_images_are_drawn_in_colour(rng):
    images = rng.uniform(size=(2, 12, 14, 3))
    images[0, 0, 0] = 0, 0.5, 1
    picture = picture_of(plots.pairs(images, images))
    assert picture.shape == (26, 30, 3)
    np.testing.assert_allclose(picture[14:, 16:], images[1], atol=2e-3)
    assert (picture[12:14] == 1).all()  # gaps are white


def test_a_channel_of_one_is_grey(rng):
    images = rng.uniform(size=(2, 12, 12))
    one = picture_of(plots.pairs(images[..., None], images[..., None]))
    np.testing.assert_array_equal(one, picture_of(plots.pairs(images, images)))


def test_filters_are_tiles_symmetric_around_zero(rng):
    weights = rng.normal(size=(12, 10))
    figure = plots.filters(weights, (3, 4))
    image, picture = figure.axes[0].images[0], picture_of(figure)
    assert picture.shape == (2 * 14 - 2, 8 * 18 - 2)
    np.testing.assert_allclose(picture[:12:4, 18:34:4], weights[:, 1].reshape(3, 4))
    assert np.isnan(picture[14:, 36:]).all()
    low, high = image.get_clim()
    assert low == -high < 0


def test_filters_of_colour_images_are_colours_around_grey(rng):
    weights = np.zeros((3 * 4 * 3, 2))
    weights[:, 1] = rng.uniform(-1, 1, 36)
    figure = plots.filters(np.c_[weights, -weights[:, 1]], (3, 4, 3))
    picture, limit = picture_of(figure), figure.axes[0].images[0].get_clim()[1]
    nothing, filled, opposite = (picture[::4, k : k + 16 : 4] for k in (0, 18, 36))
    assert (nothing == 0.5).all()
    assert (picture[:, 16:18] == 1).all()
    unclipped = np.abs(weights[:, 1].reshape(3, 4, 3)) < limit
    expected = 0.5 + weights[:, 1].reshape(3, 4, 3) / (2 * limit)
    np.testing.assert_allclose(filled[unclipped], expected[unclipped])
    np.testing.assert_allclose(filled + opposite, 1)
    assert "channel" in figure.axes[1].get_xlabel()


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 1), (7, 5, 3)])
def test_maps_stand_beside_their_images_on_one_scale_a_layer(rng, shape):
    first, second = rng.normal(size=(2, 4, 3, 5)), 9 * rng.normal(size=(2, 2, 2, 4))
    figure = plots.maps(rng.uniform(size=(2, *shape)), {"a": first, "b": second}, ["p", "q"])
    pictures = [axes for axes in figure.axes if axes.images]
    inputs, layers = pictures[:2], (pictures[2:4], pictures[4:])
    assert [axes.get_ylabel() for axes in inputs] == ["p", "q"]
    assert inputs[0].images[0].get_array().shape[:2] == (7, 5)
    limits = [{axes.images[0].get_clim() for axes in layer} for layer in layers]
    assert [len(scales) for scales in limits] == [1, 1]
    (low, high), (lower, higher) = (scales.pop() for scales in limits)
    assert -low == high < higher == -lower
    assert [axes.get_title() for axes, _ in layers] == ["a", "b"]
    values = np.ma.compressed(layers[1][1].images[0].get_array())
    np.testing.assert_allclose(np.unique(values), np.unique(second[1]))


def test_maps_are_laid_out_with_few_places_left_over():
    sizes = {(1, 6, 5): 1, (16, 6, 5): 16, (5, 4, 3): 6, (3, 4, 40): 3, (7, 4, 4): 9}
    for (count, h, w), places in sizes.items():
        picture = tiles._map_grid(np.zeros((h, w, count)))
        factor = -(-12 // min(h, w))
        rows, columns = (
            (side + 2) // (factor * n + 2) for side, n in zip(picture.shape, (h, w), strict=True)
        )
        assert rows * columns == places


def test_signals_are_lines_beside_their_reconstructions(rng):
    original = rng.normal(size=(3, 20, 2))
    figure = plots.signals(original, {"half": original / 2, "zero": 0 * original})
    assert len(figure.axes) == 6
    lines = {n.get_label(): n.get_ydata() for n in figure.axes[3].lines}
    assert list(lines) == ["original", "half", "zero"]
    np.testing.assert_array_equal(lines["original"], original[1, :, 1])
    np.testing.assert_array_equal(lines["half"], original[1, :, 1] / 2)


def test_mean_activations_are_sorted_bars_with_rho_beside_them(models):
    axes = plots.mean_activations(models["sparse"].mean_activation_, 0.1).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, np.sort(models["sparse"].mean_activation_)[::-1])
    np.testing.assert_allclose([line.get_ydata()[0] for line in axes.lines], [0.1, 0.11])
    assert not plots.mean_activations(models["sparse"].mean_activation_).axes[0].lines


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
    words = plots.embedding(points, [f"name {i}" for i in range(40)]).axes[0].get_legend()
    assert "31 others" in [t.get_text() for t in words.get_texts()]


def test_hostile_words_are_drawn_as_they_are(rng):
    labels = np.array(["_hidden", HOSTILE, "$$", "\u6f22"] * 3)
    for figure in (
        plots.embedding(rng.normal(size=(12, 2)), labels),
        plots.column_errors(list(labels[:4]), [0.1, 0.2, 0.3, 0.4]),
        plots.error_against_width([2, 4], {HOSTILE: [1, 2]}, [2, 1]),
    ):
        assert isinstance(figure, Figure)
        assert plots.as_svg(figure).startswith("data:image/svg+xml;base64,")


def test_bars_of_names_that_begin_alike_or_are_the_same_do_not_merge():
    names = ["average amount, last 30 days", "average amount, last 90 days", "balance", "balance"]
    names[:2] = (f"the {name} of this account" for name in names[:2])
    axes = plots.column_errors(names, [0.1, 0.9, 0.4, 0.2]).axes[0]
    assert [round(bar.get_width()) for bar in axes.patches] == [10, 90, 40, 20]
    assert len({round(bar.get_y(), 3) for bar in axes.patches}) == 4
    texts = [text.get_text() for text in axes.get_yticklabels()]
    assert len({*texts}) == 3
    assert all(len(text) <= 28 for text in texts)


def test_figures_leave_the_global_state_alone():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.as_png(plots.error_against_width([2, 4], [2, 1], [2, 1]))
    assert dict(mpl.rcParams) == before


# -- the page --------------------------------------------------------------------------------------


def test_the_page_holds_all_it_shows(tmp_path, models, images, digits):
    page = written(tmp_path, models, images[1], image_shape=(8, 8), embedding=None)
    assert all(reference.startswith(("data:", "#")) for reference in page.references)
    assert not {"iframe", "object"} & set(page.tags)
    assert page.tags.count("script") == 2  # what is drawn in the plane, and what draws it
    assert page.open == []
    html = (tmp_path / "r.html").read_text("utf-8")
    assert not re.search(r"@import|url\(|https?://", html)
    assert page.headings == [
        "Autoencoders",
        "The data",
        "The models",
        "Losses by epoch",
        "Originals and reconstructions",
        "Noisy and denoised",
        "Learned filters",
        "Mean activations",
        "The code",
        "Codes in the plane (t-SNE)",
        "The strangest rows",
        "How to reproduce",
    ]


def test_the_page_says_what_the_facts_are(tmp_path, models, images, facts):
    text = written(tmp_path, models, images[1], image_shape=(8, 8), rows="150 digits").text
    for f in facts.values():
        assert f"{f['score']:.3f}" in text
        assert f"{f['n_parameters']:,}" in text
    s = facts["sparse"]["sparsity"]
    assert f"{s['within']} of 70 units" in text
    assert number_text(facts["denoising"]["denoising"]["denoised_error"]) in text
    assert "sparsity.penalty(z)" in text
    assert "150 digits" in text


def test_sections_that_make_no_sense_are_absent(tmp_path, iris):
    model = Autoencoder(2, max_epochs=3, random_state=0).fit(iris)
    page = written(tmp_path, {"plain": model}, iris)
    assert page.headings[2:-3] == ["The model", "Losses by epoch", "What is lost, by column"]


def test_denoising_a_table_is_reported_in_words(tmp_path, iris):
    model = Autoencoder(2, corruption="swap", max_epochs=3, random_state=0).fit(iris)
    page = written(tmp_path, {"swapped": model}, iris)
    assert "Noisy and denoised" in page.headings
    assert "swapped: the corruption swap:rate=0.15 adds a squared error of" in page.text


def test_pages_of_convolutional_models_on_odd_colour_images(tmp_path, coloured, colours):
    page = written(tmp_path, coloured, colours[0][80:], colours[1][80:])
    assert page.headings[2:-3] == [
        "The models",
        "Losses by epoch",
        "Originals and reconstructions",
        "Noisy and denoised",
        "Learned filters",
        "Activation maps",
    ]
    assert "7x5x3 \u2192\u00a04x3x6 \u2192\u00a02x2x20 \u2192\u00a04" in page.text
    assert "grey is a weight of 0" in page.text


def test_pairs_show_what_the_models_make(tmp_path, coloured, colours, drawn):
    X = colours[0][80:]
    written(tmp_path, coloured, X, colours[1][80:])
    ((original, made, names),) = drawn["pairs"]
    assert original.shape == (6, 7, 5, 3)
    assert names == list("012345")
    assert list(made) == list(coloured)
    for name, model in coloured.items():
        chosen = [int(np.flatnonzero((X == o).all(axis=(1, 2, 3)))[0]) for o in original]
        np.testing.assert_allclose(made[name], model.reconstruct(X)[chosen], rtol=1e-5)


def test_dense_filters_are_what_each_pixel_contributes(coloured, colours, drawn):
    section = filters_of({"dense": coloured["dense"]}, colours[0][80:])
    ((worth, shape, label),) = drawn["filters"]
    weight = np.asarray(coloured["dense"].net_.encoder[0].weight, float)
    deviation = (colours[0][80:] / np.ptp(colours[0][:80])).reshape(40, -1).std(axis=0)
    order = np.argsort(-np.linalg.norm(weight * deviation[:, None], axis=0))
    np.testing.assert_allclose(worth, (weight * deviation[:, None])[:, order], rtol=1e-4)
    assert shape == (7, 5, 3)
    assert "deviation" in label
    assert "all 4 units" in section.pictures[0].caption
    assert "kernel" not in section.text[0]


def test_convolutional_filters_are_the_kernels_as_they_are(coloured, colours, drawn):
    section = filters_of({"conv": coloured["conv"]}, colours[0])
    ((worth, shape, label),) = drawn["filters"]
    weight = np.asarray(coloured["conv"].net_.encoder[0].weight, float).reshape(27, 6)
    assert (shape, label) == ((3, 3, 3), "Weight")
    norms = np.linalg.norm(worth, axis=0)
    assert (np.diff(norms) <= 0).all()
    np.testing.assert_array_equal(worth, weight[:, np.argsort(-np.linalg.norm(weight, axis=0))])
    assert "all 6 filters of the first layer, 3 x 3 pixels" in section.pictures[0].caption
    assert "kernel" in section.text[0]
    assert "deviation" not in section.text[0]


def test_the_strongest_of_many_filters_are_drawn(models, images, drawn):
    section = filters_section(passed(models, images[1])[0].measured, images[1].reshape(-1, 8, 8, 1))
    shown = [args[0].shape[1] for args in drawn["filters"]]
    assert shown == [8, MOST_FILTERS]
    captions = [picture.caption for picture in section.pictures]
    assert "the strongest 32 of 70 units" in captions[1]
    assert "Red pixels switch it on" in section.text[0]


def test_maps_are_the_most_active_ones_of_typical_images(coloured, colours, drawn):
    X = colours[0][80:]
    passes, images = passed(coloured, X)
    section = maps_section(passes, Examples(images, [3, 9, 11, 20, 21], list("abcde")))
    (original, layers, words), (_, only, _) = drawn["maps"]
    np.testing.assert_array_equal(original, images[[3, 11, 21]])
    assert words == ["a", "c", "e"]
    assert list(layers) == ["layer 1\n4 x 3, 6 maps", "layer 2\n2 x 2, 16 of 20 maps"]
    assert list(only) == ["layer 1\n7 x 5, 5 maps"]
    every = coloured["conv"].encode_maps(X[[3, 11, 21]], 2)
    size = np.abs(every).mean(axis=(0, 1, 2))
    assert size.min() < size.max()
    expected = every[..., np.argsort(-size)[:16]]
    np.testing.assert_allclose(layers["layer 2\n2 x 2, 16 of 20 maps"], expected, rtol=1e-5)
    assert "at most 16 maps are drawn" in section.text[0]
    assert [picture.caption for picture in section.pictures] == ["conv.", "maps."]


def test_maps_that_are_all_drawn_are_not_said_to_be_chosen(coloured, colours):
    X = colours[0][80:]
    sections = []
    for name in ("maps", "dense"):
        passes, images = passed({name: coloured[name]}, X)
        sections.append(maps_section(passes, Examples(images, [0, 1], [])))
    assert "at most" not in sections[0].text[0]
    assert sections[1] is None


def test_a_convolutional_model_knows_that_flat_rows_are_images(tmp_path, stacked, models, images):
    stacked.save(tmp_path / "m.isthmus")
    again = isthmus.load(tmp_path / "m.isthmus")
    page = written(tmp_path, {"dense": models["denoising"], "again": again}, images[1])
    assert "Activation maps" in page.headings
    assert "8x8x1 \u2192\u00a04x4x3 \u2192\u00a05" in page.text


def test_a_table_that_is_images_has_maps(tmp_path, digits):
    X = pd.DataFrame(digits[:60], columns=[f"p{i}" for i in range(64)])
    layers = "conv:channels=[2],input_shape=[8,8]"
    model = Autoencoder(3, layers, max_epochs=1, random_state=0).fit(X)
    assert "Activation maps" in written(tmp_path, {"conv": model}, X).headings


def test_stacked_training_is_reported_phase_by_phase(tmp_path, stacked, images):
    text = written(tmp_path, {"stacked": stacked}, images[1]).text
    assert "after 7 epochs (layer 1: 2, layer 2: 2, fit: 3) reconstruction" in text
    assert "a last one, fit, for all layers together" in text
    plain = written(tmp_path, {"plain": Autoencoder(2, max_epochs=2).fit(images[0])}, images[1])
    assert "for all layers together" not in plain.text


def test_a_code_of_maps_wider_than_the_input_is_not_compared_with_pca(tmp_path, coloured, colours):
    f = summarized(coloured["maps"], colours[0], "maps")
    assert (f["n_components"], f["n_features"]) == (175, 105)
    notes = " ".join(comparison_notes([f], "rows"))
    assert "No comparison with PCA for maps" in notes
    assert "below that of PCA" not in notes
    narrow = {**f, "n_components": 20}
    assert "that of PCA with 20 components" in " ".join(comparison_notes([narrow], "rows"))


def test_signals_are_lines_and_no_images(tmp_path, rng, drawn):
    X = np.cumsum(rng.normal(size=(60, 16, 3)), axis=1)  # as many channels as colours
    settings = {"max_epochs": 2, "random_state": 0}
    made = {
        "dense": Autoencoder(3, corruption="gaussian", **settings).fit(X),
        "conv": Autoencoder(3, "conv1d:channels=[4]", **settings).fit(X),
    }
    page = written(tmp_path, made, X)
    assert page.headings[2:-3] == [
        "The models",
        "Losses by epoch",
        "Originals and reconstructions",
        "Noisy and denoised",
    ]
    ((original, shown),) = drawn["signals"]
    assert original.shape == (4, 16, 3)
    np.testing.assert_array_equal(original[0], X[0])
    np.testing.assert_allclose(shown["conv"][3], made["conv"].reconstruct(X)[59], rtol=1e-5)
    assert set(drawn) == {"signals"}


def test_images_of_other_channels_are_reported_as_columns(tmp_path, rng):
    X = rng.uniform(size=(40, 4, 4, 2))
    model = Autoencoder(3, "conv:channels=[2]", max_epochs=1, random_state=0).fit(X)
    headings = written(tmp_path, {"two": model}, X).headings
    assert headings[2:-3] == ["The model", "What is lost, by column"]


def scored(name, score, width=4, parameters=1234, denoising=None):
    f = {"name": name, "score": score, "n_components": width, "n_parameters": parameters}
    return {**f, "n_features": 64, "baseline": None, "denoising": denoising}


def test_models_of_one_width_are_compared_by_score():
    group = [scored("a", 0.7), scored("b", 0.9, parameters=56), scored("c", 0.8)]
    alone, noise = scored("d", 0.95, width=8), scored("e", 0.99, denoising={"text": "gaussian"})
    wide = scored("v", 1.0, 64), scored("w", 0.9, 64)
    said = comparison_notes([*group, alone, noise, *wide], "rows")
    assert [note for note in said if "With a code" in note] == [
        "With a code of 4 units the b model has the best score, 0.900 with 56 parameters; c has "
        "0.800 with 1,234 and a has 0.700 with 1,234."
    ]


def test_models_of_one_noise_are_compared_by_what_they_leave():
    def noisy(name, left, noise=2.0):
        d = {"text": "gaussian", "noisy_error": noise, "denoised_error": left}
        return scored(name, 0.5, denoising=d)

    said = same_noise_sentence([noisy("a", 0.5), scored("plain", 0.9), noisy("b", 0.25)])
    assert said == [
        "Of the same noise the b model leaves least, a squared error of 0.250 per value; a leaves "
        "0.500."
    ]
    assert same_noise_sentence([noisy("a", 0.5), noisy("b", 0.25, noise=3.0)]) == []
    assert same_noise_sentence([noisy("a", 0.5), scored("plain", 0.9)]) == []


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
    page = Page(to_html({"title": "t", "intro": [], "rows": "r", "models": []}, [section]))
    assert "script" not in page.tags
    assert [r for r in page.references if not r.startswith("#")] == ["data:,", "data:,"]


def test_what_cannot_be_reported_is_refused_clearly(tmp_path, iris, models, images):
    with pytest.raises(ValueError, match="at least one model"):
        Report({}, iris)
    with pytest.raises(ValueError, match="holds 63 values, but the rows have 64"):
        Report(models, images[1], image_shape=(7, 9))


def test_examples_are_typical_of_their_labels(digits):
    y = np.arange(len(digits)) % 5
    examples = choose_examples(digits.reshape(-1, 8, 8), y, 10)
    assert list(y[examples.chosen]) == [0, 1, 2, 3, 4]
    assert examples.names == list("01234")
    chosen, names = choose_examples(digits, None, 10)[1:]
    assert chosen == sorted(chosen)
    assert names == []
    assert len(choose_examples(digits[:3], None, 10).chosen) == 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\u2013"),
        (0, "0.00"),
        (0.011, "0.0110"),
        (123.4, "123"),
        (999.7, "1,000"),
        (1012.3, "1,012"),
        (1e6, "1.0e+06"),
    ],
)
def test_numbers_are_written_to_three_figures_or_whole(value, text):
    assert number_text(value) == text


# -- the demonstration -----------------------------------------------------------------------------


def test_the_demonstration_counts_its_models(tmp_path, monkeypatch, capsys):
    fitted = []

    def fit(model, X):
        fitted.append(model)
        return Autoencoder(2, max_epochs=1, random_state=0).fit(X)

    nothing = Section("Nothing", [], [])
    saved = type("Saved", (), {"save": lambda self, path: path})()
    monkeypatch.setattr(demo, "fit", fit)
    monkeypatch.setattr(
        demo, "Report", lambda models, X, y, **said: seen.append((models, said)) or saved
    )
    seen = []
    monkeypatch.setattr(demo, "_section_by_width", lambda *_: nothing)
    monkeypatch.setattr(demo, "tour_section", lambda *_: nothing)
    assert demo.run(tmp_path, quick=True, verbose=0) == tmp_path / "report.html"
    assert capsys.readouterr() == ("", "")
    ((models, said),) = seen
    assert len(fitted) == len(models) == 6
    assert said["title"].startswith("Six ")
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {f"{name.replace(' ', '-')}.isthmus" for name in models}
    for kind in models:
        words = kind.removeprefix("stacked ").split()
        assert all(word in said["intro"][0] for word in words)


def test_the_tour_says_what_it_tried():
    data = demo.digits()
    denoising = Autoencoder(8, corruption="gaussian:std=0.3", scaling="range", max_epochs=60)
    denoising.set_params(random_state=0).fit(data.train)
    found = demo.tour_section(data.train[:300], data.test[:40], denoising, 8)
    warned, dropped, article, resumed, transferred = found.notes
    assert "n_components=64 for 64 features and no constraint" in warned
    assert "a tenth" in dropped
    assert "3,200 code units for 64 pixels" in article  # 32 maps of 10 x 10
    assert "the same codes to the bit" in resumed
    alone, helped = (float(v) for v in re.findall(r": (?:error )?([0-9.]+)[;.]", transferred))
    assert helped < alone
    (table,) = found.tables
    values = {name: float(value) for name, value in table.rows}
    assert values["the denoising model"] > values["median filter, 3 x 3"] > 0
    assert values["the denoising model"] > values["nothing"]


def test_the_demonstrations_denoising_models_see_the_same_noise():
    models = demo.models()
    noise = {name: m.corruption for name, m in models.items() if m.corruption != "auto"}
    assert noise == dict.fromkeys(
        ["denoising", "stacked denoising convolutional"], "gaussian:std=0.3"
    )
    assert models["convolutional"].n_components == models["deep"].n_components == 16
    assert models["stacked denoising convolutional"].pretrain == "layerwise"

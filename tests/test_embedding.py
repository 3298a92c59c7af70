"""Pictures of the data: points, samples, trust, colours, errors, and the command line."""

import json
import re
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus import Autoencoder, embed, embedding

ROOT = Path(__file__).parents[1]


@pytest.fixture
def groups(rng):
    """Three groups far apart, in five columns."""
    centres = 20 * rng.normal(size=(3, 5))
    return np.repeat(centres, 20, axis=0) + rng.normal(size=(60, 5)), np.repeat([0, 1, 2], 20)


def nearest(points):
    far = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(far, np.inf)
    return far.argmin(axis=1)


def test_pca_is_scikit_learns(iris):
    drawn = embed(None, iris, method="pca")
    expected = PCA(2).fit_transform(iris)
    np.testing.assert_allclose(np.abs(drawn.points), np.abs(expected), atol=1e-9)
    assert drawn.method == "pca"
    assert not drawn.sampled


def test_a_code_of_two_columns_is_drawn_as_it_is(iris):
    ae = Autoencoder(2, max_epochs=3, random_state=0).fit(iris)
    drawn = embed(ae, iris)
    assert drawn.method == "code"
    assert drawn.trustworthiness > 0.999  # ties alone are in another order
    np.testing.assert_allclose(drawn.points, ae.transform(iris))
    assert embed(ae, iris, method="pca").method == "pca"


def test_wider_codes_are_laid_out_by_tsne(groups):
    X, y = groups
    drawn = embed(None, X, random_state=0)
    assert drawn.method == "tsne"
    assert drawn.points.shape == (60, 2)
    assert np.mean(y[nearest(drawn.points)] == y) == 1
    assert drawn.points.flags.writeable


@pytest.mark.parametrize(
    ("method", "package"), [("opentsne", "openTSNE"), ("umap", "umap"), ("pacmap", "pacmap")]
)
@pytest.mark.filterwarnings("ignore")  # of the libraries' own imports
def test_methods_of_the_extra_keep_groups_together(groups, method, package):
    pytest.importorskip(package)
    X, y = groups
    drawn = embed(None, X, method=method, random_state=0)
    assert drawn.method == method
    assert np.mean(y[nearest(drawn.points)] == y) > 0.9
    again = embed(None, X, method=method, random_state=0)
    np.testing.assert_array_equal(drawn.points, again.points)


def test_a_missing_package_is_one_sentence(groups, monkeypatch):
    monkeypatch.setitem(embedding.PACKAGES, "umap", "no_such_package")
    with pytest.raises(ImportError, match=r"needs no_such_package: pip install no_such_package"):
        embed(None, groups[0], method="umap")


def test_an_object_with_fit_transform_lays_out(groups):
    class Two:
        def fit_transform(self, x):
            return x[:, :2]

    drawn = embed(None, groups[0], method=Two())
    assert drawn.method == "Two"
    np.testing.assert_array_equal(drawn.points, groups[0][:, :2])


def test_an_object_that_returns_no_points_is_refused(groups):
    with pytest.raises(ValueError, match=r"'PCA' returned shape \(60, 3\).*needs \(60, 2\)"):
        embed(None, groups[0], method=PCA(3))


def test_pipelines_and_their_frames_are_taken(iris):
    for frame in (pl.DataFrame(iris), pytest.importorskip("pandas").DataFrame(iris)):
        pipe = make_pipeline(StandardScaler(), PCA(3)).fit(frame)
        assert embed(pipe, frame, method="pca").points.shape == (150, 2)
    assert embed(None, np.zeros((4, 3, 3)) + np.arange(4)[:, None, None], method="pca").total == 4


def test_of_many_rows_a_random_sample_is_laid_out(groups):
    X, y = groups
    drawn = embed(None, X, method="pca", max_rows=25, random_state=1)
    assert drawn.sampled
    assert len(drawn.points) == len(drawn.rows) == 25
    assert drawn.facts()["total"] == 60
    assert list(drawn.rows) == sorted(set(drawn.rows.tolist()))
    np.testing.assert_array_equal(
        drawn.points, embed(None, X, method="pca", max_rows=25, random_state=1).points
    )
    other = embed(None, X, method="pca", max_rows=25, random_state=2)
    assert list(other.rows) != list(drawn.rows)
    for colour in (y, y[drawn.rows]):  # of all rows, or of the points
        shown = drawn.plot(colour).axes[0].collections
        assert [len(c.get_offsets()) for c in shown] == np.bincount(y[drawn.rows]).tolist()


def test_the_limits_are_of_the_methods():
    assert embedding._row_limit("tsne", "auto") == 5_000
    assert embedding._row_limit("umap", "auto") == 50_000
    assert embedding._row_limit("pca", "auto") is None
    assert embedding._row_limit("tsne", None) is None


def test_the_seed_decides(groups):
    one, two = (embed(None, groups[0], method="tsne", random_state=s).points for s in (0, 0))
    np.testing.assert_array_equal(one, two)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    embed(None, groups[0][:, :1], method="tsne", random_state=3)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_trustworthiness_says_a_true_picture_from_chance(groups, rng):
    X = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6))
    chance = type("Chance", (), {"fit_transform": lambda _, x: rng.normal(size=(len(x), 2))})
    assert embed(None, X, method="pca").trustworthiness > 0.999
    assert embed(None, X, method=chance()).trustworthiness < 0.6


def test_trustworthiness_is_measured_on_a_bounded_sample(rng, monkeypatch):
    monkeypatch.setattr(embedding, "MOST_JUDGED", 30)
    drawn = embed(None, rng.normal(size=(80, 4)), method="pca")
    assert (len(drawn.points), drawn.judged) == (80, 30)


@pytest.mark.parametrize("n", [3, 4, 5, 7])
def test_few_rows_are_laid_out(rng, n):
    drawn = embed(None, rng.normal(size=(n, 4)), method="tsne", random_state=0)
    assert drawn.points.shape == (n, 2)
    assert np.isfinite(drawn.points).all()


def test_too_few_rows_are_refused(rng):
    with pytest.raises(ValueError, match="'tsne' needs at least 3 rows; got 2"):
        embed(None, rng.normal(size=(2, 4)))
    with pytest.raises(ValueError, match="'pacmap' needs at least 12 rows; got 5"):
        embed(None, rng.normal(size=(5, 4)), method="pacmap")
    drawn = embed(None, rng.normal(size=(2, 2)))  # the code itself needs none
    assert drawn.facts()["trustworthiness"] is None


def test_rows_that_are_all_the_same_are_reported(rng):
    with pytest.raises(ValueError, match="The codes of all 20 rows are the same"):
        embed(None, np.ones((20, 4)), method="tsne")
    assert not embed(None, np.ones((20, 4)), method="pca").points.any()


def test_duplicates_and_constant_columns_are_laid_out(rng):
    X = np.c_[np.repeat(rng.normal(size=(4, 3)), 10, axis=0), np.ones(40)]
    assert np.isfinite(embed(None, X, method="tsne", random_state=0).points).all()
    one = embed(None, X[:, :1], method="pca")
    assert not one.points[:, 1].any()


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_the_unit_of_the_codes_means_nothing(groups, unit):
    X, y = groups
    points = embed(None, unit * X, method="tsne", random_state=0).points
    assert np.mean(y[nearest(points)] == y) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": "isomap"}, "method must be one of 'auto'.*got 'isomap'"),
        ({"method": 3}, "an object with fit_transform; got 3"),
        ({"method": "code"}, "needs a code of two columns, and it has 5"),
        ({"max_rows": 2}, "max_rows must be 'auto' or a whole number of at least 3; got 2"),
        ({"random_state": "x"}, "random_state"),
    ],
)
def test_options_that_cannot_be(groups, options, text):
    with pytest.raises(ValueError, match=text):
        embed(None, groups[0], **options)


def test_models_and_rows_that_cannot_be(groups):
    with pytest.raises(TypeError, match="TSNE has no transform"):
        embed(TSNE(), groups[0])
    with pytest.raises(ValueError, match="NaN"):
        embed(None, np.full((5, 3), np.nan))


# -- colours -------------------------------------------------------------------------------------


@pytest.fixture
def drawn(groups):
    return embed(None, groups[0], method="pca")


def legend(figure):
    return [t.get_text() for t in figure.axes[0].get_legend().get_texts()]


def test_categories_with_missing_values(drawn):
    days = np.array(["2020-01-01", "NaT"] * 30, "datetime64[D]")
    assert legend(drawn.plot(days)) == ["missing", "2020-01-01"]
    kinds = np.array(["b", None, "a", float("nan")] * 15, object)
    figure = drawn.plot(kinds)
    assert legend(figure) == ["missing", "a", "b"]
    assert [len(c.get_offsets()) for c in figure.axes[0].collections] == [30, 15, 15]
    assert legend(drawn.plot(pytest.importorskip("pandas").Series(kinds))) == legend(figure)


def test_of_many_words_the_most_frequent_are_coloured(drawn):
    kinds = [chr(97 + min(i % 20, i % 7)) for i in range(48)] + list("qrstuvwxyz01")
    names = legend(drawn.plot(kinds))
    assert names[0] == "10 others"
    assert len(names) == 10
    assert set("abcdefg") < set(names)


def test_values_are_a_scale_that_outliers_do_not_take(drawn):
    values = np.linspace(0, 1, 60)
    values[:5], values[5] = np.nan, np.inf
    values[-1] = 1e6
    figure = drawn.plot(pl.Series("size", values))
    assert figure.axes[1].get_ylabel() == "size"
    low, high = figure.axes[0].collections[-1].get_clim()
    assert 0 < low < 0.2
    assert high < 1e6
    assert len(figure.axes[0].collections[0].get_offsets()) == 6


def test_the_axes_say_the_method(drawn):
    figure = drawn.plot()
    assert figure.axes[0].get_xlabel() == "PCA, first axis"
    assert len(figure.axes[0].collections[0].get_offsets()) == 60


def test_all_colours_missing(drawn):
    assert len(drawn.plot(np.full(60, np.nan)).axes[0].collections) == 1


def test_a_wrong_number_of_colours(drawn):
    with pytest.raises(ValueError, match=r"colour has shape \(3,\); give one value for each of"):
        drawn.plot([1, 2, 3])


# -- command line --------------------------------------------------------------------------------


@pytest.fixture
def cli(cli, iris):
    kinds = ["", *(["=one", "two"] * 75)[:149]]
    frame = pl.DataFrame(iris, schema=list("abcd"))
    frame = frame.with_columns(kind=pl.Series(kinds), name=pl.Series([f"r{i}" for i in range(150)]))
    frame.write_csv("t.csv")
    ae = Autoencoder(3, max_epochs=2, random_state=0).fit(frame.select("a", "b", "c", "d"))
    ae.save("m.isthmus")

    return lambda words: cli("embed", "m.isthmus", "t.csv", *words.split())


def test_a_table_of_points(cli):
    status, out, _ = cli("-o p.csv --id name --colour kind --method pca")
    assert status == 0
    assert re.search(r"trustworthiness +[01]\.\d{3}\n", out)
    assert re.search(r"data +150 rows\n", out)
    table = pl.read_csv("p.csv")
    assert table.columns == ["name", "kind", "x", "y"]
    assert table["name"].to_list() == [f"r{i}" for i in range(150)]
    assert table["kind"][:3].to_list() == [None, "'=one", "two"]
    assert table["x"].var() > table["y"].var() > 0


class Slow:
    """A method that asks what was shown while it ran."""

    def __init__(self, shown):
        self.shown, self.seen = shown, []

    def fit_transform(self, x):
        self.seen.append(self.shown())
        return x[:, :2]


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_line_says_what_is_laid_out(groups, capsys, verbose):
    X, _ = groups
    slow = Slow(lambda: capsys.readouterr().err)
    embed(None, X, method=slow, verbose=verbose)
    assert slow.seen == [f"Slow of {len(X)} rows\n" if verbose else ""]
    embed(None, X, method="pca", verbose=verbose)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_a_wheel_turns(groups, capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    X, _ = groups
    slow = Slow(lambda: time.sleep(0.3))
    embed(None, X[:40], method=slow, verbose=1)
    shown = capsys.readouterr().err
    assert "Slow of 40 rows" in shown
    assert "0:00:00" in shown
    assert "\x1b[?25l" in shown  # the cursor is hidden
    assert "\x1b[?25h" in shown  # and comes back
    with pytest.raises(ZeroDivisionError):
        embed(None, X[:40], method=Slow(lambda: 1 / 0), verbose=1)
    assert "\x1b[?25h" in capsys.readouterr().err


def test_the_command_says_what_takes_long(cli):
    status, _, err = cli("-o p.csv --ignore kind --max-rows 30")
    assert (status, err) == (0, "t-SNE of 30 rows\n")
    assert cli("-o p.csv --ignore kind --max-rows 30 --force --quiet") == (0, "", "")


def test_a_sample_is_reported_and_its_rows_are_numbered(cli):
    status, out, _ = cli("-o p.parquet --max-rows 40 --colour score --method pca --seed 1")
    assert status == 0
    assert "a random sample of 40 of 150 rows" in out
    table = pl.read_parquet("p.parquet")
    assert table.columns == ["row", "score", "x", "y"]
    assert len(table) == 40
    assert table["score"].max() <= 0
    cli("-o q.parquet --max-rows 40 --method pca --seed 2")
    assert pl.read_parquet("q.parquet")["row"].to_list() != table["row"].to_list()


def test_pictures(cli):
    assert cli("-o p.png --colour a --method pca")[0] == 0
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")
    status, out, _ = cli("-o p.svg --colour kind --method pca --json")
    assert status == 0
    assert "<svg" in Path("p.svg").read_text()
    assert json.loads(out)["method"] == "pca"
    assert cli("-o q.png --method pca --quiet")[1] == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("-o p.csv --colour nope", "no column 'nope'"),
        ("-o p.txt", "must end in"),
        ("-o t.csv", "is also an input"),
        ("-o p.csv --max-rows 2", "--max-rows must be at least 3; got 2"),
        ("-o p.csv --seed -1", "--random-state must be a whole number of at least 0"),
        ("-o p.csv --method code", "needs a code of two columns, and it has 3"),
    ],
)
def test_errors_are_one_line(cli, words, text):
    status, out, err = cli(words)
    assert status in (1, 2)
    assert out == ""
    assert text in err
    assert err.count("\n") == 1
    assert not Path("p.csv").exists()


# -- the guide -----------------------------------------------------------------------------------


def test_the_guide_runs(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "guides" / "embed.md").read_text()
    space = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "embed.md", "exec"), space)
    assert space["drawn"].method == "tsne"
    assert space["drawn"].trustworthiness > space["linear"].trustworthiness
    assert space["few"].points.shape == (300, 2)
    assert "True 300 1797" in capsys.readouterr().out
    assert (tmp_path / "digits.png").stat().st_size > 10_000

"""Fits on rows of more than a window: from disk as in memory, to the bit, and what can go wrong."""

import os
import shutil
import signal
import threading
import time
from types import SimpleNamespace

import jax
import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import MinMaxScaler

from isthmus import Autoencoder, OutlierDetector
from isthmus.autoencoder import sources
from isthmus.io import Blocks, FileError
from isthmus.io.blocks.frames import FrameBlocks
from isthmus.model import blocks
from isthmus.training import windows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N, D = 700, 5


@pytest.fixture(autouse=True)
def tiny_window(monkeypatch):
    """A window of 192 rows, and blocks of 24."""
    monkeypatch.setattr(windows, "WINDOW", 1000)
    monkeypatch.setattr(windows, "BLOCKS", 8)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3)) @ rng.normal(size=(3, D)) + 0.1 * rng.normal(size=(N, D))
    X[:, 0] = np.sort(X[:, 0]) + 100
    return X.astype(np.float32)


@pytest.fixture(scope="module")
def files(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "rows.npy", rows)
    frame = pl.DataFrame(rows, schema=[f"c{j}" for j in range(D)])
    frame.write_parquet(folder / "rows.parquet", row_group_size=33)
    frame.write_parquet(folder / "other.parquet", row_group_size=200)
    return folder


def model(**params):
    given = {"max_epochs": 2, "batch_size": 32, "random_state": 0, **params}
    return Autoencoder(2, "dense:hidden=[4]", **given)


def same(a, b):
    pairs = zip(jax.tree.leaves(a.net_), jax.tree.leaves(b.net_), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def known_alike(a, b):
    """Whether two fits left the same, whatever time they took."""
    histories = [{k: v for k, v in m.history_.items() if k != "seconds"} for m in (a, b)]
    np.testing.assert_equal(*histories)
    np.testing.assert_array_equal(a.mean_activation_, b.mean_activation_)
    return same(a, b) and a.baseline_ == b.baseline_ and a.fitted_.seen == b.fitted_.seen


@pytest.fixture(scope="module")
def whole(rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WINDOW", 1000)
        patch.setattr(windows, "BLOCKS", 8)
        return model().fit(rows)


@pytest.mark.parametrize("name", ["rows.npy", "rows.parquet", "other.parquet"])
def test_a_fit_from_disk_is_that_in_memory(files, rows, whole, name):
    found = model().fit(files / name)
    assert known_alike(found, whole)
    np.testing.assert_array_equal(found.transform(str(files / name)), whole.transform(rows))
    assert found.score(files / name) == whole.score(rows)


def test_a_mapped_array_is_read_block_by_block(files, whole):
    assert known_alike(model().fit(np.load(files / "rows.npy", mmap_mode="r")), whole)


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": False, "scaling": "minmax"},
        {"pretrain": "layerwise", "corruption": "gaussian"},
        {"scaling": "robust", "batch_size": "auto", "dtype": "float64"},
        {"scaling": MinMaxScaler()},
    ],
    ids=str,
)
def test_whatever_is_fitted_is_the_same_from_disk(files, rows, params):
    weight = np.random.default_rng(1).uniform(0, 2, N) * (np.arange(N) % 9 > 0)
    found = [model(**params).fit(X, sample_weight=weight) for X in (rows, files / "rows.parquet")]
    assert known_alike(*found)


def test_rows_of_one_window_are_the_fit_in_memory(files, rows, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW", N * D)
    before = model().fit(rows)
    assert known_alike(model().fit(files / "rows.npy"), before)
    monkeypatch.setattr(windows, "WINDOW", 2**26)
    assert known_alike(model().fit(rows), before)


def test_what_is_measured_of_many_rows_is_near_what_all_say(rows, whole, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW", 2**26)
    found = model().fit(rows)
    np.testing.assert_allclose(found.scaler_.centre, whole.scaler_.centre, rtol=0.05, atol=0.2)
    np.testing.assert_allclose(found.scaler_.scale, whole.scaler_.scale, rtol=0.1)
    assert found.baseline_["pca"] == pytest.approx(whole.baseline_["pca"], rel=0.5)
    assert len(found.history_["loss"]) == len(whole.history_["loss"])


@pytest.mark.parametrize("n", [1, 3, 6])
def test_an_interrupted_fit_goes_on_from_another_file(files, whole, monkeypatch, n):
    ae, most, begun = model(warm_start=True), windows.Windows.most, iter(range(n - 1))

    def interrupted(feed, step):
        if next(begun, None) is None:
            raise KeyboardInterrupt
        return min(most(feed, step), 4)

    with monkeypatch.context() as patch:
        patch.setattr(windows.Windows, "most", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ae.fit(files / "rows.parquet")
    assert ae.unfinished_epochs == 0
    assert ae.baseline_["rows"] == "held-out"
    assert known_alike(ae.fit(files / "other.parquet"), whole)


def cut_off(path):
    os.truncate(path, path.stat().st_size - 1000)


def touched(path):
    os.utime(path, ns=(0, 0))


@pytest.mark.parametrize(
    ("fault", "said"),
    [(cut_off, "was cut off"), (os.unlink, "vanished"), (touched, "was changed")],
)
def test_a_file_that_does_not_stay_leaves_a_fit_that_goes_on(
    files, rows, whole, tmp_path, fault, said
):
    path = tmp_path / "mine.npy"
    np.save(path, rows)
    ae = model(warm_start=True)
    with pytest.raises(FileError, match=f"mine.npy {said}"):
        ae.fit(path, on_epoch=lambda row: fault(path) if row["epoch"] == 1 else None)
    assert ae.unfinished_epochs == 1
    np.save(path, rows)
    assert known_alike(ae.fit(path), whole)


def test_packed_rows_are_unpacked_once_where_there_is_room(files, whole, monkeypatch):
    read, times = FrameBlocks.read, []
    monkeypatch.setattr(FrameBlocks, "read", lambda *args: times.append(1) or read(*args))
    assert known_alike(model().fit(files / "rows.parquet"), whole)
    once = len(times)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    with pytest.warns(UserWarning, match="rows.parquet is kept in a temporary file .* anew"):
        assert known_alike(model().fit(files / "rows.parquet"), whole)
    assert len(times) > 2 * once + 20


class Watched(Blocks):
    """Rows of an array, which notes how many are read at a time."""

    name, columns, is_unpacked = "watched", None, True

    def __init__(self, array):
        self.array, self.n_rows, self.most = array, len(array), 0

    def read(self, start, stop):
        self.most = max(self.most, stop - start)
        return self.array[start:stop]


def test_no_more_than_a_block_is_read_at_a_time(rows):
    source = Watched(rows)
    assert model().fit(source).n_iter_ == 2
    assert 0 < source.most < 60  # a block of 24, and rows held out among them


class Slow(Watched):
    """Reads nothing more once the first epoch is at its end."""

    def __init__(self, array):
        super().__init__(array)
        self.stuck, self.ended = False, threading.Event()

    def read(self, start, stop):
        if self.stuck:
            self.ended.wait(30)
        return super().read(start, stop)

    def stick(self, row):
        self.stuck = True
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()


def test_an_interrupt_is_answered_while_a_source_is_read(rows):
    source, ae = Slow(rows), model(max_epochs=9)
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ae.fit(source, on_epoch=source.stick)
    source.ended.set()
    assert time.monotonic() - begin < 5
    assert ae.unfinished_epochs >= 1


def test_a_cell_that_is_no_number_is_named_by_its_row(rows, tmp_path):
    X = rows.copy()
    X[431, 2] = np.inf
    np.save(tmp_path / "rows.npy", X)
    with pytest.raises(ValueError, match=r"infinity in column 2 \(1 cells, the first in row 431\)"):
        model().fit(tmp_path / "rows.npy")


@pytest.mark.parametrize(
    ("cell", "said"), [(np.nan, "NaN .*in row 431"), (1e60, "1e\\+60 in row 431")]
)
def test_a_fitted_model_names_a_cell_by_its_row_among_all(
    rows, whole, tmp_path, monkeypatch, cell, said
):
    X = rows.astype(float)
    X[431, 2] = cell
    np.save(tmp_path / "rows.npy", X)
    monkeypatch.setattr(type(whole.fitted_.model), "blocks", lambda self, X: blocks(X, 200))
    with pytest.raises(ValueError, match=said):
        whole.transform(tmp_path / "rows.npy")


def test_rows_of_weight_0_say_nothing_of_the_scaling(rows):
    X, weight = rows.copy(), np.ones(N)
    X[100], weight[100] = 1e6, 0
    fitted = model(scaling="minmax", max_epochs=1, early_stopping=False)
    fitted = fitted.fit(X, sample_weight=weight).fitted_.model
    np.testing.assert_allclose(fitted.scaled(np.delete(X, 100, 0)).max(axis=0), 1, rtol=1e-5)


def test_a_column_that_the_precision_cannot_hold_is_named_by_its_row(rows):
    X = rows.astype(float)
    X[500, 3] = 1e60
    with pytest.raises(ValueError, match="Column 3 of X, scaled, is too large .* in row 500"):
        model(scaling=None, early_stopping=False).fit(X)


def test_rows_of_which_none_counts_are_refused(rows):
    with pytest.raises(ValueError, match="weight"):
        model().fit(rows, sample_weight=np.zeros(N))


# -- tables of mixed types -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    kind = rng.choice(["a", "b", "c"], N, p=[0.5, 0.4, 0.1])
    size = rng.normal(size=N) + 3 * (kind == "b")
    frame = pl.DataFrame(
        {
            "kind": kind,
            "size": np.sort(size),
            "amount": np.exp(2 * rng.normal(size=N)),
            "flag": rng.random(N) < 0.3,
            "day": pl.Series(rng.integers(0, 900, N)).cast(pl.Int32).cast(pl.Date),
            "id": [f"row {i}" for i in range(N)],
        }
    )
    gaps = frame.with_columns(
        pl.when(pl.int_range(N) % 7 != 3).then("size"),
        pl.when(pl.int_range(N) % 5 != 1).then("kind"),
    )
    nothing = pl.int_range(N) == 400
    return gaps.with_columns(pl.when(~nothing).then(pl.all().exclude("id")).name.keep())


@pytest.fixture(scope="module")
def table_files(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    table.write_parquet(folder / "table.parquet", row_group_size=33)
    (folder / "parts").mkdir()
    for begin in range(0, N, 250):
        table[begin : begin + 250].write_parquet(folder / "parts" / f"{begin:04d}.parquet")
    return folder


@pytest.mark.parametrize(
    "params",
    [{}, {"scaling": "standard", "corruption": "masking", "early_stopping": False}],
    ids=["as it is", "filling cells"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_table_from_disk_is_that_in_memory(table, table_files, params):
    params = {"max_epochs": 1, **params}
    whole = model(**params).fit(table)
    for name in ("table.parquet", "parts"):
        found = model(**params).fit(table_files / name)
        assert known_alike(found, whole)
        assert found.schema_ == whole.schema_
        codes = found.transform(table_files / name)
        np.testing.assert_array_equal(codes, whole.transform(table))


@pytest.mark.filterwarnings("ignore:These columns are left out")
def test_rows_of_a_table_without_a_cell_are_counted(table_files):
    with pytest.warns(UserWarning, match="A row has no cell that is there"):
        model(max_epochs=1).fit(table_files / "table.parquet")


# -- detectors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{}, {"target_fpr": 0.1}], ids=["scores", "held out"])
def test_a_detector_from_disk_is_that_in_memory(files, rows, monkeypatch, params):
    monkeypatch.setattr(sources, "MANY", 128)
    given = {"n_estimators": 2, "max_samples": 200, "random_state": 0, **params}
    fits = [
        OutlierDetector({"max_epochs": 2}, **given).fit(X)
        for X in (rows, files / "rows.npy", files / "other.parquet")
    ]
    scores = [
        fits[0].score_samples(rows),
        *(f.score_samples(files / "rows.npy") for f in fits[1:2]),
    ]
    np.testing.assert_array_equal(*scores)
    assert len({f.offset_ for f in fits}) == 1
    assert len(fits[0].fit_predict(rows)) == N


def test_a_lazy_frame_is_computed_once_for_a_sample(rows):
    computed = []

    def noted(frame):
        computed.append(len(frame))
        return frame

    lazy = pl.DataFrame(rows).lazy().map_batches(noted, streamable=False)
    assert len(sources.some_of_many(lazy, 300, 0)) == 300
    assert computed == [N]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_table_on_disk_is_filled_and_explained(table, table_files):
    path, there = table_files / "table.parquet", pl.int_range(N) != 400
    found = model(max_epochs=1, corruption="masking:rate=0.3").fit(table)
    table.filter(there).write_parquet(good := table_files / "good.parquet")
    assert found.impute(path).equals(found.impute(table))
    one, other = found.explain(good), found.explain(table.filter(there))
    np.testing.assert_array_equal(one.contribution, other.contribution)

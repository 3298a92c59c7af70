"""Frames for frames: what `reconstruct` and `decode` hand back."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from isthmus import Autoencoder

COLUMNS = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def ae(iris):
    return Autoencoder(2, max_epochs=2, random_state=0).fit(pl.DataFrame(iris, COLUMNS))


@pytest.fixture(scope="module")
def plain(iris):
    return Autoencoder(2, max_epochs=2, random_state=0).fit(iris)


FRAMES = {
    "pandas": lambda X: pd.DataFrame(X, index=[f"r{i}" for i in range(len(X))], columns=COLUMNS),
    "polars": lambda X: pl.DataFrame(X, COLUMNS),
    "pyarrow": lambda X: pa.table(dict(zip(COLUMNS, X.T, strict=True))),
}


@pytest.mark.parametrize("library", FRAMES)
def test_frames_of_plain_numbers_come_back_as_frames_to_the_bit(library, ae, plain, iris):
    frame = FRAMES[library](iris)
    again = ae.reconstruct(frame)
    assert type(again) is type(frame)
    values = np.asarray(again) if library != "pyarrow" else np.stack([*map(np.asarray, again)], 1)
    np.testing.assert_array_equal(values, plain.reconstruct(iris))
    names = again.column_names if library == "pyarrow" else list(again.columns)
    assert names == COLUMNS
    if library == "pandas":
        assert again.index.equals(frame.index)


def test_arrays_stay_arrays(plain, iris):
    again = plain.reconstruct(iris)
    assert type(again) is np.ndarray
    same, chances = plain.reconstruct(iris, proba=True)
    np.testing.assert_array_equal(same, again)
    assert chances == {}


def test_labels_of_pandas_that_are_no_text_stay(iris):
    frame = pd.DataFrame(iris)
    again = Autoencoder(2, max_epochs=1, random_state=0).fit(frame).reconstruct(frame)
    assert again.columns.equals(frame.columns)


def test_elements_of_lists_become_columns():
    rows = np.random.default_rng(0).normal(size=(30, 3))
    frame = pl.DataFrame(
        {"a": rows[:, 0], "v": pl.Series(rows[:, 1:], dtype=pl.Array(pl.Float64, 2))}
    )
    again = Autoencoder(1, max_epochs=1, random_state=0).fit(frame).reconstruct(frame)
    assert again.columns == ["a", "v_0", "v_1"]


@pytest.mark.parametrize("method", ["decode", "inverse_transform"])
def test_codes_in_a_frame_give_a_frame(method, ae, plain, iris):
    codes = ae.transform(pl.DataFrame(iris, COLUMNS))
    flat = getattr(ae, method)(codes)
    assert type(flat) is np.ndarray
    np.testing.assert_array_equal(flat, plain.inverse_transform(codes))
    framed = pd.DataFrame(codes, index=range(7, 157), columns=["code0", "code1"])
    again = getattr(ae, method)(framed)
    pd.testing.assert_frame_equal(again, pd.DataFrame(flat, framed.index, COLUMNS))


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    kind = rng.choice(["u", "v", "other"], 150, p=[0.5, 0.3, 0.2])
    frame = pl.DataFrame({"x": rng.normal(size=150), "kind": kind, "yes": rng.random(150) < 0.5})
    return frame, Autoencoder(2, max_epochs=2, random_state=0).fit(frame)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_probabilities_of_levels_come_in_a_frame_for_each_column(library, mixed):
    frame, ae = mixed
    given = {"pandas": frame.to_pandas, "polars": frame.clone, "pyarrow": frame.to_arrow}[library]()
    if library == "pandas":
        given = given.set_axis(range(7, 157))
    again, chances = ae.reconstruct(given, proba=True)
    assert list(chances) == ["yes", "kind"] or list(chances) == ["kind", "yes"]
    table = chances["kind"]
    assert type(table) is type(given) is type(again)
    names = table.column_names if library == "pyarrow" else list(table.columns)
    assert names == ["u", "v", "other", "(other)"]
    values = pl.DataFrame({n: np.asarray(table[n]) for n in names})
    np.testing.assert_allclose(values.sum_horizontal(), 1, atol=1e-5)
    best = [names[j] for j in values.drop("(other)").to_numpy().argmax(axis=1)]
    assert [str(k) for k in np.asarray(again["kind"])] == best
    if library == "pandas":
        assert table.index.equals(given.index)
    yes = np.asarray(chances["yes"]["True"])
    np.testing.assert_array_equal(np.asarray(again["yes"]), yes > 0.5)


def test_an_array_with_gaps_gives_arrays(rng):
    X = rng.normal(size=(60, 3))
    X[0, 0] = np.nan
    ae = Autoencoder(2, max_epochs=1, random_state=0).fit(X)
    assert type(ae.reconstruct(X)) is type(ae.decode(ae.transform(X))) is np.ndarray


def test_codes_of_a_mixed_table_give_a_frame(mixed):
    frame, ae = mixed
    again = ae.decode(ae.transform(frame))
    assert again.equals(ae.reconstruct(frame))
    codes = pd.DataFrame(ae.transform(frame), index=range(7, 157))
    assert ae.decode(codes).index.equals(codes.index)
    assert list(ae.decode(codes).columns) == frame.columns

"""Frames and masked arrays: each column is numbers, or is refused by its name."""

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from isthmus import Autoencoder, OutlierDetector
from isthmus.autoencoder.validation import validate_numbers
from isthmus.search import tune

DAY = dt.date(2020, 1, 2)
TEXT = r"X has text in the column 'b'"
DATES = "X has dates or times in the column 'b'"
LISTS = "X has lists in the column 'b'"


def arrow(values, kind):
    return pd.array(values, dtype=pd.ArrowDtype(kind))


def checked(X):
    """Return rows as a model of plain numbers takes them."""
    return validate_numbers(Autoencoder(), X, reset=True)


def checked_later(X):
    """Return rows as a model takes them that was fitted on plain numbers."""
    return validate_numbers(Autoencoder(), X, reset=False)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["x", "y"], TEXT + r" \('x' in row 0\): this model was fitted on numbers alone"),
        (["1.5", "2"], TEXT),
        (pd.Series([2.5, "y"], dtype=object), TEXT + r" \('y' in row 1\)"),
        (pd.Categorical(["x", "y"]), TEXT),
        (arrow(["x", "y"], pa.string()), TEXT),
        (pd.to_datetime(["2020", "2021"]), DATES + ": this model was fitted on numbers alone"),
        (pd.to_datetime(["2020", "2021"], utc=True), DATES),
        (pd.to_timedelta([1, 2]), DATES),
        (pd.period_range("2020", periods=2), DATES),
        (pd.Series([None, DAY], dtype=object), DATES + r" \('2020-01-02' in row 1\)"),
        (arrow([DAY, DAY], pa.date32()), DATES),
        (arrow([1, 2], pa.duration("s")), DATES),
        ([[1, 2], [3]], LISTS + r" \('\[1, 2\]' in row 0\): make a column of each"),
        (arrow([[1, 2], [3]], pa.list_(pa.int64())), LISTS),
        (arrow([Decimal(1), Decimal(2)], pa.decimal128(9, 2)), r"Arrow in the column 'b'.*astype"),
        (pd.interval_range(0, 2), "X has other things than numbers in the column 'b'"),
    ],
)
def test_columns_of_pandas_that_are_no_numbers(column, message):
    with pytest.raises(ValueError, match=message) as caught:
        checked_later(pd.DataFrame({"a": [1.0, 2.0], "b": column}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["x", "y"], TEXT),
        (pl.Series(["x", "y"], dtype=pl.Categorical), TEXT),
        (pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"])), TEXT),
        ([DAY, DAY], DATES),
        ([dt.datetime(2020, 1, 1)] * 2, DATES),
        ([dt.timedelta(1)] * 2, DATES),
        ([dt.time(1)] * 2, DATES),
        ([[1], [2, 3]], LISTS),
        ([{"x": 1}] * 2, "X has other things than numbers in the column 'b'"),
        (pl.Series([["x"], ["y"]], dtype=pl.Array(pl.String, 1)), TEXT),
    ],
)
def test_columns_of_polars_that_are_no_numbers(column, message):
    X = pl.DataFrame({"a": [1.0, 2.0], "b": column})
    for frame in (X, X.to_arrow()):
        if frame is X or "Enum" not in str(X.dtypes):
            with pytest.raises(ValueError, match=message):
                checked_later(frame)


AS_IT_IS = r"give a DataFrame, whose columns of text and of dates are taken as they are\.$"


@pytest.mark.parametrize(
    ("X", "what"),
    [
        ([["a", 1], ["b", 2]], r"text in the column 0 \('a' in row 0\)"),
        ([[1, "a"], [2, "b"]], r"text in the column 1 \('a' in row 0\)"),
        ([["a", "b"], ["c", "d"]], r"text in the columns 0, 1 \('a' in row 0\)"),
        (["a", "b"], r"text \('a' in row 0\)"),
        (np.array([[1, "a"], [2, "b"]], object), r"text in the column 1 \('a' in row 0\)"),
        (np.array([["a", "b"]]), r"text in the columns 0, 1 \('a' in row 0\)"),
        (pd.Series(["a", "b"]), r"text \('a' in row 0\)"),
        (pl.Series(["a", "b"]), r"text \('a' in row 0\)"),
        (pd.Series([DAY, DAY]), r"dates or times \('2020-01-02' in row 0\)"),
        (np.array([["2020-01-02"]], "M8[D]"), r"dates or times in the column 0 \('2020-01-02' in"),
    ],
)
def test_what_is_no_frame_and_has_text_or_dates(X, what):
    with pytest.raises(ValueError, match=f"^X has {what}.*{AS_IT_IS}") as caught:
        Autoencoder().fit(X)
    assert "\n" not in str(caught.value)


def test_a_model_of_plain_numbers_and_rows_of_text(rng):
    frame = pd.DataFrame(rng.normal(size=(30, 2)), columns=["a", "b"])
    ae = Autoencoder(1, max_epochs=1, random_state=0).fit(frame)
    message = TEXT + r" \('x' in row 0\): this model was fitted on numbers alone, so fit it anew"
    for call in (ae.partial_fit, ae.transform):
        with pytest.raises(ValueError, match=message):
            call(frame.assign(b="x"))


def test_all_such_columns_are_named():
    names = [f"c{i}" for i in range(7)]
    with pytest.raises(ValueError, match="text in the columns 'c0', 'c1', .*'c4' and 2 more"):
        checked(pl.DataFrame({name: [DAY if name == "d" else "x"] for name in [*names, "d"]}))
    sparse = pd.DataFrame({c: pd.arrays.SparseArray([0.0, 1.0]) for c in "ab"})
    with pytest.raises(ValueError, match=r"columns 'a', 'b': give X.sparse.to_dense\(\)"):
        checked(sparse)
    with pytest.raises(ValueError, match=r"text in the column 1 \('x' in row 1\)"):
        checked(np.array([[1, 2], [3, "x"]], dtype=object))
    with pytest.raises(ValueError, match=r"dates or times in the column 0 "):
        checked(np.array([[DAY, 2], [3, 4]], dtype=object))


def test_columns_that_are_numbers_stay_so():
    one, two = pd.array([1, 2], dtype="Int64"), pd.Categorical([1, 2])
    kinds = {"a": one, "b": two, "c": pd.Series([1, Decimal(2)], dtype=object), "d": [True, False]}
    kinds["e"] = arrow([1.0, 2.0], pa.float64())
    np.testing.assert_array_equal(checked(pd.DataFrame(kinds))[:, [0, 1, 2, 4]].T, [[1, 2]] * 4)
    wide = {"a": [Decimal(1), Decimal(2)], "b": pl.Series([1, 2], dtype=pl.Int128)}
    np.testing.assert_array_equal(checked(pl.DataFrame(wide)), [[1, 1], [2, 2]])
    np.testing.assert_array_equal(checked(pa.table({"a": [1, 2], "b": [1.0, 2]})), [[1, 1], [2, 2]])


@pytest.mark.parametrize("library", ["polars", "pandas", "arrow"])
def test_lists_of_one_length_are_features(library):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    X = pl.DataFrame({"a": rows[:, 0], "e": pl.Series(rows[:, 1:], dtype=pl.Array(pl.Float64, 2))})
    X = {"polars": X, "arrow": X.to_arrow()}.get(library)
    if X is None:
        listed = arrow(rows[:, 1:].tolist(), pa.list_(pa.float64(), 2))
        X = pd.DataFrame({"a": rows[:, 0], "e": listed})
    ae = Autoencoder(2, max_epochs=1, random_state=0).fit(X)
    assert list(ae.feature_names_in_) == ["a", "e_0", "e_1"]
    again = pl.DataFrame(rows, schema=["a", "e_0", "e_1"])
    np.testing.assert_array_equal(ae.transform(X), ae.transform(again))


def test_the_guide_to_tables_runs(capsys):
    guide = Path(__file__).parents[2] / "docs" / "guides" / "tables.md"
    exec(re.search(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)[1], {})
    assert capsys.readouterr().out == "['age', 'emb_0', 'emb_1']\n"


def test_elements_of_lists_that_meet_another_column_or_miss():
    frame = pl.DataFrame({"e_0": [1], "e": pl.Series([[1]], dtype=pl.Array(pl.Int64, 1))})
    with pytest.raises(ValueError, match="'e_0', which is there already"):
        checked(frame)
    lists = arrow([[1], None], pa.list_(pa.int64(), 1))
    with pytest.raises(ValueError, match="two columns 'e_0'"):
        checked(pd.DataFrame({"e_0": [1, 2], "e": lists}))
    with pytest.raises(ValueError, match=r"NaN in column 'e_0' \(1 cells, the first in row 1\)"):
        checked(pd.DataFrame({"e": lists}))


# -- masked cells and lazy frames ----------------------------------------------------------------


def masked(shape, *places):
    X = np.ma.masked_array(np.random.default_rng(0).normal(size=shape), mask=False)
    for place in places:
        X[place] = np.ma.masked
    return X


def test_masked_cells_are_refused(digits):
    X = masked((40, 3), (7, 1), (9, 0))
    message = (
        r"X has masked cells, 2 of them, the first in row 7: fill them, for example with X.fil"
    )
    ae = Autoencoder(2, max_epochs=1, random_state=0)
    for call in (
        ae.fit,
        ae.partial_fit,
        OutlierDetector().fit,
        lambda X: tune(ae, {"n_components": [1]}, X),
    ):
        with pytest.raises(ValueError, match=message):
            call(X)
    ae.fit(masked((40, 3)))
    with pytest.raises(ValueError, match=message):
        ae.score_samples(X)
    with pytest.raises(ValueError, match="sample_weight has masked cells, 1 of them, the first in"):
        ae.fit(X.data, sample_weight=masked(40, 3))
    with pytest.raises(ValueError, match="X has masked cells"):
        ae.inverse_transform(masked((4, 2), (1, 1)))
    X = [digits[0].reshape(8, 8), masked((8, 8), slice(None)), masked((8, 8), (0, 0))]
    message = (
        "65 of them, the first in row 1: fill them, for example with [np.ma.filled(row, 0) for"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        ae.fit(X)
    assert not np.ma.isMA(np.array([np.ma.filled(row, 0) for row in X]))


def test_lazy_frames_are_those_that_they_collect_to(iris):
    table = pl.DataFrame(iris, schema=list("abcd"))
    lazy, whole = (
        Autoencoder(2, max_epochs=2, random_state=0).fit(rows) for rows in (table.lazy(), table)
    )
    np.testing.assert_array_equal(lazy.transform(table.lazy()), whole.transform(table))

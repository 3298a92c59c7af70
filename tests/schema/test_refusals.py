"""One clear sentence for what cannot be taken: at the start, at use, and from a file."""

import datetime as dt
from copy import deepcopy

import numpy as np
import pandas as pd
import polars as pl
import pytest

from isthmus.schema import Schema, infer_schema

DAY = dt.datetime(2024, 1, 31)


def refused(match, error=ValueError):
    return pytest.raises(error, match=match)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (
            pl.DataFrame({"a": [1, 2], "e": [[1], [2, 3]]}),
            r"lists in the column 'e' \('\[1\]' in row 0\)",
        ),
        (pl.DataFrame({"a": [1], "e": [{"k": 1}]}), "records in the column 'e'"),
        (pl.DataFrame({"a": [1], "e": [b"x"]}), "binary data in the column 'e'"),
        (pl.DataFrame({"a": [1], "e": [object()]}), "other things than numbers, text and dates in"),
        (pl.DataFrame({"a": [1], "e": [[1]]}).to_arrow(), "lists in the column 'e'"),
        (
            pd.DataFrame({"a": [None, [1]], "e": [None, (2,)]}),
            r"columns 'a', 'e' \('\[1\]' in row 1\)",
        ),
        (pd.DataFrame({"a": [None, {}]}), "records in the column 'a'"),
        (pd.DataFrame({"a": [b"", None]}), "binary data in the column 'a'"),
        (pd.DataFrame({"a": [1j, 2]}), "complex numbers in the column 'a'"),
        (pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}), "sparse cells in the column 'a'"),
        (pd.DataFrame({"a": pd.interval_range(0, 2)}), "other things than numbers"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "X has the column 'a' more than once: rename"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "X has the column '1' more than once: rename"),
        (pl.DataFrame({"a": [1.0, float("inf")]}), "'a' holds inf in row 1"),
        (np.array([[np.nan, 1], [2, -np.inf]]), "'x1' holds -inf in row 1"),
        (pl.DataFrame({"a": [None, None]}), r"no column to learn from: 'a' \(without any cell\)"),
        (pl.DataFrame(), "no column to learn from: it is empty"),
        (
            pd.DataFrame({"a": np.array(["2024-01-01", "20000-01-01"], "M8[s]")}),
            "a date outside the years",
        ),
        (
            pd.DataFrame({"a": ["\ud800", "b"]}, dtype=object),
            "cells of the column 'a' cannot be read",
        ),
    ],
)
def test_tables(X, match):
    with refused(match):
        infer_schema(X, warn=False)


def test_no_table():
    with refused("X is a LazyFrame: give a DataFrame", TypeError):
        infer_schema(pl.LazyFrame({"a": [1]}))


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (
            {"agee": "number"},
            "The parameter columns names 'agee', which X lacks. Did you mean 'age'?",
        ),
        ({"age": "numbr"}, "columns has 'numbr' for 'age'. Did you mean 'number'?"),
        (
            {"age": "date"},
            "'age' holds numbers, which can be taken for 'number', 'category', 'boolean'",
        ),
        (
            {"when": "category"},
            "'when' holds dates, which can be taken for 'date' or 'ignore', not for",
        ),
        (
            {"none": "number"},
            "'none' has no cell that could be taken for 'number': all are missing",
        ),
        ({"word": "number"}, "'word' holds 'b' in row 1, which is not a number: correct the cell"),
        ({"word": "date"}, "'word' holds '1' in row 0, which is not a date such as 2024-01-31"),
        ({"word": "boolean"}, "'word' holds 'b' in row 1, which is not true or false"),
        ({"age": "boolean"}, "'age' holds '20' in row 1, which is not true or false"),
    ],
)
def test_what_is_asked_for(columns, match):
    frame = {"age": [1, 20], "when": [DAY, None], "none": [None, None], "word": ["1", "b"]}
    with refused(match):
        infer_schema(pl.DataFrame(frame), columns, warn=False)


@pytest.fixture(scope="module")
def schema():
    frame = {"age": [1, 20], "ok": [True, False], "sex": ["f", "m"], "day": [DAY, None]}
    more = {"at": [dt.time(1), dt.time(2)], "took": [dt.timedelta(1), None]}
    return infer_schema(pl.DataFrame({**frame, **more}))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"age": ["1", "old"]}, "'age' holds 'old' in row 1, which is not a number"),
        ({"age": [DAY, DAY]}, "'age' holds '2024-01-31 00:00:00' in row 0, which is not a number"),
        ({"age": [1, float("inf")]}, "'age' holds inf in row 1"),
        ({"age": [[1], [2]]}, "'age' holds lists"),
        ({"ok": [0, 2]}, "'ok' holds '2' in row 1, which is not true or false"),
        ({"ok": ["true", "maybe"]}, "'ok' holds 'maybe' in row 1"),
        ({"ok": [None, DAY]}, "'ok' holds '2024-01-31 00:00:00' in row 1"),
        (
            {"sex": [None, DAY]},
            "'sex' holds '2024-01-31 00:00:00' in row 1, which is not a category",
        ),
        ({"day": [None, 5]}, "'day' holds '5' in row 1, which is not a date"),
        ({"day": ["2024-02-30", None]}, "'day' holds '2024-02-30' in row 0, which is not a date"),
        ({"at": ["1", "2"]}, "'at' holds '1' in row 0, which is not a time"),
        ({"took": [1, 2]}, "'took' holds '1' in row 0, which is not a duration"),
        ({"age": None}, "X lacks the column 'age', which is part of the model"),
        ({"age": None, "sex": None}, "X lacks the columns 'age', 'sex', which are part"),
    ],
)
def test_at_use(schema, change, match):
    frame = {c.name: [None, None] for c in schema.columns} | change
    with refused(match):
        schema.encode(pl.DataFrame({k: v for k, v in frame.items() if v is not None}, strict=False))


ZONED = pl.DataFrame({"when": [DAY, DAY.replace(hour=5)]}).select(
    pl.col("when").dt.replace_time_zone("Europe/Berlin")
)
NAIVE = ZONED.select(pl.col("when").dt.replace_time_zone(None))


@pytest.mark.parametrize("given", [NAIVE, NAIVE.cast(pl.Date), NAIVE.cast(pl.String)])
def test_dates_without_the_zone_that_a_model_knows(given):
    schema = infer_schema(ZONED)
    with refused(
        "'when' holds dates without a time zone, and the model was fitted on dates of Europe/Berlin: "
        r"say whose clock .* dt.tz_localize\('Europe/Berlin'\) in pandas"
    ):
        schema.encode(given)
    in_utc = ZONED.select(pl.col("when").dt.convert_time_zone("UTC"))
    np.testing.assert_array_equal(schema.encode(in_utc), schema.encode(ZONED))
    assert np.isnan(schema.encode(given.clear(1))).all()


def test_dates_with_a_zone_that_a_model_does_not_know():
    with refused(
        "'when' holds dates of the time zone Europe/Berlin, and the model was fitted on dates without"
    ):
        infer_schema(NAIVE).encode(ZONED)


def test_types_that_fit_all_the_same(schema):
    frame = {"age": ["1", None], "ok": ["TRUE", "0"], "sex": [5, None], "day": ["2024-01-31", ""]}
    rows = schema.encode(pl.DataFrame({**frame, "at": [None, None], "took": [None, None]}))
    since = DAY.replace(tzinfo=dt.UTC).timestamp()
    columns = [rows[:, i] for i in (0, 1, 2, 3)]
    expected = [[1, np.nan], [1, 0], [2, np.nan], [since, np.nan]]
    np.testing.assert_array_equal(columns, expected)
    assert np.isnan(rows[:, -3:]).all()


@pytest.mark.parametrize(
    ("column", "field", "value"),
    [
        (0, "name", 3),
        (0, "name", "a" * 10_001),
        (0, "name", "ok"),
        (0, "name", "\udc80"),
        (0, "why", "numbers \ud800"),
        (2, "levels", ["a", "\udfff"]),
        (0, "kind", "other"),
        (0, "more", 1),
        (0, "dtype", "os"),
        (0, "low", float("nan")),
        (0, "low", 1e3),
        (0, "low", True),
        (0, "low", None),
        (0, "high", 10**400),
        (0, "levels", ["a"]),
        (0, "unit", "year"),
        (2, "levels", []),
        (2, "levels", "ab"),
        (2, "levels", ["a", ["b"]]),
        (2, "levels", [1, "1"]),
        (2, "levels", ["a" * 10_001]),
        (2, "levels", [float("inf"), 1.0]),
        (2, "levels", [10**400]),
        (2, "levels", ["a"] * 1_000_001),
        (2, "other", 1),
        (3, "cycles", ["year"]),
        (3, "cycles", ["weekday", "hour"]),
        (3, "dtype", "Datetime(us, No/where)"),
        (3, "dtype", "String\n"),
        (5, "dtype", "Int64"),
        (3, "low", 1e300),
        (0, "dtype", "Date"),
        (2, "dtype", "Time"),
    ],
)
def test_a_hostile_column(schema, column, field, value):
    plain = deepcopy(schema.to_dict())
    plain["columns"][column][field] = value
    with pytest.raises(ValueError, match=r"^[^\n]{5,200}$"):
        Schema.from_dict(plain)


@pytest.mark.parametrize("columns", [None, [], [3], [{"name": "a"}], {"a": 1}, [[]]])
def test_hostile_columns(columns):
    for plain in (columns, {"columns": columns}):
        with pytest.raises(ValueError, match=r"^[^\n]{5,200}$"):
            Schema.from_dict(plain)

"""Frames to compact rows and back, in each library."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal as same_pandas
from polars.testing import assert_frame_equal as same

from isthmus.schema import Schema, Value, infer_schema

WHEN = [
    dt.datetime(2024, 1, 31, 12, 30, 15),
    None,
    dt.datetime(2024, 7, 1),
    dt.datetime(2023, 5, 1),
]


@pytest.fixture(scope="module")
def table():
    return pl.DataFrame(
        {
            "age": [20, 30, None, 41],
            "x": [1.5, None, 2.0, 3.0],
            "dec": pl.Series(["1.25", "3.50", None, "2.00"]).cast(pl.Decimal(10, 2)),
            "sex": ["f", "m", "f", None],
            "cat": pl.Series(["b", "a", None, "a"], dtype=pl.Categorical),
            "enum": pl.Series(["b", "a", None, "a"], dtype=pl.Enum(["z", "a", "b"])),
            "ok": [True, False, None, True],
            "when": WHEN,
            "zoned": pl.Series(WHEN).dt.replace_time_zone("Europe/Berlin"),
            "day": [dt.date(2024, 1, 31), None, dt.date(2024, 5, 1), dt.date(2023, 5, 1)],
            "clock": [dt.time(1, 2, 3), None, dt.time(5), dt.time(6)],
            "took": [dt.timedelta(days=1), None, dt.timedelta(hours=3), dt.timedelta(0)],
        }
    )


@pytest.fixture(scope="module")
def schema(table):
    return infer_schema(table)


def test_each_type_is_taken_for_its_kind(schema):
    number, category, date = ["number"] * 3, ["category"] * 3, ["date"] * 3
    kinds = [*number, *category, "boolean", *date, "time", "duration"]
    assert [c.kind for c in schema.columns] == kinds
    assert all(c.gaps and c.why.endswith(", some missing") for c in schema.columns)
    assert schema.used == schema.columns
    assert schema.columns[3].levels == ("f", "m")
    assert schema.columns[4].levels == ("a", "b")
    assert schema.columns[7].cycles == ("hour", "weekday", "day of year")
    assert schema.columns[9].cycles == ("weekday", "day of year")
    assert [schema.columns[i].unit for i in (7, 9, 10, 11)] == ["second", "day", "second", "hour"]


def test_values_of_a_compact_row(schema):
    values = schema.values
    assert [v.kind for v in values[:7]] == ["number"] * 3 + ["levels"] * 3 + ["flag"]
    assert values[3] == Value("levels", 3, 3, True)
    assert [v.kind for v in values[7:11]] == ["number", "turn", "turn", "turn"]
    assert [v.cell for v in values[7:11]] == [7] * 4


def test_compact_rows_by_hand(table, schema):
    rows = schema.encode(table)
    assert rows.dtype == np.float64
    assert rows.shape == (4, len(schema.values))
    assert np.isnan(rows[[2, 1, 2, 3, 2, 2, 2], range(7)]).all()
    assert rows[0, :7].tolist() == [20, 1.5, 1.25, 0, 1, 1, 1]
    seconds = dt.datetime(2024, 1, 31, 12, 30, 15, tzinfo=dt.UTC).timestamp()
    hour, weekday, day = (12 * 3600 + 30 * 60 + 15) / 86400, 2 / 7, 30 / 366
    np.testing.assert_allclose(rows[0, 7:11], [seconds, hour, weekday, day], rtol=1e-15)
    np.testing.assert_allclose(rows[0, 11:15], [seconds - 3600, hour, weekday, day], rtol=1e-15)
    midnight = dt.datetime(2024, 1, 31, tzinfo=dt.UTC).timestamp()
    np.testing.assert_allclose(rows[0, 15:18], [midnight, weekday, day], rtol=1e-15)
    np.testing.assert_allclose(rows[0, 18:], [3723, 3723 / 86400, 86400], rtol=1e-15)


def test_polars_comes_back_the_same(table, schema):
    rows = schema.encode(table)
    same(schema.decode(rows, table), table)
    same(schema.decode(rows), table.cast({"enum": pl.Categorical}))


def test_arrow_comes_back_the_same(table, schema):
    arrow = table.to_arrow()
    assert infer_schema(arrow) == schema
    back = schema.decode(schema.encode(arrow), arrow)
    assert isinstance(back, pa.Table)
    assert back.schema.types == arrow.schema.types
    assert back.to_pydict() == arrow.to_pydict()


@pytest.fixture(scope="module")
def panda():
    when = pd.Series(WHEN, dtype="datetime64[us]")
    frame = pd.DataFrame(
        {
            "age": pd.array([20, 30, None, 41], "Int64"),
            "count": [3, 1, 4, 4],
            "small": np.array([3, 1, 4, 4], np.float32),
            "x": [1.5, np.nan, 2.0, 3.0],
            "sex": ["f", "m", "f", None],
            "thing": pd.Series(["f", "m", "f", None], dtype=object),
            "string": pd.array(["f", "m", "f", None], "string"),
            "cat": pd.Categorical(["b", "a", None, "a"], ["z", "b", "a"], ordered=True),
            "code": pd.Categorical([10, 2, None, 2]),
            "ok": pd.array([True, False, None, True], "boolean"),
            "yes": [True, False, False, True],
            "maybe": pd.Series([True, False, None, True], dtype=object),
            "when": when,
            "zoned": when.dt.tz_localize("Europe/Berlin"),
            "offset": when.dt.tz_localize(dt.timezone(dt.timedelta(hours=5, minutes=30))),
            "seconds": when.astype("datetime64[s]"),
            "month": when.dt.to_period("M"),
            "took": pd.Series([1, None, 3, 5], dtype="timedelta64[s]"),
            "arrow": pd.array([1, None, 3, 5], pd.ArrowDtype(pa.int16())),
            "words": pd.array(["a", None, "b", "a"], pd.ArrowDtype(pa.string())),
        }
    )
    frame.index = [7, 5, 3, 1]
    frame.columns = [*frame.columns[:-1], 12]
    return frame


def test_pandas_comes_back_the_same(panda):
    schema = infer_schema(panda)
    assert [c.name for c in schema.columns][-1] == "12"
    assert [c.kind for c in schema.columns[9:18]] == ["boolean"] * 3 + ["date"] * 5 + ["duration"]
    same_pandas(schema.decode(schema.encode(panda), panda), panda)


def test_columns_are_found_by_name_and_rows_by_themselves(table, schema):
    rows = schema.encode(table)
    turned = table.select(reversed(table.columns)).with_columns(more=1)
    np.testing.assert_array_equal(schema.encode(turned), rows)
    np.testing.assert_array_equal(schema.encode(table[1:3]), rows[1:3])
    assert schema.encode(table[:0]).shape == (0, rows.shape[1])


def test_what_comes_back_is_in_range_whole_and_of_the_unit():
    frame = pl.DataFrame(
        {
            "age": [20, 30, 40],
            "day": [dt.date(2024, 3, d) for d in (1, 2, 9)],
            "when": pl.Series([dt.datetime(2024, 3, 30, h) for h in (1, 2, 4)])
            .dt.replace_time_zone("Europe/Berlin"),
            "sex": ["f", "m", "f"],
        }
    )  # fmt: skip
    schema = infer_schema(frame)
    rows = schema.encode(frame)
    numbers = [i for i, v in enumerate(schema.values) if v.kind == "number"]
    rows[:, numbers] += np.array([[0.4, 30000, 1000], [-0.4, -30000, -1000], [1e6, 1e12, 1e12]])
    same(schema.decode(rows, frame), frame)


def test_an_array_with_gaps():
    X = np.array([[1.0, np.nan, np.nan], [2.0, np.nan, 5.0], [3.0, np.nan, 6.0]])
    with pytest.warns(UserWarning, match=r"left out: 'x1' \(without any cell\)\.$"):
        schema = infer_schema(X)
    assert [c.name for c in schema.columns] == ["x0", "x1", "x2"]
    rows = schema.encode(X)
    np.testing.assert_array_equal(rows, X[:, [0, 2]])
    np.testing.assert_array_equal(schema.decode(rows, X), X)


def test_a_schema_in_json(schema, panda):
    for known in (schema, infer_schema(panda)):
        assert Schema.from_dict(json.loads(json.dumps(known.to_dict()))) == known


def test_a_slice_of_many_categories():
    frame = pd.DataFrame({"k": pd.Categorical(["b", None, "a", "b"], list("zyxwvutsba"))})
    schema = infer_schema(frame)
    np.testing.assert_array_equal(schema.encode(frame)[:, 0], [0, np.nan, 1, 0])
    np.testing.assert_array_equal(schema.encode(frame[2:])[:, 0], [1, 0])
    same_pandas(schema.decode(schema.encode(frame), frame), frame)
    fewer = frame.assign(k=pd.Categorical([None] * 4, ["a"]))
    back = schema.decode(schema.encode(frame), fewer)["k"]
    assert back.tolist()[0] == "b"
    assert list(back.cat.categories) == ["a", "b"]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "uint64"])
def test_whole_numbers_at_the_ends_of_their_type_keep_it(dtype):
    ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, 7], dtype)
    for frame in (pd.DataFrame({"a": ends}), pl.DataFrame({"a": ends})):
        schema = infer_schema(frame)
        back = schema.decode(schema.encode(frame), frame)
        assert back["a"].dtype == frame["a"].dtype
        lost = [abs(a - int(b)) for a, b in zip(back["a"].to_list(), ends, strict=True)]
        assert max(lost) < (2048 if "64" in dtype else 1)  # what floats of that size leave out


LARGE = [10**16 + 2, 2**63 - 1, 2**63 - 1, 3]


@pytest.mark.parametrize(
    ("fitted", "met"),
    [
        (np.float32([1 / 3, 0.1, 2, 2]), np.array([1 / 3, 0.1, 2, 2])),
        (np.float32([1 / 3, 0.1, 2, 2]), np.float32([1 / 3, 0.1, 2, 2]).astype(float)),
        (np.array([1 / 3, 0.1, 2, 2]), np.float32([1 / 3, 0.1, 2, 2])),
        (np.array(LARGE), np.array(LARGE, float)),
        (np.array(LARGE, float), np.array([int(float(n)) for n in LARGE], np.uint64)),
        (np.array([1e300, 2.5, 2.5]), np.array([1e300, 2.5, 2.5])),
    ],
)
def test_levels_that_are_numbers_are_matched_by_value(fitted, met):
    schema = infer_schema(pl.DataFrame({"a": fitted}), {"a": "category"})
    found = schema.encode(pl.DataFrame({"a": met}))
    np.testing.assert_array_equal(found, schema.encode(pl.DataFrame({"a": fitted})))
    assert found.max() < len(schema.columns[0].levels)  # none of them is "other"
    assert schema.encode(pl.DataFrame({"a": [2.75, None]}))[:, 0].tolist()[0] == found.max() + 1


def test_large_whole_numbers_in_text_come_back():
    frame = pl.DataFrame({"a": [str(2**65), "12", None]})
    schema = infer_schema(frame, {"a": "number"})
    assert schema.decode(schema.encode(frame), frame)["a"].to_list() == frame["a"].to_list()

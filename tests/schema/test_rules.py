"""What columns are taken for, what is left out, and what is said of it."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from isthmus.schema import MAX_LEVELS, infer_schema, is_frame, is_plain

N = 40
REST = {"x": np.arange(N) ** 2}
NAMES = [f"n{i}" for i in range(N)]
NUMBERED = "numbered one by one: an identifier"
TEXT = "this is what somebody wrote about it"


def taken(cells, asked=None, **more):
    frame = pl.DataFrame(
        {"a": pl.Series(cells, strict=False, **more), "x": np.arange(len(cells)) ** 2}
    )
    return infer_schema(frame, asked and {"a": asked}, warn=False).columns[0]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (range(N), NUMBERED),
        (range(9 * N, 0, -9), NUMBERED),
        (np.random.default_rng(0).permutation(N), NUMBERED),
        (np.random.default_rng(0).permutation(4 * N)[: 3 * N] * 10 - 9, NUMBERED),
        ([*range(N - 1), N], NUMBERED),
        (np.arange(-128, 127, dtype=np.int8), NUMBERED),
        (np.arange(2**64 - N, 2**64 - 1, dtype=np.uint64), NUMBERED),
        (range(-(2**63), 2**63 - 1, 2**57), NUMBERED),
        (NAMES, "all different: an identifier"),
        ([*NAMES * 2, *map(str, range(900))], "nearly all different: an identifier"),
        ([f"{TEXT} {i}" for i in range(N)], "free text"),
        ([f"a b {i // 1.5}" for i in range(N)], "free text"),
        (["one"] * N, "one value in all rows"),
        ([2.5] * N, "one value in all rows"),
        ([None] * N, "without any cell"),
        ([float("nan")] * N, "without any cell"),
    ],
)  # fmt: skip
def test_left_out(cells, why):
    column = taken(cells)
    assert (column.kind, column.why) == ("ignore", why)


@pytest.mark.parametrize(
    ("cells", "kind", "why"),
    [
        (range(19), "number", "whole numbers"),
        (np.arange(N) / 2, "number", "numbers"),
        ([*range(0, 2 * N - 2, 2), 2 * N - 1], "number", "whole numbers"),
        ([*range(N - 1), 0], "number", "whole numbers"),
        ([-(2**63), 2**63 - 1, *range(N)], "number", "whole numbers"),
        ([*range(N), None], "number", "whole numbers, some missing"),
        (np.random.default_rng(0).normal(40, 9, N).astype(int), "number", "whole numbers"),
        ([0, 1] * 20, "number", "whole numbers"),
        (NAMES[:19], "category", "text with 19 levels"),
        (["", "NA", "?", "1"] * 9, "category", "text with 4 levels"),
        (["one", None] * 20, "category", "text with 1 level, some missing"),
        ([TEXT, f"{TEXT} too"] * 20, "category", "text with 2 levels"),
        ([True, False] * 9, "boolean", "true or false"),
    ],
)
def test_taken(cells, kind, why):
    column = taken(cells)
    assert (column.kind, column.why) == (kind, why)


def test_categories_of_a_library_may_all_differ():
    assert taken(NAMES, dtype=pl.Categorical).kind == "category"
    assert taken([f"n{i}" for i in range(MAX_LEVELS + 1)], dtype=pl.Categorical).kind == "ignore"


def test_levels_by_frequency_then_by_text():
    column = taken(["b", "c", "c", "a"])
    assert (column.levels, column.other) == (("c", "a", "b"), True)


def test_rare_levels_are_other():
    often = [f"l{i:04}" for i in range(MAX_LEVELS)] * 2
    column = taken([*often, *(f"m{i}" for i in range(500))])
    assert (len(column.levels), column.why) == (
        1000,
        "text with 1,500 levels, 500 of them as 'other'",
    )
    assert len(taken([*often[:101], *often[:60]]).levels) == 60
    assert len(taken([*often[:100], *often[:60]]).levels) == 100


@pytest.mark.parametrize(
    ("cells", "asked", "levels"),
    [
        ([3, 1, 1], "category", (1, 3)),
        ([3.0, 1.5, 1.5], "category", (1.5, 3.0)),
        ([True, False, False], "category", (False, True)),
        (["true", "False", "1"], "boolean", ()),
        ([1, 0, 1], "boolean", ()),
        (["12", " 1.5", "", None], "number", ()),
        (["2024-01-31", "2024-01-31 12:30", None], "date", ()),
    ],
)
def test_asked(cells, asked, levels):
    column = taken(cells, asked)
    assert (column.kind, column.levels) == (asked, levels)
    assert column.why.startswith("asked for")


@pytest.mark.parametrize(
    ("cells", "asked"),
    [([3, 1, 1], "category"), ([3.0, 1.5, 1.5], "category"), ([True, False, True], "category"),
     (["True", "False", None], "boolean"), ([1, 0, 1], "boolean"), ([True, False, None], "number"),
     (["12", "1", None], "number"), (["1.5", "1.0", None], "number"),
     (["2024-01-31", "2024-02-01", None], "date"),
     (["2024-01-31 12:30:00", "2024-02-01 00:00:00", None], "date")],
)  # fmt: skip
def test_what_was_asked_for_comes_back_in_its_own_type(cells, asked):
    frame = pl.DataFrame({"a": cells})
    schema = infer_schema(frame, {"a": asked})
    assert schema.decode(schema.encode(frame), frame).to_dict(as_series=False) == {"a": cells}


def test_mixed_objects_are_a_category_by_their_text():
    frame = pd.DataFrame({"a": pd.Series([1, "1", 1.0, "b", None, 2.5, True], dtype=object)})
    schema = infer_schema(frame)
    assert schema.columns[0].levels == ("1", "2.5", "True", "b")
    np.testing.assert_array_equal(schema.encode(frame)[:, 0], [0, 0, 0, 3, np.nan, 1, 2])


@pytest.mark.parametrize("cells", [[1, 2, 2, 9], [1.0, 2.0, 2.0, 9.0], ["1", "2", "2", "9"]])
def test_levels_are_matched_by_their_text(cells):
    schema = infer_schema(pl.DataFrame({"a": [2, 1, 2, 3]}), {"a": "category"})
    rows = schema.encode(pl.DataFrame({"a": cells}))
    assert rows[:, 0].tolist() == [1, 0, 0, 3]  # 9 was not seen: "other"
    assert schema.decode(rows)["a"].to_list() == [1, 2, 2, None]


def test_one_warning_names_all_that_is_left_out():
    frame = pl.DataFrame({"id": range(N), "name": NAMES, "one": [1] * N, "no": [None] * N, **REST})
    with pytest.warns(UserWarning, match="left out") as caught:
        infer_schema(frame, {"no": "ignore"})
    (warning,) = caught
    assert str(warning.message) == (
        f"These columns are left out: 'id' ({NUMBERED}), 'name' (all different: an identifier), 'one' "
        "(one value in all rows); columns={'id': 'number'} takes one in all the same."
    )
    assert warning.filename == __file__
    kinds = dict.fromkeys(("id", "one"), "number") | {"name": "category", "no": "ignore"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(infer_schema(frame, kinds).used) == 4
        infer_schema(frame, warn=False)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([str(i % 25) for i in range(N)], "number"),
        ([*(str(i % 25) for i in range(N)), "?"], "number, other"),
        ([f"{i % 25}.5 kg" for i in range(N)], "number"),
        ([f"{i % 25 + 1}.1.2024" for i in range(N)], "date"),
        ([f"00{i % 25}" for i in range(N)], ""),
        ([str(i % 15) for i in range(N)], ""),
    ],
)
def test_numbers_and_dates_in_text_are_pointed_at(cells, said):
    frame = pl.DataFrame({"age": cells})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert infer_schema(frame).columns[0].kind == "category"
    kind, _, other = said.partition(", ")
    text = f"The text of 'age' is mostly {kind}s: columns={{'age': {kind!r}}} takes it as such"
    text += ", all other cells being missing." if other else "."
    assert [str(w.message) for w in caught] == [text] * bool(said)


def test_what_is_left_out_is_not_advised_as_two_things():
    with pytest.warns(UserWarning, match="left out") as caught:
        infer_schema(pl.DataFrame({"pay": [f"${i}.5" for i in range(N)], "b": [1, 2] * (N // 2)}))
    assert str(caught[0].message) == (
        "These columns are left out: 'pay' (all different: an identifier); and the text of 'pay' is "
        "mostly numbers: columns={'pay': 'number'} takes it as such."
    )


def test_a_table_of_words():
    frame = pl.DataFrame({"age": [20, None], "sex": ["f", "m"], "note": [TEXT, TEXT]})
    assert infer_schema(frame, {"note": "ignore"}).text().splitlines() == [
        "column  taken for  why",
        "age     number     whole numbers, some missing",
        "sex     category   text with 2 levels",
        "note    left out   asked for",
    ]


NUMBERS = {"a": [1, 2], "b": [0.5, 1.5]}


@pytest.mark.parametrize(
    ("X", "columns", "plain"),
    [
        (pl.DataFrame(NUMBERS), None, True),
        (pd.DataFrame(NUMBERS), None, True),
        (pl.DataFrame(NUMBERS).to_arrow(), None, True),
        (pl.DataFrame(NUMBERS), {"a": "ignore"}, True),
        (pl.DataFrame(NUMBERS), {"a": "category"}, False),
        (pl.DataFrame({**NUMBERS, "t": ["a", "b"]}), None, False),
        (pl.DataFrame({**NUMBERS, "t": ["a", "b"]}), {"t": "ignore"}, True),
        (pl.DataFrame({**NUMBERS, "t": [[1, 2], [3, 4]]}), None, True),
        (pl.DataFrame({**NUMBERS, "t": [True, False]}), None, False),
        (pl.DataFrame({**NUMBERS, "t": [1, None]}), None, False),
        (pl.DataFrame({**NUMBERS, "t": [1.0, float("nan")]}), None, False),
        (pl.DataFrame({**NUMBERS, "t": [1.0, float("inf")]}), None, True),
        (pd.DataFrame({**NUMBERS, "t": pd.array([1, None], "Int64")}), None, False),
        (pd.DataFrame({**NUMBERS, "t": pd.Categorical([1, 2])}), None, False),
        (pd.DataFrame({**NUMBERS, "t": pd.Series([1, 2.5], dtype=object)}), None, True),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), None, True),
        (pd.DataFrame({**NUMBERS, "t": [dt.date(2024, 1, 1)] * 2}), None, False),
        (np.array([[1.0, np.nan]]), None, False),
        (np.array([[1.0, np.nan]], np.float32), None, False),
        (np.array([[1.0, np.nan]]), {"x1": "ignore"}, True),
        (np.array([[1.0, np.inf]]), None, True),
        (np.array([[1, 2]]), None, True),
        (np.full((2, 3, 3), np.nan), None, True),
        (np.array([["a", None]], object), None, True),
        (np.ma.masked_invalid([[1.0, np.nan]]), None, True),
        (np.empty((0, 3)), None, True),
        ([[1.0, 2.0]], None, True),
    ],
)
def test_plain(X, columns, plain):
    assert is_plain(X, columns) is plain


def test_frames_are_known():
    frame = pl.DataFrame(NUMBERS)
    assert all(map(is_frame, (frame, frame.to_arrow(), pd.DataFrame(NUMBERS))))
    assert not any(map(is_frame, (frame.lazy(), frame["a"], np.ones((2, 2)), [[1]], None)))

"""A schema of blocks is that of all rows."""

import datetime as dt
import warnings

import numpy as np
import polars as pl
import pytest

from isthmus.schema import condensing, infer_from_blocks, infer_schema

N = 400
RNG = np.random.default_rng(0)
DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=int(d)) for d in RNG.integers(0, 900, N)]
HOURS = [dt.datetime(2024, 5, 1) + dt.timedelta(hours=int(h)) for h in RNG.integers(0, 90, N)]
COLUMNS = {
    "floats": RNG.normal(size=N),
    "whole": RNG.integers(0, 9, N).astype(float),
    "late fraction": [*[1.0] * (N - 1), 1.5],
    "counts": RNG.integers(0, 9, N),
    "numbered": RNG.permutation(N),
    "sorted": np.arange(N) - 7,
    "by ten": 10 * RNG.permutation(N),
    "one twice": [*range(N - 1), 0],
    "sparse": RNG.permutation(4 * N)[:N],
    "numbered with gaps": [None, *range(N - 1)],
    "truth": RNG.random(N) < 0.5,
    "same": ["x"] * N,
    "same but missing": ["x", *[None] * (N - 1)],
    "nothing": [None] * N,
    "levels": RNG.choice(["a", "b", "c"], N, p=[0.7, 0.29, 0.01]),
    "names": [f"n{i}" for i in RNG.permutation(N)],
    "nearly names": [f"n{min(i, N - 9)}" for i in range(N)],
    "notes": [f"something was said of {i}, and more" for i in range(N)],
    "number words": [str(i % 40) for i in range(N)],
    "days": DAYS,
    "hours": HOURS,
    "zoned": pl.Series(HOURS).dt.replace_time_zone("Europe/Berlin"),
    "noons": [dt.datetime(2024, 5, 6, 12) + dt.timedelta(days=7 * (i % 3)) for i in range(N)],
    "times": [dt.time(int(h), 30) for h in RNG.integers(0, 24, N)],
    "spans": [dt.timedelta(minutes=int(m)) for m in RNG.integers(0, 99, N)],
    "kinds": pl.Series(RNG.choice(["u", "v"], N), dtype=pl.Categorical),
    "enum": pl.Series(RNG.choice(["u", "v"], N), dtype=pl.Enum(["v", "u", "w"])),
}
FRAME = pl.DataFrame(COLUMNS, strict=False)
GAPS = FRAME.with_columns(pl.when(pl.int_range(N) % 3 > 0).then(pl.all()).name.keep())


def blocks(frame, size):
    return (frame[begin : begin + size] for begin in range(0, len(frame), size))


CATEGORIES = {"counts": "category", "truth": "category", "whole": "category", "floats": "ignore"}
NUMBERS = {"number words": "number", "levels": "ignore", "numbered": "number", "names": "category"}


@pytest.mark.parametrize(
    ("frame", "size", "asked"),
    [
        (FRAME, 37, {}),
        (GAPS, 90, {}),
        (FRAME, 150, CATEGORIES),
        (GAPS, N, NUMBERS),
    ],
    ids=["whole", "with gaps", "categories", "one block"],
)
def test_blocks_say_what_all_rows_say(frame, size, asked):
    for constants in (False, True):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = infer_from_blocks(blocks(frame, size), N, asked, constants=constants)
            assert found == infer_schema(frame, asked, constants=constants)
        texts = [str(warning.message) for warning in said]
        assert texts[0] == texts[1]


@pytest.mark.filterwarnings("ignore:These columns are left out")
def test_an_array_with_gaps_is_seen_by_blocks():
    X = RNG.normal(size=(N, 3))
    X[::5, 1] = X[:, 2] = np.nan
    X[:, 0] = np.rint(X[:, 0])
    assert infer_from_blocks(blocks(X, 50), N) == infer_schema(X)


def test_of_very_many_texts_the_frequent_are_kept_and_all_are_judged(monkeypatch):
    monkeypatch.setattr(condensing, "MOST_TEXTS", 500)
    rare = np.repeat(np.arange(6000), 3)
    text = pl.Series("a", [f"t{i}" for i in np.concatenate([rare, np.tile(np.arange(20), 2000)])])
    frame = pl.DataFrame({"a": text.shuffle(seed=0)})
    exact = infer_schema(frame).columns[0]
    column = infer_from_blocks(blocks(frame, 5000), len(frame)).columns[0]
    assert set(column.levels[:20]) == set(exact.levels[:20])
    assert column.kind == exact.kind == "category"
    counted = int(column.why.split()[2].replace(",", ""))
    assert 4000 < counted < 8000


def test_a_cell_that_cannot_be_a_number_is_refused():
    frame = pl.DataFrame({"a": [1.0, 2.0, np.inf, 3.0], "b": ["x", "y", "x", "y"]})
    with pytest.raises(ValueError, match="'a' holds inf in row 2"):
        infer_from_blocks(blocks(frame, 2), 4)

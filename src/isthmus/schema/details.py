"""What is to be known of a column of a kind: levels, range, unit, cycles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from isthmus.schema.columns import CYCLES, MAX_LEVELS, WORDS, Column
from isthmus.schema.dates import seconds, to_local, turn, unit_of
from isthmus.schema.encoding import as_numbers, encoded, since_1970
from isthmus.schema.seen import Seen

MANY = 100  # levels, beyond which those that were seen once share "other"


def detailed(seen: Seen, column: Column) -> Column:
    """Return a column with what is to be known of its kind, from cells of which some are there."""
    if column.kind == "category":
        return _category(seen, column)
    return DETAILS[column.kind](seen.cells, column)


def _number(cells: pl.Series, column: Column) -> Column:
    values = as_numbers(cells, column.name)
    known = values[~np.isnan(values)]
    whole = bool((known == np.rint(known)).all())
    why = "whole numbers" if whole else "numbers"
    return replace(_ranged(column, known), whole=whole, why=why)


def _ranged(column: Column, known: np.ndarray) -> Column:
    return replace(column, low=float(known.min()), high=float(known.max()))


def _boolean(cells: pl.Series, column: Column) -> Column:
    encoded(cells, column)
    return replace(column, why="true or false")


def _category(seen: Seen, column: Column) -> Column:
    """Count levels by their text; the first cell of a text says of what type its level is."""
    counts, dtype = seen.counts.sort("rows", "text", descending=[True, False]), seen.cells.dtype
    kept = counts.head(MAX_LEVELS)
    if counts.height > MANY and (often := counts.filter(pl.col("rows") > 1)).height:
        kept = often.head(MAX_LEVELS)
    levels = tuple(_levels(kept.to_series(0), dtype))
    why = f"{_named(dtype)} with {seen.different:,} level{'s' * (seen.different > 1)}"
    rare = seen.different - len(levels)
    why += f", {rare:,} of them as 'other'" if rare else ""
    return replace(column, levels=levels, other=True, why=why)


def _named(dtype: Any) -> str:
    return "text" if dtype == pl.String else "categories"


def _levels(text: pl.Series, dtype: Any) -> list[Any]:
    """Return levels in the type of the cells that they come from."""
    if isinstance(dtype, WORDS):
        return text.to_list()
    if dtype == pl.Boolean:
        return [level == "True" for level in text]
    kind = pl.Int128 if dtype.is_integer() else pl.Float64
    return text.cast(kind).to_list()


def _date(cells: pl.Series, column: Column) -> Column:
    since = since_1970(cells, column.name)
    known = since[~np.isnan(since)]
    local = to_local(known, column.zone)
    cycles = tuple(c for c in CYCLES if np.ptp(turn(local, c)) > 0)
    column = replace(column, unit=unit_of(local), cycles=cycles, why="dates")
    return _ranged(column, known)


def _time(cells: pl.Series, column: Column) -> Column:
    return _seconds(cells, replace(column, why="times of day"))


def _duration(cells: pl.Series, column: Column) -> Column:
    return _seconds(cells, replace(column, why="durations"))


def _seconds(cells: pl.Series, column: Column) -> Column:
    since = seconds(cells)
    known = since[~np.isnan(since)]
    return replace(_ranged(column, known), unit=unit_of(known))


DETAILS: dict[str, Callable[[pl.Series, Column], Column]] = {
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "time": _time,
    "duration": _duration,
}

"""What is known of a table's columns, and of the values of a compact row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

CYCLES = (
    "hour",
    "weekday",
    "day of year",
)  # of dates, in the order in which a compact row has them
UNITS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}  # in seconds, coarsest first
MAX_LEVELS = 1000  # of a category; rarer ones share "other"

WORDS = (pl.String, pl.Categorical, pl.Enum)  # types of text

Level = str | int | float | bool


@dataclass(frozen=True)
class Column:
    """A column of the table as it came.

    Parameters
    ----------
    name : str
        Its name.
    kind : {"number", "boolean", "category", "date", "time", "duration", "ignore"}
        What it is taken for.
    why : str
        Why, such as "text with 8 levels" or "asked for".
    levels : tuple
        The levels of a category, most frequent first, without "other".
    other : bool
        Whether levels that are rarer, or were not seen, share one more level.
    whole : bool
        Whether all numbers were whole, so that they are rounded on the way back.
    low, high : float or None
        The range seen, in the unit of compact rows.
    cycles : tuple of str
        Those of a date's "hour", "weekday" and "day of year" that vary.
    gaps : bool
        Whether cells were missing.
    unit : str
        The coarsest of "day", "hour", "minute" and "second" that all dates, times or durations keep.
    dtype : str
        The type of its cells, such as "Datetime(us, Europe/Berlin)".
    """

    name: str
    kind: str
    why: str
    levels: tuple[Level, ...] = ()
    other: bool = False
    whole: bool = False
    low: float | None = None
    high: float | None = None
    cycles: tuple[str, ...] = ()
    gaps: bool = False
    unit: str = ""
    dtype: str = ""

    @cached_property
    def level_texts(self) -> list[str]:
        """The levels as text, by which they are matched."""
        return level_texts(self.levels)

    @cached_property
    def enum(self) -> pl.Enum:
        """The levels' type in polars, which maps text to numbers of levels."""
        return pl.Enum(self.level_texts)

    def places_as(self, dtype: pl.DataType) -> dict[str | None, int]:
        """Return the numbers of its levels by the text that they have as floats of a type."""
        floats = pl.Series(self.level_texts, dtype=pl.String).cast(pl.Float64, strict=False)
        places: dict[str | None, int] = {}
        for place, text in enumerate(texts(floats.cast(dtype)).to_list()):
            places.setdefault(text, place)  # the more frequent one, where they are one number there
        places.pop(None, None)  # of a level that is no number
        return places

    @property
    def step(self) -> float:
        """What its values are whole numbers of, in the unit of compact rows; 0 if of nothing."""
        return 1.0 if self.whole else float(UNITS.get(self.unit, 0))

    @property
    def zone(self) -> str:
        """The time zone of its dates, or nothing."""
        return self.dtype[:-1].partition(", ")[2] if self.dtype.startswith("Datetime(") else ""


@dataclass(frozen=True)
class Value:
    """A value of a compact row; one column may have several.

    Parameters
    ----------
    kind : {"number", "flag", "levels", "turn"}
        A number; 0 or 1; the number of a level; a part of a turn, in [0, 1).
    cell : int
        The number of the used column that it belongs to.
    size : int
        How many levels there are, "other" counted, which is the last.
    other : bool
        Whether there is a level "other".
    """

    kind: str
    cell: int
    size: int = 1
    other: bool = False


def values_of(column: Column, cell: int) -> list[Value]:
    """Return the values of a compact row that a column has."""
    if column.kind == "boolean":
        return [Value("flag", cell)]
    if column.kind == "category":
        return [Value("levels", cell, len(column.levels) + column.other, column.other)]
    turns = len(column.cycles) if column.kind == "date" else int(column.kind == "time")
    return [Value("number", cell), *[Value("turn", cell)] * turns]


def level_texts(levels: Sequence[Level]) -> list[str]:
    """Return the text of levels, by which 1, 1.0 and "1" are one.

    Examples
    --------
    >>> level_texts([1.0, 0.5]), level_texts([1, "1", True])
    (['1', '0.5'], ['1', '1', 'True'])
    """
    if levels and all(isinstance(level, float) for level in levels):
        return texts(pl.Series(levels, dtype=pl.Float64)).to_list()
    return [str(level) for level in levels]


def texts(series: pl.Series) -> pl.Series:
    """Return cells as text, whole numbers without a point; what is missing stays so."""
    if series.dtype.is_decimal():
        series = series.cast(pl.Float64)
    if series.dtype == pl.Boolean:
        return series.cast(pl.String).str.to_titlecase()
    if series.dtype.is_float():
        return _number_texts(series.fill_nan(None))
    return series.cast(pl.String)


def _number_texts(series: pl.Series) -> pl.Series:
    whole = (series == series.round()) & (series.abs() < 2.0**127)
    wide = bool((whole & (series.abs() >= 2.0**63)).any())
    plain = series.cast(pl.Int128 if wide else pl.Int64, strict=False).cast(pl.String)
    if whole.fill_null(True).all():
        return plain
    return plain.zip_with(whole.fill_null(False), series.cast(pl.String))


def nan_missing(values: np.ndarray) -> pl.Series:
    """Return numbers as a column, in which NaN is missing."""
    return pl.Series(np.ascontiguousarray(values), nan_to_null=True)


def has_nan(series: pl.Series) -> bool:
    """Return whether a column without missing cells has NaN, which the least of them is then."""
    return series.dtype.is_float() and len(series) > 0 and bool(np.isnan(series.to_numpy().min()))


def number_of(column: pl.Series) -> np.ndarray:
    """Return a column as float64, with NaN for what is missing; its own array."""
    return np.array(column.cast(pl.Float64).to_numpy(), np.float64)

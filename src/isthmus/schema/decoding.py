"""Values of compact rows become cells of a column, of the type that it had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from isthmus.schema.columns import WORDS, Column, nan_missing, texts
from isthmus.schema.dates import as_dates, in_zone, rounded, whole_units
from isthmus.schema.dtypes import type_of


def decoded(value: np.ndarray, column: Column) -> pl.Series:
    """Return the cells of a column from its first value: in its range, whole or rounded as it was."""
    dtype = type_of(column.dtype)
    if column.low is not None and column.high is not None:
        value = np.clip(value, column.low, column.high)
    return WRITERS[column.kind](value, column, dtype).alias(column.name)


def _numbers(value: np.ndarray, column: Column, dtype: Any) -> pl.Series:
    found = nan_missing(np.rint(value) if column.whole else value)
    if isinstance(dtype, WORDS):
        return texts(found) if column.whole else found.cast(pl.String)
    if isinstance(dtype, pl.Decimal):
        return found.round(dtype.scale or 0).cast(dtype, strict=False)
    if dtype.is_integer():
        return found.round().clip(*_ends(dtype)).cast(dtype, strict=False)
    return found.cast(dtype, strict=False)


def _ends(dtype: Any) -> tuple[float, float]:
    """Return the least and the largest float that a type of whole numbers holds."""
    digits, signed = int(str(dtype).lstrip("UInt")), not str(dtype).startswith("U")
    end = 2 ** (digits - signed)
    return -float(end * signed), min(float(end - 1), float(np.nextafter(float(end), 0)))


def _flags(value: np.ndarray, column: Column, dtype: Any) -> pl.Series:
    found = nan_missing(np.rint(value))
    if isinstance(dtype, WORDS):
        return found.replace_strict({0: "False", 1: "True"}, return_dtype=pl.String)
    return found.cast(dtype)


def _levels(value: np.ndarray, column: Column, dtype: Any) -> pl.Series:
    """Return the levels; what is "other" has no name, and is missing."""
    places = nan_missing(np.rint(value)).cast(pl.Int64)
    inside = places.set((places < 0) | (places >= len(column.levels)), None)
    if dtype == pl.String or not column.levels:
        return pl.Series(column.level_texts, dtype=pl.String).gather(inside)
    return pl.Series(list(column.levels), strict=False).cast(dtype, strict=False).gather(inside)


def _dates(value: np.ndarray, column: Column, dtype: Any) -> pl.Series:
    since = rounded(value, column)
    if isinstance(dtype, pl.Datetime):
        found = as_dates(since, dtype.time_unit)
        if dtype.time_zone is None:
            return found
        return in_zone(found, dtype.time_zone)
    if dtype == pl.Date:
        return nan_missing(np.rint(since / 86400)).cast(pl.Int32).cast(pl.Date)
    return _date_text(since, column)


def _date_text(since: np.ndarray, column: Column) -> pl.Series:
    form = "%Y-%m-%d" if column.unit == "day" else "%Y-%m-%d %H:%M:%S"
    return as_dates(since).dt.strftime(form)


def _times(value: np.ndarray, column: Column, dtype: Any) -> pl.Series:
    within = np.clip(rounded(value, column), 0, 86399.999999)
    return whole_units(within, "ns").cast(pl.Time)


def _durations(value: np.ndarray, column: Column, dtype: Any) -> pl.Series:
    return whole_units(rounded(value, column), dtype.time_unit).cast(dtype)


WRITERS: dict[str, Callable[[np.ndarray, Column, Any], pl.Series]] = {
    "number": _numbers,
    "boolean": _flags,
    "category": _levels,
    "date": _dates,
    "time": _times,
    "duration": _durations,
}

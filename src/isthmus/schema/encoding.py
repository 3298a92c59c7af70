"""Cells of a column become values of compact rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from isthmus.schema.columns import WORDS, Column, number_of, texts, values_of
from isthmus.schema.dates import FIRST, LAST, read_dates, seconds, turns
from isthmus.schema.dtypes import type_of
from isthmus.schema.units import without_units

TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


def encoded(series: pl.Series, column: Column) -> list[np.ndarray]:
    """Return the values of a column, each of as many rows; NaN is a missing cell.

    Raises
    ------
    ValueError
        That names the column, the row and the cell that is not of the column's kind.
    """
    if series.dtype.is_float() and column.kind not in (
        "number",
        "boolean",
    ):  # these read NaN as it is
        series = series.fill_nan(None)
    if series.null_count() == len(series):
        return [np.full(len(series), np.nan) for _ in values_of(column, 0)]
    return READERS[column.kind](series, column)


def as_numbers(series: pl.Series, name: str) -> np.ndarray:
    """Return cells as numbers, those in text too; infinite ones are refused."""
    if isinstance(series.dtype, WORDS):
        series = read_numbers(series, name)
    elif series.dtype.is_temporal():
        raise unfit(series, name, "a number")
    found = number_of(series)
    bad = np.isinf(found)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"The column {name!r} holds {found[row]:g} in row {row}: make it a number or missing."
        )
    return found


def read_numbers(series: pl.Series, name: str) -> pl.Series:
    """Return numbers that are written as text."""
    found = parsed(series)
    check_read(series, found, name, "a number")
    return found


def parsed(series: pl.Series) -> pl.Series:
    """Return numbers that are written as text, with a unit or without; missing where a cell is none."""
    text = series.cast(pl.String).str.strip_chars()
    found = text.cast(pl.Float64, strict=False)
    if found.null_count() == series.null_count():
        return found
    return found.fill_null(without_units(text)[0].cast(pl.Float64, strict=False))


def check_read(series: pl.Series, found: pl.Series, name: str, what: str) -> None:
    """Raise an error for the first cell that says something and could not be read; blanks do not."""
    said = series.cast(pl.String).str.strip_chars() != ""
    lost = (found.is_null() & said).arg_true()
    if len(lost):
        raise unfit(series, name, what, int(lost[0]))


def unfit(series: pl.Series, name: str, what: str, row: int | None = None) -> ValueError:
    """Return the error for a cell that is not of the column's kind; the first that is there."""
    if row is None:
        row = int(series.is_not_null().arg_true()[0])
    return ValueError(
        f"The column {name!r} holds {str(series[row])[:40]!r} in row {row}, which is not {what}: "
        f"correct the cell, make it missing, or fit with columns={{{name!r}: 'ignore'}}."
    )


def _numbers(series: pl.Series, column: Column) -> list[np.ndarray]:
    return [as_numbers(series, column.name)]


def _flags(series: pl.Series, column: Column) -> list[np.ndarray]:
    what = "true or false"
    if series.dtype.is_temporal():
        raise unfit(series, column.name, what)
    if isinstance(series.dtype, WORDS):
        lower = series.cast(pl.String).str.strip_chars().str.to_lowercase()
        known = lower.replace_strict(TRUTH, default=None, return_dtype=pl.Float64)
        check_read(series, known, column.name, what)
        return [number_of(known)]
    found = number_of(series)
    bad = ~(np.isnan(found) | (found == 0) | (found == 1))
    if bad.any():
        raise unfit(series, column.name, what, int(np.argmax(bad)))
    return [found]


def _levels(series: pl.Series, column: Column) -> list[np.ndarray]:
    if series.dtype.is_temporal():
        raise unfit(series, column.name, "a category")
    places = _places(series, column)
    found = number_of(places)
    if column.other:
        found[(places.is_null() & texts(series).is_not_null()).to_numpy()] = len(column.levels)
    return [found]


def _places(series: pl.Series, column: Column) -> pl.Series:
    """Return the numbers of levels: by their text, numbers that meet floats as the coarser ones."""
    types = (series.dtype, type_of(column.dtype))
    floats = [t for t in types if t.is_float()]
    if not floats or not all(t.is_numeric() for t in types):
        return texts(series).cast(column.enum, strict=False).to_physical()
    coarser = pl.Float32() if pl.Float32 in floats else pl.Float64()
    cells = texts(series.cast(pl.Float64).cast(coarser))
    return cells.replace_strict(column.places_as(coarser), default=None, return_dtype=pl.UInt32)


def _dates(series: pl.Series, column: Column) -> list[np.ndarray]:
    since = since_1970(series, column.name)
    _check_zone(getattr(series.dtype, "time_zone", None), column)
    return [since, *turns(since, column)]


def _check_zone(zone: str | None, column: Column) -> None:
    """Raise a ValueError where only the dates at use, or only those of the fit, have a time zone."""
    if bool(zone) == bool(column.zone):
        return
    if zone:
        raise ValueError(
            f"The column {column.name!r} holds dates of the time zone {zone}, and the model was fitted "
            "on dates without one: take the zone away, by dt.tz_localize(None) in pandas or "
            "dt.replace_time_zone(None) in polars."
        )
    raise ValueError(
        f"The column {column.name!r} holds dates without a time zone, and the model was fitted on "
        f"dates of {column.zone}: say whose clock shows them, for example by "
        f"dt.tz_localize({column.zone!r}) in pandas or dt.replace_time_zone({column.zone!r}) in polars."
    )


def since_1970(series: pl.Series, name: str) -> np.ndarray:
    """Return dates as seconds since 1970, those in text too."""
    what = "a date such as 2024-01-31 or 2024-01-31 12:30"
    if isinstance(series.dtype, WORDS):
        text = series.cast(pl.String).str.strip_chars()
        found = read_dates(text)
        check_read(series, found, name, what)
        series = found
    elif series.dtype.base_type() not in (pl.Date, pl.Datetime):
        raise unfit(series, name, what)
    since = seconds(series)
    outside = (since < FIRST) | (since > LAST)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(
            f"The column {name!r} holds a date outside the years 1 to 9999 in row {row}: "
            "correct it or make it missing."
        )
    return since


def _times(series: pl.Series, column: Column) -> list[np.ndarray]:
    since = _of_type(series, column, pl.Time, "a time")
    return [since, since / 86400]


def _durations(series: pl.Series, column: Column) -> list[np.ndarray]:
    return [_of_type(series, column, pl.Duration, "a duration")]


def _of_type(series: pl.Series, column: Column, dtype: type, what: str) -> np.ndarray:
    if series.dtype.base_type() != dtype:
        raise unfit(series, column.name, what)
    return seconds(series)


READERS: dict[str, Callable[[pl.Series, Column], list[np.ndarray]]] = {
    "number": _numbers,
    "boolean": _flags,
    "category": _levels,
    "date": _dates,
    "time": _times,
    "duration": _durations,
}

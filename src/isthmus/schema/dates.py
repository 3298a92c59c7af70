"""Dates, times and durations as seconds and back, and their cycles."""

from __future__ import annotations

import numpy as np
import polars as pl

from isthmus.schema import text_dates
from isthmus.schema.columns import UNITS, Column, nan_missing, number_of

PER_SECOND = {"ms": 1e3, "us": 1e6, "ns": 1e9}
FIRST, LAST = -62135596800.0, 253402300799.999999  # the years 1 to 9999


def seconds(series: pl.Series) -> np.ndarray:
    """Return dates as seconds since 1970 in UTC, times since midnight, durations as they are."""
    found = number_of(series.to_physical())
    if series.dtype == pl.Date:
        return found * 86400
    unit = "ns" if series.dtype == pl.Time else getattr(series.dtype, "time_unit", "us")
    return found / PER_SECOND[unit]


def as_dates(since: np.ndarray, unit: str = "us") -> pl.Series:
    """Return seconds since 1970 as dates without a zone."""
    return whole_units(since, unit).cast(pl.Datetime(unit))  # type: ignore[arg-type]


def whole_units(since: np.ndarray, unit: str) -> pl.Series:
    """Return seconds as whole numbers of a unit; NaN becomes missing."""
    return nan_missing(np.rint(since * PER_SECOND[unit])).cast(pl.Int64)


def in_zone(utc: pl.Series, zone: str) -> pl.Series:
    """Return dates in UTC as those of a zone.

    Raises
    ------
    ValueError
        If nobody knows the zone.
    """
    try:
        return utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    except pl.exceptions.ComputeError:
        raise ValueError(f"{zone[:40]!r} is no time zone") from None


def to_local(since: np.ndarray, zone: str) -> np.ndarray:
    """Return what clocks in a zone show, as seconds, at these seconds since 1970."""
    if not zone:
        return since
    there = in_zone(as_dates(since), zone)
    return seconds(there.dt.replace_time_zone(None))


def from_local(local: np.ndarray, zone: str, since: np.ndarray) -> np.ndarray:
    """Return seconds since 1970 from what clocks show; `since` where they show no such time."""
    if not zone:
        return local
    back = as_dates(local).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    found = seconds(back)
    return np.where(np.isnan(found), since, found)


def rounded(since: np.ndarray, column: Column) -> np.ndarray:
    """Return seconds, rounded to the column's unit by its own clock."""
    step = UNITS.get(column.unit)
    if step is None:
        return since
    local = to_local(since, column.zone)
    return from_local(np.rint(local / step) * step, column.zone, since)


def unit_of(local: np.ndarray) -> str:
    """Return the coarsest unit that all seconds keep; nothing if they have fractions."""
    known = local[~np.isnan(local)]
    return next((unit for unit, step in UNITS.items() if not np.any(known % step)), "")


def turns(since: np.ndarray, column: Column) -> list[np.ndarray]:
    """Return the cycles of dates that a column has, each as part of a turn in [0, 1)."""
    local = to_local(since, column.zone) if column.cycles else since
    return [turn(local, cycle) for cycle in column.cycles]


def turn(local: np.ndarray, cycle: str) -> np.ndarray:
    """Return where in a cycle these times are, in [0, 1).

    "hour" is the part of the day that is over, "weekday" begins at Monday, "day of year" with the
    first of January.
    """
    if cycle == "hour":
        return local % 86400 / 86400
    if cycle == "weekday":
        return (np.floor(local / 86400) + 3) % 7 / 7  # 1970 began on a Thursday
    return (number_of(as_dates(local).dt.ordinal_day()) - 1) / 366


def read_dates(text: pl.Series) -> pl.Series:
    """Return dates that are written in a way with one reading and no zone; others become missing.

    A cell is read by itself, since rows come in blocks.
    """
    found = text_dates.as_dates(text.set(text == "", None), text_dates.CLEAR)
    if found is None or getattr(found.dtype, "time_zone", None):
        found = pl.Series([None]).new_from_index(0, len(text))
    return found.cast(pl.Datetime("us"))

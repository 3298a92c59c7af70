"""Checks of dates: days that stand for none, that are to come, far from all others, or never were."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.audit.findings import Finding, count_of, first_rows, guesses_at, value_text
from isthmus.audit.profile import is_mark
from isthmus.schema import TwoReadings, as_dates
from isthmus.words import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.audit.profile import Column, Profile

DAY = 86_400.0
SENTINEL_DAYS = (
    "0001-01-01",
    "1753-01-01",
    "1899-12-30",
    "1899-12-31",
    "1900-01-01",
    "1901-01-01",
    "1904-01-01",
    "1970-01-01",
    "1980-01-01",
    "2099-12-31",
    "2999-12-31",
    "9999-12-31",
)
DATE_LIKE = r"^\s*\d{1,4}[-./]\d{1,2}[-./]\d{1,4}"
TIMES_FREQUENT = 20  # as the usual day, of a day that stands for none
FAR = 3.0  # how many times the usual span from it is far
PAST = 0.95  # the share of days gone by in a column of the past


def odd_dates(profile: Profile, today: datetime.date | None = None) -> Iterator[Finding]:
    """Yield days that cannot be right, or hardly."""
    now = seconds_of(today or datetime.date.today())
    for column in profile:
        seconds = date_seconds(column)
        if seconds is not None:
            if column.is_text:
                yield from _no_dates(column, seconds)
            yield from _odd(column, seconds, now)


def seconds_of(day: datetime.date) -> float:
    """Return the seconds from 1970 to a day."""
    return (day - datetime.date(1970, 1, 1)).days * DAY


def date_seconds(column: Column) -> np.ndarray | None:
    """Return a column's days as seconds from 1970, NaN where there is none; None for other columns."""
    dtype = column.values.dtype
    if dtype == pl.Date or dtype == pl.Datetime:
        return _seconds(column.values)
    if not column.is_text or column.looks_numeric:
        return None
    values = column.distinct.filter(~is_mark("value"))["value"].str.strip_chars()
    like = values.str.contains(DATE_LIKE)
    if not len(values) or like.sum() < 0.9 * len(values):
        return None
    try:
        days = as_dates(column.values.str.strip_chars())
    except TwoReadings:
        return None
    known = days is not None and days.is_not_null().sum() >= 0.9 * column.n_known
    return _seconds(days) if days is not None and known else None


def _seconds(days: pl.Series) -> np.ndarray:
    micros = days.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64)
    seconds: np.ndarray = micros.fill_null(float("nan")).to_numpy() / 1e6
    return seconds


def _no_dates(column: Column, seconds: np.ndarray) -> Iterator[Finding]:
    """Yield texts that look like days and are none, such as 30 February."""
    odd = column.distinct.filter(~is_mark("value"), pl.col("value").str.contains(DATE_LIKE))
    none = np.isnan(seconds)[column.first[odd["code"].to_numpy()]]
    bad = odd.filter(pl.Series(none))
    if bad.height:
        rows = column.rows_of(bad["code"].to_numpy())
        words = [value_text(v) for v in bad["value"].head(50).to_list()]
        text = (
            f"{column.name} holds days that do not exist or are written in another way, in "
            f"{count_of(len(rows), 'row')}: {shortened(words, 4)}."
        )
        guesses = guesses_at(rows, column.name, "a day", 0.95)
        names, first = (column.name,), first_rows(rows)
        yield Finding("impossible date", "error", text, names, first, len(rows), guesses=guesses)


def _odd(column: Column, seconds: np.ndarray, now: float) -> Iterator[Finding]:
    """Yield days that stand for none, then of the others those far away, then those to come."""
    known = np.isfinite(seconds)
    if known.sum() < 5:
        return
    days = np.floor(seconds / DAY)
    told = np.zeros(len(seconds), bool)
    for name in SENTINEL_DAYS:
        day = seconds_of(datetime.date.fromisoformat(name)) / DAY
        hit, rest = known & (days == day), known & (days != day) & ~told
        if hit.any() and rest.any() and _stands_for_none(days, hit, rest):
            told |= hit
            text = "which seems to stand for a missing day"
            yield _finding(column, hit, "sentinel date", name, text, "missing", 0.95)
    rest = known & ~told
    low, high = _usual(days[rest])
    span = max(high - low, 30.0)
    far = rest & ((days < low - FAR * span) | (days > high + FAR * span))
    if far.any() and far.sum() <= 0.01 * rest.sum() + 1:
        usual = f"{_day(low)} to {_day(high)}"
        words = shortened([_day(d) for d in np.unique(days[far])], 4)
        yield _finding(column, far, "far date", words, f"far from the usual {usual}", usual, 0.9)
        rest &= ~far
    future = rest & (seconds >= now + 2 * DAY)
    if 0 < future.sum() <= (1 - PAST) * rest.sum() + 1 and _usual(days[rest])[1] * DAY <= now + DAY:
        words = shortened([_day(d) for d in np.unique(days[future])], 4)
        yield _finding(column, future, "future date", words, "days to come", "a day gone by", 0.8)


def _stands_for_none(days: np.ndarray, hit: np.ndarray, rest: np.ndarray) -> bool:
    """Return whether a day lies apart from the others, or occurs far too often."""
    day, others = float(days[hit][0]), np.unique(days[rest], return_counts=True)
    low, high = _usual(days[rest])
    apart = float(np.min(np.abs(others[0] - day))) > max(0.25 * (high - low), 30)
    often = int(hit.sum()) >= max(TIMES_FREQUENT * float(np.median(others[1])), 5)
    return apart or often


def _usual(days: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(days, [0.02, 0.95]) if len(days) else (0.0, 0.0)
    return float(low), float(high)


def _day(days: float) -> str:
    return str(np.datetime64(int(days), "D"))


def _finding(
    column: Column, mask: np.ndarray, kind: str, what: str, why: str, expected: str, sure: float
) -> Finding:
    rows = np.flatnonzero(mask)
    text = f"{column.name} is {what} in {count_of(len(rows), 'row')}, {why}."
    guesses = guesses_at(rows, column.name, expected, sure)
    names, first = (column.name,), first_rows(rows)
    severity = "error" if sure >= 0.9 else "warning"
    return Finding(kind, severity, text, names, first, len(rows), guesses=guesses)

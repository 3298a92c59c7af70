"""Checks of numbers: those that stand for something else, odd signs, far ones, and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.audit.findings import Finding, count_of, first_rows, guesses_at, value_text
from isthmus.words import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.audit.profile import Column, Profile

SENTINELS = (
    -1,
    -9,
    -99,
    -999,
    -9999,
    -99999,
    99,
    999,
    9999,
    99999,
    999999,
    9999999,
    -888,
    888,
    8888,
)
LEAST_DISTINCT = 8
FAR, TIMES = 5.0, 3.0  # what is far: gaps of so many usual ranges, and so many times as far out
FEW = 0.015  # the share of rows that may be far, or have decimals where others have none
RARE = 0.01  # the share of rows that may be negative where others are not
PILE = 5.0  # how many times as often as its neighbours the last value occurs at a limit


def odd_numbers(profile: Profile) -> Iterator[Finding]:
    """Yield sentinels, odd signs, far numbers and limits, one of them for each value."""
    for column in profile.numeric():
        values, counts = sorted_values(column)
        if len(values) < 3 or column.is_identifier:
            continue
        told: set[float] = set()
        many = len(values) >= LEAST_DISTINCT
        for check in (
            (_sentinels, _far, _signs, _parts, _limits) if many else (_far, _signs, _parts)
        ):
            for finding, of in check(column, values, counts, told):
                told |= of
                yield finding


def infinite_numbers(profile: Profile) -> Iterator[Finding]:
    """Yield columns with infinite numbers; of those in text another check says that they are none."""
    for column in profile:
        rows = np.flatnonzero(column.infinite)
        if len(rows):
            text = (
                f"{column.name} is infinite in {count_of(len(rows), 'row')}, as a division by zero is: "
                "models take that as missing."
            )
            names, first = (column.name,), first_rows(rows)
            guesses = guesses_at(rows, column.name, "a finite number", 0.95)
            yield Finding("infinite number", "error", text, names, first, len(rows), {}, guesses)


def sorted_values(column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct numbers in order, and how often each occurs."""
    known = column.numbers[column.first]
    there = np.isfinite(known)
    values, inverse = np.unique(known[there], return_inverse=True)
    return values, np.bincount(inverse, column.counts[there]).astype(int)


def usual_range(values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Return between which numbers 98 of 100 cells lie."""
    share = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(share, [0.01, 0.99])
    return float(values[low]), float(values[min(high, len(values) - 1)])


def rows_between(column: Column, low: float, high: float) -> np.ndarray:
    """Return the rows with a number in a range, both ends counted."""
    with np.errstate(invalid="ignore"):
        return np.flatnonzero((column.numbers >= low) & (column.numbers <= high))


Found = tuple[Finding, set[float]]


def _sentinels(
    column: Column, values: np.ndarray, counts: np.ndarray, told: set[float]
) -> Iterator[Found]:
    """Yield numbers such as -1 or 9999 at an end, away from all others."""
    of = dict(zip(values.tolist(), counts.tolist(), strict=True))
    for value, rest, other in _ends(values, counts):
        if value not in SENTINELS or not len(rest):
            continue
        low, high = usual_range(rest, other)
        nearest = float(np.min(np.abs(rest - value)))
        wide = nearest > 0.5 * (high - low)
        alone = value < 0 <= rest[0] and (nearest > 1 or _unlike(of[value], other[:5]))
        if (alone or wide) and nearest >= 1:
            rows = rows_between(column, value, value)
            text = (
                f"{column.name} is {value_text(value)} in {count_of(len(rows), 'row')}, apart from "
                f"all others ({value_text(rest[0])} to {value_text(rest[-1])}): it seems to stand "
                "for a missing value."
            )
            sure = 0.95 if wide else 0.6
            guesses = guesses_at(rows, column.name, "missing", sure)
            severity = "error" if sure > 0.9 else "warning"
            numbers = {"value": value, "next": float(rest[np.argmin(np.abs(rest - value))])}
            names, first = (column.name,), first_rows(rows)
            yield (
                Finding(
                    "sentinel number", severity, text, names, first, len(rows), numbers, guesses
                ),
                {value},
            )


def _unlike(count: int, beside: np.ndarray) -> bool:
    """Return whether a value occurs far more or less often than those beside it."""
    usual = float(np.median(beside))
    return not usual / 4 <= count <= 4 * usual


def _ends(values: np.ndarray, counts: np.ndarray) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Yield the values of both ends, each with the others; of a run of sentinels one by one."""
    for step in (1, -1):
        v, c = values[::step], counts[::step]
        for i in range(min(3, len(v) - LEAST_DISTINCT)):
            yield float(v[i]), v[i + 1 :][::step], c[i + 1 :][::step]
            if v[i] not in SENTINELS:
                break


def _far(
    column: Column, values: np.ndarray, counts: np.ndarray, told: set[float]
) -> Iterator[Found]:
    """Yield few numbers that lie many times the usual range away from all others."""
    keep = np.array([v not in told for v in values])
    values, counts = values[keep], counts[keep]
    last = len(values) - far_above(values, counts)
    first = far_above(-values[::-1], counts[::-1])
    odd = np.r_[values[:first], values[last:]]
    if len(odd):
        rows = np.flatnonzero(np.isin(column.numbers, odd))
        usual = f"{value_text(values[first])} to {value_text(values[last - 1])}"
        words = shortened([value_text(v) for v in odd], 4)
        where = f"{words} in {count_of(len(rows), 'row')}"
        text = f"{column.name} is {where}, far from all others ({usual})."
        guesses = guesses_at(rows, column.name, usual, 0.9)
        names, first_of = (column.name,), first_rows(rows)
        yield (
            Finding("far number", "error", text, names, first_of, len(rows), guesses=guesses),
            set(odd.tolist()),
        )


def far_above(values: np.ndarray, counts: np.ndarray) -> int:
    """Return how many of the largest distinct values are far above all others.

    Beyond a gap of many times the usual range, and many times as far from the middle as the largest of
    the others; where these go on far beyond the usual range themselves, as incomes do, many more times.
    """
    share = np.cumsum(counts) / counts.sum()
    low, middle, high = values[
        np.minimum(np.searchsorted(share, [0.05, 0.5, 0.95]), len(values) - 1)
    ]
    if high == middle:
        return 0
    above = 1 - share[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        times = (values[1:] - middle) / (values[:-1] - middle)
        stretch = ((values[:-1] - middle) / (high - middle)) ** 2
    gap = (np.diff(values) > FAR * (high - low)) & (values[:-1] >= high)
    places = np.flatnonzero(gap & (times > np.maximum(stretch, TIMES)) & (above <= FEW))
    return len(values) - 1 - int(places[0]) if len(places) else 0


def _parts(
    column: Column, values: np.ndarray, counts: np.ndarray, told: set[float]
) -> Iterator[Found]:
    """Yield few numbers with decimals in a column of whole ones."""
    broken = (values != np.round(values)) & np.array([v not in told for v in values])
    count = int(counts[broken].sum())
    if 0 < count <= FEW * counts.sum() and (~broken).sum() >= 2:
        text = f"{column.name} is whole but for {count_of(count, 'row')}: {_shown(values[broken])}."
        yield _breaking(column, values[broken], count, "odd decimals", text, "a whole number")


def _signs(
    column: Column, values: np.ndarray, counts: np.ndarray, told: set[float]
) -> Iterator[Found]:
    """Yield few negative numbers in a column that has none else."""
    negative = np.array([v < 0 and v not in told for v in values])
    count = int(counts[negative].sum())
    if 0 < count <= RARE * counts.sum() and (values > 0).sum() >= 2:
        rows = f"{count_of(count, 'row')} ({_shown(values[negative])})"
        text = f"{column.name} is negative in {rows} and in no other one."
        yield _breaking(column, values[negative], count, "odd sign", text, "not negative")


def _shown(values: np.ndarray) -> str:
    return shortened([value_text(v) for v in values], 4)


def _breaking(
    column: Column, values: np.ndarray, count: int, kind: str, text: str, expected: str
) -> Found:
    """Return the finding of a few numbers that break what holds for all others of their column."""
    rows = np.flatnonzero(np.isin(column.numbers, values))
    guesses = guesses_at(rows, column.name, expected, 0.8)
    first = first_rows(rows)
    finding = Finding(kind, "warning", text, (column.name,), first, count, guesses=guesses)
    return finding, set(values.tolist())


def _limits(
    column: Column, values: np.ndarray, counts: np.ndarray, told: set[float]
) -> Iterator[Found]:
    """Yield values at an end that are far more frequent than those beside them: numbers were cut."""
    if len(values) < 3 * LEAST_DISTINCT:
        return
    for word, v, c in (("most", values[::-1], counts[::-1]), ("least", values, counts)):
        beside = c[1:6]
        if v[0] in told or v[0] == 0 or c[0] < 10 or c[0] < PILE * beside.max():
            continue
        text = (
            f"{column.name} is at {word} {value_text(v[0])}, which occurs {c[0]:,} times, and its "
            f"neighbours {beside.max():,} times at most: numbers beyond seem to have been cut off."
        )
        rows = rows_between(column, v[0], v[0])
        numbers = {"limit": float(v[0])}
        names, first = (column.name,), first_rows(rows)
        yield Finding("limit", "note", text, names, first, int(c[0]), numbers), {float(v[0])}

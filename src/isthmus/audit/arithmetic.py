"""Checks of columns of numbers that are reckoned from others, and of rows in which they are not.

A column may be another one times a factor plus a constant, the sum of two, or their product. What
holds on a sample of rows, and not if the rows of one side are shifted by one, is checked on all.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.audit.findings import Finding, count_of, first_rows, guesses_at, value_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.audit.profile import Column, Profile

SAMPLE = 400  # rows
MOST_COLUMNS = 40
MOST_WRONG = 0.03  # the share of rows in which it may not hold
LEAST_LIFT = 0.6  # how much more often it must hold than with rows that do not belong together


class Formula(NamedTuple):
    """How a column follows from others: in words, and its values by it."""

    words: str
    names: tuple[str, ...]
    values: np.ndarray


def reckoned_columns(profile: Profile) -> Iterator[Finding]:
    """Yield columns that are another one times a factor, a sum of two or a product of two."""
    columns = [c for c in profile.numeric() if c.n_distinct >= 5][:MOST_COLUMNS]
    if len(columns) < 2 or profile.n_rows < 20:
        return
    table = np.array([c.numbers for c in columns])
    rows = _sample(profile.n_rows)
    told: set[int] = set()
    for target, formula in _candidates(columns, table, rows):
        if target not in told and not told >= {*_places(columns, formula)}:
            finding = _checked(columns[target], formula)
            if finding is not None:
                told |= {target, *(_places(columns, formula) if len(formula.names) == 1 else ())}
                yield finding


def _places(columns: list[Column], formula: Formula) -> list[int]:
    return [j for j, c in enumerate(columns) if c.name in formula.names]


def _sample(n: int) -> np.ndarray:
    if n <= SAMPLE:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, SAMPLE, replace=False))


def tolerance(values: np.ndarray) -> float:
    """Return half a unit of the last decimal that numbers have, and a little more for rounding."""
    known = values[np.isfinite(values)][:2000]
    size = float(np.abs(known).max(initial=0.0))
    for decimals in range(7):
        if np.all(np.abs(known - np.round(known, decimals)) <= 1e-9 * max(size, 1)):
            return 0.5001 * 10.0**-decimals + 1e-9 * size
    return 1e-6 * size


def agreement(wanted: np.ndarray, made: np.ndarray, within: float) -> float:
    """Return the share of rows in which numbers agree, of those that both have; 0 for few."""
    both = np.isfinite(wanted) & np.isfinite(made)
    if both.sum() < 10:
        return 0.0
    return float((np.abs(wanted - made)[both] <= within).mean())


def _holds(wanted: np.ndarray, made: np.ndarray, within: float) -> bool:
    """Return whether numbers agree in nearly all rows because they belong together."""
    share = agreement(wanted, made, within)
    if share < 1 - 2 * MOST_WRONG:
        return False
    return share - agreement(wanted, np.roll(made, 1), within) >= LEAST_LIFT


def _candidates(
    columns: list[Column], table: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[int, Formula]]:
    """Yield what holds on a sample, as (target, formula); factors first, then sums, then products."""
    few = table[:, rows]
    within = [tolerance(values) for values in table]
    every = range(len(columns))
    for a, t in combinations(every, 2):
        line = line_through(few[a], few[t])
        if line is not None and _holds(few[t], _line(few[a], line), within[t]):
            words = _line_words(columns[a].name, *_shortest(line, few[a], few[t], within[t]))
            yield t, Formula(words, (columns[a].name,), _line(table[a], line))
    for (a, b), sign in ((p, s) for s in ("+", "\u00d7") for p in combinations(every, 2)):
        made = few[a] + few[b] if sign == "+" else few[a] * few[b]
        for t in every:
            if (
                t not in (a, b)
                and _holds(few[t], made, within[t])
                and _both_matter(few, a, b, t, sign)
            ):
                whole = table[a] + table[b] if sign == "+" else table[a] * table[b]
                names = (columns[a].name, columns[b].name)
                yield t, Formula(f"{names[0]} {sign} {names[1]}", names, whole)


def _line(values: np.ndarray, line: tuple[float, float]) -> np.ndarray:
    return line[0] * values + line[1]


def _shortest(
    line: tuple[float, float], x: np.ndarray, y: np.ndarray, within: float
) -> tuple[float, float]:
    """Return factor and constant with the fewest figures, six at least, that say the same of rows."""
    agreed = agreement(y, _line(x, line), within)
    for figures in range(6, 15):
        short = float(f"{line[0]:.{figures}g}"), float(f"{line[1]:.{figures}g}")
        if agreement(y, _line(x, short), within) >= agreed:
            return short
    return line


def _both_matter(few: np.ndarray, a: int, b: int, t: int, sign: str) -> bool:
    """Return whether a result differs from each of its sides: adding zeros is no sum."""
    within = tolerance(few[t])
    return all(agreement(few[t], few[j], within) < 0.7 for j in (a, b)) and bool(
        np.nanmax(np.abs(few[t])) > 0
    )


def line_through(x: np.ndarray, y: np.ndarray) -> tuple[float, float] | None:
    """Return factor and constant of the line through most points, or None where there is none."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 10:
        return None
    order = np.argsort(x, kind="stable")
    half = len(x) // 2
    run, rise = (
        x[order][half:] - x[order][: len(x) - half],
        y[order][half:] - y[order][: len(x) - half],
    )
    apart = run > 0
    if apart.sum() < 5:
        return None
    slope = float(np.median(rise[apart] / run[apart]))
    constant = float(np.median(y - slope * x))
    if slope == 0 or not np.isfinite(slope):
        return None
    near = np.abs(y - slope * x - constant) <= 1e-3 * max(float(np.ptp(y)), 1e-300)
    if near.sum() < 0.9 * len(x) or np.ptp(x[near]) == 0:
        return None
    fitted = np.polyfit(x[near], y[near], 1)
    return float(fitted[0]), float(fitted[1])


def _line_words(name: str, factor: float, constant: float) -> str:
    times = f"{value_text(factor)} \u00d7 {name}"
    if abs(constant) <= 1e-6 * abs(factor):
        return times
    sign = "+" if constant > 0 else "\u2212"
    return f"{times} {sign} {value_text(abs(constant))}"


def _checked(target: Column, formula: Formula) -> Finding | None:
    """Return what a formula amounts to on all rows, if it holds there."""
    within = tolerance(target.numbers) + 1e-6 * float(np.nanmax(np.abs(target.numbers)))
    both = np.isfinite(target.numbers) & np.isfinite(formula.values)
    odd = both & (np.abs(target.numbers - formula.values) > within)
    count = int(odd.sum())
    if count > MOST_WRONG * both.sum():
        return None
    names = (target.name, *formula.names)
    if not count:
        text = f"{target.name} is {formula.words}, and so adds nothing."
        return Finding("reckoned column", "note", text, names)
    rows = np.flatnonzero(odd)
    expected = [value_text(v) for v in formula.values[rows[:1000]]]
    text = (
        f"{target.name} is {formula.words} in all but {count_of(count, 'row')}: there one of them "
        "seems to be wrong."
    )
    guesses = guesses_at(rows, target.name, expected, 0.7)
    numbers = {"violations": count}
    return Finding("broken sum", "error", text, names, first_rows(rows), count, numbers, guesses)

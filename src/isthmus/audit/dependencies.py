"""Checks of columns that are functions of others, and of the rows in which they are not.

A column is a function of another one if rows with the same value there have the same value here.
Where that holds for nearly all rows, and is not to be expected by chance, the others are suspicious.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from isthmus.audit.findings import (
    Finding,
    Guess,
    count_of,
    first_rows,
    guesses_at,
    value_text,
)
from isthmus.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.audit.profile import Column, Profile

MOST_COLUMNS = 200  # that are compared with each other
MOST_WORK = 4e7  # rows times pairs of columns, where pairs of values are sorted
MOST_CELLS = 1_000_000  # of a table of counts
LEAST_EXPECTED = 20.0  # violations that chance would make
MOST_VIOLATIONS = 0.02  # of those that chance would make
RULE_ROWS, RULE_SHARE = 500, 0.002  # how many rows a rule is about, and how many may break it


@dataclass(frozen=True)
class Counts:
    """How often pairs of values occur together: codes of both columns, and the number of rows."""

    a: np.ndarray
    b: np.ndarray
    n: np.ndarray

    def turned(self) -> Counts:
        """Return the same with the columns exchanged."""
        return Counts(self.b, self.a, self.n)


@dataclass(frozen=True)
class Dependency:
    """What one column says of another: for each of its values the usual value there."""

    known: np.ndarray  # codes of the first column
    usual: np.ndarray  # the code of the second that is most frequent beside it
    size: np.ndarray  # rows
    odd: np.ndarray  # rows with another value
    expected: float  # violations if both had nothing to do with each other

    @property
    def violations(self) -> int:
        """How many rows break it."""
        return int(self.odd.sum())

    @property
    def holds(self) -> bool:
        """Whether it holds but for few rows, which chance does not explain."""
        enough = self.expected >= LEAST_EXPECTED
        return enough and self.violations <= MOST_VIOLATIONS * self.expected


def pair_counts(a: Column, b: Column, rows: np.ndarray | None = None) -> Counts:
    """Return how often values of two columns occur together, where both are there."""
    x, y = (a.codes, b.codes) if rows is None else (a.codes[rows], b.codes[rows])
    width = len(b.counts)
    pairs = x.astype(np.int64) * width + y
    if len(a.counts) * width <= MOST_CELLS:
        table = np.bincount(pairs, minlength=len(a.counts) * width)
        codes = np.flatnonzero(table)
        n = table[codes]
    else:
        codes, n = np.unique(pairs, return_counts=True)
    x, y = codes // width, codes % width
    there = (x != a.gap) & (y != b.gap)
    return Counts(x[there], y[there], n[there])


def dependency(counts: Counts) -> Dependency:
    """Return how far the first column says what the second is."""
    order = np.lexsort((-counts.n, counts.a))
    a, b, n = counts.a[order], counts.b[order], counts.n[order]
    starts = np.flatnonzero(np.r_[True, a[1:] != a[:-1]]) if len(a) else np.array([], int)
    size = np.add.reduceat(n, starts) if len(starts) else np.array([], int)
    odd = size - n[starts]
    share = np.bincount(b, n) / max(n.sum(), 1) if len(b) else np.zeros(1)
    expected = float((size - 1).sum() * (1 - np.sum(share**2)))
    return Dependency(a[starts], b[starts], size, odd, expected)


def column_functions(profile: Profile) -> Iterator[Finding]:
    """Yield duplicate columns, columns that say the same in other words, and functions of others."""
    columns = [c for c in profile if c.n_distinct > 1][:MOST_COLUMNS]
    yield from _same_columns(columns)
    columns = [c for c in _unequal(columns) if c.distinct["count"][0] < c.n_known]
    pairs = list(combinations([c for c in columns if _repeats(c)], 2))
    most = int(MOST_WORK / max(len(pairs), 1))
    told: set[str] = set()
    for a, b in sorted(pairs, key=lambda pair: abs(pair[0].n_distinct - pair[1].n_distinct)):
        counts = _counted(a, b, most)
        forth = back = None
        if counts is not None:
            forth, back = dependency(counts), dependency(counts.turned())
        if forth is None or back is None:
            continue
        if forth.holds and back.holds:
            if b.name not in told:
                yield from _one_to_one(a, b, forth, back)
                told.add(b.name)
        elif forth.holds and b.name not in told:
            yield from _function(a, b, forth)
            told.add(b.name)
        elif back.holds and a.name not in told:
            yield from _function(b, a, back)
            told.add(a.name)
        else:
            yield from _rules(a, b, forth)
            yield from _rules(b, a, back)


def _repeats(column: Column) -> bool:
    """Return whether enough values repeat for a column to be a function of it."""
    return column.n_distinct <= 0.5 * column.n_known


def _counted(a: Column, b: Column, most: int) -> Counts | None:
    """Return the counts of two columns, unless that is too much work; few rows tell what not to."""
    if len(a.codes) <= most or len(a.counts) * len(b.counts) <= MOST_CELLS:
        return pair_counts(a, b)
    wide = a if a.n_distinct >= b.n_distinct else b
    few = pair_counts(a, b, _whole_groups(wide, most))
    tried = dependency(few if wide is a else few.turned())
    return pair_counts(a, b) if tried.holds else None


def _whole_groups(column: Column, most: int) -> np.ndarray:
    """Return the rows of some of a column's values, all rows of each."""
    order = np.random.default_rng(0).permutation(len(column.counts))
    chosen = order[np.cumsum(column.counts[order]) <= most]
    return column.rows_of(chosen)


# -- columns that are the same -----------------------------------------------------------------------


def _same_columns(columns: list[Column]) -> Iterator[Finding]:
    """Yield columns that are equal cell by cell."""
    for group in _groups(columns):
        names = [c.name for c in group]
        if len(names) > 1:
            both = "the same" if len(names) == 2 else "all the same"
            text = f"{listed(names, 'and')} are {both}, cell by cell."
            yield Finding("duplicate columns", "warning", text, tuple(names))


def _groups(columns: list[Column]) -> list[list[Column]]:
    """Return columns in groups of equal ones."""
    groups: list[list[Column]] = []
    places: dict[tuple[str, int, int], list[Column]] = {}
    for column in columns:
        key = (str(column.values.dtype), column.n_distinct, column.n_missing)
        for other in places.get(key, ()):
            if column.values.equals(other.values):
                next(g for g in groups if g[0] is other).append(column)
                break
        else:
            groups.append([column])
            places.setdefault(key, []).append(column)
    return groups


def _unequal(columns: list[Column]) -> list[Column]:
    """Return the first of each group of equal columns."""
    return [group[0] for group in _groups(columns)]


# -- findings ----------------------------------------------------------------------------------------


def _one_to_one(a: Column, b: Column, forth: Dependency, back: Dependency) -> Iterator[Finding]:
    names = f"{a.name} and {b.name}"
    odd = _odd_rows(a, b, forth)
    also = _odd_rows(b, a, back)
    if not len(odd) and not len(also):
        text = f"{names} say the same: each value of the one goes with one value of the other."
        yield Finding("one-to-one columns", "note", text, (a.name, b.name))
        return
    rows = np.union1d(odd, also)
    text = (
        f"{names} say the same in all but {count_of(len(rows), 'row')}: there one of them seems to be "
        "wrong."
    )
    guesses = _guesses(a, b, forth, odd, 0.7) + _guesses(b, a, back, also, 0.7)
    yield Finding(
        "broken one-to-one",
        "error",
        text,
        (a.name, b.name),
        first_rows(rows),
        len(rows),
        {"violations": len(rows)},
        guesses,
    )


def _function(a: Column, b: Column, found: Dependency) -> Iterator[Finding]:
    odd = _odd_rows(a, b, found)
    numbers = {"violations": len(odd), "expected by chance": found.expected}
    if not len(odd):
        text = f"{b.name} is a function of {a.name}: it adds nothing to it."
        yield Finding("function of a column", "note", text, (a.name, b.name), numbers=numbers)
        return
    text = (
        f"{b.name} is a function of {a.name} in all but {count_of(len(odd), 'row')}: there one of "
        "them seems to be wrong."
    )
    yield Finding(
        "broken function",
        "warning",
        text,
        (a.name, b.name),
        first_rows(odd),
        len(odd),
        numbers,
        _guesses(a, b, found, odd, 0.6),
    )


def _odd_rows(a: Column, b: Column, found: Dependency, most_odd: float = 0.4) -> np.ndarray:
    """Return the rows that break a dependency, of values whose usual partner is clear."""
    clear = (found.odd > 0) & (found.odd <= most_odd * found.size)
    return _breaking(a, b, found.known[clear], found.usual[clear])


def _breaking(a: Column, b: Column, known: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Return the rows with one of these values of a column, and not with the usual one of another."""
    partner = np.full(len(a.counts), -1)
    partner[known] = usual
    wanted = partner[a.codes]
    return np.flatnonzero((wanted >= 0) & (b.codes != wanted) & (b.codes != b.gap))


def _guesses(
    a: Column, b: Column, found: Dependency, rows: np.ndarray, sure: float
) -> tuple[Guess, ...]:
    partner = np.full(len(a.counts), -1)
    partner[found.known] = found.usual
    shown = np.asarray(first_rows(rows), int)
    places = b.first[partner[a.codes[shown]]] if len(shown) else []
    return guesses_at(shown, b.name, [value_text(b.values[int(i)]) for i in places], sure)


def _rules(a: Column, b: Column, found: Dependency) -> Iterator[Finding]:
    """Yield values that go with one value of another column in nearly all of many rows."""
    share = b.counts / max(b.n_known, 1)
    rare = found.odd <= RULE_SHARE * found.size
    telling = (1 - share[found.usual]) * found.size >= 50
    for i in np.flatnonzero((found.odd > 0) & rare & telling & (found.size >= RULE_ROWS)):
        rows = _breaking(a, b, found.known[[i]], found.usual[[i]])
        here = value_text(a.values[int(a.first[found.known[i]])])
        there = value_text(b.values[int(b.first[found.usual[i]])])
        size, odd = int(found.size[i]), int(found.odd[i])
        text = (
            f"Where {a.name} is {here}, {b.name} is {there} in {size - odd:,} of "
            f"{count_of(size, 'row')}, and not in {odd:,}."
        )
        numbers = {"rows": size, "violations": odd}
        names, first = (a.name, b.name), first_rows(rows)
        guesses = guesses_at(rows, b.name, there, 0.7)
        yield Finding("broken rule", "warning", text, names, first, odd, numbers, guesses)

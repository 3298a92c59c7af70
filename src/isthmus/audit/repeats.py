"""Checks of rows that repeat others: all cells of them, all but identifiers, or all but one or two.

Each cell has a hash, and a row the sum of its cells' hashes; that of a row without one cell is a
subtraction. So rows that agree in all but one cell are found column by column, without comparing
rows with each other.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.audit.findings import Finding, count_of, first_rows, marked_rows
from isthmus.words import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.audit.profile import Column, Profile

MOST_WORK = 2.5e7  # rows times pairs of columns that are looked through,
LEAST_WORK = 2_500  # and a pair is as much work as so many rows, however few there are
MARGIN = 14.0  # bits: chance, and columns that say a part of the same, make no such pair
LEAST_COLUMNS = 3


def cell_hashes(columns: list[Column]) -> np.ndarray:
    """Return a hash for each cell, (columns, rows); sums of them are hashes of rows.

    A finaliser (splitmix64) makes them unrelated for neighbouring codes, whose sums would meet.
    """
    return np.stack([mixed(c.codes.astype(np.uint64) + (j << 40)) for j, c in enumerate(columns)])


def mixed(x: np.ndarray) -> np.ndarray:
    """Return numbers as unrelated ones, each to each."""
    with np.errstate(over="ignore"):
        x = (x + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: np.ndarray = x ^ (x >> np.uint64(31))
    return mixed


def cell_bits(columns: list[Column], n: int) -> np.ndarray:
    """Return how telling each cell is, (columns, rows)."""
    return np.stack([value_bits(c, n)[c.codes] for c in columns])


def value_bits(column: Column, n: int) -> np.ndarray:
    """Return how telling it is that another row has the value too: -log2 of how many others have.

    Missing ones, which often come together, are not.
    """
    bits = np.log2(n / np.maximum(column.counts - 1, 1)).astype(np.float32)
    bits[column.gap if column.n_missing else len(bits) :][:1] = 0
    return bits


def needed_bits(n: int) -> float:
    """Return how telling equal cells must be for no pair of n rows to agree in them by chance."""
    return 2 * float(np.log2(max(n, 2))) - 1 + MARGIN


def repeated_rows(profile: Profile) -> Iterator[Finding]:
    """Yield rows that repeat an earlier one, and those that do but for identifiers."""
    if profile.n_rows < 2 or not len(profile):
        return
    every = profile.columns
    whole = repeats(cell_hashes(every).sum(axis=0))
    if whole.any():
        yield _exact(profile, whole)
    rest = [c for c in every if not c.is_identifier]
    if LEAST_COLUMNS <= len(rest) < len(every):
        but = repeats(cell_hashes(rest).sum(axis=0)) & ~whole
        if but.any():
            yield _but_for_identifiers(profile, rest, but)


def _independent(profile: Profile, columns: list[Column]) -> list[Column]:
    """Return the columns that are no functions of others: those alone make agreement telling."""
    return [c for c in columns if c.name not in profile.redundant]


def repeats(hashes: np.ndarray) -> np.ndarray:
    """Return which rows have the hash of an earlier one."""
    _, first = np.unique(hashes, return_index=True)
    later = np.ones(len(hashes), bool)
    later[first] = False
    return later


def _exact(profile: Profile, later: np.ndarray) -> Finding:
    count = int(later.sum())
    telling = _telling(_independent(profile, profile.columns), later, profile.n_rows)
    by_chance = "" if telling else "; where values repeat so often, chance may do that"
    text = (
        f"{count_of(count, 'row repeats', 'rows repeat')} an earlier row in all cells{by_chance}."
    )
    severity = "warning" if telling else "note"
    numbers = {"repeats": count, "telling": telling}
    return Finding("duplicate rows", severity, text, (), marked_rows(later), count, numbers)


def _telling(columns: list[Column], rows: np.ndarray, n: int) -> int:
    """Return how many of the rows could not agree with another one by chance."""
    few = np.flatnonzero(rows)
    bits = sum(value_bits(c, n)[c.codes[few]] for c in columns)
    return int((np.asarray(bits) >= needed_bits(n)).sum())


def _but_for_identifiers(profile: Profile, rest: list[Column], later: np.ndarray) -> Finding:
    names = [c.name for c in profile if c.is_identifier]
    count, telling = int(later.sum()), _telling(_independent(profile, rest), later, profile.n_rows)
    by_chance = "" if telling else "; where values repeat so often, chance may do that"
    text = (
        f"{count_of(count, 'row repeats', 'rows repeat')} an earlier row in all cells but "
        f"{listed(names, 'and')}{by_chance}."
    )
    severity, numbers = "warning" if telling else "note", {"repeats": count, "telling": telling}
    return Finding(
        "duplicates but for identifiers",
        severity,
        text,
        tuple(names),
        marked_rows(later),
        count,
        numbers,
    )


def near_duplicates(profile: Profile) -> Iterator[Finding]:
    """Yield pairs of rows that are equal in all but one or two cells, and not by chance.

    Two cells are tried while that is little work: for a million rows not many pairs of columns, and
    for few rows those of about 140 columns.
    """
    columns = _independent(profile, [c for c in profile if not c.is_identifier])
    if len(columns) < LEAST_COLUMNS or profile.n_rows < 3:
        return
    hashes = cell_hashes(columns)
    kept = np.flatnonzero(~repeats(hashes.sum(axis=0)))  # of equal rows the first
    cells = Cells(hashes[:, kept], cell_bits(columns, profile.n_rows)[:, kept])
    for size in (1, 2):
        work = math.comb(len(columns), size) * max(len(kept), LEAST_WORK)
        if len(columns) - size >= 2 and work <= MOST_WORK:
            least = needed_bits(profile.n_rows)
            left_out = combinations(range(len(columns)), size)
            pairs = [(out, pair) for out in left_out for pair in cells.pairs(out, least)]
            if pairs:
                yield _near(columns, kept, pairs, size)


class Cells:
    """Hashes of cells and how telling they are, both (columns, rows), and their sums by row."""

    def __init__(self, hashes: np.ndarray, bits: np.ndarray) -> None:
        self.hashes, self.bits = hashes, bits
        self.row_hashes, self.row_bits = hashes.sum(axis=0), bits.sum(axis=0)

    def pairs(self, out: tuple[int, ...], least: float) -> list[tuple[int, int]]:
        """Return neighbouring pairs of rows that differ in exactly these cells and agree tellingly."""
        left = list(out)
        rest = self.row_hashes - self.hashes[left].sum(axis=0)
        telling = self.row_bits - self.bits[left].sum(axis=0) >= least
        rows = np.flatnonzero(pl.Series(rest).is_duplicated().to_numpy() & telling)
        rows = rows[np.argsort(rest[rows], kind="stable")]
        first, second = rows[:-1], rows[1:]
        same = rest[first] == rest[second]
        first, second = first[same], second[same]
        differ = (self.hashes[left][:, first] != self.hashes[left][:, second]).all(axis=0)
        return list(zip(first[differ].tolist(), second[differ].tolist(), strict=True))


def _near(
    columns: list[Column],
    kept: np.ndarray,
    pairs: list[tuple[tuple[int, ...], tuple[int, int]]],
    size: int,
) -> Finding:
    """Return what pairs of rows that differ in so many cells amount to."""
    times: dict[str, int] = {}
    for out, _ in pairs:
        for j in out:
            times[columns[j].name] = times.get(columns[j].name, 0) + 1
    usual = sorted(times, key=lambda name: -times[name])[:3]
    rows = kept[np.array([pair for _, pair in pairs]).ravel()]
    cells = "one cell" if size == 1 else "two cells"
    pair_words = "1 pair of rows is" if len(pairs) == 1 else f"{len(pairs):,} pairs of rows are"
    text = (
        f"{pair_words} equal in all but {cells}, {'mostly' if len(times) > len(usual) else 'of'} "
        f"{listed(usual, 'and')}, which chance does not explain."
    )
    numbers = {"pairs": len(pairs), "cells": size, **{f"in {k}": v for k, v in times.items()}}
    return Finding(
        "near duplicates",
        "warning",
        text,
        tuple(usual),
        first_rows(rows),
        len(np.unique(rows)),
        numbers,
    )

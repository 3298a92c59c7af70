"""Absurd cells, such as 1e10 among ages: one alone would settle the scale of its column.

All other cells would lie within a hair of each other then, and no outlier among them be seen. So
models learn from rows in which such cells are brought to the end of the others; scores are of rows as
they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

LEAST_ROWS = 10
FEW = 0.01  # of the cells of a column, or one, at each end
FAR = 100  # widths of the range without these, from which on a cell is absurd
DOMINANT = 10  # times the deviation without absurd cells: less does little harm


class Tamed(NamedTuple):
    """Rows to learn from, and which of them had an absurd cell."""

    rows: np.ndarray
    changed: np.ndarray


def learnt(rows: np.ndarray, *, mixed: bool) -> Tamed:
    """Return rows to learn from; tables of mixed types bend what lies far away as they scale it."""
    return Tamed(rows, np.zeros(len(rows), bool)) if mixed else tamed(rows)


def tamed(rows: np.ndarray) -> Tamed:
    """Return rows in which absurd cells lie at the end of the others; they themselves if none is.

    A cell is absurd if it lies 100 widths beyond the range of its column, which leaves out the lowest
    and the highest hundredth of the cells, and if the column's deviation is ten times what it is
    without such cells.

    Examples
    --------
    >>> ages = np.array([[20.0, 31, 24, 45, 52, 38, 60, 71, 29, 33, 48, 1e10]]).T
    >>> tamed(ages).rows.max(), np.flatnonzero(tamed(ages).changed)
    (np.float64(71.0), array([11]))
    """
    result, changed = rows, np.zeros(len(rows), bool)
    with np.errstate(over="ignore", invalid="ignore"):
        for j in _suspects(rows):
            ends = _ends(rows[:, j].astype(float))
            if ends is not None:
                result = rows.copy() if result is rows else result
                result[:, j] = np.clip(rows[:, j], *ends)
                changed |= np.abs(result[:, j] - rows[:, j]) > 0  # not where a cell is missing
    return Tamed(result, changed)


def _suspects(rows: np.ndarray) -> np.ndarray:
    """Return the columns with a cell so far away as few cells are that make the deviation."""
    if len(rows) < LEAST_ROWS:
        return np.zeros(0, int)
    there = ~np.isnan(rows)
    number = np.maximum(there.sum(axis=0), 1)
    apart = np.abs(rows - np.where(there, rows, 0).sum(axis=0) / number)
    deviation = np.sqrt(np.nansum(apart**2, axis=0) / number)
    least = 0.9 * min(DOMINANT, math.sqrt(len(rows) - 1))
    return np.flatnonzero(~(np.fmax.reduce(apart, axis=0) < least * deviation))


def _ends(column: np.ndarray) -> tuple[float, float] | None:
    """Return the least and the most of the cells that are not absurd; None if all are so."""
    known = np.sort(column[~np.isnan(column)])
    few = max(int(FEW * len(known)), 1)
    if len(known) < LEAST_ROWS:
        return None
    low, high = known[few], known[-1 - few]
    reach = FAR * (high - low)
    usual = known[(known >= low - reach) & (known <= high + reach)]
    if not reach > 0 or len(usual) == len(known) or known.std() < DOMINANT * usual.std():
        return None
    return float(usual[0]), float(usual[-1])

"""What rows say of their columns, block by block: what two blocks say is merged, in one fixed order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Weight, ends, mean and squares about it of the cells of each column; shapes (d,).

    Attributes
    ----------
    weight : ndarray
        Of the cells that are there, in all.
    low, high : ndarray
        The least and the greatest cell; infinity and minus infinity where none is there.
    mean, squares : ndarray
        The weighted mean, and the weighted sum of squared distances from it.
    flag : ndarray of bool
        Whether there are two values at most.
    gaps : ndarray of bool
        Whether a cell is missing.
    """

    weight: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    flag: np.ndarray
    gaps: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """The weighted standard deviation of each column; 0 where nothing is there."""
        return np.sqrt(self.squares / np.where(self.weight > 0, self.weight, 1))

    def of(self, columns: np.ndarray) -> Moments:
        """Return what is known of some columns."""
        return Moments(*(known[columns] for known in self))

    def merged(self, other: Moments) -> Moments:
        """Return what is known of the rows of both, by means that large offsets do not spoil."""
        weight = self.weight + other.weight
        share = other.weight / np.where(weight > 0, weight, 1)
        apart = other.mean - self.mean
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Moments(
            weight=weight,
            low=low,
            high=high,
            mean=self.mean + share * apart,
            squares=self.squares + other.squares + apart**2 * share * self.weight,
            flag=_have_two(self, low, high) & _have_two(other, low, high),
            gaps=self.gaps | other.gaps,
        )


def _have_two(known: Moments, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return where no value is another than these two."""
    ends = [(end == low) | (end == high) for end in (known.low, known.high)]
    return known.flag & (ends[0] & ends[1] | (known.low > known.high))


def moments_of(rows: np.ndarray, weight: np.ndarray) -> Moments:
    """Return what is known of the columns of one block of rows; NaN is a missing cell."""
    x = rows.astype(float, order="C")
    low, high = x.min(axis=0), x.max(axis=0)
    gaps = np.isnan(low)
    if gaps.any():
        return _with_gaps(x, weight, gaps)
    total = np.full(x.shape[1], weight.sum())
    flag = _two_valued(x, low, high)
    mean = weight @ x / max(total[0], 1e-300)
    x -= mean
    rest = weight @ x / max(total[0], 1e-300)  # what rounding left of it
    x *= x
    squares = np.maximum(weight @ x - total * rest**2, 0)
    return Moments(total, low, high, mean + rest, squares, flag, gaps)


def _two_valued(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return which columns have two values at most; a few rows tell most that have more."""
    flag: np.ndarray = ((x[:100] == low) | (x[:100] == high)).all(axis=0)
    some = x[:, flag]
    flag[flag] = ((some == low[flag]) | (some == high[flag])).all(axis=0)
    return flag


def _with_gaps(x: np.ndarray, weight: np.ndarray, gaps: np.ndarray) -> Moments:
    """Return what is known of columns of which some have missing cells: each by its own."""
    columns = []
    for j, there in enumerate(~np.isnan(x).T):
        column = x[there, j : j + 1]
        columns.append(moments_of(column, weight[there]) if len(column) else nothing_known(1))
    parts = Moments(*(np.concatenate(known) for known in zip(*columns, strict=True)))
    return parts._replace(gaps=gaps)


def nothing_known(d: int) -> Moments:
    """Return what is known of columns without a cell."""
    zero, end = np.zeros(d), np.full(d, np.inf)
    return Moments(zero, end, -end, zero, zero, np.ones(d, bool), np.zeros(d, bool))

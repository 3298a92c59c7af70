"""What speaks against a cell: what a model expected there, and how odd its value is in its column.

Each line of evidence is a number that grows with suspicion; how they are weighed is learned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from isthmus.schema import Column

TAIL = 0.02  # the share of values from which the probability of rarer ones is extrapolated
NEIGHBOURS = 200  # cells with like expectations, whose errors say how large an error may be
LEAST = 1e-6  # probability of a level
DECIMALS = 6
NEAR = 0.01  # the share of a column's cells that a value's distance is measured to


class Tail(NamedTuple):
    """The upper tail of a distribution: what was seen, and how it goes on.

    Beyond the value that one in 50 exceeds it is a generalised Pareto distribution through this one
    and those that one in 12 and one in 3 exceed; few wrong values do not move these.

    References
    ----------
    Pickands, "Statistical Inference Using Extreme Order Statistics", 1975.
    """

    ordered: np.ndarray
    begin: float
    share: float
    shape: float
    scale: float

    @classmethod
    def of(cls, values: np.ndarray) -> Tail:
        """Learn the tail of known values."""
        known = np.sort(values[~np.isnan(values)])
        n = max(len(known), 1)
        share = min(max(TAIL, 8 / n), 1 / 16)
        if len(known) < 3:
            return cls(known, np.inf, share, 0.0, 1.0)
        low, middle, high = np.quantile(known, [1 - 16 * share, 1 - 4 * share, 1 - share])
        rise, last = middle - low, high - middle
        if not last > 0:
            return cls(known, np.inf, share, 0.0, 1.0)
        shape = float(np.clip(np.log(last / rise) / np.log(4), 0, 1)) if rise > 0 else 1.0
        scale = last * shape / (1 - 4**-shape) if shape > 1e-6 else last / np.log(4)
        return cls(known, float(high), share, shape, float(scale))

    def probability(self, values: np.ndarray) -> np.ndarray:
        """Return how often values are at least as large."""
        n = len(self.ordered)
        p = (n - np.searchsorted(self.ordered, values, side="left") + 1) / (n + 1)
        beyond = np.maximum(values - self.begin, 0) / self.scale
        falls = (
            (1 + self.shape * beyond) ** (-1 / self.shape) if self.shape > 1e-6 else np.exp(-beyond)
        )
        far: np.ndarray = np.where(values > self.begin, np.minimum(self.share * falls, p), p)
        return np.maximum(far, 1e-30)


# -- levels ------------------------------------------------------------------------------------------


def level_evidence(codes: np.ndarray, shares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the evidence against levels, (n, lines): codes, -1 for a level that nobody else has.

    Parameters
    ----------
    codes : ndarray (n,)
        The level of each cell.
    shares : ndarray (n, levels)
        What the model expected there.
    counts : ndarray (levels,)
        How often each level occurs in the column.
    """
    rows, seen = np.arange(len(codes)), codes >= 0
    own = np.where(seen, shares[rows, np.maximum(codes, 0)], 0.0)
    own = np.maximum(own, LEAST)
    tail = np.where(shares <= own[:, None], shares, 0).sum(axis=1)
    n = counts.sum()
    count = np.where(seen, counts[np.maximum(codes, 0)], 1)
    as_rare = np.concatenate([[0.0], np.cumsum(np.sort(counts))])
    rare = as_rare[np.searchsorted(np.sort(counts), count, side="right")]
    unsure = -(shares * np.log(np.maximum(shares, LEAST))).sum(axis=1)
    return np.stack(
        [
            -np.log(np.clip(tail, LEAST, 1)),
            -np.log(own),
            -np.log(np.maximum(rare, 1) / n),
            -np.log(np.maximum(count, 1) / n),
            unsure,
            np.full(len(codes), np.log(len(counts))),
        ],
        axis=1,
    )


# -- numbers -----------------------------------------------------------------------------------------


class NumberEvidence:
    """What speaks against numbers of a column, in rows of which a model expected others.

    Parameters
    ----------
    values : ndarray (m,)
        All numbers of the column, without missing ones.
    true, made : ndarray (n,)
        The numbers in the rows judged, NaN where missing, and what was expected, both scaled.
    """

    def __init__(self, values: np.ndarray, true: np.ndarray, made: np.ndarray) -> None:
        self.values = np.sort(values)
        self.width = float(np.diff(np.quantile(self.values, [0.02, 0.98]))[0]) or 1.0
        self.decimals = np.bincount(decimals_of(self.values), minlength=DECIMALS + 1)
        self.made, self.unit = made, local_unit(true, made)
        self.tail = Tail.of(np.abs(true - made) / self.unit)

    def against(self, raw: np.ndarray, scaled: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the evidence against numbers, (n, lines), in these of the rows judged."""
        away = np.abs(scaled - self.made[rows]) / self.unit[rows]
        n = len(self.values)
        below = np.searchsorted(self.values, raw, side="right") / n
        above = 1 - np.searchsorted(self.values, raw, side="left") / n
        same = self.decimals[decimals_of(raw)] / n
        return np.stack(
            [
                -np.log(self.tail.probability(away)),
                np.log1p(away),
                -np.log(np.maximum(2 * np.minimum(below, above), 0.5 / n).clip(max=1)),
                np.log1p(self._distance(raw) / self.width),
                -np.log(np.maximum(same, 0.5 / n)),
                np.log(self.unit[rows]),
            ],
            axis=1,
        )

    def _distance(self, raw: np.ndarray) -> np.ndarray:
        """Return how far the nearest few of the column's numbers are."""
        few = max(int(NEAR * len(self.values)), 1)
        begin = np.searchsorted(self.values, raw)
        low = self.values[np.clip(begin - few, 0, len(self.values) - 1)]
        high = self.values[np.clip(begin + few, 0, len(self.values) - 1)]
        return np.minimum(np.abs(raw - low), np.abs(high - raw))


def decimals_of(values: np.ndarray) -> np.ndarray:
    """Return how many decimals numbers have, at most 6.

    Examples
    --------
    >>> decimals_of(np.array([3.0, 0.25, 1 / 3]))
    array([0, 2, 6])
    """
    found = np.full(len(values), DECIMALS)
    for places in range(DECIMALS - 1, -1, -1):
        near = np.abs(values - np.round(values, places)) <= 1e-9 * np.maximum(np.abs(values), 1)
        found[near] = places
    return found


def local_unit(true: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return how large errors usually are in rows with like expectations, and never near 0."""
    known = np.flatnonzero(~np.isnan(true))
    order = known[np.argsort(made[known], kind="stable")]
    errors = np.abs(true - made)[order]
    size = max(min(NEIGHBOURS, len(order)), 1)
    sums = np.concatenate([[0.0], np.cumsum(errors)])
    begin = np.searchsorted(made[order], made) - size // 2
    begin = np.clip(begin, 0, max(len(order) - size, 0))
    near = (sums[begin + size] - sums[begin]) / size if len(order) else np.ones(len(made))
    usual = float(errors.mean()) if len(order) else 1.0
    return np.maximum(near, max(0.1 * usual, 1e-9))


# -- mistakes of the usual kinds ---------------------------------------------------------------------


class Mistakes(NamedTuple):
    """A wrong value for each cell, and the number of its kind."""

    values: np.ndarray
    kinds: np.ndarray


def wrong_levels(codes: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> Mistakes:
    """Return for each level a wrong one: another row's, a rare one, or one that nobody else has."""
    n = counts.sum()
    swapped = rng.choice(len(counts), len(codes), p=counts / n)
    rare = np.flatnonzero((counts > 0) & (counts <= 0.01 * n))
    rarely = rng.choice(rare, len(codes)) if len(rare) else np.full(len(codes), -1)
    kinds = np.arange(len(codes)) % 3
    return Mistakes(np.choose(kinds, [swapped, rarely, np.full(len(codes), -1)]), kinds)


def wrong_numbers(
    values: np.ndarray, column: Column, pool: np.ndarray, rng: np.random.Generator
) -> Mistakes:
    """Return for each number a wrong one: another row's, in other units, or with the other sign.

    Of dates and times: another row's, or a year, ten or a hundred away.
    """
    swapped = rng.choice(pool, len(values))
    if column.kind in ("date", "time", "duration"):
        step = rng.choice([-36525.0, -3653.0, -365.0, 365.0, 3653.0], len(values)) * 86_400
        away = values + (step if column.kind == "date" else step / 365 / 24)
        kinds = 4 * (np.arange(len(values)) % 2)
        return Mistakes(np.where(kinds == 0, swapped, away), kinds)
    kinds = np.arange(len(values)) % 4
    return Mistakes(np.choose(kinds, [swapped, 1000 * values, values / 100, -values]), kinds)

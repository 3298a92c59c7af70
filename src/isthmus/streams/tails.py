"""The upper tail of calibration scores as a generalised Pareto distribution, and whether it is one."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

SHARE = 0.2  # of the calibration rows that the tail is fitted to
FEWEST, MOST = 40, 1000  # of them
DISTINCT = 10  # values of them at least
DRAWS = 199  # of the bootstrap
BAD_FIT = 0.005  # at most this p-value: the fit is refused, since all draws are nearer to their own
LEAST = 2.0**-52  # of a p-value: beyond the end of a short tail the model says none at all


class Tail(NamedTuple):
    """`P(S > s) = share (1 + shape (s - threshold) / scale)^(-1 / shape)` above the threshold."""

    threshold: float
    share: float
    shape: float
    scale: float

    def survival(self, strangeness: np.ndarray) -> np.ndarray:
        """Return how probable rows above the threshold are, at least as strange as these."""
        excess = np.maximum(strangeness - self.threshold, 0) / self.scale
        return np.clip(self.share * _survival(excess, self.shape), LEAST, self.share)


def fit_tail(strangeness: np.ndarray) -> tuple[Tail, float] | None:
    """Return the tail of calibration rows and the p-value of its fit; None for too few rows.

    The threshold is the value above which a fifth of them lie, at most 1,000. The estimator is that
    of Zhang and Stephens (2009), a mean of the likelihood over a grid, which needs no search. The
    fit is judged by the distance of Anderson and Darling (1952), which weighs the ends, against 199
    samples of the fitted tail, each fitted anew (a parametric bootstrap with a fixed seed). Ties are
    spread out before, so that rounded scores have the tail of those that were rounded.
    """
    k = min(int(SHARE * len(strangeness)), MOST)
    ordered = np.sort(strangeness)[::-1]
    if k < FEWEST or len(np.unique(ordered[:k])) < DISTINCT:
        return None
    ordered = _spread(ordered[::-1])[::-1]
    above = ordered[:k] - ordered[k]
    shape, scale = (float(value[0]) for value in estimated(above[None]))
    tail = Tail(float(ordered[k]), len(above) / (len(ordered) + 1), shape, scale)
    return tail, _goodness(above / scale, shape)


def estimated(excess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shapes and scales of samples of excesses, one a line (Zhang and Stephens, 2009)."""
    x = np.sort(excess, axis=1)
    n = x.shape[1]
    m = 30 + math.isqrt(n)
    quartile, largest = x[:, int(n / 4 + 0.5) - 1, None], x[:, -1:]
    grid = (1 - np.sqrt(m / (np.arange(m) + 0.5))) / (3 * quartile) + 1 / largest
    shapes = np.log1p(-grid[:, :, None] * x[:, None]).mean(axis=2)
    fit = n * (np.log(-grid / shapes) - shapes - 1)
    weights = np.exp(fit - fit.max(axis=1, keepdims=True))
    best = (grid * weights).sum(axis=1) / weights.sum(axis=1)
    shape = np.log1p(-best[:, None] * x).mean(axis=1)
    return shape, -shape / best


def _spread(ordered: np.ndarray) -> np.ndarray:
    """Return sorted values with ties spread evenly, halfway to their neighbours."""
    values, first, count = np.unique(ordered, return_index=True, return_counts=True)
    halves = np.diff(values) / 2
    below, above = np.append(halves[:1], halves), np.append(halves, halves[-1:])
    place = (np.arange(len(ordered)) - np.repeat(first, count) + 0.5) / np.repeat(count, count)
    low, wide = np.repeat(values - below, count), np.repeat(below + above, count)
    return np.where(np.repeat(count, count) > 1, low + place * wide, ordered)


def _goodness(excess: np.ndarray, shape: float) -> float:
    """Return how often a sample of this tail is at least as far from its own fit."""
    rng, k = np.random.default_rng(0), len(excess)
    far = distance(excess[None], np.array([shape]), np.ones(1))
    farther = 0
    for size in [20] * (DRAWS // 20) + [DRAWS % 20]:  # in bounded memory
        drawn = _quantile(rng.random((size, k)), shape)
        farther += int((distance(drawn, *estimated(drawn)) >= far).sum())
    return (1 + farther) / (1 + DRAWS)


def distance(excess: np.ndarray, shape: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the distance of samples from tails: `-k - mean (2i - 1) (ln u_i + ln(1 - u_(k+1-i)))`."""
    k = excess.shape[1]
    above = _survival(np.sort(excess, axis=1) / scale[:, None], shape[:, None])
    above = np.clip(above, 2.0**-52, 1 - 2.0**-52)
    odd = 2 * np.arange(1, k + 1) - 1
    return -k - (odd * (np.log1p(-above) + np.log(above[:, ::-1]))).mean(axis=1)


def _survival(excess: np.ndarray, shape: float | np.ndarray) -> np.ndarray:
    """Return P(Y > excess) of the tail with scale 1; its limit where the shape is 0."""
    shape = np.where(np.abs(shape) < 1e-9, 1e-9, shape)
    with np.errstate(divide="ignore"):
        return np.exp(-np.log(np.maximum(1 + shape * excess, 0)) / shape)


def _quantile(above: np.ndarray, shape: float) -> np.ndarray:
    """Return the excess over which the tail with scale 1 has this probability."""
    shape = 1e-9 if abs(shape) < 1e-9 else shape
    return np.expm1(-shape * np.log1p(-above)) / shape

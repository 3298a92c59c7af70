"""Thresholds of many groups: each group's own, drawn to the pooled one as far as chance made it.

With t the threshold that all groups' scores settle together, and t_g that of a group's n_g alone::

    log t*_g = log t + w_g (log t_g - log t)        w_g = T / (T + s / n_g)
    T = max(0, mean_g [ (log t_g - log t)^2 - s / n_g ])

s / n_g is the variance that chance alone gives to the logarithm of a threshold by n_g scores, and T
what is left of the thresholds' spread, which is how far groups truly differ. So w_g is the share of
truth in the deviation of t_g: of all lines through log t, this one misses the true threshold least
(James and Stein, 1961; Efron and Morris, 1975). Small groups have the pooled threshold, large ones
their own.

Scores of rows trained on are units for new ones, but a net remembers few rows better than many, and
new rows of small groups look stranger for it. Where rows are held out, the logarithms of their scores
tell by how much: `b / n_g` is added to log t*_g, with b by least squares, and at least 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

DRAWS = 200  # by which the variance of a threshold is measured
LARGEST_DRAW = 1024


def shrunk(own: np.ndarray, sizes: np.ndarray, pooled: float, noise: float) -> np.ndarray:
    """Return thresholds drawn to the pooled one; NaN among `own` is a group that has none.

    Parameters
    ----------
    own : ndarray (groups,)
        Thresholds of each group's scores alone, positive.
    sizes : ndarray (groups,)
        How many scores these are.
    pooled : float
        The threshold of all scores.
    noise : float
        The variance of the logarithm of a threshold, times the number of scores.

    Examples
    --------
    >>> import numpy as np
    >>> shrunk(np.array([1.0, 4.0, np.nan]), np.array([10, 1000, 5]), 2.0, 0.0).tolist()
    [1.0, 4.0, 2.0]
    >>> shrunk(np.array([1.0, 4.0]), np.array([10, 1000]), 2.0, 1e9).tolist()
    [2.0, 2.0]
    """
    apart = np.where(np.isnan(own), 0.0, np.log(own / pooled))
    chance, known = noise / sizes, ~np.isnan(own)
    truth = max(float(np.mean((apart**2 - chance)[known])), 0.0) if known.any() else 0.0
    weight = np.divide(truth, truth + chance, out=np.zeros(len(own)), where=truth + chance > 0)
    thresholds: np.ndarray = pooled * np.exp(weight * apart)
    return thresholds


def noise_of(
    rule: Callable[[np.ndarray], float], values: np.ndarray, size: int, rng: np.random.Generator
) -> float:
    """Return `size` times the variance of the logarithm of a rule's threshold over draws of as many."""
    size = min(size, LARGEST_DRAW)
    found = [np.log(rule(rng.choice(values, size))) for _ in range(DRAWS)]
    return float(size * np.var(found))


def growth_of(values: np.ndarray, sizes: np.ndarray) -> float:
    """Return the slope of the logarithms of scores by 1 / size, at least 0.

    Parameters
    ----------
    values : ndarray (n,)
        Scores of rows held out.
    sizes : ndarray (n,)
        How many rows the model of each one's group was trained on.

    Examples
    --------
    >>> import numpy as np
    >>> sizes = np.array([50.0, 50.0, 200.0, 400.0])
    >>> round(growth_of(2 * np.exp(7 / sizes), sizes), 6)
    7.0
    """
    x, y = 1 / sizes, np.log(values)
    apart = x - x.mean()
    return max(float(apart @ y / (apart @ apart)), 0.0) if np.ptp(x) > 0 else 0.0

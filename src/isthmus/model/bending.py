"""Columns with heavy tails, bent by the inverse hyperbolic sine before they are standardised.

t = asinh((x - median) / u) is a line near the median and a logarithm far from it, on both sides, so
that amounts and counts of all sizes can be told apart, and one huge value does not squash the others.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.model.scaling import Affine

TAIL = 10  # units from the median, beyond which lies the tail of a column that is bent
IN_TAIL = 0.01  # of the rows, at least, have values there


class Bent(NamedTuple):
    """The map `(t - centre) / scale` of `t = asinh((x - middle) / unit)`, by columns, in float64.

    A unit of 0 leaves a column straight: t = x.
    """

    centre: np.ndarray
    scale: np.ndarray
    middle: np.ndarray
    unit: np.ndarray

    def forward(self, x: np.ndarray, dtype: str) -> np.ndarray:
        """Return scaled rows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return ((self.bent(x) - self.centre) / self.scale).astype(dtype, copy=False)

    def bent(self, x: np.ndarray) -> np.ndarray:
        """Return rows whose heavy columns are bent."""
        return _where_bent(self, x, lambda x, middle, unit: np.arcsinh((x - middle) / unit))

    def inverse(self, x: np.ndarray) -> np.ndarray:
        """Return rows in the original units."""
        with np.errstate(over="ignore", invalid="ignore"):
            t = x * self.scale + self.centre
            return _where_bent(self, t, lambda t, middle, unit: middle + unit * np.sinh(t))


def _where_bent(
    scaler: Bent,
    x: np.ndarray,
    function: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    some = np.flatnonzero(scaler.unit)
    result = x.astype(float)
    result[:, some] = function(result[:, some], scaler.middle[some], scaler.unit[some])
    return result


def fit_bent(
    x: np.ndarray, weight: np.ndarray, standard: Callable[[np.ndarray, np.ndarray], Affine]
) -> Bent:
    """Learn which columns have heavy tails, and the map; `standard` learns that of straight columns.

    The unit is the larger distance from the median to a quartile, or, where these are equal, the median
    distance of the values that differ. A column is bent if one value in a hundred is over 10 units off
    (3 of normal values, 6 of exponential ones): a few errors, however large, bend none, since a bend
    would hide them.
    """
    middle, unit = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    quantiles = partial(np.quantile, weights=weight, method="inverted_cdf")
    for j in range(x.shape[1]):
        column = x[:, j].astype(float)
        low, middle[j], high = quantiles(column, [0.25, 0.5, 0.75])
        distance = np.abs(column - middle[j])
        spread = max(high - middle[j], middle[j] - low) or _usual(distance[distance > 0])
        far = quantiles(distance, 1 - IN_TAIL)
        unit[j] = spread if far > TAIL * spread > 0 else 0.0
    bend = Bent(np.zeros(len(unit)), np.ones(len(unit)), middle, unit)
    lines = standard(bend.bent(x), weight)
    return bend._replace(centre=lines.centre, scale=lines.scale)


def _usual(distances: np.ndarray) -> float:
    return float(np.median(distances)) if len(distances) else 0.0

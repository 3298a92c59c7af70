"""Counts, whose noise grows with them, brought to noise of one strength before they are mapped.

Anscombe's root `t = 2 sqrt(x + 3/8)` of a Poisson count has a deviation of about 1, whatever its mean.
The way back is no plain square: what is learnt of many noisy roots is their mean, whose square lies
below the count's mean by a quarter of a count. It is the closed form of the exact unbiased inverse,
`t^2/4 + sqrt(3/2)/4 t^-1 - 11/8 t^-2 + 5/8 sqrt(3/2) t^-3 - 1/8`, which gives 0 for the root of 0. The
root of a count comes back up to a quarter of a count larger, so that whole numbers come back by
rounding. References: Anscombe, "The Transformation of Poisson, Binomial and Negative-Binomial Data",
1948; Makitalo and Foi, "A Closed-Form Approximation of the Exact Unbiased Inverse of the Anscombe
Variance-Stabilizing Transformation", 2011.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SHIFT = 3 / 8
LEAST = 2 * SHIFT**0.5  # the root of 0, below which there is no count
BACK = (-1 / 8, 1.5**0.5 / 4, -11 / 8, 5 / 8 * 1.5**0.5)  # of the inverse's powers 0 to -3


class Rooted(NamedTuple):
    """The map `(t - centre) / scale` of `t = 2 sqrt(x + 3/8)`, by columns, in float64."""

    centre: np.ndarray
    scale: np.ndarray

    def forward(self, x: np.ndarray, dtype: str) -> np.ndarray:
        """Return scaled rows."""
        return ((rooted(x) - self.centre) / self.scale).astype(dtype, copy=False)

    def inverse(self, x: np.ndarray) -> np.ndarray:
        """Return rows in the original units: the means of counts whose roots have these means."""
        with np.errstate(over="ignore"):
            t = np.maximum(x * self.scale + self.centre, LEAST)
            x = t**2 / 4 + np.polynomial.polynomial.polyval(1 / t, BACK)
            return np.maximum(x, 0)  # rounding leaves -1e-17 of a count of 0


def rooted(x: np.ndarray) -> np.ndarray:
    """Return Anscombe's roots of counts."""
    least = np.min(x, initial=0)
    if least < 0:
        raise ValueError(
            f"The scaling 'anscombe' is for counts, of at least 0, and the rows go down to {least:g}: "
            "take their offset off first, or another scaling."
        )
    return 2 * np.sqrt(x.astype(float) + SHIFT)

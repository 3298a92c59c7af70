"""The noise of counts: what a sensor makes of light that arrives photon by photon.

Numbers are drawn by the inverse of their distribution, with no loop over rejections, which is slow on a
CPU inside a compiled loop. Reference: Giles, "Algorithm 955: Approximation of the Inverse Poisson
Cumulative Distribution Function", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from isthmus.nets import normal
from isthmus.parts.corruptions import Corruption, drawn
from isthmus.parts.part import number

if TYPE_CHECKING:
    from jax import Array

FEW = 4.0  # mean counts up to here are drawn exactly
MOST_OF_FEW = 18  # what a count of such a mean exceeds once in ten million draws


@dataclass
class PoissonNoise(Corruption, name="poisson"):
    """Photon noise: `x~ = Poisson(peak x) / peak`, of data mapped to [0, 1].

    Parameters
    ----------
    peak : float in (0, inf), or two
        How many photons the largest value stands for on average; the fewer, the more noise. Of two
        one between them is drawn for each row.
    low, high : float, optional
        The values of no photon and of `peak` of them, in units of the scaled data; by default the
        smallest and the largest value of the scaled training data.

    Examples
    --------
    >>> noise = PoissonNoise(peak=1.0, low=0.0, high=1.0)
    >>> noise(jax.random.key(0), jnp.array([[0.0, 1.0]]))[0, 0]
    Array(0., dtype=float32)
    """

    peak: float | tuple[float, float] = number(30.0, "(0, inf)", ranged=True)
    low: float | None = number(None)
    high: float | None = number(None)

    def __call__(self, key: Array, x: Array) -> Array:
        low, span = span_of(self.low, self.high, x)
        unit = span / jnp.asarray(drawn(self.peak, key, x), x.dtype)
        mean = jnp.maximum((x - low) / unit, 0)
        return low + unit * counts(normal(key, x.shape, x.dtype), mean)

    def bind(self, low: float, high: float) -> Corruption:
        ends = {"low": low, "high": high}
        return replace(self, **{n: v for n, v in ends.items() if getattr(self, n) is None})


def span_of(low: float | None, high: float | None, x: Array) -> tuple[Array, Array]:
    """Return the lower end, and the distance to the upper one: given, or else of the values."""
    first = x.min() if low is None else jnp.asarray(low, x.dtype)
    last = x.max() if high is None else jnp.asarray(high, x.dtype)
    return first, jnp.where(last > first, last - first, 1)


def counts(normals: Array, mean: Array) -> Array:
    """Return Poisson counts of these means, the quantiles where independent normal numbers lie."""
    return jnp.where(mean < FEW, _few(normals, jnp.minimum(mean, FEW)), _many(normals, mean))


def _few(normals: Array, mean: Array) -> Array:
    """Return counts by their distribution, summed up."""
    below = 0.5 * jax.lax.erfc(-normals * 2**-0.5)
    chance = jnp.exp(-mean)
    total, count = chance, jnp.zeros_like(mean)
    for k in range(1, MOST_OF_FEW + 1):
        count = count + (below > total)
        chance = chance * mean / k
        total = total + chance
    return count


def _many(normals: Array, mean: Array) -> Array:
    """Return counts by Giles' expansion, whose chances are off by less than a thousandth in all."""
    w, mean = normals, jnp.maximum(mean, FEW)
    root = jnp.sqrt(mean)
    first = mean + root * w + 1 / 3 + w**2 / 6
    second = -(w / 36 + w**3 / 72) / root
    third = (-8 / 405 + 7 * w**2 / 810 + w**4 / 270) / mean
    return jnp.maximum(jnp.floor(first + second + third), 0)

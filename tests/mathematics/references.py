"""The mathematics by NumPy and SciPy in extended precision, written from the formulas alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import scipy.special

Long = np.longdouble
SIZES = (1e-30, 1e-10, 1.0, 1e10, 1e30)
FLOOR = 1e-7  # of a probability and of a rate, in losses that are given no logits


def long(values: object) -> np.ndarray:
    """Return values in extended precision."""
    return np.asarray(values, Long)


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return what a precision can hold of exact values, with infinity beyond it."""
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(dtype)


# -- losses: the value of each cell, and its slope by the reconstruction ---------------------------


class Cell(NamedTuple):
    """What a cell costs, and the slope of that; both of (reconstruction, data)."""

    value: Callable[[np.ndarray, np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray, np.ndarray], np.ndarray]


def xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return `x log y`, which is 0 where x is; SciPy's takes no extended precision."""
    return np.where(x == 0, 0, x * np.log(np.where(x == 0, 1, y)))


def _floored(p: np.ndarray) -> np.ndarray:
    return np.clip(p, Long(FLOOR), 1 - Long(FLOOR))


def _bce(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    p = _floored(p)
    return -xlogy(x, p) - xlogy(1 - x, 1 - p)


def _bce_slope(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    inside = (p > FLOOR) & (p < 1 - Long(FLOOR))
    safe = np.where(inside, p, 0.5)
    return np.where(inside, (safe - x) / (safe * (1 - safe)), 0)


P, DELTA = 1.5, 0.5
CELLS = {
    "mse": Cell(lambda p, x: (p - x) ** 2, lambda p, x: 2 * (p - x)),
    "mae": Cell(lambda p, x: abs(p - x), lambda p, x: np.sign(p - x)),
    f"lp:p={P}": Cell(
        lambda p, x: abs(p - x) ** Long(P),
        lambda p, x: Long(P) * np.sign(p - x) * abs(p - x) ** (Long(P) - 1),
    ),
    f"huber:delta={DELTA}": Cell(
        lambda p, x: np.where(
            abs(p - x) <= DELTA, (p - x) ** 2 / 2, DELTA * (abs(p - x) - Long(DELTA) / 2)
        ),
        lambda p, x: np.clip(p - x, -DELTA, DELTA),
    ),
    "bce": Cell(_bce, _bce_slope),
    "poisson": Cell(
        lambda p, x: np.maximum(p, FLOOR) - xlogy(x, np.maximum(p, FLOOR)),
        lambda p, x: np.where(p > FLOOR, 1 - x / np.maximum(p, FLOOR), 0),
    ),
}


def cosine(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return `1 - <p, x> / (||p|| ||x||)` of each row."""
    return 1 - np.sum(p * x, 1) / np.sqrt(np.sum(p * p, 1) * np.sum(x * x, 1))


def cosine_slope(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the slope of the cosine distance by p."""
    a, b = (np.sqrt(np.sum(v * v, 1, keepdims=True)) for v in (p, x))
    return (np.sum(p * x, 1, keepdims=True) * p / a**2 - x) / (a * b)


def bce_of_logit(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of sigmoid(a)."""
    return np.logaddexp(0, a) - x * a


def poisson_of_log(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return Poisson's loss of exp(a)."""
    return np.exp(a) - x * a


# -- activations: value and slope -------------------------------------------------------------------


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the logistic function."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _gelu(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(2 * np.sqrt(2 / Long(np.pi)) * (x + Long("0.044715") * x**3))


def _gelu_slope(x: np.ndarray) -> np.ndarray:
    c, k = np.sqrt(2 / Long(np.pi)), Long("0.044715")
    s = sigmoid(2 * c * (x + k * x**3))
    with np.errstate(invalid="ignore"):
        bend = x * s * (1 - s) * 2 * c * (1 + 3 * k * x**2)
    return s + np.where(np.isfinite(bend), bend, 0)


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product, in which 0 outweighs infinity."""
    with np.errstate(invalid="ignore"):
        return np.where((a == 0) | (b == 0), 0, a * b)


def _sech2(x: np.ndarray) -> np.ndarray:
    return 4 * sigmoid(2 * x) * sigmoid(-2 * x)


Curve = Callable[[np.ndarray], np.ndarray]
ACTIVATIONS: dict[str, tuple[Curve, Curve]] = {
    "identity": (lambda x: x, np.ones_like),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "tanh": (np.tanh, _sech2),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(Long)),
    "gelu": (_gelu, _gelu_slope),
    "silu": (
        lambda x: _times(x, sigmoid(x)),
        lambda x: sigmoid(x) + _times(x, sigmoid(x) * sigmoid(-x)),
    ),
    "elu": (
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x: np.exp(np.minimum(x, 0)),
    ),
    "softplus": (lambda x: np.logaddexp(0, x), sigmoid),
    "exp": (np.exp, np.exp),
}
ACTIVATIONS["logistic"] = ACTIVATIONS["sigmoid"]


# -- layers -------------------------------------------------------------------------------------------


def convolution(
    x: np.ndarray, weight: np.ndarray, strides: tuple[int, ...], lows: tuple[int, ...],
    positions: tuple[int, ...],
) -> np.ndarray:  # fmt: skip
    """Return `h[o] = sum_i x[S o + i - low] W[i]` by one loop over all positions and taps."""
    h = np.zeros((len(x), *positions, weight.shape[-1]), Long)
    taps = weight.shape[:-2]
    for o, i in product(np.ndindex(*positions), np.ndindex(*taps)):
        place = tuple(s * a + b - low for s, a, b, low in zip(strides, o, i, lows, strict=True))
        if all(0 <= p < size for p, size in zip(place, x.shape[1:-1], strict=True)):
            h[(slice(None), *o)] += x[(slice(None), *place)] @ weight[i]
    return h


def layer_norm(h: np.ndarray) -> np.ndarray:
    """Return each row less its mean, over the root of its variance and 1e-5."""
    centred = h - h.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + Long(1e-5))


def kl(rho: float, r: np.ndarray) -> np.ndarray:
    """Return KL between Bernoulli variables."""
    entropy = scipy.special.rel_entr
    return entropy(rho, r) + entropy(1 - rho, 1 - r)

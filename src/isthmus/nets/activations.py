"""Activations by name: names, not functions, are what models store."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

ROOT, CUBIC = (2 / np.pi) ** 0.5, 0.044715  # of GELU: Hendrycks and Gimpel, 2016


class Activation(NamedTuple):
    """A function on arrays, its start gain, and where it is bounded its interval.

    A bounded activation, rescaled to [0, 1], is the logistic function of `steepness * x`. `inverse` is
    for output activations, on NumPy arrays of values that they can take.
    """

    function: Callable[[Array], Array]
    gain: float = 1.0
    bounds: tuple[float, float] | None = None
    steepness: float = 1.0
    inverse: Callable[[Any], Any] = np.asarray


def _identity(x: Array) -> Array:
    return x


@jax.custom_jvp
def _gelu(x: Array) -> Array:
    """Return `x (1 + tanh(u)) / 2` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`."""
    return 0.5 * x * (1 + jnp.tanh(ROOT * x * (1 + CUBIC * x * x)))


@_gelu.defjvp
def _gelu_slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Return the value and the change: one formula is a sixth of a small net's step faster than what
    is derived from the parts.
    """
    (x,), (change,) = primals, tangents
    square = x * x
    tanh = jnp.tanh(ROOT * x * (1 + CUBIC * square))
    slope = 0.5 * (1 + tanh) * (1 + ROOT * x * (1 - tanh) * (1 + 3 * CUBIC * square))
    return 0.5 * x * (1 + tanh), slope * change


def _logit(p: Any) -> Any:
    p = np.clip(p, 0.01, 0.99)
    return np.log(p / (1 - p))


def _log(x: Any) -> Any:
    return np.log(np.maximum(x, 1e-3))


ACTIVATIONS = {
    "identity": Activation(_identity),
    "sigmoid": Activation(jax.nn.sigmoid, bounds=(0.0, 1.0), inverse=_logit),
    "tanh": Activation(jnp.tanh, bounds=(-1.0, 1.0), steepness=2.0),
    "relu": Activation(jax.nn.relu, gain=2**0.5),
    "gelu": Activation(_gelu, gain=2**0.5),
    "silu": Activation(jax.nn.silu, gain=2**0.5),
    "elu": Activation(jax.nn.elu, gain=2**0.5),
    "softplus": Activation(jax.nn.softplus),
    "exp": Activation(jnp.exp, inverse=_log),
}
ACTIVATIONS["logistic"] = ACTIVATIONS["sigmoid"]

BOUNDED = tuple(name for name, a in ACTIVATIONS.items() if a.bounds and name != "logistic")
HIDDEN = tuple(name for name in ACTIVATIONS if name != "exp")

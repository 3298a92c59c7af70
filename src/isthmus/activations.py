"""Activations by name: names, not functions, are what models store."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


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
    "gelu": Activation(jax.nn.gelu, gain=2**0.5),
    "silu": Activation(jax.nn.silu, gain=2**0.5),
    "elu": Activation(jax.nn.elu, gain=2**0.5),
    "softplus": Activation(jax.nn.softplus),
    "exp": Activation(jnp.exp, inverse=_log),
}
ACTIVATIONS["logistic"] = ACTIVATIONS["sigmoid"]

BOUNDED = tuple(name for name, a in ACTIVATIONS.items() if a.bounds and name != "logistic")
HIDDEN = tuple(name for name in ACTIVATIONS if name != "exp")

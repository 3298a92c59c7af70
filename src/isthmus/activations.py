"""Activations by name: names, not functions, are what models store."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class Activation(NamedTuple):
    """A function on arrays, its start gain, and where it is bounded its interval.

    A bounded activation, rescaled to [0, 1], is the logistic function of `steepness * x`.
    """

    function: Callable[[Array], Array]
    gain: float = 1.0
    bounds: tuple[float, float] | None = None
    steepness: float = 1.0


def _identity(x: Array) -> Array:
    return x


ACTIVATIONS = {
    "identity": Activation(_identity),
    "sigmoid": Activation(jax.nn.sigmoid, bounds=(0.0, 1.0)),
    "tanh": Activation(jnp.tanh, bounds=(-1.0, 1.0), steepness=2.0),
    "relu": Activation(jax.nn.relu, gain=2**0.5),
    "gelu": Activation(jax.nn.gelu, gain=2**0.5),
    "silu": Activation(jax.nn.silu, gain=2**0.5),
    "elu": Activation(jax.nn.elu, gain=2**0.5),
    "softplus": Activation(jax.nn.softplus),
    "exp": Activation(jnp.exp),
}
ACTIVATIONS["logistic"] = ACTIVATIONS["sigmoid"]

BOUNDED = tuple(name for name, a in ACTIVATIONS.items() if a.bounds and name != "logistic")
HIDDEN = tuple(name for name in ACTIVATIONS if name != "exp")

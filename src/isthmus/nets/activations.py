"""Activations by name: names, not functions, are what models store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array

    from isthmus.nets.graph import Graph

GELU_ROOT, GELU_CUBIC = (2 / np.pi) ** 0.5, 0.044715  # Hendrycks and Gimpel, 2016


def _as_it_is(x: np.ndarray) -> np.ndarray:
    return x


class Activation(NamedTuple):
    """A function of each value alone, its start gain, and if it is bounded its interval.

    A bounded activation, rescaled to [0, 1], is the logistic function of `steepness * x`. `inverse` is
    for output activations, on NumPy arrays of values that they can take. `onnx` adds the nodes of the
    function to a graph, after the value of that name, and returns the result's name; None says that it
    has no ONNX form.
    """

    function: Callable[[Array], Array]
    gain: float = 1.0
    bounds: tuple[float, float] | None = None
    steepness: float = 1.0
    inverse: Callable[[np.ndarray], np.ndarray] = _as_it_is
    onnx: Callable[[Graph, str], str] | None = None


def _identity(x: Array) -> Array:
    return x


def magnitude(x: Array) -> Array:
    """Return `|x|` with the slope 0 at 0: that of JAX is 1 there, which pushes exact zeros away."""
    return x * jnp.sign(x)


@jax.custom_jvp
def _gelu(x: Array) -> Array:
    """Return `x (1 + tanh(u)) / 2` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`."""
    return 0.5 * x * (1 + jnp.tanh(GELU_ROOT * x * (1 + GELU_CUBIC * x * x)))


@_gelu.defjvp
def _gelu_slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """Return the value and the change: one formula is a sixth of a small net's step faster than what
    is derived from the parts.
    """
    (x,), (change,) = primals, tangents
    square = x * x
    tanh = jnp.tanh(GELU_ROOT * x * (1 + GELU_CUBIC * square))
    # d/dx [x (1 + tanh u) / 2] = (1 + tanh u) / 2 + x (1 - tanh^2 u) u' / 2
    slope = 0.5 * (1 + tanh) * (1 + GELU_ROOT * x * (1 - tanh) * (1 + 3 * GELU_CUBIC * square))
    return 0.5 * x * (1 + tanh), slope * change


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 0.01, 0.99)
    return np.log(p / (1 - p))


def _log(x: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(x, 1e-3))


def _node(kind: str, **attributes: Any) -> Callable[[Graph, str], str]:
    """Return the ONNX form of an activation that is one node."""

    def add(graph: Graph, h: str) -> str:
        return graph.add(kind, h, **attributes)

    return add


# ONNX Runtime's Sigmoid is 0 below -18 and its Softplus below -17, its Tanh exceeds 1 by a step, and
# not all programs know Gelu; these forms keep the relative precision of float32 in the tails.


def _inverse_sigmoid_nodes(graph: Graph, h: str) -> str:
    return graph.add("Add", graph.add("Exp", graph.add("Neg", h)), 1.0)


def _sigmoid_nodes(graph: Graph, h: str) -> str:
    return graph.add("Reciprocal", _inverse_sigmoid_nodes(graph, h))


def _silu_nodes(graph: Graph, h: str) -> str:
    return graph.add("Div", h, _inverse_sigmoid_nodes(graph, h))


def _tanh_nodes(graph: Graph, h: str) -> str:
    return graph.add("Clip", graph.add("Tanh", h), -1.0, 1.0)


def _gelu_nodes(graph: Graph, h: str) -> str:
    """Add the nodes of `h / (1 + exp(-2 u))`, which is `h (1 + tanh(u)) / 2`."""
    square = graph.add("Mul", graph.add("Mul", h, h), GELU_CUBIC)
    u = graph.add("Mul", graph.add("Mul", h, GELU_ROOT), graph.add("Add", square, 1.0))
    return graph.add("Div", h, _inverse_sigmoid_nodes(graph, graph.add("Mul", u, 2.0)))


def softplus_nodes(graph: Graph, h: str) -> str:
    """Add the nodes of `max(h, 0) + log(1 + exp(-|h|))`, with the logarithm's series where that is
    about 0.
    """
    t = graph.add("Exp", graph.add("Neg", graph.add("Abs", h)))
    # log(1 + t) = t (1 - t (1/2 - t (1/3 - t / 4))) + O(t^5), exact to float32 below 1/32
    series: str | float = 1 / 4
    for fraction in (1 / 3, 1 / 2, 1.0):
        series = graph.add("Sub", fraction, graph.add("Mul", t, series))
    small, whole = graph.add("Mul", t, series), graph.add("Log", graph.add("Add", t, 1.0))
    tail = graph.add("Where", graph.add("Less", t, 1 / 32), small, whole)
    return graph.add("Add", graph.add("Max", h, 0.0), tail)


def _no_node(graph: Graph, h: str) -> str:
    return h


ACTIVATIONS = {
    "identity": Activation(_identity, onnx=_no_node),
    "sigmoid": Activation(jax.nn.sigmoid, bounds=(0.0, 1.0), inverse=_logit, onnx=_sigmoid_nodes),
    "tanh": Activation(jnp.tanh, bounds=(-1.0, 1.0), steepness=2.0, onnx=_tanh_nodes),
    "relu": Activation(jax.nn.relu, gain=2**0.5, onnx=_node("Relu")),
    "gelu": Activation(_gelu, gain=2**0.5, onnx=_gelu_nodes),
    "silu": Activation(jax.nn.silu, gain=2**0.5, onnx=_silu_nodes),
    "elu": Activation(jax.nn.elu, gain=2**0.5, onnx=_node("Elu")),
    "softplus": Activation(jax.nn.softplus, onnx=softplus_nodes),
    "exp": Activation(jnp.exp, inverse=_log, onnx=_node("Exp")),
}
ACTIVATIONS["logistic"] = ACTIVATIONS["sigmoid"]

BOUNDED_ACTIVATIONS = tuple(n for n, a in ACTIVATIONS.items() if a.bounds and n != "logistic")
HIDDEN_ACTIVATIONS = tuple(name for name in ACTIVATIONS if name != "exp")

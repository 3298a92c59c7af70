"""Losses: how far a reconstruction is from its input, one value per sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp

from isthmus.nets import ACTIVATIONS, drop_outdated, magnitude, no_form
from isthmus.parts.part import Part, check_arguments, number, option

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from jax import Array

    from isthmus.nets import Graph


LEAST = 1e-30  # what is smaller counts as 0 where its logarithm is taken


class Loss(Part, slot="loss"):
    """How far a reconstruction is from its input, as the mean over the features of each sample.

    `link` is the output activation the loss is made for; `domain` is where both arguments must lie; a
    `distance` is 0 for a perfect copy.

    Training minimises the loss. Scores are minus its excess over what a perfect copy of the row costs,
    which is not 0 for a likelihood: it would rank rows by their own entropy.

    `onnx`, `onnx_from_linear`, `onnx_excess`, `onnx_excess_from_linear`, `onnx_seen` and `onnx_shown`
    are the ONNX forms of the call, of `from_linear`, `excess`, `excess_from_linear`, `seen` and
    `shown`. Each adds nodes to a graph, after values that it knows by name, and returns the name of the
    result, or None if there is no form. A subclass that overrides a method has no form of it until it
    defines that too; one that overrides the call has every other method anew, made of that call.
    """

    link: ClassVar[str] = "identity"
    domain: ClassVar[tuple[float, float]] = (-float("inf"), float("inf"))
    likelihood: ClassVar[bool] = False
    distance: ClassVar[bool] = False

    def __init_subclass__(cls, name: str = "") -> None:
        super().__init_subclass__(name=name)
        for method, form in FORMS.items():
            drop_outdated(cls, form, (method,), no_form)
        drop_outdated(cls, "distance", ("__call__",), False)
        for method, made_of in MADE_OF.items():
            for outdated in (FORMS[method], method):
                drop_outdated(cls, outdated, made_of, getattr(Loss, outdated))

    @property
    def by_column(self) -> bool:
        """Whether the loss of a row is the mean of what each column alone costs."""
        return True

    def __call__(self, x_out: Array, x: Array) -> Array:
        """Return the loss of each sample; shapes (n, d), (n, d) -> (n,)."""
        raise NotImplementedError

    def from_linear(self, a: Array, x: Array) -> Array:
        """Return the loss of `link(a)`, in a form that is stable for large `a`."""
        return self(ACTIVATIONS[self.link].function(a), x)

    def excess(self, x_out: Array, x: Array) -> Array:
        """Return how much more than a perfect copy each sample costs; shapes (n, d), (n, d) -> (n,)."""
        return self._above_copy(self(x_out, x), x)

    def excess_from_linear(self, a: Array, x: Array) -> Array:
        """Return the excess of `link(a)`, in a form that is stable for large `a`."""
        if type(self).from_linear is Loss.from_linear:
            return self.excess(ACTIVATIONS[self.link].function(a), x)
        return self._above_copy(self.from_linear(a, x), x)

    def _above_copy(self, cost: Array, x: Array) -> Array:
        """Count a cost from that of a copy; where that is not finite, from 0."""
        if self.distance:
            return cost
        copy = self(x, x)
        return cost - jnp.where(jnp.isfinite(copy), copy, 0)

    def columns(self, x_out: Array, x: Array) -> Array:
        """Return each column's share of the excess; shapes (n, d), (n, d) -> (n, d)."""

        def one(x_out: Array, x: Array) -> Array:
            return self.excess(x_out[:, None], x[:, None])

        shares: Array = jax.vmap(one, 1, 1)(x_out, x) / x.shape[1]
        return shares

    def seen(self, x: Array) -> Array:
        """Return the data as the encoder sees them."""
        return x

    def ends(self, x: np.ndarray) -> tuple[float, float]:
        """Return the lowest and the highest number of rows."""
        return float(x.min()), float(x.max())

    def shown(self, x_out: Array) -> Array:
        """Return the net's outputs as a reconstruction of rows."""
        return x_out

    def start(self, mean: Array) -> Array:
        """Return the reconstructions (n, d) to start from for rows of this mean."""
        return mean

    def outside(self, x: Array) -> tuple[Array, Array]:
        """Return the data moved into the domain, and how far each row was outside, (n,)."""
        if self.domain == Loss.domain:
            return x, jnp.zeros((), x.dtype)
        inside = jnp.clip(x, *self.domain)
        return inside, mean_of_columns(jnp.abs(x - inside))

    def nats(self, x_out: Array, x: Array) -> Array:
        """Return the negative log-likelihood of each sample in nats, if the loss is one."""
        return self(x_out, x) * x.shape[1]

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        """Add the nodes of the loss of each row, (n,)."""
        return None

    def onnx_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        """Add the nodes of the loss of `link(a)`."""
        link = ACTIVATIONS[self.link].onnx
        return None if link is None else self.onnx(graph, link(graph, a), x)

    def onnx_excess(self, graph: Graph, x_out: str, x: str) -> str | None:
        """Add the nodes of the excess of each row, (n,)."""
        return self._onnx_above_copy(graph, self.onnx(graph, x_out, x), x)

    def onnx_excess_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        """Add the nodes of the excess of `link(a)`."""
        link = ACTIVATIONS[self.link].onnx
        if type(self).from_linear is Loss.from_linear:
            return None if link is None else self.onnx_excess(graph, link(graph, a), x)
        return self._onnx_above_copy(graph, self.onnx_from_linear(graph, a, x), x)

    def _onnx_above_copy(self, graph: Graph, cost: str | None, x: str) -> str | None:
        if cost is None or self.distance:
            return cost
        copy = self.onnx(graph, x, x)
        return None if copy is None else graph.add("Sub", cost, graph.finite(copy, 0.0))

    def onnx_seen(self, graph: Graph, x: str) -> str | None:
        """Add the nodes of what the encoder sees."""
        return x

    def onnx_shown(self, graph: Graph, x_out: str) -> str | None:
        """Add the nodes of the outputs as a reconstruction."""
        return x_out


FORMS = {
    "__call__": "onnx",
    "from_linear": "onnx_from_linear",
    "excess": "onnx_excess",
    "excess_from_linear": "onnx_excess_from_linear",
    "seen": "onnx_seen",
    "shown": "onnx_shown",
}
MADE_OF = {
    "from_linear": ("__call__",),
    "excess": ("__call__",),
    "excess_from_linear": ("__call__", "from_linear", "excess"),
}


def largest_at_most(losses: Array) -> Array:
    """Return losses, with what is not finite as the largest number: the strangest, and still one."""
    most = jnp.finfo(losses.dtype).max
    return jnp.where(jnp.isfinite(losses), losses, most)


def mean_of_columns(values: Array) -> Array:
    """Return the mean of each row."""
    return jnp.mean(values, axis=1)


@dataclass
class MSE(Loss, name="mse"):
    """Mean squared error: `mean_j (x'_j - x_j)^2`.

    Shapes: (n, d), (n, d) -> (n,). Up to constants, the negative log-likelihood of a Gaussian.

    Examples
    --------
    >>> MSE()(jnp.array([[1.0, 2.0]]), jnp.array([[0.0, 0.0]]))
    Array([2.5], dtype=float32)
    """

    distance: ClassVar[bool] = True

    def __call__(self, x_out: Array, x: Array) -> Array:
        return mean_of_columns(jnp.square(x_out - x))

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        error = graph.add("Sub", x_out, x)
        return graph.row_mean(graph.add("Mul", error, error))


@dataclass
class MAE(Loss, name="mae"):
    """Mean absolute error: `mean_j |x'_j - x_j|`, which is less drawn to outliers.

    Examples
    --------
    >>> MAE()(jnp.array([[1.0, -2.0]]), jnp.array([[0.0, 0.0]]))
    Array([1.5], dtype=float32)
    """

    distance: ClassVar[bool] = True

    def __call__(self, x_out: Array, x: Array) -> Array:
        return mean_of_columns(magnitude(x_out - x))

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        return graph.row_mean(graph.add("Abs", graph.add("Sub", x_out, x)))


@dataclass
class Lp(Loss, name="lp"):
    """The p-th power of the L_p distance: `mean_j |x'_j - x_j|^p`.

    Parameters
    ----------
    p : float in [1, inf)
        The exponent; 2 is `MSE`, 1 is `MAE`.

    Examples
    --------
    >>> Lp(p=3.0)(jnp.array([[2.0, 0.0]]), jnp.array([[0.0, 0.0]]))
    Array([4.], dtype=float32)
    """

    distance: ClassVar[bool] = True

    p: float = number(1.5, "[1, inf)")

    def __call__(self, x_out: Array, x: Array) -> Array:
        error = jnp.abs(x_out - x)
        safe = jnp.where(error == 0, 1.0, error)  # the gradient of 0**p is not finite for p < 2
        return mean_of_columns(jnp.where(error == 0, 0.0, safe**self.p))

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        error = graph.add("Abs", graph.add("Sub", x_out, x))
        return graph.row_mean(graph.add("Pow", error, self.p))


@dataclass
class Huber(Loss, name="huber"):
    """Huber's loss: the mean of `e^2 / 2` up to `delta` and of `delta (|e| - delta / 2)` beyond.

    Parameters
    ----------
    delta : float in (0, inf)
        Where the square turns into a line, in units of the scaled data.

    References
    ----------
    Huber, "Robust Estimation of a Location Parameter", 1964.

    Examples
    --------
    >>> Huber()(jnp.array([[3.0, 1.0]]), jnp.array([[0.0, 0.0]]))
    Array([1.5], dtype=float32)
    """

    distance: ClassVar[bool] = True

    delta: float = number(1.0, "(0, inf)")

    def __call__(self, x_out: Array, x: Array) -> Array:
        error = jnp.abs(x_out - x)
        square, line = 0.5 * error**2, self.delta * (error - 0.5 * self.delta)
        return mean_of_columns(jnp.where(error <= self.delta, square, line))

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        error = graph.add("Abs", graph.add("Sub", x_out, x))
        inner = graph.add("Min", error, self.delta)
        square = graph.add("Mul", graph.add("Mul", inner, inner), 0.5)
        beyond = graph.add("Mul", graph.add("Sub", error, inner), self.delta)
        return graph.row_mean(graph.add("Add", square, beyond))


@dataclass
class Cosine(Loss, name="cosine"):
    """Cosine distance: `1 - <x', x> / (||x'|| ||x||)`, which sees direction and not length.

    Rows are divided by their largest value first, so that neither tiny nor huge ones are lost. A row of
    zeros has no direction and costs 1, whatever its reconstruction.

    Parameters
    ----------
    normalise : bool
        Whether the encoder sees each row divided by its root mean square, so that codes do not depend
        on its length either; else it sees rows as they are.

    Examples
    --------
    >>> Cosine()(jnp.array([[0.0, 2.0]]), jnp.array([[3.0, 0.0]]))
    Array([1.], dtype=float32)
    """

    distance: ClassVar[bool] = True

    normalise: bool = option(True, (True, False))

    @property
    def by_column(self) -> bool:
        return False

    def __call__(self, x_out: Array, x: Array) -> Array:
        return 1 - jnp.sum(_direction(x_out) * _direction(x), axis=1)

    def seen(self, x: Array) -> Array:
        return _direction(x) * math.sqrt(x.shape[1]) if self.normalise else x

    def start(self, mean: Array) -> Array:
        return _direction(mean) * math.sqrt(mean.shape[1])

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        both = (_onnx_direction(graph, v) for v in (x_out, x))
        return graph.add("Sub", 1.0, graph.row_sum(graph.add("Mul", *both)))

    def onnx_seen(self, graph: Graph, x: str) -> str | None:
        if not self.normalise:
            return x
        unit = _onnx_direction(graph, x)
        square = graph.add("ReduceSum", graph.add("Mul", unit, unit), [1], keepdims=1)
        root = graph.add(
            "Sqrt", graph.add("Div", graph.add("Max", square, LEAST), float(graph.width))
        )
        return graph.add("Div", unit, root)


def _direction(x: Array) -> Array:
    """Return rows at length 1; a row of zeros stays."""
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=1, keepdims=True))
    near_one = x / jnp.where(size > 0, size, 1)
    square = jnp.sum(near_one**2, axis=1, keepdims=True)
    return near_one / jnp.sqrt(jnp.where(size > 0, square, 1))


def _onnx_direction(graph: Graph, x: str) -> str:
    size = graph.row_largest(graph.add("Abs", x))
    some = graph.add("Greater", size, 0.0)
    near_one = graph.add("Div", x, graph.add("Where", some, size, 1.0))
    square = graph.add("ReduceSum", graph.add("Mul", near_one, near_one), [1], keepdims=1)
    return graph.add("Div", near_one, graph.add("Sqrt", graph.add("Where", some, square, 1.0)))


@dataclass
class CustomLoss(Loss):
    """A user's function `(x_out, x) -> (n,)`, written with `jax.numpy`.

    Scores count from `function(x, x)`, where that is finite.
    """

    function: Callable[[Array, Array], Array]

    @property
    def by_column(self) -> bool:
        """Whether it is such a mean on a few rows; one made for a certain number of columns is not."""
        x_out, x = (jnp.linspace(*ends, 12).reshape(4, 3) for ends in ((0.1, 0.9), (0.7, 0.2)))
        try:
            return bool(
                jnp.allclose(self.columns(x_out, x).sum(axis=1), self.excess(x_out, x), rtol=1e-4)
            )
        except Exception:  # the user's function may refuse these rows in its own way
            return False

    @property
    def title(self) -> str:
        return f"the loss {self.function!r}"

    def __call__(self, x_out: Array, x: Array) -> Array:
        return self.function(x_out, x)

    def validate(self) -> None:
        check_arguments(self.slot, self.function, ("x_out", "x"))

"""Losses: how far a reconstruction is from its input, one value per sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp

from isthmus.nets import ACTIVATIONS, drop_outdated, no_form
from isthmus.parts.part import Part, check_arguments, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array

    from isthmus.nets import Graph


class Loss(Part, slot="loss"):
    """A distance between reconstruction and input, as the mean over the features of each sample.

    `link` is the output activation the loss is made for; `domain` is where both arguments must lie.

    `onnx`, `onnx_from_linear` and `onnx_seen` are the ONNX forms of the call, of `from_linear` and of
    `seen`. Each adds nodes to a graph, after values that it knows by name, and returns the name of the
    result, or None if there is no form. A subclass that overrides one of the three has no form of it
    until it defines that too.
    """

    link: ClassVar[str] = "identity"
    domain: ClassVar[tuple[float, float]] = (-float("inf"), float("inf"))
    likelihood: ClassVar[bool] = False

    def __init_subclass__(cls, name: str = "") -> None:
        super().__init_subclass__(name=name)
        drop_outdated(cls, "onnx", ("__call__",), no_form)
        drop_outdated(cls, "onnx_from_linear", ("from_linear",), no_form)
        drop_outdated(cls, "onnx_seen", ("seen",), no_form)

    @property
    def by_column(self) -> bool:
        """Whether the loss of a row is the mean of what each column alone costs."""
        return True

    def __call__(self, x_out: Array, x: Array) -> Array:
        """Return the loss of each sample; shapes (n, d), (n, d) -> (n,)."""
        raise NotImplementedError

    def columns(self, x_out: Array, x: Array) -> Array:
        """Return each column's share of the loss; shapes (n, d), (n, d) -> (n, d)."""

        def one(x_out: Array, x: Array) -> Array:
            return self(x_out[:, None], x[:, None])

        shares: Array = jax.vmap(one, 1, 1)(x_out, x) / x.shape[1]
        return shares

    def from_linear(self, a: Array, x: Array) -> Array:
        """Return the loss of `link(a)`, in a form that is stable for large `a`."""
        return self(ACTIVATIONS[self.link].function(a), x)

    def seen(self, x: Array) -> Array:
        """Return the data as the encoder sees them."""
        return x

    def outside(self, x: Array) -> tuple[Array, Array]:
        """Return the data moved into the domain, and how far each row was outside, (n,)."""
        if self.domain == Loss.domain:
            return x, jnp.zeros((), x.dtype)
        inside = jnp.clip(x, *self.domain)
        return inside, _mean(jnp.abs(x - inside))

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

    def onnx_seen(self, graph: Graph, x: str) -> str | None:
        """Add the nodes of what the encoder sees."""
        return x


def _mean(values: Array) -> Array:
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

    def __call__(self, x_out: Array, x: Array) -> Array:
        return _mean(jnp.square(x_out - x))

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

    def __call__(self, x_out: Array, x: Array) -> Array:
        return _mean(jnp.abs(x_out - x))

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

    p: float = number(1.5, "[1, inf)")

    def __call__(self, x_out: Array, x: Array) -> Array:
        error = jnp.abs(x_out - x)
        safe = jnp.where(error > 0, error, 1.0)  # the gradient of 0**p is not finite for p < 2
        return _mean(jnp.where(error > 0, safe**self.p, 0.0))

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

    delta: float = number(1.0, "(0, inf)")

    def __call__(self, x_out: Array, x: Array) -> Array:
        error = jnp.abs(x_out - x)
        inner = jnp.minimum(error, self.delta)
        return _mean(0.5 * inner**2 + self.delta * (error - inner))

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        error = graph.add("Abs", graph.add("Sub", x_out, x))
        inner = graph.add("Min", error, self.delta)
        square = graph.add("Mul", graph.add("Mul", inner, inner), 0.5)
        beyond = graph.add("Mul", graph.add("Sub", error, inner), self.delta)
        return graph.row_mean(graph.add("Add", square, beyond))


@dataclass
class BCE(Loss, name="bce"):
    """Binary cross-entropy: `mean_j -x_j log x'_j - (1 - x_j) log(1 - x'_j)`, for data in [0, 1].

    The negative log-likelihood of Bernoulli variables; trained on the logits, so that it is stable.

    Examples
    --------
    >>> BCE()(jnp.array([[0.5, 0.5]]), jnp.array([[0.0, 1.0]]))
    Array([0.6931472], dtype=float32)
    """

    link: ClassVar[str] = "sigmoid"
    domain: ClassVar[tuple[float, float]] = (0.0, 1.0)
    likelihood: ClassVar[bool] = True

    def __call__(self, x_out: Array, x: Array) -> Array:
        p = jnp.clip(x_out, 1e-7, 1 - 1e-7)
        return _mean(-x * jnp.log(p) - (1 - x) * jnp.log1p(-p))

    def from_linear(self, a: Array, x: Array) -> Array:
        return _mean(jax.nn.softplus(a) - x * a)

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        p = graph.add("Clip", x_out, 1e-7, 1 - 1e-7)
        hit = graph.add("Mul", x, graph.add("Log", p))
        miss = graph.add(
            "Mul", graph.add("Sub", 1.0, x), graph.add("Log", graph.add("Sub", 1.0, p))
        )
        return graph.add("Neg", graph.row_mean(graph.add("Add", hit, miss)))

    def onnx_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        return graph.row_mean(graph.add("Sub", graph.add("Softplus", a), graph.add("Mul", x, a)))


@dataclass
class Poisson(Loss, name="poisson"):
    """Poisson's negative log-likelihood for counts: `mean_j x'_j - x_j log x'_j`.

    The encoder sees log(1 + x), so that large counts do not saturate it. `nats` adds the constant
    `log x_j!`.

    Examples
    --------
    >>> Poisson()(jnp.array([[1.0]]), jnp.array([[3.0]]))
    Array([1.], dtype=float32)
    """

    link: ClassVar[str] = "exp"
    domain: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    likelihood: ClassVar[bool] = True

    def __call__(self, x_out: Array, x: Array) -> Array:
        rate = jnp.maximum(x_out, 1e-7)
        return _mean(rate - x * jnp.log(rate))

    def from_linear(self, a: Array, x: Array) -> Array:
        return _mean(jnp.exp(a) - x * a)

    def seen(self, x: Array) -> Array:
        return jnp.log1p(jnp.maximum(x, 0))

    def nats(self, x_out: Array, x: Array) -> Array:
        return jnp.sum(jax.lax.lgamma(x + 1.0), axis=1) + self(x_out, x) * x.shape[1]

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        rate = graph.add("Max", x_out, 1e-7)
        return graph.row_mean(graph.add("Sub", rate, graph.add("Mul", x, graph.add("Log", rate))))

    def onnx_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        return graph.row_mean(graph.add("Sub", graph.add("Exp", a), graph.add("Mul", x, a)))

    def onnx_seen(self, graph: Graph, x: str) -> str | None:
        return graph.add("Log", graph.add("Add", graph.add("Max", x, 0.0), 1.0))


@dataclass
class Cosine(Loss, name="cosine"):
    """Cosine distance: `1 - <x', x> / (||x'|| ||x||)`, which sees direction and not length.

    Examples
    --------
    >>> Cosine()(jnp.array([[0.0, 2.0]]), jnp.array([[3.0, 0.0]]))
    Array([1.], dtype=float32)
    """

    @property
    def by_column(self) -> bool:
        return False

    def __call__(self, x_out: Array, x: Array) -> Array:
        tiny = jnp.asarray(1e-12, x.dtype)
        lengths = jnp.sum(x_out**2, axis=1) * jnp.sum(x**2, axis=1)
        return 1 - jnp.sum(x_out * x, axis=1) / jnp.sqrt(jnp.maximum(lengths, tiny))

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        squares = (graph.row_sum(graph.add("Mul", v, v)) for v in (x_out, x))
        root = graph.add("Sqrt", graph.add("Max", graph.add("Mul", *squares), 1e-12))
        product = graph.row_sum(graph.add("Mul", x_out, x))
        return graph.add("Sub", 1.0, graph.add("Div", product, root))


@dataclass
class CustomLoss(Loss):
    """A user's function `(x_out, x) -> (n,)`, written with `jax.numpy`."""

    function: Callable[[Array, Array], Array]

    @property
    def by_column(self) -> bool:
        """Whether it is such a mean on a few rows; one made for a certain number of columns is not."""
        x_out, x = (jnp.linspace(*ends, 12).reshape(4, 3) for ends in ((0.1, 0.9), (0.7, 0.2)))
        try:
            return bool(jnp.allclose(self.columns(x_out, x).sum(axis=1), self(x_out, x), rtol=1e-4))
        except Exception:  # the user's function may refuse these rows in its own way
            return False

    @property
    def title(self) -> str:
        return f"the loss {self.function!r}"

    def __call__(self, x_out: Array, x: Array) -> Array:
        return self.function(x_out, x)

    def validate(self) -> None:
        check_arguments(self.slot, self.function, ("x_out", "x"))

"""Losses that are negative log-likelihoods: their scores count from what a perfect copy costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import jax
import jax.numpy as jnp
from jax.scipy.special import entr, rel_entr

from isthmus.nets import softplus_nodes
from isthmus.parts.losses import LEAST, Loss, mean_of_columns
from isthmus.parts.part import option

if TYPE_CHECKING:
    from jax import Array

    from isthmus.nets import Graph


@dataclass
class BCE(Loss, name="bce"):
    """Binary cross-entropy: `mean_j -x_j log x'_j - (1 - x_j) log(1 - x'_j)`, for data in [0, 1].

    The negative log-likelihood of Bernoulli variables; trained on the logits, so that it is stable.
    A perfect copy costs the entropy of x, and the excess over that is the Kullback-Leibler divergence
    of x' from x. Away from logits, x' is kept within [1e-7, 1 - 1e-7].

    Parameters
    ----------
    deviance : bool
        Whether scores count from what a perfect copy costs (half the mean deviance of the features);
        else they are log-likelihoods.

    Examples
    --------
    >>> BCE()(jnp.array([[0.5, 0.5]]), jnp.array([[0.0, 1.0]]))
    Array([0.6931472], dtype=float32)
    """

    link: ClassVar[str] = "sigmoid"
    domain: ClassVar[tuple[float, float]] = (0.0, 1.0)
    likelihood: ClassVar[bool] = True

    deviance: bool = option(True, (True, False))

    def __call__(self, x_out: Array, x: Array) -> Array:
        p = jnp.clip(x_out, 1e-7, 1 - 1e-7)
        return mean_of_columns(-x * jnp.log(p) - (1 - x) * jnp.log1p(-p))

    def from_linear(self, a: Array, x: Array) -> Array:
        return mean_of_columns(jax.nn.softplus(a) - x * a)

    def excess(self, x_out: Array, x: Array) -> Array:
        if not self.deviance:
            return self(x_out, x)
        p = jnp.clip(x_out, 1e-7, 1 - 1e-7)
        return jnp.maximum(mean_of_columns(rel_entr(x, p) + rel_entr(1 - x, 1 - p)), 0)

    def excess_from_linear(self, a: Array, x: Array) -> Array:
        if not self.deviance:
            return self.from_linear(a, x)
        cost = x * jax.nn.softplus(-a) + (1 - x) * jax.nn.softplus(a)
        return jnp.maximum(mean_of_columns(cost - entr(x) - entr(1 - x)), 0)

    def onnx(self, graph: Graph, x_out: str, x: str) -> str:
        p = graph.add("Clip", x_out, 1e-7, 1 - 1e-7)
        hit = graph.add("Mul", x, graph.add("Log", p))
        miss = graph.add(
            "Mul", graph.add("Sub", 1.0, x), graph.add("Log", graph.add("Sub", 1.0, p))
        )
        return graph.add("Neg", graph.row_mean(graph.add("Add", hit, miss)))

    def onnx_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        return graph.row_mean(graph.add("Sub", softplus_nodes(graph, a), graph.add("Mul", x, a)))

    def onnx_excess(self, graph: Graph, x_out: str, x: str) -> str | None:
        cost = self.onnx(graph, x_out, x)
        return self._onnx_above_entropy(graph, cost, x) if self.deviance else cost

    def onnx_excess_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        if not self.deviance:
            return self.onnx_from_linear(graph, a, x)
        one = graph.add("Mul", x, softplus_nodes(graph, graph.add("Neg", a)))
        zero = graph.add("Mul", graph.add("Sub", 1.0, x), softplus_nodes(graph, a))
        return self._onnx_above_entropy(graph, graph.row_mean(graph.add("Add", one, zero)), x)

    def _onnx_above_entropy(self, graph: Graph, cost: str, x: str) -> str:
        terms = [
            graph.add("Mul", p, graph.add("Log", graph.add("Max", p, LEAST)))
            for p in (x, graph.add("Sub", 1.0, x))
        ]
        excess = graph.add("Add", cost, graph.row_mean(graph.add("Add", *terms)))
        return graph.add("Max", excess, 0.0)


@dataclass
class Poisson(Loss, name="poisson"):
    """Poisson's negative log-likelihood for counts: `mean_j x'_j - x_j log x'_j`.

    The encoder sees log(1 + x), so that large counts do not saturate it. `nats` adds the constant
    `log x_j!`. A perfect copy costs `x_j - x_j log x_j`, so that large counts would seem the most
    normal if scores did not count from there. Away from logarithms, x' is kept above 1e-7.

    Parameters
    ----------
    deviance : bool
        Whether scores count from what a perfect copy costs (half the mean deviance of the features);
        else they are log-likelihoods, but for `log x_j!`.

    Examples
    --------
    >>> Poisson()(jnp.array([[1.0]]), jnp.array([[3.0]]))
    Array([1.], dtype=float32)
    """

    link: ClassVar[str] = "exp"
    domain: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    likelihood: ClassVar[bool] = True

    deviance: bool = option(True, (True, False))

    def __call__(self, x_out: Array, x: Array) -> Array:
        rate = jnp.maximum(x_out, 1e-7)
        return mean_of_columns(rate - x * jnp.log(rate))

    def from_linear(self, a: Array, x: Array) -> Array:
        return mean_of_columns(jnp.exp(a) - x * a)

    def excess(self, x_out: Array, x: Array) -> Array:
        rate = jnp.maximum(x_out, 1e-7)
        return self._above_counts(jnp.log(rate), rate, x) if self.deviance else self(x_out, x)

    def excess_from_linear(self, a: Array, x: Array) -> Array:
        return self._above_counts(a, jnp.exp(a), x) if self.deviance else self.from_linear(a, x)

    @staticmethod
    def _above_counts(log_rate: Array, rate: Array, x: Array) -> Array:
        """Return the mean of `x' - x - x log(x' / x)`, which large counts do not cancel."""
        some = x > LEAST
        gap = log_rate - jnp.log(jnp.where(some, x, 1))
        return mean_of_columns(jnp.where(some, x * (jnp.expm1(gap) - gap), rate))

    def seen(self, x: Array) -> Array:
        return jnp.log1p(jnp.maximum(x, 0))

    def nats(self, x_out: Array, x: Array) -> Array:
        return jnp.sum(jax.lax.lgamma(x + 1.0), axis=1) + self(x_out, x) * x.shape[1]

    def onnx(self, graph: Graph, x_out: str, x: str) -> str:
        rate = graph.add("Max", x_out, 1e-7)
        return graph.row_mean(graph.add("Sub", rate, graph.add("Mul", x, graph.add("Log", rate))))

    def onnx_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        return graph.row_mean(graph.add("Sub", graph.add("Exp", a), graph.add("Mul", x, a)))

    def onnx_excess(self, graph: Graph, x_out: str, x: str) -> str | None:
        if not self.deviance:
            return self.onnx(graph, x_out, x)
        rate = graph.add("Max", x_out, 1e-7)
        return self._onnx_above_counts(graph, graph.add("Log", rate), rate, x)

    def onnx_excess_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        if not self.deviance:
            return self.onnx_from_linear(graph, a, x)
        return self._onnx_above_counts(graph, a, graph.add("Exp", a), x)

    @staticmethod
    def _onnx_above_counts(graph: Graph, log_rate: str, rate: str, x: str) -> str:
        some = graph.add("Greater", x, LEAST)
        gap = graph.add("Sub", log_rate, graph.add("Log", graph.add("Where", some, x, 1.0)))
        beyond = _beyond_line(graph, gap)
        costs = graph.add("Where", some, graph.add("Mul", x, beyond), rate)
        return graph.row_mean(costs)

    def onnx_seen(self, graph: Graph, x: str) -> str | None:
        return graph.add("Log", graph.add("Add", graph.add("Max", x, 0.0), 1.0))


def _beyond_line(graph: Graph, gap: str) -> str:
    """Add the nodes of `exp(gap) - 1 - gap`, as a series where the difference would cancel."""
    series: str | float = 1 / 5040
    for fraction in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2):
        series = graph.add("Add", fraction, graph.add("Mul", gap, series))
    near = graph.add("Mul", graph.add("Mul", gap, gap), series)
    far = graph.add("Sub", graph.add("Sub", graph.add("Exp", gap), 1.0), gap)
    return graph.add("Where", graph.add("Less", graph.add("Abs", gap), 0.25), near, far)

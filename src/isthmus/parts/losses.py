"""Losses: how far a reconstruction is from its input, one value per sample."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.nets.activations import ACTIVATIONS
from isthmus.parts.part import Part, number


class Loss(Part, slot="loss"):
    """A distance between reconstruction and input, as the mean over the features of each sample.

    `link` is the output activation the loss is made for; `domain` is where both arguments must lie.
    """

    link: ClassVar[str] = "identity"
    domain: ClassVar[tuple[float, float]] = (-float("inf"), float("inf"))
    likelihood: ClassVar[bool] = False

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
        """Return the negative log-likelihood of each sample in nats, where the loss is one."""
        return self(x_out, x) * x.shape[1]


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


@dataclass
class CustomLoss(Loss):
    """A user's function `(x_out, x) -> (n,)`, written with `jax.numpy`."""

    function: Callable[[Array, Array], Array]

    @property
    def by_column(self) -> bool:
        """Whether it is such a mean on a few rows that tell; one made for so many columns is not."""
        x_out, x = (jnp.linspace(*ends, 12).reshape(4, 3) for ends in ((0.1, 0.9), (0.7, 0.2)))
        try:
            return bool(jnp.allclose(self.columns(x_out, x).sum(axis=1), self(x_out, x), rtol=1e-4))
        except Exception:  # the user's function may refuse these rows in its own way
            return False

    def __call__(self, x_out: Array, x: Array) -> Array:
        return self.function(x_out, x)

    def validate(self) -> None:
        check_arguments(self.slot, self.function, ("x_out", "x"))


def check_arguments(slot: str, function: Callable[..., Any], names: tuple[str, ...]) -> None:
    """Raise a TypeError unless the user's function takes these arguments."""
    try:
        inspect.signature(function).bind(*names)
    except TypeError as error:
        called = f"function({', '.join(names)})"
        raise TypeError(f"The {slot} {function!r} is called as {called}: {error}.") from None
    except ValueError:  # no signature, as for some built-in functions
        return

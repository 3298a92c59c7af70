"""Penalties: what else the objective charges for, in training only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from isthmus.parts.part import Part, check_arguments, number, option

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array

    from isthmus.nets import Step

HISTORY_COLUMNS = (
    "phase",
    "epoch",
    "loss",
    "reconstruction",
    "validation_loss",
    "learning_rate",
    "seconds",
)


class Penalty(Part, slot="penalty"):
    """A function of a training step: `Step -> scalar`."""

    def __call__(self, step: Step) -> Array:
        """Return the penalty of a batch."""
        raise NotImplementedError

    @property
    def term(self) -> str:
        """The name of the penalty's term in the history."""
        return self.name


@dataclass
class L2(Penalty, name="l2"):
    """Squared weights: `weight * sum W^2` over the weight matrices, not the biases.

    Parameters
    ----------
    weight : float in [0, inf)
        What the penalty counts.
    on : "encoder" or "both"
        Whose weights. Tied weights count once, as the encoder's.

    Examples
    --------
    >>> L2(weight=0.01, on="both").to_string()
    'l2:weight=0.01,on=both'
    """

    weight: float = number(1e-4, "[0, inf)")
    on: str = option("encoder", ("encoder", "both"))

    def __call__(self, step: Step) -> Array:
        layers = step.net.encoder + (step.net.decoder if self.on == "both" else ())
        squares = [jnp.sum(layer.weight**2) for layer in layers if layer.weight is not None]
        return self.weight * sum(squares, jnp.zeros((), step.x.dtype))

    @property
    def active(self) -> bool:
        return self.weight > 0


@dataclass
class Contractive(Penalty, name="contractive"):
    """Contractive penalty: `weight * mean_i ||J(x_i)||_F^2`, with the encoder's Jacobian `J = dz/dx`.

    Exact: for one layer whose units do not mix by its closed form, `sum_j a'(h_j)^2 ||W_j||^2`; else by
    one differentiation per code unit or per feature, whichever are fewer. With `probes`, an unbiased
    estimate from that many random projections, `E ||v^T J||^2 = ||J||_F^2`.

    Parameters
    ----------
    weight : float in [0, inf)
        What the penalty counts.
    probes : int in [0, inf)
        0 for the exact norm, else the number of random projections, each as cheap as a gradient.

    References
    ----------
    Rifai et al., "Contractive Auto-Encoders", 2011; Hutchinson, 1990, for the estimate.

    Examples
    --------
    >>> Contractive(weight=0.1).to_string()
    'contractive:weight=0.1'
    """

    weight: float = number(1e-3, "[0, inf)")
    probes: int = number(0, "[0, inf)", whole=True)

    def __call__(self, step: Step) -> Array:
        norms = self._estimate(step) if self.probes else jacobian_norms(step)
        return self.weight * step.mean(norms)

    def _estimate(self, step: Step) -> Array:
        z, pull = jax.vjp(lambda x: step.code(step.net.encode(x)), step.seen)
        signs = jax.random.rademacher(step.key, (self.probes, *z.shape), z.dtype)
        return jnp.mean(jax.vmap(lambda v: jnp.sum(pull(v)[0] ** 2, axis=1))(signs), axis=0)

    @property
    def active(self) -> bool:
        return self.weight > 0


def jacobian_norms(step: Step) -> Array:
    """Return `||dz/dx||_F^2` of each row; shape (n,)."""
    alone = step.elementwise and len(step.net.encoder) == 1
    squares = step.net.encoder[0].squared_norms() if alone else None
    return _by_differentiation(step) if squares is None else _by_closed_form(step, squares)


def _by_closed_form(step: Step, squares: Array) -> Array:
    """Return `sum_j (dz_j / dh_j)^2 ||W_j||^2`, for units that do not mix.

    All other entries of dz/dh are 0, so one product with ones gives its diagonal.
    """
    layer = step.net.encoder[0]
    h = layer.linear(step.seen)
    z, pull = jax.vjp(lambda h: step.code(layer.activate(h)), h)
    slopes = pull(jnp.ones_like(z))[0]
    return slopes**2 @ squares


def _by_differentiation(step: Step) -> Array:
    """Return the sum over the Jacobian's rows, or over its columns if these are fewer."""
    z, pull = jax.vjp(lambda x: step.code(step.net.encode(x)), step.seen)
    if step.z.shape[1] <= step.seen.shape[1]:
        return _sum_squares(lambda v: pull(v)[0], z)
    push = jax.linear_transpose(lambda g: pull(g)[0], z)
    return _sum_squares(lambda v: push(v)[0], step.seen)


def _sum_squares(project: Callable[[Array], Array], like: Array) -> Array:
    """Add up `||project(e_j)||^2` over the unit vectors, without holding them all at once."""

    @jax.checkpoint
    def add(total: Array, j: Array) -> tuple[Array, None]:
        unit = jnp.zeros_like(like).at[:, j].set(1)
        return total + jnp.sum(project(unit) ** 2, axis=1), None

    total = jnp.zeros(like.shape[0], like.dtype)
    return jax.lax.scan(add, total, jnp.arange(like.shape[1]))[0]


@dataclass
class CustomPenalty(Penalty):
    """A user's function `Step -> scalar`, written with `jax.numpy`."""

    function: Callable[[Step], Array]

    def __call__(self, step: Step) -> Array:
        value = self.function(step)
        if jnp.shape(value) != ():
            raise ValueError(
                f"The penalty {self.term!r} must return one number for a batch; it returned an array "
                f"of shape {jnp.shape(value)}."
            )
        return value

    def validate(self) -> None:
        check_arguments(self.slot, self.function, ("step",))
        if self.term in HISTORY_COLUMNS:
            raise ValueError(
                f"The penalty's function is named {self.term!r}, which is a column of the history: "
                "rename it."
            )

    @property
    def term(self) -> str:
        return str(getattr(self.function, "__name__", type(self.function).__name__)).strip("<>")

"""The quantities of one training step, by the names they have in the equation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array

    from isthmus.nets.net import Net


class Step(NamedTuple):
    """What penalties see of a batch of n rows, d features and m code units.

    Attributes
    ----------
    x, x_in : Array (n, d)
        The clean and the corrupted input.
    seen : Array (n, d)
        The clean input as the encoder sees it: x, but log(1 + x) for a Poisson loss.
    h, z : Array (n, m)
        The encoder's output, before and after the sparsity's `code`.
    x_out : Array (n, d)
        The reconstruction.
    weight : Array (n,)
        What each row counts; a padding row counts 0.
    net : Net
        The network, with its weights.
    code : callable
        The sparsity's `code`, (n, m) -> (n, m).
    key : Array
        Random key of this step.
    progress : Array ()
        The fraction of the training that is done, in [0, 1].
    elementwise : bool
        Whether `code` makes each unit's value of that unit alone.
    """

    x: Array
    x_in: Array
    seen: Array
    h: Array
    z: Array
    x_out: Array
    weight: Array
    net: Net
    code: Callable[[Array], Array]
    key: Array
    progress: Array
    elementwise: bool = False

    def mean(self, values: Array) -> Array:
        """Return the weighted mean over rows of (n,) or (n, k) values, in the objective's sense.

        The weights are divided by their mean over the training set, not over the batch: only so is
        the gradient of a batch unbiased.
        """
        return jnp.tensordot(self.weight, values, 1)

"""What is measured of a fitted net, in batches of one shape: moments of codes, losses by column."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.parts import Loss, largest_at_most
from isthmus.training.batches import map_batches, rows_per_call
from isthmus.training.objective import Objective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jax import Array

    from isthmus.nets import Net


def code_moments(
    objective: Objective, net: Net, x: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of each code unit over scaled rows, whose weights add up to 1."""
    size, mean, square = 16 * rows_per_call(net), np.zeros(()), np.zeros(())
    shift = np.zeros(())
    for begin in range(0, len(x), size):
        block, w = x[begin : begin + size], weight[begin : begin + size]
        codes = map_batches("encode", objective, net, block, lambda rows: rows).astype(float)
        if begin == 0:
            shift = codes[0].copy()  # else small variances would cancel
        codes -= shift
        mean, square = mean + w @ codes, square + w @ codes**2
    return mean + shift, np.maximum(square - mean**2, 0)


_task = jax.jit(Objective.task)


def pose_task(
    objective: Objective, x: np.ndarray, turn: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a task of scaled rows, by its number: input, target, and what each value counts."""
    x_in, target, counts = jax.tree.map(np.asarray, _task(objective, x, np.int32(turn)))
    return x_in, target, np.ones_like(x) if counts is None else counts


@partial(jax.jit, static_argnames="nats")
def _compare(objective: Objective, x_out: Array, x: Array, nats: bool) -> Array:
    loss = objective.loss
    if nats:
        return loss.nats(x_out, x)
    inside, distance = loss.outside(x)
    return largest_at_most(loss.excess(x_out, inside) + distance)


def losses_of_pairs(
    objective: Objective, x_out: np.ndarray, x: np.ndarray, nats: bool = False
) -> np.ndarray:
    """Return the excess of given reconstructions, or their nats, in batches of one shape; float64.

    What a row pays for lying outside the loss's domain is among the excess.
    """
    losses = partial(_compare, objective, nats=nats)
    return np.concatenate([np.asarray(v, float) for v in _in_batches(losses, 1024, x_out, x)])


@jax.jit
def _shares(objective: Objective, x_out: Array, x: Array) -> Array:
    inside, _ = objective.loss.outside(x)
    shares = objective.loss.columns(x_out, inside)
    if objective.loss.domain == Loss.domain:
        return largest_at_most(shares)
    return largest_at_most(shares + jnp.abs(x - inside) / x.shape[1])


def column_shares(objective: Objective, x_out: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return what each column adds to the excess of given reconstructions; float64, (n, d).

    Of rows of mixed types, what each value of compact rows adds.

    What a row pays for lying outside the loss's domain is among it.
    """
    begin, result = 0, np.empty(x.shape)
    for part in _in_batches(partial(_shares, objective), 256, x_out, x):
        result[begin : begin + len(part)] = part
        begin += len(part)
    return result


def _in_batches(
    call: Callable[..., Array], size: int, x_out: np.ndarray, x: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield what a program makes of pairs of rows, in batches of one shape."""
    for begin in range(0, len(x), size):
        n = len(x[begin : begin + size])
        pair = [np.zeros((size, rows.shape[1]), x.dtype) for rows in (x_out, x)]
        pair[0][:n], pair[1][:n] = x_out[begin : begin + size], x[begin : begin + size]
        yield np.asarray(call(*pair))[:n]

"""Many nets of one structure, each with rows of its own, trained for as many steps in one program.

What `training.groups` does for a search, without a trainer for each: no patience, no history. A net
comes out as its `Trainer` would leave it after as many steps, within rounding, and the same to the bit
whatever nets it is trained beside: a program's width and shapes follow from the sizes of rows alone.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import optax

from isthmus.training.groups import stack
from isthmus.training.runtime import UNSHARED, ask_between_chunks
from isthmus.training.state import Schedule, Trained, traced
from isthmus.training.trainer import REPEATABLE, chunk_length, run_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jax import Array

    from isthmus.nets import Net
    from isthmus.training.objective import Objective

WIDTH = 16  # nets that one program trains
FEW_ROWS = 1024  # more rows are trained one net at a time: their numbers of steps differ
MOST_VALUES = 2**26  # of the rows of one program


class Learner(NamedTuple):
    """A net before its first step, and the scaled rows that it learns from."""

    objective: Objective
    net: Net
    x: np.ndarray  # (n, d)
    weight: np.ndarray  # (n,)


class Steps(NamedTuple):
    """How the nets of one program are trained."""

    batch_size: int
    total: int
    learning_rate: float
    seed: int


def room_for(n: int) -> int:
    """Return how many rows a program has room for that trains on n: a power of 4."""
    return int(4 ** int(np.ceil(np.log2(n) / 2))) if n > 4 else 4


def width_for(size: int, d: int) -> int:
    """Return how many nets a program trains that has room for `size` rows of d values."""
    narrow = size > FEW_ROWS or WIDTH * size * d > MOST_VALUES
    return 1 if narrow else WIDTH


def train_stacked(learners: Sequence[Learner], steps: Steps) -> tuple[Net, np.ndarray]:
    """Train nets whose rows need the same room, as many as one program trains at most.

    Returns
    -------
    Net
        Their trained weights, stacked.
    ndarray of bool
        Which of them, and of their losses on the way, are finite.
    """
    first, count = learners[0], len(learners)
    size, (_, d) = room_for(len(first.x)), first.x.shape
    full = [*learners, *[first] * (width_for(size, d) - count)]
    objective = jax.device_put(stack([one.objective for one in full]))
    params = _first_params([one.net for one in full], first)
    data = (*jax.device_put(_padded(full, size)), np.array([0, steps.seed], np.uint32))
    dtype, batch = first.x.dtype, min(steps.batch_size, size)
    parts = steps.learning_rate, max(round(0.05 * steps.total), 1), steps.total, 0.0, 0
    schedule = Schedule(*(np.asarray(v, dtype) for v in parts))
    platform = next(iter(data[0].devices())).platform
    length = chunk_length(batch * len(full), first.net.work, platform)
    program = {"cpu": _unshared, "gpu": _repeatable}.get(platform, _plain)
    finite = np.ones(count, bool)
    for begin in range(0, steps.total, length):
        ask_between_chunks()
        plans = [_plan(len(one.x), steps, begin, length, batch) for one in full]
        index, rows = (np.stack(part) for part in zip(*plans, strict=True))
        plan = index, rows, np.int32(begin), np.int32(min(length, steps.total - begin))
        params, losses = program(objective, params, data, plan, schedule, length=length)
        finite &= np.isfinite(np.asarray(losses)[:count]).all(axis=1)
    nets = jax.tree.map(lambda leaf: np.asarray(leaf)[:count], params.net)
    for leaf in jax.tree.leaves(nets):
        finite &= np.isfinite(leaf.reshape(count, -1)).all(axis=1)
    return nets, finite


def _first_params(nets: Sequence[Net], first: Learner) -> Trained:
    """Return what training begins with, stacked."""
    whole = stack(nets)
    zeros = jax.tree.map(np.zeros_like, whole)
    moments = optax.ScaleByAdamState(np.zeros(len(nets), np.int32), zeros, zeros)
    part = first.objective.sparsity
    start = traced(part.start(first.net.n_components) if part else (), first.x.dtype.name)
    params: Trained = jax.device_put(Trained(whole, moments, stack([start] * len(nets))))
    return params


def _padded(learners: Sequence[Learner], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and weights with mean 1, filled up with rows that weigh 0."""
    first = learners[0].x
    x = np.zeros((len(learners), size, first.shape[1]), first.dtype)
    weight = np.zeros((len(learners), size), first.dtype)
    for i, one in enumerate(learners):
        x[i, : len(one.x)] = one.x
        weight[i, : len(one.x)] = one.weight / one.weight.mean()
    return x, weight


@lru_cache(maxsize=8)
def _plan(
    n: int, steps: Steps, begin: int, length: int, batch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to gather in each step, and how many are real, as a `Trainer` of n rows has."""
    size = min(steps.batch_size, n)
    spe = -(-n // size)
    index, rows = np.zeros((length, batch), np.int32), np.ones(length, np.int32)
    for i, step in enumerate(range(begin, min(begin + length, steps.total))):
        epoch, k = divmod(step, spe)
        if k == 0 or i == 0:
            order = np.random.default_rng((steps.seed, epoch)).permutation(n)
            batches = np.resize(order.astype(np.int32), (spe, batch))
        index[i], rows[i] = batches[k], min(size, n - k * size)
    return index, rows


def _run(
    objective: Objective,
    params: Trained,
    data: tuple[Array, Array, Any],
    plan: tuple[Any, Any, Any, Any],
    schedule: Schedule,
    length: int,
) -> tuple[Trained, Array]:
    axes = (0, 0, (0, 0, None), (0, 0, None, None), None, None)
    steps = jax.vmap(partial(run_steps, length=length), in_axes=axes)
    trained, terms = steps(objective, params, data, plan, schedule, None)
    return trained, terms["loss"]


_plain = jax.jit(_run, static_argnames="length")
_unshared = jax.jit(_run, static_argnames="length", compiler_options=UNSHARED)
_repeatable = jax.jit(_run, static_argnames="length", compiler_options=REPEATABLE)

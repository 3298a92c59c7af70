"""What training is made of: rows, a schedule, and states that hold all it needs to go on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

if TYPE_CHECKING:
    from jax import Array

    from isthmus.nets import Net
    from isthmus.training.objective import Objective

ALIGNED = 64  # bytes: where an array that a CPU reads without a copy begins
HistoryRow = dict[str, float]
Hook = Callable[[HistoryRow], bool | None]


class DivergenceError(FloatingPointError):
    """The loss or a weight is no longer finite; the model keeps its last good weights."""


class DeviceRows(NamedTuple):
    """Rows on the device, padded to a bucket; weights have mean 1 over the n real rows."""

    x: Array  # (bucket, d)
    weight: Array  # (bucket,)
    n: int


class Schedule(NamedTuple):
    """A linear warm-up, then half a cosine down to `floor` times the rate; floor 1 is constant.

    `earlier` counts the steps of earlier runs towards the warm-up.
    """

    rate: Any
    warmup: Any
    total: Any
    floor: Any
    earlier: Any

    def at(self, step: Any, xp: Any = jnp) -> tuple[Any, Any]:
        """Return the learning rate and the progress at a step, or at many by NumPy."""
        progress = xp.minimum(step / self.total, 1.0)
        cosine = self.floor + (1 - self.floor) * 0.5 * (1 + xp.cos(xp.pi * progress))
        warm = xp.minimum(1.0, (step + 1 + self.earlier) / self.warmup)
        return self.rate * warm * cosine, progress


class TrainerSettings(NamedTuple):
    """How long and how fast to train.

    `patience` None means no early stopping; `constant_after` is the number of steps of earlier runs
    where the rate is constant after its warm-up, None for a cosine.
    """

    batch_size: int
    max_epochs: int
    learning_rate: float
    seed: int
    patience: int | None = None
    tol: float = 1e-4
    constant_after: int | None = None
    evaluate_every: int = 50  # steps, at least: an epoch can be two steps


class Trained(NamedTuple):
    """What one step changes, on the device."""

    net: Net
    optimiser: Any
    sparsity: Any


class TrainerState(NamedTuple):
    """Everything a run needs to go on, bit for bit. Never changed in place, so an interrupt between
    two states leaves the earlier one whole.
    """

    params: Trained
    step: int = 0
    seconds: float = 0.0
    best_net: Net | None = None
    best_score: float = math.inf
    wait: int = 0
    recent: tuple[float, ...] = ()  # the last scores, half as many as the patience
    evaluated_at: int = 0
    stopped: bool = False
    history: tuple[HistoryRow, ...] = ()
    partial: tuple[np.ndarray, ...] = ()  # the terms of the unfinished epoch's steps


def bucket(n: int) -> int:
    """Round a row count up by at most an eighth, so that near counts share one program."""
    unit = 1 << max(n.bit_length() - 4, 0)
    return -(-n // unit) * unit


def aligned_rows(n: int, d: int, dtype: str) -> np.ndarray:
    """Return zeros for n rows and their padding, which a CPU reads without a copy: they begin where a
    device's arrays do.
    """
    size = bucket(n) * d * np.dtype(dtype).itemsize
    raw = np.zeros(size + ALIGNED, np.uint8)
    begin = -raw.ctypes.data % ALIGNED
    return raw[begin : begin + size].view(dtype).reshape(bucket(n), d)


def to_device(x: np.ndarray, weight: np.ndarray) -> DeviceRows:
    """Put rows on the device, padded to their bucket; an array that `room` made is so already.

    There are as many rows as weights.
    """
    n, size = len(weight), bucket(len(weight))
    if len(x) != size:
        whole = aligned_rows(n, x.shape[1], x.dtype.name)
        whole[:n] = x
        x = whole
    w = np.zeros(size, x.dtype)
    w[:n] = weight / weight.mean()
    placed: tuple[Array, Array] = jax.device_put((x, w), may_alias=True)
    return DeviceRows(*placed, n)


def traced(tree: Any, dtype: str) -> Any:
    """Make every number an array of one dtype: 0.1, np.float64(0.1) and 1 would be three programs."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype), tree)


def first_state(objective: Objective, net: Net, dtype: str) -> TrainerState:
    """Return the state before the first step."""
    net = jax.tree.map(np.array, net)  # owned copies, made without a program for each shape
    zeros = jax.tree.map(np.zeros_like, net)
    moments = optax.ScaleByAdamState(np.zeros((), np.int32), zeros, zeros)
    sparsity = objective.sparsity.start(net.n_components) if objective.sparsity else ()
    return TrainerState(Trained(*jax.device_put((net, moments, traced(sparsity, dtype)))))


class Aside(NamedTuple):
    """Cells that were taken out of the rows to train on: of which rows, and these rows with them."""

    numbers: np.ndarray  # (k,)
    rows: np.ndarray  # (k, d)


class ScaledRows(NamedTuple):
    """Scaled rows and their weights, for training and, where there are any, for validation."""

    whole: np.ndarray  # with padding; see `aligned_rows`
    weight: np.ndarray
    whole_val: np.ndarray
    weight_val: np.ndarray
    aside: Aside | None = None

    @property
    def x(self) -> np.ndarray:
        """The rows to train on."""
        return self.whole[: len(self.weight)]

    @property
    def x_val(self) -> np.ndarray:
        """The rows held out."""
        return self.whole_val[: len(self.weight_val)]

    @property
    def held_out(self) -> bool:
        """Whether there are validation rows."""
        return len(self.weight_val) > 0

    @property
    def judged(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that baselines are measured on: held-out where there are any."""
        return (self.x_val, self.weight_val) if self.held_out else (self.x, self.weight)


class UnfinishedFit(NamedTuple):
    """Where a fit stands: what is needed to go on after an interrupt."""

    seed: int
    phase: int
    state: TrainerState
    earlier: tuple[tuple[str, HistoryRow], ...]  # history of the finished phases
    fingerprint: int
    settings: str
    fresh: bool = True  # whether the run began with a net that had learned nothing
    cores: int | None = None  # that computed it, where known


class PartialFit(NamedTuple):
    """What one `partial_fit` leaves for the next."""

    params: Trained
    steps: int
    seed: int
    rows: tuple[tuple[str, HistoryRow], ...]

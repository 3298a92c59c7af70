"""Corruptions from which a net learns to clean noisy rows by these alone, without clean ones.

Each poses a task that a copy of the noise does not solve: to tell values that are hidden from those
around them, or a row from another draw of its noise. References: Krull et al., "Noise2Void", 2019;
Batson & Royer, "Noise2Self", 2019; Pang et al., "Recorrupted-to-Recorrupted", 2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.nets import chosen, normal, uniform
from isthmus.parts.corruptions import Corruption, Swap, Task, taken
from isthmus.parts.part import number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jax import Array

    from isthmus.parts.losses import Loss


@dataclass
class BlindSpot(Corruption, name="blindspot"):
    """Values are hidden at this rate behind others near them, and the loss counts these alone.

    In images and signals each pixel or sample that is chosen, with all its channels, becomes one of
    its neighbours, never itself; in a table a value becomes another row's in its column. The net has to
    tell what was there, noise included, from what is around it. Noise that is independent from value to
    value cannot be told, so that what it learns to answer is the mean: the value without its noise.

    Parameters
    ----------
    rate : float in [0.001, 0.5]
        The probability that a value is hidden.
    radius : int
        How far a neighbour may be, in pixels or samples along each axis.

    References
    ----------
    Krull et al., "Noise2Void - Learning Denoising from Single Noisy Images", 2019.

    Examples
    --------
    >>> BlindSpot(rate=0.5)(jax.random.key(0), jnp.arange(6.0).reshape(3, 2)).shape
    (3, 2)
    """

    of_noise: ClassVar[bool] = True

    rate: float = number(0.05, "[0.001, 0.5]")
    radius: int = number(2, "[1, inf)", whole=True)

    def placed(self, grid: tuple[int, ...] | None) -> Corruption:
        return self if grid is None else BlindPlaces(self, grid)

    def check_rows(self, grid: tuple[int, ...] | None, loss: Loss) -> None:
        if grid is not None and math.prod(grid[:-1]) == 1:
            raise ValueError(
                "The corruption 'blindspot' hides a pixel behind one of its neighbours, and a row has "
                "a single one: give larger images or longer signals."
            )

    def __call__(self, key: Array, x: Array) -> Array:
        return self.pose(key, Task(x, x)).x_in

    def pose(self, key: Array, task: Task) -> Task:
        x = task.x_in
        rows = Swap(self.rate).rows(key, x.shape)
        return self.hidden(task, taken(x, rows), rows != jnp.arange(len(x))[:, None])

    def hidden(self, task: Task, others: Array, hit: Array) -> Task:
        """Return the task with others in the places of the values that are hit."""
        counts = hit.astype(others.dtype) / self.rate
        return task._replace(x_in=jnp.where(hit, others, task.x_in), counts=counts)


@dataclass
class Recorrupt(Corruption, name="recorrupt"):
    """Gaussian noise is added to noisy rows, and other noise to what they are compared with.

    `x~ = x + alpha z` is compared with `x - z / alpha`, where z is noise of the deviation that the
    rows' own has. Gaussian noise of the two is then independent, as if each row had been taken twice,
    and the squared error of a net is least where it answers the clean row. Nothing is hidden from the
    net, which so loses less than by "blindspot"; but the noise must be Gaussian, its deviation known.

    Parameters
    ----------
    std : float in (0, inf)
        The deviation of the rows' own noise, in units of the scaled data.
    alpha : float in (0, inf)
        How much is added: less leaves more to see, and more to average out in what is compared with.

    References
    ----------
    Pang et al., "Recorrupted-to-Recorrupted: Unsupervised Deep Learning for Image Denoising", 2021.

    Examples
    --------
    >>> Recorrupt(std=0.1)(jax.random.key(0), jnp.zeros((1, 2))).shape
    (1, 2)
    """

    of_noise: ClassVar[bool] = True

    std: float = number(0.1, "(0, inf)")
    alpha: float = number(0.5, "(0, inf)")

    @property
    def least(self) -> float:
        return (self.std / self.alpha) ** 2

    def check_rows(self, grid: tuple[int, ...] | None, loss: Loss) -> None:
        if loss.name != "mse":
            raise ValueError(
                "The corruption 'recorrupt' compares with rows that have noise, which squared errors "
                f"average out: use loss='mse'; got {loss.name!r}."
            )

    def __call__(self, key: Array, x: Array) -> Array:
        return self.pose(key, Task(x, x)).x_in

    def pose(self, key: Array, task: Task) -> Task:
        noise = self.std * normal(key, task.x_in.shape, task.x_in.dtype)
        x_in, target = task.x_in + self.alpha * noise, task.target - noise / self.alpha
        return task._replace(x_in=x_in, target=target)


@dataclass
class BlindPlaces(Corruption):
    """A blind spot in rows that are images or signals of one grid: sizes, and then channels."""

    of_noise: ClassVar[bool] = True

    part: BlindSpot
    grid: tuple[int, ...]

    def _flatten(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        return (self.part,), (self.grid,)

    @classmethod
    def _unflatten(cls, static: tuple[object, ...], numbers: Iterable[object]) -> Self:
        part = object.__new__(cls)
        for name, value in zip(("part", "grid"), (*numbers, *static), strict=True):
            object.__setattr__(part, name, value)
        return part

    def __call__(self, key: Array, x: Array) -> Array:
        return self.pose(key, Task(x, x)).x_in

    def pose(self, key: Array, task: Task) -> Task:
        *sizes, channels = self.grid
        n, places = len(task.x_in), math.prod(sizes)
        k_hit, k_near = jax.random.split(key)
        x = task.x_in.reshape(n, places, channels)
        near = neighbours(k_near, n, sizes, self.part.radius)
        others = jnp.take_along_axis(x, near[..., None], axis=1, mode="promise_in_bounds")
        hit = jnp.repeat(chosen(k_hit, (n, places), self.part.rate), channels, axis=1)
        return self.part.hidden(task, others.reshape(task.x_in.shape), hit)


def neighbours(key: Array, n: int, sizes: list[int], radius: int) -> Array:
    """Return for each place of n rows one of its neighbours, (n, places), evenly drawn.

    A place's neighbours are those of the window about it that lie in the grid, but for itself.
    """
    windows = [_windows(size, radius) for size in sizes]
    around = np.ones((1,), np.int32)
    own = np.zeros((1,), np.int32)
    for first, count in windows:  # places of the grid flat, and each one's number in its window
        here = np.arange(len(first), dtype=np.int32) - first
        around = np.multiply.outer(around, count).ravel()
        own = (own[:, None] * count + here).ravel()
    drawn = jnp.floor(uniform(key, (n, len(own)), jnp.float32) * (around - 1)).astype(jnp.int32)
    left = drawn + (drawn >= own)  # skips itself
    flat, step = jnp.zeros_like(left), 1
    for axis in reversed(range(len(sizes))):
        first, count = (_spread(v, sizes, axis) for v in windows[axis])
        flat += step * (first + left % count)
        left, step = left // count, step * sizes[axis]
    return flat


def _windows(size: int, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the window about each place of an axis begins, and how long it is."""
    place = np.arange(size, dtype=np.int32)
    first = np.maximum(place - radius, 0)
    return first, np.minimum(place + radius, size - 1) - first + 1


def _spread(values: np.ndarray, sizes: list[int], axis: int) -> np.ndarray:
    """Return values along an axis for each place of the grid, flat."""
    shape = [1] * len(sizes)
    shape[axis] = -1
    return np.broadcast_to(values.reshape(shape), sizes).ravel()

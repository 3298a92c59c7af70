"""Corruptions: what is done to the input before it is encoded, in training only.

Each acts on a batch of scaled data, freshly every time a sample is seen; the loss compares with the
clean batch, unless a corruption poses another task. Where a number is given as a range,
`gaussian:std=[0.02,0.2]`, one is drawn evenly from it for each row, each time that the row is seen.
Reference: Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders", 2008.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from isthmus.nets import chosen, normal, uniform
from isthmus.parts.part import Part, check_arguments, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jax import Array
    from jax.typing import DTypeLike

    from isthmus.parts.losses import Loss


class Task(NamedTuple):
    """What a net is asked to do with a batch.

    Attributes
    ----------
    x_in : Array (n, d)
        What the encoder sees.
    target : Array (n, d)
        What the reconstruction is compared with.
    counts : Array (n, d) or None
        What the loss of each value counts, on average 1; None for 1 everywhere.
    """

    x_in: Array
    target: Array
    counts: Array | None = None


Ranged = float | tuple[float, float]  # a number, or the ends of a range


def drawn(value: Ranged, key: Array, x: Array) -> Any:
    """Return the number itself, or for a range one drawn evenly for each row, of shape (n, 1)."""
    if not isinstance(value, tuple | list):
        return value
    low, high = value
    rows = (x.shape[0], *(1 for _ in x.shape[1:]))
    return low + (high - low) * uniform(jax.random.fold_in(key, 1), rows, x.dtype)


def highest(value: Ranged) -> float:
    """Return the number, or the upper end of a range."""
    return value[1] if isinstance(value, tuple | list) else value


class Corruption(Part, slot="corruption"):
    """A random function of a batch: `x~ = corrupt(key, x)`, shapes (n, d) -> (n, d).

    One that is `of_noise` poses another task than to return the row, which a net learns from noisy rows
    and a copy of them does not solve; it costs `least` at least, by noise that it adds to the target.
    """

    of_noise: ClassVar[bool] = False

    @property
    def least(self) -> float:
        """What the task costs at least."""
        return 0.0

    def __call__(self, key: Array, x: Array) -> Array:
        """Return the corrupted batch; the same key gives the same corruption."""
        raise NotImplementedError

    def pose(self, key: Array, task: Task) -> Task:
        """Return the task after this corruption, which by itself changes but what the encoder sees."""
        return task._replace(x_in=self(key, task.x_in))

    def placed(self, grid: tuple[int, ...] | None) -> Corruption:
        """Return the part for rows of this grid, sizes and channels; None for columns in any order."""
        return self

    def check_rows(self, grid: tuple[int, ...] | None, loss: Loss) -> None:
        """Raise a ValueError where rows of this grid, or the loss, do not suit the part's own task."""

    @property
    def of_codes(self) -> Corruption:
        """The same for rows of codes, whatever the rows coded were."""
        return self

    def bind(self, low: float, high: float) -> Corruption:
        """Return the part with what it needs to know of the scaled training data's range."""
        return self


@dataclass
class Gaussian(Corruption, name="gaussian"):
    """Additive Gaussian noise: `x~ = x + std * N(0, 1)`.

    Parameters
    ----------
    std : float in [0, inf), or two
        Standard deviation, in units of the scaled data; of two one between them is drawn for each row.

    Examples
    --------
    >>> Gaussian(std=0.5)(jax.random.key(0), jnp.zeros((1, 2))).shape
    (1, 2)
    """

    std: float | tuple[float, float] = number(0.3, "[0, inf)", ranged=True)

    def __call__(self, key: Array, x: Array) -> Array:
        return x + drawn(self.std, key, x) * normal(key, x.shape, x.dtype)

    @property
    def active(self) -> bool:
        return highest(self.std) > 0


@dataclass
class Uniform(Corruption, name="uniform"):
    """Additive uniform noise: `x~ = x + U(-width, width)`.

    Parameters
    ----------
    width : float in [0, inf), or two
        Half the width of the interval, in units of the scaled data; of two one between them is drawn
        for each row.

    Examples
    --------
    >>> Uniform(width=0.5)(jax.random.key(0), jnp.zeros((1, 2))).shape
    (1, 2)
    """

    width: float | tuple[float, float] = number(0.5, "[0, inf)", ranged=True)

    def __call__(self, key: Array, x: Array) -> Array:
        return x + drawn(self.width, key, x) * uniform(key, x.shape, x.dtype, -1.0, 1.0)

    @property
    def active(self) -> bool:
        return highest(self.width) > 0


@dataclass
class Masking(Corruption, name="masking"):
    """Masking noise: each value is replaced by `value` with probability `rate`.

    Parameters
    ----------
    rate : float in [0, 1]
        The probability.
    value : float
        What takes its place; 0 is the mean of a standardised column, and black in an image.
    spread : float in [0, 1]
        How far a row's own probability may lie from the rate, on both sides: each time that it is
        seen, a row's is drawn from `rate - spread` to `rate + spread`.

    Examples
    --------
    >>> Masking(rate=1.0)(jax.random.key(0), jnp.ones((1, 2)))
    Array([[0., 0.]], dtype=float32)
    """

    rate: float = number(0.25, "[0, 1]")
    value: float = number(0.0)
    spread: float = number(0.0, "[0, 1]")

    def __call__(self, key: Array, x: Array) -> Array:
        return jnp.where(self.hits(key, x.shape, x.dtype), jnp.asarray(self.value, x.dtype), x)

    def hits(self, key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return which values are replaced."""
        rows = (shape[0], *(1 for _ in shape[1:]))
        drawn = uniform(jax.random.fold_in(key, 1), rows, dtype, -1.0, 1.0)
        return uniform(key, shape, dtype) < self.rate + self.spread * drawn

    @property
    def active(self) -> bool:
        return self.rate > 0 or self.spread > 0


@dataclass
class SaltPepper(Corruption, name="saltpepper"):
    """Salt-and-pepper noise: with probability `rate` a value becomes `low` or `high`, half each.

    Parameters
    ----------
    rate : float in [0, 1], or two
        The probability; of two one between them is drawn for each row.
    low, high : float, optional
        Pepper and salt, in units of the scaled data; by default the smallest and the largest
        value of the scaled training data.

    Examples
    --------
    >>> SaltPepper(rate=1.0, low=0.0, high=1.0)(jax.random.key(0), jnp.full((1, 3), 0.5)).min()
    Array(0., dtype=float32)
    """

    rate: float | tuple[float, float] = number(0.25, "[0, 1]", ranged=True)
    low: float | None = number(None)
    high: float | None = number(None)

    def __call__(self, key: Array, x: Array) -> Array:
        u, rate = uniform(key, x.shape, x.dtype), drawn(self.rate, key, x)
        low = x.min() if self.low is None else jnp.asarray(self.low, x.dtype)
        high = x.max() if self.high is None else jnp.asarray(self.high, x.dtype)
        return jnp.where(u < rate / 2, low, jnp.where(u < rate, high, x))

    def bind(self, low: float, high: float) -> Corruption:
        return replace(
            self,
            low=low if self.low is None else self.low,
            high=high if self.high is None else self.high,
        )

    @property
    def active(self) -> bool:
        return highest(self.rate) > 0


@dataclass
class Swap(Corruption, name="swap"):
    """Swap noise for tables: a value is replaced by another row's in its column, at this rate.

    Columns keep their distributions and lose their relations, whatever their units and types.

    Parameters
    ----------
    rate : float in [0, 1]
        The probability.

    Examples
    --------
    >>> Swap(rate=1.0)(jax.random.key(0), jnp.array([[1.0, 2.0], [3.0, 4.0]]))
    Array([[3., 4.],
           [1., 2.]], dtype=float32)
    """

    rate: float = number(0.15, "[0, 1]")

    def __call__(self, key: Array, x: Array) -> Array:
        return taken(x, self.rows(key, x.shape))

    def rows(self, key: Array, shape: tuple[int, ...]) -> Array:
        """Return the row that each value is taken from: mostly its own.

        Each column is turned in a circle, by a number of rows drawn for this batch, and the places that
        are hit take what comes to stand there. Of one row, each value's donor is so drawn by itself,
        evenly from all other rows, and no relation of two is kept; what is drawn is shared by the rows
        of a batch, which costs a tenth of a draw for each value.
        """
        n, columns = shape
        k_hit, k_turn = jax.random.split(key)
        # 1 to n - 1: never the row itself
        turn = jax.random.randint(k_turn, (columns,), 1, n, jnp.int32)
        hit = chosen(k_hit, (n, columns), self.rate)
        row = jnp.arange(n, dtype=jnp.int32)[:, None] + jnp.where(hit, turn, 0)
        return jnp.where(row < n, row, row - n)

    @property
    def active(self) -> bool:
        return self.rate > 0


def taken(x: Array, rows: Array) -> Array:
    """Return in each place the value of its column in this row."""
    return jnp.take_along_axis(x, rows, axis=0, mode="promise_in_bounds")


@dataclass
class CustomCorruption(Corruption):
    """A user's function `(key, x) -> x~`, written with `jax.numpy` and `jax.random`."""

    function: Callable[[Array, Array], Array]

    def __call__(self, key: Array, x: Array) -> Array:
        """Call the function with a key of JAX's own, which some of `jax.random` insists on."""
        return self.function(
            jax.random.wrap_key_data(jax.random.key_data(key), impl="threefry2x32"), x
        )

    def validate(self) -> None:
        check_arguments(self.slot, self.function, ("key", "x"))


def pose_in_turn(parts: Sequence[Corruption], key: Array, x: Array) -> Task:
    """Return the task of a batch after corruptions, one after the other, each with a key of its own."""
    task = Task(x, x)
    for i, part in enumerate(parts):
        task = part.pose(jax.random.fold_in(key, i), task)
    return task


def corrupt_in_turn(parts: Sequence[Corruption], key: Array, x: Array) -> Array:
    """Apply corruptions one after the other, each with a key of its own."""
    return pose_in_turn(parts, key, x).x_in

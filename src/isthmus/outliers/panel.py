"""Members that were trained on the same rows judge others together, in one program.

A row x is as strange as its loss and its distance say, both in units of what is usual::

    strangeness(x) = (L(x) / l + 2^-10)^(1/5) (D(x) / d + 2^-10)^(4/5)
    L(x) = mean_k loss(x'_k, x) + c(x)
    D(x) = mean_R min_r mean_j (x_j - r_j)^2 + c(x)

over members k, with draws R of reference rows r, other rows than x; l and d are medians over the rows
trained on, and c is what changes of constant columns cost. All is in scaled units. The distance has the
greater exponent by measurement (`benchmarks/outliers.py`): it tells more by itself, and the loss adds
to it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.outliers.constants import NONE, Constants, constants_of
from isthmus.outliers.nearest import closest_rows
from isthmus.training import rows_per_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jax import Array

    from isthmus.model import Model, Scaler
    from isthmus.nets import Net
    from isthmus.training import Objective

LARGEST = float(np.finfo(np.float32).max)
TILE = 64  # rows that are computed together: one more or less changes no bit
LEAST = 2.0**-10  # of what is usual: a copy without a loss, or a distance, is still a row
POWERS = 0.2, 0.8  # of the loss and the distance
STEPS_APART = 16  # of the precision, in squared lengths: so far rounding parts a row from itself
PENDING = 3  # blocks under way at once
# Where rows may be outliers: a group of them seldom has one of its own among few reference rows.
FEW_REFERENCES, FIRST_DRAWS, DRAWS = 16, 256, 128
FIRST_ROWS = 2**14  # rows at most among which the most normal are looked for
MANY_REFERENCES = 2048  # reference rows at most, in one draw, where they are clean
MOST_VALUES = 2**22  # that reference rows hold


class Usual(NamedTuple):
    """What is usual in rows trained on: the medians of losses and distances, 1 where they are 0."""

    loss: float
    distance: float


UNSETTLED = Usual(1.0, 1.0)


class References(NamedTuple):
    """Reference rows as a program wants them: of each draw the first rows, the second ones, ..."""

    middle: Array  # (d,)
    around: Array  # (k, draws, d), the rows less their middle
    squares: Array  # (k draws,)


@dataclass(frozen=True)
class Panel:
    """Models, the scaled rows with which they compare, constant columns, and what is usual."""

    models: tuple[Model, ...]
    references: np.ndarray  # (draws, k, d)
    constants: Constants = NONE
    usual: Usual = UNSETTLED
    powers: tuple[float, float] = POWERS

    def strangeness(self, rows: np.ndarray) -> np.ndarray:
        """Return how strange rows are, (n,)."""
        return combined(*self.terms(rows), self.usual, self.powers)

    def terms(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return losses and distances of rows, (n,) each, with what changed constants cost."""
        first, found = self.models[0], np.empty((2, len(rows)))
        pending: deque[tuple[slice, Array]] = deque()
        with first.computing():
            for b in self._blocks(len(rows)):
                pending.append((b, self._program(first.scaled(rows[b]))))
                if len(pending) > PENDING:
                    _take(pending, found)
            while pending:
                _take(pending, found)
        if not self._one_scale:
            found[0] = np.mean([model.losses(rows) for model in self.models], axis=0)
        costs = self.constants.costs(rows)
        loss, distance = np.nan_to_num(found, nan=LARGEST, posinf=LARGEST) + costs
        return loss, distance

    def _blocks(self, n: int) -> Iterator[slice]:
        size = self._tile * self._tiles
        return (slice(b, min(b + size, n)) for b in range(0, n, size))

    def _program(self, x: np.ndarray) -> Array:
        """Return losses and distances of scaled rows, (2, tiles, rows); rows of 0 fill up the last."""
        tiles = 1 if len(x) <= self._tile else self._tiles
        full = np.zeros((tiles * self._tile, x.shape[1]), x.dtype)
        full[: len(x)] = x
        first, (nets, references) = self.models[0], self._device
        full = full.reshape(tiles, self._tile, -1)
        return _terms(first.objective, nets if self._one_scale else None, references, full)

    @cached_property
    def _one_scale(self) -> bool:
        """Whether all models scale rows alike; where each held out rows of its own they do not."""
        first, *others = (model.scaler for model in self.models)
        return all(_same(first, other) for other in others)

    @cached_property
    def _tile(self) -> int:
        return min(TILE, rows_per_call(self.models[0].net))

    @cached_property
    def _tiles(self) -> int:
        return max(rows_per_call(self.models[0].net) // self._tile, 1)

    @cached_property
    def _device(self) -> tuple[Net, References]:
        """The models' weights in one, and the reference rows; on the device."""
        nets = [model.net for model in self.models]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *nets)
        rows, dtype = self.references.swapaxes(0, 1).astype(float), self.models[0].dtype
        middle = rows.mean(axis=(0, 1))
        around = (rows - middle).astype(dtype)
        squares = (around.astype(float) ** 2).sum(axis=2).ravel()
        known = (jnp.asarray(part, dtype) for part in (middle, around, squares))
        return stacked, References(*known)

    def __getstate__(self) -> dict[str, Any]:
        fields = ("models", "references", "constants", "usual", "powers")
        return {name: getattr(self, name) for name in fields}

    def by_column(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what each column adds to the strangeness, and the nearest references; (n, d) each.

        The strangeness s is a power of L times one of D, and the powers add up to 1. So, by Euler, it
        is the sum over columns of `L_j ds/dL_j + D_j ds/dD_j`, which is what they add; the trace that
        keeps the factors from 0 is shared out likewise. References are in the data's units, draws
        averaged.
        """
        first = self.models[0]
        x, loss, distance = first.scaled(rows), np.zeros(()), np.zeros(())
        for model in self.models:
            again = model.scaled(model.reconstruct(rows))
            loss = loss + model.scaled_losses(x, again).astype(float) / len(self.models)
        near = np.zeros(x.shape)
        draws = len(self.references)
        for drawn in self.references:
            close = drawn[closest_rows(x, drawn)[0]]
            distance = distance + (x - close.astype(float)) ** 2 / (draws * x.shape[1])
            near += first.scaler.inverse(close) / draws
        loss, distance = (self.constants.added(part, rows) for part in (loss, distance))
        shares = self.powers[0] * _shares(loss) + self.powers[1] * _shares(distance)
        return self.strangeness(rows)[:, None] * shares, near


def _shares(parts: np.ndarray) -> np.ndarray:
    """Return the shares of non-negative parts in their sum by row, the same for all where it is 0."""
    total = parts.sum(axis=1, keepdims=True)
    even = np.full_like(parts, 1 / parts.shape[1])
    return np.where(total > 0, parts / np.where(total > 0, total, 1), even)


def _take(pending: deque[tuple[slice, Array]], found: np.ndarray) -> None:
    b, values = pending.popleft()
    found[:, b] = np.asarray(values).reshape(2, -1)[:, : b.stop - b.start]


def settled(
    models: tuple[Model, ...],
    pool: np.ndarray,
    rng: np.random.Generator,
    *,
    clean: bool,
    number: int | str = "auto",
) -> tuple[Panel, np.ndarray]:
    """Return the panel of models that were trained on these rows, and how strange it finds them.

    Of clean rows each may be a reference. Of others draws are made from all rows first, and then from
    the half that looks most normal.
    """
    constants = constants_of(models[0], pool)

    def compared(known: np.ndarray, draws: int, rows: np.ndarray) -> tuple[Panel, np.ndarray]:
        size = _size(known, clean=clean, number=number)
        if clean or size == len(known):  # all draws would be the same rows
            draws = 1
        draws = int(np.clip(MOST_VALUES // (size * known.shape[1]), 1, draws))
        chosen = np.stack([rng.choice(len(known), size, replace=False) for _ in range(draws)])
        whole = (
            draws % DRAWS == 0
        )  # as many at once as in the last round, whose program serves for all
        parts = np.split(chosen, draws // DRAWS if whole else 1)
        panels = [Panel(models, known[part], constants) for part in parts]
        loss, distance = np.mean([panel.terms(rows) for panel in panels], axis=0)
        panel = replace(panels[0], usual=usual_of(loss, distance))
        return panel, combined(loss, distance, panel.usual)

    if clean:
        return compared(models[0].scaled(pool), 1, pool)
    some = pool[drawn(len(pool), FIRST_ROWS, rng)]
    scaled = models[0].scaled(some)
    _, strange = compared(scaled, FIRST_DRAWS, some)
    normal = np.argsort(strange, kind="stable")[: max(len(some) // 2, 2)]
    return compared(scaled[normal], DRAWS, pool)


def drawn(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return the numbers of n rows, or of so many drawn from them, in their order."""
    if n <= most:
        return np.arange(n)
    return np.sort(rng.choice(n, most, replace=False))


def _size(known: np.ndarray, *, clean: bool, number: int | str) -> int:
    """Return how many reference rows a draw holds; of wide rows fewer, unless a number is given."""
    n, d = known.shape
    usual = min(MANY_REFERENCES, max(MOST_VALUES // d, 1)) if clean else FEW_REFERENCES
    return min(usual if isinstance(number, str) else int(number), n)


def combined(
    loss: np.ndarray,
    distance: np.ndarray,
    usual: Usual,
    powers: tuple[float, float] = POWERS,
) -> np.ndarray:
    """Return the strangeness of rows with these losses and distances."""
    loss, distance = loss / usual.loss + LEAST, distance / usual.distance + LEAST
    whole: np.ndarray = loss ** powers[0] * distance ** powers[1]
    return whole


def usual_of(loss: np.ndarray, distance: np.ndarray) -> Usual:
    """Return the medians, or the means of what is 0 as a rule."""
    return Usual(*(float(np.median(v)) or float(np.mean(v)) or 1.0 for v in (loss, distance)))


def _same(a: Scaler, b: Scaler) -> bool:
    """Whether two scalers have the same numbers."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return type(a) is type(b) and all(np.array_equal(*pair) for pair in pairs)


@jax.jit
def _terms(objective: Objective, nets: Net | None, references: References, tiles: Array) -> Array:
    """Return losses and distances of tiles of scaled rows, (2, tiles, rows); without nets no loss."""

    def of_tile(x: Array) -> Array:
        loss, distance = jnp.zeros(len(x), x.dtype), distances(x, references)
        if nets is not None:
            loss = jax.lax.map(lambda net: objective.excess(net, x), nets).mean(axis=0)
        return jnp.stack([loss, distance])

    return jax.lax.map(of_tile, tiles).swapaxes(0, 1)


def distances(x: Array, references: References) -> Array:
    """Return the mean over draws of the least mean squared difference from another row; (n,).

    Of a draw, one row that is the same within rounding is passed over, if there is another: it may be x
    itself.
    """
    own, (k, draws, width) = x - references.middle, references.around.shape
    length = jnp.sum(own**2, axis=1)
    products = own @ references.around.reshape(-1, width).T
    lengths = length[:, None] + references.squares
    far = lengths - 2 * products
    far = jnp.where(far <= apart(x.dtype) * lengths, 0, far).reshape(-1, k, draws)
    same = far == 0
    least, other = far.min(axis=1), jnp.where(same, jnp.inf, far).min(axis=1)
    alone = (same.sum(axis=1) == 1) & (other < jnp.inf)
    near = jnp.where(alone, other, least)
    return near.mean(axis=1) / width


def apart(dtype: Any) -> float:
    """Return how far rounding parts a row from itself, in units of squared lengths."""
    return STEPS_APART * float(np.finfo(dtype).eps)

"""Models of one structure with their arrays stacked, and what they make of rows, each of its own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.model import Affine, blocks
from isthmus.nets import Net

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jax import Array

    from isthmus.model import Model
    from isthmus.training import Device, Objective

TILE = 32  # rows of one model that are computed together: one more or less changes no bit
TILES = 64  # of a call, where one tile is not enough
ROWS = 2**16  # that are cut into tiles at a time
PENDING = 2  # calls under way at once


class Tiles(NamedTuple):
    """Rows in tiles, each of one model; where they came from, and where they are in the tiles."""

    order: np.ndarray  # (n,), numbers of rows, those of a model together
    tile: np.ndarray  # (n,), of each of these
    slot: np.ndarray  # (n,), in its tile
    numbers: np.ndarray  # (tiles,), of the models


def in_tiles(numbers: np.ndarray) -> Iterator[Tiles]:
    """Cut rows into tiles by the number of each one's model, some rows at a time."""
    whole = np.argsort(numbers, kind="stable")
    for begin in range(0, len(whole), ROWS):
        order = whole[begin : begin + ROWS]
        mine = numbers[order]
        first = np.flatnonzero(np.diff(mine, prepend=-1))
        counts = np.diff(first, append=len(mine))
        rank = np.arange(len(mine)) - np.repeat(first, counts)
        tiles = -(-counts // TILE)
        before = np.repeat(np.cumsum(tiles) - tiles, counts)
        numbered = np.repeat(mine[first], tiles).astype(np.int32)
        yield Tiles(order, before + rank // TILE, rank % TILE, numbered)


@partial(jax.jit, static_argnames=("what", "layer"))
def _mapped(
    objective: Objective, nets: Net, numbers: Array, tiles: Array, what: str, layer: int | None
) -> Array:
    """Return what nets make of tiles of scaled rows, or of codes; (tiles, rows, ...)."""

    def of_tile(place: tuple[Array, Array]) -> Array:
        number, x = place
        return _made(objective, picked(nets, number), x, what, layer)

    return jax.lax.map(of_tile, (numbers, tiles))


def picked(stacked: Any, number: Array) -> Any:
    """Return one of trees that are stacked."""
    return jax.tree.map(
        lambda leaf: jax.lax.dynamic_index_in_dim(leaf, number, keepdims=False), stacked
    )


def _made(objective: Objective, net: Net, x: Array, what: str, layer: int | None) -> Array:
    if what == "decode":
        return objective.loss.shown(net.decode(x))
    if layer is not None:
        return Net(net.encoder[:layer], ()).encode(objective.loss.seen(x))
    made: Array = getattr(objective, what)(net, x)
    return made


@dataclass(frozen=True)
class Stack:
    """Models that differ in numbers alone, which are stacked.

    Attributes
    ----------
    like : Model
        One of them.
    nets : Net
        The weights, each with a first axis over the models; NumPy's.
    scaler : Affine
        The scalers, (models, d) each.
    means : ndarray (models, d)
        The mean of the scaled rows of each.
    """

    like: Model
    nets: Net
    scaler: Affine
    means: np.ndarray

    def __len__(self) -> int:
        return len(self.means)

    def model(self, number: int) -> Model:
        """Return one of the models."""
        with self.like.computing():
            net = jax.tree.map(lambda leaf: jnp.asarray(leaf[number]), self.nets)
        scaler = Affine(*(part[number] for part in self.scaler))
        return replace(self.like, net=net, scaler=scaler, mean_row=self.means[number])

    def with_last(self, model: Model) -> Stack:
        """Return these models, and another behind them."""
        last = jax.tree.map(lambda leaf: np.asarray(leaf)[None], model.net)
        parts = zip(self.scaler, as_line(model.scaler), strict=True)
        scaler = Affine(*(np.vstack(pair) for pair in parts))
        nets = jax.tree.map(lambda *pair: np.concatenate(pair), self.nets, last)
        return replace(
            self, nets=nets, scaler=scaler, means=np.vstack([self.means, model.mean_row])
        )

    def on(self, device: Device) -> Stack:
        """Return the models to compute on another device."""
        return self if device is self.like.device else replace(self, like=self.like.on(device))

    def scaled(self, X: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return rows in the units of each one's model; ValueError for a cell that is too far off."""
        x = np.empty(np.shape(X), self.like.dtype)
        for b in blocks(x):
            line = Affine(*(part[numbers[b]] for part in self.scaler))
            x[b] = line.forward(np.asarray(X[b]), self.like.dtype)
        if not np.isfinite(x).all():
            row, column = np.argwhere(~np.isfinite(x))[0].tolist()
            raise ValueError(
                f"Column {column} of X, in the units of its group, is too large for dtype "
                f"{self.like.dtype}: {X[row, column]:g} in row {row}; divide it first."
            )
        return x

    def unscaled(self, x: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return rows in the data's units."""
        rows = np.empty(x.shape)
        for b in blocks(x):
            rows[b] = Affine(*(part[numbers[b]] for part in self.scaler)).inverse(x[b])
        return rows

    def map(
        self, what: str, x: np.ndarray, numbers: np.ndarray, layer: int | None = None
    ) -> np.ndarray:
        """Return "encode", "decode", "reconstruct" or "excess" of scaled rows or codes."""
        program = partial(_mapped, self.like.objective, self.device_nets, what=what, layer=layer)
        return self.by_tiles(program, x, numbers)

    def by_tiles(
        self, program: Callable[[np.ndarray, np.ndarray], Array], x: np.ndarray, numbers: np.ndarray
    ) -> np.ndarray:
        """Return what a program of (numbers, tiles) makes of rows, which it may not mix.

        It takes one tile or `TILES` of them, so that a row's result is the same to the bit whatever
        rows come with it.
        """
        if not len(x):  # of no rows neither, the width is known
            return self.by_tiles(program, np.zeros((1, x.shape[1]), x.dtype), np.zeros(1, int))[:0]
        out = np.empty(0)
        with self.like.computing():
            for cut in in_tiles(numbers):
                made = self._by_tiles(program, x, cut)
                if not out.size:
                    out = np.empty((len(x), *made.shape[2:]), made.dtype)
                out[cut.order] = made[cut.tile, cut.slot]
        return out

    def _by_tiles(
        self, program: Callable[[np.ndarray, np.ndarray], Array], x: np.ndarray, cut: Tiles
    ) -> np.ndarray:
        n = len(cut.numbers)
        step = TILES if n > 1 else 1
        whole = -(-n // step) * step
        tiles = np.zeros((whole, TILE, x.shape[1]), self.like.dtype)
        tiles[cut.tile, cut.slot] = x[cut.order]
        numbers = np.zeros(whole, np.int32)
        numbers[:n] = cut.numbers
        made: list[np.ndarray] = []
        pending: deque[Array] = deque()
        for b in range(0, whole, step):
            pending.append(program(numbers[b : b + step], tiles[b : b + step]))
            if len(pending) > PENDING:
                made.append(np.asarray(pending.popleft()))
        return np.concatenate([*made, *map(np.asarray, pending)])

    @cached_property
    def device_nets(self) -> Net:
        """The weights on the device."""
        with self.like.computing():
            nets: Net = jax.device_put(self.nets)
            return nets

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("like", "nets", "scaler", "means")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def as_line(scaler: object) -> Affine:
    """Return a scaler that is a line a column; groups have no others."""
    assert isinstance(scaler, Affine)
    return scaler


def stacked_models(like: Model, nets: list[Net], scalers: list[Affine], means: Any) -> Stack:
    """Return models stacked, whose nets come in stacks already."""
    whole = jax.tree.map(lambda *leaves: np.concatenate(leaves), *nets)
    scaler = Affine(*(np.stack(part) for part in zip(*scalers, strict=True)))
    return Stack(like.on_host(), whole, scaler, np.asarray(means))

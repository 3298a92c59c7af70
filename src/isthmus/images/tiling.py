"""Images larger than those a model was fitted on, in overlapping tiles.

The weights of tiles are a product of one window along rows and one along columns, each divided by the
sum of all windows at its place, so that they sum to one at every pixel.
"""

from __future__ import annotations

from itertools import islice, product
from math import prod
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:  # reading and writing images needs no JAX
    from collections.abc import Iterator, Sequence

    from isthmus.autoencoder import Autoencoder

MOST_VALUES = 2**23  # of the tiles that are reconstructed at once, and of the maps of a block

Stretch = tuple[int, np.ndarray]  # where a tile starts, and the weights along it


class Part(NamedTuple):
    """A part of denoised images: where it belongs, its values, and how many steps of work end here."""

    images: slice
    rows: slice
    columns: slice
    values: np.ndarray  # (images, rows, columns, channels of the model)
    steps: int


class Tiles:
    """A model of images of one size, for those that are as large or larger."""

    unit = "images"

    def __init__(self, model: Autoencoder, tile: tuple[int, ...], overlap: int | None) -> None:
        self.model, self.tile, self.overlaps = model, tile, _overlaps(overlap, tile)
        self.channels = prod(tile[2:])

    def steps(self, shape: tuple[int, ...]) -> int:
        """Return how many images (n, height, width, ...) there are."""
        return shape[0]

    def parts(self, X: np.ndarray, channels: Sequence[int], unit: float) -> Iterator[Part]:
        """Yield denoised images (n, height, width, channels), a few at a time, of some channels.

        `unit` is what the model's unit is in pixels.
        """
        sides = zip(X.shape[1:3], self.tile[:2], self.overlaps, strict=True)
        rows, columns = (list(_cuts(*side)) for side in sides)
        several = max(1, MOST_VALUES // (len(rows) * len(columns) * prod(self.tile)))
        for i in range(0, len(X), several):
            some = X[i : i + several][..., channels]
            values = self._blended(some, rows, columns, unit)
            yield Part(slice(i, i + len(some)), slice(None), slice(None), values, len(some))

    def _blended(
        self, X: np.ndarray, rows: list[Stretch], columns: list[Stretch], unit: float
    ) -> np.ndarray:
        """Reconstruct the tiles of images, so many at once, and add them up by their weights."""
        height, width = self.tile[:2]
        total = np.zeros(X.shape)
        places = product(range(len(X)), rows, columns)
        while some := list(islice(places, max(1, MOST_VALUES // prod(self.tile)))):
            where = [
                (i, slice(top, top + height), slice(left, left + width))
                for i, (top, _), (left, _) in some
            ]
            tiles = in_unit(np.stack([X[w] for w in where]), unit)
            made = self.model.reconstruct(tiles.reshape(-1, *self.tile))
            again = made.reshape(tiles.shape) * unit
            for w, (_, (_, down), (_, across)), one in zip(where, some, again, strict=True):
                total[w] += one * np.multiply.outer(down, across)[..., None]
        return total


def in_unit(pixels: np.ndarray, unit: float) -> np.ndarray:
    """Return pixels in a model's unit."""
    return pixels if unit == 1 else pixels / unit


def check_size(shape: tuple[int, ...], tile: tuple[int, ...], what: str) -> None:
    """Raise a ValueError if an image is smaller than a tile."""
    if shape[0] < tile[0] or shape[1] < tile[1]:
        raise ValueError(
            f"{what} is {shape[0]}x{shape[1]} (height x width), smaller than the {tile[0]}x{tile[1]} "
            "images that the model was fitted on: enlarge it, fit a model on smaller patches, or one "
            "whose code is maps, which takes any size (conv:code=maps)."
        )


def _overlaps(overlap: int | None, tile: tuple[int, ...]) -> tuple[int, int]:
    """Return the overlap along rows and along columns."""
    if overlap is None:
        return tile[0] // 2, tile[1] // 2
    most = min(tile[:2]) - 1
    if isinstance(overlap, bool) or not isinstance(overlap, Integral) or not 0 <= overlap <= most:
        raise ValueError(
            f"The overlap must be a whole number from 0 to {most}, for tiles of "
            f"{tile[0]}x{tile[1]}; got {overlap!r}."
        )
    return int(overlap), int(overlap)


def _cuts(length: int, size: int, overlap: int) -> Iterator[Stretch]:
    """Yield where tiles start along one side, and their weights, which sum to one at each place."""
    count = -(-(length - size) // (size - overlap)) + 1
    starts = [k * (length - size) // max(count - 1, 1) for k in range(count)]
    window = _window(size, overlap)
    total = np.zeros(length)
    for start in starts:
        total[start : start + size] += window
    yield from ((start, window / total[start : start + size]) for start in starts)


def _window(size: int, overlap: int) -> np.ndarray:
    """Return weights that rise over the overlap by a squared sine, are 1, and fall again."""
    ramp = max(min(overlap, size / 2), 0.5)
    inside = np.arange(size) + 0.5  # from the tile's edge to the centres of its pixels
    edge = np.minimum(np.minimum(inside, inside[::-1]) / ramp, 1)
    return np.sin(np.pi / 2 * edge) ** 2

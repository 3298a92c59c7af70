"""Images of any size through a model whose code is maps, as if they went through it whole.

They go block by block. A block has more around it than a pixel of the result can depend on, so that
what is kept of it is what the whole image would give. Where a block meets the edge of the image, zeros
stand behind the edge in every layer, which is what a layer puts around its input: so one compiled
program serves for images of many sizes.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from itertools import count, product
from math import isqrt, prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.images.tiling import MOST_VALUES, Part, in_unit
from isthmus.model import scaler_of_pixels
from isthmus.nets import ConvLayer, TransposedConvLayer
from isthmus.training import ask_between_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jax import Array

    from isthmus.model import Model
    from isthmus.nets import Layer, Net
    from isthmus.training import Objective

    Ends = Array | np.int32

MOST_PATCHES = 2**26  # values of what a layer makes of a block, and uses up at once
LEAST_SIDE = 8  # of a block: smaller images are filled up to it

Sides = tuple[int, int]  # height and width, or places along them


class Whole:
    """A model of maps, for images of any size."""

    unit = "strips"

    def __init__(self, model: Model) -> None:
        assert model.sample_shape is not None
        self.model, net = model, model.net
        self.scaler = scaler_of_pixels(model)
        stride = net.total_stride
        margin = -(-net.radius // stride) * stride
        self.rule = Rule(stride, margin, _least_side(net), _longest_side(net))
        self.blocks: dict[Sides, Net] = {}

    def check_scaling(self) -> None:
        """Raise a ValueError for a scaling that differs from pixel to pixel."""
        if self.scaler is None:
            raise ValueError(
                f"The model's scaling, {self.model.scaling!r}, differs from pixel to pixel, so that it "
                f"is known for images of shape {self.model.sample_shape} alone: fit the model with "
                "scaling='range' (--scaling range), or of counts 'anscombe'."
            )

    def steps(self, shape: tuple[int, ...]) -> int:
        """Return how many strips images (n, height, width, ...) are cut to."""
        return shape[0] * len(self._cut(0, shape).starts)

    def parts(self, X: np.ndarray, channels: Sequence[int], unit: float) -> Iterator[Part]:
        """Yield parts of denoised images (n, height, width, channels); see `Tiles`."""
        down, across = self._cut(0, X.shape), self._cut(1, X.shape)
        inside = min(down.padded, down.length), min(across.padded, across.length)
        with self.model.computing():
            net = self._block((down.length, across.length), inside)
            taken = np.array(channels)
            through = partial(self._through, self.model.objective, net, inside)
            for i, row, column in product(range(len(X)), down.pieces, across.pieces):
                ask_between_chunks()
                places = np.ix_(np.array([i]), down.taken(row), across.taken(column), taken)
                block = through(in_unit(X[places][0], unit)) * unit
                kept = block[row.inside, column.inside][None]
                strips = int(column.kept.stop == across.size)
                yield Part(slice(i, i + 1), row.kept, column.kept, kept, strips)

    def _cut(self, axis: int, shape: tuple[int, ...]) -> Cut:
        return self.rule.cut(shape[1 + axis])

    def _through(
        self, objective: Objective, net: Net, inside: Sides, pixels: np.ndarray
    ) -> np.ndarray:
        """Return what the model makes of a block of pixels (height, width, channels)."""
        assert self.scaler is not None
        x = self.scaler.forward(pixels, self.model.dtype)
        x[inside[0] :], x[:, inside[1] :] = 0, 0
        made = np.asarray(_reconstruct(objective, net, x.reshape(1, -1))).reshape(x.shape)
        if not (np.isfinite(x).all() and np.isfinite(made).all()):
            raise ValueError(
                f"The image has values, from {pixels.min():.4g} to {pixels.max():.4g}, that are beyond "
                f"what a model in {self.model.dtype} can work with: bring them to the units that it "
                "was fitted on."
            )
        return self.scaler.inverse(made)

    def _block(self, sides: Sides, inside: Sides) -> Net:
        """Return the net for blocks of these sides, of which so much is inside of the image."""
        if sides not in self.blocks:
            self.blocks[sides] = jax.device_put(self.model.net.resized(sides))
        return within(self.blocks[sides], self.model.net.resized(inside))


@jax.jit
def _reconstruct(objective: Objective, net: Net, x: Array) -> Array:
    return objective.reconstruct(net, x)


# -- how a side is cut -----------------------------------------------------------------------------


class Piece(NamedTuple):
    """Where a block starts on one side of an image, and which pixels of the image are kept of it."""

    start: int
    kept: slice

    @property
    def inside(self) -> slice:
        """Where the kept pixels are in the block."""
        return slice(self.kept.start - self.start, self.kept.stop - self.start)


class Cut(NamedTuple):
    """One side of an image in blocks of one length, and where they start.

    The net sees the side with `padded` pixels. What a block keeps is `margin` away from its ends, but
    for those that are the image's.
    """

    size: int
    padded: int
    length: int
    starts: tuple[int, ...]
    margin: int

    @property
    def pieces(self) -> list[Piece]:
        """Where blocks start, and what is kept of each."""
        edges = [0, *(start + self.margin for start in self.starts[1:]), self.size]
        kept = map(slice, edges, edges[1:])
        return [Piece(*piece) for piece in zip(self.starts, kept, strict=True)]

    def taken(self, piece: Piece) -> np.ndarray:
        """Return the numbers of a block's pixels; behind the image's end they are mirrored."""
        last = self.size - 1
        numbers = np.arange(piece.start, piece.start + self.length)
        return np.maximum(last - np.abs(last - numbers), 0)


class Rule(NamedTuple):
    """How sides are cut for a net: to multiples of its stride, so that all blocks see the same grid."""

    stride: int
    margin: int
    least: int
    most: int

    def cut(self, size: int) -> Cut:
        """Return the blocks of a side."""
        whole, most = self._fitting(size), self._fitting(max(self.most, 4 * self.margin))
        if whole <= most:
            return Cut(size, whole, self._fitting(rounded_up(whole)), (0,), self.margin)
        shared = 2 * self.margin
        count = -(-(whole - shared) // (most - shared))
        even = -(-(whole - shared) // count) + shared
        length = min(self._fitting(rounded_up(even)), most)
        starts = (*range(0, whole - length, length - shared), whole - length)
        return Cut(size, whole, length, starts, self.margin)

    def _fitting(self, size: int) -> int:
        return -(-max(size, self.least) // self.stride) * self.stride


def rounded_up(size: int) -> int:
    """Return a size of few: 8, 10, 12, 14, 16, 20, and so on, each at most a quarter larger.

    Examples
    --------
    >>> [rounded_up(size) for size in (1, 9, 16, 17, 321)]
    [8, 10, 16, 20, 384]
    """
    unit = 2 ** max(size.bit_length() - 3, 0)
    return max(-(-size // unit) * unit, LEAST_SIDE)


def _least_side(net: Net) -> int:
    """Return the shortest side that all kernels fit into."""
    for side in count(net.total_stride, net.total_stride):
        try:
            net.resized((side, side))
        except ValueError:  # without zeros around it a kernel needs its own size
            continue
        return side
    raise AssertionError


def _longest_side(net: Net) -> int:
    """Return the longest side of a block, by what its layers make of it."""
    area = prod(net.encoder[0].shapes[0][:-1])
    maps = max(layer.n_out for layer in net.encoder) / area
    patches = max(layer.width for layer in net.encoder) / area
    return isqrt(int(min(MOST_VALUES / max(maps, 1), MOST_PATCHES / patches)))


# -- zeros behind the edge ---------------------------------------------------------------------------


class WithinConv(ConvLayer):
    """A convolution whose maps are 0 behind the end of an image."""

    inside: tuple[Ends, ...]  # how many positions come before the end

    def activate(self, h: Array) -> Array:
        """Apply the activation, and put zeros behind the end."""
        return _zero_behind(super().activate(h), [a.positions for a in self.window], self.inside)


class WithinTransposed(TransposedConvLayer):
    """A mirror of a convolution whose maps are 0 behind the end of an image."""

    inside: tuple[Ends, ...]

    def activate(self, h: Array) -> Array:
        """Apply the activation, and put zeros behind the end."""
        return _zero_behind(super().activate(h), [a.size for a in self.window], self.inside)


Within = TypeVar("Within", WithinConv, WithinTransposed)


def _zero_behind(h: Array, sizes: list[int], inside: tuple[Ends, ...]) -> Array:
    maps = h.reshape(len(h), *sizes, -1)
    for axis, (size, end) in enumerate(zip(sizes, inside, strict=True), 1):
        shape = [1] * maps.ndim
        shape[axis] = size
        maps = jnp.where(jnp.arange(size).reshape(shape) < end, maps, 0)
    return maps.reshape(len(h), -1)


def within(net: Net, smaller: Net) -> Net:
    """Return a net that makes of a smaller image what that one's net makes of it."""
    return replace(
        net,
        encoder=tuple(
            map(partial(_ended, WithinConv, end="positions"), net.encoder, smaller.encoder)
        ),
        decoder=tuple(
            map(partial(_ended, WithinTransposed, end="size"), net.decoder, smaller.decoder)
        ),
    )


def _ended(kind: type[Within], layer: Layer, smaller: Any, end: str) -> Within:
    values = {f.name: getattr(layer, f.name) for f in fields(layer)}
    ends = tuple(np.int32(getattr(axis, end)) for axis in smaller.window)
    return kind(**values, inside=ends)

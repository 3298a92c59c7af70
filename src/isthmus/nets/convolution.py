"""Convolution and its adjoint, the transposed convolution, over any number of spatial axes.

Channels come last: maps are (n, *sizes, channels), a weight is (*kernels, channels in, channels out).
On a CPU both are patches and one matrix product, several times faster than XLA's own convolution and
as fast inside a loop, or for kernels 3 x 3 that move by 1 Winograd's fewer products
(`benchmarks/paths.py`); elsewhere, and for long kernels, which would compile for minutes, the
library's convolution is used.
"""

from functools import partial
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
from jax import Array

from isthmus.nets import winograd

PADDINGS = ("same", "valid", "full")
LONGEST_KERNEL = 32  # a longer one is left to the library everywhere
FEWEST_CHANNELS = 32  # in and out, from which on Winograd's products are faster


class Axis(NamedTuple):
    """How a kernel moves along one axis: `low` and `high` zeros are put before and behind."""

    size: int
    kernel: int
    stride: int
    low: int
    high: int

    @classmethod
    def of(cls, size: int, kernel: int, stride: int, padding: str) -> Self:
        """Return the axis of a padding.

        "valid" pads nothing, "full" `kernel - 1` on either side, so that every position that touches
        the input counts, and "same" as little as makes `ceil(size / stride)` positions.
        """
        stride = min(stride, size + 2 * kernel)  # beyond, there is one position all the same
        total = {"valid": 0, "full": 2 * (kernel - 1)}.get(padding)
        if total is None:
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return cls(size, kernel, stride, total // 2, total - total // 2)

    @property
    def positions(self) -> int:
        """The number of positions, `O = (I + 2p - (2k + 1)) // S + 1` for p zeros on either side."""
        return (self.size + self.low + self.high - self.kernel) // self.stride + 1

    @property
    def reach(self) -> int:
        """How many neighbouring positions of one phase a value is spread from."""
        return -(-self.kernel // self.stride)

    @property
    def possible(self) -> bool:
        """Whether `of` makes this axis; others, of a file, could ask for huge paddings."""
        if min(self.size, self.kernel, self.stride) < 1:
            return False
        made = {Axis.of(self.size, self.kernel, self.stride, padding) for padding in PADDINGS}
        return self in made and self.positions > 0


Window = tuple[Axis, ...]
Kept = tuple[Array, Array]  # what a derivative needs of the value's computation


def convolve(x: Array, weight: Array, window: Window) -> Array:
    """Return `h[o] = sum_i x[S o + i - low] W[i]`; shapes (n, *sizes, c) -> (n, *positions, m)."""
    if max(a.kernel for a in window) > LONGEST_KERNEL:
        return _library(window, x, weight)
    result: Array = jax.lax.platform_dependent(
        x, weight, cpu=partial(_products, window), default=partial(_library, window)
    )
    return result


def transpose(z: Array, weight: Array, window: Window) -> Array:
    """Return the adjoint of `convolve` at z, which has exactly the input's sizes.

    `x[S o + i - low] += W[i] z[o]`; shapes (n, *positions, m) -> (n, *sizes, c).
    """
    if max(a.kernel for a in window) > LONGEST_KERNEL:
        return _library_transpose(window, z, weight)
    result: Array = jax.lax.platform_dependent(
        z, weight, cpu=partial(_products_back, window), default=partial(_library_transpose, window)
    )
    return result


# -- the processor's choice -----------------------------------------------------------------------


def _products(window: Window, x: Array, weight: Array) -> Array:
    tile = _tile(window, weight, tuple(a.positions for a in window))
    if not tile:
        return _convolve(window, x, weight)
    return winograd.convolve(x, weight, _pads(window), tile)


def _products_back(window: Window, z: Array, weight: Array) -> Array:
    tile = _tile(window, weight, tuple(a.size for a in window))
    if not tile:
        return _transpose(window, z, weight)
    pads = winograd.mirrored(_pads(window))
    return winograd.convolve(z, winograd.turned(weight), pads, tile)


def _tile(window: Window, weight: Array, results: tuple[int, ...]) -> int:
    """Return the side of Winograd's tiles for so many results, 0 where patches are better.

    What tiles save grows with the channels in times those out, what they cost with their sum. They
    round twice as much as patches, so that float64, which is asked for to be exact, takes these.
    """
    moves = [(a.kernel, a.stride) for a in window]
    if moves != 2 * [(winograd.KERNEL, 1)] or weight.dtype != jnp.float32:
        return 0
    enough = sum(1 / channels for channels in weight.shape[2:]) <= 2 / FEWEST_CHANNELS
    return winograd.best_tile(results) if enough else 0


def _pads(window: Window) -> winograd.Pads:
    rows, columns = window
    return (rows.low, rows.high), (columns.low, columns.high)


# -- the library's, for accelerators -------------------------------------------------------------


def _library(window: Window, x: Array, weight: Array) -> Array:
    axes = tuple(range(len(window)))
    inner = tuple(a + 1 for a in axes)
    last = len(window) + 1
    numbers = jax.lax.ConvDimensionNumbers(
        (0, last, *inner), (last, last - 1, *axes), (0, last, *inner)
    )
    strides, pads = [a.stride for a in window], [(a.low, a.high) for a in window]
    return jax.lax.conv_general_dilated(x, weight, strides, pads, dimension_numbers=numbers)


def _library_transpose(window: Window, z: Array, weight: Array) -> Array:
    shape = (z.shape[0], *(a.size for a in window), weight.shape[-2])
    like = jax.ShapeDtypeStruct(shape, z.dtype)
    x: Array = jax.linear_transpose(lambda x: _library(window, x, weight), like)(z)[0]
    return x


# -- patches and one matrix product, for processors ----------------------------------------------
#
# Each is the other's derivative by its input: stated, because what autodiff makes of the slices and
# paddings is slower by a third. With the patches P(x), one row for each position, a convolution is
# h = P(x) W. Its derivatives are P(x)^T g by W, and by x the adjoint P^T(g W^T), where P^T adds up what
# stands in each tap where that tap saw the input.


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve(window: Window, x: Array, weight: Array) -> Array:
    return _product(_patches(window, x), weight)


def _convolve_forward(window: Window, x: Array, weight: Array) -> tuple[Array, Kept]:
    patches = _patches(window, x)
    return _product(patches, weight), (patches, weight)


def _convolve_backward(window: Window, kept: Kept, g: Array) -> tuple[Array, Array]:
    patches, weight = kept
    return _spread(window, g, weight), _gram(patches, g, weight)


_convolve.defvjp(_convolve_forward, _convolve_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _transpose(window: Window, z: Array, weight: Array) -> Array:
    return _spread(window, z, weight)


def _transpose_forward(window: Window, z: Array, weight: Array) -> tuple[Array, Kept]:
    return _spread(window, z, weight), (z, weight)


def _transpose_backward(window: Window, kept: Kept, g: Array) -> tuple[Array, Array]:
    z, weight = kept
    patches = _patches(window, g)
    return _product(patches, weight), _gram(patches, z, weight)


_transpose.defvjp(_transpose_forward, _transpose_backward)


def _product(patches: Array, weight: Array) -> Array:
    """Return patches (n, *positions, taps * c) times a weight (*kernels, c, m)."""
    flat = patches.reshape(-1, patches.shape[-1]) @ weight.reshape(-1, weight.shape[-1])
    return flat.reshape(*patches.shape[:-1], weight.shape[-1])


def _gram(patches: Array, z: Array, weight: Array) -> Array:
    """Return the gradient by the weight: patches' transpose times what stands at the positions."""
    flat = patches.reshape(-1, patches.shape[-1]).T @ z.reshape(-1, z.shape[-1])
    return flat.reshape(weight.shape)


def _patches(window: Window, x: Array) -> Array:
    """Return what the kernel sees at each position; (n, *sizes, c) -> (n, *positions, taps * c).

    Axis by axis, since k + k slices compile much sooner than k * k.
    """
    for place, axis in enumerate(window, 1):
        pads = [(0, 0)] * x.ndim
        pads[place] = axis.low, axis.high
        padded, length = jnp.pad(x, pads), axis.stride * (axis.positions - 1) + 1
        views = [
            jax.lax.slice_in_dim(padded, i, i + length, axis.stride, place)
            for i in range(axis.kernel)
        ]
        x = jnp.stack(views, axis=-2)  # (n, *sizes and positions, *taps, c)
    return x.reshape(*x.shape[: len(window) + 1], -1)


def _spread(window: Window, z: Array, weight: Array) -> Array:
    """Return the adjoint by one product, whose parts are added up where they fall, axis by axis."""
    flat = z.reshape(-1, z.shape[-1]) @ weight.reshape(-1, weight.shape[-1]).T
    x = flat.reshape(*z.shape[:-1], *weight.shape[:-1])  # (n, *positions, *taps, c)
    for place, axis in reversed(list(enumerate(window, 1))):
        x = _cut(_interleaved(x, place, axis), place, axis)
    return x


def _interleaved(parts: Array, place: int, axis: Axis) -> Array:
    """Return the sums along one axis, with its padding; its taps are the last axis but one.

    Tap i of position o falls on the place `S o + i`; for `i = S q + phase` that is `S (o + q) + phase`.
    So among the places of its phase, which are a stride apart, a tap's values are shifted by q and
    added without gaps. The phases are then interleaved.
    """
    phases: list[Array] = []
    for tap in range(axis.kernel):
        q, phase = divmod(tap, axis.stride)
        pads = [(0, 0)] * (parts.ndim - 1)
        pads[place] = q, axis.reach - 1 - q
        part = jnp.pad(parts[..., tap, :], pads)
        if q == 0:
            phases.append(part)
        else:
            phases[phase] += part
    x = jnp.stack(phases, axis=place + 1)
    pads = [(0, 0)] * x.ndim
    pads[place + 1] = 0, axis.stride - len(phases)  # phases that no tap reaches
    x = jnp.pad(x, pads)
    return x.reshape(*x.shape[:place], -1, *x.shape[place + 2 :])


def _cut(x: Array, place: int, axis: Axis) -> Array:
    """Return the input's part of padded sums; places that no kernel reached are 0."""
    pads = [(0, 0)] * x.ndim
    pads[place] = 0, max(axis.low + axis.size - x.shape[place], 0)
    return jax.lax.slice_in_dim(jnp.pad(x, pads), axis.low, axis.low + axis.size, 1, place)

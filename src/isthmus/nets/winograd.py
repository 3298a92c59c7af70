"""Convolution of kernels 3 x 3 by fewer products: Winograd's minimal filtering, Lavin and Gray (2016).

A tile of (m + 2) x (m + 2) values makes m x m outputs. A product of polynomials is known from its
values at m + 1 points and its leading coefficient; so along each axis a tile and the kernel become
m + 2 values, which are multiplied one by one, and made outputs of again:

    y = A^T [ (G w G^T) * (B^T x B) ] A

In place of 9 products an output takes (m + 2)^2 / m^2, which is 2.25 for m = 4. The products of all
channels at one of the (m + 2)^2 places are one matrix product.
"""

from functools import cache, partial, reduce
from math import prod
from operator import add
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

KERNEL = 3
# Points that are each other's reciprocals round least: sums over 64 channels of normal values are wrong
# by 8e-7 of their deviation (1.7e-6 with the customary 0, 1, -1, 2, -2; patches 4e-7, and m = 2 3e-7).
POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)}

Pads = tuple[tuple[int, int], tuple[int, int]]  # zeros before and behind, along either axis


class Scheme(NamedTuple):
    """The outputs m along an axis of a tile, and the matrices B^T, G and A^T."""

    m: int
    tile: np.ndarray
    kernel: np.ndarray
    output: np.ndarray


@cache
def scheme(m: int) -> Scheme:
    """Return the matrices by Cook and Toom: values at points, and Lagrange's polynomials back."""
    points, n = np.array(POINTS[m]), m + 2
    tile, kernel, output = np.zeros((n, n)), np.zeros((n, KERNEL)), np.zeros((m, n))
    for i, point in enumerate(points):
        others = np.delete(points, i)
        tile[i, :-1] = np.poly(others)[::-1]
        kernel[i] = point ** np.arange(KERNEL) / np.prod(point - others)
        output[:, i] = point ** np.arange(m)
    tile[-1], kernel[-1, -1], output[-1, -1] = np.poly(points)[::-1], 1, 1
    return Scheme(m, tile, np.kron(kernel, kernel), output)


def best_tile(positions: tuple[int, ...]) -> int:
    """Return the m of the fewest products for so many outputs; 0 if sums without tiles are faster.

    Tiles stand over on small maps. A tie goes to the smaller, whose transforms are faster and round
    less; all transforms together take up to half of the time.
    """
    products = {m: prod(-(-p // m) for p in positions) * (m + 2) ** 2 for m in POINTS}
    m = min(products, key=products.__getitem__)
    return m if 1.5 * products[m] <= KERNEL**2 * prod(positions) else 0


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(x: Array, weight: Array, pads: Pads, m: int) -> Array:
    """Return `y[o] = sum_i x[o + i - low] w[i]`; (n, *sizes, c), (3, 3, c, k) -> (n, *positions, k)."""
    return correlate(x, weight, pads, m)


def _forward(x: Array, weight: Array, pads: Pads, m: int) -> tuple[Array, tuple[Array, Array]]:
    return correlate(x, weight, pads, m), (x, weight)


def _backward(pads: Pads, m: int, kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, weight = kept
    return correlate(g, turned(weight), mirrored(pads), m), gram(x, g, pads, m)


convolve.defvjp(_forward, _backward)


def turned(weight: Array) -> Array:
    """Return the kernel of the adjoint: places reversed, and channels in and out changed."""
    return jnp.flip(weight, (0, 1)).swapaxes(2, 3)


def mirrored(pads: Pads) -> Pads:
    """Return the adjoint's zeros."""
    rows, columns = ((KERNEL - 1 - low, KERNEL - 1 - high) for low, high in pads)
    return rows, columns


def correlate(x: Array, weight: Array, pads: Pads, m: int) -> Array:
    """Return what `convolve` returns, of plain operations."""
    s = scheme(m)
    tiles = _tiles(s, x, pads)
    kernels = jnp.asarray(s.kernel, x.dtype) @ weight.reshape(KERNEL**2, -1)
    kernels = kernels.reshape(-1, *weight.shape[2:])
    flat = tiles.reshape(len(kernels), -1, x.shape[-1])
    products = lax.dot_general(flat, kernels, (((2,), (1,)), ((0,), (0,))))
    y = _outputs(s, products.reshape(*tiles.shape[:-1], -1))
    return y[:, *(slice(p) for p in _positions(x, pads))]


def gram(x: Array, g: Array, pads: Pads, m: int) -> Array:
    """Return the derivative of `sum(g * correlate(x, w))` by w, (3, 3, c, k)."""
    s = scheme(m)
    tiles, spread = _tiles(s, x, pads), _spread(s, g)
    a, b = (part.reshape((m + 2) ** 2, -1, part.shape[-1]) for part in (tiles, spread))
    a = lax.optimization_barrier(a.swapaxes(1, 2))  # XLA's fastest products want it lying so
    products = lax.dot_general(a, b, (((2,), (1,)), ((0,), (0,))))
    weight = jnp.asarray(s.kernel.T, x.dtype) @ products.reshape(len(products), -1)
    return weight.reshape(KERNEL, KERNEL, *products.shape[1:])


def _positions(x: Array, pads: Pads) -> tuple[int, ...]:
    return tuple(n + sum(p) - KERNEL + 1 for n, p in zip(x.shape[1:-1], pads, strict=True))


def _tiles(s: Scheme, x: Array, pads: Pads) -> Array:
    """Return B^T x B of all tiles; (places, places, n, tiles, tiles, c)."""
    counts = [-(-p // s.m) for p in _positions(x, pads)]
    ends = [
        (low, s.m * t + 2 - low - n)
        for t, n, (low, _) in zip(counts, x.shape[1:-1], pads, strict=True)
    ]
    x = jnp.pad(x, [(0, 0), *ends, (0, 0)])
    x = jnp.stack(_sums(s.tile, _views(x, 1, counts[0], s.m)))
    return jnp.stack(_sums(s.tile, _views(x, 3, counts[1], s.m)), 1)


def _views(x: Array, axis: int, count: int, m: int) -> list[Array]:
    """Return what stands at each place of the tiles along an axis."""
    length = m * (count - 1) + 1
    return [lax.slice_in_dim(x, i, i + length, m, axis) for i in range(m + 2)]


def _outputs(s: Scheme, products: Array) -> Array:
    """Return A^T products A as maps; (places, places, n, tiles, tiles, k) -> (n, *sizes, k)."""
    _, _, n, rows, columns, k = products.shape
    y = jnp.stack(_sums(s.output, [products[:, i] for i in range(s.m + 2)]), 4)
    y = jnp.stack(_sums(s.output, list(y)), 2)
    return y.reshape(n, s.m * rows, s.m * columns, k)


def _spread(s: Scheme, g: Array) -> Array:
    """Return A g A^T of all tiles' outputs, the adjoint of `_outputs`."""
    n, *sizes, k = g.shape
    counts = [-(-p // s.m) for p in sizes]
    ends = [(0, s.m * t - p) for t, p in zip(counts, sizes, strict=True)]
    g = jnp.pad(g, [(0, 0), *ends, (0, 0)]).reshape(n, counts[0], s.m, counts[1] * s.m, k)
    g = jnp.stack(_sums(s.output.T, [g[:, :, i] for i in range(s.m)]))
    g = g.reshape(*g.shape[:3], counts[1], s.m, k)
    return jnp.stack(_sums(s.output.T, [g[..., i, :] for i in range(s.m)]), 1)


def _sums(matrix: np.ndarray, parts: list[Array]) -> list[Array]:
    """Return the sums that the rows of a matrix make of parts."""
    return [
        reduce(add, [float(value) * part for value, part in zip(row, parts, strict=True) if value])
        for row in matrix
    ]

"""Winograd's convolution of kernels 3 x 3: beside float64, and where it is used."""

from functools import partial
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.nets import winograd
from isthmus.nets.convolution import (
    Axis,
    _convolve,
    _pads,
    _transpose,
    convolve,
    transpose,
)

MOST = (
    16 * np.finfo("float32").eps
)  # of the largest sum of absolute values: one value was wrong by 10
SHAPES = [  # sizes, padding, rows, channels in, channels out
    ((1, 1), "same", 1, 1, 1),
    ((1, 1), "full", 2, 2, 5),
    ((3, 3), "valid", 1, 1, 3),
    ((4, 5), "valid", 2, 3, 2),
    ((1, 9), "same", 2, 4, 1),
    ((7, 2), "full", 1, 5, 4),
    ((8, 12), "same", 3, 2, 3),
    ((13, 11), "same", 1, 64, 64),
]


def window_of(sizes, padding="same"):
    return tuple(Axis.of(size, 3, 1, padding) for size in sizes)


def drawn(sizes, padding, n, c, k):
    """Return a window, and normal arrays in float32: maps, a weight, and maps behind."""
    rng, window = np.random.default_rng(0), window_of(sizes, padding)
    shapes = (n, *sizes, c), (3, 3, c, k), (n, *(a.positions for a in window), k)
    return window, *(rng.normal(size=shape).astype("float32") for shape in shapes)


@partial(jax.jit, static_argnums=0)
def pulled(function, a, weight, b):
    """Return the value at a and the derivatives of its product with b, by a and by the weight."""
    value, pull = jax.vjp(function, a, weight)
    return value, *pull(b)


def exact(function, *arrays):
    """Return the same in float64, and how much it can be at most with any signs."""
    with jax.enable_x64(True):
        wide = [array.astype("float64") for array in arrays]
        both = pulled(function, *wide), pulled(function, *map(np.abs, wide))
        return jax.tree.map(np.asarray, both)


def assert_close(got, exactly):
    for value, right, most in zip(got, *exactly, strict=True):
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, right, rtol=0, atol=MOST * np.max(most))


def test_sums_over_many_channels_are_wrong_by_a_millionth_of_their_deviation():
    window, x, weight, _ = drawn((12, 12), "same", 2, 64, 64)
    got = jax.jit(winograd.convolve, static_argnums=(2, 3))(x, weight, _pads(window), 4)
    right = convolved(window, x, weight)
    assert np.std(got - right) < 1.2e-6 * np.std(right)  # 1.7e-6 with the customary points


def convolved(window, x, weight):
    """Convolve by NumPy, in float64."""
    x = np.pad(x.astype("float64"), ((0, 0), *((a.low, a.high) for a in window), (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
    return np.einsum("nhwcij,ijck->nhwk", seen, weight)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("m", [2, 4])
def test_values_and_derivatives_are_those_of_patches_in_float64(shape, m):
    window, x, weight, g = drawn(*shape)
    exactly = exact(partial(_convolve, window), x, weight, g)
    np.testing.assert_allclose(exactly[0][0], convolved(window, x, weight), rtol=1e-12, atol=1e-12)
    convolution = partial(winograd.convolve, pads=_pads(window), m=m)
    assert_close(pulled(convolution, x, weight, g), exactly)


@pytest.mark.parametrize("padding", ["same", "valid", "full"])
def test_layers_take_tiles_both_ways(padding):
    window, x, weight, z = drawn((11, 9), padding, 2, 32, 40)
    for layer, patches, a, b in ((convolve, _convolve, x, z), (transpose, _transpose, z, x)):
        with mock.patch.object(winograd, "gram", wraps=winograd.gram) as tiles:
            got = pulled(partial(layer, window=window), a, weight, b)
        assert tiles.called
        assert_close(got, exact(partial(patches, window), a, weight, b))


def slopes(function, x, weight):
    """Return the second derivatives of a sum of cubes, along the first ones."""

    def slope(x, weight):
        first = jax.grad(lambda x, w: jnp.sum(function(x, w) ** 3), (0, 1))(x, weight)
        return sum(jnp.sum(part**2) for part in first)

    return jax.jit(jax.grad(slope, (0, 1)))(x, weight)


def test_second_derivatives_in_float64_are_those_of_patches():
    window, x, weight, _ = drawn((3, 5), "same", 2, 2, 3)
    with jax.enable_x64(True):
        x, weight = x.astype("float64"), weight.astype("float64")
        right = slopes(partial(_convolve, window), x, weight)
        got = slopes(partial(winograd.convolve, pads=_pads(window), m=4), x, weight)
        for value, reference in zip(got, right, strict=True):
            np.testing.assert_allclose(value, reference, rtol=1e-9)


def test_a_map_over_weights_and_a_turned_slope_are_convolutions():
    window, x, weight, _ = drawn((5, 6), "same", 2, 3, 3)
    run = jax.jit(partial(winograd.convolve, pads=_pads(window), m=4))
    many = np.stack([weight, -weight, 2 * weight + 1])
    mapped = jax.jit(jax.vmap(run, (None, 0)))(x, many)
    np.testing.assert_allclose(mapped, [run(x, w) for w in many], atol=1e-4)
    _, pull = jax.vjp(lambda x: run(x, weight), x)
    push = jax.linear_transpose(lambda g: pull(g)[0], x)
    np.testing.assert_allclose(push(x)[0], run(x, weight), atol=1e-4)


@pytest.mark.parametrize(
    ("positions", "m"),
    [((1, 1), 0), ((1, 64), 0), ((2, 2), 2), ((3, 3), 4), ((6, 6), 2), ((24, 24), 4), ((10, 9), 4)],
)
def test_small_maps_have_small_tiles_or_none(positions, m):
    assert winograd.best_tile(positions) == m


@pytest.mark.parametrize(
    ("window", "channels", "dtype"),
    [
        (window_of([12, 12]), (16, 64), "float32"),
        (window_of([12, 12]), (64, 1), "float32"),
        (window_of([12]), (64, 64), "float32"),
        (tuple(Axis.of(12, 3, 2, "same") for _ in range(2)), (64, 64), "float32"),
        (tuple(Axis.of(12, 5, 1, "same") for _ in range(2)), (64, 64), "float32"),
        (window_of([12, 12]), (64, 64), "float64"),
    ],
)
def test_other_convolutions_stay_patches(window, channels, dtype):
    kernels = [a.kernel for a in window]
    with jax.enable_x64(True), mock.patch.object(winograd, "correlate", side_effect=AssertionError):
        x = jax.ShapeDtypeStruct((1, *(a.size for a in window), channels[0]), dtype)
        weight = jax.ShapeDtypeStruct((*kernels, *channels), dtype)
        jax.eval_shape(partial(convolve, window=window), x, weight)
        z = jax.ShapeDtypeStruct((1, *(a.positions for a in window), channels[1]), dtype)
        jax.eval_shape(partial(transpose, window=window), z, weight)

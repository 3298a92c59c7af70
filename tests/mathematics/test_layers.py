"""Convolutions, their adjoints and layer normalisation against one loop over all positions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mathematics import references
from mathematics.references import long

from isthmus.nets import PADDINGS, Axis
from isthmus.nets.convolution import convolve, transpose
from isthmus.nets.layer import DenseLayer

RNG = np.random.default_rng(0)
CASES = [
    ((7,), (3,), (2,)), ((7,), (4,), (3,)), ((5, 4), (3, 3), (1, 1)), ((5, 4), (3, 3), (2, 2)),
    ((6, 5), (2, 4), (3, 1)), ((4, 3), (1, 2), (1, 2)), ((3, 4, 2), (2, 2, 2), (2, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("sizes", "kernels", "strides"), CASES)
def test_convolution_and_its_adjoint(sizes, kernels, strides, padding, dtype):
    try:
        window = tuple(
            Axis.of(*axis, padding) for axis in zip(sizes, kernels, strides, strict=True)
        )
    except ValueError:
        return
    if not all(axis.possible for axis in window):
        return  # a kernel larger than what it moves over
    positions = tuple(axis.positions for axis in window)
    x = RNG.normal(size=(2, *sizes, 2)).astype(dtype)
    weight = RNG.normal(size=(*kernels, 2, 3)).astype(dtype)
    z = RNG.normal(size=(2, *positions, 3)).astype(dtype)
    settings = tuple(a.stride for a in window), tuple(a.low for a in window), positions
    exact = references.convolution(long(x), long(weight), *settings)
    eps = np.finfo(dtype).eps
    ours = np.asarray(jax.jit(convolve, static_argnums=2)(x, weight, window))
    np.testing.assert_allclose(ours, exact.astype(dtype), rtol=64 * eps, atol=64 * eps)
    back = np.asarray(jax.jit(transpose, static_argnums=2)(z, weight, window))
    assert back.shape == x.shape
    # <A x, z> = <x, A* z>, for each x of one value: so each value of A* z is a product of its own.
    product = float((exact * long(z)).sum())
    np.testing.assert_allclose(
        (long(back) * long(x)).sum(), product, rtol=1e4 * eps, atol=1e3 * eps
    )


@pytest.mark.parametrize("size", [1e-15, 1e15])
def test_convolution_of_extreme_numbers(size, dtype):
    window = (Axis.of(5, 3, 2, "same"),)
    x, weight = (RNG.normal(size=shape) * size for shape in ((2, 5, 1), (3, 1, 2)))
    x, weight = x.astype(dtype), weight.astype(dtype)
    exact = references.convolution(long(x), long(weight), (2,), (1,), (3,))
    ours = np.asarray(convolve(jnp.asarray(x), jnp.asarray(weight), window))
    scale = float(abs(exact).max())
    np.testing.assert_allclose(
        ours, exact.astype(dtype), rtol=1e-4, atol=64 * np.finfo(dtype).eps * scale
    )


@pytest.mark.parametrize("size", [1e-10, 1e-3, 1.0, 1e10])
@pytest.mark.parametrize("offset", [0.0, 1.0, 30.0])
def test_layer_normalisation(size, offset, dtype):
    h = ((RNG.normal(size=(6, 5)) + offset) * size).astype(dtype)
    ones, zeros = jnp.ones(5, dtype), jnp.zeros(5, dtype)
    layer = DenseLayer(jnp.eye(5, dtype=dtype), zeros, ones, zeros, "identity")
    eps = np.finfo(dtype).eps * (1 + offset)
    np.testing.assert_allclose(
        layer.linear(jnp.asarray(h)),
        references.layer_norm(long(h)).astype(dtype),
        rtol=1e3 * eps,
        atol=64 * eps,
    )


def test_the_slope_of_layer_normalisation(dtype):
    h, g = RNG.normal(size=(2, 6, 5)).astype(dtype)
    ones, zeros = jnp.ones(5, dtype), jnp.zeros(5, dtype)
    layer = DenseLayer(jnp.eye(5, dtype=dtype), zeros, ones, zeros, "identity")
    slope = jax.grad(lambda h: (layer.linear(h) * g).sum())(jnp.asarray(h))
    y, up = references.layer_norm(long(h)), long(g)
    root = np.sqrt(long(h).var(-1, keepdims=True) + long(1e-5))
    exact = (up - up.mean(-1, keepdims=True) - y * (up * y).mean(-1, keepdims=True)) / root
    np.testing.assert_allclose(slope, exact.astype(dtype), rtol=1e-3, atol=64 * np.finfo(dtype).eps)

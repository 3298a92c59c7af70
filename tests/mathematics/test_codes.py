"""Sparsities and penalties, at ordinary and at extreme codes and weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mathematics import references
from mathematics.references import long

from isthmus import KL, L1, L2, TopK
from isthmus.nets import Net, Step
from isthmus.nets.layer import DenseLayer
from isthmus.parts import Penalty, Sparsity
from isthmus.parts.penalties import Contractive, jacobian_norms
from isthmus.parts.sparsity import kl_divergence

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("rho", [1e-4, 0.05, 0.5, 0.95])
def test_kl_and_its_slope(rho, dtype):
    r = np.array([1e-6, 1e-3, 0.05, 0.3, 0.5, 0.9, 0.999]).astype(dtype)
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(lambda r: kl_divergence(rho, r))))(r)
    eps = np.finfo(dtype).eps
    exact = references.kl(float(np.dtype(dtype).type(rho)), r.astype(float))
    np.testing.assert_allclose(value, exact, rtol=1e4 * eps, atol=1e2 * eps)
    slopes = (1 - rho) / (1 - r.astype(float)) - rho / r.astype(float)
    np.testing.assert_allclose(slope, slopes, rtol=1e4 * eps, atol=1e2 * eps)


@pytest.mark.parametrize("r", [0.0, 1e-30, 1.0])
def test_kl_of_dead_units_is_finite_and_pushes_back(r, dtype):
    value, slope = jax.value_and_grad(lambda r: kl_divergence(0.05, r))(np.dtype(dtype).type(r))
    assert np.isfinite(value)
    assert value > 0.1
    assert np.isfinite(slope)
    assert np.sign(slope) == (1 if r == 1 else -1)


@pytest.mark.parametrize("size", [1e-30, 1e-10, 1.0, 1e10, 1e30])
@pytest.mark.parametrize("k", [1, 3, 6])
def test_topk_keeps_the_largest(size, k, dtype):
    h = (RNG.normal(size=(20, 6)) * size).astype(dtype)
    z = np.asarray(TopK(k=k).code(jnp.asarray(h)))
    for row, kept in zip(h, z, strict=True):
        chosen = np.argsort(-np.abs(row), kind="stable")[:k]
        np.testing.assert_array_equal(kept, np.where(np.isin(np.arange(6), chosen), row, 0))


def test_topk_takes_the_two_zeros_for_one(dtype):
    h = np.array([[0.0, -0.0, 0.0], [-0.0, 0.0, 1.0], [1.0, -1.0, 1.0]], dtype)
    gradient = jax.grad(lambda h: TopK(k=1).code(h).sum())(jnp.asarray(h))
    np.testing.assert_array_equal(gradient, [[1, 0, 0], [0, 0, 1], [1, 0, 0]])


def step_of(weight, bias, x, activation):
    encoder = DenseLayer(weight, bias, None, None, activation)
    decoder = DenseLayer(weight.T, jnp.zeros(weight.shape[0], weight.dtype), None, None, "identity")
    net, n = Net((encoder,), (decoder,)), len(x)
    z = net.encode(x)
    weights, key = jnp.full(n, 1 / n, x.dtype), jax.random.key(0)
    zero = jnp.zeros((), x.dtype)
    return Step(x, x, x, z, z, net.decode(z), weights, net, lambda h: h, key, zero, True)


@pytest.mark.parametrize("size", [1e-15, 1e-5, 1.0, 1e5, 1e15])
def test_l1_and_l2(size, dtype):
    weight, x = (RNG.normal(size=shape).astype(dtype) for shape in ((4, 3), (5, 4)))
    weight = weight * np.dtype(dtype).type(size)
    step = step_of(jnp.asarray(weight), jnp.zeros(3, dtype), jnp.asarray(x), "identity")
    eps = np.finfo(dtype).eps
    z = long(x) @ long(weight)
    np.testing.assert_allclose(
        L1(weight=0.5).penalty(step, {}), 0.5 * float(abs(z).sum() / 5), 64 * eps
    )
    squares = float((long(weight) ** 2).sum())
    np.testing.assert_allclose(L2(weight=0.5)(step), 0.5 * squares, 64 * eps)
    np.testing.assert_allclose(L2(weight=0.5, on="both")(step), squares, 64 * eps)


@pytest.mark.parametrize(
    "activation", ["identity", "sigmoid", "tanh", "softplus", "elu", "silu", "gelu"]
)
@pytest.mark.parametrize("size", [1e-10, 1.0, 1e4])
def test_contractive_penalty(activation, size, dtype):
    weight, x = (RNG.normal(size=shape).astype(dtype) for shape in ((4, 3), (5, 4)))
    weight = weight * np.dtype(dtype).type(size)
    norms = jacobian_norms(
        step_of(jnp.asarray(weight), jnp.ones(3, dtype), jnp.asarray(x), activation)
    )
    slope = references.ACTIVATIONS[activation][1](long(x) @ long(weight) + 1)
    exact = (slope**2 @ (long(weight) ** 2).sum(0)).astype(float)
    # A slope is right to a step of 1, or where it is steep of what it is made of.
    eps, unit = np.finfo(dtype).eps, float((long(weight) ** 2).sum())
    np.testing.assert_allclose(norms, exact, rtol=1e3 * eps * max(size, 1), atol=1e2 * eps * unit)


def test_every_sparsity_and_penalty_is_here():
    assert set(Sparsity.known.values()) == {KL, L1, TopK}
    assert set(Penalty.known.values()) == {L2, Contractive}

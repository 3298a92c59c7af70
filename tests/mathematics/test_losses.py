"""Losses at ordinary and at extreme numbers, values and slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mathematics import references
from mathematics.references import CELLS, SIZES, long, rounded

from isthmus.parts import Loss, resolve

RNG = np.random.default_rng(0)
SHAPE = (7, 6)


def data(loss, size):
    """Return a reconstruction and data about as large as `size`, in the loss's domain."""
    p, x = RNG.normal(size=(2, *SHAPE))
    if loss.domain[0] == 0:
        p, x = np.abs(p), np.abs(x)
    if loss.domain[1] == 1:
        p, x = p / (1 + p), np.round(x / (1 + x), 1)
        p = np.where(RNG.random(SHAPE) < 0.5, size * p, 1 - size * p) if size < 1 else p
        return p, x
    return size * p, size * x


def values_and_slopes(function, p, x):
    """Return a loss of each row, and the slopes of their sum by p."""

    @jax.jit
    def both(p, x):
        return function(p, x), jax.grad(lambda p: function(p, x).sum())(p)

    value, slope = both(jnp.asarray(p), jnp.asarray(x))
    return np.asarray(value), np.asarray(slope)


def agree(ours, exact, dtype, allowed, terms=0.0):
    """Assert that results are right to a few steps of their precision, or of that of their terms.

    What the precision cannot hold may be infinite, or 0.
    """
    assert ours.dtype == dtype
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    want, large = rounded(exact, dtype), abs(exact) > np.finfo(dtype).max / 16
    error = np.abs(np.where(large, 0, ours - np.where(large, 0, want)))
    bound = allowed * eps * (np.abs(want) + terms) + 16 * tiny
    assert not np.isnan(ours).any()
    assert (error <= bound)[~large].all(), (ours[error > bound], want[error > bound])
    assert (np.abs(ours[large]) > np.finfo(dtype).max / 64).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spec", CELLS)
def test_losses_and_their_slopes(spec, size, dtype):
    loss = resolve(Loss, spec)
    p, x = (v.astype(dtype) for v in data(loss, size))
    value, slope = values_and_slopes(loss, p, x)
    exact, cell = CELLS[spec], (long(p), long(x))
    with np.errstate(all="ignore"):
        terms = abs(exact.value(*cell)).mean(1) + (abs(long(x)).mean(1) if spec == "poisson" else 0)
        squares = (p.astype(dtype) - x) ** 2 if spec.startswith(("mse", "huber")) else p
    if not np.isfinite(squares).all():
        pytest.skip("squares are beyond the precision")
    terms = rounded(terms, dtype)
    if spec == "bce" and size < 1:  # a step of the precision at 1 is much of the distance to 1
        terms = terms + 0.5 / references.FLOOR / 64
        slope = np.where(np.abs(p - 0.5) < 0.49, slope, exact.slope(*cell) / SHAPE[1]).astype(dtype)
    agree(value, exact.value(*cell).mean(1), dtype, 64, terms)
    slopes = exact.slope(*cell) / SHAPE[1]
    agree(slope, slopes, dtype, 64, rounded(abs(slopes).max(), dtype))


@pytest.mark.parametrize("size", SIZES)
def test_cosine_and_its_slope(size, dtype):
    loss = resolve(Loss, "cosine")
    p, x = (v.astype(dtype) for v in data(loss, size))
    value, slope = values_and_slopes(loss, p, x)
    agree(value, references.cosine(long(p), long(x)), dtype, 64, 1.0)
    exact = references.cosine_slope(long(p), long(x))
    if abs(exact).max() < np.finfo(dtype).max and abs(exact).max() > np.finfo(dtype).tiny:
        agree(slope, exact, dtype, 64, rounded(abs(exact).max(), dtype))


@pytest.mark.parametrize(
    ("spec", "exact"), [("bce", references.bce_of_logit), ("poisson", references.poisson_of_log)]
)
@pytest.mark.parametrize("reach", [1e-30, 1e-3, 1.0, 20.0, 80.0])
def test_losses_of_the_linear_output(spec, exact, reach, dtype):
    loss = resolve(Loss, spec)
    a, x = (
        (RNG.normal(size=SHAPE) * reach).clip(-80, 80).astype(dtype),
        data(loss, 1.0)[1].astype(dtype),
    )
    value, slope = values_and_slopes(loss.from_linear, a, x)
    a, x = long(a), long(x)
    agree(value, exact(a, x).mean(1), dtype, 64, rounded((exact(a, x) + abs(x * a)).mean(1), dtype))
    link = {"bce": references.sigmoid, "poisson": np.exp}[spec](a)
    agree(slope, (link - x) / SHAPE[1], dtype, 64, rounded((link + x) / SHAPE[1], dtype))


@pytest.mark.parametrize("spec", [*CELLS, "cosine"])
def test_a_perfect_copy_has_no_slope(spec, dtype):
    """Also in the corner of |x|, where no side is better than the other."""
    loss = resolve(Loss, spec)
    x = np.abs(RNG.normal(size=SHAPE)).clip(0.1, 0.9).astype(dtype)
    _, slope = values_and_slopes(loss, x, x)
    np.testing.assert_allclose(slope, 0, atol=32 * np.finfo(dtype).eps)


@pytest.mark.parametrize("size", [1e-10, 1.0, 1e10])
@pytest.mark.parametrize("spec", [*CELLS, "cosine"])
def test_what_a_loss_counts_above_a_perfect_copy(spec, size, dtype):
    """It is 0 for a copy, never less, and the loss less that of the copy."""
    loss = resolve(Loss, spec)
    p, x = (v.astype(dtype) for v in data(loss, size))
    if spec == "cosine":
        least, exact = 0.0, references.cosine(long(p), long(x))
    else:
        least = CELLS[spec].value(long(x), long(x)).mean(1)
        exact = CELLS[spec].value(long(p), long(x)).mean(1) - least
    excess, copy = (np.asarray(jax.jit(loss.excess)(v, x)) for v in (p, x))
    eps = np.finfo(dtype).eps
    scale = 1.0 + np.abs(least) + (np.abs(x).mean(1) if spec == "poisson" else 0)
    lost = eps * 0.5 / references.FLOOR if spec == "bce" and size < 1 else 0
    lost += 2 * references.FLOOR if loss.domain[0] == 0 else 0  # the floor may count for the copy
    np.testing.assert_allclose(copy, 0, atol=64 * eps * float(np.max(scale)) + lost)
    bound = 64 * eps * (np.abs(exact) + scale) + lost
    assert (np.abs(excess - exact) <= bound).all()
    if loss.domain[0] == 0:
        assert (excess >= -bound).all()


def test_every_loss_has_a_reference():
    assert {spec.partition(":")[0] for spec in [*CELLS, "cosine"]} == set(Loss.known)

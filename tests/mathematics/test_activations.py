"""Activations and their slopes from 1e-30 to 1e30, on either side."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mathematics import references
from mathematics.references import long, rounded

from isthmus.nets import ACTIVATIONS

SIDE = [0.0, 1e-30, 1e-10, 1e-4, 0.1, 0.5, 1.0, 3.0, 9.0, 20.0, 50.0, 88.0, 100.0, 1e4, 1e10, 1e30]
POINTS = np.array([*SIDE, *(-x for x in SIDE)])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_slopes(name, dtype):
    function, (exact, exact_slope) = ACTIVATIONS[name].function, references.ACTIVATIONS[name]
    points = jnp.asarray(POINTS.astype(dtype))
    value, slope = jax.jit(lambda x: (function(x), jax.vmap(jax.grad(function))(x)))(points)
    with np.errstate(over="ignore", under="ignore"):
        close(value, exact(long(points)), dtype)
        inner = np.asarray(points) != 0  # at 0 a corner has no one slope
        if name == "gelu" and dtype == "float32":
            inner &= np.abs(points) < 1e19  # beyond, the square in its slope is none
        close(slope[inner], exact_slope(long(points))[inner], dtype)


def close(ours, exact, dtype):
    """Assert that values are right to a few steps of what the largest term near them is, at most 1."""
    eps, want = np.finfo(dtype).eps, rounded(exact, dtype)
    np.testing.assert_allclose(ours, want, rtol=64 * eps, atol=8 * eps)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_small_values_keep_their_digits(name, dtype):
    """An activation that is 0 at 0 does not round what is near it away."""
    exact = references.ACTIVATIONS[name][0]
    points = np.array([1e-6, 1e-12, 1e-30], dtype)
    if exact(long([0.0]))[0] == 0:
        ours = ACTIVATIONS[name].function(jnp.asarray(points))
        np.testing.assert_allclose(ours, exact(long(points)).astype(dtype), rtol=1e-5)


@pytest.mark.parametrize(
    "name", [n for n, a in ACTIVATIONS.items() if a.inverse(np.ones(1)) is not None]
)
def test_the_inverse_of_an_output_leads_back(name):
    """Where a model starts: at the mean row, through the inverse."""
    activation = ACTIVATIONS[name]
    if name in ("sigmoid", "logistic", "exp", "identity"):
        values = np.array([0.02, 0.3, 0.98])
        again = activation.function(jnp.asarray(activation.inverse(values)))
        np.testing.assert_allclose(again, values, rtol=1e-5)


def test_every_activation_has_a_reference():
    assert set(references.ACTIVATIONS) == set(ACTIVATIONS)

"""The generator of the training programs: JAX's own bits, by another way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.nets.random import THREEFRY, normal, uniform

SEEDS = [0, 1, 2**31 + 5]


def pair(seed):
    """Return a key of JAX's default generator, and the same key of ours."""
    key = jax.random.key(seed, impl="threefry2x32")
    return key, jax.random.wrap_key_data(jax.random.key_data(key), impl=THREEFRY)


DRAWS = {
    "normal": lambda key: jax.random.normal(key, (5, 7)),
    "scalar": lambda key: jax.random.uniform(key),
    "empty": lambda key: jax.random.normal(key, (0, 3)),
    "uniform": lambda key: jax.random.uniform(key, (3, 4, 5), minval=-1.0),
    "randint": lambda key: jax.random.randint(key, (6, 3), 1, 100),
    "rademacher": lambda key: jax.random.rademacher(key, (4, 4)),
    "permutation": lambda key: jax.random.permutation(key, 11),
    "bytes": lambda key: jax.random.bits(key, (9,), "uint8"),
    "halves": lambda key: jax.random.bits(key, (9,), "uint16"),
    "split": lambda key: jax.random.key_data(jax.random.split(key, (3, 2))),
    "fold_in": lambda key: jax.random.key_data(jax.random.fold_in(key, 7)),
    "of a split": lambda key: jax.vmap(jax.random.normal)(jax.random.split(key, 4)),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_bits_are_those_of_jax(draw, seed):
    theirs, ours = map(draw, pair(seed))
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def test_doubles_are_those_of_jax():
    with jax.enable_x64(True):
        theirs, ours = (jax.random.normal(key, (5, 7), jnp.float64) for key in pair(3))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_noise_is_drawn_as_by_jax(seed):
    key, shape = pair(seed)[1], (4, 6)
    np.testing.assert_array_equal(normal(key, shape, "float32"), jax.random.normal(key, shape))
    ours, theirs = (
        draw(key, shape, "float32", -1.0, 1.0) for draw in (uniform, jax.random.uniform)
    )
    np.testing.assert_array_equal(ours, theirs)
    keys = jax.random.split(key, 3)
    ours, theirs = (
        jax.jit(jax.vmap(lambda key, draw=draw: draw(key, shape, "float32")))(keys)
        for draw in (normal, jax.random.normal)
    )
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="on a CPU alone")
def test_members_that_share_a_key_draw_once():
    def noisy(std, x, key):
        return x + std * normal(key, x.shape, x.dtype)

    many = jax.jit(jax.vmap(noisy, in_axes=(0, None, None)))
    arguments = jnp.arange(5.0), jnp.ones((16, 8)), pair(0)[1]
    assert " conditional(" in many.lower(*arguments).compile().as_text()
    alone = np.stack([noisy(std, *arguments[1:]) for std in arguments[0]])
    np.testing.assert_allclose(many(*arguments), alone, rtol=1e-6)


def test_an_own_seed_is_the_default_key():
    np.testing.assert_array_equal(
        jax.random.key_data(jax.random.key(12, impl=THREEFRY)), jax.random.key_data(pair(12)[0])
    )


def test_too_many_elements_are_refused():
    with pytest.raises(ValueError, match=r"fewer than 2\*\*32 elements; got 4294967296"):
        jax.jit(lambda key: jax.random.bits(key, (2**16, 2**16))).lower(pair(0)[1])


def test_a_custom_corruption_may_draw_anything(iris):
    from isthmus import Autoencoder

    def counts(key, x):
        return x + jax.random.poisson(key, 1.0, x.shape)

    Autoencoder(2, corruption=counts, max_epochs=1, random_state=0).fit(iris)

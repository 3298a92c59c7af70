"""The random bits of JAX's default generator, computed in one pass over each array.

JAX's own program for a CPU is a loop of five passes, each of which is shared out between threads;
this one takes a quarter of its time on a batch and gives the same bits. Reference: Salmon et al.,
"Parallel Random Numbers: As Easy as 1, 2, 3", 2011.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.random import define_prng_impl

if TYPE_CHECKING:
    from jax.typing import DTypeLike

Draw = Callable[[Array], Array]
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # bits, of the rounds of even and of odd groups
ROUND_GROUPS = 5  # of four rounds: the 20 that JAX takes
PARITY = 0x1BD11BDA  # of the third key word: the three are never all 0
WORD_TYPES = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32, 64: jnp.uint64}


def _threefry(key: Array, x0: Array, x1: Array) -> tuple[Array, Array]:
    """Return the Threefry-2x32 hash of two words, 20 rounds; shapes (2,), (...), (...)."""
    keys = key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(PARITY)
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for group in range(ROUND_GROUPS):
        for turn in ROTATIONS[group % 2]:
            # One round: add, turn the other word's bits in a circle, and mix by exclusive or.
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << jnp.uint32(turn)) | (x1 >> jnp.uint32(32 - turn)))
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x0, x1


def _hashed(key: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the hashes of the numbers of an array's elements."""
    size = math.prod(shape)
    if size >= 2**32:
        raise ValueError(f"Random numbers are drawn for fewer than 2**32 elements; got {size}.")
    numbers = jax.lax.iota(jnp.uint32, size).reshape(shape)
    return _threefry(key, jnp.zeros_like(numbers), numbers)


def _seed(seed: Array) -> Array:
    return jnp.stack([jnp.uint32(0), seed.astype(jnp.uint32)])


def _split(key: Array, shape: tuple[int, ...]) -> Array:
    return jnp.stack(_hashed(key, shape), axis=-1)


def _fold_in(key: Array, data: Any) -> Array:
    return jnp.stack(_threefry(key, jnp.uint32(0), data.astype(jnp.uint32)))


def _random_bits(key: Array, width: int, shape: tuple[int, ...]) -> Array:
    # Up to 32 bits mix both words of the hash: JAX's way with partitionable bits, its default.
    high, low = _hashed(key, shape)
    if width == 64:
        word = WORD_TYPES[width]
        return (high.astype(word) << word(32)) | low.astype(word)
    return (high ^ low).astype(WORD_TYPES[width])


THREEFRY = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="threefry in one pass",
    tag="isthmus",
)


def normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return `jax.random.normal`, made once for all members of a population that share the key."""
    return _once(partial(jax.random.normal, shape=shape, dtype=dtype), key)


def uniform(
    key: Array, shape: tuple[int, ...], dtype: DTypeLike, low: float = 0.0, high: float = 1.0
) -> Array:
    """Return `jax.random.uniform`, made once for all members of a population that share the key."""
    draw = partial(jax.random.uniform, shape=shape, dtype=dtype, minval=low, maxval=high)
    return _once(draw, key)


def chosen(key: Array, shape: tuple[int, int], rate: Any) -> Array:
    """Return which elements are chosen, each at this rate, to the nearest of 2**16 steps.

    A word of random bits decides for two elements, which takes half the time of `uniform`.
    """
    n, columns = shape
    words = _once(partial(jax.random.bits, shape=(n, -(-columns // 2)), dtype=jnp.uint32), key)
    halves = jnp.concatenate([words & jnp.uint32(0xFFFF), words >> jnp.uint32(16)], axis=1)
    return halves[:, :columns] < jnp.round(rate * 2**16).astype(jnp.uint32)


def _once(draw: Draw, key: Array) -> Array:
    """Return what is drawn, as an array in memory on a CPU.

    XLA would fuse drawing with what each member does with the numbers, and draw them again for each.
    It does not fuse across the branches of a condition, here one that always holds.
    """
    return jax.lax.platform_dependent(key, cpu=partial(_kept, draw), default=draw)


def _kept(draw: Draw, key: Array) -> Array:
    made = jax.eval_shape(draw, key)
    # A word of the key with its lowest bit set is never 0; XLA does not know that it is not.
    always = jax.random.key_data(key).ravel()[0] | jnp.uint32(1)
    return jax.lax.cond(always > 0, draw, lambda _: jnp.zeros(made.shape, made.dtype), key)

"""Rows go through a net in batches of one fixed shape."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Event, Lock
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.training.runtime import UNSHARED, device_here, settings_here, usable_cores
from isthmus.training.state import aligned_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from jax import Array

    from isthmus.nets import Net
    from isthmus.training.objective import Objective

MOST_THREADS = 8  # that compute whole blocks; each holds one
BLOCK = 4  # times `rows_per_call` are computed by one call, of which each takes a while to begin
# How a CPU computes blocks: each on one core, and all but products by XLA's own kernels, at the full
# width of vectors. docs/performance-log.md has the figures.
ALONE: dict[str, str | bool | int | float] = UNSHARED | {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
    "xla_cpu_prefer_vector_width": 512,
}


@partial(jax.jit, static_argnames=("what", "layer"), inline=True)
def _apply(objective: Objective, net: Net, x: Array, what: str, layer: int | None) -> Array:
    if what == "decode":
        return objective.loss.shown(net.decode(x))
    if what == "encode" and layer is not None:
        return type(net)(net.encoder[:layer], ()).encode(objective.loss.seen(x))
    result: Array = getattr(objective, what)(net, x)
    return result


def _by_tiles(
    objective: Objective, net: Net, x: Array, count: Array, what: str, layer: int | None
) -> Array:
    """Apply to the first `count` tiles of a block; what comes behind is 0."""
    tile, applied = rows_per_tile(net), partial(_apply, objective, net, what=what, layer=layer)
    made = jax.eval_shape(applied, jax.ShapeDtypeStruct((tile, *x.shape[1:]), x.dtype))

    def place(i: Array, out: Array) -> Array:
        part = applied(jax.lax.dynamic_slice_in_dim(x, i * tile, tile))
        return jax.lax.dynamic_update_slice_in_dim(out, part, i * tile, 0)

    whole = jnp.zeros((len(x), *made.shape[1:]), made.dtype)
    result: Array = jax.lax.fori_loop(0, count, place, whole)
    return result


_apply_on_cpu = jax.jit(_by_tiles, static_argnames=("what", "layer"), compiler_options=ALONE)


def map_batches(
    what: str,
    objective: Objective,
    net: Net,
    x: np.ndarray,
    prepare: Callable[[np.ndarray], np.ndarray],
    layer: int | None = None,
) -> np.ndarray:
    """Apply "encode", "decode", "reconstruct" or "excess" to rows, in blocks of one fixed shape.

    The shape does not depend on how many rows there are, so a row's result is the same to the bit
    whatever rows come with it. `prepare` makes the scaled rows of a few; it is called for one part
    after the other, in their order, while other threads compute the blocks before.
    """
    size = rows_per_call(net) * (BLOCK if _on_cpu() else 1)
    made = partial(_made, objective, jax.device_put(net), what, layer)
    first = made(_prepared(x[:size], size, prepare))  # alone: what compiles the program
    out = np.empty((len(x), *first.shape[1:]), first.dtype)
    out[:size] = first

    def place(begin: int, block: Block) -> None:
        out[begin : begin + size] = made(block)

    begins = range(size, len(x), size)
    blocks = ((begin, _prepared(x[begin : begin + size], size, prepare)) for begin in begins)
    _on_threads(place, blocks, len(begins))
    return out


class Block(NamedTuple):
    """Scaled rows and how many of them are real; those behind are 0."""

    x: np.ndarray
    n: int


def _made(objective: Objective, net: Net, what: str, layer: int | None, block: Block) -> np.ndarray:
    """Return what becomes of the real rows of a block."""
    if _on_cpu():
        count = np.int32(-(-block.n // rows_per_tile(net)))
        result = _apply_on_cpu(objective, net, block.x, count, what=what, layer=layer)
    else:
        result = _apply(objective, net, block.x, what=what, layer=layer)
    return np.asarray(result)[: block.n]


def _on_cpu() -> bool:
    return device_here().platform == "cpu"


def _prepared(x: np.ndarray, size: int, prepare: Callable[[np.ndarray], np.ndarray]) -> Block:
    """Return scaled rows in a block of the fixed size, which a CPU reads without a copy.

    They are made a few at a time: what is made of them in double precision stays in the cache.
    """
    step = max(2**16 // x.shape[1], 1)
    first = prepare(x[:step])
    block = aligned_rows(size, first.shape[1], first.dtype.name)
    block[: len(first)] = first
    for begin in range(step, len(x), step):
        block[begin : min(begin + step, len(x))] = prepare(x[begin : begin + step])
    return Block(block, len(x))


def _on_threads(
    work: Callable[[int, Block], None], items: Iterable[tuple[int, Block]], count: int
) -> None:
    """Do the work for each of so many items: as many at once as there are cores, up to a few.

    Whole blocks on each core are faster than blocks of which each product is shared out. Items are made
    one at a time, by the thread that takes them.
    """
    lock, ended, left, settings = Lock(), Event(), iter(items), settings_here()

    def take() -> tuple[int, Block] | None:
        with lock:
            return None if ended.is_set() else next(left, None)

    def loop() -> None:
        try:
            with settings():
                while (item := take()) is not None:
                    work(*item)
        finally:  # also of an error: the others need not go on
            ended.set()

    threads = min(usable_cores(), MOST_THREADS, count)
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        try:
            for future in [pool.submit(copy_context().run, loop) for _ in range(threads)]:
                future.result()
        finally:
            ended.set()


def rows_per_call(net: Net) -> int:
    """Return the fixed number of rows of a call: about 2**18 values in the widest layer.

    Patches, which are made and used up at once, may take several times as many.
    """
    rows = min(max(round(math.log2(2**18 / _widest(net))), 7), 12)
    patches = max(layer.width for layer in net.encoder)
    return int(2 ** max(min(rows, round(math.log2(2**23 / patches))), 3))


def rows_per_tile(net: Net) -> int:
    """Return how many rows a core computes at once: about 2**15 values in the widest layer, which its
    cache holds.
    """
    rows = min(max(round(math.log2(2**15 / _widest(net))), 5), 9)
    return min(int(2**rows), rows_per_call(net))


def _widest(net: Net) -> int:
    return max(net.n_features, *(layer.n_out for layer in net.encoder))

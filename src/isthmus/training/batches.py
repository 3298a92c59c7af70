"""Rows go through a net in batches of one fixed shape."""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import jax
import numpy as np

from isthmus.nets import Net
from isthmus.training.runtime import settings_here, usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from jax import Array

    from isthmus.training.objective import Objective

MOST_THREADS = 8  # that compute whole blocks; each holds one


@partial(jax.jit, static_argnames=("what", "layer"))
def _apply(objective: Objective, net: Net, x: Array, what: str, layer: int | None) -> Array:
    if what == "decode":
        return objective.loss.shown(net.decode(x))
    if what == "encode" and layer is not None:
        return Net(net.encoder[:layer], ()).encode(objective.loss.seen(x))
    result: Array = getattr(objective, what)(net, x)
    return result


def map_batches(
    what: str,
    objective: Objective,
    net: Net,
    x: np.ndarray,
    prepare: Callable[[np.ndarray], np.ndarray],
    layer: int | None = None,
) -> np.ndarray:
    """Apply "encode", "decode", "reconstruct" or "excess" to rows, in batches of one fixed shape.

    The shape does not depend on how many rows there are, so a row's result is the same to the bit
    whatever rows come with it. `prepare` makes the scaled rows of a block; it is called here, for one
    block after the other, while threads compute those before.
    """
    size = rows_per_call(net)
    apply = partial(_apply, objective, jax.device_put(net), what=what, layer=layer)

    def made(block: np.ndarray) -> np.ndarray:
        return np.asarray(apply(_filled(block, size)))[: len(block)]

    first = made(prepare(x[:size]))  # alone: what compiles the program
    out = np.empty((len(x), *first.shape[1:]), first.dtype)
    out[:size] = first

    def place(begin: int, block: np.ndarray) -> None:
        with there():
            out[begin : begin + size] = made(block)

    there, begins = settings_here(), range(size, len(x), size)
    _on_threads(place, ((begin, prepare(x[begin : begin + size])) for begin in begins), len(begins))
    return out


def _on_threads(
    work: Callable[[int, np.ndarray], None], items: Iterable[tuple[int, np.ndarray]], count: int
) -> None:
    """Do the work for each of so many items: as many at once as there are cores, up to a few.

    Whole blocks on each core are faster than blocks of which each product is shared out.
    """
    threads = min(usable_cores(), MOST_THREADS, count)
    if threads < 1:
        return
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            pending.append(pool.submit(work, *item))
            if len(pending) > threads:
                pending.popleft().result()
        for rest in pending:
            rest.result()


def _filled(block: np.ndarray, size: int) -> np.ndarray:
    """Return a block with rows of zeros at its end, so that it has the fixed shape."""
    missing = size - len(block)
    if not missing:
        return block
    return np.concatenate([block, np.zeros((missing, block.shape[1]), block.dtype)])


def rows_per_call(net: Net) -> int:
    """Return the fixed number of rows of a call: about 2**18 values in the widest layer.

    Patches, which are made and used up at once, may take several times as many.
    """
    widest = max(net.n_features, *(layer.n_out for layer in net.encoder))
    rows = min(max(round(math.log2(2**18 / widest)), 7), 12)
    patches = max(layer.width for layer in net.encoder)
    return int(2 ** max(min(rows, round(math.log2(2**23 / patches))), 3))

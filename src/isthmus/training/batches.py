"""Rows go through a net in batches of one fixed shape."""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import jax
import numpy as np

from isthmus.nets import Net

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array

    from isthmus.training.objective import Objective


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
    whatever rows come with it. `prepare` makes the scaled rows of a block.
    """
    size, out = rows_per_call(net), np.empty(0)
    pending: deque[tuple[int, int, Array]] = deque()
    for begin in range(0, len(x), size):
        block = prepare(x[begin : begin + size])
        n = len(block)
        if n < size:
            block = np.concatenate([block, np.zeros((size - n, block.shape[1]), block.dtype)])
        pending.append((begin, n, _apply(objective, net, block, what, layer)))
        # one call is under way while the next block is prepared
        while len(pending) > (begin + size < len(x)):
            first, n, result = pending.popleft()
            values = np.asarray(result)[:n]
            if first == 0:
                out = np.empty((len(x), *values.shape[1:]), values.dtype)
            out[first : first + n] = values
    return out


def rows_per_call(net: Net) -> int:
    """Return the fixed number of rows of a call: about 2**18 values in the widest layer.

    Patches, which are made and used up at once, may take several times as many.
    """
    widest = max(net.n_features, *(layer.n_out for layer in net.encoder))
    rows = min(max(round(math.log2(2**18 / widest)), 7), 12)
    patches = max(layer.width for layer in net.encoder)
    return int(2 ** max(min(rows, round(math.log2(2**23 / patches))), 3))

"""The net of a run: built for the rows, or taken over from another model."""

from typing import Any

import equinox as eqx
import jax
import numpy as np

from isthmus.model.slots import Slots
from isthmus.nets.activations import ACTIVATIONS
from isthmus.nets.net import Net
from isthmus.training.layerwise import movable_weights


def check_same_layers(estimator: Any, fresh: Net) -> None:
    """Raise a ValueError where these slots would make other layers than the fitted ones."""
    estimator._need_decoder()
    lines = _differences(estimator.net_, fresh)
    if lines:
        raise ValueError(
            f"The fitted layers are kept, but the parameters now ask for others: {lines}; set "
            "warm_start=False and call fit to start anew."
        )


def transferred_net(source: Any, fresh: Net) -> Net:
    """Return the fresh net with the weights of another fitted model, whose layers must be the same."""
    if not hasattr(source, "net_"):
        raise ValueError(f"The init must be a fitted Autoencoder; got {source!r}.")
    source._need_decoder()
    lines = _differences(source.net_, fresh, precise=False)
    if lines:
        raise ValueError(
            f"The weights of init do not fit: {lines}. Give this model the same architecture, "
            "n_components and number of features as init, and the same loss, scaling and sparsity "
            "where only activations differ."
        )
    return jax.tree.map(lambda theirs, ours: np.asarray(theirs, ours.dtype), source.net_, fresh)


def _differences(was: Net, now: Net, precise: bool = True) -> str:
    """Return which layers of two nets do not agree, in words."""
    lines = []
    for side in ("encoder", "decoder"):
        theirs, ours = getattr(was, side), getattr(now, side)
        if len(theirs) != len(ours):
            lines.append(f"its {side} has {len(theirs)} layers, not {len(ours)}")
            continue
        for i, pair in enumerate(zip(theirs, ours, strict=True)):
            a, b = (layer.describe(precise=precise) for layer in pair)
            lines += [f"layer {i + 1} of its {side} is {a}, not {b}"] * (a != b)
    return "; ".join(lines)


def build_net(
    estimator: Any,
    slots: Slots,
    x: np.ndarray,
    mean: np.ndarray,
    scaling: Any,
    seed: int,
    pretrained: bool = False,
) -> Net:
    """Return a fresh net whose output suits the loss and the scaling of the rows x.

    Where it is to be pretrained, each pair is prepared for its sparsity then.

    The output starts at the mean row, from where errors shrink and no exponential overflows.
    """
    sparsity = slots.sparsity
    output = slots.loss.link
    if output == "identity" and isinstance(scaling, str) and scaling == "range":
        output = "sigmoid"
    net: Net = slots.architecture.build(
        estimator.sample_shape_ or x.shape[1:],
        estimator.n_components,
        np.random.default_rng((seed, 2**33)),
        code_activation=sparsity.code_activation if sparsity else None,
        output=output,
        dtype=estimator.dtype,
    )
    mean = mean.reshape(-1, len(net.decoder[0].bias)).mean(axis=0)  # of each channel
    start = ACTIVATIONS[net.output].inverse(mean).astype(estimator.dtype)
    net = eqx.tree_at(lambda n: n.decoder[0].bias, net, start)
    frozen = movable_weights(net, estimator.freeze) is not None
    if sparsity is None:
        return net
    sparsity.check(net.code_activation, net.n_components)
    if pretrained and not frozen:
        return net
    return sparsity.prepare(net, np.asarray(slots.loss.seen(sample_rows(x))))


def sample_rows(x: Any) -> np.ndarray:
    """Return 256 of these rows, one shape for all numbers of rows."""
    return np.resize(x[:: max(len(x) // 256, 1)], (256, x.shape[1]))

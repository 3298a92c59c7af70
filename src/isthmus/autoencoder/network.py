"""The net of a run: built for the rows, or taken over from another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import numpy as np

from isthmus.autoencoder.advice import warn_of_identity, warn_of_residual
from isthmus.nets import ACTIVATIONS
from isthmus.training import movable_weights

if TYPE_CHECKING:
    from isthmus.autoencoder.parameters import Parameters
    from isthmus.autoencoder.rows import Prepared
    from isthmus.model import Slots
    from isthmus.nets import Net


def build_net(
    parameters: Parameters,
    slots: Slots,
    prepared: Prepared,
    sample_shape: tuple[int, ...] | None,
    seed: int,
    *,
    pretrained: bool = False,
    whole: bool = True,
    kept: Net | None = None,
) -> Net:
    """Return a fresh net whose output suits the loss and the scaling of the prepared rows.

    Where it is to be pretrained, each pair is prepared for its sparsity then. `whole` says whether the
    rows are all that there will be; `kept` is a net that goes on in place of this one.

    The output starts at the mean row, from where errors shrink and no exponential overflows; that of a
    residual net starts at its input.
    """
    sparsity, x = slots.sparsity, prepared.rows.x
    output = slots.loss.link
    if output == "identity" and prepared.scaling == "range":
        output = _output_of_range(whole, kept)
    net: Net = slots.architecture.build(
        sample_shape or (prepared.width,),
        parameters.n_components,
        np.random.default_rng((seed, 2**33)),
        code_activation=sparsity.code_activation if sparsity else None,
        output=output,
        dtype=parameters.dtype,
    )
    if not net.residual:
        net = _at_mean(net, np.asarray(slots.loss.start(prepared.mean[None])))  # type: ignore[arg-type]  # NumPy's will do
    frozen = movable_weights(net, parameters.freeze) is not None
    if sparsity is None:
        return net
    sparsity.check(net.code_activation, net.n_components)
    if pretrained and not frozen:
        return net
    seen = slots.loss.seen(sample_rows(x))  # type: ignore[arg-type]  # NumPy's rows will do
    return sparsity.prepare(net, np.asarray(seen))


def _at_mean(net: Net, mean: np.ndarray) -> Net:
    """Return the net with outputs that start at the mean row."""
    bias = net.decoder[0].bias
    mean = mean.reshape(-1, len(bias)).mean(axis=0)  # of each channel
    start = ACTIVATIONS[net.output].inverse(mean).astype(bias.dtype)
    moved: Net = eqx.tree_at(lambda n: n.decoder[0].bias, net, start)
    return moved


def _output_of_range(whole: bool, kept: Net | None) -> str:
    """Return what an output of "auto" is for rows scaled to [0, 1], which later ones may leave."""
    if kept is not None and kept.decoder and kept.output in ("identity", "sigmoid"):
        return kept.output
    return "sigmoid" if whole else "identity"


def sample_rows(x: np.ndarray) -> np.ndarray:
    """Return 256 of these rows, one shape for all numbers of rows."""
    return np.resize(x[:: max(len(x) // 256, 1)], (256, x.shape[1]))


def warn_of_wide_net(net: Net, slots: Slots, stacklevel: int) -> None:
    """Warn where nothing keeps a net from learning the identity, or from staying it."""
    if net.residual and not slots.objective().corruption and slots.objective().dropout[0] is None:
        warn_of_residual(stacklevel + 1)
        return
    narrowest = min(layer.n_out for layer in net.encoder)
    if narrowest >= net.n_features and not slots.constrained():
        warn_of_identity(net.n_components, net.n_features, stacklevel + 1)


def check_same_layers(fitted: Net, fresh: Net) -> None:
    """Raise a ValueError where the parameters would make other layers than the fitted ones."""
    lines = _differences(fitted, fresh)
    if lines:
        raise ValueError(
            f"The fitted layers are kept, but the parameters now ask for others: {lines}; set "
            "warm_start=False and call fit to start anew."
        )


def transferred_net(source: Net, fresh: Net) -> Net:
    """Return the fresh net with the weights of another fitted one, whose layers must be the same."""
    lines = _differences(source, fresh, precise=False)
    if lines:
        raise ValueError(
            f"The weights of init do not fit: {lines}. Give this model the same architecture, "
            "n_components and number of features as init, and the same loss, scaling and sparsity "
            "where only activations differ."
        )
    net: Net = jax.tree.map(lambda theirs, ours: np.asarray(theirs, ours.dtype), source, fresh)
    return net


def _differences(was: Net, now: Net, precise: bool = True) -> str:
    """Return which layers of two nets do not agree, in words."""
    lines = [
        f"it has {name}={getattr(was, name)}, not {getattr(now, name)}"
        for name in ("residual", "skips")
        if getattr(was, name) != getattr(now, name)
    ]
    for side in ("encoder", "decoder"):
        theirs, ours = getattr(was, side), getattr(now, side)
        if len(theirs) != len(ours):
            lines.append(f"its {side} has {len(theirs)} layers, not {len(ours)}")
            continue
        for i, pair in enumerate(zip(theirs, ours, strict=True)):
            a, b = (layer.describe(precise=precise) for layer in pair)
            lines += [f"layer {i + 1} of its {side} is {a}, not {b}"] * (a != b)
    return "; ".join(lines)

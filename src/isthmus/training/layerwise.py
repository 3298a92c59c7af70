"""Greedy layer-wise training: each encoder/decoder pair learns to code the layer below.

References: Hinton & Salakhutdinov, 2006; Bengio et al., "Greedy Layer-Wise Training of Deep
Networks", 2007; Vincent et al., "Stacked Denoising Autoencoders", 2010.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from isthmus.nets import Net
from isthmus.parts import MSE
from isthmus.training.batches import map_batches

if TYPE_CHECKING:
    from isthmus.nets import Layer
    from isthmus.training.objective import Objective
    from isthmus.training.state import DeviceRows
    from isthmus.training.windows import FarRows


def layer_pair(net: Net, i: int) -> Net:
    """Return the i-th encoder/decoder pair as an autoencoder of its own."""
    return Net((net.encoder[i],), (net.decoder[i],))


def merge_pair(net: Net, i: int, trained: Net) -> Net:
    """Return the net with its i-th pair replaced."""
    encoder, decoder = list(net.encoder), list(net.decoder)
    encoder[i], decoder[i] = trained.encoder[0], trained.decoder[0]
    return dataclasses.replace(net, encoder=tuple(encoder), decoder=tuple(decoder))


def pair_objective(objective: Objective, net: Net, i: int) -> Objective:
    """Return the same constraints for the i-th pair.

    Inner codes are compared by squared error, as the loss is made for the data. Sparsity acts where
    the pair's code allows it, and dropout where it acts in the whole net.
    """
    last = i == len(net.encoder) - 1
    inputs, hidden = objective.dropout
    objective = objective._replace(
        loss=objective.loss if i == 0 else MSE(),
        dropout=(inputs if i == 0 else hidden, None if last and i > 0 else hidden),
    )
    return objective if last else objective._replace(sparsity=_inner(objective.sparsity, net, i))


def _inner(sparsity: Any, net: Net, i: int) -> Any:
    """Return the sparsity if the i-th layer's code can carry it, else None."""
    if sparsity is None:
        return None
    layer = net.encoder[i]
    try:
        sparsity.check(layer.activation, layer.n_out)
    except ValueError:
        return None
    return dataclasses.replace(sparsity)


def codes_below(objective: Objective, net: Net, data: DeviceRows, i: int) -> DeviceRows:
    """Return the data as the i-th pair sees it: coded by the layers below."""
    if i == 0:
        return data
    codes = map_batches("encode", objective, net, np.asarray(data.x), lambda rows: rows, layer=i)
    return data._replace(x=jnp.asarray(codes))


def far_codes_below(objective: Objective, net: Net, data: FarRows, i: int) -> FarRows:
    """Return rows that are read in turn, and then coded by the layers below."""
    if i == 0:
        return data
    return data._replace(coded=lambda rows: codes_below(objective, net, rows, i))


def movable_weights(net: Net, freeze: Any) -> Net | None:
    """Return 1 for each array that training moves and 0 for each frozen one; None where all move."""
    if freeze is None or freeze == 0:
        return None
    depth = len(net.encoder)
    frozen = {"encoder": (depth, 0), "decoder": (0, depth)}.get(freeze, (freeze, 0))
    if frozen[0] > depth:
        raise ValueError(f"With freeze={freeze} the encoder needs as many layers; it has {depth}.")

    encoder, decoder = _marked(net.encoder, frozen[0]), _marked(net.decoder, frozen[1])
    shared = [i for i in range(frozen[1]) if net.decoder[i].weight is None]
    for i in shared:  # a frozen decoder holds the weight that it shares
        zero = _constant(encoder[i].weight, 0)
        marked = eqx.tree_at(lambda layer: layer.weight, encoder[i], zero)
        encoder = (*encoder[:i], marked, *encoder[i + 1 :])
    return dataclasses.replace(net, encoder=encoder, decoder=decoder)


def _marked(layers: tuple[Layer, ...], n: int) -> tuple[Layer, ...]:
    """Return 0 for each array of the first n layers and 1 for all others."""
    marked = []
    for i, layer in enumerate(layers):
        marked.append(jax.tree.map(partial(_constant, value=i >= n), layer))
    return tuple(marked)


def _constant(like: Any, value: Any) -> np.ndarray:
    return np.asarray(value, like.dtype)

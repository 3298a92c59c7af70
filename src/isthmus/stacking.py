"""Greedy layer-wise training: each encoder/decoder pair learns to code the layer below.

References: Hinton & Salakhutdinov, 2006; Bengio et al., "Greedy Layer-Wise Training of Deep
Networks", 2007; Vincent et al., "Stacked Denoising Autoencoders", 2010.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp

from isthmus.engine import Data
from isthmus.losses import MSE
from isthmus.nets import Net
from isthmus.objective import Objective


def pair(net: Net, i: int) -> Net:
    """Return the i-th encoder/decoder pair as an autoencoder of its own."""
    return Net((net.encoder[i],), (net.decoder[i],))


def merge(net: Net, i: int, trained: Net) -> Net:
    """Return the net with its i-th pair replaced."""
    encoder, decoder = list(net.encoder), list(net.decoder)
    encoder[i], decoder[i] = trained.encoder[0], trained.decoder[0]
    return Net(tuple(encoder), tuple(decoder))


def pair_objective(objective: Objective, net: Net, i: int) -> Objective:
    """Return the same constraints for the i-th pair.

    Inner codes are compared by squared error, as the loss is made for the data. Sparsity acts where
    the pair's code allows it.
    """
    last = i == len(net.encoder) - 1
    objective = objective._replace(loss=objective.loss if i == 0 else MSE())
    return objective if last else objective._replace(sparsity=_inner(objective.sparsity, net, i))


def _inner(sparsity: Any, net: Net, i: int) -> Any:
    """Return the sparsity if the i-th layer's code can carry it, else None."""
    if sparsity is None:
        return None
    layer = net.encoder[i]
    try:
        sparsity.check(layer.activation, layer.bias.shape[0])
    except ValueError:
        return None
    return dataclasses.replace(sparsity)


def codes_below(objective: Objective, net: Net, data: Data, i: int) -> Data:
    """Return the data as the i-th pair sees it: coded by the layers below."""
    if i == 0:
        return data
    below = Net(net.encoder[:i], ())
    return data._replace(x=jnp.asarray(below.encode(objective.loss.seen(data.x))))

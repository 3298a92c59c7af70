"""Nets: encoder and decoder layers in mirrored pairs, with their weights and nothing else."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from isthmus.activations import ACTIVATIONS


class Layer(eqx.Module):
    """A dense layer: `a(norm(x W + b))`, shapes (n, fan_in) -> (n, fan_out).

    A tied decoder layer has no weight of its own and takes the transpose of its encoder's.
    """

    weight: Array | None  # (fan_in, fan_out)
    bias: Array
    scale: Array | None  # layer normalisation's, where there is one
    shift: Array | None
    activation: str = eqx.field(static=True)

    def linear(self, x: Array, weight: Array | None = None) -> Array:
        """Return the layer's value before its activation, with its own or another's weight."""
        weight = self.weight if weight is None else weight
        assert weight is not None
        h = x @ weight + self.bias
        if self.scale is None or self.shift is None:
            return h
        centred = h - jnp.mean(h, axis=1, keepdims=True)
        deviation = jnp.sqrt(jnp.mean(centred**2, axis=1, keepdims=True) + 1e-5)
        return centred / deviation * self.scale + self.shift

    def activate(self, h: Array) -> Array:
        """Apply the activation."""
        return ACTIVATIONS[self.activation].function(h)


class Dropout(NamedTuple):
    """Probabilities for the input and the hidden units, None for off, and the key to draw with."""

    input: Array | None
    hidden: Array | None
    key: Array

    def __call__(self, x: Array, rate: Array | None, draw: int) -> Array:
        """Set values to 0 with probability `rate` and rescale the rest, so that the mean stays."""
        if rate is None:
            return x
        kept = jax.random.uniform(jax.random.fold_in(self.key, draw), x.shape, x.dtype) >= rate
        return jnp.where(kept, x / jnp.maximum(1 - rate, 1e-6), 0)


class Net(eqx.Module):
    """Pairs of encoder and decoder layers: encode runs e_1..e_L, decode runs d_L..d_1.

    `decoder[i]` undoes `encoder[i]`, so that a pair is an autoencoder of its own.
    """

    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]

    def encode(self, x: Array, dropout: Dropout | None = None) -> Array:
        """Return the encoder's output h; shapes (n, d) -> (n, m)."""
        if dropout:
            x = dropout(x, dropout.input, 0)
        for i, layer in enumerate(self.encoder):
            x = layer.activate(layer.linear(x))
            if dropout and (i + 1 < len(self.encoder) or len(self.encoder) == 1):
                x = dropout(x, dropout.hidden, 2 * i + 1)
        return x

    def decode_linear(self, z: Array, dropout: Dropout | None = None) -> Array:
        """Return the reconstruction before the output activation; shapes (n, m) -> (n, d)."""
        for i in reversed(range(1, len(self.decoder))):
            layer = self.decoder[i]
            z = layer.activate(layer.linear(z, self.decoder_weight(i)))
            if dropout:
                z = dropout(z, dropout.hidden, 2 * i + 2)
        return self.decoder[0].linear(z, self.decoder_weight(0))

    def decode(self, z: Array) -> Array:
        """Return the reconstruction; shapes (n, m) -> (n, d)."""
        return self.decoder[0].activate(self.decode_linear(z))

    def decoder_weight(self, i: int) -> Array:
        """Return the weight (fan_in, fan_out) of a decoder layer, its own or its encoder's."""
        own, encoder = self.decoder[i].weight, self.encoder[i].weight
        assert encoder is not None
        return encoder.T if own is None else own

    @property
    def code_activation(self) -> str:
        """The name of the code's activation."""
        return self.encoder[-1].activation

    @property
    def output(self) -> str:
        """The name of the output's activation."""
        return self.decoder[0].activation

    @property
    def elementwise(self) -> bool:
        """Whether the code is one affine map and a function of each unit alone."""
        return len(self.encoder) == 1 and self.encoder[0].scale is None

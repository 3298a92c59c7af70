"""Nets: encoder and decoder layers in mirrored pairs, with their weights and nothing else."""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from isthmus.nets.activations import ACTIVATIONS
from isthmus.nets.convolution import Window, convolve, transpose
from isthmus.nets.random import uniform


class Layer(eqx.Module):
    """A layer `a(norm(product(x, W) + b))` from flat rows to flat rows: (n, n_in) -> (n, n_out).

    A tied decoder layer has no weight of its own and takes its encoder's.
    """

    weight: Array | None
    bias: Array  # (channels,): the units of a dense layer, the maps of a convolution
    scale: Array | None  # layer normalisation's, where there is one
    shift: Array | None
    activation: str = eqx.field(static=True)

    def product(self, x: Array, weight: Array) -> Array:
        """Return the linear map of rows; (n, n_in) -> (n, ..., channels)."""
        raise NotImplementedError

    def tied(self, weight: Array) -> Array:
        """Return the weight of a tied decoder layer, given its encoder's."""
        raise NotImplementedError

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of a row before and after an encoder's layer."""
        raise NotImplementedError

    @property
    def n_in(self) -> int:
        """The number of values in a row before an encoder's layer."""
        return math.prod(self.shapes[0])

    @property
    def n_out(self) -> int:
        """The number of units of an encoder's layer."""
        return math.prod(self.shapes[1])

    @property
    def work(self) -> int:
        """The number of multiplications for a row, of an encoder's layer and of its mirror each."""
        raise NotImplementedError

    @property
    def width(self) -> int:
        """The number of values of the largest array that is made for a row."""
        return max(self.n_in, self.n_out)

    def linear(self, x: Array, weight: Array | None = None) -> Array:
        """Return the layer's value before its activation, with its own or another's weight."""
        weight = self.weight if weight is None else weight
        assert weight is not None
        h = self.product(x, weight) + self.bias
        if self.scale is not None and self.shift is not None:
            centred = h - jnp.mean(h, axis=-1, keepdims=True)
            deviation = jnp.sqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
            h = centred / deviation * self.scale + self.shift
        return h.reshape(len(h), -1)

    def activate(self, h: Array) -> Array:
        """Apply the activation."""
        return ACTIVATIONS[self.activation].function(h)


class DenseLayer(Layer):
    """A fully connected layer; its weight is (n_in, n_out)."""

    def product(self, x: Array, weight: Array) -> Array:
        """Return `x W`."""
        return x @ weight

    def tied(self, weight: Array) -> Array:
        """Return the encoder's weight, transposed."""
        return weight.T

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Both shapes have one axis."""
        assert self.weight is not None
        return self.weight.shape[:1], self.weight.shape[1:]

    @property
    def work(self) -> int:
        """One multiplication for each weight."""
        return self.n_in * self.n_out


class ConvLayer(Layer):
    """A convolution, of maps laid out flat; its weight is (*kernels, channels in, channels out)."""

    window: Window = eqx.field(static=True)

    def product(self, x: Array, weight: Array) -> Array:
        """Return the maps (n, *positions, channels out)."""
        maps = x.reshape(len(x), *(a.size for a in self.window), weight.shape[-2])
        return convolve(maps, weight, self.window)

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes (*sizes, channels) of the maps."""
        assert self.weight is not None
        before, behind = zip(*((a.size, a.positions) for a in self.window), strict=True)
        return (*before, self.weight.shape[-2]), (*behind, self.weight.shape[-1])

    @property
    def work(self) -> int:
        """Each weight, at each position."""
        assert self.weight is not None
        return math.prod(self.weight.shape) * math.prod(a.positions for a in self.window)

    @property
    def width(self) -> int:
        """The values of all patches."""
        return max(self.n_in, self.n_out, self.work // self.shapes[1][-1])


class TransposedConvLayer(Layer):
    """The mirror of a convolution: its adjoint, with a weight of the same shape and order."""

    window: Window = eqx.field(static=True)

    def product(self, x: Array, weight: Array) -> Array:
        """Return the maps (n, *sizes, channels in), exactly as large as the convolution's input."""
        maps = x.reshape(len(x), *(a.positions for a in self.window), weight.shape[-1])
        return transpose(maps, weight, self.window)

    def tied(self, weight: Array) -> Array:
        """Return the encoder's weight: an adjoint shares it."""
        return weight


class Dropout(NamedTuple):
    """Probabilities for the input and the hidden units, None for off, and the key to draw with."""

    input: Array | None
    hidden: Array | None
    key: Array

    def __call__(self, x: Array, rate: Array | None, draw: int) -> Array:
        """Set values to 0 with probability `rate` and rescale the rest, so that the mean stays."""
        if rate is None:
            return x
        kept = uniform(jax.random.fold_in(self.key, draw), x.shape, x.dtype) >= rate
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
        """Return the weight of a decoder layer, its own or its encoder's."""
        own, encoder = self.decoder[i].weight, self.encoder[i].weight
        assert encoder is not None
        return self.decoder[i].tied(encoder) if own is None else own

    @property
    def n_features(self) -> int:
        """The width of the input."""
        return self.encoder[0].n_in

    @property
    def n_components(self) -> int:
        """The width of the code."""
        return self.encoder[-1].n_out

    @property
    def work(self) -> int:
        """The number of multiplications for a row, encoded and decoded."""
        return sum(layer.work * (2 if self.decoder else 1) for layer in self.encoder)

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

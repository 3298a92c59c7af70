"""Nets: encoder and decoder layers in mirrored pairs, with their weights and nothing else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from isthmus.nets.random import uniform

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array

    from isthmus.nets.layer import Layer


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

    def check(self) -> None:
        """Raise a ValueError unless the layers fit one another, and come in pairs if there are both."""
        if self.decoder and len(self.decoder) != len(self.encoder):
            raise ValueError(
                f"The encoder has {len(self.encoder)} layers and the decoder {len(self.decoder)}."
            )
        width = None
        for i, layer in enumerate(self.encoder, 1):
            _checked(f"Layer {i} of the encoder", layer.check)
            if width not in (None, layer.n_in):
                raise ValueError(
                    f"Layer {i} of the encoder takes {layer.n_in} values, not {width}."
                )
            width = layer.n_out
            if self.decoder:
                mirror = partial(layer.check_mirror, self.decoder[i - 1])
                _checked(f"Layer {i} of the decoder", mirror)


def _checked(place: str, check: Callable[[], None]) -> None:
    """Check a layer; the error says which it is."""
    try:
        check()
    except ValueError as error:
        raise ValueError(f"{place} does not fit: {error}.") from error

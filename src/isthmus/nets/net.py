"""Nets: encoder and decoder layers in mirrored pairs, with their weights and nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import lcm
from typing import TYPE_CHECKING, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp

from isthmus.nets.conv import WindowedLayer
from isthmus.nets.random import uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jax import Array

    from isthmus.nets.convolution import Axis, Window
    from isthmus.nets.layer import Layer

CODE_ALONE = (
    "A code alone cannot be decoded by a net with residual=True or skips=True, which adds to its "
    "outputs what it saw of the row: use reconstruct on rows, or fit with neither."
)


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


class Kept(NamedTuple):
    """What a decoder needs beside the code: a residual net's input, and what hidden layers gave."""

    x: Array | None
    hidden: tuple[Array, ...]


class Net(eqx.Module):
    """Pairs of encoder and decoder layers: encode runs e_1..e_L, decode runs d_L..d_1.

    `decoder[i]` undoes `encoder[i]`, so that a pair is an autoencoder of its own. A residual net adds
    its input to what comes out; with skips what `encoder[i]` gives is added to what `decoder[i + 1]`
    gives, for all layers but the last. Such nets decode no code alone.
    """

    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    residual: bool = eqx.field(static=True, default=False)
    skips: bool = eqx.field(static=True, default=False)

    def encode(self, x: Array, dropout: Dropout | None = None) -> Array:
        """Return the encoder's output h; shapes (n, d) -> (n, m)."""
        return self.encode_keeping(x, dropout)[0]

    def encode_keeping(self, x: Array, dropout: Dropout | None = None) -> tuple[Array, Kept | None]:
        """Return the encoder's output, and what the decoder needs beside it; None of a plain net."""
        if dropout:
            x = dropout(x, dropout.input, 0)
        values = [x]
        for i, layer in enumerate(self.encoder):
            x = layer.activate(layer.linear(x))
            if dropout and (i + 1 < len(self.encoder) or len(self.encoder) == 1):
                x = dropout(x, dropout.hidden, 2 * i + 1)
            values.append(x)
        if not self.needs_input:
            return x, None
        hidden = tuple(values[1:-1]) if self.skips else ()
        return x, Kept(values[0] if self.residual else None, hidden)

    def decode_linear(
        self, z: Array, dropout: Dropout | None = None, kept: Kept | None = None
    ) -> Array:
        """Return the reconstruction before the output activation; shapes (n, m) -> (n, d).

        A net that needs its input takes what `encode_keeping` kept of it.
        """
        if self.needs_input and kept is None:
            raise ValueError(CODE_ALONE)
        for i in reversed(range(1, len(self.decoder))):
            layer = self.decoder[i]
            z = layer.activate(layer.linear(z, self.decoder_weight(i)))
            if dropout:
                z = dropout(z, dropout.hidden, 2 * i + 2)
            if kept and kept.hidden:
                z = z + kept.hidden[i - 1]
        a = self.decoder[0].linear(z, self.decoder_weight(0))
        return a if kept is None or kept.x is None else a + kept.x

    def decode(self, z: Array, kept: Kept | None = None) -> Array:
        """Return the reconstruction; shapes (n, m) -> (n, d)."""
        return self.decoder[0].activate(self.decode_linear(z, kept=kept))

    def decoder_weight(self, i: int) -> Array:
        """Return the weight of a decoder layer, its own or its encoder's."""
        own, encoder = self.decoder[i].weight, self.encoder[i].weight
        assert encoder is not None
        return self.decoder[i].tied(encoder) if own is None else own

    @property
    def needs_input(self) -> bool:
        """Whether the decoder adds to the code what the encoder saw."""
        return self.residual or self.skips

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

    # -- maps of other sizes -----------------------------------------------------------------------

    @property
    def windows(self) -> tuple[Window, ...]:
        """The windows of its layers, from the outermost; ValueError for a layer that has none."""
        return tuple(_windowed(layer).window for layer in self.encoder)

    @property
    def total_stride(self) -> int:
        """By how many pixels the input must move for the code to move by whole places."""
        strides = [1] * len(self.windows[0])
        for window in self.windows:
            strides = [s * axis.stride for s, axis in zip(strides, window, strict=True)]
        return lcm(*strides)

    @property
    def radius(self) -> int:
        """How far a pixel of the input can be from a pixel of the output that it changes."""
        period = self.total_stride
        return max(
            _reach(axes, at) for axes in zip(*self.windows, strict=True) for at in range(period)
        )

    def resized(self, sizes: Sequence[int]) -> Self:
        """Return the net with the same weights, over maps of other sizes.

        Every layer keeps its stride and its zeros around the maps. ValueError for a net with layers
        that are no convolutions, and for sizes that are no multiples of the total stride.
        """
        period = self.total_stride
        if len(sizes) != len(self.windows[0]) or any(s < 1 or s % period for s in sizes):
            raise ValueError(
                f"The net takes {len(self.windows[0])} sizes that are multiples of {period}, its total "
                f"stride; got {'x'.join(map(str, sizes))}."
            )
        windows = _over(self.windows, sizes)
        encoder, decoder = (
            tuple(
                replace(_windowed(layer), window=w) for layer, w in zip(side, windows, strict=False)
            )
            for side in (self.encoder, self.decoder)
        )
        return replace(self, encoder=encoder, decoder=decoder)

    def check(self) -> None:
        """Raise a ValueError unless the layers fit one another, and come in pairs if there are both."""
        if self.decoder and self.residual and self.output != "identity":
            raise ValueError(f"A residual net cannot have outputs of {self.output!r}.")
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


def _windowed(layer: Layer) -> WindowedLayer:
    """Return a layer that moves over maps; ValueError for another."""
    if not isinstance(layer, WindowedLayer):
        raise ValueError(
            f"A net with a {layer.title} takes maps of one size only: use an architecture of "
            "convolutions with code='maps'."
        )
    return layer


def _over(windows: Sequence[Window], sizes: Sequence[int]) -> list[Window]:
    """Return the same windows one behind the other, over maps of these sizes."""
    over: list[Window] = []
    sides = sizes
    for window in windows:
        over.append(tuple(a._replace(size=s) for a, s in zip(window, sides, strict=True)))
        sides = [axis.positions for axis in over[-1]]
        if min(sides) < 1:
            given = "x".join(map(str, sizes))
            raise ValueError(f"The net's kernels do not fit into maps of {given}.")
    return over


def _reach(axes: Sequence[Axis], at: int) -> int:
    """Return how far from a place of the output the places of the input are that change it."""
    spans, low, high = [(at, at)], at, at
    for axis in axes:  # the positions whose kernels touch the places from low to high
        low, high = (
            -((axis.kernel - 1 - axis.low - low) // axis.stride),
            (high + axis.low) // axis.stride,
        )
        spans.append((low, high))
    for axis, (below, above) in zip(reversed(axes), reversed(spans[:-1]), strict=True):
        low, high = axis.stride * low - axis.low, axis.stride * high - axis.low + axis.kernel - 1
        low, high = min(low, below), max(high, above)
    return max(at - low, high - at)

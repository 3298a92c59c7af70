"""Architectures that move kernels over images and signals."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from isthmus.nets import ACTIVATIONS, HIDDEN_ACTIVATIONS, PADDINGS, Axis
from isthmus.parts.architectures import CODE_WIDTH, Architecture, Plan, whole_numbers
from isthmus.parts.part import number, option

EACH_LAYER = "whole number in [1, inf), or one for each layer"


def each_layer(default: int) -> Any:
    """Declare a field that takes a whole number of at least 1, or one for each layer."""
    return field(default=default, metadata={"takes": EACH_LAYER})


@dataclass
class Convolutional(Architecture):
    """Convolutions over maps, and their adjoints back: what `Conv` and `Conv1d` share."""

    spatial: ClassVar[bool] = True

    channels: tuple[int, ...] = option((16, 32))
    kernel: int | tuple[int, ...] = each_layer(3)
    stride: int | tuple[int, ...] = each_layer(2)
    padding: str = option("same", PADDINGS)
    activation: str = option("auto", ("auto", *HIDDEN_ACTIVATIONS))
    code_activation: str = option("auto", ("auto", *HIDDEN_ACTIVATIONS))
    output: str = option("auto", ("auto", *ACTIVATIONS))
    tied: bool = option(False, (False, True))
    dropout: float = number(0.0, "[0, 1)")
    input_dropout: float = number(0.0, "[0, 1)")
    norm: str | None = option(None, (None, "layer"))
    code: str = option("dense", ("dense", "maps"))
    input_shape: tuple[int, ...] | None = option(None)
    residual: bool = option(False, (False, True))
    skips: bool = option(False, (False, True))

    def validate(self) -> None:
        self.channels = whole_numbers(self, "channels", "numbers of maps", "(16, 32)", least=1)
        if self.input_shape is not None:
            self.input_shape = whole_numbers(self, "input_shape", "sizes", "(28, 28)", least=1)
        self.kernel = _for_each_layer(self, "kernel")
        self.stride = _for_each_layer(self, "stride")
        super().validate()

    def _by_layer(self) -> list[tuple[int, int, int]]:
        """Return the maps, the kernel and the stride of each layer."""
        n = len(self.channels)
        kernels, strides = (
            values if isinstance(values, tuple) else (values,) * n
            for values in (self.kernel, self.stride)
        )
        return list(zip(self.channels, kernels, strides, strict=True))

    def maps(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape (*sizes, channels) of a row of this shape; ValueError if it is none."""
        raise NotImplementedError

    def plan(self, shape: tuple[int, ...], n_components: int | None) -> list[Plan]:
        shape, plans = self.maps(shape), list[Plan]()
        for i, (channels, kernel, stride) in enumerate(self._by_layer()):
            *sizes, before = shape
            self._check_fits(sizes, kernel, i)
            axes = (Axis.of(s, kernel, stride, self.padding) for s in sizes)
            window = tuple(axes)
            plans.append(Plan.convolution(window, before, channels))
            shape = (*(a.positions for a in window), channels)
        units = math.prod(shape)
        if self.code == "dense":
            return [*plans, Plan.dense(units, n_components or CODE_WIDTH)]
        if n_components not in (None, units):
            product = " x ".join(map(str, shape))
            raise ValueError(
                f"With code='maps' the code is the last maps, {product} = {units} units, but "
                f"n_components={n_components}: set n_components=None, or code='dense'."
            )
        return plans

    def _check_fits(self, sizes: list[int], kernel: int, i: int) -> None:
        if self.padding == "valid" and min(sizes) < kernel:
            raise ValueError(
                f"The architecture {self.name!r} cannot move a kernel of {kernel} over the "
                f"{' x '.join(map(str, sizes))} values before layer {i + 1} with padding='valid': "
                "use padding='same', a smaller kernel, a smaller stride or fewer layers."
            )

    def _settled(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a row: its own if the data have one, else `input_shape`."""
        if self.input_shape is None:
            return shape
        if math.prod(self.input_shape) != math.prod(shape):
            raise ValueError(
                f"The architecture {self.name!r} has input_shape={self.input_shape}, which is "
                f"{math.prod(self.input_shape)} values, but a row of X has {math.prod(shape)}."
            )
        if len(shape) > 1 and self.input_shape not in (shape, (*shape, 1)):
            raise ValueError(
                f"The architecture {self.name!r} has input_shape={self.input_shape}, but X has rows "
                f"of shape {shape}: leave input_shape out, which is for flat rows."
            )
        return shape if len(shape) > 1 else self.input_shape


@dataclass
class Conv(Convolutional, name="conv"):
    """Convolutional layers over images; the decoder's are their adjoints, and a dense code.

    `h_m = a(sum_c W_mc * x_c + b_m)` for each of a layer's maps m, over the channels c below. With
    padding p on either side, a kernel of side 2k + 1 and stride S, a side I becomes `O = (I + 2p -
    (2k + 1)) // S + 1`; the transposed convolution of the decoder returns exactly I.

    Parameters
    ----------
    channels : tuple of int
        How many maps each layer has.
    kernel : int or tuple of int
        The side of the filters, or one for each layer.
    stride : int or tuple of int
        By how many pixels the filters move, or one for each layer.
    padding : "same", "valid" or "full"
        Zeros around the maps: as few as give `ceil(I / S)` positions, none, or `kernel - 1` on
        either side. Edges that "valid" never reaches are reproduced by one value a channel.
    activation : str
        Of the layers, as in `Dense`; "auto" is "gelu", and "tanh" for lone maps as the code.
    code_activation : str
        Of the code, as in `Dense`.
    output : str
        Of the reconstruction, as in `Dense`.
    tied : bool
        Whether the decoder uses the encoder's filters, stored once.
    dropout : float in [0, 1)
        Probability that a unit of the hidden maps is dropped in training.
    input_dropout : float in [0, 1)
        The same for the input.
    norm : None or "layer"
        Layer normalisation over the maps, at each position.
    code : "dense" or "maps"
        Whether a dense layer of `n_components` units follows, or the last maps are the code, as many
        units as they have values.
    input_shape : tuple of int, optional
        (h, w) or (h, w, c) of the images that flat rows are. Images given as (n, h, w[, c]) need
        none, unless they look as if their channels came first: h is 1, 3 or 4, and both w and c are
        above 4. Those with w = c are refused, and others warned of, until this says what they are.
    residual : bool
        Whether the net gives what is added to its input, as in `Dense`.
    skips : bool
        Whether what each layer of the encoder gives but the last is added to what its mirror gets
        (Mao et al., 2016).

    Raises
    ------
    ValueError
        By `fit`, if rows are no images or a kernel does not fit.

    References
    ----------
    Masci et al., "Stacked Convolutional Auto-Encoders", 2011.

    Examples
    --------
    >>> Conv(channels=(16, 32), padding="full").to_string()
    'conv:padding=full'
    """

    def maps(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        shape = self._settled(shape)
        if len(shape) not in (2, 3):
            raise ValueError(
                "The architecture 'conv' works on images: give X as (n, h, w) or (n, h, w, c), or "
                f"say what flat rows are with input_shape=(h, w); a row has shape {shape}. For "
                "signals there is 'conv1d'."
            )
        if len(shape) == 2:
            return (*shape, 1)
        if self.input_shape is None and shape[0] in (1, 3, 4) and min(shape[1:]) > 4:
            _doubt_channels(shape)
        return shape


@dataclass
class Conv1d(Convolutional, name="conv1d"):
    """Convolutional layers over signals: `Conv` with one axis.

    Rows are signals (n, length), or (n, length, c) of several channels.

    Parameters
    ----------
    channels : tuple of int
        How many channels each layer has.
    kernel : int or tuple of int
        The length of the filters, or one for each layer.
    stride : int or tuple of int
        By how many samples the filters move, or one for each layer.
    padding : "same", "valid" or "full"
        Zeros before and behind, as in `Conv`.
    activation : str
        Of the layers, as in `Conv`.
    code_activation : str
        Of the code, as in `Dense`.
    output : str
        Of the reconstruction, as in `Dense`.
    tied : bool
        Whether the decoder uses the encoder's filters, stored once.
    dropout : float in [0, 1)
        Probability that a hidden unit is dropped in training.
    input_dropout : float in [0, 1)
        The same for the input.
    norm : None or "layer"
        Layer normalisation over the channels, at each position.
    code : "dense" or "maps"
        Whether a dense layer of `n_components` units follows, or the last channels are the code.
    input_shape : tuple of int, optional
        (length, c), if flat rows are signals of several channels.
    residual : bool
        Whether the net gives what is added to its input, as in `Dense`.
    skips : bool
        Whether what each layer of the encoder gives but the last is added to what its mirror gets.

    Examples
    --------
    >>> Conv1d(channels=(8,), kernel=5).to_string()
    'conv1d:channels=[8],kernel=5'
    """

    axes: ClassVar[int] = 1

    def maps(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        shape = self._settled(shape)
        if len(shape) > 2:
            raise ValueError(
                "The architecture 'conv1d' works on signals: give X as (n, length) or (n, length, "
                f"c); a row has shape {shape}. For images there is 'conv'."
            )
        return shape if len(shape) == 2 else (*shape, 1)


def _doubt_channels(shape: tuple[int, ...]) -> None:
    """Refuse images (h, w, c) that look square and channels first; warn of those that may be."""
    h, w, c = shape
    ways = (
        f"give np.moveaxis(X, 1, -1), or, if they have {h} x {w} pixels and {c} channels, say so "
        f"with input_shape={shape}."
    )
    taken = "The architecture 'conv' takes images with the channels last, (n, h, w, c), and rows of"
    if w == c:
        raise ValueError(f"{taken} shape {shape} look like channels first: {ways}")
    warnings.warn(
        f"{taken} shape {shape} could have them first: if so, {ways}",
        stacklevel=8,  # the user's call of `fit`
    )


def _for_each_layer(part: Convolutional, field: str) -> int | tuple[int, ...]:
    """Return a field as one whole number, or a tuple of one for each layer."""
    given, layers = getattr(part, field), len(part.channels)
    alone = not isinstance(given, tuple | list)
    values = (given,) if alone else tuple(given)
    whole = all(_is_whole(value) for value in values)
    if not whole or not (alone or len(values) == layers):
        raise ValueError(
            f"The architecture {part.name!r} needs {field} to be a whole number in [1, inf), or one "
            f"for each of its {layers} layers; got {given!r}."
        )
    return int(values[0]) if alone else tuple(int(value) for value in values)


def _is_whole(value: Any) -> bool:
    """Return whether a value is a whole number of at least 1; True is none."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and bool(value >= 1) and math.isfinite(value) and int(value) == value

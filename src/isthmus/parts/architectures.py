"""Architectures: builders of nets."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import equinox as eqx
import numpy as np

from isthmus.nets import (
    ACTIVATIONS,
    BOUNDED_ACTIVATIONS,
    HIDDEN_ACTIVATIONS,
    PADDINGS,
    Axis,
    ConvLayer,
    DenseLayer,
    Layer,
    Net,
    TransposedConvLayer,
)
from isthmus.parts.part import Part, number, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.nets import (
        Window,
    )

CODE_WIDTH = 2  # of a dense code, if n_components is None


class LayerPlan(NamedTuple):
    """A layer to be: its class, its weight's shape, its bias's length, and its class's settings."""

    layer: type[Layer]
    shape: tuple[int, ...]
    channels: int
    settings: Mapping[str, object] = MappingProxyType({})


class Plan(NamedTuple):
    """A pair of layers to be; weights start uniform between `-limit` and `limit`, times a gain.

    Glorot's limit is `sqrt(6 / (values in + values out))` of what one value is made of, and makes.
    """

    encoder: LayerPlan
    decoder: LayerPlan
    limit: float

    @classmethod
    def dense(cls, n_in: int, n_out: int) -> Self:
        """Return a pair of fully connected layers."""
        return cls(
            LayerPlan(DenseLayer, (n_in, n_out), n_out),
            LayerPlan(DenseLayer, (n_out, n_in), n_in),
            _glorot(n_in, n_out),
        )

    @classmethod
    def convolution(cls, window: Window, before: int, channels: int) -> Self:
        """Return a convolution, from so many channels to so many, and its adjoint."""
        shape, settings = (*(a.kernel for a in window), before, channels), {"window": window}
        taps = math.prod(a.kernel for a in window)
        reached = taps / math.prod(a.stride for a in window)  # positions that see one value
        return cls(
            LayerPlan(ConvLayer, shape, channels, settings),
            LayerPlan(TransposedConvLayer, shape, before, settings),
            _glorot(taps * before, reached * channels),
        )


class Architecture(Part, slot="architecture"):
    """A recipe for an encoder E and a decoder D of mirrored layers.

    A subclass plans the layers, of any class. Its fields are what it lets a user choose, such as the
    settings below, which otherwise are as here. `spatial` says that neighbouring columns are alike and
    share weights, so that one scaling serves all of them.
    """

    spatial: ClassVar[bool] = False

    activation: str = "auto"
    code_activation: str = "auto"
    output: str = "auto"
    tied: bool = False
    norm: str | None = None

    def plan(self, shape: tuple[int, ...], n_components: int | None) -> list[Plan]:
        """Return the pairs of layers for rows of this shape, from the outermost to the code."""
        raise NotImplementedError

    def build(
        self,
        shape: tuple[int, ...],
        n_components: int | None,
        rng: np.random.Generator,
        *,
        code_activation: str | None,
        output: str,
        dtype: str,
    ) -> Net:
        """Return a net with fresh weights, as NumPy arrays.

        `shape` is that of a row, (d,) or (h, w[, c]). `code_activation` is the sparsity's wish for
        the code, and `output` the loss's and the data's for the output; both act if the
        architecture's own setting is "auto".
        """
        plans = self.plan(shape, n_components)
        hidden = "gelu" if self.activation == "auto" else self.activation
        code = self._code_activation(code_activation, deep=len(plans) > 1)
        inner = [hidden] * (len(plans) - 1)
        ups = [*inner, code]
        downs = [output if self.output == "auto" else self.output, *inner]
        encoder, decoder = [], []
        for i, plan in enumerate(plans):
            norms = i < len(plans) - 1 and self.norm == "layer", i > 0 and self.norm == "layer"
            self._check_norms(plan, norms)
            up, down = (
                _start(rng, layer, plan.limit, activations[i], dtype, norm=norm)
                for layer, activations, norm in zip(plan[:2], (ups, downs), norms, strict=True)
            )
            encoder.append(up)
            decoder.append(self._shared(down) if self.tied else down)
        net = Net(tuple(encoder), tuple(decoder))
        net.check()
        if net.n_features != math.prod(shape):
            raise ValueError(
                f"The architecture {self.name!r} plans layers for rows of {net.n_features} values, but "
                f"a row of X has {math.prod(shape)}."
            )
        alone = len(plans) == 1 and not self.tied and code_activation is None
        return _near_linear(net) if alone and code in BOUNDED_ACTIVATIONS else net

    def _check_norms(self, plan: Plan, norms: tuple[bool, bool]) -> None:
        """Raise a ValueError where layer normalisation would make a layer's one unit constant."""
        if any(norm and side.channels == 1 for norm, side in zip(norms, plan[:2], strict=True)):
            raise ValueError(
                f"The architecture {self.name!r} cannot have norm='layer' with a layer of one unit or "
                "map, which would always be 0: give it two at least, or use norm=None."
            )

    def _shared(self, layer: Layer) -> Layer:
        """Return a decoder's layer without a weight, so that it takes its encoder's."""
        if type(layer).tied is Layer.tied:
            raise ValueError(
                f"The architecture {self.name!r} cannot have tied=True: a {layer.title} does not "
                "say how to use its encoder's weight (its method `tied`)."
            )
        return replace(layer, weight=None)

    def _code_activation(self, wish: str | None, *, deep: bool) -> str:
        """Settle the code's activation: its own setting, the sparsity's wish, the default."""
        if self.code_activation != "auto":
            return _canonical(self.code_activation)
        if wish == "sigmoid" and self.activation in (*BOUNDED_ACTIVATIONS, "logistic"):
            return _canonical(self.activation)  # bounded: as good as the sigmoid wished for
        if not deep and self.activation != "auto" and wish != "identity":
            return _canonical(self.activation)
        return wish or ("identity" if deep else "tanh")


@dataclass
class Dense(Architecture, name="dense"):
    """Fully connected layers; the decoder mirrors the encoder.

    With no hidden layer this is the simplest autoencoder: `z = a(x W1 + b1)`, `x' = b(z W2 + b2)`.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the encoder's layers between input and code, such as (128, 64).
    activation : str
        Of the hidden layers, and of the code if there are none: "identity", "sigmoid" (or
        "logistic"), "tanh", "relu", "gelu", "silu", "elu", "softplus". "auto" is "gelu" for hidden
        layers and "tanh" for a code alone.
    code_activation : str
        Of the code. "auto" is the sparsity's wish, else `activation` without hidden layers and
        "identity" with them.
    output : str
        Of the reconstruction: an activation, or "exp". "auto" follows the loss and the scaling.
    tied : bool
        Whether the decoder uses the transposed weights of the encoder, stored once.
    dropout : float in [0, 1)
        Probability that a hidden unit is dropped in training; the code of a deep net never is.
    input_dropout : float in [0, 1)
        The same for the input.
    norm : None or "layer"
        Layer normalisation before the hidden activations (Ba et al., 2016).

    Examples
    --------
    >>> Dense(hidden=(128, 64), activation="tanh").to_string()
    'dense:hidden=[128,64],activation=tanh'
    """

    hidden: tuple[int, ...] = option(())
    activation: str = option("auto", ("auto", *HIDDEN_ACTIVATIONS))
    code_activation: str = option("auto", ("auto", *HIDDEN_ACTIVATIONS))
    output: str = option("auto", ("auto", *ACTIVATIONS))
    tied: bool = option(False, (False, True))
    dropout: float = number(0.0, "[0, 1)")
    input_dropout: float = number(0.0, "[0, 1)")
    norm: str | None = option(None, (None, "layer"))

    def validate(self) -> None:
        self.hidden = _whole_numbers(self, "hidden", "layer widths", "(128, 64)")
        super().validate()

    def plan(self, shape: tuple[int, ...], n_components: int | None) -> list[Plan]:
        widths = (math.prod(shape), *self.hidden, n_components or CODE_WIDTH)
        return [Plan.dense(*pair) for pair in pairwise(widths)]


@dataclass
class Convolutional(Architecture):
    """Convolutions over maps, and their adjoints back: what `Conv` and `Conv1d` share."""

    spatial: ClassVar[bool] = True

    channels: tuple[int, ...] = option((16, 32))
    kernel: int = number(3, "[1, inf)", whole=True)
    stride: int = number(2, "[1, inf)", whole=True)
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

    def validate(self) -> None:
        self.channels = _whole_numbers(self, "channels", "numbers of maps", "(16, 32)", least=1)
        if self.input_shape is not None:
            self.input_shape = _whole_numbers(self, "input_shape", "sizes", "(28, 28)", least=1)
        super().validate()

    def maps(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape (*sizes, channels) of a row of this shape; ValueError if it is none."""
        raise NotImplementedError

    def plan(self, shape: tuple[int, ...], n_components: int | None) -> list[Plan]:
        shape, plans = self.maps(shape), list[Plan]()
        for i, channels in enumerate(self.channels):
            *sizes, before = shape
            self._check_fits(sizes, i)
            axes = (Axis.of(s, self.kernel, self.stride, self.padding) for s in sizes)
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

    def _check_fits(self, sizes: list[int], i: int) -> None:
        if self.padding == "valid" and min(sizes) < self.kernel:
            raise ValueError(
                f"The architecture {self.name!r} cannot move a kernel of {self.kernel} over the "
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
    kernel : int
        The side of the filters.
    stride : int
        By how many pixels the filters move.
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
    kernel : int
        The length of the filters.
    stride : int
        By how many samples the filters move.
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

    Examples
    --------
    >>> Conv1d(channels=(8,), kernel=5).to_string()
    'conv1d:channels=[8],kernel=5'
    """

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


def _glorot(values_in: float, values_out: float) -> float:
    return float(np.sqrt(6 / (values_in + values_out)))


def _start(
    rng: np.random.Generator,
    plan: LayerPlan,
    limit: float,
    activation: str,
    dtype: str,
    *,
    norm: bool,
) -> Layer:
    """Return a layer with fresh weights, whose limit is times the activation's gain."""
    activation, channels = _canonical(activation), plan.channels
    limit *= ACTIVATIONS[activation].gain
    fields: dict[str, Any] = {
        "weight": rng.uniform(-limit, limit, plan.shape).astype(dtype),
        "bias": np.zeros(channels, dtype),
        "scale": np.ones(channels, dtype) if norm else None,
        "shift": np.zeros(channels, dtype) if norm else None,
        "activation": activation,
        **plan.settings,
    }
    return plan.layer(**fields)


def _near_linear(net: Net) -> Net:
    """Start a bounded code alone where its activation is nearly linear: small in, large out.

    From there it reaches PCA's error, which it can otherwise approach only by growing its decoder.
    """
    weights = net.encoder[0].weight / 3, net.decoder[0].weight * 3  # type: ignore[operator]
    return eqx.tree_at(lambda n: (n.encoder[0].weight, n.decoder[0].weight), net, weights)


def _whole_numbers(
    part: Architecture, field: str, what: str, example: str, least: int = 0
) -> tuple[int, ...]:
    """Return a field as a tuple of whole numbers of at least 1; one number stands for a tuple."""
    given = getattr(part, field)
    try:
        values = (given,) if isinstance(given, int | np.integer) else tuple(given)
        whole = all(int(v) == v and v >= 1 for v in values) and len(values) >= least
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise ValueError(
            f"The architecture {part.name!r} needs {field} to be {what} of at least 1, such as "
            f"{example}; got {given!r}."
        )
    return tuple(int(v) for v in values)


def _canonical(activation: str) -> str:
    return "sigmoid" if activation == "logistic" else activation

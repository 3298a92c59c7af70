"""Architectures: builders of nets."""

from __future__ import annotations

import math
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
    share weights, so that one scaling serves all of them, and `axes` says along how many axes.
    """

    spatial: ClassVar[bool] = False
    axes: ClassVar[int] = 2

    activation: str = "auto"
    code_activation: str = "auto"
    output: str = "auto"
    tied: bool = False
    norm: str | None = None
    residual: bool = False
    skips: bool = False

    @property
    def needs_input(self) -> bool:
        """Whether its decoder adds to the code what the encoder saw, and so decodes no code alone."""
        return self.residual or self.skips

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
        self._check_added(len(plans))
        hidden = "gelu" if self.activation == "auto" else self.activation
        code = self._code_activation(code_activation, deep=len(plans) > 1)
        inner = [hidden] * (len(plans) - 1)
        ups = [*inner, code]
        downs = [self._output(output), *inner]
        encoder, decoder = [], []
        for i, plan in enumerate(plans):
            norms = i < len(plans) - 1 and self.norm == "layer", i > 0 and self.norm == "layer"
            self._check_norms(plan, norms)
            # A residual net starts as the identity: nothing is added to its input.
            limits = plan.limit, 0.0 if self.residual and i == 0 else plan.limit
            up, down = (
                _start(rng, layer, limit, activations[i], dtype, norm=norm)
                for layer, limit, activations, norm in zip(
                    plan[:2], limits, (ups, downs), norms, strict=True
                )
            )
            encoder.append(up)
            decoder.append(self._shared(down) if self.tied else down)
        net = Net(tuple(encoder), tuple(decoder), self.residual, self.skips)
        net.check()
        if net.n_features != math.prod(shape):
            raise ValueError(
                f"The architecture {self.name!r} plans layers for rows of {net.n_features} values, but "
                f"a row of X has {math.prod(shape)}."
            )
        alone = len(plans) == 1 and not self.tied and code_activation is None
        return _near_linear(net) if alone and code in BOUNDED_ACTIVATIONS else net

    def _output(self, wish: str) -> str:
        """Settle the output's activation: its own setting, a residual net's, the wish."""
        if self.output != "auto":
            return self.output
        return "identity" if self.residual else wish

    def _check_added(self, layers: int) -> None:
        """Raise a ValueError where nothing can be added to what the decoder gives."""
        if self.residual and self.output not in ("auto", "identity"):
            raise ValueError(
                f"The architecture {self.name!r} cannot have output={self.output!r} with "
                "residual=True, whose output is its input and what is added: leave output out."
            )
        if self.residual and self.tied:
            raise ValueError(
                f"The architecture {self.name!r} cannot have tied=True with residual=True, which "
                "starts with an output layer of zeros: use one of them."
            )
        if self.skips and layers < 2:
            raise ValueError(
                f"The architecture {self.name!r} cannot have skips=True without hidden layers, whose "
                "values it adds to those of the decoder: give it two layers at least."
            )

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
    residual : bool
        Whether the net gives what is added to its input: `x' = x~ + D(E(x~))`, minus the noise of a
        denoiser (Zhang et al., 2017). It starts as the identity, so it needs a corruption.
    skips : bool
        Whether what each hidden layer of the encoder gives is added to what its mirror gets.

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
    residual: bool = option(False, (False, True))
    skips: bool = option(False, (False, True))

    def validate(self) -> None:
        self.hidden = whole_numbers(self, "hidden", "layer widths", "(128, 64)")
        super().validate()

    def plan(self, shape: tuple[int, ...], n_components: int | None) -> list[Plan]:
        widths = (math.prod(shape), *self.hidden, n_components or CODE_WIDTH)
        return [Plan.dense(*pair) for pair in pairwise(widths)]


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


def whole_numbers(
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

"""Architectures: builders of nets."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np

from isthmus._spec import Part, number, option
from isthmus.activations import ACTIVATIONS, BOUNDED, HIDDEN
from isthmus.nets import Layer, Net


class Architecture(Part, slot="architecture"):
    """A recipe for an encoder E and a decoder D."""

    def build(
        self,
        n_features: int,
        n_components: int,
        rng: np.random.Generator,
        *,
        code_activation: str | None,
        output: str,
        dtype: str,
    ) -> Net:
        """Return a net with fresh weights, as NumPy arrays.

        `code_activation` is the sparsity's wish for the code, and `output` the loss's and the data's
        for the output; both act where the architecture's own setting is "auto".
        """
        raise NotImplementedError


@dataclass
class Dense(Architecture, name="dense"):
    """Fully connected layers; the decoder mirrors the encoder.

    With no hidden layer this is the simplest autoencoder: `z = a(x W1 + b1)`, `x' = b(z W2 + b2)`.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the encoder's layers between input and code, such as (128, 64).
    activation : str
        Of the hidden layers, and of the code where there are none: "identity", "sigmoid" (or
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
    activation: str = option("auto", ("auto", *HIDDEN))
    code_activation: str = option("auto", ("auto", *HIDDEN))
    output: str = option("auto", ("auto", *ACTIVATIONS))
    tied: bool = option(False, (False, True))
    dropout: float = number(0.0, "[0, 1)")
    input_dropout: float = number(0.0, "[0, 1)")
    norm: str | None = option(None, (None, "layer"))

    def validate(self) -> None:
        if isinstance(self.hidden, int | np.integer):
            self.hidden = (self.hidden,)
        try:
            self.hidden = tuple(self.hidden)
            whole = all(int(width) == width and width >= 1 for width in self.hidden)
        except (TypeError, ValueError):
            whole = False
        if not whole:
            raise ValueError(
                "The architecture 'dense' needs hidden to be layer widths of at least 1, such as "
                f"(128, 64); got {self.hidden!r}."
            )
        self.hidden = tuple(int(width) for width in self.hidden)
        super().validate()

    def build(
        self,
        n_features: int,
        n_components: int,
        rng: np.random.Generator,
        *,
        code_activation: str | None,
        output: str,
        dtype: str,
    ) -> Net:
        widths = (n_features, *self.hidden, n_components)
        hidden = "gelu" if self.activation == "auto" else self.activation
        code = self._code_activation(code_activation)
        inner = [hidden] * len(self.hidden)
        ups = [*inner, code]
        downs = [output if self.output == "auto" else self.output, *inner]
        encoder, decoder = [], []
        for i in range(len(widths) - 1):
            wide, narrow = widths[i], widths[i + 1]
            last = i == len(widths) - 2
            encoder.append(self._layer(rng, wide, narrow, ups[i], dtype, norm=not last))
            decoder.append(
                self._layer(rng, narrow, wide, downs[i], dtype, norm=i > 0, tied=self.tied)
            )
        net = Net(tuple(encoder), tuple(decoder))
        lone = not self.hidden and not self.tied and code_activation is None and code in BOUNDED
        return _near_linear(net) if lone else net

    def _code_activation(self, wish: str | None) -> str:
        """Settle the code's activation: its own setting, the sparsity's wish, the default."""
        if self.code_activation != "auto":
            return _canonical(self.code_activation)
        if wish == "sigmoid" and self.activation in (*BOUNDED, "logistic"):
            return _canonical(self.activation)  # bounded: as good as the sigmoid wished for
        if not self.hidden and self.activation != "auto" and wish != "identity":
            return _canonical(self.activation)
        return wish or ("identity" if self.hidden else "tanh")

    def _layer(
        self,
        rng: np.random.Generator,
        fan_in: int,
        fan_out: int,
        activation: str,
        dtype: str,
        *,
        norm: bool,
        tied: bool = False,
    ) -> Layer:
        """Make a layer with Glorot's uniform start, times the activation's gain."""
        activation = _canonical(activation)
        limit = ACTIVATIONS[activation].gain * np.sqrt(6 / (fan_in + fan_out))
        weight = rng.uniform(-limit, limit, (fan_in, fan_out)).astype(dtype)
        normed = norm and self.norm == "layer"
        arrays: dict[str, Any] = {
            "weight": None if tied else weight,
            "bias": np.zeros(fan_out, dtype),
            "scale": np.ones(fan_out, dtype) if normed else None,
            "shift": np.zeros(fan_out, dtype) if normed else None,
        }
        return Layer(**arrays, activation=activation)


def _near_linear(net: Net) -> Net:
    """Start a bounded code alone where its activation is nearly linear: small in, large out.

    From there it reaches PCA's error, which it can otherwise approach only by growing its decoder.
    """
    weights = net.encoder[0].weight / 3, net.decoder[0].weight * 3  # type: ignore[operator]
    return eqx.tree_at(lambda n: (n.encoder[0].weight, n.decoder[0].weight), net, weights)


def _canonical(activation: str) -> str:
    return "sigmoid" if activation == "logistic" else activation

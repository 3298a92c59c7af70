"""`Model`: a fitted autoencoder, and what it makes of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.training import (
    column_shares,
    computing,
    losses_of_pairs,
    map_batches,
    traced,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from isthmus.model.scaling import Scaler, Scaling
    from isthmus.model.slots import Slots
    from isthmus.nets import Net
    from isthmus.training import (
        Device,
        Objective,
    )

What = Literal["encode", "decode", "reconstruct", "excess"]


@dataclass(frozen=True)
class Model:
    """A fitted autoencoder without scikit-learn: what it is made of, and what it makes of rows.

    Rows are flat and in the data's units, (n, d); nobody checks them here.

    Attributes
    ----------
    slots : Slots
        The five slots.
    net : Net
        Layers and weights.
    scaler : Scaler
        From the data's units to the net's, and back.
    scaling : str, None or transformer
        What the scaler was made from.
    mean_row : ndarray (d,)
        The mean of the scaled rows trained on.
    sample_shape : tuple of int or None
        The shape of a row where it is an image or a signal of several channels.
    dtype : "float32" or "float64"
        The precision.
    device : None, str or jax.Device
        Where to compute; None is JAX's choice.
    """

    slots: Slots
    net: Net
    scaler: Scaler
    scaling: Scaling
    mean_row: np.ndarray
    sample_shape: tuple[int, ...] | None
    dtype: str
    device: Device = None

    @property
    def objective(self) -> Objective:
        """The equation, its numbers as arrays of the model's precision."""
        objective: Objective = traced(self.slots.objective(), self.dtype)
        return objective

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return self.net.n_features

    @property
    def n_components(self) -> int:
        """The width of the code."""
        return self.net.n_components

    @property
    def n_parameters(self) -> int:
        """The number of weights."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.net))

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of a row as the user gives it."""
        return self.sample_shape or (self.n_features,)

    def computing(self) -> AbstractContextManager[None]:
        """Return a context in which JAX computes in the model's precision and on its device."""
        return computing(self.dtype, self.device)

    # -- rows in the data's units ------------------------------------------------------------------

    def encode(self, X: np.ndarray, layer: int | None = None) -> np.ndarray:
        """Return the codes, or the values behind a layer counted from 1."""
        return self._map("encode", X, self.scaled, layer)

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Return the rows that codes stand for."""
        self.check_decoder()
        return self.scaler.inverse(self._map("decode", Z, lambda z: z.astype(self.dtype)))

    def reconstruct(self, X: np.ndarray) -> np.ndarray:
        """Return the rows encoded and decoded."""
        self.check_decoder()
        return self.scaler.inverse(self._map("reconstruct", X, self.scaled))

    def losses(self, X: np.ndarray) -> np.ndarray:
        """Return the loss of each row above that of a perfect copy, in scaled units."""
        self.check_decoder()
        if self.scaling is None:
            self.slots.check_domain(X)
        return self._map("excess", X, self.scaled)

    def column_losses(self, X: np.ndarray, again: np.ndarray) -> np.ndarray:
        """Return what each column adds to the loss of rows and given reconstructions, (n, d).

        ValueError for a loss that is no sum over columns.
        """
        with self.computing():
            self.slots.check_by_column()
        return self.scaled_losses(self.scaled(X), self.scaled(again))

    def scaled_losses(self, x: np.ndarray, x_out: np.ndarray) -> np.ndarray:
        """Return the loss of scaled rows and reconstructions: by column, (n, d), where it is a sum.

        Of a loss that is no sum over columns, of each row, (n, 1). Counted from that of a copy.
        """
        with self.computing():
            if self.slots.loss.by_column:
                return column_shares(self.objective, x_out, x)
            return losses_of_pairs(self.objective, x_out, x)[:, None]

    def scaled(self, X: np.ndarray) -> np.ndarray:
        """Return rows in the net's units."""
        return self.scaler.forward(X, self.dtype)

    def shaped(self, rows: np.ndarray) -> np.ndarray:
        """Return flat rows in the shape that the user gave."""
        return rows.reshape(-1, *self.sample_shape) if self.sample_shape else rows

    def inside_domain(self, x: np.ndarray) -> np.ndarray:
        """Clip scaled rows to where the loss is defined."""
        low, high = self.slots.loss.domain
        return np.clip(x, low, high) if np.isfinite(low) else x

    def check_decoder(self) -> None:
        """Raise a ValueError where the decoder was left out."""
        if not self.net.decoder:
            raise ValueError("This model was saved as an encoder alone: it can only encode.")

    def _map(
        self,
        what: What,
        X: np.ndarray,
        prepare: Callable[[np.ndarray], np.ndarray],
        layer: int | None = None,
    ) -> np.ndarray:
        with self.computing():
            return map_batches(what, self.objective, self.net, X, prepare, layer)

    # -- where it lies -------------------------------------------------------------------------------

    def on(self, device: Device) -> Model:
        """Return the model to compute on another device."""
        return self if device is self.device else replace(self, device=device)

    def on_host(self) -> Model:
        """Return the model with NumPy's weights, which survive any pickling."""
        return replace(self, net=jax.tree.map(np.asarray, self.net))

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: JAX would give float64 back as float32."""
        return vars(self.on_host())

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def on_device(self) -> Model:
        """Return the model with JAX's weights."""
        with computing(self.dtype, None):
            return replace(self, net=jax.tree.map(jnp.asarray, self.net))

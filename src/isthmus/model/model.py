"""`Model`: a fitted autoencoder, and what it makes of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.model.mixing import (
    by_cell,
    compact_rows,
    placed,
    probabilities,
    slots_by_cell,
)
from isthmus.model.scaling import blocks
from isthmus.nets import CODE_ALONE
from isthmus.parts import Mixed, plan
from isthmus.training import (
    column_shares,
    computing,
    losses_of_pairs,
    map_batches,
    traced,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from isthmus.model.scaling import Scaler, Scaling, Shaped
    from isthmus.model.slots import Slots
    from isthmus.nets import Net
    from isthmus.schema import Schema
    from isthmus.training import (
        Device,
        Objective,
    )

What = Literal["encode", "decode", "reconstruct", "excess"]


@dataclass(frozen=True)
class Model:
    """A fitted autoencoder without scikit-learn: what it is made of, and what it makes of rows.

    Rows are flat and in the data's units, (n, d); nobody checks them here. Those of a table of mixed
    types are compact: a number for each value of its `schema`, NaN where a cell is missing. What the
    net makes of them, its outputs, has slots of its own: scaled numbers, and probabilities of levels.

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
    schema : Schema or None
        What the columns of a table of mixed types are.
    """

    slots: Slots
    net: Net
    scaler: Scaler
    scaling: Scaling
    mean_row: np.ndarray
    sample_shape: tuple[int, ...] | None
    dtype: str
    device: Device = None
    schema: Schema | None = None

    @property
    def mixed(self) -> Mixed | None:
        """The loss of a table of mixed types; None where rows are plain numbers."""
        loss = self.slots.loss
        return loss if isinstance(loss, Mixed) else None

    @property
    def objective(self) -> Objective:
        """The equation, its numbers as arrays of the model's precision."""
        objective: Objective = traced(self.slots.objective(), self.dtype)
        return objective

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return self.net.n_features if self.schema is None else len(self.schema.columns)

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
        return self._in_blocks(self.decode_outputs, Z)

    def reconstruct(self, X: np.ndarray) -> np.ndarray:
        """Return the rows encoded and decoded."""
        return self._in_blocks(self.outputs, X)

    def outputs(self, X: np.ndarray) -> np.ndarray:
        """Return what the net makes of rows, in its own units, (n, width)."""
        self.check_decoder()
        return self._map("reconstruct", X, self.scaled)

    def decode_outputs(self, Z: np.ndarray) -> np.ndarray:
        """Return what the net makes of codes, in its own units, (n, width)."""
        self.check_decodes_codes()
        return self._map("decode", Z, lambda z: z.astype(self.dtype))

    def outputs_with(self, Z: np.ndarray, X: np.ndarray) -> np.ndarray:
        """Return what the net makes of rows whose codes are known, from these alone if it can."""
        return self.outputs(X) if self.net.needs_input else self.decode_outputs(Z)

    def compact(self, outputs: np.ndarray) -> np.ndarray:
        """Return the rows that outputs stand for: of levels the most probable, and never "other"."""
        mixed = self.mixed
        return self.scaler.inverse(outputs if mixed is None else compact_rows(mixed, outputs))

    def unscaled(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs with numbers in the data's units."""
        if self.mixed is None:
            return self.scaler.inverse(outputs)
        numbers = plan(self.mixed.layout).numbers
        rows = np.zeros((len(outputs), len(plan(self.mixed.layout).cells)))
        rows[:, numbers] = outputs[:, : len(numbers)]
        unscaled = outputs.astype(float)
        unscaled[:, : len(numbers)] = self.scaler.inverse(rows)[:, numbers]
        return unscaled

    def probabilities(self, outputs: np.ndarray) -> dict[int, np.ndarray]:
        """Return by the value's number its levels' probabilities, (n, levels), or a flag's, (n,)."""
        return {} if self.mixed is None else probabilities(self.mixed, outputs)

    @property
    def n_cells(self) -> int:
        """The number of columns that count in a loss."""
        return self.net.n_features if self.schema is None else len(self.schema.used)

    def slots_by_cell(self, by_slot: np.ndarray) -> np.ndarray:
        """Add up what is known of each slot of outputs by column, (n, width) -> (n, cells)."""
        return by_slot if self.mixed is None else slots_by_cell(self.mixed.layout, by_slot)

    def placed(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs in units in which columns count alike, so that rows can be compared."""
        return outputs if self.mixed is None else placed(self.mixed, outputs)

    def _in_blocks(self, made: Callable[[np.ndarray], np.ndarray], X: np.ndarray) -> np.ndarray:
        """Return the rows made of others; wide outputs of mixed rows are not kept."""
        if self.mixed is None:
            return self.compact(made(X))
        parts = [self.compact(made(X[b])) for b in self.blocks(X)]
        return np.concatenate(parts) if parts else self.compact(made(X))

    def blocks(self, rows: Shaped, values: int = 2**21) -> Iterator[slice]:
        """Cut rows into blocks of about this many values, those of outputs counted."""
        wide = max(rows.shape[1], self.net.n_features)
        return blocks(rows, max(values * rows.shape[1] // wide, rows.shape[1]))

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

    def cell_losses(self, X: np.ndarray, outputs: np.ndarray | None = None) -> np.ndarray:
        """Return what each used column adds to the loss of mixed rows, (n, cells); 0 where missing.

        The columns of plain numbers are its cells.
        """
        outputs = self.outputs(X) if outputs is None else outputs
        return self.scaled_losses(self.scaled(X), outputs)

    def scaled_losses(self, x: np.ndarray, x_out: np.ndarray) -> np.ndarray:
        """Return the loss of scaled rows and outputs: by column, (n, d), where it is a sum.

        Of a loss that is no sum over columns, of each row, (n, 1). Counted from that of a copy.
        """
        with self.computing():
            if self.slots.loss.by_column:
                shares = column_shares(self.objective, x_out, x)
                return shares if self.mixed is None else by_cell(self.mixed.layout, shares)
            return losses_of_pairs(self.objective, x_out, x)[:, None]

    def scaled(self, X: np.ndarray) -> np.ndarray:
        """Return rows in the net's units."""
        return self.scaler.forward(np.asarray(X), self.dtype)

    def seen(self, X: np.ndarray) -> np.ndarray:
        """Return what of rows is to be learned from: scaled, and of a table with a slot a level."""
        x = self.scaled(X)
        if self.mixed is None:
            return x
        with self.computing():
            parts = [np.asarray(self.mixed.seen(jnp.asarray(x[b]))) for b in blocks(x)]
        return np.concatenate(parts)

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

    def check_decodes_codes(self) -> None:
        """Raise a ValueError where codes alone cannot be decoded."""
        self.check_decoder()
        if self.net.needs_input:
            raise ValueError(CODE_ALONE)

    def _map(
        self,
        what: What,
        X: np.ndarray,
        prepare: Callable[[np.ndarray], np.ndarray],
        layer: int | None = None,
    ) -> np.ndarray:
        if not len(X):  # of no rows neither, the width is known
            return self._map(what, np.zeros((1, X.shape[1])), prepare, layer)[:0]
        mapped = partial(map_batches, what, self.objective, self.net)
        with self.computing():
            if isinstance(X, np.ndarray):
                return mapped(X, prepare, layer)
            parts = [
                X[b] for b in blocks(X, 2**22)
            ]  # rows that are encoded when they are asked for
            return np.concatenate([mapped(rows, prepare, layer) for rows in parts])

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

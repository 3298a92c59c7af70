"""Columns that were the same in all rows trained on: any other value there is new, however large.

Such a column has no scale of its own, so the loss cannot tell whether a change is small or large. It
costs what the squared deviation would be of a row that was the one among all with that value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.model import are_constant

if TYPE_CHECKING:
    from isthmus.model import Scaling
    from isthmus.nets import Graph

RESOLUTION = 2.0**-22  # of its size: what float32 may make of it
NEAR_ZERO = 1e-12  # what float64 may make of a 0 that was computed
SHARED_SCALES = (None, "range")  # scalings whose unit is not the column's own


class Constants(NamedTuple):
    """The constant columns, their values, and what another value adds to a row's strangeness."""

    columns: np.ndarray  # (c,), numbers
    values: np.ndarray  # (c,)
    cost: float = 0.0

    def changed(self, rows: np.ndarray) -> np.ndarray:
        """Return which of these columns have another value, (n, c)."""
        apart = np.abs(rows[:, self.columns] - self.values)
        changed: np.ndarray = apart > self.rounding
        return changed

    @property
    def rounding(self) -> np.ndarray:
        """How far apart values are still the same, (c,)."""
        return np.where(self.values == 0, NEAR_ZERO, RESOLUTION * np.abs(self.values))

    def added(self, losses: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return losses, by column (n, d) or of whole rows (n, 1), and what changes cost."""
        if not len(self.columns):
            return losses
        costs = self.cost * self.changed(rows)
        if losses.shape[1] == 1:
            return losses + costs.sum(axis=1, keepdims=True)
        losses = losses.copy()
        losses[:, self.columns] += costs
        return losses

    def onnx(self, g: Graph, rows: str, strange: str) -> str:
        """Return strangeness, and what changes cost, as ONNX; rows are flat and in the data's units."""
        if not len(self.columns):
            return strange
        seen = g.add("Gather", rows, g.array(self.columns.tolist()), axis=1)
        apart = g.add("Abs", g.add("Sub", seen, self.values))
        changed = g.add("Greater", apart, self.rounding)
        number = g.row_sum(g.add("Cast", changed, to=1))
        return g.add("Add", strange, g.add("Mul", number, self.cost))


NONE = Constants(np.empty(0, np.int64), np.empty(0))


def find_constants(train: np.ndarray, scaling: Scaling) -> Constants:
    """Return the constant columns of rows that are scaled column by column, else none.

    With n rows, the one among them that differs in a column is sqrt(n) standard deviations away. A
    change costs as much, its square as the mean over d columns has it, and at least a deviation in
    all of them.
    """
    if isinstance(scaling, str | None) and scaling in SHARED_SCALES:
        return NONE
    low, high = train.min(axis=0).astype(float), train.max(axis=0).astype(float)
    columns = np.flatnonzero(are_constant(low, high))
    n, d = train.shape
    return Constants(columns, train[0, columns].astype(float), max(n / d, 1.0))

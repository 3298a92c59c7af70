"""Columns that were the same in all rows trained on: any other value there is new, however large.

Such a column has no scale of its own, so the loss cannot tell whether a change is small or large. It
costs what the squared deviation would be of a row that was the one among all with that value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.model import are_constant
from isthmus.parts import plan

if TYPE_CHECKING:
    from isthmus.model import Model, Scaling
    from isthmus.nets import Graph
    from isthmus.parts import Layout

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
        return rounding_of(self.values)

    def added(
        self, losses: np.ndarray, rows: np.ndarray, cells: np.ndarray | None = None
    ) -> np.ndarray:
        """Return losses, by column (n, d) or of whole rows (n, 1), and what changes cost.

        Of rows of a table, `cells` are the columns that values belong to.
        """
        if not len(self.columns):
            return losses
        costs = self.cost * self.changed(rows)
        if losses.shape[1] == 1:
            return losses + costs.sum(axis=1, keepdims=True)
        losses = losses.copy()
        losses[:, self.columns if cells is None else cells[self.columns]] += costs
        return losses

    def costs(self, rows: np.ndarray) -> np.ndarray:
        """Return what the changes in each row cost, (n,)."""
        costs: np.ndarray = self.cost * self.changed(rows).sum(axis=1)
        return costs

    def onnx(self, g: Graph, rows: str, strange: str, *, double: bool = False) -> str:
        """Return strangeness, and what changes cost, as ONNX.

        Rows are flat and in the data's units, float32 or `double`.
        """
        if not len(self.columns):
            return strange
        seen = g.add("Gather", rows, g.array(self.columns.tolist()), axis=1)
        store = g.double if double else g.array
        apart = g.add("Abs", g.add("Sub", seen, store(self.values)))
        changed = g.add("Greater", apart, store(self.rounding))
        with g.rows_of(len(self.columns)):
            number = g.row_sum(g.cast(changed, "float"))
        return g.add("Add", strange, g.add("Mul", number, self.cost))


def rounding_of(values: np.ndarray) -> np.ndarray:
    """Return how far from constant values others are still the same."""
    rounding: np.ndarray = np.where(values == 0, NEAR_ZERO, RESOLUTION * np.abs(values))
    return rounding


NONE = Constants(np.empty(0, np.int64), np.empty(0))


def constants_of(model: Model, train: np.ndarray) -> Constants:
    """Return what was constant in the rows that a model was trained on."""
    if model.mixed is None:
        return find_constants(train, model.scaling)
    return find_constant_cells(train, model.mixed.layout, model.scaling)


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


def find_constant_cells(train: np.ndarray, layout: Layout, scaling: Scaling) -> Constants:
    """Return the values of compact rows that were the same wherever they were there.

    A change costs what it does among plain numbers; of a cell with several values the first counts.
    """
    p = plan(layout)
    kinds = np.array([value.kind for value in layout.values])
    taken = np.diff(p.cells, prepend=-1) > 0
    if scaling in SHARED_SCALES:
        taken &= kinds != "number"
    taken &= ~np.isnan(train).all(axis=0)
    places = np.flatnonzero(taken)
    low, high = np.nanmin(train[:, places], axis=0), np.nanmax(train[:, places], axis=0)
    same = are_constant(low, high)
    cost = max(len(train) / (p.cells[-1] + 1), 1.0)
    return Constants(places[same], low[same], cost)

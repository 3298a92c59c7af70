"""One model and a few reference rows a group: how strange a row is to its own group.

What a panel of one model says of rows in the units of their group, by the same equation (see `panel`),
times a factor of the group by which one threshold serves for all (see `shrinkage`). Rows of groups
without a model of their own are judged by the members that were fitted on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.fleet import POOLED, ROWS, Fleet, picked
from isthmus.outliers.constants import Constants, rounding_of
from isthmus.outliers.members import strangeness, strangeness_by_column
from isthmus.outliers.panel import (
    LARGEST,
    UNSETTLED,
    Panel,
    References,
    Usual,
    combined,
    distances,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jax import Array

    from isthmus.nets import Net
    from isthmus.outliers.members import Member
    from isthmus.training import Objective

# The nearest of few rows says less than that of many draws, and the loss of a narrow net more.
POWERS = 0.7, 0.3  # of the loss and the distance


class Judged(NamedTuple):
    """Rows, and of each the place of what judges it, where there are groups."""

    rows: Any  # (n, d), or of a table
    places: np.ndarray | None = None  # (n,)

    def only(self, index: np.ndarray) -> Judged:
        """Return some of the rows."""
        return Judged(self.rows[index], None if self.places is None else self.places[index])


@dataclass(frozen=True)
class Judges:
    """Of each group with a model: what it compares rows with, and in what units.

    Attributes
    ----------
    fleet : Fleet
        The groups and their models; places of -1 are left to the detector's members.
    references : ndarray (models, k, d)
        Scaled rows of the group.
    usual : ndarray (models, 2)
        The medians of losses and distances of its rows.
    constants : ndarray (models, d)
        The values of columns that never changed in the group, NaN elsewhere.
    costs : ndarray (models,)
        What a change of one costs.
    factors : ndarray (models,)
        What a group's strangeness is multiplied by.
    pooled_factor : float
        The same of the members.
    """

    fleet: Fleet
    references: np.ndarray
    usual: np.ndarray
    constants: np.ndarray
    costs: np.ndarray
    factors: np.ndarray
    pooled_factor: float = 1.0

    def strangeness(
        self, members: Sequence[Member], rows: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Return how strange rows are, each to the group whose model has this place."""
        found, order = np.empty(len(rows)), np.argsort(places, kind="stable")
        pooled = int(np.searchsorted(places[order], POOLED, side="right"))
        for b in runs_of(len(rows) - pooled):
            some = order[pooled:][b]
            mine = places[some]
            found[some] = self.raw(rows[some], mine) * self.factors[mine]
        if pooled:
            some = np.sort(order[:pooled])
            found[some] = strangeness(members, rows[some]) * self.pooled_factor
        return found

    def raw(self, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return how strange rows are in their groups' own units."""
        loss, distance = self.terms(rows, numbers) / self.usual[numbers].T
        return combined(loss, distance, UNSETTLED, POWERS)

    def terms(self, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return losses and distances of rows, (2, n), with what changed constants cost."""
        stack = self.fleet.stack

        def program(of: np.ndarray, tiles: np.ndarray) -> Array:
            return _terms(stack.like.objective, stack.device_nets, self._device, of, tiles)

        found = stack.by_tiles(program, stack.scaled(rows, numbers), numbers).astype(float)
        found = np.nan_to_num(found, nan=LARGEST, posinf=LARGEST)
        known = self.constants[numbers]
        changed = (np.abs(rows - known) > rounding_of(known)).sum(axis=1)
        return (found + (self.costs[numbers] * changed)[:, None]).T

    @cached_property
    def _device(self) -> References:
        """The reference rows, on the device."""
        dtype = self.fleet.stack.like.dtype
        rows = self.references.astype(float)
        middle = rows.mean(axis=1)
        around = (rows - middle[:, None]).astype(dtype)
        squares = (around.astype(float) ** 2).sum(axis=2)
        with self.fleet.stack.like.computing():
            parts = (jnp.asarray(v, dtype) for v in (middle, around[:, :, None], squares))
            return References(*parts)

    def by_column(
        self, members: Sequence[Member], rows: np.ndarray, places: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what each column adds to the strangeness, and what was expected; (n, d) each."""
        contribution, expected = np.empty((2, *rows.shape))
        for place in np.unique(places).tolist():
            mine = places == place
            if place == POOLED:
                found, factor = strangeness_by_column(members, rows[mine]), self.pooled_factor
            else:
                found, factor = self.panel(place).by_column(rows[mine]), self.factors[place]
            contribution[mine], expected[mine] = found[0] * factor, found[1]
        return contribution, expected

    def panel(self, number: int) -> Panel:
        """Return what judges rows of one group."""
        known = self.constants[number]
        columns = np.flatnonzero(~np.isnan(known))
        constants = Constants(columns, known[columns], float(self.costs[number]))
        model = self.fleet.stack.model(number)
        references, usual = self.references[number][None], Usual(*self.usual[number])
        return Panel((model,), references, constants, usual, POWERS)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


@jax.jit
def _terms(
    objective: Objective, nets: Net, references: References, numbers: Array, tiles: Array
) -> Array:
    """Return losses and distances of tiles of scaled rows, (tiles, rows, 2)."""

    def of_tile(place: tuple[Array, Array]) -> Array:
        number, x = place
        loss = objective.excess(picked(nets, number), x)
        return jnp.stack([loss, distances(x, picked(references, number))], axis=1)

    return jax.lax.map(of_tile, (numbers, tiles))


def runs_of(n: int) -> Iterator[slice]:
    """Cut n rows into runs that are worked on at a time."""
    return (slice(i, i + ROWS) for i in range(0, n, ROWS))

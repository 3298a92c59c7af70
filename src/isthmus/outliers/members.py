"""Members of a detector: a model with its reference rows, and the score that all of them make.

score(x) = - mean_k [ loss(x'_k, x) + mean_R min_r mean_j (x'_kj - r'_kj)^2 ]

over members k, with draws R of reference rows r; x' and r' are reconstructions, in scaled units. What
changes of constant columns cost is a part of the loss (see `constants`). Means are over the cells of x
that are there: what a row lacks makes it neither strange nor normal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.model import blocks, weight_there
from isthmus.outliers.constants import NONE, Constants
from isthmus.parts import plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import History, Model

LARGEST = float(np.finfo(np.float32).max)
SAME = 1e-10  # of the usual square: how far rounding may part a row from itself


class Measured(NamedTuple):
    """What a member makes of rows: the two terms of the score, before they are added up."""

    losses: np.ndarray  # (n, d), by column; (n, 1) for a loss without columns
    again: np.ndarray  # (n, d), x'
    nearest: list[tuple[np.ndarray, np.ndarray]]  # of each draw, r for each row, and |x' - r'|^2
    weight: (
        np.ndarray | int
    )  # (n,) of a table: of the cells that are there; else how many there are
    there: np.ndarray | None = None  # (n, width): which slots count, where cells are missing


class Member(NamedTuple):
    """A model, the codes of the training rows that it compares with, and their constant columns."""

    model: Model
    references: np.ndarray  # (draws, n_references, m)
    history: History  # of the model's training
    constants: Constants = NONE

    def known(self) -> np.ndarray:
        """Return the reference rows as the model reproduces them, scaled; (draws, k, d)."""
        draws, k, m = self.references.shape
        codes = self.references.reshape(-1, m)
        if self.model.schema is None:
            known = self.model.scaled(self.model.decode(codes))
        else:
            known = self.model.placed(self.model.decode_outputs(codes))
        return known.reshape(draws, k, -1)

    def measured(self, rows: np.ndarray, known: np.ndarray) -> Measured:
        """Return the terms of the score of rows, beside the known ones."""
        model = self.model
        x = model.scaled(rows)
        if model.schema is None:
            again = model.scaled(model.reconstruct(rows))
            losses = model.scaled_losses(x, again)
        else:
            outputs = model.outputs(rows)
            losses, again = model.scaled_losses(x, outputs), model.placed(outputs)
        mixed, there = model.mixed, slots_there(model, rows)
        cells = None if mixed is None else plan(mixed.layout).cells
        losses = self.constants.added(losses, rows, cells)
        nearest = [closest_rows_there(again, drawn, there) for drawn in known]
        weight = model.n_cells if mixed is None else weight_there(mixed, rows)
        return Measured(losses, again, nearest, weight, there)


def slots_there(model: Model, rows: np.ndarray) -> np.ndarray | None:
    """Return which slots of rows belong to cells that are there, (n, width); None if all do."""
    if model.mixed is None or not np.isnan(rows).any():
        return None
    there: np.ndarray = ~np.isnan(rows)[:, plan(model.mixed.layout).owner]
    return there


def strangeness(members: Sequence[Member], rows: np.ndarray) -> np.ndarray:
    """Return minus the score of rows by these members, block by block; shape (n,)."""
    result = np.zeros(len(rows))
    for member in members:
        known = member.known()
        for b in member.model.blocks(rows):
            found = member.measured(rows[b], known)
            gaps = np.asarray(sum(distance for _, distance in found.nearest))
            gaps = _at_most(gaps / (len(known) * found.weight))
            result[b] += found.losses.sum(axis=1) + gaps
    return result / len(members)


def _at_most(distances: np.ndarray) -> np.ndarray:
    """Return distances, those of reconstructions that no float can hold as large as float32 goes."""
    return np.nan_to_num(distances, nan=LARGEST, posinf=LARGEST)


def usual_value(members: Sequence[Member]) -> float:
    """Return how large scaled values are, by the reference rows of the first member."""
    known = members[0].known().astype(float)
    return float(np.sqrt(np.mean(known**2))) or 1.0


def strangeness_by_column(
    members: Sequence[Member], rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each column adds to the strangeness of rows, and what was expected; (n, d) each.

    See `_by_column`; rows of tables are taken in blocks.
    """
    model = members[0].model
    whole = model.mixed is None or not len(rows)
    parts = [_by_column(members, rows[b]) for b in [slice(None)] * whole or model.blocks(rows)]
    contributions, expected = zip(*parts, strict=True)
    return np.concatenate(contributions), np.concatenate(expected)


def _by_column(members: Sequence[Member], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what each column adds to the strangeness of rows, and what was expected; (n, d) each.

    What is expected is the nearest reference row, in the data's units; of a table of mixed types the
    members' mean answer, (n, width), with numbers in the data's units and probabilities of levels.
    """
    contribution, expected = np.zeros(()), np.zeros(())
    for member in members:
        known, model = member.known(), member.model
        found = member.measured(rows, known)
        contribution = contribution + found.losses
        counted = len(known) * np.reshape(found.weight, (-1, 1))
        for drawn, (index, _) in zip(known, found.nearest, strict=True):
            close = drawn[index].astype(float)
            apart = (found.again - close) ** 2
            apart = apart if found.there is None else np.where(found.there, apart, 0)
            contribution = contribution + _at_most(model.slots_by_cell(apart) / counted)
            if model.schema is None:
                expected = expected + model.scaler.inverse(close) / len(known)
        if model.schema is not None:
            expected = expected + model.unscaled(model.outputs(rows))
    return contribution / len(members), expected / len(members)


def closest_rows_there(
    x: np.ndarray, known: np.ndarray, there: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `closest_rows` does, of rows of which some slots do not count.

    Whole rows go the usual way, so that one's result is the same whatever rows come with it.
    """
    if there is None:
        return closest_rows(x, known)
    index, distance, whole = np.empty(len(x), int), np.empty(len(x)), there.all(axis=1)
    index[whole], distance[whole] = closest_rows(x[whole], known)
    index[~whole], distance[~whole] = closest_rows(x[~whole], known, there[~whole])
    return index, distance


def closest_rows(
    x: np.ndarray, known: np.ndarray, there: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the known row that is nearest to each row, and its squared distance.

    A row may have been drawn as a reference, so one that is the same within rounding is passed over.
    A product finds the nearest, and the difference is taken anew: a row's is the same whatever rows
    come with it. `there` is which slots of each row count, if not all do.
    """
    known = known.astype(float)
    squares = (known**2).sum(axis=1)
    same = SAME * (known.shape[1] + squares.mean())
    index, distance = np.empty(len(x), int), np.empty(len(x))
    for b in blocks(x, max(2**22 * x.shape[1] // len(known), x.shape[1])):
        rows, counts = x[b].astype(float), None if there is None else there[b]
        near = _apart_by_product(rows, known, squares, counts)
        index[b] = near.argmin(axis=1)
        distance[b] = _apart(rows, known[index[b]], counts)
        own = np.flatnonzero(distance[b] <= same)
        near[own, index[b][own]] = np.inf
        index[b][own] = near[own].argmin(axis=1)
        counts = None if counts is None else counts[own]
        distance[b][own] = _apart(rows[own], known[index[b][own]], counts)
    return index, distance


def _apart_by_product(
    rows: np.ndarray, known: np.ndarray, squares: np.ndarray, counts: np.ndarray | None
) -> np.ndarray:
    """Return the squared distance of each row from each known one, but for the row's own square."""
    if counts is None:
        return squares - 2 * rows @ known.T
    return counts @ (known**2).T - 2 * (rows * counts) @ known.T


def _apart(rows: np.ndarray, others: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    """Return the squared distance of rows from others, over the slots that count."""
    difference = rows - others
    return ((difference if counts is None else difference * counts) ** 2).sum(axis=1)

"""Members of a detector: a model with its reference rows, and the score that all of them make.

score(x) = - mean_k [ loss(x'_k, x) + mean_R min_r mean_j (x'_kj - r'_kj)^2 ]

over members k, with draws R of reference rows r; x' and r' are reconstructions, in scaled units. What
changes of constant columns cost is a part of the loss (see `constants`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.autoencoder import column_names, validate_rows
from isthmus.model import blocks
from isthmus.outliers.constants import NONE, Constants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from isthmus.autoencoder import Autoencoder
    from isthmus.model import History, Model

LARGEST = float(np.finfo(np.float32).max)
SAME = 1e-10  # of the usual square: how far rounding may part a row from itself


class Measured(NamedTuple):
    """What a member makes of rows: the two terms of the score, before they are added up."""

    losses: np.ndarray  # (n, d), by column; (n, 1) for a loss without columns
    again: np.ndarray  # (n, d), x'
    nearest: list[tuple[np.ndarray, np.ndarray]]  # of each draw, r for each row, and |x' - r'|^2


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
        losses = self.constants.added(losses, rows)
        return Measured(losses, again, [closest_rows(again, drawn) for drawn in known])


def strangeness(members: Sequence[Member], rows: np.ndarray) -> np.ndarray:
    """Return minus the score of rows by these members, block by block; shape (n,)."""
    result = np.zeros(len(rows))
    for member in members:
        known = member.known()
        for b in blocks(rows, 2**21):
            losses, _, nearest = member.measured(rows[b], known)
            gaps = sum(distance for _, distance in nearest)
            gaps = _at_most(np.asarray(gaps) / (len(known) * member.model.n_cells))
            result[b] += losses.sum(axis=1) + gaps
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

    What is expected is the nearest reference row, in the data's units; of a table of mixed types the
    members' mean answer, (n, width), with numbers in the data's units and probabilities of levels.
    """
    contribution, expected = np.zeros(()), np.zeros(())
    for member in members:
        known, model = member.known(), member.model
        losses, again, nearest = member.measured(rows, known)
        contribution = contribution + losses
        for drawn, (index, _) in zip(known, nearest, strict=True):
            close = drawn[index].astype(float)
            gaps = model.slots_by_cell((again - close) ** 2)
            contribution = contribution + _at_most(gaps / (len(known) * model.n_cells))
            if model.schema is None:
                expected = expected + model.scaler.inverse(close) / len(known)
        if model.schema is not None:
            expected = expected + model.unscaled(model.outputs(rows))
    return contribution / len(members), expected / len(members)


def closest_rows(x: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the known row that is nearest to each row, and its squared distance.

    A row may have been drawn as a reference, so one that is the same within rounding is passed over.
    A product finds the nearest, and the difference is taken anew: a row's is the same whatever rows
    come with it.
    """
    known = known.astype(float)
    squares = (known**2).sum(axis=1)
    same = SAME * (known.shape[1] + squares.mean())
    index, distance = np.empty(len(x), int), np.empty(len(x))
    for b in blocks(x, max(2**22 * x.shape[1] // len(known), x.shape[1])):
        rows = x[b].astype(float)
        near = squares - 2 * rows @ known.T
        index[b] = near.argmin(axis=1)
        distance[b] = ((rows - known[index[b]]) ** 2).sum(axis=1)
        own = np.flatnonzero(distance[b] <= same)
        near[own, index[b][own]] = np.inf
        index[b][own] = near[own].argmin(axis=1)
        distance[b][own] = ((rows[own] - known[index[b][own]]) ** 2).sum(axis=1)
    return index, distance


class Explanation(NamedTuple):
    """What made each row as strange as it is, by column; see `OutlierDetector.explain`."""

    columns: tuple[str, ...]
    contribution: np.ndarray  # (n, d); the sum of a row is minus its score
    observed: np.ndarray  # (n, d), in the data's units
    expected: np.ndarray  # (n, d)

    def frame(self, top: int | None = None) -> pl.DataFrame:
        """Return a table with a line for each row and column, the largest contributions first.

        Parameters
        ----------
        top : int, optional
            How many columns to list for each row; all by default.
        """
        order = np.argsort(-self.contribution, axis=1, kind="stable")[:, :top]
        table = {
            "row": np.repeat(np.arange(len(order)), order.shape[1]),
            "column": [self.columns[j] for j in order.ravel()],
        }
        for name in ("contribution", "observed", "expected"):
            table[name] = np.take_along_axis(getattr(self, name), order, axis=1).ravel()
        return pl.DataFrame(table)


def explain_losses(ae: Autoencoder, X: ArrayLike) -> Explanation:
    """Return what each column adds to the loss of an autoencoder on rows.

    Raises
    ------
    ValueError
        Where the loss is no sum over columns.
    """
    rows, model = validate_rows(ae, X, reset=False), ae.fitted_.model.on(ae.device)
    with model.computing():
        model.slots.check_by_column()
    again = model.reconstruct(rows)
    shares = model.column_losses(rows, again)
    return Explanation(column_names(ae), shares, np.array(rows, float), again.astype(float))

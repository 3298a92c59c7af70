"""Members of a detector: an autoencoder with its reference rows, what it measures of others, and what
all of them tell.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isthmus.autoencoder.estimator import Autoencoder
from isthmus.autoencoder.validation import validate_rows
from isthmus.model.evaluation import column_losses
from isthmus.model.scaling import blocks
from isthmus.training.measures import column_shares, losses_of_pairs
from isthmus.training.runtime import computing
from isthmus.training.trainer import traced

SAME = 1e-10  # of the usual square: how far rounding may part a row from itself


class Member(NamedTuple):
    """A fitted autoencoder and the codes of the training rows that it compares with."""

    model: Autoencoder
    references: np.ndarray  # (draws, n_references, m)

    def known(self) -> np.ndarray:
        """Return the reference rows as the model reproduces them, scaled; (draws, k, d)."""
        model, (draws, k, m) = self.model, self.references.shape
        known = np.asarray(model.inverse_transform(self.references.reshape(-1, m)))
        scaled = model.scaler_.forward(known.reshape(draws * k, -1), model.dtype)
        return scaled.reshape(draws, k, -1)

    def losses(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns' shares of the loss and the reconstructions, scaled; each (n, d), but
        shares are (n, 1) for a loss without columns.
        """
        model = self.model
        again = np.asarray(model.reconstruct(shaped_rows(model, rows))).reshape(len(rows), -1)
        with computing(model.dtype, model.device):
            objective = traced(model.slots_.objective(), model.dtype)
            x, x_out = (model.scaler_.forward(v, model.dtype) for v in (rows, again))
            if objective.loss.by_column:
                return column_shares(objective, x_out, x), x_out
            return losses_of_pairs(objective, x_out, x)[:, None], x_out


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


def explain_losses(model: Autoencoder, X: Any) -> Explanation:
    """Return what each column adds to the loss of an autoencoder on rows.

    Raises
    ------
    ValueError
        Where the loss is no sum over columns.
    """
    rows = validate_rows(model, X, reset=False)
    again = np.asarray(model.reconstruct(X), float)
    shares = column_losses(model, rows, again)
    names = getattr(model, "feature_names_in_", [f"x{i}" for i in range(rows.shape[1])])
    return Explanation(tuple(map(str, names)), shares, np.array(rows, float), again)


def strangeness(members: Sequence[Member], rows: np.ndarray) -> np.ndarray:
    """Return minus the mean score by these members, block by block; shape (n,)."""
    result = np.zeros(len(rows))
    for member in members:
        known = member.known()
        for b in blocks(rows, 2**21):
            shares, again = member.losses(rows[b])
            gaps = sum(closest_rows(again, drawn)[1] for drawn in known)
            result[b] += shares.sum(axis=1) + gaps / (len(known) * rows.shape[1])
    return result / len(members)


def shaped_rows(model: Autoencoder, rows: np.ndarray) -> np.ndarray:
    """Return flat rows in the shape that the model takes."""
    shape = model.sample_shape_
    return rows.reshape(-1, *shape) if shape else rows


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

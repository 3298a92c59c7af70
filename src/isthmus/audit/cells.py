"""Which cells are surprising, given the rest of their rows, to models that did not train on these rows.

Rows are parted into folds. For each an autoencoder learns from the other folds to restore cells that
are hidden or swapped; then each cell of the fold is hidden in turn, and judged by what its true value
costs. Its rank among the cells of its column, all judged in this way, is its p-value: of the cells of a
column a share of at most `a` has `p <= a`.
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.audit.expected import expectations
from isthmus.autoencoder import Autoencoder, Rows, advance_training, begin_courses
from isthmus.model import resolve_slots
from isthmus.training import Progress

if TYPE_CHECKING:
    from isthmus.model import Model
    from isthmus.schema import Schema

STEPS = 1500
WIDTH = 64  # code units: what is hidden, and not a narrow code, keeps a model from copying
TAIL = 0.02  # the share of cells from whose surprise that of rarer ones is extrapolated
DOUBTED = 0.5  # how sure it must be that a cell is wrong to judge its row without it
SPARE = 3.0  # how many times the share to be flagged is kept of each fold, for its expectations


@dataclass(frozen=True)
class CellJudgements:
    """How surprising each cell is, and what was expected of those that are flagged.

    Attributes
    ----------
    surprise : ndarray (n, cells)
        What the cell costs when it is hidden; NaN where it is missing.
    p : ndarray (n, cells)
        The share of cells of its column that are at least as surprising.
    sure : ndarray (n, cells)
        How sure it is that the cell is wrong: one minus the share of false alarms that is to be
        expected among all cells that are at least as surprising.
    flagged : polars.DataFrame
        A line for each cell with p of at most the target that is not what was expected, the surest
        first: "row", "column", "p", "sure" and "expected".
    """

    surprise: np.ndarray
    p: np.ndarray
    sure: np.ndarray
    flagged: pl.DataFrame


class Kept(NamedTuple):
    """What was expected of the most surprising cells of a column, in rows of one fold."""

    cell: int
    rows: np.ndarray
    expected: list[str | None]


def judge_cells(
    X: np.ndarray,
    schema: Schema,
    *,
    target_fpr: float = 0.01,
    folds: int = 5,
    random_state: int = 0,
    max_epochs: int | None = None,
    verbose: int = 0,
) -> CellJudgements:
    """Judge the cells of compact rows out of fold.

    Parameters
    ----------
    X : ndarray (n, values)
        Compact rows, as `schema` encodes them.
    schema : Schema
        What the columns are.
    target_fpr : float
        The share of cells of each column that are flagged.
    folds : int
        The number of models.
    random_state : int
        The seed of folds and models.
    max_epochs : int, optional
        Passes of a model over its rows; by default about 1,500 steps.
    verbose : int
        Whether progress is shown.

    Returns
    -------
    CellJudgements
        The judgements.
    """
    rng = np.random.default_rng(random_state)
    held = parted(X, folds, rng)
    tame = without_extremes(X, schema)
    models = trained_models(tame, schema, held, rng, max_epochs, verbose)
    judge = Judge(X, schema, list(zip(models, held, strict=True)), SPARE * target_fpr)
    with closing(Progress("audit: judging", verbose, 2 * folds, "folds")) as count:
        first = judge.look(tame, count)
        doubted = without_doubted(tame, schema, first.sure)
        last = first if doubted is None else judge.look(doubted, count)
    return CellJudgements(last.surprise, last.p, last.sure, last.flagged(schema, target_fpr))


def without_extremes(X: np.ndarray, schema: Schema) -> np.ndarray:
    """Return rows as models see them: numbers far out are brought to the ends of what is usual.

    One wrong number would else rule the units of its column, and what the others of its row look like.
    """
    tame = X.copy()
    for j in (j for j, value in enumerate(schema.values) if value.kind == "number"):
        low, high = np.nanquantile(X[:, j], [0.01, 0.99])
        np.clip(X[:, j], 2 * low - high, 2 * high - low, out=tame[:, j])
    return tame


def parted(X: np.ndarray, folds: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the rows of each fold; equal rows are in one, so that none is judged by its like."""
    hashes = pl.DataFrame(X).fill_nan(None).hash_rows().to_numpy()
    _, like = np.unique(hashes, return_inverse=True)
    fold = rng.permutation(np.arange(like.max() + 1) % folds)[like]
    return [np.flatnonzero(fold == k) for k in range(folds)]


def without_doubted(X: np.ndarray, schema: Schema, sure: np.ndarray) -> np.ndarray | None:
    """Return rows in which the most doubtful cell is hidden, if it is doubtful; None if none is.

    A wrong cell makes the others of its row look wrong too: they are judged again without it.
    """
    rows = np.flatnonzero(np.nanmax(np.nan_to_num(sure), axis=1) >= DOUBTED)
    if not len(rows):
        return None
    worst = np.nan_to_num(sure[rows]).argmax(axis=1)
    owner = np.array([value.cell for value in schema.values])
    hidden = X.copy()
    hidden[rows] = np.where(owner == worst[:, None], np.nan, X[rows])
    return hidden


class Look(NamedTuple):
    """How surprising all cells are in what was shown of their rows."""

    surprise: np.ndarray
    p: np.ndarray
    tail: np.ndarray
    sure: np.ndarray
    kept: list[Kept]

    def flagged(self, schema: Schema, target_fpr: float) -> pl.DataFrame:
        """Return the flagged cells, the surest first."""
        parts = [
            pl.DataFrame(
                {
                    "row": few.rows.astype(np.uint32),
                    "column": [schema.used[few.cell].name] * len(few.rows),
                    "p": self.p[few.rows, few.cell],
                    "sure": self.sure[few.rows, few.cell],
                    "tail": self.tail[few.rows, few.cell],
                    "expected": pl.Series(few.expected, dtype=pl.String),
                }
            )
            for few in self.kept
        ]
        table = pl.concat(parts).filter(pl.col("p") <= target_fpr).drop_nulls("expected")
        return table.sort("tail", "row", "column").drop("tail")


class Judge:
    """Models, each with the rows that it did not train on, and the true cells."""

    def __init__(
        self, X: np.ndarray, schema: Schema, parts: list[tuple[Model, np.ndarray]], share: float
    ) -> None:
        self.X, self.schema, self.parts, self.share = X, schema, parts, share

    def look(self, shown: np.ndarray, count: Progress) -> Look:
        """Judge each cell by what is shown of its row, without the cell itself."""
        surprise = np.full((len(self.X), len(self.schema.used)), np.nan)
        kept: list[Kept] = []
        for model, rows in self.parts:
            for cell in range(surprise.shape[1]):
                hidden = self._hidden(shown[rows], cell)
                outputs = model.outputs(hidden)
                surprise[rows, cell] = cost = self._costs(model, self.X[rows], outputs, cell)
                few = self._most_surprising(cost)
                text = expectations(model, self.schema, self.X[rows], outputs, cell, few)
                kept.append(Kept(cell, rows[few], text))
            count(1)
        tail = rarity(surprise)
        return Look(surprise, ranks(surprise), tail, 1 - false_share(tail), kept)

    def _hidden(self, shown: np.ndarray, cell: int) -> np.ndarray:
        owner = np.array([value.cell for value in self.schema.values])
        return np.where(owner == cell, np.nan, shown)

    def _costs(self, model: Model, X: np.ndarray, outputs: np.ndarray, cell: int) -> np.ndarray:
        """Return what a column's cells cost, NaN where they are missing."""
        cells = np.array([value.cell for value in self.schema.values])
        known = ~np.isnan(X[:, np.searchsorted(cells, np.arange(len(self.schema.used)))])
        shares = model.cell_losses(X, outputs)[:, cell]  # of the mean over the cells that are there
        return np.where(known[:, cell], shares * known.sum(axis=1), np.nan)

    def _most_surprising(self, cost: np.ndarray) -> np.ndarray:
        """Return the rows whose expectations may be asked for, the most surprising first."""
        there = int((~np.isnan(cost)).sum())
        most = min(int(np.ceil(self.share * there)) + 1, there)
        return np.argsort(np.where(np.isnan(cost), np.inf, -cost), kind="stable")[:most]


def trained_models(
    X: np.ndarray,
    schema: Schema,
    held: list[np.ndarray],
    rng: np.random.Generator,
    max_epochs: int | None,
    verbose: int,
) -> list[Model]:
    """Return a model for each fold, trained on the rows of all others."""
    template = template_for(len(X) - len(held[0]), max_epochs)
    slots = resolve_slots(template, mixed=True)
    courses = []
    with closing(Progress("audit: training", verbose)) as count:
        for rows in held:
            train = np.delete(X, rows, axis=0)
            train = train[~np.isnan(train).all(axis=1)]
            begun = begin_courses(Rows(train, np.ones(len(train)), None, schema))
            courses.append(begun.begin(template, slots, int(rng.integers(2**32))))
        advance_training(courses, 1.0, count)
    for course in courses:
        if course.error is not None:
            raise course.error
    return [course.fitted().model for course in courses]


def template_for(n: int, max_epochs: int | None) -> Autoencoder:
    """Return the autoencoder that learns to restore cells of tables."""
    batch = 128 if n < 20_000 else 256
    epochs = max(math.ceil(STEPS / math.ceil(n / batch)), 2) if max_epochs is None else max_epochs
    return Autoencoder(
        WIDTH,
        "dense:hidden=[128]",
        corruption=("swap:rate=0.1", "masking:rate=0.25"),
        max_epochs=epochs,
        batch_size=min(batch, n),
        learning_rate=0.005,
        early_stopping=False,
    )


# -- from surprise to how sure -----------------------------------------------------------------------


def ranks(surprise: np.ndarray) -> np.ndarray:
    """Return of each cell the share of cells of its column that are at least as surprising.

    Examples
    --------
    >>> ranks(np.array([[1.0], [3.0], [2.0], [np.nan]])).T.round(2)
    array([[1.  , 0.33, 0.67,  nan]])
    """
    p = np.full(surprise.shape, np.nan)
    for j, column in enumerate(surprise.T):
        there = ~np.isnan(column)
        ordered = np.sort(column[there])
        below = np.searchsorted(ordered, column[there], side="left")
        p[there, j] = (len(ordered) - below) / max(len(ordered), 1)
    return p


def tail_probability(surprise: np.ndarray) -> np.ndarray:
    """Return how often a column's cell is at least as surprising, beyond what was seen too.

    Where ranks end, the tail goes on as a generalised Pareto distribution through the surprises that
    one in 50, one in 12 and one in 3 cells exceed; few wrong cells do not move these.

    References
    ----------
    Pickands, "Statistical Inference Using Extreme Order Statistics", 1975.
    """
    p = ranks(surprise[:, None])[:, 0]
    known = surprise[~np.isnan(surprise)]
    if len(known) < 3:
        return p
    share = min(max(TAIL, 8 / len(known)), 1 / 16)
    low, middle, high = np.quantile(known, [1 - 16 * share, 1 - 4 * share, 1 - share])
    rise, last = middle - low, high - middle
    if not last > 0:
        return p
    shape = float(np.clip(np.log(last / rise) / np.log(4), 0, 1)) if rise > 0 else 1.0
    scale = last * shape / (1 - 4**-shape) if shape > 1e-6 else last / np.log(4)
    with np.errstate(invalid="ignore"):
        beyond = np.maximum(surprise - high, 0) / scale
        falls = (1 + shape * beyond) ** (-1 / shape) if shape > 1e-6 else np.exp(-beyond)
        far: np.ndarray = np.where(surprise > high, np.minimum(share * falls, p), p)
    return far


def rarity(surprise: np.ndarray) -> np.ndarray:
    """Return how rare cells are: in their columns and among all cells, `e` times the geometric mean.

    The one knows how surprising cells of a column are; the other that a column which can be told from
    the others is to be believed more. The factor makes a p-value of the mean of any two.

    References
    ----------
    Vovk and Wang, "Combining p-values via Averaging", 2020.
    """
    own = np.stack([tail_probability(column) for column in surprise.T], axis=1)
    among_all = tail_probability(surprise.ravel()).reshape(surprise.shape)
    return np.minimum(np.e * np.sqrt(own * among_all), 1)


def false_share(p: np.ndarray) -> np.ndarray:
    """Return of each cell the share of false alarms among all at least as unlikely, at most 1.

    References
    ----------
    Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995.

    Examples
    --------
    >>> false_share(np.array([[0.001, 0.5], [0.9, np.nan]]))
    array([[0.003, 0.75 ],
           [0.9  ,   nan]])
    """
    known = ~np.isnan(p)
    values = p[known]
    order = np.argsort(values, kind="stable")
    raised = values[order] * len(values) / np.arange(1, len(values) + 1)
    found = np.full(p.shape, np.nan)
    lowest = np.minimum.accumulate(raised[::-1])[::-1] if len(values) else raised
    back = np.empty(len(values))
    back[order] = np.minimum(lowest, 1)
    found[known] = back
    return found

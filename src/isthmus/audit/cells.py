"""Which cells are wrong, as far as their columns and the rest of their rows tell.

Rows are parted into folds. For each an autoencoder learns from the other folds to restore cells that
are hidden or swapped; then each cell of the fold is hidden in turn, and what the model expects there is
compared with what is there. What speaks against a cell (`isthmus.audit.evidence`) is weighed by
a logistic regression that is taught on the table itself: cells of the fold as they are, beside the same
cells with mistakes of the usual kinds: another row's value, other units, the other sign, a rare or
unseen level, another year. The rank of a cell's score among all cells, judged in this way, is its
p-value: of the cells that are right a share of about `a` has `p <= a`.
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from isthmus.audit.evidence import (
    Mistakes,
    NumberEvidence,
    level_evidence,
    wrong_levels,
    wrong_numbers,
)
from isthmus.audit.expected import expectations
from isthmus.autoencoder import Autoencoder, Rows, advance_training, begin_courses
from isthmus.model import resolve_slots
from isthmus.training import Progress

if TYPE_CHECKING:
    from isthmus.model import Model
    from isthmus.schema import Schema

STEPS = 1500
WIDTH = 64  # code units: what is hidden, and not a narrow code, keeps a model from copying
WRONG = 0.01  # the share of cells that are taken to be wrong where nothing is known yet
PLANTED = 500  # mistakes in each column of a fold, to learn how evidence is weighed
LEAST_TAUGHT = 10  # mistakes of a kind that something can be learned from
MOST_TAUGHT = 200_000  # cells that this is learned from
NEVER = -50.0  # log odds of what is just as expected
KEPT_VALUES = (
    2**26
)  # of what nets make of folds that are kept; more is made again where it is needed
MOST_WORK = 2e10  # columns times rows times width of a net; of more rows as many as that are judged
DOUBTED = 0.3  # how sure it must be that a cell is wrong to judge its row without it
FLAGGED = {
    "row": pl.UInt32,
    "column": pl.String,
    "p": pl.Float64,
    "sure": pl.Float64,
    "expected": pl.String,
}


@dataclass(frozen=True)
class CellJudgements:
    """How suspicious each cell is, and what was expected of those that are flagged.

    Attributes
    ----------
    surprise : ndarray (n, cells)
        The log odds of the cell being wrong; NaN where it is missing or its row was not judged.
    p : ndarray (n, cells)
        The share of all cells that are at least as suspicious.
    sure : ndarray (n, cells)
        How likely it is that the cell is wrong, if one in a hundred cells is.
    flagged : polars.DataFrame
        A line for each cell with p of at most the target that is not what was expected, the surest
        first: "row", "column", "p", "sure" and "expected".
    n_rows : int
        How many rows were judged: all, or as many as is not too much work, drawn at random.
    """

    surprise: np.ndarray
    p: np.ndarray
    sure: np.ndarray
    flagged: pl.DataFrame
    n_rows: int


class Kept(NamedTuple):
    """What was expected of a column's flagged cells, in rows of one fold."""

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
        The share of all cells that are flagged; of one column it may be more or less.
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
    judged = drawn(held, most_rows(len(schema.used), models[0].net.n_features), rng)
    judge = Judge(X, schema, list(zip(models, judged, strict=True)), random_state)
    with closing(Progress("audit: judging", verbose, 2 * folds, "parts")) as count:
        first = judge.look(tame, target_fpr, count)
        doubted = without_doubted(tame, schema, first.sure)
        last = first if doubted is None else judge.look(doubted, target_fpr, count)
    flagged = last.flagged(schema, target_fpr)
    return CellJudgements(last.score, last.p, last.sure, flagged, sum(map(len, judged)))


def most_rows(cells: int, width: int) -> int:
    """Return how many rows are judged at most: each of their cells takes a pass through the net."""
    return int(MOST_WORK / (cells * width))


def drawn(held: list[np.ndarray], most: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the rows of folds, of each a random share where all are too many."""
    total = sum(map(len, held))
    if total <= most:
        return held
    few = [max(most * len(rows) // total, 1) for rows in held]
    return [np.sort(rng.choice(r, n, replace=False)) for r, n in zip(held, few, strict=True)]


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
    _, like = np.unique(row_hashes(X), return_inverse=True)
    fold = rng.permutation(np.arange(like.max() + 1) % folds)[like]
    return [np.flatnonzero(fold == k) for k in range(folds)]


def n_different(X: np.ndarray) -> int:
    """Return how many different rows there are, without one that has no cell."""
    return len(np.unique(row_hashes(X[~np.isnan(X).all(axis=1)])))


def row_hashes(X: np.ndarray) -> np.ndarray:
    """Return a hash for each row."""
    return pl.DataFrame(X).fill_nan(None).hash_rows().to_numpy()


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
    """What speaks for cells being wrong, in what was shown of their rows."""

    score: np.ndarray  # log odds
    p: np.ndarray
    sure: np.ndarray
    kept: list[Kept]

    def flagged(self, schema: Schema, target_fpr: float) -> pl.DataFrame:
        """Return the flagged cells, the surest first."""
        parts = [
            pl.DataFrame(
                {
                    "row": few.rows,
                    "column": [schema.used[few.cell].name] * len(few.rows),
                    "p": self.p[few.rows, few.cell],
                    "sure": self.sure[few.rows, few.cell],
                    "expected": few.expected,
                },
                FLAGGED,
            )
            for few in self.kept
        ]
        table = pl.concat([pl.DataFrame(schema=FLAGGED), *parts])
        table = table.filter(pl.col("p") <= target_fpr).drop_nulls("expected")
        return table.sort("p", "row", "column")


class Evidence(NamedTuple):
    """What speaks against a column's cells in the rows of a fold, and against planted mistakes."""

    cell: int
    rows: np.ndarray
    real: np.ndarray
    planted: np.ndarray
    kinds: np.ndarray  # of planted mistakes
    expected: np.ndarray  # whether a cell is just what was expected

    @classmethod
    def of(
        cls,
        cell: int,
        rows: np.ndarray,
        real: np.ndarray,
        planted: np.ndarray,
        wrong: Mistakes,
        true: np.ndarray,
        expected: np.ndarray,
    ) -> Evidence:
        """Return evidence without mistakes that are none."""
        other = wrong.values != true
        return cls(cell, rows, real, planted[other], wrong.kinds[other], expected)


class Judge:
    """Models, each with the rows that it did not train on, and the true cells."""

    def __init__(
        self, X: np.ndarray, schema: Schema, parts: list[tuple[Model, np.ndarray]], seed: int
    ) -> None:
        self.X, self.schema, self.parts, self.seed = X, schema, parts, seed
        self.owner = np.array([value.cell for value in schema.values])
        self.places = np.searchsorted(self.owner, np.arange(len(schema.used)))

    def look(self, shown: np.ndarray, target_fpr: float, count: Progress) -> Look:
        """Judge each cell by its column and by what is shown of its row, without the cell itself."""
        rng = np.random.default_rng(self.seed)
        found, outputs, left = [], {}, KEPT_VALUES
        for k, (model, rows) in enumerate(self.parts):
            for cell in range(len(self.places)):
                made = model.outputs(np.where(self.owner == cell, np.nan, shown[rows]))
                outputs[k, cell] = made if made.size <= left else None
                left -= made.size if made.size <= left else 0
                found.append(self._evidence(model, rows, made, cell, rng))
            count(1)
        found = [evidence for evidence in found if len(evidence.rows)]
        score = np.full((len(self.X), len(self.places)), np.nan)
        for levels in (True, False):
            weigh([e for e in found if self._has_levels(e.cell) == levels], score)
        p = ranks(score)
        kept = self._expectations(shown, outputs, p, target_fpr)
        return Look(score, p, 1 / (1 + np.exp(-np.clip(score, -50, 50))), kept)

    def _has_levels(self, cell: int) -> bool:
        return self.schema.used[cell].kind in ("category", "boolean")

    def _evidence(
        self, model: Model, rows: np.ndarray, made: np.ndarray, cell: int, rng: np.random.Generator
    ) -> Evidence:
        """Return what speaks against a column's cells in the rows of a fold."""
        place = self.places[cell]
        values = self.X[:, place]
        known = values[~np.isnan(values)]
        there = np.flatnonzero(~np.isnan(values[rows]))
        few = there[rng.permutation(len(there))[:PLANTED]]
        true = values[rows]
        if self._has_levels(cell):
            shares = level_shares(model, made, place)
            counts = np.bincount(known.astype(int), minlength=shares.shape[1])
            codes = true[there].astype(int)
            wrong = wrong_levels(true[few].astype(int), counts, rng)
            real = level_evidence(codes, shares[there], counts)
            planted = level_evidence(wrong.values, shares[few], counts)
            usual = shares[there].argmax(axis=1) == codes
            return Evidence.of(cell, rows[there], real, planted, wrong, true[few], usual)
        answer = model.compact(made)
        scaled, guess = (model.scaled(x)[:, place].astype(float) for x in (self.X[rows], answer))
        numbers = NumberEvidence(known, scaled, guess)
        wrong = wrong_numbers(true[few], self.schema.used[cell], known, rng)
        changed = self.X[rows[few]]
        changed[:, place] = wrong.values
        real = numbers.against(true[there], scaled[there], there)
        planted = numbers.against(wrong.values, model.scaled(changed)[:, place].astype(float), few)
        usual = np.abs(scaled - guess)[there] <= 0.5 * numbers.unit[there]
        return Evidence.of(cell, rows[there], real, planted, wrong, true[few], usual)

    def _expectations(
        self,
        shown: np.ndarray,
        outputs: dict[tuple[int, int], np.ndarray | None],
        p: np.ndarray,
        target_fpr: float,
    ) -> list[Kept]:
        """Return what was expected of the flagged cells."""
        kept = []
        for k, (model, rows) in enumerate(self.parts):
            for cell in range(len(self.places)):
                few = np.flatnonzero(p[rows, cell] <= target_fpr)
                if not len(few):
                    continue
                made = outputs[k, cell]
                if made is None:
                    made = model.outputs(np.where(self.owner == cell, np.nan, shown[rows]))
                text = expectations(model, self.schema, self.X[rows], made, cell, few)
                kept.append(Kept(cell, rows[few], text))
        return kept


def level_shares(model: Model, made: np.ndarray, place: int) -> np.ndarray:
    """Return what a model expects of levels, or of False and True, (n, levels)."""
    shares = model.probabilities(made)[int(place)].astype(float)
    return np.stack([1 - shares, shares], axis=1) if shares.ndim == 1 else shares


def weigh(found: list[Evidence], score: np.ndarray) -> None:
    """Learn how to weigh evidence, and write the log odds of cells being wrong to their places.

    Each kind of mistake is told from cells as they are by a regression of its own, and the odds of all
    kinds are added. One cell in a hundred is taken to be wrong, by any kind alike. What is just as
    expected is no mistake, and nothing is where mistakes are too few to learn from.
    """
    if not found:
        return
    real = np.concatenate([e.real for e in found])
    some = real[:: max(len(real) // MOST_TAUGHT, 1)]
    planted, kinds = (np.concatenate([getattr(e, f) for e in found]) for f in ("planted", "kinds"))
    each = [kind for kind in np.unique(kinds) if (kinds == kind).sum() >= LEAST_TAUGHT]
    models = [taught(some, planted[kinds == kind], WRONG / len(each)) for kind in each]
    for evidence in found:
        odds = [m.decision_function(evidence.real) for m in models]
        any_kind = np.logaddexp.reduce(odds, axis=0) if odds else NEVER
        score[evidence.rows, evidence.cell] = np.where(evidence.expected, NEVER, any_kind)


def taught(real: np.ndarray, planted: np.ndarray, share: float) -> Any:
    """Return a regression that tells mistakes, of which there are so many, from cells as they are."""
    lines, label = (
        np.concatenate([real, planted]),
        np.repeat([False, True], [len(real), len(planted)]),
    )
    weight = np.where(label, share / len(planted), (1 - share) / len(real)) * len(real)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    return model.fit(lines, label, logisticregression__sample_weight=weight)


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


def ranks(score: np.ndarray) -> np.ndarray:
    """Return of each cell the share of all cells with at least its score.

    Examples
    --------
    >>> ranks(np.array([[1.0, 3.0], [2.0, np.nan]])).round(2)
    array([[1.  , 0.33],
           [0.67,  nan]])
    """
    there = ~np.isnan(score)
    ordered = np.sort(score[there])
    p = np.full(score.shape, np.nan)
    below = np.searchsorted(ordered, score[there], side="left")
    p[there] = (len(ordered) - below) / max(len(ordered), 1)
    return p

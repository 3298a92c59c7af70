"""What is measured of rows: one pass through each model, and facts about rows, codes and outliers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from isthmus.autoencoder import TableRows, in_original_columns, some_rows, validate_rows
from isthmus.model import explained_share, reference_errors
from isthmus.parts import corrupt_in_turn
from isthmus.report.facts import detector_facts, equation_texts, fitted_facts
from isthmus.report.tables import lost_shares, pass_rows, restored_cells, strange_cells
from isthmus.schema import MISSING, is_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike
    from sklearn.pipeline import Pipeline

    from isthmus.autoencoder import Autoencoder
    from isthmus.outliers import OutlierDetector
    from isthmus.report.facts import Facts
    from isthmus.schema import Schema

MOST_LABELS = 30
MOST_STRANGE = 8
MOST_CAUSES = 5
MOST_VALUES = 2_000_000  # are sorted to count the distinct ones
MOST_ROWS = 20_000  # are measured: enough for three figures, and quick


# -- one pass through a model ------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Rows and what a model makes of them; a line of each array is a row.

    Parameters
    ----------
    name, model
        The model.
    rows, reconstructions : ndarray (n, d)
        Flat, in the data's units.
    codes : ndarray (n, units)
    losses : ndarray (n,)
        Minus the scores.
    mean_losses, least_losses : ndarray (n,)
        What answering the training mean would cost, and what the row itself would.
    cells, constant_cells : ndarray (n, columns) or None
        Of a table of mixed types what each cell adds to the loss, and to that of the constant answer;
        rows and reconstructions are compact.
    """

    name: str
    model: Autoencoder
    rows: np.ndarray
    reconstructions: np.ndarray
    codes: np.ndarray
    losses: np.ndarray
    mean_losses: np.ndarray
    least_losses: np.ndarray
    cells: np.ndarray | None = None
    constant_cells: np.ndarray | None = None

    def take(self, index: np.ndarray) -> Self:
        """Return some of the rows, by their places."""
        if np.array_equal(index, np.arange(len(self.rows))):
            return self
        every = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: v[index] for name, v in every.items() if isinstance(v, np.ndarray)}
        return replace(self, **arrays)

    def lost_cells(self, schema: Schema) -> list[Facts]:
        """Return by column of a table what is lost."""
        assert self.cells is not None
        assert self.constant_cells is not None
        return lost_shares(schema, self.cells, self.constant_cells)

    @property
    def score(self) -> float:
        """What `Autoencoder.score` of these rows is."""
        least = self.least_losses.mean()
        return explained_share(self.losses.mean() - least, self.mean_losses.mean() - least)


def measure_rows(name: str, model: Autoencoder, X: ArrayLike) -> Measured:
    """Pass rows through a model, once."""
    rows, inner = validate_rows(model, X, reset=False), model.fitted_.model.on(model.device)
    if isinstance(rows, TableRows):
        return Measured(name=name, model=model, **pass_rows(inner, rows))
    codes = inner.encode(rows)
    mean, least = reference_errors(inner, rows)
    return Measured(
        name=name,
        model=model,
        rows=as_float_matrix(rows),
        reconstructions=inner.compact(inner.outputs_with(codes, rows)),
        codes=codes,
        losses=inner.losses(rows).astype(float),
        mean_losses=mean,
        least_losses=least,
    )


class ModelPasses:
    """What models make of rows, each of which passes through a model once.

    Parameters
    ----------
    models : dict of Autoencoder
    focus : str
        The model that is asked for more than the sample.
    X : array-like
        The rows.
    sample : ndarray of int
        The numbers of the rows that all models see; `measured` and `denoised` hold what they make
        of these.
    drawn : ndarray of int
        Further rows that the model in focus sees; `measure` looks them up.
    """

    def __init__(
        self,
        models: Mapping[str, Autoencoder],
        focus: str,
        X: ArrayLike,
        sample: np.ndarray,
        drawn: np.ndarray,
    ) -> None:
        self.X, self.n_rows, self.sample = X, _num_samples(X), sample
        self.seen = np.union1d(sample, drawn)
        self.focused = measure_rows(focus, models[focus], self.rows(self.seen))
        self.measured = [
            self.measure(sample) if name == focus else measure_rows(name, model, self.rows(sample))
            for name, model in models.items()
        ]
        self.denoised = [denoise_rows(measured) for measured in self.measured]

    def rows(self, numbers: np.ndarray) -> ArrayLike:
        """Return some of the rows, as they were given."""
        everything = np.array_equal(numbers, np.arange(self.n_rows))
        return self.X if everything else rows_of(self.X, numbers)

    def measure(self, numbers: np.ndarray) -> Measured:
        """Return what the model in focus makes of rows; those it has seen are looked up."""
        if np.isin(numbers, self.seen).all():
            return self.focused.take(np.searchsorted(self.seen, numbers))
        return measure_rows(self.focused.name, self.focused.model, self.rows(numbers))

    def scores(self) -> np.ndarray:
        """Return the scores of all rows by the model in focus."""
        scores = np.empty(self.n_rows)
        scores[self.seen] = -self.focused.losses
        rest = np.setdiff1d(np.arange(self.n_rows), self.seen)
        if len(rest):
            scores[rest] = self.focused.model.score_samples(self.rows(rest))
        return scores


def rows_of(X: ArrayLike, numbers: np.ndarray) -> ArrayLike:
    """Return some rows of an array or a frame."""
    return some_rows(X, numbers) if is_frame(X) else _safe_indexing(X, numbers)


def as_float_matrix(X: ArrayLike) -> np.ndarray:
    """Return rows as floats, each of them flat: (n, d)."""
    values = np.asarray(X, float)
    return values.reshape(len(values), -1)


@dataclass(frozen=True)
class Denoised:
    """Rows with noise, and what a model makes of them; (n, d), in the data's units."""

    noisy: np.ndarray
    clean: np.ndarray


def denoise_rows(measured: Measured) -> Denoised | None:
    """Return rows as in training, with noise, and without again; None for a model without noise.

    None too where the rows themselves have it, so that nobody knows what is right.
    """
    model = measured.model
    if model.slots_.of_noise or not any(part.active for part in model.slots_.corruption):
        return None
    noisy = corrupt_rows(model, measured.rows)
    return Denoised(noisy, model.fitted_.model.on(model.device).reconstruct(noisy))


def corrupt_rows(model: Autoencoder, X: ArrayLike, seed: int = 0) -> np.ndarray:
    """Return rows as the model's own corruption leaves them, in the data's units; (n, d)."""
    inner = model.fitted_.model.on(model.device)
    with inner.computing():
        scaled, key = inner.scaled(as_float_matrix(X)), jax.random.key(seed)
        parts = inner.slots.bound_objective(scaled, inner.dtype, inner.sample_shape).corruption
        noisy = corrupt_in_turn(parts, key, jnp.asarray(scaled))
        return np.asarray(inner.scaler.inverse(np.asarray(noisy)), float)


# -- models ------------------------------------------------------------------------------------------


def model_facts(measured: Measured, denoised: Denoised | None = None) -> Facts:
    """Return facts about a fitted model and rows.

    "error" is the mean loss of the rows and "raw_error" their squared error per value in the data's
    units, None for a table of mixed types; "columns" holds the share of each column's variance that is
    lost, or of what the constant answer loses; "denoising" is None without `denoised`.
    """
    schema = measured.model.schema_
    difference = measured.reconstructions - measured.rows
    return {
        "name": str(measured.name),
        **fitted_facts(measured.model),
        "n_rows": len(measured.rows),
        "error": float(measured.losses.mean()),
        "raw_error": None if schema else float(np.mean(difference**2)),
        "score": measured.score,
        "denoising": None if denoised is None else _denoising_facts(measured, denoised),
        "columns": measured.lost_cells(schema) if schema else _lost_variances(measured, difference),
    }


def _denoising_facts(measured: Measured, denoised: Denoised) -> Facts:
    """Return the squared errors of corrupted rows before and after the model, in the data's units."""
    text, schema = equation_texts(measured.model)["corruption"], measured.model.schema_
    if schema is not None:
        inner = measured.model.fitted_.model
        rows = inner.scaler.inverse(inner.scaled(measured.rows))  # rounded as the noisy ones are
        changed, back = restored_cells(schema, rows, denoised.noisy, denoised.clean)
        return {"text": text, "changed": changed, "restored": back}
    return {
        "text": text,
        "noisy_error": np.mean((denoised.noisy - measured.rows) ** 2),
        "denoised_error": np.mean((denoised.clean - measured.rows) ** 2),
    }


def _lost_variances(measured: Measured, difference: np.ndarray) -> list[Facts]:
    rows = measured.rows
    total = np.sum((rows - rows.mean(axis=0)) ** 2, axis=0)
    lost = np.sum(difference**2, axis=0)
    return [
        {"name": name, "lost": lost[j] / total[j] if total[j] > 0 else None}
        for j, name in enumerate(column_names(measured.model))
    ]


def column_names(model: Autoencoder) -> list[str]:
    """Return the columns' names, or their numbers."""
    names: Iterable[object] = getattr(model, "feature_names_in_", range(model.n_features_in_))
    return [str(name) for name in names]


# -- rows --------------------------------------------------------------------------------------------


def row_facts(
    rows: np.ndarray, shape: Sequence[int], columns: Sequence[str], labels: Facts | None
) -> Facts:
    """Return facts about flat rows (n, d) of a shape: how many, each column's range, gaps, labels.

    Without names of columns, as for images, the rows are described as one column of all their values.
    """
    several = zip(columns, rows.T, strict=True) if columns else [("all values", rows.ravel())]
    distinct = len(np.unique(rows, axis=0)) if len(rows) <= MOST_ROWS else None
    return {
        "n_rows": len(rows),
        "n_columns": rows.shape[1],
        "shape": list(shape),
        "n_missing": int(np.sum(~np.isfinite(rows))),
        "n_repeated": None if distinct is None else len(rows) - distinct,
        "columns": [_column_facts(name, values) for name, values in several],
        "labels": labels,
    }


def _column_facts(name: str, values: np.ndarray) -> Facts:
    known = values[np.isfinite(values)]
    measured = len(known) > 0
    return {
        "name": name,
        "missing": len(values) - len(known),
        "min": float(known.min()) if measured else None,
        "mean": float(known.mean()) if measured else None,
        "std": float(known.std()) if measured else None,
        "max": float(known.max()) if measured else None,
        "n_distinct": len(np.unique(known)) if len(known) <= MOST_VALUES else None,
    }


def used_columns(model: Autoencoder) -> list[str]:
    """Return the names of the columns that a model was trained on, if they have any."""
    if model.schema_ is not None:
        return [column.name for column in model.schema_.used]
    return [str(name) for name in getattr(model, "feature_names_in_", ())]


def label_facts(labels: np.ndarray, name: str) -> Facts:
    """Return how many rows have each label, of many labels the most frequent."""
    counts = Counter(str(value) for value in labels.tolist())
    common = counts.most_common(MOST_LABELS)
    return {
        "name": name,
        "n_kinds": len(counts),
        "counts": [{"label": label, "rows": rows} for label, rows in common],
    }


# -- codes -------------------------------------------------------------------------------------------


def code_facts(name: str, codes: np.ndarray) -> Facts:
    """Return facts about the units of a code: which are used, and how alike they are."""
    codes = codes.astype(float)
    used = _used_units(codes)
    correlations = unit_correlations(codes)
    pairs = np.abs(correlations[np.triu_indices(len(correlations), 1)])
    return {
        "name": name,
        "width": codes.shape[1],
        "n_dead": int(np.sum(~used)),
        "dead": np.flatnonzero(~used),
        "effective_rank": effective_rank(codes),
        "mean_correlation": float(pairs.mean()) if len(pairs) else None,
        "largest_correlation": float(pairs.max()) if len(pairs) else None,
        "n_alike": int(np.sum(pairs > 0.9)),
        "active": float(np.mean(np.abs(codes) > 0.01 * np.abs(codes).max(initial=1e-12))),
        "mean": codes.mean(axis=0),
        "std": codes.std(axis=0),
    }


def unit_correlations(codes: np.ndarray) -> np.ndarray:
    """Return the correlations between the units of codes that change from row to row."""
    changing = codes[:, _used_units(codes)].astype(float)
    return np.atleast_2d(np.corrcoef(changing.T)) if changing.shape[1] else np.zeros((0, 0))


def _used_units(codes: np.ndarray) -> np.ndarray:
    deviation = codes.std(axis=0, dtype=float)
    return deviation > 1e-6 * max(float(deviation.max(initial=0.0)), 1e-6)


def effective_rank(codes: np.ndarray) -> float:
    """Return how many directions codes (n, units) spread over, as if all were equally wide.

        exp(-sum_k p_k log p_k),    p_k = s_k^2 / sum_j s_j^2

    with the singular values s of the centred codes (Roy & Vetterli, 2007); 0 if no unit changes.
    """
    squares = np.linalg.svd(codes - codes.mean(axis=0, dtype=float), compute_uv=False) ** 2
    if squares.sum() <= 0:
        return 0.0
    share = squares[squares > 0] / squares.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


# -- outliers ----------------------------------------------------------------------------------------


class Judged(NamedTuple):
    """The scores of all rows, and which of them are the strangest.

    Without a detector nothing is flagged; without rows held out there are no p-values.
    """

    scores: np.ndarray
    strangest: np.ndarray
    n_flagged: int | None = None
    pvalues: np.ndarray | None = None  # of the strangest


def judge_by_scores(scores: np.ndarray) -> Judged:
    """Judge rows by a model's own scores."""
    return Judged(scores, _strangest_rows(scores))


def judge_by_detector(detector: OutlierDetector, X: ArrayLike) -> Judged:
    """Judge rows by a detector, which passes over them once, or twice if calibration is crossed."""
    scores = detector.score_samples(X)
    strangest, pvalues = _strangest_rows(scores), None
    if detector.calibration_folds_ is not None:  # scores alone do not decide
        every = detector.pvalues(X)
        return Judged(
            scores, strangest, _n_flagged(detector.decide(scores, every)), every[strangest]
        )
    if detector.calibration_scores_ is not None:
        pvalues = detector.pvalues(rows_of(X, strangest))
    return Judged(scores, strangest, _n_flagged(detector.decide(scores)), pvalues)


def _strangest_rows(scores: np.ndarray) -> np.ndarray:
    return np.argsort(scores, kind="stable")[:MOST_STRANGE]


def _n_flagged(decisions: np.ndarray) -> int:
    return int(np.sum(decisions < 0))


def outlier_facts(
    judged: Judged,
    detector: OutlierDetector | None,
    causes: Sequence[Sequence[Facts]] | None,
    ids: np.ndarray | None,
    labels: np.ndarray | None,
) -> Facts:
    """Return facts about the strangest rows; `causes` are theirs, `ids` and `labels` of all rows."""
    rows = [
        {
            "row": int(row),
            "id": None if ids is None else str(ids[row]),
            "label": None if labels is None else str(labels[row]),
            "score": judged.scores[row],
            "pvalue": None if judged.pvalues is None else judged.pvalues[i],
            "causes": None if causes is None else causes[i],
        }
        for i, row in enumerate(judged.strangest)
    ]
    return {
        "by": "model" if detector is None else "detector",
        "detector": None if detector is None else detector_facts(detector),
        "n_rows": len(judged.scores),
        "median": float(np.median(judged.scores)),
        "n_flagged": judged.n_flagged,
        "rows": rows,
    }


def model_causes(measured: Measured, X: ArrayLike) -> list[list[Facts]] | None:
    """Return the columns that a row's loss comes from, by their shares of what it could be less.

    `X` are the rows measured, as they were given.

    None if the loss is no mean over columns: then no column can be blamed.
    """
    rows, made = measured.rows, measured.reconstructions
    inner = measured.model.fitted_.model.on(measured.model.device)
    if inner.schema is not None:
        return strange_cells(measured.model.explain(X), MOST_CAUSES)
    try:
        copied = inner.column_losses(rows, rows)  # 0, but for a loss that scores count from 0
        parts = np.maximum(inner.column_losses(rows, made) - copied, 0)
    except ValueError:
        return None
    shares = parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-300)
    names = column_names(measured.model)
    return [
        [
            {
                "column": names[j],
                "contribution": shares[i, j],
                "observed": rows[i, j],
                "expected": made[i, j],
            }
            for j in np.argsort(-shares[i], kind="stable")[:MOST_CAUSES]
        ]
        for i in range(len(rows))
    ]


def causes_behind(
    steps: Pipeline, model: Autoencoder, seen: ArrayLike, X: ArrayLike, rows: np.ndarray
) -> list[list[Facts]] | None:
    """Return the columns of X, in front of steps, that the loss of rows comes from, in shares of it.

    `seen` are the rows as the model sees them. None if the loss is no mean over columns.
    """
    try:
        explanation = model.explain(seen)
    except ValueError:
        return None
    return strange_cells(in_original_columns(explanation, steps, rows_of(X, rows), X), MOST_CAUSES)


def detector_causes(detector: OutlierDetector, X: ArrayLike) -> list[list[Facts]] | None:
    """Return a detector's reasons by row; None if its loss is no sum over columns."""
    try:
        lines = detector.explain(X).frame(MOST_CAUSES).to_dicts()
    except ValueError:
        return None
    found: list[list[Facts]] = [[] for _ in range(_num_samples(X))]
    for line in lines:
        if line["observed"] != MISSING:
            found[line.pop("row")].append(line)
    return found

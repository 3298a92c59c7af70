"""Facts about rows and about codes, as plain data: ranges, labels, correlation, outliers."""

from collections import Counter
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from isthmus.report import facts
from isthmus.report.facts import Facts, flat_rows

MOST_LABELS = 30
MOST_STRANGE = 8
MOST_CAUSES = 5
MOST_VALUES = 2_000_000  # are sorted to count the distinct ones
MOST_ROWS = 20_000  # are measured: enough for three figures, and quick


def names(model: Any, d: int) -> list[str]:
    """Return the columns' names, or their numbers."""
    return [str(name) for name in getattr(model, "feature_names_in_", range(d))]


def of_rows(model: Any, X: Any, y: Any, label: str, as_one: bool) -> Facts:
    """Return facts about rows: how many, the range of each column, gaps, and labels.

    Rows `as_one`, such as images, are told as one column of all their values.
    """
    flat = flat_rows(X)
    shape = list(np.shape(X)[1:])
    columns = (
        [("all values", flat.ravel())]
        if as_one
        else zip(names(model, flat.shape[1]), flat.T, strict=True)
    )
    told = [_column(name, values) for name, values in columns]
    return {
        "n_rows": len(flat),
        "n_columns": flat.shape[1],
        "shape": shape,
        "n_missing": int(np.sum(~np.isfinite(flat))),
        "n_repeated": len(flat) - len(np.unique(flat, axis=0)) if len(flat) <= MOST_ROWS else None,
        "columns": told,
        "labels": None if y is None else _labels(np.asarray(y), label),
    }


def _column(name: str, values: np.ndarray) -> Facts:
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


def _labels(y: np.ndarray, name: str) -> Facts:
    counts = Counter(str(value) for value in y.tolist())
    common = counts.most_common(MOST_LABELS)
    return {
        "name": name,
        "n_kinds": len(counts),
        "counts": [{"label": label, "rows": rows} for label, rows in common],
    }


def of_code(model: Any, X: Any, name: str) -> Facts:
    """Return facts about the units of a code: which are used, and how alike they are.

    The effective rank is exp(entropy) of the covariance's normalised eigenvalues: how many
    directions the rows of codes spread over, as if all were equally wide (Roy & Vetterli, 2007).
    """
    codes = np.asarray(model.transform(X), float)
    deviation = codes.std(axis=0)
    used = deviation > 1e-6 * max(float(deviation.max(initial=0.0)), 1e-6)
    correlation = _correlation(codes[:, used])
    pairs = np.abs(correlation[np.triu_indices(len(correlation), 1)])
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
        "std": deviation,
    }


def effective_rank(codes: np.ndarray) -> float:
    """Return the effective rank of centred codes (n, units); 0 where no unit changes."""
    squares = np.linalg.svd(codes - codes.mean(axis=0), compute_uv=False) ** 2
    if squares.sum() <= 0:
        return 0.0
    share = squares[squares > 0] / squares.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def correlation(model: Any, X: Any) -> np.ndarray:
    """Return the correlation between the units of a code that change, (units, units)."""
    codes = np.asarray(model.transform(X), float)
    deviation = codes.std(axis=0)
    return _correlation(codes[:, deviation > 1e-6 * max(float(deviation.max(initial=0.0)), 1e-6)])


def _correlation(codes: np.ndarray) -> np.ndarray:
    return np.atleast_2d(np.corrcoef(codes.T)) if codes.shape[1] else np.zeros((0, 0))


# -- strange rows ------------------------------------------------------------------------------------


def outliers(model: Any, X: Any, y: Any, ids: Any, detector: Any = None) -> Facts:
    """Return the strangest rows, and the columns that make them so.

    By the detector where there is one, else by the model's own score, the loss of each row.
    """
    judge = model if detector is None else detector
    scores = np.asarray(judge.score_samples(X), float)
    rows = np.argsort(scores, kind="stable")[: min(MOST_STRANGE, len(scores))]
    some = _safe_indexing(X, rows)
    causes = _causes(model, some) if detector is None else _explained(detector, some)
    p = None
    if detector is not None and getattr(detector, "calibration_scores_", ()) is not None:
        p = np.asarray(detector.pvalues(some), float)
    told = [
        {
            "row": int(row),
            "id": None if ids is None else str(ids[row]),
            "label": None if y is None else str(np.asarray(y)[row]),
            "score": scores[row],
            "pvalue": None if p is None else p[i],
            "causes": None if causes is None else causes[i],
        }
        for i, row in enumerate(rows)
    ]
    return {
        "by": "model" if detector is None else "detector",
        "detector": facts.detector(detector) if hasattr(detector, "members_") else None,
        "n_rows": len(scores),
        "median": float(np.median(scores)),
        "n_flagged": None if detector is None else int(np.sum(np.asarray(detector.predict(X)) < 0)),
        "rows": told,
    }


def _causes(model: Any, X: Any) -> list[list[Facts]] | None:
    """Return the columns that a row's loss comes from, by their shares of what it could be less.

    None where the loss is no mean over columns: a number is told for what it is, or not at all.
    """
    flat, made = flat_rows(X), flat_rows(model.reconstruct(X))
    try:
        parts = model.fitted_.model.on(model.device).column_losses(flat, made, above_least=True)
    except ValueError:
        return None
    total = np.maximum(parts.sum(axis=1, keepdims=True), 1e-300)
    shares, known = parts / total, names(model, flat.shape[1])
    return [
        [
            {
                "column": known[j],
                "contribution": shares[i, j],
                "observed": flat[i, j],
                "expected": made[i, j],
            }
            for j in np.argsort(-shares[i], kind="stable")[:MOST_CAUSES]
        ]
        for i in range(len(flat))
    ]


def _explained(detector: Any, X: Any) -> list[list[Facts]] | None:
    """Return a detector's reasons by row; None where its loss is no sum over columns."""
    try:
        lines = detector.explain(X).frame(MOST_CAUSES).to_dicts()
    except ValueError:
        return None
    found: list[list[Facts]] = [[] for _ in range(len(X))]
    for line in lines:
        found[line.pop("row")].append(line)
    return found


def differences(model: Any, X: Any, rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return some rows and their reconstructions, in the data's units and flat."""
    some = _safe_indexing(X, rows)
    return flat_rows(some), flat_rows(model.reconstruct(some))

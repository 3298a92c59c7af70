"""What a model makes of rows, by name, as columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from isthmus.autoencoder import Autoencoder
from isthmus.outliers import OutlierDetector

if TYPE_CHECKING:
    from isthmus.scale.batches import Columns

Model: TypeAlias = Autoencoder | OutlierDetector
UNCALIBRATED = (
    "holds a detector without rows held out, so there are no p-values: fit with contamination='none', "
    "target_fpr or alpha, or recalibrate with normal rows"
)


def score(model: Model, rows: Any, groups: Any = None) -> Columns:
    """Return the score of each row: the higher, the more normal."""
    return {"score": model.score_samples(rows, groups)}


def encode(model: Model, rows: Any, groups: Any = None) -> Columns:
    """Return the codes, a column for each unit; of a detector those of its first member."""
    names = map(str, model.get_feature_names_out())
    return dict(zip(names, model.transform(rows, groups).T, strict=True))


def reconstruct(model: Model, rows: Any, groups: Any = None) -> Any:
    """Return the rows as the model reproduces them."""
    assert isinstance(model, Autoencoder)
    return model.reconstruct(rows, groups=groups)


def detect(model: Model, rows: Any, groups: Any = None) -> Columns:
    """Return the score of each row, and whether it is an outlier."""
    assert isinstance(model, OutlierDetector)
    scores = model.score_samples(rows, groups)
    crossed = model.calibration_folds_ is not None
    decided = model.decide(scores, model.pvalues(rows, groups) if crossed else None)
    return {"score": scores, "outlier": decided < 0}


def pvalues(model: Model, rows: Any, groups: Any = None) -> Columns:
    """Return how often a normal row is at least as strange."""
    assert isinstance(model, OutlierDetector)
    return {"pvalue": model.pvalues(rows, groups)}


PARTS: dict[str, Callable[..., Any]] = {
    "score": score,
    "encode": encode,
    "reconstruct": reconstruct,
    "detect": detect,
    "pvalues": pvalues,
}


def objection(model: Model, part: str) -> str | None:
    """Return why a model cannot do a part, and what to do; None where it can."""
    if isinstance(model, Autoencoder):
        if part in ("detect", "pvalues"):
            return (
                "holds no detector but an autoencoder, whose parts are score, encode, reconstruct"
            )
        if part != "encode" and not model.net_.decoder:
            return "is an encoder alone and can only encode: give the file of the whole model"
        return None
    if part == "reconstruct":
        return "holds a detector, whose parts are score, encode, detect, pvalues"
    if part == "detect" and model.fdr:
        return (
            "holds a detector with fdr=True, whose decisions depend on all rows together, and engines "
            "hand over some at a time: take the part pvalues, and decide when all are there"
        )
    if part == "pvalues" and model.calibration_scores_ is None:
        return UNCALIBRATED
    return None


def possible(model: Model) -> list[str]:
    """Return the parts that a model can do."""
    return [part for part in PARTS if objection(model, part) is None]


def usual_rows(model: Model, n: int) -> Any:
    """Return n equal rows that a model takes for usual, as a frame where it was fitted on one."""
    import polars as pl

    inner = (model.fitted_ if isinstance(model, Autoencoder) else model.members_[0]).model
    names = getattr(model, "feature_names_in_", None)
    if inner.schema is not None:
        like = np.empty((0, 0)) if names is None else None
        return inner.schema.decode(np.zeros((n, len(inner.schema.values))), like=like)
    row = inner.scaler.inverse(np.asarray(inner.mean_row, float)[None])
    rows = np.repeat(row, n, axis=0)
    return inner.shaped(rows) if names is None else pl.DataFrame(rows, schema=list(names))

"""Criteria of a search: what a candidate is worth on rows it has not seen."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import type_of_target

from isthmus.autoencoder import Autoencoder, Front, Rows, TableRows, validate_rows
from isthmus.words import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import Fitted

SEEN = ("n_features_in_", "feature_names_in_", "sample_shape_")  # what validation learns of rows


Scoring = Callable[[Autoencoder | Pipeline, ArrayLike, ArrayLike | None], float]


class Fold(NamedTuple):
    """Rows to train on and held out, as autoencoders see them, and those held out as given."""

    X: ArrayLike
    y: ArrayLike | None
    X_held: ArrayLike
    y_held: ArrayLike | None
    seen: Autoencoder  # that knows the columns of the rows
    front: Front  # which learnt from the rows to train on
    given_held: ArrayLike

    def rows(self) -> Rows:
        """Return the rows to train on, checked; `seen` knows them then."""
        X = validate_rows(self.seen, self.X, reset=True, minimum=2)
        schema = X.schema if isinstance(X, TableRows) else None
        return Rows(np.asarray(X), np.ones(len(X)), self.seen.sample_shape_, schema)

    def fitted(self, candidate: Autoencoder, fitted: Fitted) -> Autoencoder:
        """Return a candidate as if it had been fitted on the rows."""
        model = copy.copy(candidate)
        for name in SEEN:
            if hasattr(self.seen, name):
                setattr(model, name, getattr(self.seen, name))
        model.fitted_ = fitted
        return model


class Criterion(NamedTuple):
    """How candidates are scored: of one model for each of its seeds, and a fold."""

    name: str
    score: Callable[[Sequence[Autoencoder], Fold], float]
    seeds: int = 1
    judged: bool = False  # whether it may ask for baselines


def choose_criterion(scoring: str | Scoring, y: ArrayLike | None) -> Criterion:
    """Return the criterion of a name or a function `(estimator, X_held, y_held)`."""
    if callable(scoring):
        name = getattr(scoring, "__name__", "score")
        return Criterion(name, lambda models, fold: _called(scoring, models[0], fold), judged=True)
    known = {"reconstruction": _reconstruction, "probe": _probe, "stability": _stability}
    if not isinstance(scoring, str) or scoring not in known:
        raise ValueError(
            f"The scoring must be {', '.join(map(repr, known))} or a function; got {scoring!r}."
            + did_you_mean(str(scoring), list(known))
        )
    if scoring == "probe":
        _check_classes(y)
    return Criterion(scoring, known[scoring], seeds=2 if scoring == "stability" else 1)


def _check_classes(y: ArrayLike | None) -> None:
    if y is None:
        raise ValueError("The scoring 'probe' classifies the codes: give y, the classes of rows.")
    missing = sum(v is None or v != v for v in np.asarray(y, object).ravel())
    if missing:
        raise ValueError(
            f"The scoring 'probe' needs a class for each row; {missing} of {np.size(y)} are missing: "
            "fill them in, or leave these rows out."
        )
    kind = type_of_target(y)
    if kind not in ("binary", "multiclass"):
        raise ValueError(f"The scoring 'probe' needs classes in y; these values are {kind}.")


def _reconstruction(models: Sequence[Autoencoder], fold: Fold) -> float:
    return models[0].score(fold.X_held)


def _called(function: Scoring, model: Autoencoder, fold: Fold) -> float:
    value = function(fold.front.before(model), fold.given_held, fold.y_held)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"The scoring {function!r} must return a number; got {value!r}.") from None


def _probe(models: Sequence[Autoencoder], fold: Fold) -> float:
    """Return the accuracy of a linear classifier of codes, learned on the rows of training."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    codes, held = (models[0].transform(X) for X in (fold.X, fold.X_held))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(classifier.fit(np.asarray(codes), fold.y).score(np.asarray(held), fold.y_held))


def _stability(models: Sequence[Autoencoder], fold: Fold) -> float:
    return similarity(*(np.asarray(model.transform(fold.X_held)) for model in models))


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Return the linear CKA of two codes of the same rows, `|A'B|^2 / (|A'A| |B'B|)`, centred.

    1 for codes that are equal up to a rotation and a scale, about 0 for unrelated ones.

    References
    ----------
    Kornblith et al., "Similarity of Neural Network Representations Revisited", 2019.
    """
    a, b = (np.asarray(z, float) - np.mean(z, axis=0, dtype=float) for z in (a, b))
    norm = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return float(np.linalg.norm(a.T @ b) ** 2 / norm) if norm > 0 else 0.0

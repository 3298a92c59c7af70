"""Facts about fitted models and rows, as plain data: what a report says."""

import inspect
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import jax
import numpy as np

from isthmus.io.plain import as_json
from isthmus.model.fitted import last_terms
from isthmus.outliers.detector import USUAL_RATE
from isthmus.parts.corruptions import corrupt_in_turn
from isthmus.training.runtime import computing

Facts = dict[str, Any]
MOST_EPOCHS = 500


def summarize(estimator: Any, X: Any, *, name: str = "model") -> Facts:
    """Return facts about a fitted model and rows, as plain data that JSON holds.

    Parameters
    ----------
    estimator : Autoencoder
        A fitted model.
    X : array-like (n, d), DataFrame, or images (n, h, w[, c])
        The rows to measure on.
    name : str
        What to call the model.

    Returns
    -------
    dict
        "layers" are the shapes before, between and after the encoder's layers, as text; "phases"
        the epochs of each phase of training; "error" is the mean loss of the rows and "raw_error"
        their squared error per value in the data's units; "score" is `score`; "columns" holds the
        share of each column's variance that is lost; "sparsity" and "denoising" are None where the
        model has none.
    """
    flat = flat_rows(X)
    difference = flat_rows(estimator.reconstruct(X)) - flat
    facts = {
        "name": str(name),
        "equation": equation(estimator),
        "layers": layers(estimator),
        "widths": [layer.n_out for layer in estimator.net_.encoder],
        "n_features": int(estimator.n_features_in_),
        "n_components": estimator.net_.n_components,
        "n_parameters": int(estimator.n_parameters_),
        "epochs": int(estimator.n_iter_),
        "phases": phases(estimator.history_),
        "seconds": seconds(estimator.history_),
        "terms": last_terms(estimator.history_),
        "history": _history(estimator.history_),
        "words": words(estimator),
        "n_rows": len(flat),
        "loss": estimator.slots_.loss.name,
        "error": float(-np.mean(estimator.score_samples(X))),
        "raw_error": float(np.mean(difference**2)),
        "score": estimator.score(X),
        "baseline": getattr(estimator, "baseline_", None),
        "mean_activation": getattr(estimator, "mean_activation_", None),
        "sparsity": _sparsity(estimator),
        "denoising": _denoising(estimator, X),
        "columns": _columns(estimator, flat, difference),
    }
    told: Facts = as_json(facts)
    return told


def equation(estimator: Any) -> dict[str, str]:
    """Return what fills each slot of the equation, and the scaling, as text; "" for nothing."""
    texts = {}
    for slot, part in estimator.slots_._asdict().items():
        parts = part if isinstance(part, tuple) else (part,)
        texts[slot] = " + ".join(_part(p) for p in parts if p is not None)
    return {**texts, "scaling": str(estimator.scaling_)}


def specs(estimator: Any) -> dict[str, Any]:
    """Return what fills each slot as a spec string, or a tuple of several; None for nothing."""
    texts: dict[str, Any] = {}
    for slot, part in estimator.slots_._asdict().items():
        parts = tuple(_part(p) for p in (part if isinstance(part, tuple) else (part,)) if p)
        texts[slot] = parts if len(parts) > 1 else (parts or (None,))[0]
    return texts


def detector(fitted: Any) -> Facts:
    """Return facts about a fitted detector: its members, and where it draws the line."""
    models, first = [member.model for member in fitted.members_], fitted.member_autoencoder()
    held, references = fitted.calibration_scores_, fitted.members_[0].references
    return {
        "n_members": len(models),
        "widths": sorted({model.n_components for model in models}),
        "n_parameters": sum(int(model.n_parameters) for model in models),
        "n_draws": references.size // (references.shape[-1] * references.shape[-2]),
        "n_references": references.shape[-2],
        "rule": rule(fitted),
        "threshold": None if fitted.by_pvalues else float(fitted.offset_),
        "n_held_out": 0 if held is None else len(held),
        "layers": layers(first),
        "equation": equation(first),
    }


def rule(fitted: Any) -> str:
    """Return in words what settled a detector's threshold."""
    crossed = "" if fitted.calibration_folds_ is None else ", each row held out once"
    if fitted.fdr:
        return f"p-values, for a false-discovery rate of {fitted.alpha:g}{crossed}"
    if fitted.alpha is not None:
        return f"p-values of at most {fitted.alpha:g}{crossed}"
    if fitted.target_fpr is not None:
        return f"a false-positive rate of {fitted.target_fpr:g}{crossed}"
    if fitted.contamination == "none":
        rate = max(USUAL_RATE, 1 / (len(fitted.calibration_scores_) + 1))
        return f"a false-positive rate of {rate:.2g} on rows held out{crossed}"
    named = isinstance(fitted.contamination, str)
    return f"contamination {fitted.contamination if named else format(fitted.contamination, 'g')}"


def words(estimator: Any) -> dict[str, list[str]]:
    """Return what fills each slot in words: the first line of its own documentation."""
    told = {}
    for slot, part in estimator.slots_._asdict().items():
        parts = [p for p in (part if isinstance(part, tuple) else (part,)) if p is not None]
        told[slot] = [f"{_part(p)}: {_first_line(p)}" for p in parts]
    return told


def _first_line(part: Any) -> str:
    documented = getattr(part, "function", part)
    text = (inspect.getdoc(documented) or "a function of the user's").partition("\n")[0]
    return text.replace("`", "").rstrip(".")


def _history(history: Mapping[str, Sequence[Any]]) -> Facts:
    """Return the history by epoch; of very long ones every so many epochs, and the last."""
    n = len(history.get("epoch", ()))
    shown = sorted({*range(0, n, -(-n // MOST_EPOCHS) or 1), n - 1} - {-1})
    return {name: [values[i] for i in shown] for name, values in history.items()}


def layers(estimator: Any) -> list[str]:
    """Return the shapes of a row from the input to the code, such as 8x8x1, 4x4x16 and 16."""
    encoder = estimator.net_.encoder
    shapes = [encoder[0].shapes[0], *(layer.shapes[1] for layer in encoder)]
    return ["x".join(map(str, shape)) for shape in shapes]


def row_shape(models: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return (h, w, c) of images, (length, c) of signals or None, as far as fitted models know."""
    first = [model.net_.encoder[0].shapes[0] for model in models.values()]
    known = [shape for shape in first if len(shape) > 1]
    if known:
        return tuple(known[0])
    fitted = [m.sample_shape_ for m in models.values() if m.sample_shape_ is not None]
    return image_shape(fitted[0]) if fitted else None


def image_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of an image with its channels."""
    return (*shape, 1) if len(shape) == 2 else tuple(shape)


def corrupted(estimator: Any, X: Any, seed: int = 0) -> np.ndarray:
    """Return rows as the model's own corruption leaves them, in the data's units; (n, d)."""
    scaler = estimator.scaler_
    with computing(estimator.dtype, estimator.device):
        x = scaler.forward(flat_rows(X), estimator.dtype)
        noisy = corrupt_in_turn(estimator.slots_.corruption, jax.random.key(seed), x)
        return np.asarray(scaler.inverse(np.asarray(noisy)), float)


def seconds(history: Mapping[str, Sequence[Any]]) -> float:
    """Return the seconds of training, all phases together."""
    return float(max(history.get("seconds", ()), default=0.0))


def phases(history: Mapping[str, Sequence[Any]]) -> list[Facts]:
    """Return the phases of training in turn, with their epochs."""
    return [{"name": name, "epochs": len(list(g))} for name, g in groupby(history.get("phase", ()))]


def _part(part: Any) -> str:
    """Return a part as text: of a constraint all numbers, of others what is not the default."""
    if part.name in type(part).known:
        if part.slot in ("architecture", "loss"):
            return str(part.to_string())
        fields = [f"{k}={v}" for k, v in part.get_params().items() if v is not None]
        return ":".join([part.name, ",".join(fields)]) if fields else str(part.name)
    return str(getattr(getattr(part, "function", part), "__name__", part.name))


def _sparsity(estimator: Any) -> Facts | None:
    part = estimator.slots_.sparsity
    means = getattr(estimator, "mean_activation_", None)
    if part is None or means is None:
        return None
    rho = getattr(part, "rho", None)
    return {
        "text": _part(part),
        "kind": part.name,
        "rho": rho,
        "k": getattr(part, "k", None),
        "largest": float(np.max(means)),
        "within": None if rho is None else int(np.sum(means <= 1.1 * rho)),
        "units": len(means),
    }


def _denoising(estimator: Any, X: Any) -> Facts | None:
    """Return the squared errors of corrupted rows before and after the model, in the data's units."""
    if not any(part.active for part in estimator.slots_.corruption):
        return None
    flat, noisy = flat_rows(X), corrupted(estimator, X)
    clean = flat_rows(estimator.reconstruct(alike(noisy, X)))
    return {
        "text": equation(estimator)["corruption"],
        "noisy_error": np.mean((noisy - flat) ** 2),
        "denoised_error": np.mean((clean - flat) ** 2),
    }


def _columns(estimator: Any, flat: np.ndarray, difference: np.ndarray) -> list[Facts]:
    names = getattr(estimator, "feature_names_in_", range(flat.shape[1]))
    total = np.sum((flat - flat.mean(axis=0)) ** 2, axis=0)
    lost = np.sum(difference**2, axis=0)
    return [
        {"name": str(n), "lost": lost[j] / total[j] if total[j] > 0 else None}
        for j, n in enumerate(names)
    ]


def flat_rows(X: Any) -> np.ndarray:
    """Return rows as floats, (n, d)."""
    values = np.asarray(X, float)
    return values.reshape(len(values), -1)


def alike(values: np.ndarray, X: Any) -> Any:
    """Return values in the form of the rows they were made of: a table's columns keep their names."""
    if hasattr(X, "columns"):
        return type(X)(values, **{_names_keyword(X): list(X.columns)})
    return values.reshape(-1, *np.shape(X)[1:])


def _names_keyword(X: Any) -> str:
    return "schema" if hasattr(type(X), "schema") else "columns"  # Polars, pandas

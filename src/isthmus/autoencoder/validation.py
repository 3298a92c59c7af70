"""Input checks: one clear sentence each, with what, where, the value and what to do."""

import numbers
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight, validate_data

from isthmus.model.scaling import check_scaling


def validate_rows(estimator: Any, X: Any, *, reset: bool, minimum: int = 1) -> np.ndarray:
    """Validate rows for an estimator; images (n, h, w[, c]) become (n, h * w * c).

    Whole numbers and bytes keep their type, so that bytes are not blown up to eight times their
    size. Sets `n_features_in_`, `feature_names_in_` and `sample_shape_` where `reset`.
    """
    X = as_images(X)
    shape = np.shape(X) if isinstance(X, np.ndarray) else ()
    sample_shape = tuple(shape[1:]) if len(shape) > 2 else None
    if not reset and sample_shape and sample_shape != estimator.sample_shape_:
        raise ValueError(
            f"X has samples of shape {sample_shape}, but {type(estimator).__name__} was fitted on "
            f"samples of shape {estimator.sample_shape_ or (estimator.n_features_in_,)}."
        )
    if sample_shape:
        X = X.reshape(len(X), -1)
    X = validate_data(
        estimator,
        X,
        reset=reset,
        dtype="numeric",
        ensure_all_finite=False,
        ensure_min_samples=minimum,
    )
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X has dtype {X.dtype}; convert it to numbers.")
    check_finite(X, getattr(estimator, "feature_names_in_", None))
    if reset:
        estimator.sample_shape_ = sample_shape
    return X


def as_images(X: Any) -> Any:
    """Return images in a list, or in another library's array, as one array; all else as it is."""
    listed = isinstance(X, list | tuple) and len(X) > 0 and np.ndim(X[0]) > 1
    if listed and len({np.shape(x) for x in X}) > 1:
        shapes = sorted({np.shape(x) for x in X})
        raise ValueError(f"X has images of several shapes, such as {shapes[0]} and {shapes[1]}.")
    other = not isinstance(X, np.ndarray) and getattr(X, "ndim", 0) > 2
    return np.asarray(X) if listed or other else X


def check_finite(X: np.ndarray, names: Any = None) -> None:
    """Raise a ValueError that names the columns with NaN or infinite cells."""
    with np.errstate(all="ignore"):
        if X.dtype.kind != "f" or np.isfinite(X.sum(dtype=float)):
            return
    for kind, bad in (("NaN", np.isnan(X)), ("infinity", np.isinf(X))):
        columns = np.flatnonzero(bad.any(axis=0))
        if len(columns) == 0:
            continue
        label = [repr(str(names[j])) if names is not None else str(j) for j in columns[:5]]
        more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
        plural = "s" if len(columns) > 1 else ""
        raise ValueError(
            f"Input X contains {kind} in column{plural} {', '.join(label)}{more} "
            f"({int(bad.sum())} cells, the first in row {int(np.argmax(bad.any(axis=1)))}); "
            "drop or fill these cells first, for example with sklearn.impute.SimpleImputer."
        )


def validate_weights(sample_weight: Any, X: np.ndarray) -> np.ndarray:
    """Return float64 weights: validated, not negative, not all zero."""
    return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)


def validate_codes(Z: Any, n_components: int) -> np.ndarray:
    """Validate codes for decoding."""
    Z = check_array(Z, dtype="numeric")
    if Z.shape[1] != n_components:
        raise ValueError(
            f"Z has {Z.shape[1]} columns, but the codes of this model have {n_components}."
        )
    return Z


def layer_number(layer: Any, depth: int) -> int:
    """Return the number of a layer from 1; negative ones count from the code."""
    if not isinstance(layer, numbers.Integral) or not 1 <= abs(int(layer)) <= depth:
        raise ValueError(f"The layer must be from 1 to {depth}, or negative; got {layer!r}.")
    return int(layer) % (depth + 1)


def check_domain(X: np.ndarray, domain: tuple[float, float], loss: str) -> None:
    """Raise a ValueError where a loss cannot take the data."""
    low, high = domain
    smallest, largest = float(X.min()), float(X.max())
    if smallest < low or largest > high:
        interval = f"in [{low:g}, {high:g}]" if np.isfinite(high) else "of at least 0"
        cure = "scaling='minmax' or scaling='range'" if np.isfinite(high) else "another loss"
        raise ValueError(
            f"The loss {loss!r} needs data {interval}; got values from {smallest:g} to {largest:g}. "
            f"Use {cure}."
        )


def check_whole(name: str, value: Any, low: int, auto: bool = False) -> None:
    """Raise a ValueError unless the parameter is a whole number of at least `low`, or "auto"."""
    if auto and isinstance(value, str) and value == "auto":
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        choice = "'auto' or " if auto else ""
        raise ValueError(
            f"The parameter {name} must be {choice}a whole number of at least {low}; got {value!r}."
        )


def check_real(name: str, value: Any, interval: str, ok: bool) -> None:
    """Raise a ValueError unless the parameter is a number that passed its test."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not ok:
        raise ValueError(f"The parameter {name} must be a number in {interval}; got {value!r}.")


def check_one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise a ValueError unless the parameter is one of its choices."""
    if not any(value is c or (type(value) is type(c) and value == c) for c in choices):
        known = ", ".join(repr(c) for c in choices)
        raise ValueError(f"The parameter {name} must be one of {known}; got {value!r}.")


def check_parameters(estimator: Any) -> None:
    """Raise one clear ValueError for the first parameter out of range."""
    e = estimator
    if e.n_components is not None:
        check_whole("n_components", e.n_components, 1)
    check_whole("max_epochs", e.max_epochs, 1, auto=True)
    check_whole("batch_size", e.batch_size, 1, auto=True)
    check_whole("n_iter_no_change", e.n_iter_no_change, 1)
    for name, interval, test in (
        ("learning_rate", "(0, inf)", lambda v: 0 < v < np.inf),
        ("validation_fraction", "(0, 1)", lambda v: 0 < v < 1),
        ("tol", "[0, inf)", lambda v: 0 <= v < np.inf),
    ):
        value = getattr(e, name)
        check_real(
            name, value, interval, isinstance(value, int | float | np.number) and test(value)
        )
    check_one_of("early_stopping", e.early_stopping, ("auto", True, False))
    check_pretrain(e.pretrain)
    check_freeze(e.freeze)
    check_one_of("dtype", e.dtype, ("float32", "float64"))
    check_one_of("warm_start", e.warm_start, (True, False))
    check_scaling(e.scaling)


def check_pretrain(pretrain: Any) -> None:
    """Raise a ValueError unless this is None, "layerwise" or a number of epochs."""
    if not (pretrain is None or pretrain == "layerwise" or _is_count(pretrain, 1)):
        raise ValueError(
            "The parameter pretrain must be None, 'layerwise' or the number of epochs for each layer, "
            f"of at least 1; got {pretrain!r}."
        )


def check_freeze(freeze: Any) -> None:
    """Raise a ValueError unless this is None, "encoder", "decoder" or a number of layers."""
    if not (freeze is None or freeze in ("encoder", "decoder") or _is_count(freeze, 0)):
        raise ValueError(
            "The parameter freeze must be None, 'encoder', 'decoder' or how many of the encoder's "
            f"layers are frozen, counted from the input; got {freeze!r}."
        )


def _is_count(value: Any, low: int) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= low

"""Input checks: one clear sentence each, with what, where, the value and what to do."""

from __future__ import annotations

import numbers
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight, validate_data

from isthmus.autoencoder.frames import check_whole_rows, numeric_frame
from isthmus.autoencoder.refusals import check_finite, too_large
from isthmus.autoencoder.sources import BlockRows, as_source, parts_in_turn, width_of
from isthmus.autoencoder.table_rows import TableRows
from isthmus.schema import Schema, infer_from_blocks, infer_schema, is_frame, is_plain
from isthmus.training import exceeds_window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from isthmus.io import Blocks


MOST_BYTES = 2**31  # of sparse rows with their zeros


class TakesRows(Protocol):
    """What is fitted on rows: an autoencoder or a detector."""

    n_features_in_: int
    sample_shape_: tuple[int, ...] | None


def validate_rows(
    estimator: TakesRows,
    X: ArrayLike,
    *,
    reset: bool,
    minimum: int = 1,
    schema: Schema | None = None,
    constants: bool = False,
) -> Any:
    """Validate rows for an estimator; images (n, h, w[, c]) become (n, h * w * c).

    Whole numbers and bytes keep their type, so that bytes are not blown up to eight times their
    size. Frames give a column for each element of lists of one length. Tables of mixed types, or with
    missing cells, are `TableRows`, which a schema encodes when they are asked for. Where `reset`, that
    is the one given or a new one, with or without columns that are `constants`. Sets
    `n_features_in_`, `feature_names_in_` and `sample_shape_` where `reset`. Of a source of more than a
    window rows are read when they are asked for; a smaller one is read whole.
    """
    source = as_source(X)
    if source is not None:
        first = source.read(0, 2)
        if source.is_fresh or exceeds_window(len(source), width_of(first)):
            return _rows_of_source(
                estimator, source, first, reset=reset, schema=schema, constants=constants
            )
        X = source.read(0, len(source))
    X = as_images(X)
    if not reset:
        known: Schema | None = getattr(estimator, "schema_", None)
        if known is None:
            return validate_numbers(estimator, X, reset=False, minimum=minimum)
        return _known_rows(estimator, X, known, minimum)
    schema = _schema_of(estimator, X, minimum, constants) if schema is None else schema
    if schema is None:
        return validate_numbers(estimator, X, reset=True, minimum=minimum)
    _check_asked(estimator, schema)
    _check_number(X, minimum)
    return _new_rows(estimator, X, schema)


def _rows_of_source(
    estimator: TakesRows,
    source: Blocks,
    first: Any,
    *,
    reset: bool,
    schema: Schema | None,
    constants: bool,
) -> Any:
    """Return rows of a source that are read and checked when they are asked for."""
    known: Schema | None = schema if reset else getattr(estimator, "schema_", None)
    if reset and known is None:
        known = _schema_of_source(estimator, source, first, constants)
    if known is None:
        validate_numbers(estimator, first, reset=reset)
        return BlockRows(source, _first_numbers if reset else partial(_later_numbers, estimator))
    if reset:
        _check_asked(estimator, known)
        _new_rows(estimator, first, known)
        return TableRows(known, source, judged=False)
    _known_rows(estimator, first, known, 1)
    return TableRows(known, source)


def _schema_of_source(
    estimator: TakesRows, source: Blocks, first: Any, constants: bool
) -> Schema | None:
    """Return the schema of a source's rows; None for plain numbers."""
    asked: Mapping[str, str] | Schema | None = getattr(estimator, "columns", None)
    if isinstance(asked, Schema):
        return asked
    if getattr(estimator, "is_spatial", False) and not is_frame(first):
        return None
    width = width_of(first)
    if not any(is_mixed(part, asked) for part in parts_in_turn(source, width)):
        return None
    return infer_from_blocks(parts_in_turn(source, width), len(source), asked, constants=constants)


def _first_numbers(part: Any, begin: int) -> np.ndarray:
    """Return rows of a source that is fitted on, flat; ValueError for cells that are no numbers."""
    X = numeric_frame(part)
    if isinstance(X, np.ndarray):
        X = X.reshape(len(X), -1)
    names = None if isinstance(part, np.ndarray) else part.columns
    flat: np.ndarray = check_array(
        X, dtype="numeric", ensure_all_finite=False, ensure_min_samples=0
    )
    check_finite(flat, names, begin)
    return flat


def _later_numbers(estimator: TakesRows, part: Any, begin: int) -> np.ndarray:
    """Return rows of a source for a model that was fitted, flat."""
    return validate_numbers(estimator, part, reset=False, begin=begin)


def schema_of(estimator: object, X: ArrayLike) -> Schema | None:
    """Return the schema that a fit on rows would have; None for plain numbers."""
    return _schema_of(estimator, as_images(X), 1, False)


def _check_number(X: Any, minimum: int) -> None:
    if len(X) < minimum:
        raise ValueError(f"Found {len(X)} sample(s) while a minimum of {minimum} is required.")


def _schema_of(estimator: object, X: Any, minimum: int, constants: bool) -> Schema | None:
    asked: Mapping[str, str] | Schema | None = getattr(estimator, "columns", None)
    if isinstance(asked, Schema):
        return asked
    spatial = getattr(estimator, "is_spatial", False) and not is_frame(X)
    if spatial or not is_mixed(X, asked):  # signals and images have no missing cells
        return None
    _check_number(X, minimum)
    return infer_schema(X, asked, constants=constants)


def _check_asked(estimator: object, schema: Schema) -> None:
    """Raise a ValueError where `columns` asks for what a schema from elsewhere takes otherwise."""
    asked: Mapping[str, str] | Schema | None = getattr(estimator, "columns", None)
    if asked is None or isinstance(asked, Schema):
        return
    kinds = {column.name: column.kind for column in schema.columns}
    for name, kind in asked.items():
        if kinds.get(str(name), kind) != kind:
            raise ValueError(
                f"columns takes {name!r} for {kind!r}, and the model to start from takes it for "
                f"{kinds[str(name)]!r}: leave it out of columns, or begin a new model."
            )


def is_mixed(X: Any, asked: Mapping[str, str] | None = None) -> bool:
    """Return whether rows go the way of tables of mixed types, asked for by the names of columns."""
    table = is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "fiub")
    return table and (bool(asked) or not is_plain(X))


def _new_rows(estimator: TakesRows, X: Any, schema: Schema) -> TableRows:
    """Return the rows of a table that is fitted on, by a schema."""
    estimator.n_features_in_, estimator.sample_shape_ = len(schema.columns), None
    named: Any = estimator
    if is_frame(X):
        named.feature_names_in_ = np.array([c.name for c in schema.columns], object)
    elif hasattr(estimator, "feature_names_in_"):
        del named.feature_names_in_
    return TableRows(schema, X if is_frame(X) else np.asarray(X))


def _known_rows(estimator: TakesRows, X: Any, schema: Schema, minimum: int) -> TableRows:
    """Return the rows of a table, by the schema that was fitted."""
    if not is_frame(X):
        X = np.asarray(X)
    if len(X) < minimum:
        raise ValueError("X has no rows, and one at least is needed.")
    if not is_frame(X):
        if X.ndim != 2 or X.shape[1] != estimator.n_features_in_:
            raise ValueError(
                f"X has shape {X.shape}, but {type(estimator).__name__} was fitted on a table of "
                f"{estimator.n_features_in_} columns: give a frame with these columns."
            )
        if hasattr(estimator, "feature_names_in_"):
            raise ValueError(
                f"{type(estimator).__name__} was fitted on a frame with named columns: give a frame."
            )
    return TableRows(schema, X)


def validate_numbers(
    estimator: TakesRows, X: Any, *, reset: bool, minimum: int = 1, begin: int = 0
) -> np.ndarray:
    """Validate rows of numbers without gaps; messages count rows from `begin`."""
    X = numeric_frame(X, fitted=not reset)
    shape = np.shape(X) if isinstance(X, np.ndarray) else ()
    sample_shape = tuple(shape[1:]) if len(shape) > 2 else None
    if not reset and sample_shape and sample_shape != estimator.sample_shape_:
        hint = ""
        if estimator.sample_shape_ and hasattr(estimator, "reconstruct"):
            hint = " Noisy images of other sizes go through isthmus.images.denoise."
        raise ValueError(
            f"X has samples of shape {sample_shape}, but {type(estimator).__name__} was fitted on "
            f"samples of shape {estimator.sample_shape_ or (estimator.n_features_in_,)}.{hint}"
        )
    flat: np.ndarray = validate_data(
        estimator,
        np.reshape(X, (len(X), -1)) if isinstance(X, np.ndarray) and sample_shape else X,
        reset=reset,
        dtype="numeric",
        ensure_all_finite=False,
        ensure_min_samples=minimum,
    )
    if flat.dtype.kind not in "fiub":
        raise ValueError(f"X has dtype {flat.dtype}; convert it to numbers.")
    names = getattr(estimator, "feature_names_in_", None)
    ends = np.array([flat.min(), flat.max()])  # one number is a pass over all rows, a row is ten
    if not np.isfinite(ends).all():
        check_finite(flat, names, begin)
    if not reset:
        _check_range(estimator, flat, ends, names, begin)
    if reset:
        estimator.sample_shape_ = sample_shape
    return flat


def as_images(X: Any) -> Any:
    """Return images in a list, or in another library's array, as one array; all else as it is.

    Sparse rows are filled up with zeros, if that is not too much.

    Raises an error for masked cells and for a frame that is not computed yet.
    """
    check_whole_rows(X)
    listed = isinstance(X, list | tuple) and len(X) > 0 and np.ndim(X[0]) > 1
    if listed and len({np.shape(x) for x in X}) > 1:
        shapes = sorted({np.shape(x) for x in X})
        raise ValueError(f"X has images of several shapes, such as {shapes[0]} and {shapes[1]}.")
    return np.asarray(X) if listed else as_numpy(X)


def as_numpy(X: Any) -> Any:
    """Return an array of another library, such as a tensor, as NumPy's; all else as it is.

    scikit-learn's dispatch would hand it on to what only NumPy's arrays go through. A sparse one, such
    as a OneHotEncoder's, is filled up with its zeros.
    """
    if issparse(X):
        return _dense(X)
    return np.asarray(X) if hasattr(X, "__dlpack__") else X


def _dense(X: Any) -> np.ndarray:
    size = X.shape[0] * X.shape[1] * X.dtype.itemsize
    if size > MOST_BYTES:
        raise ValueError(
            f"X is sparse, and its {X.shape[0]:,} rows of {X.shape[1]:,} columns would take "
            f"{size / 1e9:,.1f} GB with their zeros, more than {MOST_BYTES / 1e9:.1f} GB: give fewer "
            "rows at a time, or reduce the columns first, for example with "
            "sklearn.decomposition.TruncatedSVD."
        )
    dense: np.ndarray = X.toarray()
    return dense


def _check_range(
    estimator: TakesRows,
    X: np.ndarray,
    ends: np.ndarray,
    names: Sequence[str] | None,
    begin: int,
) -> None:
    """Raise a ValueError for finite cells that a fitted model's precision cannot hold.

    `ends` are the lowest and the highest cell of all, `begin` is the number of the first row.
    """
    members = getattr(estimator, "members_", [getattr(estimator, "fitted_", None)])
    widest = np.broadcast_to(ends[:, None], (2, X.shape[1]))  # scalings are monotone, nearly all
    for model in (member.model for member in members if member is not None):
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(model.scaled(widest)).all():
                continue
            if np.isfinite(model.scaled(np.stack([X.min(axis=0), X.max(axis=0)]))).all():
                continue
            scaled = model.scaled(X)
        raise too_large(X, scaled, names=names, rows=begin + np.arange(len(X)))


def validate_weights(sample_weight: ArrayLike | None, X: np.ndarray) -> np.ndarray:
    """Return float64 weights: validated, not negative, not all zero."""
    check_whole_rows(sample_weight, "sample_weight")
    return _check_sample_weight(
        as_numpy(sample_weight), X, dtype=np.float64, ensure_non_negative=True
    )


def check_counted(weight: np.ndarray, minimum: int) -> None:
    """Raise a ValueError where fewer rows count than a fit takes."""
    counted = int(np.count_nonzero(weight))
    if counted < minimum:
        raise ValueError(
            f"sample_weight is above 0 for {counted} of {len(weight)} rows, and a fit takes {minimum} "
            "at least: give more rows a weight."
        )


def validate_codes(X: ArrayLike, n_components: int, dtype: str) -> np.ndarray:
    """Validate codes for decoding in a precision."""
    check_whole_rows(X, "X")
    codes: np.ndarray = check_array(as_numpy(X), dtype="numeric")
    if codes.shape[1] != n_components:
        raise ValueError(
            f"X has {codes.shape[1]} columns, but the codes of this model have {n_components}."
        )
    most = np.finfo(dtype).max
    if np.abs(codes).max() > most:
        raise ValueError(f"X has values beyond {most:.2g}, where dtype {dtype} ends.")
    return codes


def layer_number(layer: object, depth: int) -> int:
    """Return the number of a layer from 1; negative ones count from the code."""
    if not isinstance(layer, numbers.Integral) or not 1 <= abs(int(layer)) <= depth:
        raise ValueError(f"The layer must be from 1 to {depth}, or negative; got {layer!r}.")
    return int(layer) % (depth + 1)


def check_whole(name: str, value: object, low: int, auto: bool = False) -> None:
    """Raise a ValueError unless the parameter is a whole number of at least `low`, or "auto"."""
    if auto and isinstance(value, str) and value == "auto":
        return
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        choice = "'auto' or " if auto else ""
        raise ValueError(
            f"The parameter {name} must be {choice}a whole number of at least {low}; got {value!r}."
        )


def check_real(name: str, value: object, interval: str, ok: bool) -> None:
    """Raise a ValueError unless the parameter is a number that passed its test."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not ok:
        raise ValueError(f"The parameter {name} must be a number in {interval}; got {value!r}.")


def check_one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise a ValueError unless the parameter is one of its choices."""
    if not any(value is c or (type(value) is type(c) and value == c) for c in choices):
        known = ", ".join(repr(c) for c in choices)
        raise ValueError(f"The parameter {name} must be one of {known}; got {value!r}.")


def column_names(estimator: TakesRows) -> tuple[str, ...]:
    """Return the names of the columns that an estimator was fitted on, or x0, x1 and so on; of a table
    of mixed types those that it uses.
    """
    schema = getattr(estimator, "schema_", None)
    if schema is not None:
        return tuple(column.name for column in schema.used)
    names = getattr(estimator, "feature_names_in_", None)
    return tuple(f"x{i}" for i in range(estimator.n_features_in_)) if names is None else (*names,)

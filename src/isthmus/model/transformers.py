"""Scikit-learn's transformers that are one line a column, as scalings and in files.

What they learnt is an `Affine`; a model as such does without scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.io import ModelFileError
from isthmus.model.record import Record, bad_value

if TYPE_CHECKING:
    from isthmus.model.scaling import Transformer

NAMES = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")


def is_line(transformer: object) -> bool:
    """Return whether a transformer is one line a column, and not bent by clipping."""
    return _is_known(transformer) and not getattr(transformer, "clip", False)


def _is_known(transformer: object) -> bool:
    """Return whether it is one of these very classes."""
    from sklearn import preprocessing

    return type(transformer) in [getattr(preprocessing, name) for name in NAMES]


def learnt_line(transformer: Any, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and scale of a fitted one, from what it learnt.

    From what it makes of 0 and 1, large offsets would cancel.
    """

    def column(name: str, without: float) -> np.ndarray:
        value = getattr(transformer, name, None)
        return np.broadcast_to(without if value is None else value, d).astype(float)

    scale = column("scale_", 1)
    if hasattr(transformer, "data_min_"):  # MinMaxScaler multiplies
        scale = 1 / scale
        return transformer.data_min_ - transformer.feature_range[0] * scale, scale
    if not getattr(transformer, "with_mean", True):  # its mean_ is there all the same
        return np.zeros(d), scale
    return column("mean_" if hasattr(transformer, "mean_") else "center_", 0), scale


def pack_transformer(transformer: Any) -> dict[str, object]:
    """Return name and parameters as JSON."""
    if not _is_known(transformer):
        raise ModelFileError(
            f"A model file holds only scalings that are one line a column, not {transformer!r}: put it "
            "before the Autoencoder in a Pipeline, with scaling=None."
        )
    params = {name: _plain(value) for name, value in transformer.get_params(deep=False).items()}
    return {"name": type(transformer).__name__, "parameters": params}


def _plain(value: Any) -> object:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def unpack_transformer(spec: Record) -> Transformer:
    """Return the transformer of JSON, not fitted."""
    from sklearn import preprocessing

    name, params = spec.text("name"), spec.record("parameters")
    if name not in NAMES:
        raise bad_value("scaling", name, f"one of {', '.join(NAMES)}")
    pairs = {key: tuple(params.items_of(key, float)) for key in params if type(params[key]) is list}
    plain = Record(parameters={k: v for k, v in params.items() if k not in pairs})
    try:
        transformer: Transformer = getattr(preprocessing, name)(
            **plain.plain("parameters"), **pairs
        )
    except TypeError as error:
        raise ModelFileError(
            f"The file's scaling {name} does not fit scikit-learn: {error}."
        ) from error
    return transformer

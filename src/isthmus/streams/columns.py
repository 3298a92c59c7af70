"""The columns of rows as numbers that can be ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.autoencoder import TableRows, column_names, validate_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from isthmus.outliers import OutlierDetector

RANKED = ("number", "boolean", "category")  # while dates and times go on


def followed(detector: OutlierDetector) -> tuple[str, ...]:
    """Return the names of the columns whose values are followed; none of images."""
    names = column_names(detector)
    if detector.sample_shape_ is not None:
        return ()
    return tuple(names[i] for i in _ranked(detector))


def ranked_values(detector: OutlierDetector, X: ArrayLike) -> np.ndarray:
    """Return their values, (n, columns); missing cells are lower than all others.

    Levels of categories have the order that they have in the detector's schema.
    """
    rows = validate_rows(detector, X, reset=False)
    if detector.sample_shape_ is not None:
        return np.empty((len(rows), 0))
    values = np.asarray(rows.encoded() if isinstance(rows, TableRows) else rows, float)
    if isinstance(rows, TableRows):
        values = values[:, rows.schema.first_values]
    return np.where(np.isnan(values), -np.inf, values)[:, _ranked(detector)]


def _ranked(detector: OutlierDetector) -> list[int]:
    """Return the places of these columns among those that are used."""
    if detector.schema_ is None:
        return list(range(len(column_names(detector))))
    return [i for i, column in enumerate(detector.schema_.used) if column.kind in RANKED]

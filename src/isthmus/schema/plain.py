"""Whether a table needs no schema: numbers without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from isthmus.schema.cells import COMPLEX, LISTS, SPARSE, Odd
from isthmus.schema.columns import has_nan
from isthmus.schema.frames import columns_of, is_frame


def is_plain(X: Any, columns: Mapping[str, str] | None = None) -> bool:
    """Return whether the way of plain numbers takes a table: it is no frame, or one of numbers alone.

    A table with gaps is not plain, nor one of which columns are to be taken for something. What is
    neither an array of floats with two axes nor a frame is always plain.
    """
    asked = {str(name): kind for name, kind in (columns or {}).items()}
    if any(kind != "ignore" for kind in asked.values()):
        return False
    if not is_frame(X):
        return not _has_gaps(X, asked)
    table = columns_of(X)
    return all(_whole(table.column(j)) for j, name in enumerate(table.names) if name not in asked)


def _has_gaps(X: Any, left_out: Mapping[str, str]) -> bool:
    """Return whether an array of floats has NaN; one pass, since the least cell is NaN then."""
    table = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f" and X.size > 0
    if not table or isinstance(X, np.ma.MaskedArray) or not np.isnan(X.min()):
        return False
    kept = [j for j in range(X.shape[1]) if f"x{j}" not in left_out]
    return bool(np.isnan(X[:, kept]).any())


def _whole(cells: pl.Series | Odd) -> bool:
    """Return whether a column is of numbers without gaps, or what plain numbers refuse or spread."""
    if isinstance(cells, Odd):
        return cells.held in (LISTS.held, SPARSE.held, COMPLEX.held)
    if not cells.dtype.is_numeric() or cells.null_count():
        return False
    return not has_nan(cells)

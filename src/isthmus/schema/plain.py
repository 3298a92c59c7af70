"""Whether a table needs no schema: numbers without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from isthmus.schema.cells import COMPLEX, LISTS, SPARSE, Odd
from isthmus.schema.columns import has_nan
from isthmus.schema.frames import columns_of, is_frame, opened


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


def why_not_plain(X: Any, columns: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return by column of a table why the way of plain numbers does not take it, in a few words."""
    table, why = opened(X), {str(name): f"asked for as {k}" for name, k in (columns or {}).items()}
    for j, name in enumerate(table.names):
        cells = table.column(j)
        if name not in why and not _whole(cells):
            why[name] = _kind_of(cells)
    return why


def _kind_of(cells: pl.Series | Odd) -> str:
    """Return what a column holds that is not plain."""
    if isinstance(cells, Odd):
        return cells.held
    if cells.dtype.is_numeric():
        n = cells.null_count() + (int(cells.is_nan().sum()) if cells.dtype.is_float() else 0)
        return f"{n:,} cell{'s' * (n > 1)} missing"
    if cells.dtype.is_temporal():
        return "times" if cells.dtype in (pl.Time, pl.Duration) else "dates"
    named = {pl.Boolean: "truths", pl.Null: "no cells"}
    return named.get(cells.dtype.base_type(), "words")


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

"""Missing cells of a frame are filled, and all others stay as they are, to the bit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from isthmus.schema.columns import WORDS, texts
from isthmus.schema.frames import as_library, is_arrow, is_pandas, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.schema.schema import Schema

Filling = tuple[
    np.ndarray, np.ndarray
]  # numbers of a column's rows, and of the values to put there


def missing_cells(schema: Schema, frame: Any, rows: np.ndarray) -> np.ndarray:
    """Return which used cells of a frame are missing, (n, cells), beside its compact rows.

    A level that no number stands for is a cell that is there.
    """
    missing = np.isnan(rows[:, schema.first_values])
    unseen = [i for i, c in enumerate(schema.used) if c.kind == "category" and not c.other]
    for i in (i for i in unseen if missing[:, i].any()):
        table = opened(frame)
        cells: Any = table.column(table.names.index(schema.used[i].name))
        missing[:, i] &= texts(cells).is_null().to_numpy()
    return missing


def filled(
    schema: Schema, frame: Any, numbers: np.ndarray, values: np.ndarray, missing: np.ndarray
) -> Any:
    """Return a frame with missing cells filled; library and index stay, and types that can hold them.

    A column without any cell, whose type says nothing then, gets a type that holds what it is.

    Parameters
    ----------
    schema : Schema
        What the columns are.
    frame : DataFrame, Table or ndarray
        The table.
    numbers : ndarray (k,)
        The rows with missing cells.
    values : ndarray (k, values)
        Compact rows for them.
    missing : ndarray (k, cells)
        Which of their used cells are missing.
    """
    decoded = schema.decode(values, like=frame)
    if isinstance(frame, np.ndarray):
        return _filled_array(schema, frame, decoded, numbers, missing)
    if is_pandas(frame):
        return _filled_pandas(schema, frame, decoded, numbers, missing)
    for name, filling in _fillings(schema, numbers, missing):
        frame = _filled_column(frame, decoded, name, filling)
    return frame


def new_columns(series: dict[str, pl.Series], like: Any) -> Any:
    """Return columns as a frame of the library of `like`, with its index; of polars for an array."""
    if isinstance(like, np.ndarray) or like is None:
        return as_library(series, None)
    return as_library(series, like.iloc[:, :0] if is_pandas(like) else like.select([]))


def _fillings(
    schema: Schema, numbers: np.ndarray, missing: np.ndarray
) -> Iterator[tuple[str, Filling]]:
    """Yield the name of each column with missing cells, its rows, and the values' numbers."""
    for column, gaps in zip(schema.used, missing.T, strict=True):
        if gaps.any():
            yield column.name, (numbers[gaps], np.flatnonzero(gaps))


def _filled_array(
    schema: Schema, frame: np.ndarray, decoded: np.ndarray, numbers: np.ndarray, missing: np.ndarray
) -> np.ndarray:
    found, places = frame.copy(), {c.name: j for j, c in enumerate(schema.columns)}
    for name, (rows, values) in _fillings(schema, numbers, missing):
        found[rows, places[name]] = decoded[values, places[name]]
    return found


def _filled_pandas(
    schema: Schema, frame: Any, decoded: Any, numbers: np.ndarray, missing: np.ndarray
) -> Any:
    """Return a frame of pandas; categories that it did not have are added."""
    found, labels = frame.copy(), {str(label): label for label in frame.columns}
    for name, (rows, values) in _fillings(schema, numbers, missing):
        cells, new = found[labels[name]], decoded[labels[name]].iloc[values]
        held = _held(cells, new, rows)
        found[labels[name]] = type(cells)(held, found.index, held.dtype, labels[name])
    return found


def _held(cells: Any, new: Any, rows: np.ndarray) -> Any:
    """Return cells of a column of pandas, new ones put in; objects where its type has no room."""
    if len(rows) == len(cells):
        return new.array
    if hasattr(cells.dtype, "categories") and cells.dtype != new.dtype:
        cells = cells.cat.set_categories(new.cat.categories)
    if cells.dtype.kind in "iu" and new.dtype.kind == "f":
        new = new.round()
    held = cells.array.copy()
    try:
        held[rows] = new.array
    except (TypeError, ValueError, OverflowError):
        held = cells.astype(object).array.copy()
        held[rows] = new.astype(object).array
    return held


def _filled_column(frame: Any, decoded: Any, name: str, filling: Filling) -> Any:
    """Return a frame of polars or Arrow with a column filled: both are asked for cells by number."""
    rows, values = filling
    order = np.arange(len(frame))
    order[rows] = len(frame) + np.arange(len(values))
    if is_arrow(frame):
        field, column = _merged_arrow(frame, name, decoded[name].take(values), order)
        return frame.set_column(frame.column_names.index(name), field, column)
    own, new = frame[name], decoded[name].gather(values)
    if own.dtype == pl.Object:
        cells = [*own.to_list(), *new.to_list()]
        return frame.with_columns(pl.Series(name, [cells[i] for i in order], dtype=pl.Object))
    return frame.with_columns(_merged(own, new, order))


def _merged(own: pl.Series, new: pl.Series, order: np.ndarray) -> pl.Series:
    """Return own and new cells in an order, of the own type; of the new one where that has no room."""
    if order[0] >= len(own) and len(new) == len(own):
        return new
    whole = own.dtype.is_integer() and new.dtype.is_float()
    fit = (new.round() if whole else new).cast(own.dtype, strict=False)
    if fit.null_count() == new.null_count():
        return pl.concat([own, fit]).gather(order)
    kind = pl.String if isinstance(new.dtype, WORDS) and own.dtype.is_numeric() else new.dtype
    return pl.concat([own.cast(kind), new.cast(kind)]).gather(order)


def _merged_arrow(table: Any, name: str, new: Any, order: np.ndarray) -> tuple[Any, Any]:
    """Return a column of Arrow and its field."""
    pyarrow: Any = sys.modules["pyarrow"]
    own, field = table[name], table.field(name)
    if new.type == own.type:
        both = pyarrow.chunked_array([*own.chunks, *new.chunks], own.type)
        return field, both.unify_dictionaries().take(order)
    cells: Any = pl.from_arrow(own)
    more: Any = pl.from_arrow(new)
    found = _merged(cells, more, order)
    column = found.to_arrow()
    if found.dtype == cells.dtype:
        return field, column.cast(own.type)
    return field.with_type(column.type), column

"""Missing cells of a frame are filled, and all others stay as they are, to the bit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from isthmus.schema.columns import texts
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
    """Return a frame with missing cells filled; library, index and types stay.

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
        label = labels[name]
        new = decoded[label].iloc[values]
        cells = found[label]
        if hasattr(cells.dtype, "categories") and cells.dtype != new.dtype:
            cells = cells.cat.set_categories(new.cat.categories)
        held = cells.array.copy()
        held[rows] = new.array
        found[label] = type(cells)(held, found.index, cells.dtype, label)
    return found


def _filled_column(frame: Any, decoded: Any, name: str, filling: Filling) -> Any:
    """Return a frame of polars or Arrow with a column filled: both are asked for cells by number."""
    rows, values = filling
    order = np.arange(len(frame))
    order[rows] = len(frame) + np.arange(len(values))
    if is_arrow(frame):
        pyarrow: Any = sys.modules["pyarrow"]
        own, new = frame[name], decoded[name].take(values)
        both = pyarrow.chunked_array([*own.chunks, *new.cast(own.type).chunks], own.type)
        column = both.unify_dictionaries().take(order)
        return frame.set_column(frame.column_names.index(name), frame.field(name), column)
    own, new = frame[name], decoded[name].gather(values)
    if own.dtype == pl.Object:
        cells = [*own.to_list(), *new.to_list()]
        return frame.with_columns(pl.Series(name, [cells[i] for i in order], dtype=pl.Object))
    return frame.with_columns(pl.concat([own, new.cast(own.dtype)]).gather(order))

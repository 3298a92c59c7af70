"""What a model makes of rows, in the kind of table that came: frames for frames, arrays for arrays."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from isthmus.autoencoder.table_rows import TableRows
from isthmus.fleet import InGroups
from isthmus.schema import is_arrow, is_frame, is_pandas, new_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.model import Model
    from isthmus.schema import Column, Schema

OTHER = "other"


def answer(
    model: Model | InGroups, flat: np.ndarray, like: Any, names: Sequence[str] | None
) -> Any:
    """Return flat rows as a table like another: arrays of their own shape for arrays.

    Parameters
    ----------
    model : Model
        Which made the rows.
    flat : ndarray
        Rows in the data's units, compact ones of a table of mixed types.
    like : array-like or DataFrame
        What they belong to.
    names : sequence of str, optional
        The columns' names, where a frame was fitted on.
    """
    if model.schema is not None:
        arrays = names is None and not is_frame(like)
        known = np.empty((0, 0)) if arrays else like if is_frame(like) else None
        return model.schema.decode(flat, like=known)
    return in_frame(flat, like, names) if is_frame(like) else model.shaped(flat)


def in_frame(flat: np.ndarray, like: Any, names: Sequence[str] | None) -> Any:
    """Return numbers as a frame of the library of `like`, with its index and columns."""
    d = flat.shape[1]
    if like.shape[1] == d and names is None:
        names = list(like.columns if is_pandas(like) else like.column_names)
    elif names is None:  # elements of lists
        names = [f"x{j}" for j in range(d)]
    if is_pandas(like):
        pandas: Any = sys.modules["pandas"]
        return pandas.DataFrame(flat, index=like.index, columns=names)
    if is_arrow(like):
        pyarrow: Any = sys.modules["pyarrow"]
        return pyarrow.table(dict(zip(map(str, names), flat.T, strict=True)))
    return pl.DataFrame(flat, schema=list(names))


def with_probabilities(
    model: Model | InGroups, rows: Any, like: Any, names: Sequence[str] | None
) -> tuple[Any, dict[str, Any]]:
    """Return the reconstructions of rows, and the probabilities of levels in a frame by column."""
    if not isinstance(rows, TableRows) or isinstance(model, InGroups):
        return answer(model, model.reconstruct(rows), like, names), {}
    schema, parts, tables = rows.schema, [], []
    for b in model.blocks(rows):
        outputs = model.outputs(rows[b])
        parts.append(model.compact(outputs))
        tables.append(dict(level_probabilities(model, outputs)))
    chances = {
        schema.used[cell].name: new_columns(
            _by_level(schema.used[cell], np.concatenate([table[cell] for table in tables])),
            rows.frame,
        )
        for cell in tables[0]
    }
    return answer(model, np.concatenate(parts), rows.frame, names), chances


def level_probabilities(model: Model, outputs: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield of each cell with levels its number and their probabilities, (n, levels)."""
    assert model.schema is not None
    for place, found in model.probabilities(outputs).items():
        several = found if found.ndim == 2 else np.stack([1 - found, found], axis=1)
        yield model.schema.values[place].cell, several


def level_names(column: Column) -> list[str]:
    """Return the levels of a category or a boolean as text; the others share the last one."""
    if column.kind == "boolean":
        return ["False", "True"]
    names = list(column.level_texts)
    return [*names, f"({OTHER})" if OTHER in names else OTHER] if column.other else names


def number_slots(schema: Schema) -> dict[int, int]:
    """Return by the number of a cell where outputs have its number."""
    numbers = [place for place, value in enumerate(schema.values) if value.kind == "number"]
    return {schema.values[place].cell: slot for slot, place in enumerate(numbers)}


def _by_level(column: Column, chances: np.ndarray) -> dict[str, pl.Series]:
    names = level_names(column)
    return {name: pl.Series(name, p) for name, p in zip(names, chances.T, strict=True)}

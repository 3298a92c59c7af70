"""Columns whose cells are lists of numbers, all of one length, such as embeddings."""

from __future__ import annotations

from collections import Counter

import polars as pl


def spread_lists(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, list[str]]]:
    """Return a frame with a column for each element of a list, and these columns by the list's name.

    Raises
    ------
    ValueError
        If the name of an element is that of another column.

    Examples
    --------
    >>> frame = pl.DataFrame({"id": [1, 2], "emb": [[0.5, 1.5], [2.5, 3.5]]})
    >>> spread, parts = spread_lists(frame)
    >>> spread.columns, parts
    (['id', 'emb_0', 'emb_1'], {'emb': ['emb_0', 'emb_1']})
    """
    parts: dict[str, list[str]] = {}
    columns: list[pl.Series] = []
    for column in frame:
        elements = _elements(column)
        if elements is not None:
            parts[column.name] = [e.name for e in elements]
        columns += [column] if elements is None else elements
    if not parts:
        return frame, parts
    twice = [name for name, n in Counter(c.name for c in columns).items() if n > 1]
    if twice:
        raise ValueError(
            f"The elements of lists are columns such as {twice[0]!r}, which is there already: "
            "rename it."
        )
    return pl.DataFrame(columns), parts


def _elements(column: pl.Series) -> list[pl.Series] | None:
    """Return the elements of lists of numbers as columns; None for columns of other things."""
    column = _of_one_length(column)
    if not isinstance(column.dtype, pl.Array):
        return None
    names = [f"{column.name}_{i}" for i in range(column.dtype.size)]
    inner = column.dtype.inner
    if not (isinstance(inner, pl.Array) or inner.is_numeric() or inner == pl.Boolean):
        return None
    columns = [column.arr.get(i).alias(name) for i, name in enumerate(names)]
    return [part for c in columns for part in (_elements(c) or [c])]


def _of_one_length(column: pl.Series) -> pl.Series:
    """Return lists that are all of one length as such: other writers do not mark them."""
    if not isinstance(column.dtype, pl.List):
        return column
    lengths = column.list.len().drop_nulls().unique()
    return column.list.to_array(lengths[0]) if len(lengths) == 1 and lengths[0] else column

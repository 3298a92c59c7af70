"""Columns whose cells are lists of numbers, all of one length, such as embeddings."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

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
    frame, parts, clashing = spread_others(frame)
    for name, why in clashing.items():
        raise ValueError(f"The column {name!r} cannot be used, as {why}: rename one.")
    return frame, parts


class Spread(NamedTuple):
    """A frame without lists, its columns by the list they were part of, and lists left out, and why."""

    frame: pl.DataFrame
    parts: dict[str, list[str]]
    clashing: dict[str, str]


def spread_others(frame: pl.DataFrame) -> Spread:
    """Spread lists, but leave out those of whose elements one has the name of another column."""
    elements = {column.name: _elements(column) for column in frame}
    parts = {name: [e.name for e in found] for name, found in elements.items() if found is not None}
    named = Counter(n for name in frame.columns for n in parts.get(name, [name]))
    clashing = {}
    for name, own in parts.items():
        if twice := [n for n in own if named[n] > 1]:
            clashing[name] = f"one of its elements would be {twice[0]!r}, which is there already"
    columns = [
        column
        for name, found in elements.items()
        if name not in clashing
        for column in ([frame[name]] if found is None else found)
    ]
    parts = {name: own for name, own in parts.items() if name not in clashing}
    return Spread(pl.DataFrame(columns) if parts or clashing else frame, parts, clashing)


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

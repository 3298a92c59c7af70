"""Tables of any library as polars frames, whatever their columns hold."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from isthmus.schema import columns_of, is_frame
from isthmus.words import columns_named


def as_polars(frame: Any) -> pl.DataFrame:
    """Return a table as a polars frame; columns of what no check looks into become empty objects.

    Raises
    ------
    TypeError
        If it is no table.
    ValueError
        If it has no rows or no columns, or two columns of one name.
    """
    if not is_frame(frame):
        raise TypeError(
            f"An audit is of a DataFrame of pandas or polars, or a table of Arrow; got "
            f"{type(frame).__name__}."
        )
    table = columns_of(frame)
    twice = [name for name, count in Counter(table.names).items() if count > 1]
    if twice:
        raise ValueError(f"The table has {columns_named(twice[:5])} more than once: rename them.")
    if not table.names or not table.rows:
        raise ValueError(
            f"The table has {table.rows:,} rows and {len(table.names):,} columns: there is nothing to "
            "audit."
        )
    columns = [table.column(j) for j in range(len(table.names))]
    return pl.DataFrame(
        [
            column.alias(name)
            if isinstance(column, pl.Series)
            else pl.Series(name, [[]] * table.rows, dtype=pl.List(pl.Null))
            for name, column in zip(table.names, columns, strict=True)
        ]
    )

"""Columns that stand beside the rows, such as classes: words, or numbers, with gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.cells import MISSING_CELLS, cleaned, no_numbers
from isthmus.io.numbers import numbers_of_text

if TYPE_CHECKING:
    from isthmus.io.table import Table


def column_words(column: pl.Series) -> pl.Series:
    """Return a column as text, with null where a cell is missing.

    Examples
    --------
    >>> column_words(pl.Series(["a", " NA ", "?"])).to_list()
    ['a', None, None]
    >>> column_words(pl.Series([7, None])).to_list()
    ['7', None]
    """
    cells = column.cast(pl.String).str.strip_chars()
    return cells.set(cells.is_in(MISSING_CELLS), None)


def column_values(table: Table, name: str) -> pl.Series:
    """Return a column of text as numbers if it holds nothing else, with null for missing cells.

    Examples
    --------
    >>> from pathlib import Path
    >>> from isthmus.io import Table
    >>> table = Table(Path("t.csv"), pl.DataFrame({"a": ["1,5", "", "2"], "b": ["x", "y", "1"]}), ";")
    >>> column_values(table, "a").to_list()
    [1.5, None, 2.0]
    >>> column_values(table, "b").to_list()
    ['x', 'y', '1']

    Raises
    ------
    TableError
        If nothing in the file says which mark of its numbers is decimal.
    """
    assert isinstance(table.rows, pl.DataFrame)
    column = table.rows[name]
    if table.light is None or name not in table.light.names:
        if column.dtype != pl.String:
            return column
        if no_numbers(cleaned(column.to_frame())[name]) is not None:
            return column_words(column)
    return numbers_of_text(table, [name]).to_series()

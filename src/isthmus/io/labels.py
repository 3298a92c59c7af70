"""Columns that stand beside the rows, such as classes: words, or numbers, with gaps."""

import polars as pl

from isthmus.io.tables import MISSING_CELLS, as_numbers


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


def column_values(column: pl.Series, separator: str | None = None) -> pl.Series:
    """Return a column of text as numbers if it holds nothing else, with null for missing cells.

    Parameters
    ----------
    column : Series
        The cells.
    separator : str, optional
        What separates the cells of the file: between semicolons a comma can be the point.

    Examples
    --------
    >>> column_values(pl.Series(["1", "", "2.5"])).to_list()
    [1.0, None, 2.5]
    >>> column_values(pl.Series(["1,5", "2"]), ";").to_list()
    [1.5, 2.0]
    >>> column_values(pl.Series(["1", "b"])).to_list()
    ['1', 'b']
    """
    if column.dtype != pl.String:
        return column
    numbers = as_numbers(column, separator or ",")
    return column_words(column) if numbers is None else numbers

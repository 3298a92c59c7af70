"""How the file of a table that was read is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.io.cells import only
from isthmus.io.light import cells_of
from isthmus.io.numbers import decimal_of
from isthmus.io.style import Style

if TYPE_CHECKING:
    from isthmus.io.table import Table


def style_of(table: Table, typed: object) -> Style:
    """Return how the file of a table is written, by those of its columns that were read as numbers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from isthmus.io import Table
    >>> table = Table(Path("t.csv"), pl.DataFrame({"a": ["1,5", "", "2"]}), ";")
    >>> style_of(table, pl.DataFrame({"a": [1.5, None, 2.0]}))
    Style(separator=';', decimal='comma')
    """
    if table.separator is None or isinstance(table.rows, np.ndarray):
        return Style()
    names = table.rows.columns  # all of them, where an array was made of them
    if isinstance(typed, pl.DataFrame):
        names = [column.name for column in typed if column.dtype.is_numeric()]
    return Style(table.separator, decimal_of(table, cells_of(only(table.rows, names), table.light)))

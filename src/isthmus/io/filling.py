"""Missing cells of a table are filled, in the style of their columns; all others stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.cells import cleaned, only
from isthmus.io.dates import FIRST
from isthmus.io.labels import column_words
from isthmus.io.numbers import decimal_of

if TYPE_CHECKING:
    import numpy as np

    from isthmus.io.cells import Decimal
    from isthmus.io.table import Table

    Temporal = pl.Date | pl.Time | pl.Datetime

DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%-d.%-m.%Y", "%-d/%-m/%Y", "%-m/%-d/%Y", "%d-%b-%Y", "%d %b %Y", "%b %-d, %Y",
)  # fmt: skip
TIMES = ("%H:%M:%S", "%H:%M", "%H:%M:%S%.f", "%-I:%M %p", "%-I:%M:%S %p")
ZONED = "%Y-%m-%dT%H:%M:%SZ"
MOMENTS = tuple(f"{day}{gap}{time}" for day in DAYS for gap in " T" for time in TIMES)


def filled(table: Table, found: pl.DataFrame, numbers: np.ndarray) -> pl.DataFrame:
    """Return the rows of a table with their missing cells filled, and all others to the letter.

    Parameters
    ----------
    table : Table
        What was read, with names of columns.
    found : DataFrame
        Values for some columns, null where none is known, typed as `choose_columns(mixed=True)` returns
        them.
    numbers : array of int
        Which rows of the table the values are for.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from isthmus.io import Table
    >>> rows = pl.DataFrame({"a": ["1,5", "", "2"], "b": ["Yes", "?", "No"]})
    >>> table = Table(Path("t.csv"), rows, ";")
    >>> values = pl.DataFrame({"a": [0.0, 1.75, 0.0], "b": [False, True, False]})
    >>> filled(table, values, np.arange(3)).rows()
    [('1,5', 'Yes'), ('1,75', 'Yes'), ('2', 'No')]
    """
    assert isinstance(table.rows, pl.DataFrame)
    decimal = _decimal(table, found)
    columns = []
    for column in found:
        held = table.rows[column.name]
        values = pl.Series(column.name, [None], dtype=column.dtype).new_from_index(0, len(held))
        values = values.scatter(numbers, column)
        if held.dtype == pl.String:
            missing = column_words(held) if table.separator is not None else held
            columns.append(held.zip_with(missing.is_not_null(), _worded(values, held, decimal)))
        else:
            columns.append(held.fill_nan(None).fill_null(values.cast(held.dtype, strict=False)))
    return table.rows.with_columns(columns)


def _decimal(table: Table, found: pl.DataFrame) -> Decimal:
    assert isinstance(table.rows, pl.DataFrame)
    names = [c.name for c in found if c.dtype.is_float() and table.rows[c.name].dtype == pl.String]
    return decimal_of(table, cleaned(only(table.rows, names)))


def _worded(values: pl.Series, held: pl.Series, decimal: Decimal) -> pl.Series:
    """Return values as text in the style of the cells that are held."""
    words = column_words(held)
    if values.dtype.is_numeric():
        text = values.cast(pl.String).str.replace(r"\.0$", "")
        return text.str.replace(".", "," if decimal == "comma" else ".", literal=True)
    if values.dtype == pl.Boolean:
        own = {truth: _word(words, truth) for truth in (True, False)}
        return values.replace_strict(own, default=None, return_dtype=pl.String)
    if isinstance(values.dtype, pl.Date | pl.Time | pl.Datetime):
        return _dated(values, words, values.dtype)
    return values.cast(pl.String)


def _word(words: pl.Series, truth: bool) -> str:
    """Return how a column most often writes that something is true, or that it is not."""
    known = ("true", "yes", "1") if truth else ("false", "no", "0")
    own = words.filter(words.str.to_lowercase().is_in([*known])).mode(maintain_order=True)
    if len(own):
        return str(own[0])
    other = words.str.to_lowercase().is_in(["yes", "no"]).any()
    return known[1] if other else known[0]


def _dated(values: pl.Series, words: pl.Series, dtype: Temporal) -> pl.Series:
    """Return dates and times in the style that most cells have, and else as ISO 8601 says."""
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return values.dt.convert_time_zone("UTC").dt.to_string(ZONED)
    some = words.drop_nulls().head(FIRST)
    styles = DAYS if dtype == pl.Date else TIMES if dtype == pl.Time else MOMENTS
    return values.dt.to_string(max(styles, key=lambda style: _alike(some, style, dtype)))


def _alike(some: pl.Series, style: str, dtype: Temporal) -> int:
    """Return how many cells are, to the letter, dates in a style."""
    read = some.str.strptime(dtype, style.replace("%-", "%"), strict=False)
    return int((read.dt.to_string(style) == some).sum())

"""Cells in words: as a person wrote them, and as a model expects them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from isthmus.schema.columns import Column, texts
from isthmus.schema.decoding import decoded
from isthmus.schema.frames import opened

if TYPE_CHECKING:
    from isthmus.schema.cells import Odd
    from isthmus.schema.schema import Schema

MISSING = "missing"
LONGEST = 60  # characters of a cell


def cell_words(schema: Schema, frame: Any) -> np.ndarray:
    """Return the used cells of a frame as words, (n, cells): "missing" where there is none."""
    table = opened(frame)
    places = {name: j for j, name in enumerate(table.names)}
    words = np.full((table.rows, len(schema.used)), MISSING, object)
    for i, column in enumerate(schema.used):
        words[:, i] = _words(table.column(places[column.name]), column)
    return words


def value_words(column: Column, values: np.ndarray) -> list[str]:
    """Return compact values of a column as words: rounded, in its range and in its own units.

    Examples
    --------
    >>> value_words(Column("pay", "number", "", whole=True), np.array([1249.7]))
    ['1,250']
    """
    values = np.asarray(values, float)
    if column.kind != "number":
        return _words(decoded(values, column), column)
    if column.low is not None and column.high is not None:
        values = np.clip(values, column.low, column.high)
    return [_expected_number(v, whole=column.whole) for v in values.tolist()]


def _expected_number(value: float, *, whole: bool) -> str:
    """Return an expected number; among few whole ones 0.34 says more than 0."""
    if whole:
        return number_words(round(value)) if abs(value) >= 10 else number_words(value, 2)
    return number_words(value, 4)


def number_words(value: float, digits: int = 6) -> str:
    """Return a number with so many digits that count, and thousands set apart.

    Examples
    --------
    >>> number_words(1234567.8), number_words(0.000123), number_words(3.14159, 3)
    ('1,234,568', '0.000123', '3.14')
    """
    if abs(value) >= 1e15:
        return f"{value:.{digits}g}"
    if value == round(value) or abs(value) >= 10**digits - 0.5:
        return f"{value:,.0f}"
    return f"{value:,.{digits}g}"


def short_text(text: str) -> str:
    """Return a cell's text, shortened if it is long."""
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def _words(cells: pl.Series | Odd, column: Column) -> list[str]:
    assert isinstance(cells, pl.Series)  # others were refused when rows were encoded
    if column.kind == "number" and cells.dtype.is_numeric():
        known = cells.cast(pl.Float64).fill_nan(None).to_list()
        return [MISSING if v is None else number_words(v) for v in known]
    return [MISSING if t is None else short_text(t) for t in _texts(cells, column).to_list()]


def _texts(cells: pl.Series, column: Column) -> pl.Series:
    """Return cells as text; moments without the hours or seconds that no others of them had."""
    if isinstance(cells.dtype, pl.Datetime):
        usual = {"day": " 00:00:00", "hour": ":00", "minute": ":00"}.get(column.unit, "")
        return cells.dt.strftime("%Y-%m-%d %H:%M:%S").str.strip_suffix(usual)
    if isinstance(cells.dtype, pl.Duration):
        return pl.Series([None if c is None else str(c) for c in cells], dtype=pl.String)
    return texts(cells)

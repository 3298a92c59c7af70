"""Rows that no model can take, and why: a cell is missing, is no number, or is infinite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.io.cells import no_numbers
from isthmus.io.light import cells_of
from isthmus.io.numbers import as_numbers
from isthmus.words import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from isthmus.io.cells import Cells
    from isthmus.io.table import Table

MOST_CELLS = 3  # that the reason of one row names


def row_problems(table: Table, names: Sequence[str], *, gaps: bool = False) -> pl.Series:
    """Return why no model can take a row, for each row of a table; null where one can.

    Parameters
    ----------
    table : Table
        What was read.
    names : sequence of str
        The columns that a model takes; those of an array have none, and all are taken.
    gaps : bool
        Whether a model takes missing cells of an array.
    """
    if isinstance(table.rows, np.ndarray):
        cells, count = _cells_of_array(table.rows, gaps), len(table.rows)
    else:
        cells, count = _cells_of_frame(table, names), table.rows.height
    return reasons_of(cells, count)


def reasons_of(cells: Iterable[tuple[int, str]], count: int) -> pl.Series:
    """Return what is wrong with each of so many rows, by what is wrong with cells; else null."""
    reasons: dict[int, list[str]] = {}
    for row, reason in cells:
        reasons.setdefault(row, []).append(reason)
    texts = [shortened(reasons[i], MOST_CELLS) if i in reasons else None for i in range(count)]
    return pl.Series("problem", texts, dtype=pl.String)


def _cells_of_array(array: np.ndarray, gaps: bool) -> Iterator[tuple[int, str]]:
    if array.dtype.kind != "f":
        return
    flat = array.reshape(len(array), -1)
    for row, column in np.argwhere(np.isinf(flat) if gaps else ~np.isfinite(flat)):
        kind = "missing" if np.isnan(flat[row, column]) else "infinite"
        yield int(row), f"x{column} is {kind}"


def _cells_of_frame(table: Table, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    assert isinstance(table.rows, pl.DataFrame)
    frame = table.rows.select(names)
    if table.separator is not None:
        for cells in cells_of(frame, table.light).values():
            yield from _cells_of_text(cells)
        return
    for column in frame:
        numbers = as_numbers(column)
        if numbers is not None:  # a column of another type is refused whole
            yield from _holes(numbers, numbers.is_null())


def _cells_of_text(cells: Cells) -> Iterator[tuple[int, str]]:
    text, odd = cells.text, no_numbers(cells)
    numbers = text.cast(pl.Float64, strict=False) if cells.plain is None else cells.plain
    yield from _holes(numbers, text.is_null())
    if odd is not None:
        yield from ((row, f"{text.name} is {text[row]!r}") for row in _where(odd))


def _holes(numbers: pl.Series, missing: pl.Series) -> Iterator[tuple[int, str]]:
    name = numbers.name
    if numbers.dtype.is_float():
        missing = missing | numbers.is_nan().fill_null(False)
        infinite = numbers.is_infinite().fill_null(False)
        yield from ((row, f"{name} is infinite") for row in _where(infinite))
    yield from ((row, f"{name} is missing") for row in _where(missing))


def _where(which: pl.Series) -> list[int]:
    return which.arg_true().to_list()

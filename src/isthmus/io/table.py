"""A table as it was read, and the rows that are chosen of it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import polars as pl

    from isthmus.io.cells import Cell, Decimal


class Table(NamedTuple):
    """What a file holds: a frame of named columns, or an array without names.

    The columns of text files are all strings, so that identifiers stay as they are written;
    `separator` marks these files, and is None for typed ones.
    """

    path: Path
    rows: pl.DataFrame | np.ndarray
    separator: str | None = None
    lines: np.ndarray | None = None  # where each row of a text file begins
    decimal: Decimal | None = None  # the decimal mark of a text file, if the user knows it
    row_index: tuple[str, ...] = ()  # columns that only number the rows
    parts: Mapping[str, list[str]] = MappingProxyType({})  # columns by the list they were part of
    unread: Mapping[str, str] = MappingProxyType({})  # columns that cannot be read, and why

    def row(self, number: int) -> str:
        """Return where a row stands, as part of a sentence."""
        return f"row {number}" if self.lines is None else f"line {self.lines[number]}"

    def place(self, cell: Cell, *, brief: bool = False) -> str:
        """Return a cell of a text file, and where it stands, as part of a sentence."""
        named = "" if brief else f" in the column {cell.column!r}"
        return f"{self.row(cell.row)}: {cell.text!r}{named}"


class Rows(NamedTuple):
    """What a command works on: numeric rows, the identifiers beside them, and their weights."""

    X: pl.DataFrame | np.ndarray
    ids: pl.DataFrame
    weight: np.ndarray | None = None

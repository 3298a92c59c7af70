"""Databases of SQLite: `.sqlite`, `.sqlite3` and `.db`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import polars as pl

from isthmus.io.cells import MISSING_CELLS
from isthmus.io.choices import TableError, chosen
from isthmus.io.reading import reader
from isthmus.io.tabled import typed_table
from isthmus.io.unpacking import most_unpacked
from isthmus.words import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from isthmus.io.table import Table

ROWS = 2**14  # that are fetched at once
CELL = 8  # bytes of a cell in memory, at least
TABLES = (
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)
TYPES = (
    (bool, pl.Boolean),
    (int, pl.Int64),
    (float, pl.Float64),
    (str, pl.String),
    (bytes, pl.Binary),
)


@reader(".sqlite", ".sqlite3", ".db")
def read(path: Path, *, table: str | None = None) -> Table:
    """Return a table of a database, which is not written to."""
    try:
        with closing(sqlite3.connect(_address(path), uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            names = [name for (name,) in database.execute(TABLES)]
            frame = _frame(path, database, chosen(path, "table", names, table))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise TableError(
            f"{path} is no SQLite database, or is damaged: {first_line(error)}."
        ) from error
    return typed_table(path, frame, worded_dates=True)


def _address(path: Path) -> str:
    """Return an address to read from, of a file that nobody writes to if no log lies beside it."""
    log = path.with_name(f"{path.name}-wal")
    settled = "" if log.is_file() and log.stat().st_size else "&immutable=1"
    return f"file:{quote(str(path.absolute()))}?mode=ro{settled}"


def _frame(path: Path, database: sqlite3.Connection, name: str) -> pl.DataFrame:
    """Return all rows of a table."""
    quoted = '"' + name.replace('"', '""') + '"'
    cursor = database.execute(f"SELECT * FROM {quoted}")
    names = [fact[0] for fact in cursor.description]
    most, parts, rows = most_unpacked(path.stat().st_size), [], 0
    while some := cursor.fetchmany(ROWS):
        parts.append([*zip(*some, strict=True)])
        rows += len(some)
        if rows * len(names) * CELL > most:
            raise TableError(f"{path} has more rows than its size allows: it is damaged.")
    columns = [[cell for part in parts for cell in part[i]] for i in range(len(names))]
    return pl.DataFrame([_column(n, cells) for n, cells in zip(names, columns, strict=True)])


def _column(name: str, cells: Sequence[object]) -> pl.Series:
    """Return cells as a column: numbers if the others mark missing ones, text if they are mixed."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    if str in kinds and kinds & {int, float}:
        given = {cell.strip() for cell in cells if isinstance(cell, str)}
        if given <= {*MISSING_CELLS}:
            cells = [None if isinstance(cell, str) else cell for cell in cells]
            kinds -= {str}
        else:
            cells = [None if cell is None else str(cell) for cell in cells]
            kinds = {str}
    dtype = next((d for kind, d in reversed(TYPES) if kind in kinds), pl.Null)
    return pl.Series(name, cells, dtype=dtype, strict=False)

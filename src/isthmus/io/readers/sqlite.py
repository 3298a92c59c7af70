"""Databases of SQLite: `.sqlite`, `.sqlite3` and `.db`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

import polars as pl

from isthmus.io.cells import MISSING_CELLS
from isthmus.io.choices import TableError, chosen
from isthmus.io.packed import check_size
from isthmus.io.reading import reader
from isthmus.io.tabled import typed_table
from isthmus.io.unpacking import most_unpacked
from isthmus.words import first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from isthmus.io.table import Table

    Row = tuple[object, ...]

ROWS = 2**14  # that are turned into columns at once
CELL = 8  # bytes of a cell in memory, at least
MOST_LONGEST = 10**9  # bytes of a cell, as SQLite has it by default
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
    settled = "" if _logged(path) else "&immutable=1"
    return f"file:{quote(str(path.absolute()))}?mode=ro{settled}"


def _logged(path: Path) -> int:
    """Return how many bytes the log beside a database has."""
    log = path.with_name(f"{path.name}-wal")
    return log.stat().st_size if log.is_file() else 0


def _frame(path: Path, database: sqlite3.Connection, name: str) -> pl.DataFrame:
    """Return all rows of a table."""
    quoted = '"' + name.replace('"', '""') + '"'
    select = f"SELECT * FROM {quoted}"
    names = [fact[0] for fact in database.execute(f"{select} LIMIT 0").description]
    held = path.stat().st_size + _logged(path)
    longest = max(held, most_unpacked(held) // len(names))  # a cell that is stored is no longer
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(longest, MOST_LONGEST))
    columns: list[list[object]] = [[] for _ in names]
    rows = _measured(path, database.execute(select), held)
    while some := [*islice(rows, ROWS)]:
        for column, cells in zip(columns, zip(*some, strict=True), strict=True):
            column.extend(cells)
    return pl.DataFrame([_column(n, cells) for n, cells in zip(names, columns, strict=True)])


def _measured(path: Path, rows: Iterable[Row], held: int) -> Iterator[Row]:
    """Yield rows one by one, while they are not too long for a database of so many bytes.

    Cells that are reckoned take no room in the file, and in a damaged one many rows may share a page.
    """
    size = 0
    for row in rows:
        size += CELL * len(row) + sum([len(c) for c in row if isinstance(c, str | bytes)])
        check_size(path, size, held)
        yield row


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

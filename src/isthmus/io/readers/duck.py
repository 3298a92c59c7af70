"""Databases of DuckDB: `.duckdb` and `.ddb`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.choices import chosen
from isthmus.io.foreign import quiet
from isthmus.io.optional import needed
from isthmus.io.packed import check_size
from isthmus.io.reading import reader
from isthmus.io.tabled import typed_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import duckdb

    from isthmus.io.table import Table

ALONE = {  # no other file is read, and nothing is loaded
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "lock_configuration": "true",
}
TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
    "AND table_schema = current_schema() ORDER BY table_name"
)
COLUMNS = (
    "SELECT column_name, data_type FROM information_schema.columns "
    "WHERE table_name = ? AND table_schema = current_schema() ORDER BY ordinal_position"
)
FOREIGN = (
    "INTERVAL",
    "BIT",
    "VARINT",
    "BIGNUM",
    "TIME WITH TIME ZONE",
    "UNION",
    "VARIANT",
    "GEOMETRY",
)

LONG = ("VARCHAR", "JSON", "BLOB", "STRUCT", "MAP")
CELL = 8  # bytes of a cell in memory, at least


@reader(".duckdb", ".ddb")
def read(path: Path, *, table: str | None = None) -> Table:
    """Return a table of a database, which is not written to."""
    duckdb = needed(path, "duckdb")
    with quiet(f"{path} is no DuckDB database, or is damaged", duckdb.Error):
        with duckdb.connect(str(path), read_only=True, config=ALONE) as database:
            names = [name for (name,) in database.execute(TABLES).fetchall()]
            name = chosen(path, "table", names, table)
            columns = dict(database.execute(COLUMNS, [name]).fetchall())
            unread = {n: f"it holds {k}" for n, k in columns.items() if k.startswith(FOREIGN)}
            kept = {n: kind for n, kind in columns.items() if n not in unread}
            _check_size(path, database, name, kept)
            wanted = ", ".join(map(_quoted, kept))
            frame = pl.DataFrame(database.sql(f"SELECT {wanted or 1} FROM {_quoted(name)}"))
    return typed_table(path, frame, unread=unread)


def _check_size(
    path: Path, database: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str]
) -> None:
    """Refuse a table that takes far more memory than its file: first by its rows, then by its text."""
    longer = [_length(n, kind) for n, kind in columns.items() if not _is_short(kind)]
    size = 0
    for what in (f"count(*) * {CELL * len(columns)}", *(f"sum({each})" for each in longer)):
        size += int(database.execute(f"SELECT {what} FROM {_quoted(name)}").fetchall()[0][0] or 0)
        check_size(path, size)


def _is_short(kind: str) -> bool:
    """Return whether cells of a type take a few bytes."""
    return not (kind.endswith("]") or kind.startswith(LONG))


def _length(name: str, kind: str) -> str:
    """Return how to reckon the bytes of a cell; of lists and such from their text, at most."""
    if kind == "BLOB":
        return f"octet_length({_quoted(name)})"
    length = f"strlen(CAST({_quoted(name)} AS VARCHAR))"
    return length if kind in ("VARCHAR", "JSON") else f"{CELL} * {length}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

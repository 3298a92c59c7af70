"""Databases of DuckDB: `.duckdb` and `.ddb`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.choices import chosen
from isthmus.io.foreign import quiet
from isthmus.io.optional import needed
from isthmus.io.reading import reader
from isthmus.io.tabled import typed_table

if TYPE_CHECKING:
    from pathlib import Path

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
            wanted = ", ".join(_quoted(n) for n in columns if n not in unread)
            frame = pl.DataFrame(database.sql(f"SELECT {wanted or 1} FROM {_quoted(name)}"))
    return typed_table(path, frame, unread=unread)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""`.parquet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.io.lists import spread_others
from isthmus.io.parquet import read_parquet
from isthmus.io.reading import reader
from isthmus.io.table import Table

if TYPE_CHECKING:
    from pathlib import Path


@reader(".parquet")
def read(path: Path) -> Table:
    """Return a table of the columns that can be read."""
    held = read_parquet(path)
    frame, parts, clashing = spread_others(held.frame)
    unread = held.unread | clashing
    return Table(path, frame, parts=parts, row_index=held.row_index, unread=unread)

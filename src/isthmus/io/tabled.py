"""A frame of a typed file becomes a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.io.choices import TableError
from isthmus.io.lists import spread_others
from isthmus.io.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl


def typed_table(
    path: Path,
    frame: pl.DataFrame,
    *,
    unread: Mapping[str, str] | None = None,
    worded_dates: bool = False,
) -> Table:
    """Return the table of a typed frame, its lists of one length as columns of their elements."""
    if frame.is_empty():
        raise TableError(f"{path} has no rows.")
    spread, parts, clashing = spread_others(frame)
    unread = {**(unread or {}), **clashing}
    return Table(path, spread, parts=parts, unread=unread, worded_dates=worded_dates)

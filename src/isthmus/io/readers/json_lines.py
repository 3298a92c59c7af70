"""`.jsonl` and `.ndjson`, an object of JSON a line, also packed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.choices import TableError
from isthmus.io.endings import PACKED
from isthmus.io.foreign import polars_errors
from isthmus.io.packed import unpacked
from isthmus.io.reading import reader
from isthmus.io.table import Table
from isthmus.io.tabled import typed_table

if TYPE_CHECKING:
    from pathlib import Path

ENDINGS = [f"{kind}{packed}" for kind in (".jsonl", ".ndjson") for packed in ("", *PACKED)]


@reader(*ENDINGS)
def read(path: Path) -> Table:
    """Return a table of the keys that the objects have."""
    content = unpacked(path)
    if not content.strip():
        raise TableError(f"{path} is empty.")
    with polars_errors(f"{path} is no JSON by lines, or is damaged"):
        frame = pl.read_ndjson(content, infer_schema_length=None)
    return typed_table(path, frame, worded_dates=True)

"""`.jsonl` and `.ndjson`, an object of JSON a line, also packed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.choices import TableError
from isthmus.io.endings import PACKED
from isthmus.io.foreign import polars_errors
from isthmus.io.packed import check_size, unpacked
from isthmus.io.reading import reader
from isthmus.io.table import Table
from isthmus.io.tabled import typed_table

if TYPE_CHECKING:
    from pathlib import Path

CELL = 8  # bytes in memory, at least: each row has all the keys that any has
ENDINGS = [f"{kind}{packed}" for kind in (".jsonl", ".ndjson") for packed in ("", *PACKED)]


@reader(*ENDINGS)
def read(path: Path) -> Table:
    """Return a table of the keys that the objects have."""
    content = unpacked(path)
    if not content.strip():
        raise TableError(f"{path} is empty.")
    with polars_errors(f"{path} is no JSON by lines, or is damaged"):
        schema = pl.scan_ndjson(content, infer_schema_length=None).collect_schema()
        rows, objects = content.count(b"\n") + 1, content.count(b"{")
        check_size(path, CELL * n_cells(pl.Struct(schema), rows, objects))
        frame = pl.read_ndjson(content, schema=schema)
    return typed_table(path, frame, worded_dates=True)


def n_cells(dtype: object, rows: int, objects: int) -> int:
    """Return how many cells values of a type have, those of each key of objects counted.

    Objects in lists are as many as the file has, at most.
    """
    if isinstance(dtype, pl.Struct):
        return sum(n_cells(field.dtype, rows, objects) for field in dtype.fields)
    if isinstance(dtype, pl.List):
        return n_cells(dtype.inner, objects, objects)
    return rows

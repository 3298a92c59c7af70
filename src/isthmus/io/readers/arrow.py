"""Arrow's own files, also named Feather: `.arrow`, `.feather` and `.ipc`."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.arrow_sizes import unpacked_size
from isthmus.io.choices import TableError
from isthmus.io.foreign import polars_errors, quiet
from isthmus.io.optional import needed
from isthmus.io.packed import check_size
from isthmus.io.parquet import intervals
from isthmus.io.reading import reader
from isthmus.io.tabled import typed_table
from isthmus.io.unpacking import Damaged

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.io.table import Table

FILE, FIRST_VERSION, STREAM = b"ARROW1", b"FEA1", b"\xff\xff\xff\xff"


@reader(".arrow", ".feather", ".ipc")
def read(path: Path) -> Table:
    """Return the table of a file, a stream that was saved, or a file of Feather's first version."""
    content = path.read_bytes()
    if content.startswith(FIRST_VERSION):
        return typed_table(path, _first_version(path, content))
    damaged = f"{path} is no Arrow file, or is damaged"
    try:
        size = unpacked_size(content)
    except Damaged as error:
        raise TableError(f"{damaged}.") from error
    check_size(path, size)
    read_ipc = pl.read_ipc if content.startswith(FILE) else pl.read_ipc_stream
    with polars_errors(damaged), intervals():
        frame = read_ipc(io.BytesIO(content))
    return typed_table(path, frame)


def _first_version(path: Path, content: bytes) -> pl.DataFrame:
    """Return the table of a file that pandas wrote years ago; nothing in it is packed."""
    feather, arrow = needed(path, "pyarrow.feather"), needed(path, "pyarrow")
    damaged = f"{path} is no Feather file, or is damaged"
    with quiet(damaged, arrow.lib.ArrowException), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what becomes of the format is for its writers to know
        return pl.DataFrame(feather.read_table(io.BytesIO(content), memory_map=False))

"""Tables in and out: CSV, Parquet, `.npy` and `.npz` files as rows for an estimator.

A file is untrusted: nothing is unpickled, no size is allocated that the file does not hold, and
each error names the file, the line or the columns, and what to do.
"""

from __future__ import annotations

import gzip
import io
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.io.arrays import TableError as TableError
from isthmus.io.arrays import read_npy, read_npz
from isthmus.io.atomic import write_whole
from isthmus.io.endings import TEXT_ENDINGS, file_ending
from isthmus.io.lists import spread_others
from isthmus.io.parquet import read_parquet
from isthmus.io.table import Table as Table
from isthmus.io.text import read_text
from isthmus.words import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

WRITTEN_ENDINGS = (".csv", ".csv.gz", ".parquet", ".npy")


# -- reading -------------------------------------------------------------------------------------


def read_table(path: Path, *, key: str | None = None, header: bool = True) -> Table:
    """Read a table.

    Parameters
    ----------
    path : Path
        A `.csv`, `.tsv` (both also with `.gz`), `.parquet`, `.npy` or `.npz` file.
    key : str, optional
        Which array of a `.npz` file.
    header : bool
        Whether the first line of a text file holds the names of its columns.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If the file is missing, foreign, damaged or empty.
    """
    kind = file_ending(path)
    if kind not in READERS:
        raise TableError(f"{path} has the ending {kind!r}; tables end in {listed([*READERS])}.")
    if key is not None and kind != ".npz":
        raise TableError(f"{path} is one table: --key chooses an array of a .npz file.")
    try:
        return READERS[kind](path, key, header)
    except OSError as error:
        raise TableError(f"Cannot read {path}: {error.strerror or error}.") from error


def _read_text(path: Path, key: str | None, header: bool) -> Table:
    text = read_text(path, header=header)
    return Table(path, text.frame, text.separator, lines=text.lines, row_index=text.row_index)


def _read_parquet(path: Path, key: str | None, header: bool) -> Table:
    held = read_parquet(path)
    frame, parts, clashing = spread_others(held.frame)
    unread = held.unread | clashing
    return Table(path, frame, parts=parts, row_index=held.row_index, unread=unread)


def _read_npy(path: Path, key: str | None, header: bool) -> Table:
    return Table(path, read_npy(path))


def _read_npz(path: Path, key: str | None, header: bool) -> Table:
    return Table(path, read_npz(path, key))


# What reads a file of each ending, given `key` and `header` of `read_table`.
READERS: dict[str, Callable[[Path, str | None, bool], Table]] = {
    **dict.fromkeys(TEXT_ENDINGS, _read_text),
    ".parquet": _read_parquet,
    ".npy": _read_npy,
    ".npz": _read_npz,
}


# -- writing -------------------------------------------------------------------------------------


def check_table_output(
    path: Path, kinds: Sequence[str], *, force: bool, inputs: Sequence[Path | None] = ()
) -> None:
    """Raise a TableError unless a file can be written, before work is done that would be lost."""
    if file_ending(path) not in kinds:
        raise TableError(f"The output {path} must end in {listed(kinds)}.")
    if not path.parent.is_dir():
        raise TableError(f"Cannot write {path}: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise TableError(f"Cannot write {path}: it is a folder.")
    if path.exists() and any(p is not None and p.exists() and path.samefile(p) for p in inputs):
        raise TableError(f"The output {path} is also an input; give another with -o.")
    if path.exists() and not force:
        raise TableError(f"{path} exists; overwrite it with --force, or give another with -o.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise TableError(f"Cannot write {path}: {error.strerror or error}.") from error


def write_table(path: Path, frame: pl.DataFrame, *, raw: bool = False) -> None:
    """Write a frame whole or not at all, in the format of the path's ending.

    Parameters
    ----------
    path : Path
        A `.csv`, `.csv.gz`, `.parquet` or `.npy` file; `.npy` takes numbers only.
    frame : DataFrame
        The columns.
    raw : bool
        Whether text in CSV files is written as it is; otherwise text that a spreadsheet would run
        as a formula gets an apostrophe in front.
    """
    kind, file = file_ending(path), io.BytesIO()
    if kind == ".parquet":
        frame.write_parquet(file)
        content = file.getvalue()
    elif kind == ".npy":
        content = array_bytes(frame.to_numpy())
    else:
        content = csv_text(frame, raw=raw).encode()
        content = gzip.compress(content, mtime=0) if kind == ".csv.gz" else content
    write_whole(path, content)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array to a `.npy` file, whole or not at all."""
    write_whole(path, array_bytes(array))


def array_bytes(array: np.ndarray) -> bytes:
    """Return an array as the content of a `.npy` file."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def csv_text(frame: pl.DataFrame, *, raw: bool = False) -> str:
    """Return a frame as CSV, by default with text that no spreadsheet takes for a formula."""
    frame = frame.with_columns(_as_text(c) for c in frame)
    if not raw:
        frame = frame.with_columns(_harmless(c) for c in frame if c.dtype == pl.String)
        frame.columns = _harmless(pl.Series(frame.columns, dtype=pl.String)).to_list()
    return frame.write_csv()


def _as_text(column: pl.Series) -> pl.Series:
    """Return words, bytes and spans of time as the text that stands in a file for them."""
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if column.dtype == pl.Binary:
        return column.bin.encode("hex")
    return column.dt.to_string("iso") if column.dtype == pl.Duration else column


def _harmless(column: pl.Series) -> pl.Series:
    """Put an apostrophe before text that starts like a formula, except before numbers."""
    number = column.cast(pl.Float64, strict=False).is_not_null()
    formula = column.str.contains(r"^[=+\-@\t\r]") & ~number
    frame = pl.DataFrame({"text": column, "formula": formula})
    quoted = pl.when("formula").then("'" + pl.col("text")).otherwise("text")
    return frame.select(quoted.alias(column.name)).to_series()

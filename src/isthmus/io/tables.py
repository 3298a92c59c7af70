"""Tables in and out: files of many formats as rows for an estimator.

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

from isthmus.io.atomic import write_whole
from isthmus.io.choices import TableError as TableError
from isthmus.io.endings import file_ending
from isthmus.io.folders import read_several, table_files
from isthmus.io.optional import needed
from isthmus.io.reading import check_choice, reader_of
from isthmus.io.style import Style
from isthmus.io.table import Table as Table
from isthmus.words import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

USUAL = Style()  # of text files


# -- reading -------------------------------------------------------------------------------------


def read_table(
    path: Path,
    *,
    key: str | None = None,
    sheet: str | None = None,
    table: str | None = None,
    encoding: str | None = None,
    header: bool = True,
) -> Table:
    """Read a table.

    Parameters
    ----------
    path : Path
        A file whose ending is known, a folder of such files of one format, or a pattern that fits
        some: their rows follow each other, in the order of the files' names.
    key, sheet, table : str, optional
        Which array of a file, which sheet of a workbook, which table of a database.
    encoding : str, optional
        How the bytes of a text file are characters; by default UTF-8, or as the file shows.
    header : bool
        Whether the first line of a text file or a sheet holds the names of its columns.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If the file is missing, foreign, damaged or empty.
    """
    choices = {"key": key, "sheet": sheet, "table": table}
    options: dict[str, object] = {n: value for n, value in choices.items() if value is not None}
    files = table_files(path)
    for name in options:
        check_choice((files or [path])[0], name)
    options |= {"header": header, "encoding": encoding}
    try:
        if files is not None:
            return read_several(path, files, lambda file: _read(file, options))
        return _read(path, options)
    except OSError as error:
        raise TableError(f"Cannot read {path}: {error.strerror or error}.") from error


def _read(path: Path, options: Mapping[str, object]) -> Table:
    """Read one file with those options that its format has."""
    reader = reader_of(path)
    return reader.read(path, **{n: value for n, value in options.items() if n in reader.options})


# -- writing -------------------------------------------------------------------------------------


def check_table_output(
    path: Path, kinds: Sequence[str], *, force: bool, inputs: Sequence[Path | None] = ()
) -> None:
    """Raise a TableError unless a file can be written, before work is done that would be lost."""
    if file_ending(path) not in kinds:
        raise TableError(f"The output {path} must end in {listed(kinds)}.")
    if file_ending(path) == SHEET:
        needed(path, "xlsxwriter")
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


def write_table(
    path: Path, frame: pl.DataFrame, *, raw: bool = False, style: Style = USUAL
) -> None:
    """Write a frame whole or not at all, in the format of the path's ending.

    Parameters
    ----------
    path : Path
        A `.csv`, `.csv.gz`, `.parquet`, `.arrow`, `.feather`, `.jsonl`, `.xlsx` or `.npy` file;
        `.npy` takes numbers only, and `.xlsx` needs XlsxWriter.
    frame : DataFrame
        The columns.
    raw : bool
        Whether text in CSV files is written as it is; otherwise text that a spreadsheet would run
        as a formula gets an apostrophe in front.
    style : Style
        What separates the cells of CSV files, and which mark is decimal.
    """
    kind = file_ending(path)
    if kind == ".npy":
        content = array_bytes(frame.to_numpy())
    elif kind in WRITERS:
        if kind == SHEET:
            _check_sheet(path, frame)
        file = io.BytesIO()
        WRITERS[kind](frame, file)
        content = file.getvalue()
    else:
        content = csv_text(frame, raw=raw, style=style).encode()
        content = gzip.compress(content, mtime=0) if kind == ".csv.gz" else content
    write_whole(path, content)


def worded(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose columns all have a form in text."""
    return frame.with_columns(_as_text(c) for c in frame)


SHEET, LARGEST_SHEET = ".xlsx", (2**20 - 1, 2**14)  # rows below the names, and columns
WRITERS: dict[str, Callable[[pl.DataFrame, io.BytesIO], object]] = {
    ".parquet": pl.DataFrame.write_parquet,
    ".arrow": pl.DataFrame.write_ipc,
    ".feather": pl.DataFrame.write_ipc,
    ".jsonl": lambda frame, file: worded(frame).write_ndjson(file),
    SHEET: lambda frame, file: worded(frame).write_excel(file),  # what looks like a formula is text
}


def _check_sheet(path: Path, frame: pl.DataFrame) -> None:
    """Raise a TableError for what no workbook holds, or where nothing writes one."""
    needed(path, "xlsxwriter")
    if any(size > most for size, most in zip(frame.shape, LARGEST_SHEET, strict=True)):
        raise TableError(
            f"Cannot write {path}: {frame.height:,} rows and {frame.width:,} columns are more than a "
            "sheet holds; write .parquet or .csv."
        )


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array to a `.npy` file, whole or not at all."""
    write_whole(path, array_bytes(array))


def array_bytes(array: np.ndarray) -> bytes:
    """Return an array as the content of a `.npy` file."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def csv_text(
    frame: pl.DataFrame, *, raw: bool = False, style: Style = USUAL, header: bool = True
) -> str:
    """Return a frame as CSV, by default with text that no spreadsheet takes for a formula."""
    frame = frame.with_columns(_as_text(c) for c in frame)
    if not raw:
        frame = frame.with_columns(_harmless(c) for c in frame if c.dtype == pl.String)
        frame.columns = _harmless(pl.Series(frame.columns, dtype=pl.String)).to_list()
    return frame.write_csv(
        separator=style.separator, decimal_comma=style.decimal == "comma", include_header=header
    )


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

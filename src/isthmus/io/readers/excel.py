"""Workbooks: `.xlsx`, `.xlsm`, `.xls` and `.ods`."""

from __future__ import annotations

import re
import zipfile
from datetime import time
from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.choices import TableError, chosen
from isthmus.io.foreign import quiet
from isthmus.io.optional import needed
from isthmus.io.reading import reader
from isthmus.io.tabled import typed_table
from isthmus.io.unpacking import most_unpacked
from isthmus.words import first_line

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from isthmus.io.table import Table

OLD = ".xls"  # which is not packed
PIECE = 2**22  # bytes
CELL = 32  # bytes of a cell in memory, also of an empty one between others
CORNER = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
UNNAMED = re.compile(r"__UNNAMED__(\d+)")


@reader(".xlsx", ".xlsm", ".xls", ".ods")
def read(path: Path, *, sheet: str | None = None, header: bool = True) -> Table:
    """Return the table of a sheet, with the types of its cells."""
    fastexcel = needed(path, "fastexcel")
    content = path.read_bytes()
    if path.suffix.lower() != OLD:
        _check_sizes(path)
    with quiet(f"{path} is no workbook, or is damaged", fastexcel.FastExcelError):
        book = fastexcel.read_excel(content)
        name = chosen(path, "sheet", book.sheet_names, sheet)
        held = book.load_sheet(name, header_row=0 if header else None, schema_sample_rows=None)
        frame = pl.DataFrame(held) if held.width else pl.DataFrame()
    return typed_table(path, _tidy(frame))


def _tidy(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a sheet without empty rows at its end and columns of nothing, not even a name."""
    if frame.width:
        some = frame.select(~pl.all_horizontal(pl.all().is_null())).to_series().arg_true()
        frame = frame.head(some[-1] + 1 if len(some) else 0)
    unnamed = {name: found for name in frame.columns if (found := UNNAMED.fullmatch(name))}
    frame = frame.drop(name for name in unnamed if frame[name].null_count() == len(frame))
    names = {n: f"column_{int(unnamed[n][1]) + 1}" for n in frame.columns if n in unnamed}
    return pl.DataFrame([_as_days(column) for column in frame.rename(names)])


def _as_days(column: pl.Series) -> pl.Series:
    """Return moments that are all at midnight as days: a workbook has one type for both."""
    if column.dtype != pl.Datetime or (column.dt.time() != time()).any():
        return column
    return column.cast(pl.Date)


def _check_sizes(path: Path) -> None:
    """Refuse a workbook whose parts, or whose sheets' corners, would take far more than the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            most = most_unpacked(path.stat().st_size)
            if (size := sum(part.file_size for part in parts)) > most:
                raise TableError(f"{path} would unpack to {size:,} bytes: save it as .csv.")
            for part in parts:
                with archive.open(part) as file:
                    _check_corner(path, file, most)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise TableError(f"{path} is no workbook, or is damaged: {first_line(error)}.") from error


def _check_corner(path: Path, file: IO[bytes], most: int) -> None:
    """Refuse a sheet of a few cells far apart, as all cells between them would be held."""
    rows = columns = 0
    left = b""
    while piece := file.read(PIECE):  # to the end, where its checksum is compared
        for letters, number in CORNER.findall(left + piece):
            rows, columns = max(rows, int(number)), max(columns, _column(letters))
        left = piece[-16:]
    if rows * columns * CELL > most:
        raise TableError(
            f"{path} has a sheet of {rows:,} rows and {columns:,} columns, nearly all of them empty: "
            "remove the cells far from the others."
        )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number

"""Text files of tables, `.csv` and `.tsv`: their cells as text, and the line of each row."""

from __future__ import annotations

import csv
import io
from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.io.choices import TableError
from isthmus.io.encodings import decoded, is_utf8
from isthmus.io.foreign import polars_errors
from isthmus.io.light import read_light
from isthmus.io.packed import unpacked
from isthmus.io.separators import separator_of
from isthmus.words import first_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from isthmus.io.light import Light, LightText

LARGE = 2**24  # bytes of a file of which not all text is held
ROW_INDEX = ("", "Unnamed: 0")  # how pandas names a row index, and one that it read as a column


class Text(NamedTuple):
    """What a text file holds: cells as text, what separates them, and the line of each row."""

    frame: pl.DataFrame
    separator: str
    lines: np.ndarray
    row_index: tuple[str, ...]  # of the first column, if it only counts rows
    light: Light | None = None  # columns that were read as numbers at once


def read_text(path: Path, *, header: bool, encoding: str | None = None) -> Text:
    """Read the cells of a text file, after a look at each line; numbers of a large one as such."""
    light = _read_light(path, header, encoding)
    if light is not None:
        names, counting = light.frame.columns, False
        if header and light.light.pieces.first[0] in ROW_INDEX:
            counting = _counts_rows(light.frame.to_series(0))
        index = (names[0],) if counting else ()
        return Text(light.frame, light.light.pieces.separator, light.lines, index, light.light)
    text = decoded(path, unpacked(path), encoding)
    separator = separator_of(path, text)
    first, numbers, text = _checked_lines(path, text, separator)
    names = [name if header and name else f"column_{i + 1}" for i, name in enumerate(first)]
    check_names(path, names)
    frame = _parsed(path, text, separator, header)
    frame.columns = names
    counting = header and first[0] in ROW_INDEX and _counts_rows(frame.to_series(0))
    lines = np.frombuffer(numbers, np.int64)[1 if header else 0 :]
    return Text(frame, separator, lines, (names[0],) if counting else ())


def _read_light(path: Path, header: bool, encoding: str | None) -> LightText | None:
    """Return what a large file in UTF-8 holds; None where it has to be read as a whole."""
    if path.stat().st_size < LARGE or (encoding is not None and not is_utf8(encoding)):
        return None
    return read_light(path, header=header, worded=ROW_INDEX)


def _parsed(path: Path, text: str, separator: str, header: bool) -> pl.DataFrame:
    try:
        with polars_errors(f"{path} cannot be read"):
            frame = pl.read_csv(
                text.encode(), separator=separator, has_header=header, infer_schema=False
            )
    except pl.exceptions.NoDataError:
        frame = pl.DataFrame()
    if frame.is_empty():
        raise TableError(f"{path} has a header, but no rows.")
    return frame


def _checked_lines(path: Path, text: str, separator: str) -> tuple[list[str], array[int], str]:
    """Return the first cells, the line of each record, and the text without blank lines.

    Blank lines would be rows of missing cells; within quotes they are kept. Raises for a record that
    has more or fewer cells than the first.
    """
    quoted = '"' in text  # else counting is enough, and many times faster
    lines = list(io.StringIO(text, newline="\n")) if quoted else text.split("\n")
    records = _quoted_records if quoted else _plain_records
    starts, blank = array("q"), []
    first: list[str] = []
    for number, cells, width in records(path, lines, separator):
        if not width:
            blank.append(number)
            continue
        first = first or [cell.strip() for cell in cells]
        if width != len(first):
            raise TableError(
                f"{path}, line {number}: {width} cells, but the first line has {len(first)} "
                f"(cells are separated by {separator!r})."
            )
        starts.append(number)
    if blank:
        gone = set(blank)
        kept = (line for number, line in enumerate(lines, 1) if number not in gone)
        text = ("" if quoted else "\n").join(kept)
    return first, starts, text


def _plain_records(
    path: Path, lines: Sequence[str], separator: str
) -> Iterator[tuple[int, Sequence[str], int]]:
    """Yield each line by its number, with the cells of the first, and how many it has."""
    first = True
    for number, line in enumerate(lines, 1):
        if not line.strip("\r"):
            yield number, (), 0
            continue
        yield number, line.split(separator) if first else (), line.count(separator) + 1
        first = False


def _quoted_records(
    path: Path, lines: Iterable[str], separator: str
) -> Iterator[tuple[int, Sequence[str], int]]:
    """Yield each record by the number of its first line, its cells, and how many it has."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    start = 1
    try:
        for cells in reader:
            yield start, cells, len(cells)
            start = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num}: {first_line(error)}.") from error


def check_names(path: Path, names: Sequence[str]) -> None:
    """Raise a TableError for a name that two columns have."""
    places: dict[str, int] = {}
    for i, name in enumerate(names, 1):
        if places.setdefault(name, i) != i:
            raise TableError(
                f"{path} has two columns named {name!r}, {places[name]} and {i}: "
                "rename one, or read a file without names with --no-header."
            )


def _counts_rows(column: pl.Series) -> bool:
    """Return whether a column holds distinct whole numbers."""
    cells = column.str.strip_chars()
    whole = cells.str.contains("^[+-]?[0-9]+$").fill_null(False).all()
    return bool(whole) and cells.n_unique() == len(cells)

"""A large text file in pieces of whole records, so that its text is never held as a whole.

What reads a file as a whole says what is wrong with it. So a file that is anything but UTF-8, with
records of one width, is `Unfit` here, and left to that reader.
"""

from __future__ import annotations

import codecs
import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.io.choices import TableError
from isthmus.io.packed import most_held, unpacking
from isthmus.io.separators import separator_of
from isthmus.io.stamps import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PIECE = 2**23  # bytes
SAMPLE = 2**16  # bytes that tell what separates cells
LONGEST = (
    2**26
)  # characters of a record, which a quote that is never closed makes as long as its file
OPEN = "unexpected end of data"  # what `csv` says where a quote is not closed


class Unfit(Exception):
    """A file cannot be read in pieces."""


class Piece(NamedTuple):
    """Some records of a file: their cells as text, the line on which each begins, their characters."""

    cells: pl.DataFrame
    lines: np.ndarray
    size: int


class Records(NamedTuple):
    """Lines that hold whole records: on which of them each begins, and how many cells it has."""

    lines: Sequence[str]
    starts: list[int]
    widths: list[int]
    first: list[str]  # the cells of the first record

    def text(self, begin: int) -> str:
        """Return the lines of records from a line on, without blank ones between them."""
        blank = {i for i, w in zip(self.starts, self.widths, strict=True) if not w}
        kept = (line for i, line in enumerate(self.lines) if i >= begin and i not in blank)
        return "\n".join(kept)

    def numbers(self, begin: int) -> np.ndarray:
        """Return on which lines records begin, from a line on."""
        found = zip(self.starts, self.widths, strict=True)
        return np.array([i for i, width in found if width and i >= begin], np.int64)


class Pieces:
    """A text file that can be gone through again and again, and its names from the first piece on."""

    def __init__(self, path: Path, *, header: bool) -> None:
        self.path, self.header, self.stamp = path, header, Stamp.of(path)
        self.first: list[str] = []
        self.separator = separator_of(path, self._sample())

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        named = enumerate(self.first, 1)
        return [name if self.header and name else f"column_{i}" for i, name in named]

    def __iter__(self) -> Iterator[Piece]:
        self.stamp.check()
        line, rest, begun = 1, "", False
        for text, is_last in self._texts():
            lines = (rest + text).split("\n")
            tail = lines.pop()
            if is_last and tail:
                lines.append(tail)
            records = self._records(lines, is_last=is_last)
            rest = "" if is_last else "\n".join([*lines[len(records.lines) :], tail])
            begin = 0 if begun or not self.header else _second(records)
            begun = begun or bool(self.first)
            if len(numbers := records.numbers(begin)):
                held = records.text(begin)
                yield Piece(self._parsed(held, len(numbers)), numbers + line, len(held))
            line += len(records.lines)

    def _sample(self) -> str:
        """Return the beginning of the file's text."""
        with _unfit(UnicodeDecodeError, TableError), unpacking(self.path) as file:
            return codecs.getincrementaldecoder("utf-8-sig")().decode(file.read(SAMPLE))

    def _texts(self) -> Iterator[tuple[str, bool]]:
        """Yield the file's text, and whether it is the last of it."""
        decoder, most = codecs.getincrementaldecoder("utf-8-sig")(), most_held(self.path)
        with _unfit(UnicodeDecodeError, TableError), unpacking(self.path) as file:
            while raw := file.read(PIECE):
                most -= len(raw)
                if most < 0:
                    raise Unfit
                yield decoder.decode(raw), False
            yield decoder.decode(b"", final=True), True

    def _records(self, lines: list[str], *, is_last: bool) -> Records:
        """Return what lines hold, up to the last record that is whole."""
        if any("\r" in line.removesuffix("\r") for line in lines):
            raise Unfit
        if any('"' in line for line in lines):
            records = _quoted(lines, self.separator, is_last=is_last)
        else:
            records = _plain(lines, self.separator)
        if sum(map(len, lines[len(records.lines) :])) > LONGEST:
            raise Unfit
        self.first = self.first or [cell.strip() for cell in records.first]
        if {*records.widths} - {0, len(self.first)} or len({*self.names}) < len(self.first):
            raise Unfit
        return records

    def _parsed(self, text: str, rows: int) -> pl.DataFrame:
        with _unfit(pl.exceptions.PolarsError, pl.exceptions.PanicException):
            frame = pl.read_csv(
                text.encode(),
                separator=self.separator,
                has_header=False,
                infer_schema=False,
                new_columns=self.names,
            )
        if frame.shape != (rows, len(self.first)):
            raise Unfit
        return frame


@contextmanager
def _unfit(*errors: type[BaseException]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        raise Unfit from error


def _second(records: Records) -> int:
    """Return on which line the second record begins that is not blank."""
    found = [i for i, width in zip(records.starts, records.widths, strict=True) if width]
    return found[1] if len(found) > 1 else len(records.lines)


def _plain(lines: list[str], separator: str) -> Records:
    """Return lines without quotes: each is a record."""
    widths = [line.count(separator) + 1 if line.strip("\r") else 0 for line in lines]
    first = next((i for i, width in enumerate(widths) if width), None)
    cells = [] if first is None else lines[first].split(separator)
    return Records(lines, list(range(len(lines))), widths, cells)


def _quoted(lines: list[str], separator: str, *, is_last: bool) -> Records:
    """Return lines with quotes, up to the last record that is whole."""
    starts, widths, first, end = [], [], list[str](), 0
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, strict=True)
    try:
        for cells in reader:
            starts.append(end)
            widths.append(len(cells))
            first = first or cells
            end = reader.line_num
    except csv.Error as error:
        if is_last or OPEN not in str(error):
            raise Unfit from error
    return Records(lines[:end], starts, widths, first)

"""Rows that arrive as lines of text, CSV or JSON, from a file or the standard input."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import select
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from isthmus.cli.terminal import UsageError
from isthmus.io import FileError
from isthmus.words import first_line, shortened, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

LONGEST = 2**20  # bytes, after which a quote that was never closed is none
QUOTED = re.compile(rb'(?:^|[,;\t|])"', re.MULTILINE)
PAUSE = 0.2  # seconds, in which a signal is heard
AT_ONCE = 2**16  # bytes that are taken at most, of those that have arrived
SEPARATORS = ",;\t|"
ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson")
STANDARD_INPUT = Path("-")


class Record(NamedTuple):
    """A row: its cells as text by their names, or what is wrong with it."""

    cells: dict[str, str]
    problem: str | None = None


class Batch(NamedTuple):
    """Rows that arrived together, and where the next one begins."""

    records: list[Record]
    place: dict[str, object]


class Lines:
    """Lines of a file, or of the standard input, as they arrive; quoted ones may go over several.

    `place` is where an earlier reader of the same file stopped: how many bytes it took, their digest,
    and the names of the columns. A file that begins with these bytes is read on from there, any other
    from its start. The standard input goes on where it is, and may leave the names out then. A line of
    names has at least `names`, which a detector asks for, and `ids`; none where it asks for none.
    """

    def __init__(
        self,
        path: Path,
        names: Sequence[str],
        place: Mapping[str, object],
        ids: Sequence[str] = (),
    ) -> None:
        self.path, self.ids = path, ids
        self.wanted = [*names, *ids] if names else []
        self.header = [str(name) for name in place.get("names", ())]  # type: ignore[attr-defined]
        self.separator = str(place.get("separator", ""))  # none yet, and none of JSON
        self.is_json = bool(place.get("json", False))
        self.digest = hashlib.sha256()
        self.bytes = 0
        self.known = place

    def batches(self) -> Iterator[Batch]:
        """Yield the rows that are there, again and again, until the end."""
        with _opened(self.path) as file:
            if self.path.is_file() and not self._goes_on(file):
                self.header, self.separator, self.is_json = [], "", False
            rest = b""
            while chunk := _read(file):
                whole, rest = _whole_records(rest + chunk)
                yield from self._batch(whole)
            yield from self._batch(rest)

    def _goes_on(self, file: io.FileIO) -> bool:
        """Move to where the earlier reader stopped, if it read this file."""
        left = int(str(self.known.get("bytes", 0)))
        while left and (chunk := file.read(min(left, 2**20))):
            self.digest.update(chunk)
            left -= len(chunk)
        if not left and self.digest.hexdigest() == self.known.get("sha256"):
            self.bytes = int(str(self.known["bytes"]))
            return True
        file.seek(0)
        self.digest = hashlib.sha256()
        return False

    def _batch(self, content: bytes) -> Iterator[Batch]:
        self.digest.update(content)
        self.bytes += len(content)
        records = [*self._records(content.decode("utf-8-sig", errors="replace"))]
        if records:
            yield Batch(records, self.place())

    def place(self) -> dict[str, object]:
        """Return where the next row begins, and how it is to be read."""
        return {
            "bytes": self.bytes,
            "sha256": self.digest.hexdigest(),
            "names": self.header,
            "separator": self.separator,
            "json": self.is_json,
        }

    def _records(self, text: str) -> Iterator[Record]:
        lines = [line for line in text.splitlines(keepends=True) if line.strip()]
        if lines and not (self.separator or self.is_json):
            self._begin(lines[0])
        if self.is_json:
            yield from map(_of_json, lines)
            return
        for cells in csv.reader(lines, delimiter=self.separator or ","):
            names = [cell.strip() for cell in cells]
            if not self.header or (self.wanted and {*self.wanted} <= {*names}):
                self._name(names)
            elif len(cells) == len(self.header):
                yield Record(dict(zip(self.header, cells, strict=True)))
            else:
                yield Record({}, f"{len(cells)} cells, and there are {len(self.header)} columns")

    def _begin(self, line: str) -> None:
        """See how the first line is written."""
        self.is_json = line.lstrip().startswith("{")
        self.separator = "" if self.is_json else max(SEPARATORS, key=line.count)

    def _name(self, names: list[str]) -> None:
        """Take the names of the columns."""
        lost = [name for name in self.wanted if name not in names]
        if lost and lost[0] in self.ids:
            raise FileError(
                f"{shown(self.path)} has no column {lost[0]!r}, which --id names."
                f"{suggestion(lost[0], names)} It has: {shortened(names)}."
            )
        if lost:
            raise FileError(
                f"{shown(self.path)} lacks the column {lost[0]!r}, which the detector was fitted on: "
                f"the first line must name the columns; it is {self.separator.join(names)[:100]!r}."
            )
        self.header = names


def _of_json(line: str) -> Record:
    try:
        found = json.loads(line)
    except ValueError as error:
        return Record({}, f"no JSON: {first_line(error)}")
    if not isinstance(found, dict):
        return Record({}, "no JSON object")
    return Record({str(name): _text(value) for name, value in found.items()})


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def _read(file: io.FileIO) -> bytes:
    """Return bytes when there are some, or none at the end; signals are served while none are there.

    A handler of SIGINT that polars sets would restart a read, and Ctrl-C went unheard.
    """
    while os.name == "posix" and not select.select([file], [], [], PAUSE)[0]:
        pass
    return file.read(AT_ONCE)


def _opened(path: Path) -> io.FileIO:
    """Open what gives bytes as soon as there are some."""
    if path == STANDARD_INPUT:
        return os.fdopen(0, "rb", buffering=0, closefd=False)
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error


def _whole_records(content: bytes) -> tuple[bytes, bytes]:
    """Return what ends with a line, outside of a quoted cell, and the rest."""
    end = content.rfind(b"\n") + 1
    while end and len(content) < LONGEST and _is_open(content[:end]):
        end = content.rfind(b"\n", 0, end - 1) + 1
    return content[:end], content[end:]


def _is_open(content: bytes) -> bool:
    """Return whether text ends within a quoted cell; in JSON none goes over several lines."""
    odd = content.count(b'"') % 2 == 1
    return odd and not content.startswith(b"{") and QUOTED.search(content) is not None


def check_lines(path: Path) -> None:
    """Refuse what cannot be read line by line."""
    if path == STANDARD_INPUT or path.is_fifo() or path.is_char_device():
        return
    if not path.is_file():
        raise FileError(f"Cannot read {path}: there is no such file.")
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            f"{path} must end in {', '.join(ENDINGS)}, for lines of CSV or JSON; isthmus detect "
            "--model decides on other tables as a whole."
        )


def shown(path: Path) -> str:
    """Return what a path is called in messages."""
    return "The standard input" if path == STANDARD_INPUT else str(path)


def text_frame(records: Sequence[Record], names: Sequence[str]) -> pl.DataFrame:
    """Return the cells of these columns, all text; what a row lacks is missing."""
    import polars as pl

    cells = {name: [record.cells.get(name) for record in records] for name in names}
    return pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String))

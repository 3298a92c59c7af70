"""A table that is written part by part, whole or not at all, however large it gets."""

from __future__ import annotations

import gzip
import queue
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from isthmus.io.atomic import whole_file
from isthmus.io.choices import TableError
from isthmus.io.endings import file_ending
from isthmus.io.style import Style
from isthmus.io.tables import csv_text, worded
from isthmus.words import first_line, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from isthmus.io.atomic import PartOfFile

WAITING = 2  # parts that wait to be written
SECONDS = 0.1  # between two looks at whether the writer still lives
SINKS: dict[str, Callable[[pl.LazyFrame, Path], object]] = {
    ".parquet": lambda rows, path: rows.sink_parquet(path, maintain_order=True),
    ".arrow": lambda rows, path: rows.sink_ipc(path, maintain_order=True),
    ".feather": lambda rows, path: rows.sink_ipc(path, maintain_order=True),
}


class Growing(ABC):
    """A table that is written part by part; all parts have the same columns, of the same types."""

    is_empty = True

    def write(self, part: pl.DataFrame | np.ndarray) -> None:
        """Write the next rows."""
        self._add(part)
        self.is_empty = False

    @abstractmethod
    def _add(self, part: pl.DataFrame | np.ndarray) -> None: ...

    def end(self) -> None:  # noqa: B027  (nothing is left in most formats)
        """Write what is left."""

    def give_up(self) -> None:  # noqa: B027
        """Write nothing more."""


@contextmanager
def growing_table(
    path: Path, rows: int, *, raw: bool = False, style: Style | None = None
) -> Iterator[Growing]:
    """Open a table for parts of it, which takes its place at the end, if all went well.

    Parameters
    ----------
    path : Path
        A file of any format that tables are written to, but for `.xlsx`.
    rows : int
        How many there will be, which an array's header says.
    raw, style
        As `write_table` takes them.

    Raises
    ------
    TableError
        If the format holds no table of any length.
    FileError
        If the system refuses.
    """
    kind = file_ending(path)
    if kind not in GROWING and kind not in SINKS:
        raise TableError(
            f"{path} cannot hold a table of {rows:,} rows: write {listed([*GROWING, *SINKS])}."
        )
    with whole_file(path) as part:
        if kind in SINKS:
            table: Growing = Sunk(part, SINKS[kind])
        else:
            table = GROWING[kind](part.file, rows, raw, style or Style())
        try:
            yield table
            if table.is_empty:
                raise TableError(f"There are no rows to write to {path}.")
            table.end()
        except BaseException:
            table.give_up()
            raise


@contextmanager
def growing_lines(file: IO[bytes], *, raw: bool = False) -> Iterator[Growing]:
    """Write CSV to a file that is open already."""
    yield Lines(file, 0, raw, Style())


class Lines(Growing):
    """CSV, packed or not."""

    def __init__(self, file: IO[bytes], _: int, raw: bool, style: Style) -> None:
        self.file, self.raw, self.style = file, raw, style

    def _add(self, part: pl.DataFrame | np.ndarray) -> None:
        """Write rows below the names of their columns."""
        assert isinstance(part, pl.DataFrame)
        text = csv_text(part, raw=self.raw, style=self.style, header=self.is_empty)
        self.file.write(text.encode())


class PackedLines(Lines):
    """CSV in a gzip file."""

    def __init__(self, file: IO[bytes], rows: int, raw: bool, style: Style) -> None:
        packed: IO[bytes] = gzip.GzipFile("", "wb", fileobj=file, mtime=0)  # type: ignore[assignment]
        super().__init__(packed, rows, raw, style)

    def end(self) -> None:
        """Write what is still packed."""
        self.file.close()

    give_up = end


class JsonLines(Growing):
    """An object a line."""

    def __init__(self, file: IO[bytes], *_: object) -> None:
        self.file = file

    def _add(self, part: pl.DataFrame | np.ndarray) -> None:
        """Write rows."""
        assert isinstance(part, pl.DataFrame)
        self.file.write(worded(part).write_ndjson().encode())


class Numbers(Growing):
    """A `.npy` file, whose header says how many rows will come."""

    def __init__(self, file: IO[bytes], rows: int, *_: object) -> None:
        self.file, self.rows, self.dtype = file, rows, np.dtype(float)

    def _add(self, part: pl.DataFrame | np.ndarray) -> None:
        """Write rows, the first of which say of what type all are."""
        array = part if isinstance(part, np.ndarray) else part.to_numpy()
        if self.is_empty:
            self.dtype, shape = array.dtype, (self.rows, *array.shape[1:])
            header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(self.file, header)
        self.file.write(np.ascontiguousarray(array, self.dtype).tobytes())


GROWING: dict[str, Callable[[IO[bytes], int, bool, Style], Growing]] = {
    ".csv": Lines,
    ".csv.gz": PackedLines,
    ".jsonl": JsonLines,
    ".npy": Numbers,
}


class GivenUp(Exception):
    """No more rows come, and what was written is to be left."""


class Sunk(Growing):
    """A table that polars writes in a thread of its own, from the parts that it is handed."""

    def __init__(self, part: PartOfFile, sink: Callable[[pl.LazyFrame, Path], object]) -> None:
        self.part, self.sink = part, sink
        self.parts: queue.Queue[pl.DataFrame | GivenUp | None] = queue.Queue(WAITING)
        self.thread: threading.Thread | None = None
        self.error: BaseException | None = None

    def _add(self, part: pl.DataFrame | np.ndarray) -> None:
        """Hand on rows."""
        assert isinstance(part, pl.DataFrame)
        if self.thread is None:
            schema = part.schema
            self.thread = threading.Thread(target=self._sink, args=[schema], daemon=True)
            self.thread.start()
        self._hand(part)

    def end(self) -> None:
        """Wait until all rows are written."""
        self._hand(None)
        while self.thread is not None and self.thread.is_alive():
            self.thread.join(SECONDS)  # a signal is heard between two waits
        self._check()

    def give_up(self) -> None:
        """Let the writer end where it is."""
        while self.thread is not None and self.thread.is_alive():
            try:
                self.parts.put(GivenUp(), timeout=SECONDS)
            except queue.Full:
                continue
            self.thread.join()

    def _hand(self, part: pl.DataFrame | None) -> None:
        while True:
            self._check()
            try:
                self.parts.put(part, timeout=SECONDS)
            except queue.Full:
                continue
            return

    def _check(self) -> None:
        """Raise what went wrong in the other thread."""
        if self.error is not None:
            raise OSError(first_line(self.error)) from self.error

    def _sink(self, schema: pl.Schema) -> None:
        try:
            self.sink(register_io_source(lambda *_: self._handed(), schema=schema), self.part.path)
        except BaseException as error:
            self.error = error

    def _handed(self) -> Iterator[pl.DataFrame]:
        while (part := self.parts.get()) is not None:
            if isinstance(part, GivenUp):
                raise part
            yield part

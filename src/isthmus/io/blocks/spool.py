"""Batches of rows that come once, kept in a temporary file from which they are read at any place.

The file has no name, so that the system removes it, whatever ends the process.
"""

from __future__ import annotations

import copy
import io
import shutil
import tempfile
import threading
import weakref
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.io.blocks.blocks import Blocks
from isthmus.io.choices import NoRoomError, TableError
from isthmus.words import first_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    Rows = np.ndarray | pl.DataFrame

VALUES = 2**20  # that are read together
LEFT_FREE = 2**26  # bytes of the disk that are not used


class Chunk(NamedTuple):
    """Where some rows stand in the file, in how many bytes, and which they are."""

    place: int
    size: int
    start: int
    stop: int
    dtype: np.dtype | None  # of an array


class Spool(Blocks):
    """Rows of batches, in a temporary file.

    Parameters
    ----------
    name : str
        What messages call the source.
    batches : iterable of DataFrame or array
        The rows, all with the same columns.
    size : int
        How many bytes they take at least, as far as that is known before.

    Raises
    ------
    TableError
        For batches that do not fit together, and where the disk has no room for them.
    """

    is_unpacked = True

    def __init__(self, name: str, batches: Iterable[Rows], size: int = 0) -> None:
        self.name, self.n_rows = name, 0
        self.file: IO[bytes] = tempfile.TemporaryFile(prefix="isthmus-")
        weakref.finalize(self, self.file.close)
        self.owner: Spool | None = None  # whose end is that of the file
        self.lock = threading.Lock()
        self.chunks: list[Chunk] = []
        self.empty: Rows | None = None  # the rows without rows
        check_room(name, size)
        for number, batch in enumerate(batches):
            self._check_like(batch[:0], number)
            step = max(VALUES // max(int(np.prod(batch.shape[1:])), 1), 1)
            for start in range(0, len(batch), step):
                self._add(batch[start : start + step])
        if not self.n_rows:
            raise TableError(f"{name} has no rows.")
        named = self.empty if isinstance(self.empty, pl.DataFrame) else None
        self.columns = None if named is None else tuple(named.columns)

    def only(self, names: Collection[str]) -> Spool:
        """Return the same rows, of whose columns only these are decoded."""
        narrow = copy.copy(self)
        narrow.owner = self
        if isinstance(self.empty, pl.DataFrame):
            narrow.columns = tuple(name for name in self.empty.columns if name in {*names})
            narrow.empty = self.empty.select(narrow.columns)
        return narrow

    def read(self, start: int, stop: int) -> Rows:
        """Return rows."""
        start, stop = max(start, 0), min(stop, self.n_rows)
        assert self.empty is not None
        found = [
            self._rows(chunk)[max(start - chunk.start, 0) : stop - chunk.start]
            for chunk in self.chunks
            if chunk.start < stop and start < chunk.stop
        ]
        if isinstance(self.empty, np.ndarray):
            return np.concatenate([self.empty, *found])
        frames = [some for some in (self.empty, *found) if isinstance(some, pl.DataFrame)]
        return pl.concat(frames, how="vertical_relaxed")

    def _rows(self, chunk: Chunk) -> Rows:
        with self.lock:
            self.file.seek(chunk.place)
            content = self.file.read(chunk.size)
        assert self.empty is not None
        if chunk.dtype is None:
            return pl.read_ipc(io.BytesIO(content), columns=list(self.columns or ()))
        return np.frombuffer(content, chunk.dtype).reshape(-1, *self.empty.shape[1:])

    def _add(self, rows: Rows) -> None:
        content, dtype = _packed(rows)
        check_room(self.name, len(content))
        place = self.file.seek(0, io.SEEK_END)
        try:
            self.file.write(content)
            self.file.flush()
        except OSError as error:
            raise NoRoomError(
                f"{self.name} cannot be kept in {tempfile.gettempdir()}: {error.strerror or error}; "
                "make room there, or set TMPDIR to another folder."
            ) from error
        stop = self.n_rows + len(rows)
        self.chunks.append(Chunk(place, len(content), self.n_rows, stop, dtype))
        self.n_rows = stop

    def _check_like(self, empty: Rows, number: int) -> None:
        """Refuse a batch with other columns; remember types that hold the cells of all batches."""
        known = self.empty
        if known is None:
            self.empty = empty
        elif isinstance(known, pl.DataFrame) and isinstance(empty, pl.DataFrame):
            try:
                self.empty = pl.concat([known, empty], how="vertical_relaxed")
            except pl.exceptions.PolarsError as error:
                raise self._unlike(number, first_line(error)) from error
        elif isinstance(known, np.ndarray) and isinstance(empty, np.ndarray):
            if known.shape != empty.shape:
                raise self._unlike(
                    number, f"rows of shape {empty.shape[1:]}, not {known.shape[1:]}"
                )
            self.empty = np.concatenate([known, empty])
        else:
            raise self._unlike(number, f"it is a {type(empty).__name__}")

    def _unlike(self, number: int, why: str) -> TableError:
        return TableError(f"{self.name}: batch {number} is not like those before it ({why}).")


def check_room(name: str, size: float) -> None:
    """Raise a NoRoomError where the disk has no room for so many bytes of a source more."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if size + LEFT_FREE > free:
        raise NoRoomError(
            f"{name} is kept in a temporary file while it is used, which takes {size / 1e6:,.0f} MB "
            f"more, and {free / 1e6:,.0f} MB are free in {folder}: make room there, or set TMPDIR to "
            "another folder."
        )


def _packed(rows: Rows) -> tuple[bytes, np.dtype | None]:
    """Return rows as bytes, and of an array their type."""
    if isinstance(rows, np.ndarray):
        return rows.tobytes(), rows.dtype
    file = io.BytesIO()
    rows.write_ipc(file, compression="uncompressed")
    return file.getvalue(), None

"""Blocks of arrays: of `.npy` files, of arrays that are mapped from files, and of those in memory."""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isthmus.io.arrays import native, open_array
from isthmus.io.blocks.blocks import Blocks
from isthmus.io.choices import TableError
from isthmus.io.stamps import Stamp

if TYPE_CHECKING:
    from typing import IO


class NpyBlocks(Blocks):
    """The rows of a `.npy` file, which are read and not mapped: mapped ones would stay in memory."""

    is_unpacked = True

    def __init__(self, path: Path) -> None:
        self.stamp, self.name, self.columns = Stamp.of(path), str(path), None
        with path.open("rb") as file:
            self.header = open_array(file, self.stamp.size, str(path))
            self.begin = file.tell()
        self.n_rows = self.header.shape[0]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows in the machine's own order of bytes."""
        self.stamp.check()
        shape, columns_first, _ = self.header
        start, stop = max(start, 0), min(stop, self.n_rows)
        width, rows = math.prod(shape[1:]), max(stop - start, 0)
        with self.stamp.path.open("rb", buffering=0) as file:
            if columns_first:
                pieces = [self._piece(file, k * shape[0] + start, rows) for k in range(width)]
                flat = np.stack(pieces, axis=1)
            else:
                flat = self._piece(file, start * width, rows * width)
        return native(flat.reshape((rows, *shape[1:]), order="F" if columns_first else "C"))

    def _piece(self, file: IO[bytes], first: int, count: int) -> np.ndarray:
        """Return so many numbers from a place in the file on."""
        found = np.empty(count, self.header.dtype)
        file.seek(self.begin + first * found.itemsize)
        rest = found.view(np.uint8).data
        while len(rest):
            done = file.readinto(rest)  # type: ignore[attr-defined]
            if not done:
                raise TableError(f"{self.name} was cut off while it was read.")
            rest = rest[done:]
        return found


class ArrayBlocks(Blocks):
    """The rows of an array, which may be mapped from a file."""

    is_unpacked = True

    def __init__(self, array: np.ndarray) -> None:
        if array.ndim < 2 or array.dtype.kind not in "fiub":
            raise TableError(
                f"An array of shape {array.shape} and dtype {array.dtype} is no table: rows have shape "
                "(n, d), of plain numbers."
            )
        file = getattr(array, "filename", None)
        self.array, self.columns, self.n_rows = array, None, len(array)
        self.stamp = None if file is None else Stamp.of(Path(file))
        self.name = "the array" if file is None else str(file)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows; pages of a file that is only read leave memory again."""
        rows = self.array[start:stop]
        if self.stamp is None:
            return rows
        if getattr(self.array, "mode", "r") == "r":  # else its owner may write to it
            self.stamp.check()
        found = np.array(rows)
        _let_go(self.array)
        return found


def _let_go(array: np.ndarray) -> None:
    """Let the pages of a mapped file go, if nothing was written to them."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and getattr(array, "mode", "") == "r" and _CAN_LET_GO:
        base.madvise(mmap.MADV_DONTNEED)


_CAN_LET_GO = hasattr(mmap, "MADV_DONTNEED")

"""The content of files that are packed as a whole, up to a size."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from isthmus.io.choices import TableError
from isthmus.io.optional import needed
from isthmus.io.unpacking import most_unpacked

MOST_WINDOW = 2**27  # bytes that a reader of Zstandard holds, as its own command allows by default

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, or less at the end."""


def unpacked(path: Path) -> bytes:
    """Return what a file holds, unpacked if its last ending says that it is packed.

    Raises
    ------
    TableError
        If it is damaged, or unpacks to so much that it is a bomb.
    """
    if path.suffix.lower() not in PACKERS:
        return path.read_bytes()
    most = most_held(path)
    with unpacking(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise TableError(f"{path} unpacks to more than {most:,} bytes: if it is right, unpack it.")
    return content


def most_held(path: Path) -> int:
    """Return how many bytes a text file may hold: one that is packed, so many times its size."""
    size = path.stat().st_size
    return most_unpacked(size, text=True) if path.suffix.lower() in PACKERS else size


@contextmanager
def unpacking(path: Path) -> Iterator[Readable]:
    """Open a file that may be packed, to read what it holds piece by piece."""
    with PACKERS.get(path.suffix.lower(), _as_it_is)(path) as file:
        yield file


@contextmanager
def _as_it_is(path: Path) -> Iterator[Readable]:
    with path.open("rb") as file:
        yield file


def check_size(path: Path, size: int, packed: int | None = None) -> None:
    """Refuse a table of so many bytes in memory if its file, or so many packed bytes, is far smaller.

    Raises
    ------
    TableError
        If it could be a bomb.
    """
    most = most_unpacked(path.stat().st_size if packed is None else packed)
    if size > most:
        raise TableError(
            f"{path} would unpack to {size:,} bytes or more, and {most:,} are the most that a file of "
            "its size may: if it is right, write it anew, in parts."
        )


@contextmanager
def _gzip(path: Path) -> Iterator[Readable]:
    try:
        with gzip.open(path) as file:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"{path} is no gzip file, or is cut off or damaged.") from error


@contextmanager
def _zstd(path: Path) -> Iterator[Readable]:
    zstandard = needed(path, "zstandard")
    packed = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW)
    try:
        with path.open("rb") as raw, packed.stream_reader(raw, read_across_frames=True) as file:
            yield file
    except zstandard.ZstdError as error:
        raise TableError(f"{path} is no Zstandard file, or is damaged.") from error


PACKERS = {".gz": _gzip, ".zst": _zstd}

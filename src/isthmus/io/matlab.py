"""Numbers from `.mat` files of version 5 that nobody vouches for.

Nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.io.choices import TableError
from isthmus.io.unpacking import Damaged, most_unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = 128  # bytes
HDF5 = b"\x89HDF\r\n\x1a\n"
MATRIX, COMPRESSED = 14, 15
NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
FULL = range(6, 16)  # classes of arrays of numbers
COMPLEX = 0x0800


class Element(NamedTuple):
    """A piece of data, and its type."""

    kind: int
    data: memoryview


def read_mat(path: Path) -> dict[str, np.ndarray]:
    """Return the matrices of numbers of a file by their names; others are left out.

    Raises
    ------
    TableError
        If this is no such file, or it is damaged.
    """
    content = path.read_bytes()
    if HDF5 in content[:520] or content.startswith(b"MATLAB 7.3"):
        raise TableError(f"{path} is a MATLAB file of version 7.3: save it with -v7.")
    try:
        order = {b"IM": "<", b"MI": ">"}[content[HEADER - 2 : HEADER]]
        found = (_matrix(e, order) for e in _variables(path, content, order) if e.kind == MATRIX)
        return {name: array for name, array in found if array is not None}
    except (KeyError, struct.error, zlib.error, Damaged) as error:
        raise TableError(f"{path} is no MATLAB file of version 5, or is damaged.") from error


def _variables(path: Path, content: bytes, order: str) -> Iterator[Element]:
    left = most_unpacked(len(content))
    for element in _elements(memoryview(content)[HEADER:], order, padded=False):
        if element.kind != COMPRESSED:
            yield element
            continue
        unpacking = zlib.decompressobj()
        inner = unpacking.decompress(element.data, left)
        left -= len(inner)
        if not unpacking.eof and left > 0:
            raise Damaged
        if left <= 0:
            raise TableError(f"{path} unpacks to more than {most_unpacked(len(content)):,} bytes.")
        yield from _elements(memoryview(inner), order)


def _elements(data: memoryview, order: str, *, padded: bool = True) -> Iterator[Element]:
    """Yield the elements that stand one after the other; small ones have their length in the type."""
    at = 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:
            kind, length, start = kind & 0xFFFF, kind >> 16, at + 4
        if start + length > len(data):
            raise Damaged
        yield Element(kind, data[start : start + length])
        at = max(start + length, at + 8)
        if padded or kind != COMPRESSED:
            at += -at % 8
    if at < len(data) and not padded:
        raise Damaged


def _matrix(element: Element, order: str) -> tuple[str, np.ndarray | None]:
    """Return name and numbers of a matrix; None for one that holds other things."""
    parts = list(_elements(element.data, order))
    if len(parts) < 3:
        raise Damaged
    flags = struct.unpack_from(f"{order}I", parts[0].data)[0]
    shape = tuple(_numbers(parts[1].data, f"{order}i4").tolist())
    name = bytes(parts[2].data).decode("latin-1")
    if flags & 0xFF not in FULL or flags & COMPLEX or len(shape) != 2:
        return name, None
    if len(parts) < 4 or parts[3].kind not in NUMBERS or min(shape) < 0:
        raise Damaged
    numbers = _numbers(parts[3].data, f"{order}{NUMBERS[parts[3].kind]}")
    if len(numbers) != math.prod(shape):
        raise Damaged
    return name, numbers.reshape(shape, order="F").astype(np.float64)


def _numbers(data: memoryview, dtype: str) -> np.ndarray:
    if len(data) % np.dtype(dtype).itemsize:
        raise Damaged
    return np.frombuffer(data, dtype)

"""Arrays from `.npy` and `.npz` files that nobody vouches for.

Nothing is unpickled, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy

from isthmus.io.atomic import FileError
from isthmus.words import first_line

if TYPE_CHECKING:
    from pathlib import Path

MOST_UNPACKED = 2**30  # what is packed may unpack to this many bytes,
MOST_UNPACKED_RATIO = 200  # or to this many times its packed size: more is a bomb or near to one


class TableError(FileError):
    """A table cannot be read, used or written."""


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file."""
    with path.open("rb") as file:
        return _read_array(file, path.stat().st_size, str(path))


def read_npz(path: Path, key: str | None) -> np.ndarray:
    """Return one array of a `.npz` file: the only one, or the one of this name."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
            member = members[_chosen_key(path, list(members), key)]
            _check_unpacked(path, member)
            with archive.open(member) as file:
                return _read_array(file, member.file_size, f"{path}, array {member.filename!r}")
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise TableError(f"{path} is no .npz file, or is damaged: {first_line(error)}.") from error


def _chosen_key(path: Path, keys: list[str], key: str | None) -> str:
    if key is None and len(keys) == 1:
        return keys[0]
    if key in keys:
        return key
    found = f"no array {key!r}" if key is not None else f"{len(keys)} arrays"
    raise TableError(f"{path} has {found}; choose one with --key: {', '.join(keys) or 'none'}.")


def _check_unpacked(path: Path, member: zipfile.ZipInfo) -> None:
    """Refuse deflate bombs; zipfile itself never unpacks more than the declared size."""
    if member.file_size > max(MOST_UNPACKED, MOST_UNPACKED_RATIO * member.compress_size):
        raise TableError(
            f"{path}: the array {member.filename!r} would unpack from {member.compress_size:,} to "
            f"{member.file_size:,} bytes; if this is right, save it as .npy."
        )


def _read_array(file: IO[bytes], size: int, where: str) -> np.ndarray:
    """Read an array of `size` bytes with its header, after a look at what the header declares."""
    shape, columns_first, dtype = _array_header(file, where)
    if dtype.hasobject or dtype.kind not in "fiub":
        raise TableError(f"{where} has dtype {dtype}, which is no plain number.")
    needed, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or needed > held:
        raise TableError(
            f"{where} is cut off or damaged: shape {shape} needs {needed:,} bytes, and {held:,} "
            "are there."
        )
    if len(shape) not in (2, 3, 4) or needed == 0:
        raise TableError(
            f"{where} has shape {shape}; rows have shape (n, d), and images (n, h, w) or "
            "(n, h, w, c), with n and d of at least 1."
        )
    flat = np.frombuffer(bytearray(file.read(needed)), dtype)
    if flat.nbytes != needed:
        raise TableError(f"{where} is cut off or damaged: {flat.nbytes:,} bytes of {needed:,}.")
    native = np.float64 if dtype.itemsize > 8 else dtype.newbyteorder("=")
    return flat.reshape(shape, order="F" if columns_first else "C").astype(native, copy=False)


def _array_header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return the shape, whether columns come first (Fortran's order), and the dtype."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        version = npy.read_magic(file)
        if version not in readers:
            raise ValueError(f"format version {version[0]}.{version[1]} is unknown")
        shape, columns_first, dtype = readers[version](file)
    except (ValueError, EOFError, TypeError) as error:
        reason = first_line(error)
        raise TableError(f"{where} is no .npy array, or is damaged: {reason}.") from error
    return shape, columns_first, dtype

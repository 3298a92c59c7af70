"""Arrays from `.npy` and `.npz` files that nobody vouches for.

Nothing is unpickled, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import math
import re
import zipfile
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.io.choices import TableError as TableError
from isthmus.io.choices import chosen
from isthmus.io.unpacking import most_unpacked
from isthmus.words import first_line

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 2**22  # bytes

MAGIC = b"\x93NUMPY"
LENGTHS = {
    b"\x01\x00": 2,
    b"\x02\x00": 4,
    b"\x03\x00": 4,
}  # in bytes, of the header's length, by version
MOST_HEADER = 10_000  # bytes; NumPy reads no more either
HEADER = re.compile(  # a dict as Python writes it
    r"""
    \s*+ \{ \s*+ (?:
        (?: 'descr' \s*+ : \s*+ (?P<dtype> '[^']*+' | \[ [^{}]* \] )
          | 'fortran_order' \s*+ : \s*+ (?P<columns_first> True | False )
          | 'shape' \s*+ : \s*+ \( \s*+ (?P<shape> (?: -?[0-9]{1,19}L?\s*+ (?:,\s*+|(?=\))) )*+ ) \)
        ) \s*+ (?: , \s*+ )?
    )++ \} \s*+
    """,
    re.VERBOSE,
)
PLAIN_DTYPE = re.compile(r"[<>|=]?[A-Za-z?][0-9]{0,9}")


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file."""
    with path.open("rb") as file:
        return _read_array(file, path.stat().st_size, str(path))


def read_npz(path: Path, key: str | None) -> np.ndarray:
    """Return one array of a `.npz` file: the only one, or the one of this name."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
            member = members[chosen(path, "key", list(members), key)]
            _check_unpacked(path, member)
            with archive.open(member) as file:
                return _read_array(file, member.file_size, f"{path}, array {member.filename!r}")
    except TableError:
        raise
    except Exception as error:  # on damaged files zipfile raises nearly anything
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = first_line(error) or type(error).__name__
        raise TableError(f"{path} is no .npz file, or is damaged: {reason}.") from error


def _check_unpacked(path: Path, member: zipfile.ZipInfo) -> None:
    """Refuse bombs; zipfile itself never unpacks more than the declared size."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise TableError(
            f"{path}: the array {member.filename!r} is packed by a method that NumPy does not write "
            f"({member.compress_type}): save it by numpy.savez_compressed."
        )
    packed = min(member.compress_size, path.stat().st_size)  # which a file may declare as it likes
    if member.file_size > most_unpacked(packed):
        raise TableError(
            f"{path}: the array {member.filename!r} would unpack from {packed:,} to "
            f"{member.file_size:,} bytes; if this is right, save it as .npy."
        )


class Header(NamedTuple):
    """What the start of an array's file says of it."""

    shape: tuple[int, ...]
    columns_first: bool  # Fortran's order
    dtype: np.dtype


def open_array(file: IO[bytes], size: int, where: str) -> Header:
    """Read the header of an array whose file has `size` bytes, and check what it declares.

    The file stands where the numbers begin then.
    """
    header = _read_header(file, where)
    shape, needed = header.shape, math.prod(header.shape) * header.dtype.itemsize
    held = size - file.tell()
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
    return header


def _read_array(file: IO[bytes], size: int, where: str) -> np.ndarray:
    """Read an array of `size` bytes with its header."""
    shape, columns_first, dtype = open_array(file, size, where)
    flat = np.frombuffer(_read_bytes(file, math.prod(shape) * dtype.itemsize, where), dtype)
    return native(flat.reshape(shape, order="F" if columns_first else "C"))


def native(array: np.ndarray) -> np.ndarray:
    """Return numbers in the machine's own order of bytes, longer floats as doubles."""
    dtype = array.dtype
    kept = np.dtype(np.float64) if dtype.itemsize > 8 else dtype.newbyteorder("=")
    with np.errstate(all="ignore"):  # longer floats may be larger than any plain one, or be none
        return array.astype(kept, copy=False)


def _read_bytes(file: IO[bytes], needed: int, where: str) -> bytearray:
    """Read so many bytes in pieces, so that a packed file is not held twice."""
    held, done = bytearray(needed), 0
    while piece := file.read(min(PIECE, needed - done)):
        held[done : done + len(piece)] = piece
        done += len(piece)
    if done < needed:
        raise TableError(f"{where} is cut off or damaged: {done:,} bytes of {needed:,}.")
    return held


def _read_header(file: IO[bytes], where: str) -> Header:
    """Read an array's header without evaluating it."""
    start, version = file.read(len(MAGIC)), file.read(2)
    if start != MAGIC or len(version) < 2:
        raise TableError(f"{where} is no .npy array, or is damaged: it does not begin as one.")
    if version not in LENGTHS:
        raise TableError(
            f"{where} is no .npy array, or is damaged: format version {version[0]}.{version[1]} is "
            "unknown."
        )
    length = int.from_bytes(file.read(LENGTHS[version]), "little")
    text = file.read(length).decode("latin1").replace('"', "'") if length <= MOST_HEADER else ""
    found = HEADER.fullmatch(text)
    if found is None or None in found.groups():
        raise TableError(f"{where} is no .npy array, or is damaged: its header cannot be read.")
    shape = tuple(int(size) for size in re.findall(r"-?[0-9]+", found["shape"]))
    return Header(shape, found["columns_first"] == "True", _dtype(found["dtype"], where))


def _dtype(written: str, where: str) -> np.dtype:
    """Return the type of the numbers, or raise a TableError if they are none."""
    name = written.strip("'")
    try:
        dtype = np.dtype(name) if PLAIN_DTYPE.fullmatch(name) else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "fiub":
        shown = ascii(name[:60]) if dtype is None else dtype
        raise TableError(f"{where} has dtype {shown}, which is no plain number.")
    return dtype

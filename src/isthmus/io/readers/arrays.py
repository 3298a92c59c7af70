"""`.npy` and `.npz`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.io.arrays import read_npy, read_npz
from isthmus.io.reading import reader
from isthmus.io.table import Table

if TYPE_CHECKING:
    from pathlib import Path


@reader(".npy")
def read(path: Path) -> Table:
    """Return an array, whose columns have no names."""
    return Table(path, read_npy(path))


@reader(".npz")
def read_one_of(path: Path, *, key: str | None = None) -> Table:
    """Return one of several arrays."""
    return Table(path, read_npz(path, key))

"""Small valid `.npy` and `.npz` files."""

from __future__ import annotations

import io

import numpy as np


def seeds() -> list[bytes]:
    """Return files of arrays of each kind of number, order and version."""
    rows = np.arange(12.0).reshape(4, 3)
    kinds = ("<f8", ">f4", "<f2", "|u1", "<i4", ">i8", "|b1")
    files = [_npy(rows.astype(kind)) for kind in kinds]
    files += [_npy(np.asfortranarray(rows)), _npy(np.zeros((2, 3, 3, 1), np.uint8))]
    file = io.BytesIO()
    np.lib.format.write_array(file, rows, version=(2, 0))
    return [*files, file.getvalue(), _npz(x=rows), _npz(a=rows, b=rows), _npz(packed=True, x=rows)]


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(packed: bool = False, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()

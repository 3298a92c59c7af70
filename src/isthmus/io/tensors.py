"""Arrays by name and JSON in one `.safetensors` file, which holds nothing that can run.

The header of such a file has a table of text, `__metadata__`; its entry `isthmus` is the JSON, whose
entry `sha256` is the digest of the whole file. Nothing is unpickled, and nothing is allocated that the
file does not hold.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load, save

from isthmus.io.atomic import FileError, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.io.plain import Json

METADATA_KEY = "isthmus"
DIGEST = "sha256"
BLANK = b"0" * 64  # what stands in the digest's place while it is taken


class ModelFileError(FileError):
    """A model file cannot be written or read."""


def read_tensors(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Json]]:
    """Read arrays and JSON from a file that nobody vouches for.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    tensors : dict of str to ndarray
        The arrays by name; they can be written to.
    metadata : dict
        The JSON beside them; `sha256` is the digest that the file has, if it has one.

    Raises
    ------
    ModelFileError
        If the file cannot be read, is damaged, or is no file of `write_tensors`.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ModelFileError(f"Cannot read {path}: {error.strerror or error}.") from error
    try:
        metadata = _metadata(content)
        whole = _is_whole(content, metadata)
        tensors = load(content) if whole else {}
    except Exception as error:  # whatever a parser makes of a file that it was not made for
        raise ModelFileError(
            f"{path} is no isthmus model, or is cut off or damaged ({type(error).__name__})."
        ) from error
    if not whole:
        raise ModelFileError(
            f"{path} is cut off or damaged, or was changed by hand: its contents do not have the "
            "SHA-256 digest that was written with them."
        )
    return tensors, metadata


def _metadata(content: bytes) -> dict[str, Json]:
    (length,) = struct.unpack("<Q", content[:8])
    header = content[8 : 8 + length].decode()  # or bytes would choose a decoder to import
    metadata = json.loads(json.loads(header)["__metadata__"][METADATA_KEY])
    if not isinstance(metadata, dict):
        raise TypeError(f"The metadata are no JSON object but {type(metadata).__name__}")
    return metadata


def _is_whole(content: bytes, metadata: Mapping[str, Json]) -> bool:
    """Return whether a file has the digest that it holds; older files hold none."""
    if DIGEST not in metadata:
        return True
    digest = str(metadata[DIGEST]).encode()
    at = content.find(digest)
    return at >= 0 and len(digest) == len(BLANK) and _digest(content, at) == digest


def _digest(content: bytes, at: int) -> bytes:
    """Return the digest of a file in which there are zeros at the place of the digest itself."""
    view = memoryview(content)
    digest = hashlib.sha256(view[:at])
    digest.update(BLANK)
    digest.update(view[at + len(BLANK) :])
    return digest.hexdigest().encode()


def write_tensors(
    path: str | Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, object]
) -> None:
    """Write arrays and JSON to a file, whole or not at all.

    Parameters
    ----------
    path : path
        The file, which is replaced if it exists.
    tensors : mapping of str to ndarray
        The arrays by name, of any strides.
    metadata : mapping
        What JSON holds; NaN and infinity are kept.

    Raises
    ------
    ModelFileError
        If the file cannot be written.
    """
    # The writer takes an array's memory as it lies, so rows have to come first in it.
    rows_first = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    text = json.dumps({DIGEST: None, **metadata} | {DIGEST: BLANK.decode()})  # the first in it
    content = save(rows_first, metadata={METADATA_KEY: text})
    at = content.index(BLANK)
    behind = at + len(BLANK)
    write_model_bytes(path, b"".join((content[:at], _digest(content, at), content[behind:])))


def write_model_bytes(path: str | Path, content: bytes) -> None:
    """Write a file of a model, of any format, whole or not at all."""
    try:
        write_whole(Path(path), content)
    except FileError as error:
        raise ModelFileError(str(error)) from error

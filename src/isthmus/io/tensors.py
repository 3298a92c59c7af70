"""Arrays by name and JSON in one `.safetensors` file, which holds nothing that can run.

The header of such a file has a table of text, `__metadata__`; its entry `isthmus` is the JSON.
Nothing is unpickled, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from isthmus.io.atomic import FileError, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.io.plain import Json

METADATA_KEY = "isthmus"


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
        The JSON beside them.

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
        return load(content), _metadata(content)
    except (
        SafetensorError,
        KeyError,  # a dtype that NumPy does not have, or no metadata of ours
        TypeError,
        ValueError,
        RecursionError,  # JSON within JSON, a thousand times
        struct.error,
    ) as error:
        raise ModelFileError(
            f"{path} is no isthmus model, or is cut off or damaged ({type(error).__name__})."
        ) from error


def _metadata(content: bytes) -> dict[str, Json]:
    (length,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][METADATA_KEY])
    if not isinstance(metadata, dict):
        raise TypeError(f"The metadata are no JSON object but {type(metadata).__name__}")
    return metadata


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
    write_model_bytes(path, save(rows_first, metadata={METADATA_KEY: json.dumps(dict(metadata))}))


def write_model_bytes(path: str | Path, content: bytes) -> None:
    """Write a file of a model, of any format, whole or not at all."""
    try:
        write_whole(Path(path), content)
    except FileError as error:
        raise ModelFileError(str(error)) from error

"""Pictures of any sizes, of which each is decoded when it is asked for; the first ones stay decoded."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.io.choices import TableError
from isthmus.io.image_folder import ImageFolder
from isthmus.io.stamps import Stamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from isthmus.io.image_file import ImageHeader

MEMORY = 2**30  # bytes of decoded pictures that are kept
LUMA = np.array([299, 587, 114]) / 1000  # of red, green and blue, as Pillow weighs them
OPAQUE = {1: 1, 2: 1, 3: 3, 4: 3}  # how many of so many channels are colours


class Pictures(ABC):
    """Pictures of one depth, grey or in colour, by their numbers.

    Attributes
    ----------
    name : str
        What messages call them.
    sizes : ndarray (m, 2)
        The height and the width of each.
    channels : tuple of int
        (), or (c,) of pictures in colour.
    dtype : dtype
        The type of their values.
    ends : (float, float)
        The least and the greatest value: that there can be of bytes, else that there is.
    stay : bool
        Whether all are in memory.
    mark : int
        A number by which two runs know whether they see the same pictures.
    """

    name: str
    sizes: np.ndarray
    channels: tuple[int, ...]
    dtype: np.dtype
    ends: tuple[float, float]
    stay: bool
    mark: int

    @abstractmethod
    def __getitem__(self, number: int) -> np.ndarray:
        """Return a picture (h, w) or (h, w, c)."""

    @abstractmethod
    def title(self, number: int) -> str:
        """Return what a message calls a picture."""

    def __len__(self) -> int:
        return len(self.sizes)


class PictureFiles(Pictures):
    """The pictures of a folder, or of a list of files.

    Those that are decoded first stay in memory, up to a bound. If all can, they are decoded at once, so
    that a damaged one is named before any work; so they are where such are to be left out.
    """

    def __init__(
        self,
        source: str | Path | Sequence[str | Path],
        mode: str = "auto",
        on_error: str = "raise",
    ) -> None:
        self.folder = ImageFolder(source, on_error)
        self.name, self.dtype = self.folder.title, self.folder.dtype(mode)
        self.colour = self.folder.colour(mode)
        self.channels, self.ends = (3,) if self.colour else (), ends_of_type(self.dtype)
        self.kept: dict[int, np.ndarray] = {}
        self.last: tuple[int, np.ndarray] = (-1, np.empty(0))
        self.room = MEMORY
        self._take(self.folder.headers)
        values = int(self.sizes.prod(axis=1).sum()) * (self.channels or (1,))[0]
        self.stay = values * self.dtype.itemsize <= MEMORY
        if self.stay or self.folder.skips:
            self._try_all()
        self.folder.warn()

    def _take(self, headers: Sequence[ImageHeader]) -> None:
        self.headers = headers
        self.stamps = [Stamp.of(self.folder.folder / header.name) for header in headers]
        self.sizes = np.array([header.size for header in headers])
        facts = [
            (h.name, h.size, h.mode, s.size) for h, s in zip(headers, self.stamps, strict=True)
        ]
        self.mark = zlib.crc32(repr((facts, self.channels)).encode())

    def _try_all(self) -> None:
        """Decode all pictures once, and leave out those that cannot be decoded."""
        good: list[ImageHeader] = []
        first: dict[int, np.ndarray] = {}
        for header in self.headers:
            found = self.folder.opaque(header, self.colour)
            if found is not None:
                if self._has_room(found):
                    first[len(good)] = found
                good.append(header)
        self.folder.check_any(len(good))
        self.kept = first
        if len(good) < len(self.headers):
            self._take(good)

    def _has_room(self, found: np.ndarray) -> bool:
        if found.nbytes > self.room:
            return False
        self.room -= found.nbytes
        return True

    def __getitem__(self, number: int) -> np.ndarray:
        """Return a picture, which is decoded if it is not in memory."""
        found = self.kept.get(number)
        if found is not None:
            return found
        before, found = self.last
        if before != number:
            found = self._decoded(number)
            self.last = number, found
            if self._has_room(found):
                self.kept[number] = found
        return found

    def _decoded(self, number: int) -> np.ndarray:
        self.stamps[number].check()
        header = self.headers[number]
        found = self.folder.opaque(header, self.colour)
        if found is None:
            raise TableError(f"{self.title(number)} cannot be decoded any more: begin again.")
        return found

    def title(self, number: int) -> str:
        """Return the path of a picture."""
        return str(self.stamps[number].path)


class PictureArrays(Pictures):
    """Pictures in memory: a list of arrays, or one array of pictures of one size."""

    def __init__(self, arrays: Sequence[Any] | np.ndarray, mode: str = "auto") -> None:
        self.name, self.stay = "the pictures", True
        if not len(arrays):
            raise TableError("There are no pictures: give one at least.")
        found = [_checked(np.asarray(array), i) for i, array in enumerate(arrays)]
        self.dtype = _one_type(found)
        colour = mode == "colour" or (mode == "auto" and any(map(_in_colour, found)))
        kinds = {array.shape[2:] for array in found}
        if mode != "auto" or len(kinds) > 1:
            found = [_converted(array, i, colour=colour) for i, array in enumerate(found)]
        self.arrays, self.channels = found, found[0].shape[2:]
        self.sizes = np.array([array.shape[:2] for array in found])
        self.ends = _ends(found, self.dtype)
        self.mark = zlib.crc32(repr((self.sizes.tolist(), self.dtype.str)).encode())
        for array in found:
            self.mark = zlib.crc32(np.ascontiguousarray(array).data, self.mark)

    def __getitem__(self, number: int) -> np.ndarray:
        """Return a picture."""
        return self.arrays[number]

    def title(self, number: int) -> str:
        """Return the number of a picture."""
        return f"picture {number}"


def _checked(array: np.ndarray, number: int) -> np.ndarray:
    """Return a picture, or raise a TableError for what is none."""
    if array.ndim not in (2, 3) or 0 in array.shape or array.dtype.kind not in "fiub":
        raise TableError(
            f"Picture {number} is an array of shape {array.shape} and dtype {array.dtype}, and a "
            "picture is (height, width) or (height, width, channels) of numbers: give a list of such, "
            "or an array (n, height, width[, channels])."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise TableError(f"Picture {number} has NaN or infinite values: fill these pixels first.")
    return array


def _one_type(arrays: Sequence[np.ndarray]) -> np.dtype:
    types = sorted({array.dtype.name for array in arrays})
    if len(types) > 1:
        raise TableError(
            f"The pictures are of several types ({', '.join(types)}), whose values do not compare: "
            "convert them to one."
        )
    return arrays[0].dtype


def _in_colour(array: np.ndarray) -> bool:
    return array.ndim == 3 and OPAQUE.get(array.shape[2]) != 1


def _converted(array: np.ndarray, number: int, *, colour: bool) -> np.ndarray:
    """Return a picture without transparency, in colour (h, w, 3) or in grey (h, w)."""
    count = 1 if array.ndim == 2 else array.shape[2]
    if count not in OPAQUE:
        raise TableError(
            f"Picture {number} has {count} channels, and pictures in grey or in colour have 1 to 4: "
            "give pictures with the same channels, and leave mode out."
        )
    colours = array.reshape(*array.shape[:2], count)[..., : OPAQUE[count]]
    if colour:
        return np.broadcast_to(colours, (*array.shape[:2], 3))
    return colours[..., 0] if colours.shape[2] == 1 else _grey(colours)


def _grey(colours: np.ndarray) -> np.ndarray:
    found = colours @ LUMA
    whole = colours.dtype.kind in "iu"
    return (np.rint(found) if whole else found).astype(colours.dtype)


def ends_of_type(dtype: np.dtype) -> tuple[float, float]:
    """Return the least and the greatest value that pixels of a type can have."""
    return (0.0, float(np.iinfo(dtype).max))


def _ends(arrays: Sequence[np.ndarray], dtype: np.dtype) -> tuple[float, float]:
    if dtype in (np.uint8, np.uint16):
        return ends_of_type(dtype)
    return float(min(a.min() for a in arrays)), float(max(a.max() for a in arrays))

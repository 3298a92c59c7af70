"""Images in and out: a folder of PNG, JPEG, TIFF and BMP files as an array, and back.

Headers are read first, so that a folder that does not fit together costs no decoding, and nothing
is allocated before its size is known; each error names the file and what to do.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from contextlib import contextmanager
from math import log, prod
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

import numpy as np
from PIL import Image

from isthmus.io.atomic import whole_file
from isthmus.io.choices import TableError
from isthmus.io.endings import IMAGE_ENDINGS
from isthmus.io.image_file import (
    BadImageError,
    decode_image,
    decode_opaque,
    decode_picture,
    nearest_pixels,
    open_image,
    read_header,
)
from isthmus.words import shape_text, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from isthmus.io.image_file import (
        ImageHeader,
        ImageSize,
    )

LOSSLESS_FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}
COLOUR_MODES = ("auto", "grey", "colour")
MOST_BYTES = 2**33  # of all images together


class Images(NamedTuple):
    """The images of a folder, in the order of their names.

    Parameters
    ----------
    names : list of str
        Paths relative to the folder, with `/` between their parts.
    pixels : ndarray (n, h, w) or (n, h, w, 3)
        Grey values, or red, green and blue; uint8, or uint16 for 16-bit grey images.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.images import Images
    >>> Images(["a.png"], np.zeros((1, 8, 8), np.uint8)).pixels.shape
    (1, 8, 8)
    """

    names: list[str]
    pixels: np.ndarray


# -- reading -------------------------------------------------------------------------------------


def read_images(
    source: str | Path,
    *,
    size: ImageSize | None = None,
    mode: Literal["auto", "grey", "colour"] = "auto",
    on_error: Literal["raise", "skip"] = "raise",
    max_pixels: int | None = None,
) -> Images:
    """Read the images of a folder and of its sub-folders.

    Hidden files, hidden sub-folders and links to folders are passed over. Images are turned as
    their EXIF data say, transparent ones are laid on white, palettes and CMYK become plain
    colours, and of several frames the first is read. 16 bits are kept in plain grey images.

    Parameters
    ----------
    source : path
        The folder.
    size : (int, int), optional
        Height and width that all images are resized to, by a Lanczos filter. By default they must
        all have the same.
    mode : {"auto", "grey", "colour"}
        What images become. "auto" is colour if any image is stored in colour, which a palette
        is as well.
    on_error : {"raise", "skip"}
        What a file that is no image, is damaged, or has too many pixels leads to: an error, or
        one warning that names the files that are left out.
    max_pixels : int, optional
        How many pixels an image may have: by default 67,108,864, since a small file that declares
        more can be made to fill the memory.

    Returns
    -------
    Images
        Names and pixels, sorted by name.

    Raises
    ------
    TableError
        If there are no images, a file cannot be read, sizes differ, 8-bit and 16-bit images
        are mixed, or the array would take more than 8 GiB.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from isthmus.images import read_images, write_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     squares = np.zeros((2, 8, 8), np.uint8)
    ...     written = write_images(folder, ["b.png", "a/1.png"], squares)
    ...     read = read_images(folder, size=(4, 4))
    >>> read.names, read.pixels.shape
    (['a/1.png', 'b.png'], (2, 4, 4))
    """
    two = isinstance(size, tuple | list) and len(size) == 2
    if size is not None and not (two and all(isinstance(s, Integral) and s > 0 for s in size)):
        raise ValueError(f"The size must be (height, width), whole numbers from 1; got {size!r}.")
    _check_choice("mode", mode, COLOUR_MODES)
    _check_choice("on_error", on_error, ("raise", "skip"))
    return ImageFolder(source, on_error, max_pixels).read(size, mode)


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"The {name} must be one of {', '.join(known)}; got {value!r}.")


class ImageFolder:
    """The images of a folder, or some of them, by their headers, and what is wrong with other files."""

    def __init__(
        self,
        source: str | Path | Sequence[str | Path],
        on_error: str = "raise",
        max_pixels: int | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        listed = names if isinstance(source, str | Path) else [str(path) for path in source]
        self.folder = Path(source) if isinstance(source, str | Path) else Path()
        self.title = str(self.folder) if isinstance(source, str | Path) else "The list of files"
        self.skips, self.max_pixels = on_error == "skip", max_pixels
        self.bad: dict[str, str] = {}
        self.headers: list[ImageHeader] = []
        files = _image_names(self.folder) if listed is None else listed
        self.total = len(files)
        for name in files:
            with self._tolerant(name), self._open(name) as image:
                self.headers.append(read_header(name, image))
        self.check_any(len(self.headers))

    def _open(self, name: str) -> AbstractContextManager[Image.Image]:
        return open_image(self.folder / name, self.max_pixels)

    @contextmanager
    def _tolerant(self, name: str) -> Iterator[None]:
        """Leave a bad file out, or raise a TableError that names it."""
        try:
            yield
        except BadImageError as error:
            if not self.skips:
                raise TableError(
                    f"{self.folder / name} {error}: replace or remove it, or leave such files out "
                    "with on_error='skip' (--skip-bad)."
                ) from error
            self.bad[name] = str(error)

    def check_any(self, found: int) -> None:
        """Raise a TableError if no image is left."""
        if not found:
            raise TableError(f"{self.title} has no image that can be read: {self._reasons()}.")

    def _reasons(self, most: int = 3) -> str:
        """Return what is wrong with the first bad files, and how many more there are."""
        first = [f"{name} {reason}" for name, reason in list(self.bad.items())[:most]]
        more = [f"and {len(self.bad) - most:,} more"] if len(self.bad) > most else []
        return "; ".join(first + more)

    def read(self, size: ImageSize | None, mode: str) -> Images:
        """Decode the images to an array; see `read_images`."""
        dtype, colour = self.dtype(mode), self.colour(mode)
        size = size or self._one_size()
        shape = (len(self.headers), *size, *([3] if colour else []))
        pixels = _empty_pixels(self.folder, shape, dtype)
        names: list[str] = []
        for header in self.headers:
            with self._tolerant(header.name), self._open(header.name) as image:
                pixels[len(names)] = decode_image(image, size, colour)
                names.append(header.name)
        self.check_any(len(names))
        self.warn()
        return Images(names, pixels[: len(names)])

    def scale(self, size: ImageSize) -> float:
        """Return by how much the image least resized is, on its side that is resized most."""
        sides = [
            max((new / old for new, old in zip(size, h.size, strict=True)), key=_change)
            for h in self.headers
        ]
        return min(sides, key=_change)

    def each(self, mode: str) -> Iterator[tuple[ImageHeader, np.ndarray]]:
        """Decode the images one by one, each in its own size; with "auto" also in its own colours.

        Then it is (h, w), of 8 or 16 bits, or (h, w, 3), and of 8 bits with alpha one channel more.
        """
        read = 0
        for header in self.headers:
            pixels = self._picture(header, mode)
            if pixels is not None:
                read += 1
                yield header, pixels
        self.check_any(read)
        self.warn()

    def opaque(self, header: ImageHeader, colour: bool) -> np.ndarray | None:
        """Decode an image in its own size, as if nothing of it were transparent.

        None is one that is to be left out.
        """
        with self._tolerant(header.name), self._open(header.name) as image:
            return decode_opaque(image, colour)
        return None

    def _picture(self, header: ImageHeader, mode: str) -> np.ndarray | None:
        """Decode an image; nothing of it is kept but the pixels. None for one that is left out."""
        with self._tolerant(header.name), self._open(header.name) as image:
            if mode == "auto":
                return decode_picture(image)
            return decode_image(image, header.size, mode == "colour")
        return None

    def dtype(self, mode: str) -> np.dtype:
        """Return the type of all images, or raise a TableError if they have several."""
        return np.dtype(np.uint16 if self._deep(mode) else np.uint8)

    def colour(self, mode: str) -> bool:
        """Return whether the images become such in colour."""
        stored = any(h.colour for h in self.headers)
        return stored if mode == "auto" else mode == "colour"

    def _deep(self, mode: str) -> bool:
        """Return whether the images have 16 bits, or raise a TableError if only some have."""
        deep = [h.name for h in self.headers if h.deep]
        if deep and len(deep) < len(self.headers):
            raise TableError(
                f"{self.title} mixes images of 16 bits a pixel ({len(deep):,}, such as {deep[0]}) "
                f"and of 8 ({len(self.headers) - len(deep):,}): convert them to one depth."
            )
        if deep and mode == "colour":
            raise TableError(
                f"{self.title} has 16-bit images, such as {deep[0]}, which are read as grey values "
                "only: convert them to 8 bits to read them as colour."
            )
        return bool(deep)

    def _one_size(self) -> ImageSize:
        """Return the size of all images, or raise a TableError that lists the sizes."""
        sizes = Counter(h.size for h in self.headers).most_common()
        common = sizes[0][0]
        if len(sizes) > 1:
            odd = next(h for h in self.headers if h.size != common)
            counts = [f"{shape_text(size)} ({n:,})" for size, n in sizes]
            raise TableError(
                f"{self.title} has images of {len(sizes)} sizes (height x width), "
                f"{shortened(counts, 3)}, where {odd.name} is the first of {shape_text(odd.size)}: "
                f"resize them with size={common} (--size {shape_text(common)}), or, where their scale "
                "matters, cut patches of one size from them."
            )
        return common

    def warn(self) -> None:
        """Warn of files that are left out, and of those that hold several images."""
        if self.bad:
            warnings.warn(
                f"{len(self.bad):,} of {self.total:,} files of {self.title} are left out: "
                f"{self._reasons()}.",
                stacklevel=4,
            )
        several = [h.name for h in self.headers if h.frames and h.name not in self.bad]
        if several:
            warnings.warn(
                f"{self.title} has files with several frames, of which the first is read: "
                f"{shortened(several, 3)}.",
                stacklevel=4,
            )


def _change(factor: float) -> float:
    """Return how far a factor is from 1: the same for half and for twice."""
    return abs(log(factor))


def _image_names(folder: Path) -> list[str]:
    """Return the sorted names of the files that look like images."""
    if not folder.is_dir():
        raise TableError(f"Cannot read {folder}: there is no such folder.")
    found: list[str] = []
    for here, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images = (f for f in files if not f.startswith(".") and f.lower().endswith(IMAGE_ENDINGS))
        found += [(Path(here) / f).relative_to(folder).as_posix() for f in images]
    if not found:
        raise TableError(
            f"{folder} has no images: files that end in {', '.join(IMAGE_ENDINGS)} are looked for, "
            "also in its sub-folders."
        )
    return sorted(found)


def _refuse(error: OSError) -> NoReturn:
    raise TableError(f"Cannot read {error.filename}: {error.strerror or error}.") from error


def _empty_pixels(folder: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array to fill, unless it would be too large."""
    needed = prod(shape) * dtype.itemsize
    if needed > MOST_BYTES:
        raise TableError(
            f"{folder} would become an array of {needed / 2**30:,.1f} GiB, of shape {shape}, and "
            f"{MOST_BYTES / 2**30:.0f} are the most: give a smaller size=(h, w) (--size HxW), or "
            "fewer images."
        )
    return np.empty(shape, dtype)


# -- writing -------------------------------------------------------------------------------------


def to_pixels(values: np.ndarray, dtype: Literal["uint8", "uint16"] = "uint8") -> np.ndarray:
    """Round numbers to pixels, and clip them to what pixels can be.

    Parameters
    ----------
    values : ndarray
        Numbers in the units of pixels, such as the reconstructions of images.
    dtype : {"uint8", "uint16"}
        The type of the pixels: from 0 to 255, or to 65,535.

    Returns
    -------
    ndarray
        Whole numbers, of the same shape.

    Raises
    ------
    TableError
        If a value is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.images import to_pixels
    >>> to_pixels(np.array([-3.2, 17.6, 300.0]))
    array([  0,  18, 255], dtype=uint8)
    """
    if not np.isfinite(values).all():
        raise TableError("NaN and infinite values cannot be pixels: replace them first.")
    return nearest_pixels(values, dtype)


def write_images(
    folder: str | Path, names: Sequence[str], pixels: np.ndarray, *, overwrite: bool = False
) -> list[Path]:
    """Write images to a folder without loss, each file whole or not at all.

    Names are checked before anything is written. A name whose format would change pixels (JPEG,
    and BMP for 16 bits) gets the ending `.png`.

    Parameters
    ----------
    folder : path
        Where the files go; made if its parent exists. Sub-folders are made as names have them.
    names : sequence of str
        A relative path for each image, ending as one of `IMAGE_ENDINGS`.
    pixels : ndarray (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        uint8, or uint16 for grey images; `to_pixels` makes them from other numbers.
    overwrite : bool
        Whether files that exist are replaced.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    TableError
        If names leave the folder, collide, or exist, and for pixels of another kind.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from isthmus.images import write_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_images(folder, ["a.jpg"], np.zeros((1, 8, 8), np.uint8))]
    ['a.png']
    """
    folder, pixels = Path(folder), _checked_pixels(pixels)
    if len(names) != len(pixels):
        raise TableError(f"{len(names):,} names do not fit {len(pixels):,} images: give one each.")
    paths = image_paths(folder, names, pixels.dtype, overwrite=overwrite)
    make_folders(folder, paths)
    for path, image in zip(paths, pixels, strict=True):
        write_picture(path, image)
    return paths


def make_folders(folder: Path, paths: Sequence[Path]) -> None:
    """Make a folder, whose parent exists, and those in it that files of these paths lie in."""
    try:
        for parent in dict.fromkeys([folder, *(path.parent for path in paths)]):
            parent.mkdir(parents=parent != folder, exist_ok=True)
    except OSError as error:
        raise TableError(f"Cannot write to {folder}: {error.strerror or error}.") from error


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write one image whole or not at all: uint8 of 1 to 4 channels, or uint16 (h, w)."""
    with whole_file(path) as part:
        Image.fromarray(pixels).save(part.file, LOSSLESS_FORMATS[path.suffix.lower()])


def _checked_pixels(pixels: np.ndarray) -> np.ndarray:
    """Return pixels as (n, h, w) or (n, h, w, 3), or raise a TableError if they are no images."""
    pixels = np.asarray(pixels)
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    grey = pixels.ndim == 3
    if pixels.dtype not in (np.uint8, np.uint16) or (not grey and pixels.dtype == np.uint16):
        raise TableError(
            f"Pixels of type {pixels.dtype} and shape {pixels.shape} do not fit into image files, "
            "which take uint8, or uint16 for grey images: convert them by to_pixels."
        )
    if 0 in pixels.shape[1:] or not (grey or (pixels.ndim == 4 and pixels.shape[3] == 3)):
        raise TableError(
            f"Pixels of shape {pixels.shape} are no images, which have the shape (n, h, w) or "
            "(n, h, w, 3)."
        )
    return pixels


def check_image_folder(folder: Path) -> None:
    """Raise a TableError unless images can be written to a folder."""
    if folder.exists() and not folder.is_dir():
        raise TableError(f"Cannot write to {folder}: it is a file, and a folder is needed.")
    if not folder.absolute().parent.is_dir():
        raise TableError(f"Cannot write to {folder}: the folder {folder.parent} does not exist.")


def image_paths(
    folder: Path, names: Sequence[str], dtype: np.dtype, *, overwrite: bool
) -> list[Path]:
    """Return the files for images of these names, or raise a TableError if they cannot be written."""
    check_image_folder(folder)
    taken: dict[Path, str] = {}
    for name in names:
        path = _image_path(folder, name, dtype)
        if path in taken:
            raise TableError(
                f"The images {taken[path]!r} and {name!r} would both be written to {path}: rename "
                "one."
            )
        taken[path] = name
    blocked = [p for p in taken if p.is_dir() or not taken.keys().isdisjoint(p.parents)]
    if blocked:
        raise TableError(f"Cannot write {blocked[0]}: a folder and a file would have one name.")
    old = [path for path in taken if path.exists()]
    if old and not overwrite:
        more = f" (and {len(old) - 1:,} more)" if len(old) > 1 else ""
        raise TableError(
            f"{old[0]} exists{more}: overwrite with overwrite=True (--force), or give another "
            "folder."
        )
    return list(taken)


def _image_path(folder: Path, name: str, dtype: np.dtype) -> Path:
    """Return the file for one image, under a name whose format keeps every pixel."""
    path = Path(name)
    kind = path.suffix.lower()
    if kind not in IMAGE_ENDINGS:
        raise TableError(
            f"The image name {name!r} has the ending {kind!r}; images end in "
            f"{', '.join(IMAGE_ENDINGS)}."
        )
    inside = (folder / path).parent.resolve().is_relative_to(folder.resolve())
    if path.is_absolute() or ".." in path.parts or not inside:
        raise TableError(f"The image name {name!r} leads out of {folder}: give relative names.")
    lossless = kind in LOSSLESS_FORMATS and not (kind == ".bmp" and dtype == np.uint16)
    return folder / (path if lossless else path.with_suffix(".png"))

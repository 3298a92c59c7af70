"""Images in and out: a folder of PNG, JPEG, TIFF and BMP files as an array, and back.

Headers are read first, so that a folder that does not fit together costs no decoding, and nothing
is allocated before its size is known; each error names the file and what to do.
"""

import io
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
from PIL import Image

from isthmus.io.arrays import TableError
from isthmus.io.atomic import write_whole
from isthmus.io.image_file import BadImageError, Header, Size, decoded, examined, opened, whole

__all__ = ["ENDINGS", "Images", "read_images", "to_pixels", "write_images"]

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
WRITTEN = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}
MODES = ("auto", "grey", "colour")
MEMORY = 2**33  # bytes of all images together


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
    size: Size | None = None,
    mode: Literal["auto", "grey", "colour"] = "auto",
    on_error: Literal["raise", "skip"] = "raise",
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
        What images become. "auto" is colour where any image is stored in colour, which a palette
        is as well.
    on_error : {"raise", "skip"}
        What follows from a file that is no image, is damaged, or has too many pixels: an error,
        or one warning that names the files that are left out.

    Returns
    -------
    Images
        Names and pixels, sorted by name.

    Raises
    ------
    TableError
        Where there are no images, a file cannot be read, sizes differ, 8-bit and 16-bit images
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
    for name, value, known in (("mode", mode, MODES), ("on_error", on_error, ("raise", "skip"))):
        if value not in known:
            raise ValueError(f"The {name} must be one of {', '.join(known)}; got {value!r}.")
    return Scan(source, on_error).read(size, mode)


class Scan:
    """The images of a folder by their headers, and what is wrong with the other files."""

    def __init__(self, source: str | Path, on_error: str = "raise") -> None:
        self.folder, self.skips = Path(source), on_error == "skip"
        self.bad: dict[str, str] = {}
        self.headers: list[Header] = []
        files = _names(self.folder)
        self.total = len(files)
        for name in files:
            with self._tolerant(name), opened(self.folder / name) as image:
                self.headers.append(examined(name, image))
        self._check_any(self.headers)

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

    def _check_any(self, found: Sequence[Any]) -> None:
        if not found:
            raise TableError(f"{self.folder} has no image that can be read: {self._told()}.")

    def _told(self, most: int = 3) -> str:
        told = [f"{name} {reason}" for name, reason in list(self.bad.items())[:most]]
        more = [f"and {len(self.bad) - most} more"] if len(self.bad) > most else []
        return "; ".join(told + more)

    def read(self, size: Size | None, mode: str) -> Images:
        """Decode the images to an array; see `read_images`."""
        dtype, colour = self.dtype(mode), self._colour(mode)
        size = size or self._one_size()
        shape = (len(self.headers), *size, *([3] if colour else []))
        pixels = _room(self.folder, shape, dtype)
        names: list[str] = []
        for header in self.headers:
            with self._tolerant(header.name), opened(self.folder / header.name) as image:
                pixels[len(names)] = decoded(image, size, colour)
                names.append(header.name)
        self._check_any(names)
        self._warn()
        return Images(names, pixels[: len(names)])

    def each(self, mode: str) -> Iterator[tuple[str, np.ndarray]]:
        """Decode the images one by one, each in its own size."""
        colour, read = self._colour(mode), 0
        for header in self.headers:
            pixels = None
            with self._tolerant(header.name), opened(self.folder / header.name) as image:
                pixels = decoded(image, header.size, colour)
            if pixels is not None:
                read += 1
                yield header.name, pixels
        self._check_any(range(read))
        self._warn()

    def dtype(self, mode: str) -> np.dtype[Any]:
        """Return the type of all images, or raise a TableError where they have several."""
        return np.dtype(np.uint16 if self._deep(mode) else np.uint8)

    def _colour(self, mode: str) -> bool:
        stored = any(h.colour for h in self.headers)
        return stored if mode == "auto" else mode == "colour"

    def _deep(self, mode: str) -> bool:
        """Tell whether the images have 16 bits, or raise a TableError where only some have."""
        deep = [h.name for h in self.headers if h.deep]
        if deep and len(deep) < len(self.headers):
            raise TableError(
                f"{self.folder} mixes images of 16 bits a pixel ({len(deep):,}, such as {deep[0]}) "
                f"and of 8 ({len(self.headers) - len(deep):,}): convert them to one depth."
            )
        if deep and mode == "colour":
            raise TableError(
                f"{self.folder} has 16-bit images, such as {deep[0]}, which are read as grey values "
                "only: convert them to 8 bits to read them as colour."
            )
        return bool(deep)

    def _one_size(self) -> Size:
        """Return the size of all images, or raise a TableError that tells which there are."""
        sizes = Counter(h.size for h in self.headers)
        ranked = sizes.most_common()
        common = ranked[0][0]
        if len(ranked) > 1:
            odd = next(h for h in self.headers if h.size != common)
            told = [f"{_by(s)} ({n:,})" for s, n in ranked[:3]]
            more = f" and {len(ranked) - 3} more" if len(ranked) > 3 else ""
            raise TableError(
                f"{self.folder} has images of {len(ranked)} sizes (height x width), "
                f"{', '.join(told)}{more}, where {odd.name} is the first of {_by(odd.size)}: "
                f"resize them with size={common} (--size {_by(common)})."
            )
        return common

    def _warn(self) -> None:
        if self.bad:
            warnings.warn(
                f"{len(self.bad):,} of {self.total:,} files of {self.folder} are left out: "
                f"{self._told()}.",
                stacklevel=4,
            )
        several = [h.name for h in self.headers if h.frames and h.name not in self.bad]
        if several:
            more = f" and {len(several) - 3:,} more" if len(several) > 3 else ""
            warnings.warn(
                f"{self.folder} has files with several frames, of which the first is read: "
                f"{', '.join(several[:3])}{more}.",
                stacklevel=4,
            )


def _names(folder: Path) -> list[str]:
    """Return the sorted names of the files that look like images."""
    if not folder.is_dir():
        raise TableError(f"Cannot read {folder}: there is no such folder.")
    found: list[str] = []
    for here, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images = (f for f in files if not f.startswith(".") and f.lower().endswith(ENDINGS))
        found += [(Path(here) / f).relative_to(folder).as_posix() for f in images]
    if not found:
        raise TableError(
            f"{folder} has no images: files that end in {', '.join(ENDINGS)} are looked for, also "
            "in its sub-folders."
        )
    return sorted(found)


def _refuse(error: OSError) -> NoReturn:
    raise TableError(f"Cannot read {error.filename}: {error.strerror or error}.") from error


def _room(folder: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Return an array to fill, unless it would be too large."""
    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if needed > MEMORY:
        raise TableError(
            f"{folder} would become an array of {needed / 2**30:,.1f} GiB, of shape {shape}, where "
            f"{MEMORY / 2**30:.0f} are the most: give a smaller size=(h, w) (--size HxW), or fewer "
            "images."
        )
    return np.empty(shape, dtype)


def _by(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"


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
        Where a value is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.images import to_pixels
    >>> to_pixels(np.array([-3.2, 17.6, 300.0]))
    array([  0,  18, 255], dtype=uint8)
    """
    if not np.isfinite(values).all():
        raise TableError("NaN and infinite values cannot be pixels: replace them first.")
    return whole(values, dtype)


def write_images(
    folder: str | Path, names: Sequence[str], pixels: np.ndarray, *, overwrite: bool = False
) -> list[Path]:
    """Write images to a folder without loss, each file whole or not at all.

    Names are checked before anything is written. A name whose format would change pixels (JPEG,
    and BMP for 16 bits) gets the ending `.png`.

    Parameters
    ----------
    folder : path
        Where the files go; made where its parent exists. Sub-folders are made as names have them.
    names : sequence of str
        A relative path for each image, ending as one of `ENDINGS`.
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
        Where names leave the folder, collide, or exist, and for pixels of another kind.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from isthmus.images import write_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_images(folder, ["a.jpg"], np.zeros((1, 8, 8), np.uint8))]
    ['a.png']
    """
    folder, pixels = Path(folder), _plain(pixels)
    if len(names) != len(pixels):
        raise TableError(f"{len(names):,} names do not fit {len(pixels):,} images: give one each.")
    paths = targets(folder, names, pixels.dtype, overwrite=overwrite)
    try:
        for parent in dict.fromkeys([folder, *(path.parent for path in paths)]):
            parent.mkdir(parents=parent != folder, exist_ok=True)
    except OSError as error:
        raise TableError(f"Cannot write to {folder}: {error.strerror or error}.") from error
    for path, image in zip(paths, pixels, strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, WRITTEN[path.suffix.lower()])
        write_whole(path, file.getvalue())
    return paths


def _plain(pixels: np.ndarray) -> np.ndarray:
    """Return pixels as (n, h, w) or (n, h, w, 3), or raise a TableError where they are no images."""
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


def check_folder(folder: Path) -> None:
    """Raise a TableError unless images can be written to a folder."""
    if folder.exists() and not folder.is_dir():
        raise TableError(f"Cannot write to {folder}: it is a file, and a folder is needed.")
    if not folder.absolute().parent.is_dir():
        raise TableError(f"Cannot write to {folder}: the folder {folder.parent} does not exist.")


def targets(
    folder: Path, names: Sequence[str], dtype: np.dtype[Any], *, overwrite: bool
) -> list[Path]:
    """Return where images of these names go, or raise a TableError where they cannot."""
    check_folder(folder)
    taken: dict[Path, str] = {}
    for name in names:
        path = _target(folder, name, dtype)
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


def _target(folder: Path, name: str, dtype: np.dtype[Any]) -> Path:
    """Return the file for one image, under a name whose format keeps every pixel."""
    path = Path(name)
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise TableError(
            f"The image name {name!r} has the ending {kind!r}; images end in {', '.join(ENDINGS)}."
        )
    inside = (folder / path).parent.resolve().is_relative_to(folder.resolve())
    if path.is_absolute() or ".." in path.parts or not inside:
        raise TableError(f"The image name {name!r} leads out of {folder}: give relative names.")
    lossless = kind in WRITTEN and not (kind == ".bmp" and dtype == np.uint16)
    return folder / (path if lossless else path.with_suffix(".png"))

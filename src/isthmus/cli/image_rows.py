"""Images as rows, in the size and the colours that are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.cli.sources import FILE, Source, Wanted, image_size
from isthmus.cli.terminal import UsageError
from isthmus.io import FileError

if TYPE_CHECKING:
    from typing import Literal

    from isthmus.io import ImageFolder, Rows

    Mode = Literal["auto", "grey", "colour"]


def read_images(source: Source, wanted: Wanted | None) -> Rows:
    """Read a folder of images, in the size and the colours that are wanted."""
    import polars as pl

    from isthmus.io import Rows

    size, mode = size_and_mode(source, wanted)
    found = scan(source)
    if wanted is not None and size is None:
        _check_sizes(found, wanted)
    names, pixels = found.read(size, mode)
    if wanted is not None:
        pixels = pixels.reshape(-1, *wanted.shape)
    scale = found.scale(pixels.shape[1:3])
    return Rows(pixels, pl.DataFrame({FILE: names}), image_scale=scale)


def size_and_mode(source: Source, wanted: Wanted | None) -> tuple[tuple[int, int] | None, Mode]:
    """Return the size that images are to have, where it is known, and their mode."""
    size = image_size(source.pictures)
    if wanted is None:
        return size, source.pictures.mode or "auto"
    mode = wanted_mode(source, wanted)
    if size not in (None, wanted.shape[:2]):
        raise UsageError(
            f"--size {source.pictures.size} is another size: {wanted.who} {wanted.size} images, "
            f"so give --size {wanted.size}."
        )
    return size, mode


def scan(source: Source) -> ImageFolder:
    """Return the images of a folder, or the one of a file, by their headers."""
    from isthmus.io import MOST_OF_PILLOW, ImageFolder

    pictures = source.pictures
    if pictures.max_pixels is not None and not 0 < pictures.max_pixels <= MOST_OF_PILLOW:
        raise UsageError(
            f"--max-pixels must be from 1 to {MOST_OF_PILLOW:,}, the most that Pillow reads; got "
            f"{pictures.max_pixels}."
        )
    of_one = (source.path.parent, [source.path.name])
    folder, names = of_one if source.path.is_file() else (source.path, None)
    return ImageFolder(folder, "skip" if pictures.skip_bad else "raise", pictures.max_pixels, names)


def wanted_mode(source: Source, wanted: Wanted) -> Literal["grey", "colour"]:
    """Return the mode that gives images of the shape that is wanted."""
    if len(wanted.shape) < 2:
        kind = "an image" if source.path.is_file() else "a folder of images"
        raise FileError(
            f"{source.path} is {kind}, but {wanted.who} rows of {wanted.shape[0]} "
            "columns: give a table of these."
        )
    channels = 1 if len(wanted.shape) == 2 else wanted.shape[2]
    if channels not in (1, 3):
        raise FileError(
            f"{source.path} gives images of 1 or 3 channels, but {wanted.who} images of {channels}: "
            "give a .npy file."
        )
    needed: Literal["grey", "colour"] = "grey" if channels == 1 else "colour"
    mode = source.pictures.mode
    if mode not in (None, "auto", needed):
        raise UsageError(
            f"--mode {mode} is another mode: {wanted.who} {needed} images, so leave --mode out."
        )
    return needed


def _check_sizes(found: ImageFolder, wanted: Wanted) -> None:
    odd = [h for h in found.headers if h.size != wanted.shape[:2]]
    if odd:
        height, width = odd[0].size
        raise FileError(
            f"{found.folder / odd[0].name} is {height}x{width} (height x width), but {wanted.who} "
            f"{wanted.size} images: resize with --size {wanted.size}."
        )

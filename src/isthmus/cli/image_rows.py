"""Folders of images as rows, in the size and the colours that are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.cli.sources import FILE, Source, Wanted, image_size
from isthmus.cli.terminal import UsageError
from isthmus.io import FileError

if TYPE_CHECKING:
    from isthmus.io import ImageFolder, Rows


def read_images(source: Source, wanted: Wanted | None) -> Rows:
    """Read a folder of images, in the size and the colours that are wanted."""
    import polars as pl

    from isthmus.io import Rows

    size: tuple[int, int] | None = image_size(source.pictures)
    mode: str = source.pictures.mode or "auto"
    if wanted is not None:
        mode = wanted_mode(source, wanted)
        if size not in (None, wanted.shape[:2]):
            raise UsageError(
                f"--size {source.pictures.size} is another size: {wanted.who} {wanted.size} images, "
                f"so give --size {wanted.size}."
            )
    found = scan(source)
    if wanted is not None and size is None:
        _check_sizes(found, wanted)
    names, pixels = found.read(size, mode)
    if wanted is not None:
        pixels = pixels.reshape(-1, *wanted.shape)
    scale = found.scale(pixels.shape[1:3])
    return Rows(pixels, pl.DataFrame({FILE: names}), image_scale=scale)


def scan(source: Source) -> ImageFolder:
    """Return the images of a folder by their headers."""
    from isthmus.io import ImageFolder

    return ImageFolder(source.path, "skip" if source.pictures.skip_bad else "raise")


def wanted_mode(source: Source, wanted: Wanted) -> str:
    """Return the mode that gives images of the shape that is wanted."""
    if len(wanted.shape) < 2:
        raise FileError(
            f"{source.path} is a folder of images, but {wanted.who} rows of {wanted.shape[0]} "
            "columns: give a table of these."
        )
    channels = 1 if len(wanted.shape) == 2 else wanted.shape[2]
    if channels not in (1, 3):
        raise FileError(
            f"{source.path} gives images of 1 or 3 channels, but {wanted.who} images of {channels}: "
            "give a .npy file."
        )
    needed = "grey" if channels == 1 else "colour"
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

"""Folders of images on the command line: what their options mean, and what a model asks of them."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isthmus.cli.options import Columns, Pictures, given
from isthmus.cli.terminal import UsageError
from isthmus.io.arrays import TableError
from isthmus.io.image_folder import (
    ImageFolder,
    check_image_folder,
    image_paths,
    to_pixels,
    write_images,
)
from isthmus.io.tables import Rows, file_ending, file_stem

FILE = "file"  # the identifier of an image


@dataclass(frozen=True)
class Source:
    """Where rows come from: a table or a folder of images, and what of it is used."""

    path: Path
    columns: Columns
    pictures: Pictures

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of images."""
        return self.path.is_dir()

    def at(self, path: Path, *, id: tuple[str, ...] = ()) -> "Source":
        """Return another file that is read in the same way; its columns are known already."""
        key = self.columns.key if file_ending(path) == ".npz" else None
        columns = Columns(id=id, no_header=self.columns.no_header, key=key)
        return Source(path, columns, self.pictures)

    def check(self, weight: str | None = None, test: Path | None = None) -> None:
        """Raise a UsageError for options that are wrong, or that the data cannot take."""
        of_tables = [*given(self.columns), *(["--weight"] if weight is not None else [])]
        if self.is_folder and of_tables:
            raise UsageError(f"{self.path} is a folder of images: {of_tables[0]} is for tables.")
        of_images = list(given(self.pictures))
        if of_images and not self.is_folder and not (test is not None and test.is_dir()):
            raise UsageError(f"{self.path} is a file: {of_images[0]} is for folders of images.")
        _size(self.pictures)


class Wanted(NamedTuple):
    """The shape that rows must have, and who wants it, up to the verb of a sentence."""

    shape: tuple[int, ...]
    who: str


def model_name(data: Path) -> str:
    """Return the name of a model of this data; `.` and `..` have one only when resolved."""
    if not data.is_dir():
        return f"{file_stem(data)}.isthmus"
    return f"{data.name if data.name not in ('', '..') else data.resolve().name}.isthmus"


def load_model(path: Path) -> Any:
    """Read the file of an Autoencoder; that of a detector is refused in a sentence."""
    from isthmus.model.file import load_model  # takes a second, and mistakes are answered before

    return load_model(path)


def load_any(path: Path) -> Any:
    """Read the file of an Autoencoder or of an OutlierDetector."""
    from isthmus.loading import load

    return load(path)


def read(path: Path, pictures: Pictures, wanted: Wanted | None = None) -> Rows:
    """Read a folder of images, in the size and the colours that are wanted."""
    size = _size(pictures)
    mode: str = pictures.mode or "auto"
    if wanted is not None:
        mode = wanted_mode(path, mode, wanted)
        if size not in (None, wanted.shape[:2]):
            raise UsageError(
                f"--size {pictures.size} is another size: {wanted.who} {_by(wanted)} images, so "
                f"give --size {_by(wanted)}."
            )
    found = ImageFolder(path, "skip" if pictures.skip_bad else "raise")
    if wanted is not None and size is None:
        _check_sizes(found, wanted)
    names, pixels = found.read(size, mode)
    if wanted is not None:
        pixels = pixels.reshape(-1, *wanted.shape)
    return Rows(pixels, pl.DataFrame({FILE: names}))


def _size(pictures: Pictures) -> tuple[int, int] | None:
    if pictures.size is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", pictures.size.lower())
    if match is None:
        raise UsageError(f"--size must be height x width, such as 28x28; got {pictures.size!r}.")
    return int(match[1]), int(match[2])


def wanted_mode(path: Path, mode: str, wanted: Wanted) -> str:
    """Return the mode that gives the shape that is wanted."""
    if len(wanted.shape) < 2:
        raise TableError(
            f"{path} is a folder of images, but {wanted.who} rows of {wanted.shape[0]} columns: "
            "give a table of these."
        )
    channels = 1 if len(wanted.shape) == 2 else wanted.shape[2]
    if channels not in (1, 3):
        raise TableError(
            f"{path} gives images of 1 or 3 channels, but {wanted.who} images of {channels}: give "
            "a .npy file."
        )
    needed = "grey" if channels == 1 else "colour"
    if mode not in ("auto", needed):
        raise UsageError(
            f"--mode {mode} is another mode: {wanted.who} {needed} images, so leave --mode out."
        )
    return needed


def _check_sizes(found: ImageFolder, wanted: Wanted) -> None:
    odd = [h for h in found.headers if h.size != wanted.shape[:2]]
    if odd:
        height, width = odd[0].size
        raise TableError(
            f"{found.folder / odd[0].name} is {height}x{width} (height x width), but {wanted.who} "
            f"{_by(wanted)} images: resize with --size {_by(wanted)}."
        )


def _by(wanted: Wanted) -> str:
    return f"{wanted.shape[0]}x{wanted.shape[1]}"


# -- writing -------------------------------------------------------------------------------------


def goes_to_folder(source: Source, output: Path) -> bool:
    """Tell whether reconstructions are written as image files."""
    return (output.is_dir() or not file_ending(output)) and (
        source.is_folder or file_ending(source.path) in (".npy", ".npz")
    )


def check_output(output: Path, source: Source) -> None:
    """Raise a TableError, before any work, unless images can be written to a folder."""
    check_image_folder(output)
    home = output.resolve()
    if source.is_folder and home.is_relative_to(source.path.resolve()):
        where = "is" if home == source.path.resolve() else "lies in"
        raise TableError(
            f"The output {output} {where} {source.path}, the folder that is read; give another "
            "with -o."
        )
    try:
        with tempfile.TemporaryFile(dir=home if home.is_dir() else home.parent):
            pass
    except OSError as error:
        raise TableError(f"Cannot write to {output}: {error.strerror or error}.") from error


def write(ae: Any, rows: Rows, output: Path, *, force: bool) -> int:
    """Reconstruct images into a folder, under the names they came with, and return how many."""
    dtype = getattr(rows.X, "dtype", None)
    if ae.sample_shape_ is None or dtype not in (np.uint8, np.uint16):
        raise TableError(
            f"Only images with pixels of type uint8 or uint16 go to a folder, and these rows are "
            f"{'no images' if ae.sample_shape_ is None else dtype}: give a .npy file with -o."
        )
    names = _names(rows)
    image_paths(output, names, dtype, overwrite=force)
    pixels = to_pixels(ae.reconstruct(rows.X), dtype.name)
    return len(write_images(output, names, pixels, overwrite=force))


def _names(rows: Rows) -> list[str]:
    if FILE in rows.ids.columns:
        return rows.ids[FILE].to_list()
    width = max(4, len(str(len(rows.X) - 1)))
    return [f"{i:0{width}}.png" for i in range(len(rows.X))]

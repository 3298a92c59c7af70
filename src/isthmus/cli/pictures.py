"""Images that go through a model one by one, each in its own size, to files of their own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.image_rows import scan, wanted_mode
from isthmus.cli.models import wanted_by
from isthmus.cli.options import given
from isthmus.cli.other_noise import warn_of_other_noise
from isthmus.cli.outputs import check_output, goes_to_folder
from isthmus.cli.sources import check_present
from isthmus.cli.terminal import UsageError, usage_errors
from isthmus.io import FileError

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder
    from isthmus.cli.options import Common, RowsOutput
    from isthmus.cli.sources import Source
    from isthmus.images import Denoiser
    from isthmus.io import ImageFolder
    from isthmus.io.image_file import ImageHeader


FEW_PICTURES = 100  # for a denoiser
LARGEST_PATCH = 64  # pixels of a side: larger images are taken for whole ones


def is_picture(source: Source) -> bool:
    """Return whether the source is one image, and no table."""
    from isthmus.io import IMAGE_ENDINGS

    return source.path.is_file() and source.path.suffix.lower() in IMAGE_ENDINGS


def go_one_by_one(source: Source, output: Path) -> bool:
    """Return whether images keep their own sizes, from files to files."""
    from_folder = (
        source.is_folder and goes_to_folder(source, output) and source.pictures.size is None
    )
    return from_folder or is_picture(source)


def check_picture(model: Path | None, source: Source, result: RowsOutput) -> None:
    """Refuse a missing model, options that one image cannot take, and outputs that cannot be."""
    from isthmus.io import LOSSLESS_FORMATS

    check_present(model)
    of_tables, pictures = given(source.columns), source.pictures
    if of_tables:
        raise UsageError(f"{source.path} is an image: {next(iter(of_tables))} is for tables.")
    if pictures.size is not None or pictures.skip_bad:
        option = "--size" if pictures.size is not None else "--skip-bad"
        raise UsageError(f"{source.path} is one image: {option} is for folders of images.")
    if result.raw:
        raise UsageError(f"--raw is for CSV, and {result.output} is an image: leave it out.")
    check_output(result.output, (*LOSSLESS_FORMATS,), model, source.path, force=result.force)


def denoise_pictures(
    ae: Autoencoder,
    model: Path,
    source: Source,
    result: RowsOutput,
    overlap: int | None,
    common: Common,
) -> int:
    """Denoise the images of a folder, or one, and return how many; all are checked before."""
    from isthmus.images import Denoiser, counted
    from isthmus.io import write_picture

    wanted = wanted_by(ae, model)
    wanted_mode(source, wanted)
    with usage_errors():
        denoiser = Denoiser(ae, overlap)
    found, mode = scan(source), source.pictures.mode or "auto"
    for header in found.headers:
        _check(denoiser, header, found.folder / header.name)
    if mode == "auto" and len(wanted.shape) == 2:
        _warn_of_colours(found, source, model)
    warn_of_other_noise(ae, model, found, mode)
    targets = _targets(found, source, result)
    count = len(found.headers)
    values = sum(3 * header.size[0] * header.size[1] for header in found.headers)
    with counted(common.verbose * (count > 1), values, count, "images") as done:
        written = 0
        for header, pixels in found.each(mode):
            what, verbose = str(found.folder / header.name), common.verbose * (count == 1)
            write_picture(targets[header.name], denoiser.image(pixels, verbose, what))
            written += 1
            done(1)
    return written


def _check(denoiser: Denoiser, header: ImageHeader, path: Path) -> None:
    """Refuse an image that the model cannot take, or that cannot be read as it is."""
    check_bits(header, path)
    try:
        denoiser.check(header.size, str(path))
    except ValueError as error:
        raise FileError(str(error)) from error


def check_bits(header: ImageHeader, path: Path) -> None:
    """Refuse an image that has more bits than are read."""
    if header.rounded:
        raise FileError(
            f"{path} has 16 bits in colour or with alpha, of which 8 would be read: save it with 8 "
            "bits, or each channel as a grey image; isthmus.images.denoise takes arrays of 16 bits."
        )


def _warn_of_colours(found: ImageFolder, source: Source, model: Path) -> None:
    """Say that a model of grey images sees each colour by itself."""
    count = sum(header.colour for header in found.headers)
    if count:
        warnings.warn(
            f"{source.path} has {count:,} image{'s' * (count > 1)} in colour, and {model} was fitted "
            "on grey ones: red, green and blue are denoised each by itself. A model of colour images "
            "does it better, and --mode grey makes them grey.",
            stacklevel=2,
        )


def _targets(found: ImageFolder, source: Source, result: RowsOutput) -> dict[str, Path]:
    """Return the file for each image, or raise a FileError where one cannot be written."""
    import numpy as np

    from isthmus.io import image_paths, make_folders

    if is_picture(source):
        _check_kept(found.headers[0], result.output)
        return {found.headers[0].name: result.output}
    names = [header.name for header in found.headers]
    written = [_without_loss(header) for header in found.headers]
    paths = image_paths(result.output, written, np.dtype(np.uint8), overwrite=result.force)
    make_folders(result.output, paths)
    return dict(zip(names, paths, strict=True))


def _check_kept(header: ImageHeader, output: Path) -> None:
    if output.suffix.lower() == ".bmp" and (header.deep or header.transparent):
        kind = "16 bits" if header.deep else "alpha"
        raise FileError(f"A .bmp file holds no {kind}, as {header.name} has: write .png or .tif.")


def _without_loss(header: ImageHeader) -> str:
    """Return the name for an image; a BMP file that Pillow writes holds no alpha."""
    name = Path(header.name)
    bmp = name.suffix.lower() == ".bmp" and header.transparent
    return name.with_suffix(".png").as_posix() if bmp else header.name


def warn_of_few_pictures(ae: Autoencoder, count: int, folder: Path) -> bool:
    """Warn of a denoiser whose code is maps that saw few images, and those whole; return whether."""
    from isthmus.images import is_whole

    shape = ae.sample_shape_ or (0, 0)
    few = count < FEW_PICTURES and min(shape[:2]) > LARGEST_PATCH
    if not few or not ae.slots_.corruption or not is_whole(ae):
        return False
    warnings.warn(
        f"{folder} has {count:,} images of {shape[0]}x{shape[1]}, which are few for a denoiser: cut "
        "thousands of patches from them, such as with --patches 20000 --size 40x40, or give more "
        "images.",
        stacklevel=3,
    )
    return True

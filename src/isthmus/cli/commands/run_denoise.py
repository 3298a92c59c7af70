"""What `isthmus denoise` does."""

import warnings
from pathlib import Path

import isthmus
from isthmus import images as tiling
from isthmus.cli import folders, sources
from isthmus.cli.commands import basics
from isthmus.cli.folders import Source as Source
from isthmus.cli.options import Common
from isthmus.cli.outputs import Written as Written
from isthmus.cli.outputs import show_written
from isthmus.cli.terminal import UsageError
from isthmus.io.arrays import TableError
from isthmus.io.image_folder import ImageFolder, image_paths, write_images


def denoise(
    model: Path, data: Source, written: Written, common: Common, overlap: int | None
) -> int:
    """Write what the model makes of rows or images; a folder's images go through it in tiles."""
    assert written.output is not None
    tiled = data.is_folder and folders.goes_to_folder(data, written.output)
    tiled = tiled and data.pictures.size is None
    if overlap is not None and not tiled:
        raise UsageError("--overlap is for a folder of images that go to a folder, without --size.")
    sources.check_present(model)
    sources.check_present(data.path, folders=True)
    data.check()
    if tiled:
        folders.check_output(written.output, data)
    ae = folders.load_model(model)
    if not ae.slots_.corruption:
        warnings.warn(
            f"{model} was trained without corruption, so that it may keep noise: fit one with, for "
            "example, --corruption gaussian.",
            stacklevel=2,
        )
    if not tiled:
        return basics.reconstruct(model, data, written, common)
    sources.use_cache()
    n = _write_tiled(ae, model, data, written, overlap)
    show_written(written.output, f"{n:,} images", common, images=n)
    return 0


def _write_tiled(
    ae: isthmus.Autoencoder, model: Path, data: Source, written: Written, overlap: int | None
) -> int:
    """Denoise the images of a folder one by one, and return how many."""
    assert written.output is not None
    wanted = sources.wanted(ae, model)
    mode = folders.wanted_mode(data.path, data.pictures.mode or "auto", wanted)
    found = ImageFolder(data.path, "skip" if data.pictures.skip_bad else "raise")
    for header in found.headers:
        try:
            tiling.check_size(header.size, wanted.shape, str(data.path / header.name))
        except ValueError as error:
            raise TableError(str(error)) from error
    names = [header.name for header in found.headers]
    image_paths(written.output, names, found.dtype(mode), overwrite=written.force)
    count = 0
    for name, pixels in found.each(mode):
        shaped = pixels.reshape(*pixels.shape[:2], *wanted.shape[2:])
        again = tiling.denoise(ae, shaped, overlap=overlap)
        write_images(written.output, [name], again[None], overwrite=written.force)
        count += 1
    return count

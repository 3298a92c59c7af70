"""`isthmus denoise`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from isthmus.cli.commands.reconstruct import check_reconstruction, reconstruct_rows
from isthmus.cli.image_rows import scan, wanted_mode
from isthmus.cli.models import load_model, wanted_by
from isthmus.cli.options import (
    DATA,
    Common,
    ModelArgument,
    Pictures,
    RowsArgument,
    RowsOutput,
    ScoredColumns,
    option,
)
from isthmus.cli.outputs import end_with_images, goes_to_folder
from isthmus.cli.sources import Source, use_cache
from isthmus.cli.terminal import UsageError
from isthmus.io import FileError

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder


def denoise(
    model: ModelArgument,
    data: RowsArgument,
    /,
    *,
    result: RowsOutput,
    overlap: Annotated[
        int | None,
        option(DATA, "Pixels that tiles of an image share; by default half a tile."),
    ] = None,
    columns: ScoredColumns = ScoredColumns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Remove noise from rows or images, by a model that was trained with corruption.

    Tables and arrays must have the model's own shape. The images of a folder may have any sizes from
    the model's upwards: they go through it in overlapping tiles, and to a folder under their names.

    For example:

        isthmus fit patches --corruption gaussian:std=0.3 -o d.isthmus
        isthmus denoise d.isthmus photos -o clean
        isthmus denoise d.isthmus noisy.npy -o clean.npy
        isthmus denoise flowers.isthmus flowers.csv --id name -o smooth.csv
    """
    source = Source(data, columns, pictures)
    tiled = source.is_folder and goes_to_folder(source, result.output) and pictures.size is None
    if overlap is not None and not tiled:
        raise UsageError("--overlap is for a folder of images that go to a folder, without --size.")
    check_reconstruction(model, source, result)
    use_cache()
    ae = load_model(model)
    if not ae.slots_.corruption:
        warnings.warn(
            f"{model} was trained without corruption, so that it may keep noise: fit one with, for "
            "example, --corruption gaussian.",
            stacklevel=2,
        )
    if not tiled:
        return reconstruct_rows(ae, model, source, result, common)
    count = _denoise_folder(ae, model, source, result, overlap)
    return end_with_images(count, result.output, common)


def _denoise_folder(
    ae: Autoencoder, model: Path, source: Source, result: RowsOutput, overlap: int | None
) -> int:
    """Denoise the images of a folder one by one, and return how many."""
    from isthmus import images as tiling
    from isthmus.io import image_paths, write_images

    wanted = wanted_by(ae, model)
    mode = wanted_mode(source, wanted)
    found = scan(source)
    for header in found.headers:
        try:
            name = str(source.path / header.name)
            tiling.check_size(header.size, wanted.shape, name)
            tiling.check_scale(ae, header.size, name)
        except ValueError as error:
            raise FileError(str(error)) from error
    names = [header.name for header in found.headers]
    image_paths(result.output, names, found.dtype(mode), overwrite=result.force)
    count = 0
    for name, pixels in found.each(mode):
        shaped = pixels.reshape(*pixels.shape[:2], *wanted.shape[2:])
        again = tiling.denoise(ae, shaped, overlap=overlap)
        write_images(result.output, [name], again[None], overwrite=result.force)
        count += 1
    return count

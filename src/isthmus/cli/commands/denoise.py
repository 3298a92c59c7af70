"""The declaration of `isthmus denoise`; its body is in `_run_denoise`."""

from pathlib import Path
from typing import Annotated

from isthmus.cli.options import DATA, Columns, Common, Force, Pictures, Raw, Result, option


def denoise(
    model: Path,
    data: Path,
    /,
    *,
    output: Result,
    overlap: Annotated[
        int | None,
        option(DATA, "Pixels that tiles of an image share; by default half a tile."),
    ] = None,
    force: Force = False,
    raw: Raw = False,
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Remove noise from rows or images, by a model that was trained with corruption.

    Tables and arrays have the model's own shape. The images of a folder may have any sizes from the
    model's upwards: they go through it in overlapping tiles, and to a folder under their names.

    For example:

        isthmus fit patches --corruption gaussian:std=0.3 -o d.isthmus
        isthmus denoise d.isthmus photos -o clean
        isthmus denoise d.isthmus noisy.npy -o clean.npy
        isthmus denoise flowers.isthmus flowers.csv --id name -o smooth.csv

    Parameters
    ----------
    model : Path
        The model file.
    data : Path
        The rows, or a folder of images; columns are found by name, others are left.
    """
    from isthmus.cli.commands import run_denoise

    source = run_denoise.Source(data, columns, pictures)
    written = run_denoise.Written(output, force, raw)
    return run_denoise.denoise(model, source, written, common, overlap)

"""`isthmus denoise`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

from isthmus.cli.blind import Blind
from isthmus.cli.commands.reconstruct import check_reconstruction, reconstruct_rows
from isthmus.cli.models import load_model
from isthmus.cli.noise import Cleaned, estimate_pictures
from isthmus.cli.options import (
    DATA,
    Common,
    ModelArgument,
    Pictures,
    RowsArgument,
    ScoredColumns,
    given,
    option,
)
from isthmus.cli.outputs import end_with_images
from isthmus.cli.pictures import check_picture, denoise_pictures, go_one_by_one, is_picture
from isthmus.cli.sources import Source, use_cache
from isthmus.cli.terminal import UsageError


def denoise(
    model: ModelArgument | None = None,
    data: RowsArgument | None = None,
    /,
    *,
    result: Cleaned = Cleaned(),
    estimate: Annotated[
        Path | None,
        option(
            DATA,
            "A picture, or a folder of pictures, to say which noise they have, and how strong, and no "
            "more; without DATA.",
            metavar="PICTURES",
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        option(DATA, "Pixels that tiles of an image share; by default half a tile."),
    ] = None,
    blind: Blind = Blind(),
    columns: ScoredColumns = ScoredColumns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Remove noise from rows or images, by a model that was trained with corruption.

    Tables and arrays must have the model's own shape. An image, or those of a folder, may have any
    size: a model whose code is maps takes them whole. Another takes them from its own size upwards, in
    overlapping tiles. The images of a folder go to a folder, under their names.

    For example:

        isthmus fit patches --architecture conv:code=maps --corruption gaussian:std=0.1 -o d.isthmus
        isthmus denoise d.isthmus photo.png -o clean.png
        isthmus denoise d.isthmus photos -o clean
        isthmus denoise d.isthmus noisy.npy -o clean.npy
        isthmus denoise flowers.isthmus flowers.csv --id name -o smooth.csv
        isthmus denoise --train-on noisy -o clean --keep noisy.isthmus
        isthmus denoise --estimate noisy
    """
    if estimate is not None:
        source = Source(estimate, columns, pictures)
        others = {"--overlap": overlap, **given(blind), "" if data is None else str(data): data}
        return estimate_pictures(model, source, others, result, common)
    blind.check(model, data, force=result.force)
    named, data = model, data or blind.train_on
    assert data is not None
    model = model or data  # what messages call it
    source, place = Source(data, columns, pictures), result.of_rows()
    one_by_one = go_one_by_one(source, place.output)
    if overlap is not None and not one_by_one:
        raise UsageError(
            "--overlap is for an image, or a folder of images that go to a folder, without --size."
        )
    check = check_picture if is_picture(source) else check_reconstruction
    check(named, source, place)
    use_cache()
    ae = blind.trained(pictures, common) if named is None else load_model(named)
    if not ae.slots_.corruption:
        warnings.warn(
            f"{model} was trained without corruption, so that it may keep noise: fit one with, for "
            "example, --corruption gaussian.",
            stacklevel=2,
        )
    if not one_by_one:
        return reconstruct_rows(ae, model, source, place, common)
    count = denoise_pictures(ae, model, source, place, overlap, common)
    return end_with_images(count, place.output, common)

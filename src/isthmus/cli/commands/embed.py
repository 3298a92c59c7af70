"""The declaration of `isthmus embed`; its body is in `_run_embed`."""

from pathlib import Path
from typing import Annotated

from isthmus.cli.options import Columns, Common, Drawing, Force, Pictures, Raw, goes_to


def embed(
    model: Path,
    data: Path,
    /,
    *,
    output: Annotated[
        Path, goes_to("A picture (.png, .svg) or a table of the points (.csv, .parquet).")
    ],
    drawing: Drawing = Drawing(),
    force: Force = False,
    raw: Raw = False,
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Lay rows out in the plane by their codes, as a picture or a table.

    The table has the identifiers, or else the number of each row from 0, then the colour, x and y.
    What is printed tells how far to trust the picture: 1 where neighbours in it are neighbours by
    their codes, about 0.5 where it is chance.

    For example:

        isthmus embed flowers.isthmus flowers.csv -o map.png --colour species
        isthmus embed flowers.isthmus flowers.csv -o map.csv --id name --colour score
        isthmus embed photos.isthmus photos --size 32x32 -o map.svg --method umap

    Parameters
    ----------
    model : Path
        The model file.
    data : Path
        The rows, or a folder of images; columns are found by name, others are left.
    """
    from isthmus.cli.commands import run_embed

    source = run_embed.Source(data, columns, pictures)
    written = run_embed.Written(output, force, raw)
    return run_embed.embed(model, source, drawing, written, common)

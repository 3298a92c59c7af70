"""The declaration of `isthmus embed`; its body is in `_run_embed`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from isthmus._options import OUTPUT, Columns, Common, Pictures

PICTURE = Group.create_ordered("The picture")


def embed(
    model: Path,
    data: Path,
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            name=["--output", "-o"],
            group=OUTPUT,
            help="A picture (.png, .svg) or a table of the points (.csv, .parquet).",
            show_default=False,
        ),
    ],
    colour: Annotated[
        str | None,
        Parameter(
            name=["--colour", "--color"],
            group=PICTURE,
            metavar="COLUMN|score",
            help="What the colours show: a column, or each row's score.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        Literal["auto", "code", "tsne", "opentsne", "umap", "pacmap", "pca"],
        Parameter(
            group=PICTURE,
            help="What lays the codes out; auto is the code where it has two columns, else t-SNE.",
        ),
    ] = "auto",
    max_rows: Annotated[
        int | None,
        Parameter(
            group=PICTURE,
            help="Lay out a random sample of this many rows; by default 5,000 for t-SNE.",
            show_default=False,
        ),
    ] = None,
    random_state: Annotated[
        int, Parameter(name=["--random-state", "--seed"], group=PICTURE, help="Seed.")
    ] = 0,
    force: Annotated[
        bool,
        Parameter(group=OUTPUT, help="Overwrite the output where it exists.", show_default=False),
    ] = False,
    raw: Annotated[
        bool,
        Parameter(
            group=OUTPUT,
            help="Write text to CSV as it is, even where a spreadsheet would run it as a formula.",
            show_default=False,
        ),
    ] = False,
    columns: Columns = Columns(),  # noqa: B008
    pictures: Pictures = Pictures(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
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
    from isthmus import _run_embed

    source = _run_embed.Source(data, columns, pictures)
    drawing = _run_embed.Drawing(colour, method, max_rows, random_state)
    return _run_embed.embed(model, source, drawing, _run_embed.Written(output, force, raw), common)

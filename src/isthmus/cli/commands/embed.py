"""`isthmus embed`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from isthmus.cli.models import load_model, refuse_groups
from isthmus.cli.options import (
    Common,
    ModelArgument,
    Pictures,
    RowsArgument,
    Seeded,
    ShownColumns,
    TableOutput,
    goes_to,
    option,
    panel,
    seed_option,
)
from isthmus.cli.outputs import (
    PICTURES,
    TABLES,
    check_columns,
    check_installed,
    check_table,
    end,
    write_picture,
)
from isthmus.cli.shown import shown_rows
from isthmus.cli.sources import Source, use_cache
from isthmus.cli.terminal import UsageError

if TYPE_CHECKING:
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.embedding import Embedding
    from isthmus.io import Rows

PICTURE = panel("The picture")


@dataclass(frozen=True, kw_only=True)
class Map(TableOutput):
    """Where the picture or the table of points goes."""

    output: Annotated[
        Path, goes_to("A picture (.png, .svg) or a table of the points (.csv, .parquet).")
    ]

    @property
    def is_picture(self) -> bool:
        """Whether points are drawn."""
        return self.output.suffix.lower() in PICTURES


@Parameter(name="*")
@dataclass(frozen=True)
class Drawing(Seeded):
    """How rows are laid out and coloured."""

    colour: Annotated[
        str | None,
        option(
            PICTURE,
            "What the colours show: a column, or each row's score.",
            name=["--colour", "--color"],
            metavar="COLUMN|score",
        ),
    ] = None
    method: Annotated[
        Literal["auto", "code", "tsne", "opentsne", "umap", "pacmap", "pca"],
        option(
            PICTURE,
            "What lays the codes out; auto is the code if it has two columns, else t-SNE.",
            default=True,
        ),
    ] = "auto"
    max_rows: Annotated[
        int | None,
        option(
            PICTURE,
            "Lay out a random sample of this many rows; by default 5,000 for t-SNE.",
        ),
    ] = None
    random_state: Annotated[str | None, seed_option(PICTURE)] = None


def embed(
    model: ModelArgument,
    data: RowsArgument,
    /,
    *,
    result: Map,
    drawing: Drawing = Drawing(),
    columns: ShownColumns = ShownColumns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Lay rows out in the plane by their codes, as a picture or a table.

    The table has the identifiers, or else the number of each row from 0, then the colour, x and y.
    The printed trustworthiness says how far to trust the picture: 1 if neighbours in it are neighbours
    by their codes, about 0.5 if it is chance.

    For example:

        isthmus embed flowers.isthmus flowers.csv -o map.png --colour species
        isthmus embed flowers.isthmus flowers.csv -o map.csv --id name --colour score
        isthmus embed photos.isthmus photos --size 32x32 -o map.svg --method umap
    """
    source = Source(data, columns, pictures)
    _check(model, source, drawing, result)

    from isthmus.embedding import embed as lay_out
    from isthmus.io import write_table

    use_cache()
    ae = load_model(model, whole=drawing.colour == "score")
    refuse_groups(ae, model, "embed")
    rows, colour = _read(ae, model, source, drawing.colour)
    if not result.is_picture:
        _check_names(rows.ids, colour)
    found = lay_out(
        ae,
        rows.X,
        method=drawing.method,
        max_rows="auto" if drawing.max_rows is None else drawing.max_rows,
        random_state=drawing.seed,
        verbose=common.verbose,
    )
    if result.is_picture:
        _draw(found, colour, result.output)
    else:
        write_table(result.output, _points(found, rows, colour), raw=result.raw)
    skipped = rows.total - len(rows.X)
    facts = {"output": str(result.output), **found.facts(), "skipped": skipped}
    return end(common, facts, _in_words(found, result.output))


def _check(model: Path, source: Source, drawing: Drawing, result: Map) -> None:
    """Refuse files that are missing or cannot be written, and options that do not fit them."""
    source.check(model, colour=None if drawing.colour == "score" else drawing.colour)
    if drawing.max_rows is not None and drawing.max_rows < 3:
        raise UsageError(f"--max-rows must be at least 3; got {drawing.max_rows}.")
    kinds = (*PICTURES, *TABLES)
    check_table(result, kinds, model, source.path, ids=source.columns.id)

    from isthmus.embedding import PACKAGES

    needed = [PACKAGES[drawing.method]] if drawing.method in PACKAGES else []
    check_installed(needed, f"--method {drawing.method}")


def _read(
    ae: Autoencoder, model: Path, source: Source, colour: str | None
) -> tuple[Rows, pl.Series | None]:
    """Read the rows, and the values that the colours show."""
    import polars as pl

    scored = colour == "score" and colour not in getattr(ae, "feature_names_in_", ())
    rows, column = shown_rows(ae, model, source, None if scored else colour)
    return rows, pl.Series(colour, ae.score_samples(rows.X)) if scored else column


def _check_names(ids: pl.DataFrame, colour: pl.Series | None) -> None:
    """Refuse columns with the name of another of the table."""
    results = ["x", "y"] if ids.width else ["row", "x", "y"]
    check_columns(ids, results)
    if colour is not None and colour.name in results:
        raise UsageError(f"The colour {colour.name!r} has the name of a column of the result.")


def _draw(found: Embedding, colour: pl.Series | None, path: Path) -> None:
    if colour is None:
        figure = found.plot()
    else:
        figure = found.plot(colour.to_numpy(), colour.name)
    write_picture(path, figure, dpi=160)


def _points(found: Embedding, rows: Rows, colour: pl.Series | None) -> pl.DataFrame:
    """Return the table: identifiers or numbers of rows, the colour, x and y."""
    import polars as pl

    shown = found.rows
    table = rows.ids[shown] if rows.ids.width else pl.DataFrame({"row": rows.in_file[shown]})
    if colour is not None:
        table = table.drop(colour.name, strict=False).with_columns(colour[found.rows])
    x, y = found.points.T.copy()
    return table.with_columns(x=x, y=y)


def _in_words(found: Embedding, path: Path) -> dict[str, str]:
    rows, trust, judged = len(found.rows), found.trustworthiness, found.judged
    data = f"{rows:,} rows"
    if found.sampled:
        data = f"a random sample of {rows:,} of {found.total:,} rows"
    words = "not known of so few rows" if trust != trust else f"{trust:.3f}"
    if judged < rows:
        words += f" (on {judged:,} of them)"
    method = f"{found.method}, {found.seconds:.1f} s"
    return {"output": str(path), "data": data, "method": method, "trustworthiness": words}

"""What `isthmus embed` does."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import isthmus
from isthmus.cli import folders, sources
from isthmus.cli.folders import Source as Source
from isthmus.cli.options import Common, Drawing
from isthmus.cli.outputs import TABLES
from isthmus.cli.outputs import Written as Written
from isthmus.cli.terminal import UsageError, show_json, show_lines, warned
from isthmus.io.tables import Rows, file_ending, write_table

DRAWN = (".png", ".svg")


def embed(model: Path, source: Source, drawing: Drawing, written: Written, common: Common) -> int:
    """Lay out the rows and write the picture or the table."""
    assert written.output is not None
    _check(model, source, drawing, written)
    sources.use_cache()
    ae = folders.load_model(model)
    rows, colour = _coloured(ae, model, source, drawing.colour)
    found = isthmus.embed(
        ae,
        rows.X,
        method=drawing.method,
        max_rows="auto" if drawing.max_rows is None else drawing.max_rows,
        random_state=drawing.random_state,
        verbose=0 if common.quiet else 1,
    )
    if file_ending(written.output) in DRAWN:
        _draw(found, colour, written.output)
    else:
        frame = _frame(found, rows.ids, colour)
        write_table(written.output, frame, raw=written.raw)
    _show(found, written.output, common)
    return 0


def _check(model: Path, source: Source, drawing: Drawing, written: Written) -> None:
    """Raise an error before any work where a file is missing or cannot be written."""
    sources.check_present(model)
    sources.check_present(source.path, folders=True)
    source.check()
    if source.is_folder and drawing.colour not in (None, "score"):
        raise UsageError(f"{source.path} is a folder of images: its colour can only be score.")
    if drawing.max_rows is not None and drawing.max_rows < 3:
        raise UsageError(f"--max-rows must be at least 3; got {drawing.max_rows}.")
    if drawing.random_state < 0:
        raise UsageError(f"--random-state must be at least 0; got {drawing.random_state}.")
    written.check((*DRAWN, *TABLES), model, source.path)


def _coloured(
    ae: isthmus.Autoencoder, model: Path, source: Source, colour: str | None
) -> tuple[Rows, pl.Series | None]:
    """Read the rows, and the values that the colours show."""
    names = getattr(ae, "feature_names_in_", None)
    carried, known = source.columns.id, () if names is None else tuple(names)
    score = colour == "score" and "score" not in known
    beside = colour is not None and not score and colour not in known
    if beside:
        ids = (*carried, str(colour))
        source = dataclasses.replace(source, columns=dataclasses.replace(source.columns, id=ids))
    rows = sources.fitted_rows(ae, model, source)
    if colour is None:
        return rows, None
    if score:
        return rows, pl.Series("score", ae.score_samples(rows.X))
    if not beside:
        return rows, pl.Series(colour, rows.X[colour])
    taken = _listed(carried, rows.ids.columns)
    return rows._replace(ids=rows.ids.select(taken)), sources.values(rows.ids[colour])


def _listed(given: tuple[str, ...], known: list[str]) -> list[str]:
    """Return the names of columns, which may be given with commas between."""
    return [n for g in given for n in ([g] if g in known else map(str.strip, g.split(",")))]


def _draw(found: Any, colour: pl.Series | None, path: Path) -> None:
    from isthmus import plots
    from isthmus.io.atomic import write_whole

    shown = None if colour is None else colour.to_numpy()
    if colour is not None and colour.dtype.is_numeric() and colour.null_count():
        shown = colour.cast(pl.Float64).to_numpy()
    figure = found.plot(shown, None if colour is None else colour.name)
    kind = file_ending(path)[1:]
    write_whole(path, plots.file_content(figure, kind, dpi=160))


def _frame(found: Any, ids: pl.DataFrame, colour: pl.Series | None) -> pl.DataFrame:
    """Return identifiers, the colour and the points."""
    kept = ids[found.rows] if ids.width else pl.DataFrame({"row": found.rows})
    beside = [] if colour is None else [colour[found.rows]]
    points = [
        pl.Series(name, np.ascontiguousarray(found.points[:, j])) for j, name in enumerate("xy")
    ]
    taken = [*kept.columns, *(c.name for c in beside)]
    for name in "xy":
        if name in taken:
            raise UsageError(f"The column {name!r} has the name of a column of the result.")
    return pl.DataFrame(
        [*(c for c in kept if c.name not in [b.name for b in beside]), *beside, *points]
    )


def _show(found: Any, path: Path, common: Common) -> None:
    facts = found.facts()
    if common.json:
        show_json({"output": str(path), **facts, "warnings": warned})
        return
    if common.quiet:
        return
    rows = f"{facts['rows']:,} rows"
    if found.sampled:
        rows = f"a random sample of {facts['rows']:,} of {facts['total']:,} rows"
    trust, judged = facts["trustworthiness"], facts["judged"]
    told = "not known of so few rows" if trust is None else f"{trust:.3f}"
    if judged < facts["rows"]:
        told += f" (on {judged:,} of them)"
    lines = {"output": str(path), "data": rows, "method": f"{found.method}, {found.seconds:.1f} s"}
    show_lines(lines | {"trustworthiness": told})

"""What `isthmus report` does."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import isthmus
from isthmus.cli import folders, sources
from isthmus.cli.folders import Source as Source
from isthmus.cli.options import Common, Page, given, spelt
from isthmus.cli.outputs import Written
from isthmus.cli.terminal import UsageError, show_json, show_lines, warned
from isthmus.comparison import compare
from isthmus.io.arrays import TableError
from isthmus.io.tables import check_table_output, file_ending, file_stem
from isthmus.report.report import ENDINGS, Report
from isthmus.report.text_sections import search_section
from isthmus.training.progress import Progress

MOST_COMPARED, MOST_CLASSES, FOLDS = 5000, 20, 3


def report(model: Path, source: Source, label: str | None, page: Page, common: Common) -> int:
    """Read a model or a detector and rows, and write the report."""
    path = page.output or Path(f"{file_stem(model)}.html")
    _check(model, source, label, page, path)
    written, kept = Written(None, False, False), _with_label(source, label)
    found, rows = sources.opened(model, kept, written, load=folders.load_any)
    detector = found if isinstance(found, isthmus.OutlierDetector) else None
    ae = found if detector is None else detector.member_autoencoder()
    if not ae.net_.decoder:
        raise UsageError(f"{model} is an encoder alone: a report needs the whole model.")
    y = None if label is None else _labels(rows.ids[label])
    ids = rows.ids.select(source.columns.id)
    search = None if page.search is None else _search(page.search)
    with Progress("report: measuring and drawing", 0 if common.quiet else 1):
        made = Report(
            {_name(model, detector): ae},
            rows.X,
            y,
            comparison=_compared(ae, rows.X, y),
            search=search,
            detector=detector,
            title=page.title or file_stem(model),
            intro=[_intro(model, detector, f"{len(rows.X):,} rows of {source.path.name}")],
            rows=f"{len(rows.X):,} rows of {source.path.name}",
            label=label,
            ids=_ids(ids),
            command=_command(model, source, label, page, path),
        )
        made.save(path)
    _show(path, len(rows.X), common)
    return 0


def _check(model: Path, source: Source, label: str | None, page: Page, path: Path) -> None:
    """Raise an error before any work where a file is missing or cannot be written."""
    sources.check_present(model, page.search)
    sources.check_present(source.path, folders=True)
    inputs = (model, source.path, page.search)
    check_table_output(path, ENDINGS, force=page.force, inputs=inputs)
    if label is not None and (source.is_folder or file_ending(source.path) in (".npy", ".npz")):
        raise UsageError(f"--label needs a CSV or Parquet file: {source.path} has no column names.")


def _name(model: Path, detector: Any) -> str:
    """Return what the autoencoder is called: of a detector it is the first of several."""
    name = file_stem(model)
    return name if detector is None else f"{name} (1 of {len(detector.members_)})"


def _intro(model: Path, detector: Any, rows: str) -> str:
    if detector is None:
        return f"The model {model.name} and {rows}."
    return (
        f"The detector {model.name} and {rows}. It is {len(detector.members_)} autoencoders, of which "
        "the first is told; the strangest rows are by all of them."
    )


def _search(path: Path) -> dict[str, Any]:
    """Read what `isthmus tune` wrote of its candidates."""
    try:
        found = json.loads(path.read_bytes())
        search_section(found)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise TableError(
            f"{path} is not what a search found: give the .json file that isthmus tune --table wrote."
        ) from error
    told: dict[str, Any] = found
    return told


def _with_label(source: Source, label: str | None) -> Source:
    """Return where rows come from, with the labels carried beside what a model sees."""
    if label is None:
        return source
    beside = tuple(dict.fromkeys((*source.columns.id, label)))
    return replace(source, columns=replace(source.columns, id=beside))


def _labels(column: pl.Series) -> pl.Series:
    """Return the labels of rows: whole numbers, numbers or text."""
    values = sources.values(column)
    whole = values.dtype.is_float() and not values.null_count() and (values % 1 == 0).all()
    return values.cast(pl.Int64) if whole else values


def _compared(ae: Any, X: Any, y: pl.Series | None) -> Any:
    """Return classifiers of the labels compared, where these are a few classes and soon compared."""
    if y is None or y.null_count() or len(y) > MOST_COMPARED:
        return None
    _, counts = np.unique(y.to_numpy(), return_counts=True)
    if not 2 <= len(counts) <= MOST_CLASSES or counts.min() < FOLDS:
        return None
    return compare(ae, X, y.to_numpy(), cv=FOLDS, random_state=0)


def _ids(ids: pl.DataFrame) -> list[str] | None:
    """Return one name for each row, of one column of identifiers or several."""
    if ids.width == 0:
        return None
    return [", ".join(str(value) for value in row) for row in ids.iter_rows()]


def _command(model: Path, source: Source, label: str | None, page: Page, path: Path) -> str:
    """Return the command line that writes this report again."""
    options = given(source.columns) | given(source.pictures)
    options |= {
        "--label": label,
        "--search": page.search,
        "--title": page.title,
        "--output": path,
        "--force": page.force,
    }
    return shlex.join(["isthmus", "report", str(model), str(source.path), *spelt(options)])


def _show(path: Path, n: int, common: Common) -> None:
    size = path.stat().st_size
    if common.json:
        show_json({"report": str(path), "rows": n, "bytes": size, "warnings": warned})
    elif not common.quiet:
        show_lines({"report": f"{path} ({size / 1e6:.1f} MB)", "data": f"{n:,} rows"})

"""`isthmus report`."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from isthmus.cli.apart import first_autoencoder
from isthmus.cli.models import check_decoder, load_any, refuse_groups
from isthmus.cli.options import (
    DATA,
    OUTPUT,
    Common,
    Output,
    Pictures,
    ShownColumns,
    given,
    goes_to,
    option,
    spelt,
)
from isthmus.cli.outputs import check_output, end
from isthmus.cli.shown import shown_rows
from isthmus.cli.sources import Source, check_present, use_cache
from isthmus.io import FileError

if TYPE_CHECKING:
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.comparison import Comparison
    from isthmus.io import Rows
    from isthmus.outliers import OutlierDetector

MOST_COMPARED, MOST_CLASSES, FOLDS = 5000, 20, 3


@dataclass(frozen=True, kw_only=True)
class Page(Output):
    """What a report is called, and where it goes."""

    output: Annotated[
        Path | None,
        goes_to(
            "The report: a page (.html), a text (.md) or the facts (.json); by default MODEL's name "
            "with .html, in this folder."
        ),
    ] = None
    search: Annotated[
        Path | None,
        option(
            DATA,
            "What a search found, to report as well: the .json of isthmus tune --table.",
            metavar="FILE",
        ),
    ] = None
    title: Annotated[str | None, option(OUTPUT, "The heading; by default MODEL's name.")] = None


def report(
    model: Path,
    data: Path,
    /,
    *,
    label: Annotated[
        str | None,
        option(DATA, "Labels of rows, for colours; best no column of the model.", metavar="COLUMN"),
    ] = None,
    result: Page = Page(),
    columns: ShownColumns = ShownColumns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Write one page about a model or a detector and rows, to forward.

    It shows data, equation, losses, baselines, reconstructions, the code in the plane, the strangest
    rows and why, and how to reproduce it. It needs no network, and reads on a phone and in print.

    For example:

        isthmus report flowers.isthmus new.csv --id name --label species
        isthmus report digits.isthmus test.npy -o digits.html --title "Digits"
        isthmus report flowers.isthmus new.csv -o facts.json
        isthmus report detector.isthmus wines.csv --id name
        isthmus report best.isthmus new.csv --search candidates.json

    Parameters
    ----------
    model : Path
        The file of a model, or of a detector. A detector judges the rows, and the report describes
        the first of its autoencoders.
    data : Path
        The rows to show, best ones it was not trained on, or a folder of images.
    """
    source = Source(data, columns, pictures)
    path = result.output or Path(f"{_stem(model)}.html")
    _check(model, source, label, result, path)

    from isthmus.outliers import OutlierDetector
    from isthmus.report import Report
    from isthmus.training import Progress

    search = None if result.search is None else _search(result.search)
    use_cache()
    found = load_any(model)
    refuse_groups(found, model, "report")
    detector = found if isinstance(found, OutlierDetector) else None
    ae = first_autoencoder(found)
    check_decoder(ae, model)
    rows, y = _read(source, found, model, label)
    skipped = rows.total - len(rows.X)
    left_out = f" ({skipped:,} that cannot be used are left out)" if skipped else ""
    about = f"{len(rows.X):,} rows of {data.name}{left_out}"
    with Progress("report: measuring and drawing", common.verbose):
        made = Report(
            {_name(model, detector): ae},
            rows.X,
            y,
            comparison=_compared(ae, rows, y),
            search=search,
            detector=detector,
            title=result.title or _stem(model),
            intro=[_intro(model, detector, about)],
            rows=about,
            label=label,
            ids=None if source.is_folder else _ids(rows),
            command=_command(model, source, label, result, path),
        )
        made.save(path)
    size = path.stat().st_size
    return end(
        common,
        {"report": str(path), "rows": len(rows.X), "skipped": skipped, "bytes": size},
        {"report": f"{path} ({size / 1e3:,.0f} kB)", "data": f"{len(rows.X):,} rows"},
    )


# -- before the work -----------------------------------------------------------------------------


def _check(model: Path, source: Source, label: str | None, result: Page, path: Path) -> None:
    """Refuse files that are missing or cannot be written, and options that do not fit them."""
    check_present(result.search)
    source.check(model, label=label)

    from isthmus.report import ENDINGS

    check_output(path, ENDINGS, model, source.path, result.search, force=result.force)


def _search(path: Path) -> dict[str, object]:
    """Read what `isthmus tune` wrote of its candidates."""
    from isthmus.report import search_section

    try:
        found: dict[str, object] = json.loads(path.read_bytes())
        search_section(found)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(
            f"{path} is not what a search found: give the .json file that isthmus tune --table wrote."
        ) from error
    return found


# -- the work ------------------------------------------------------------------------------------


def _stem(model: Path) -> str:
    """Return the name of a model, without the ending of its file."""
    from isthmus.io import file_stem

    return file_stem(model)


def _read(
    source: Source, found: Autoencoder | OutlierDetector, model: Path, label: str | None
) -> tuple[Rows, pl.Series | None]:
    """Read the rows, and their labels: whole numbers, numbers or text."""
    import polars as pl

    rows, y = shown_rows(found, model, source, label)
    if y is None:
        return rows, None
    whole = y.dtype.is_float() and not y.null_count() and (y % 1 == 0).all()
    return rows, y.cast(pl.Int64) if whole else y


def _name(model: Path, detector: OutlierDetector | None) -> str:
    """Return what the autoencoder is called: of a detector it is the first of several."""
    name = _stem(model)
    return name if detector is None else f"{name} (1 of {len(detector.members_)})"


def _intro(model: Path, detector: OutlierDetector | None, rows: str) -> str:
    if detector is None:
        return f"The model {model.name} and {rows}."
    return (
        f"The detector {model.name} and {rows}. It is {len(detector.members_)} autoencoders, of which "
        "the first is described; the strangest rows are by all of them."
    )


def _compared(ae: Autoencoder, rows: Rows, y: pl.Series | None) -> Comparison | None:
    """Return classifiers of the labels compared, if these are a few classes and soon compared."""
    import numpy as np

    from isthmus.report import used_columns

    if y is None or y.null_count() or len(y) > MOST_COMPARED or used_columns(ae) == [y.name]:
        return None
    _, counts = np.unique(y.to_numpy(), return_counts=True)
    if not 2 <= len(counts) <= MOST_CLASSES or counts.min() < FOLDS:
        return None
    from isthmus.comparison import compare

    return compare(ae, rows.X, y, cv=FOLDS, random_state=0)


def _ids(rows: Rows) -> list[str] | None:
    """Return one name for each row, of one column of identifiers or several.

    Where rows were left out it is their place in the file, which the report's own numbers do not tell.
    """
    from isthmus.io import Numbered, row_place

    if rows.ids.width:
        return [", ".join(str(value) for value in row) for row in rows.ids.iter_rows()]
    if rows.problems is None and not isinstance(rows.lines, Numbered):
        return None
    return [row_place(rows.lines, i) for i in rows.numbers]


def _command(model: Path, source: Source, label: str | None, result: Page, path: Path) -> str:
    """Return the command line that writes this report again."""
    options = given(source.columns) | given(source.pictures)
    options |= {
        "--label": label,
        "--search": result.search,
        "--title": result.title,
        "--output": path,
        "--force": result.force,
    }
    return shlex.join(["isthmus", "report", str(model), str(source.path), *spelt(options)])

"""The declaration of `isthmus report`; its body is in `_run_report`."""

from pathlib import Path
from typing import Annotated

from isthmus.cli.options import DATA, Columns, Common, Page, Pictures, option


def report(
    model: Path,
    data: Path,
    /,
    *,
    label: Annotated[
        str | None,
        option(DATA, "Labels of rows, for colours; no model sees them.", metavar="COLUMN"),
    ] = None,
    page: Page = Page(),
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Write one page about a model or a detector and rows, to forward.

    Data, equation, losses, baselines, reconstructions, the code in the plane, the strangest rows and
    why, and how to reproduce it. It needs no network, and reads on a phone and in print.

    For example:

        isthmus report flowers.isthmus new.csv --id name --label species
        isthmus report digits.isthmus test.npy -o digits.html --title "Digits"
        isthmus report flowers.isthmus new.csv -o facts.json
        isthmus report detector.isthmus wines.csv --id name
        isthmus report best.isthmus new.csv --search candidates.json

    Parameters
    ----------
    model : Path
        The file of a model, or of a detector: then the rows are judged by it, and its first
        autoencoder is told.
    data : Path
        The rows to show, best ones it was not trained on, or a folder of images.
    """
    from isthmus.cli.commands import run_report

    source = run_report.Source(data, columns, pictures)
    return run_report.report(model, source, label, page, common)

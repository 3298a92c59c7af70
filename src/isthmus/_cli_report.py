"""The declaration of `isthmus report`; its body is in `_run_report`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isthmus._options import DATA, Columns, Common, Page, Pictures


def report(
    model: Path,
    data: Path,
    /,
    *,
    label: Annotated[
        str | None,
        Parameter(
            group=DATA,
            metavar="COLUMN",
            help="Labels of rows, for colours; no model sees them.",
            show_default=False,
        ),
    ] = None,
    page: Page = Page(),  # noqa: B008
    columns: Columns = Columns(),  # noqa: B008
    pictures: Pictures = Pictures(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> int:
    """Write one page about a model and rows, to forward.

    Data, equation, losses, baselines, reconstructions, the code in the plane, the strangest rows and
    why, and how to reproduce it. It needs no network, and reads on a phone and in print.

    For example:

        isthmus report flowers.isthmus new.csv --id name --label species
        isthmus report digits.isthmus test.npy -o digits.html --title "Digits"
        isthmus report flowers.isthmus new.csv -o facts.json

    Parameters
    ----------
    model : Path
        The model file.
    data : Path
        The rows to show, best ones it was not trained on, or a folder of images.
    """
    from isthmus import _run_report, commands

    source = commands.Source(data, columns, pictures)
    return _run_report.report(model, source, label, page, common)

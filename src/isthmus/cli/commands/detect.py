"""The declarations of `isthmus detect` and `isthmus explain`; their bodies are in `_run_detect`."""

from pathlib import Path
from typing import Annotated

from isthmus.cli.options import (
    DATA,
    OUTPUT,
    Columns,
    Common,
    Detector,
    Force,
    Model,
    Pictures,
    Raw,
    goes_to,
    option,
)

Flags = Annotated[
    Path | None, goes_to("A .csv or .parquet file; by default CSV on the standard output.")
]


def detect(
    data: Path,
    /,
    *,
    output: Flags = None,
    new: Annotated[
        Path | None, option(DATA, "Rows to decide on; by default those of DATA themselves.")
    ] = None,
    model: Annotated[
        Path | None, option(DATA, "Decide on DATA by this saved detector; nothing is trained.")
    ] = None,
    save: Annotated[Path | None, option(OUTPUT, "Keep the detector, as .isthmus.")] = None,
    explain: Annotated[
        int,
        option(
            OUTPUT, "Tell of each outlier this many columns that made it one.", metavar="COLUMNS"
        ),
    ] = 0,
    force: Force = False,
    raw: Raw = False,
    detector: Detector = Detector(),
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    equation: Model = Model(),
    common: Common = Common(),
) -> int:
    """Find rows unlike the others, or unlike those trained on.

    The columns are the identifiers, the score (the higher, the more normal), whether the row is an
    outlier, of new rows the p-value where others were held out, and with --explain because1, because2
    and so on. Options of the equation and of training change the detector's own autoencoder, a small
    denoising one with defaults of its own.

    For example:

        isthmus detect wines.csv --id name -o flags.csv --explain 3
        isthmus detect wines.csv --contamination 0.05 --save wines.isthmus
        isthmus detect clean.csv --contamination none --new today.csv -o flags.csv
        isthmus detect clean.csv --contamination none --new today.csv --alpha 0.1 --fdr
        isthmus detect today.csv --model wines.isthmus -o flags.csv

    Parameters
    ----------
    data : Path
        The rows, or a folder of images.
    """
    from isthmus.cli.commands import run_detect

    source = run_detect.Source(data, columns, pictures)
    task = run_detect.Task(source, new, model, save, explain)
    written = run_detect.Written(output, force, raw)
    return run_detect.detect(task, detector, equation, written, common)


def explain(
    model: Path,
    data: Path,
    /,
    *,
    output: Flags = None,
    top: Annotated[int, option(OUTPUT, "How many columns to tell of a row.", default=True)] = 3,
    all: Annotated[
        bool,
        option(DATA, "All rows, and not only those that the detector finds to be outliers."),
    ] = False,
    force: Force = False,
    raw: Raw = False,
    columns: Columns = Columns(),
    common: Common = Common(),
) -> int:
    """Tell which columns make rows strange, what was seen in them and what was expected.

    A line for each row and column, the largest contributions first: the identifiers, or else the
    number of the row from 0, then column, contribution, observed and expected. The contributions of
    a row add up to minus its score. A model that is no detector explains the errors of all rows.

    For example:

        isthmus detect wines.csv --save wines.isthmus -o flags.csv
        isthmus explain wines.isthmus wines.csv --id name -o why.csv
        isthmus explain wines.isthmus today.csv --all --top 5

    Parameters
    ----------
    model : Path
        The file of a detector, or of a model.
    data : Path
        The rows; columns are found by name, others are left.
    """
    from isthmus.cli.commands import run_detect

    source = run_detect.Source(data, columns, Pictures())
    written = run_detect.Written(output, force, raw)
    return run_detect.explain(model, source, top, written, common, every=all)

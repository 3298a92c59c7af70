"""The declaration of `isthmus compare`; its body is in `_run_compare`."""

from pathlib import Path
from typing import Annotated

from isthmus.cli.options import Classes, Columns, Common, Force, Model, Pictures, goes_to


def compare(
    data: Path,
    /,
    *,
    classes: Classes,
    output: Annotated[Path | None, goes_to("Where the table goes too: .csv or .parquet.")] = None,
    force: Force = False,
    columns: Columns = Columns(),
    equation: Model = Model(),
    common: Common = Common(),
) -> int:
    """Compare classifiers on raw columns, on PCA of the same width and on the codes.

    In each fold a model is trained on the training rows alone, with the options of isthmus fit, so
    that nothing of the rows that are tested is known.

    For example:

        isthmus compare flowers.csv --label species --n-components 3
        isthmus compare flowers.csv --label species --id name --cv 3 -o table.csv
        isthmus compare flowers.csv --label species --model flowers.isthmus --json

    Parameters
    ----------
    data : Path
        The rows: .csv, .tsv (also .gz) or .parquet.
    """
    from isthmus.cli.commands import run_compare

    source = run_compare.Source(data, columns, Pictures())
    return run_compare.compare(source, classes, equation, output, common, force=force)

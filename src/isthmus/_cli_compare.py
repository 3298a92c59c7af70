"""The declaration of `isthmus compare`; its body is in `_run_compare`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from isthmus._options import OUTPUT, Columns, Common, Model, Pictures

CLASSES = Group.create_ordered("The comparison")


def compare(
    data: Path,
    /,
    *,
    label: Annotated[
        str,
        Parameter(
            group=CLASSES, metavar="COLUMN", help="The class of each row.", show_default=False
        ),
    ],
    model: Annotated[
        Path | None,
        Parameter(
            group=CLASSES,
            metavar="FILE",
            help="Take the codes of this model, instead of training one in each fold.",
            show_default=False,
        ),
    ] = None,
    classifiers: Annotated[
        str, Parameter(group=CLASSES, metavar="A,B", help="Some of logistic and neighbours.")
    ] = "logistic,neighbours",
    cv: Annotated[int, Parameter(group=CLASSES, metavar="INT", help="How many folds.")] = 5,
    unlabelled: Annotated[
        Literal["refuse", "drop", "use"],
        Parameter(
            group=CLASSES,
            help="Rows without a class: an error, left out, or used to train the model.",
        ),
    ] = "refuse",
    output: Annotated[
        Path | None,
        Parameter(
            name=["--output", "-o"],
            group=OUTPUT,
            help="Where the table goes too: .csv or .parquet.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool,
        Parameter(group=OUTPUT, help="Overwrite the output where it exists.", show_default=False),
    ] = False,
    columns: Columns = Columns(),  # noqa: B008
    equation: Model = Model(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
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
    from isthmus import _run_compare

    source = _run_compare.Source(data, columns, Pictures())
    wanted = _run_compare.Wanted(label, model, classifiers, cv, unlabelled)
    return _run_compare.compare(source, wanted, equation, output, common, force=force)

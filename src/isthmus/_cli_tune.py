"""The declaration of `isthmus tune`; its body is in `_run_tune`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isthmus._options import OUTPUT, Columns, Common, Model, Pictures, Tuning


def tune(
    data: Path,
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(
            name=["--output", "-o"],
            group=OUTPUT,
            help="The best model, trained on all rows; by default DATA's name with .isthmus, in "
            "this folder.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        Parameter(group=OUTPUT, help="All candidates with their scores.", show_default=False),
    ] = None,
    picture: Annotated[
        Path | None,
        Parameter(
            group=OUTPUT,
            help="The scores over the two parameters that matter most, .png or .svg.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, Parameter(group=OUTPUT, help="Overwrite outputs that exist.", show_default=False)
    ] = False,
    tuning: Tuning = Tuning(),  # noqa: B008
    columns: Columns = Columns(),  # noqa: B008
    pictures: Pictures = Pictures(),  # noqa: B008
    model: Model = Model(),  # noqa: B008
    common: Common = Common(),  # noqa: B008
) -> int:
    """Search over parameters, and save the best model.

    Values are separated by commas. A comma in brackets, or before FIELD=, belongs to the value, so
    that specs stay whole; + makes a chain of corruptions or penalties. A parameter of a part is
    addressed as sparsity__rho, in a chain as corruption__0__std. Values may also be drawn:
    uniform(LOW,HIGH), loguniform(LOW,HIGH) or randint(LOW,HIGH).

    For example:

        isthmus tune t.csv --grid n_components=2,3 --grid learning_rate=1e-3,1e-2
        isthmus tune t.csv --sparsity kl --grid sparsity__rho=0.05,0.1,0.2 --halving
        isthmus tune t.csv --grid "architecture=dense,dense:hidden=[64,32]" --cv 5
        isthmus tune t.csv --grid "sparsity=none,kl:rho=0.1,weight=2,topk:k=2"
        isthmus tune t.csv --grid "corruption=swap,gaussian:std=0.5+masking"
        isthmus tune t.csv --grid "learning_rate=loguniform(1e-4,1e-1)" --n-iter 50
        isthmus tune t.csv --label kind --scoring probe --grid n_components=2,4,8

    Parameters
    ----------
    data : Path
        What to search on: .csv, .tsv (also .gz), .parquet, .npy, .npz or a folder of images.
    """
    from isthmus import _run_tune, commands

    source = commands.Source(data, columns, pictures)
    outputs = _run_tune.Outputs(output, table, picture, force)
    return _run_tune.tune(source, outputs, tuning, model, common)

"""The declaration of `isthmus tune`; its body is in `_run_tune`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from isthmus._options import DATA, OUTPUT, Columns, Common, Model, Pictures

SEARCH = Group.create_ordered("The search")


@Parameter(name="*")
@dataclass(frozen=True)
class Tuning:
    """How to search."""

    grid: Annotated[
        tuple[str, ...],
        Parameter(
            group=SEARCH,
            metavar="NAME=VALUE,...",
            help="A parameter and its values, such as n_components=2,4,8 or sparsity__rho=0.05,0.1. "
            "Repeatable: every combination is a candidate.",
            show_default=False,
        ),
    ] = ()
    n_iter: Annotated[
        int | None,
        Parameter(
            group=SEARCH, help="Draw this many candidates, instead of all.", show_default=False
        ),
    ] = None
    scoring: Annotated[
        Literal["reconstruction", "probe", "stability"],
        Parameter(
            group=SEARCH,
            help="What is best on held-out rows: the least error, the codes that a linear classifier "
            "reads best (needs --label), or those that two seeds agree on.",
        ),
    ] = "reconstruction"
    label: Annotated[
        str | None,
        Parameter(
            group=SEARCH, metavar="COLUMN", help="The classes of rows.", show_default=False
        ),
    ] = None
    cv: Annotated[
        str,
        Parameter(
            group=SEARCH, metavar="SHARE|INT", help="Share of rows held out once, or folds."
        ),
    ] = "0.2"
    halving: Annotated[
        bool,
        Parameter(
            group=SEARCH,
            help="Train all for a few epochs, and only the best of them again for longer.",
            show_default=False,
        ),
    ] = False
    factor: Annotated[
        int, Parameter(group=SEARCH, help="With --halving, one in how many goes on.")
    ] = 3


@dataclass(frozen=True)
class Outputs:
    """Where the results of a search go."""

    model: Path | None
    table: Path | None
    picture: Path | None
    force: bool


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
        Parameter(
            group=OUTPUT, help="All candidates with their scores.", show_default=False
        ),
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

        isthmus tune flowers.csv --id name --grid n_components=2,3 --grid learning_rate=1e-3,1e-2
        isthmus tune digits.npy --sparsity kl --grid sparsity__rho=0.02,0.05,0.1 --halving
        isthmus tune flowers.csv --label name --scoring probe --grid "sparsity=none,l1,topk:k=2"
        isthmus tune sales.csv --grid "corruption=swap,gaussian:std=0.5+masking:rate=0.1"
        isthmus tune sales.csv --grid "learning_rate=loguniform(1e-4,1e-1)" --n-iter 50
        isthmus tune sales.csv --grid "architecture=dense:hidden=[64,32],dense:hidden=[16]"

    Parameters
    ----------
    data : Path
        What to search on: .csv, .tsv (also .gz), .parquet, .npy, .npz or a folder of images.
    """
    from isthmus import _run_tune, commands

    source = commands.Source(data, columns, pictures)
    outputs = Outputs(output, table, picture, force)
    return _run_tune.tune(source, outputs, tuning, model, common)

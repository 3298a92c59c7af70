"""The declaration of `isthmus tune`; its body is in `_run_tune`."""

from pathlib import Path

from isthmus.cli.options import Columns, Common, Found, Model, Pictures, Tuning


def tune(
    data: Path,
    /,
    *,
    found: Found = Found(),
    tuning: Tuning = Tuning(),
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    model: Model = Model(),
    common: Common = Common(),
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
    from isthmus.cli.commands import run_tune

    source = run_tune.Source(data, columns, pictures)
    return run_tune.tune(source, found, tuning, model, common)

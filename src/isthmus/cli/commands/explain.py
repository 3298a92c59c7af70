"""`isthmus explain`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from isthmus.cli.apart import first_autoencoder
from isthmus.cli.bad_rows import rows_for
from isthmus.cli.groups import groups_of
from isthmus.cli.models import check_by_column, check_decoder, load_any
from isthmus.cli.options import DATA, OUTPUT, Common, PrintableOutput, ScoredColumns, option
from isthmus.cli.outputs import TABLES, check_columns, check_table, end_with_table
from isthmus.cli.sources import Source, use_cache
from isthmus.cli.terminal import UsageError

if TYPE_CHECKING:
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.io import Rows
    from isthmus.outliers import OutlierDetector

COLUMNS = ("column", "contribution", "observed", "expected")


def explain(
    model: Path,
    data: Path,
    /,
    *,
    result: PrintableOutput = PrintableOutput(),
    top: Annotated[int, option(OUTPUT, "How many columns to show for each row.", default=True)] = 3,
    all: Annotated[
        bool,
        option(DATA, "All rows, and not only those that the detector finds to be outliers."),
    ] = False,
    columns: ScoredColumns = ScoredColumns(),
    common: Common = Common(),
) -> int:
    """Show which columns make rows strange, what was seen in them and what was expected.

    The result has a line for each row and column, the largest contributions first: the identifiers, or
    else the number of the row from 0, then column, contribution, observed and expected. The
    contributions of a row add up to minus its score. A model that is no detector explains the errors
    of all rows.

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
    if top < 1:
        raise UsageError(f"--top must be at least 1; got {top}.")
    source = Source(data, columns)
    source.check(model)
    if source.is_folder:
        raise UsageError(f"{data} is a folder of images: explanations are for columns.")
    check_table(result, TABLES, model, data, json=common.json)
    from isthmus.io import Rows

    use_cache()
    found = _loaded(model)
    rows = rows_for(found, model, source)
    check_columns(rows.ids, COLUMNS)
    table = _explained(found, rows, top, every=all)
    facts = {"rows": rows.total, "explained": table["row"].n_unique()}
    table = _with_bad(table, rows)
    numbers, ids = table["row"], rows.ids
    if ids.width:
        ids, table = ids[numbers.to_numpy()], table.drop("row")
    if rows.problems is not None:
        facts["unscored"] = rows.total - len(rows.X)
    return end_with_table(result, common, Rows(table, ids), table.to_dict(), **facts)


def _with_bad(table: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """Return the table with numbers among all rows, and a line for each that was set apart."""
    import polars as pl

    table = table.with_columns(row=rows.numbers[table["row"].to_numpy()])
    if rows.problems is None:
        return table
    bad = rows.bad().with_columns(pl.col("row").cast(table["row"].dtype))
    return pl.concat([table, bad], how="diagonal").sort("row", maintain_order=True)


def _loaded(path: Path) -> Autoencoder | OutlierDetector:
    """Read a detector or a model whose scores are sums over columns."""
    found = load_any(path)
    first = first_autoencoder(found)
    check_decoder(first, path)
    if found.sample_shape_ is not None:
        raise UsageError(f"{path} was fitted on images: explanations are for columns of tables.")
    check_by_column(first.slots_)
    return found


def _explained(
    found: Autoencoder | OutlierDetector, rows: Rows, top: int, *, every: bool
) -> pl.DataFrame:
    """Return a line for each row and column, with the numbers of the rows."""
    import numpy as np

    from isthmus.outliers import OutlierDetector

    groups = groups_of(found, rows)
    if every or not isinstance(found, OutlierDetector):
        return found.explain(rows.X, groups).frame(top)
    numbers = np.flatnonzero(found.predict(rows.X, groups) == -1)
    if not len(numbers):
        warnings.warn(
            "No row is an outlier, so none is explained; --all explains all.", stacklevel=2
        )
        return found.explain(rows.X[:1], None if groups is None else groups[:1]).frame(top).clear()
    table = found.explain(rows.X[numbers], None if groups is None else groups[numbers]).frame(top)
    return table.with_columns(row=numbers[table["row"].to_numpy()])

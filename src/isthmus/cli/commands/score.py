"""`isthmus score`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from isthmus.cli.bad_rows import rows_for
from isthmus.cli.models import load_model
from isthmus.cli.options import (
    TABLE_FILE,
    Common,
    ModelArgument,
    Pictures,
    RowsArgument,
    ScoredColumns,
    TableOutput,
    goes_to,
)
from isthmus.cli.outputs import ARRAYS, check_columns, check_table, end_with_table
from isthmus.cli.rows import in_parts
from isthmus.cli.sources import Source, use_cache


@dataclass(frozen=True, kw_only=True)
class Scores(TableOutput):
    """Where scores go, if not to the standard output."""

    output: Annotated[
        Path | None,
        goes_to(f"{TABLE_FILE}, or .npy; by default CSV on the standard output."),
    ] = None


def score(
    model: ModelArgument,
    data: RowsArgument,
    /,
    *,
    result: Scores = Scores(),
    columns: ScoredColumns = ScoredColumns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Write one score a row: the higher, the more normal.

    A score is minus the error in scaled units, so that rows far below the others are outliers.

    For example:

        isthmus score flowers.isthmus new.csv --id name -o scores.csv
        isthmus score flowers.isthmus new.csv --id name | sort -t, -k2 -g | head
    """
    source = Source(data, columns, pictures)
    source.check(model)
    check_table(result, ARRAYS, model, data, ids=columns.id, json=common.json)
    use_cache()
    ae = load_model(model)
    rows = rows_for(ae, model, source)
    check_columns(rows.ids, ["score"])
    scores = in_parts(ae.score_samples, rows.X, "score", common)
    facts = {"score": ae.score(rows.X)} if common.json else {}
    return end_with_table(result, common, rows, {"score": scores}, **facts)

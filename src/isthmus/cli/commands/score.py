"""`isthmus score`."""

from __future__ import annotations

from pathlib import Path

from isthmus.cli.options import Columns, Common, Pictures, PrintableOutput
from isthmus.cli.outputs import ARRAYS, check_columns, check_table, end_with_table
from isthmus.cli.sources import (
    Source,
    check_present,
    load_model,
    read_rows,
    use_cache,
    wanted_by,
)


def score(
    model: Path,
    data: Path,
    /,
    *,
    result: PrintableOutput = PrintableOutput(),
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Write one score a row: the higher, the more normal.

    A score is minus the error in scaled units, so that rows far below the others are outliers.

    For example:

        isthmus score flowers.isthmus new.csv --id name -o scores.csv
        isthmus score flowers.isthmus new.csv --id name | sort -t, -k2 -g | head

    Parameters
    ----------
    model : Path
        The model file.
    data : Path
        The rows to score, or a folder of images; columns are found by name, others are left.
    """
    source = Source(data, columns, pictures)
    check_present(model)
    source.check()
    check_table(result, ARRAYS, model, data, ids=columns.id, json=common.json)
    use_cache()
    ae = load_model(model)
    rows = read_rows(source, wanted_by(ae, model))
    check_columns(rows.ids, ["score"])
    scores = ae.score_samples(rows.X)
    facts = {"score": ae.score(rows.X)} if common.json else {}
    return end_with_table(result, common, rows.ids, {"score": scores}, **facts)

"""`isthmus threshold`."""

from __future__ import annotations

from isthmus.cli.bad_rows import rows_for
from isthmus.cli.groups import groups_of
from isthmus.cli.models import load_detector
from isthmus.cli.options import (
    Common,
    ModelArgument,
    Pictures,
    PrintableOutput,
    RowsArgument,
    ShownColumns,
)
from isthmus.cli.outputs import TABLES, check_table, end_with_table
from isthmus.cli.rows import in_parts
from isthmus.cli.sources import Source, use_cache


def threshold(
    model: ModelArgument,
    data: RowsArgument,
    /,
    *,
    result: PrintableOutput = PrintableOutput(),
    columns: ShownColumns = ShownColumns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Show how many rows would be outliers at other rates; nothing is changed.

    A line for each rate has the threshold, how many rows are outliers by it (alerts), how many are
    expected among so many normal rows (false_alarms), and whether it is the detector's own (current). A
    rate is of normal rows, with fdr of false discoveries. If no rows were held out it is a share of
    these rows, and no false alarms are known.

    For example:

        isthmus threshold wines.isthmus today.csv
        isthmus threshold wines.isthmus today.csv -o rates.csv
    """
    source = Source(data, columns, pictures)
    source.check(model)
    check_table(result, TABLES, model, data, json=common.json)
    import polars as pl

    from isthmus.io import Rows
    from isthmus.outliers import threshold_table
    from isthmus.report import threshold_rule

    use_cache()
    found = load_detector(model)
    rows = rows_for(found, model, source)
    judge = found.pvalues if found.by_pvalues else found.score_samples
    judged = in_parts(judge, rows.X, "threshold", common, groups_of(found, rows))
    table = threshold_table(found, judged).frame()
    bad = {"unscored": rows.total - len(rows.X)} if rows.problems is not None else {}
    facts = {"rows": len(rows.X), **bad, "rule": threshold_rule(found)}
    return end_with_table(result, common, Rows(table, pl.DataFrame()), table.to_dict(), **facts)

"""`isthmus recalibrate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from isthmus.cli.bad_rows import rows_for
from isthmus.cli.groups import groups_of
from isthmus.cli.models import load_detector
from isthmus.cli.options import (
    DATA,
    Common,
    ModelArgument,
    Output,
    Pictures,
    RowsArgument,
    ShownColumns,
    goes_to,
    option,
)
from isthmus.cli.outputs import check_output, end
from isthmus.cli.rows import in_parts
from isthmus.cli.sources import Source, use_cache
from isthmus.cli.terminal import UsageError, signals, usage_errors


@dataclass(frozen=True, kw_only=True)
class DetectorFile(Output):
    """Where a detector goes."""

    output: Annotated[Path, goes_to("The recalibrated detector, as .isthmus.")]


def recalibrate(
    model: ModelArgument,
    data: RowsArgument,
    /,
    *,
    result: DetectorFile,
    rows: Annotated[
        Literal["normal", "any"],
        option(
            DATA,
            "What the rows are. normal: clean, so that p-values compare with them; any: outliers may "
            "be among them, for a detector with a share of outliers or auto.",
            default=True,
        ),
    ] = "normal",
    columns: ShownColumns = ShownColumns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Settle a detector's threshold and p-values anew by recent rows.

    Nothing is trained: scores and explanations of rows stay as they are. What the threshold was,
    and when and by how many rows it was changed, is kept in the file, and isthmus info shows it.

    For example:

        isthmus threshold wines.isthmus today.csv
        isthmus recalibrate wines.isthmus today.csv -o new.isthmus
    """
    source = Source(data, columns, pictures)
    source.check(model)
    check_output(result.output, (".isthmus",), model, data, force=result.force)

    from isthmus.outliers import check_enough, check_recent, recalibrate_by
    from isthmus.report import threshold_rule

    use_cache()
    found = load_detector(model)
    with usage_errors():
        check_recent(found, rows)
    recent = rows_for(found, model, source)
    try:
        check_enough(found, len(recent.X))
    except ValueError as error:
        raise UsageError(f"{data}: {error}") from error
    groups = groups_of(found, recent)
    scores = in_parts(found.score_samples, recent.X, "recalibrate", common, groups)
    recalibrate_by(found, scores, rows)
    with signals.hold():
        found.save(result.output)
    signals.check()
    done, path = found.recalibrations_[-1], str(result.output)
    facts = {"output": path, **done._asdict(), "rule": threshold_rule(found)}
    thresholds = f"{done.new_threshold:.4g}, before {done.old_threshold:.4g}"
    shown = {"output": path, "rows": f"{done.rows:,}, taken for {rows}", "threshold": thresholds}
    return end(common, facts, {**shown, "outliers": threshold_rule(found)})

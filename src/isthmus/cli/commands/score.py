"""`isthmus score`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from isthmus.cli.bad_rows import rows_for
from isthmus.cli.big import Job, big_rows, end_by_blocks
from isthmus.cli.groups import groups_of
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

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from isthmus.autoencoder import Autoencoder
    from isthmus.io import Rows


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
    big = big_rows(ae, model, source, result, common)
    if big is not None:
        return end_by_blocks(big, result, "score", lambda: Scoring(ae, is_judged=common.json))
    rows = rows_for(ae, model, source)
    check_columns(rows.ids, ["score"])
    groups = groups_of(ae, rows)
    scores = in_parts(ae.score_samples, rows.X, "score", common, groups)
    facts = {"score": ae.score(rows.X, groups=groups)} if common.json else {}
    return end_with_table(result, common, rows, {"score": scores}, **facts)


class Scoring(Job):
    """Scores of rows block by block, and their errors and those of the mean row if it `is_judged`."""

    def __init__(self, ae: Autoencoder, *, is_judged: bool) -> None:
        self.ae, self.is_judged, self.names = ae, is_judged, ["score"]
        self.error = self.of_mean = 0.0

    def columns(self, rows: Rows) -> Mapping[str, ArrayLike]:
        """Return the scores."""
        from isthmus.autoencoder import errors_beside, validate_rows

        groups = groups_of(self.ae, rows)
        scores = self.ae.score_samples(rows.X, groups=groups)
        if self.is_judged:
            X = validate_rows(self.ae, rows.X, reset=False)
            mean, least = errors_beside(self.ae, X, groups)
            self.error += float((-scores - least).sum())
            self.of_mean += float((mean - least).sum())
        return {"score": scores}

    def facts(self, rows: int) -> Mapping[str, object]:
        """Return the share of the error that is explained, summed up block by block."""
        from isthmus.model import explained_share

        return {"score": explained_share(self.error, self.of_mean)} if self.is_judged else {}

"""Groups of rows: the column that names them stands beside the rows, as identifiers do."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from isthmus.cli.options import DATA, option, spelt
from isthmus.cli.rows import said_of
from isthmus.cli.terminal import UsageError
from isthmus.io import FileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.cli.sources import Source
    from isthmus.fleet import Fleet
    from isthmus.io import Rows
    from isthmus.outliers import OutlierDetector

MOST_NAMED = 20  # columns in an option that is proposed

By = Annotated[
    str | None,
    option(
        DATA,
        "One model for each value of this column, such as a customer or a machine; small groups share "
        "a pooled one.",
        metavar="COLUMN",
    ),
]


def fleet_of(found: Autoencoder | OutlierDetector) -> Fleet | None:
    """Return the models of groups, if there are any."""
    models: Any = found.fleet_
    fleet: Fleet | None = getattr(models, "fleet", models)
    return fleet


def fleet_facts(found: Autoencoder | OutlierDetector) -> dict[str, object]:
    """Return how many groups a model has, of how many rows; nothing if it has none."""
    fleet = fleet_of(found)
    if fleet is None:
        return {}
    pooled = fleet.places < 0
    facts = {
        "by": fleet.keys.name,
        "groups": fleet.n_groups,
        "rows": int(fleet.rows.sum()),
        "pooled_groups": int(pooled.sum()),
        "pooled_rows": int(fleet.rows[pooled].sum()),
        "parameters_of_a_group": fleet.stack.like.n_parameters,
    }
    return {"groups": facts}


def fleet_in_words(found: Autoencoder | OutlierDetector) -> dict[str, str]:
    """Return the same to be shown."""
    facts: dict[str, Any] = fleet_facts(found).get("groups", {})  # type: ignore[assignment]
    if not facts:
        return {}
    by = "" if facts["by"] is None else f" by {facts['by']!r}"
    said = f"{facts['groups']:,}{by}, of {facts['rows']:,} rows"
    pooled = facts["pooled_groups"]
    if pooled:
        said += f"; {pooled:,} of {facts['pooled_rows']:,} rows are answered by the pooled model"
    return {"groups": said}


def with_column(source: Source, by: str | None) -> Source:
    """Return a source whose column of groups stands beside the rows."""
    ids = source.columns.id
    if by is None or by in ids:
        return source
    return replace(source, columns=replace(source.columns, id=(*ids, by)))


def with_groups(found: Autoencoder | OutlierDetector, model: Path, source: Source) -> Source:
    """Return a source with the column of groups that a model knows, if it has groups."""
    fleet = fleet_of(found)
    if fleet is None:
        return source
    if fleet.keys.name is None:
        raise UsageError(
            f"{model} has a model for each group, and no name of the column that says it: fit it with "
            "--by COLUMN, or use it from Python."
        )
    if source.is_folder or source.is_array:
        raise UsageError(
            f"{source.path} has no column {fleet.keys.name!r}, which says the group of each row."
        )
    return with_column(source, fleet.keys.name)


def _whole(column: pl.Series) -> pl.Series:
    """Return texts as whole numbers, null where they are none."""
    import polars as pl

    return column.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)


def _dates(column: pl.Series) -> pl.Series:
    """Return texts as times, null where they are none."""
    import polars as pl

    try:
        return column.str.to_datetime(strict=False)
    except pl.exceptions.ComputeError:  # none of them looks like one
        return column.clear(len(column)).cast(pl.Datetime)


_READ: dict[str, Callable[[pl.Series], pl.Series]] = {
    "text": lambda column: column,
    "whole": _whole,
    "date": _dates,
}


def groups_of(found: Autoencoder | OutlierDetector, rows: Rows) -> pl.Series | None:
    """Return the group of each row, as the model knows it; None for a model without groups."""
    fleet = fleet_of(found)
    if fleet is None:
        return None
    column = keys_of(rows, str(fleet.keys.name))
    made = _READ[fleet.keys.kind](column)
    odd = column.filter(made.is_null() & column.is_not_null())
    if len(odd):
        raise FileError(
            f"The column {fleet.keys.name!r} holds {odd[0]!r}, and the groups of the fit were "
            f"{fleet.keys.in_words}: give keys of the same kind."
        )
    return made


def one_of(
    found: Autoencoder | OutlierDetector, group: str | None, model: Path
) -> Autoencoder | OutlierDetector:
    """Return the model of one group, if one is named."""
    fleet = fleet_of(found)
    if group is None:
        return found
    if fleet is None or not hasattr(found, "of_group"):
        what = (
            "no models of groups" if fleet is None else "a detector, whose groups share its score"
        )
        raise UsageError(f"{model} holds {what}: --group cannot be given.")
    key = int(group) if fleet.keys.kind == "whole" and group.lstrip("-").isdigit() else group
    one: Autoencoder = found.of_group(key)
    return one


def keys_of(rows: Rows, by: str) -> pl.Series:
    """Return the group of each row that is worked on, as text; null where it is missing."""
    import polars as pl

    column = rows.ids[by][rows.numbers]
    if column.dtype.is_float():
        column = _without_fractions(column)
    return column.cast(pl.String).replace("", None)


def _without_fractions(column: pl.Series) -> pl.Series:
    """Return whole numbers that were floats, as they are in columns with missing cells."""
    import polars as pl

    column = column.fill_nan(None)
    whole = column.cast(pl.Int64, strict=False)
    odd = column.filter((whole.cast(pl.Float64) != column).fill_null(column.is_not_null()))
    if len(odd):
        raise FileError(
            f"The column {column.name!r} says the group of each row, and holds {odd[0]!r}: groups are "
            "texts, whole numbers or dates."
        )
    return whole


def check_by(source: Source, by: str | None) -> None:
    """Raise a UsageError for a column of groups that is chosen to be learnt from too."""
    chosen = source.columns.columns
    if by in {*chosen, *(name.strip() for text in chosen for name in text.split(","))}:
        raise UsageError(
            f"--by takes the column {by!r} already, and the models do not learn from it: leave it out "
            "of --columns."
        )


def trained_groups(rows: Rows, by: str | None, source: Source) -> pl.Series | None:
    """Return the group of each row that is trained on; refuse rows without one, and columns of which
    models of groups cannot learn.
    """
    if by is None:
        return None
    path = source.path
    _check_plain(rows, source)
    if by not in rows.ids.columns:
        raise FileError(f"{path} has no column {by!r}, which --by names.")
    keys = keys_of(rows, by)
    missing = keys.is_null().arg_true()
    if len(missing):
        from isthmus.fleet import without_key
        from isthmus.io import row_place

        first = row_place(rows.lines, int(rows.numbers[missing[0]]))
        raise FileError(f"{path} has no {by!r} in {without_key(len(missing), first)}")
    return keys


def _check_plain(rows: Rows, source: Source) -> None:
    """Raise a FileError for columns of which models of groups cannot learn."""
    from isthmus.autoencoder import by_reason, not_for_groups

    asked: Any = said_of(rows, source).get("columns")
    odd = not_for_groups(rows.X, asked)
    if odd:
        raise FileError(
            f"{source.path} has columns that models of groups, which take plain numbers, do not take "
            f"({by_reason(odd)}): {_left_out(odd, rows)}encode or fill them, or fit without --by."
        )


def _left_out(odd: Mapping[str, str], rows: Rows) -> str:
    """Return the option that leaves columns out, where it is short and others are left."""
    if len(odd) > MOST_NAMED or len(odd) == rows.X.shape[1]:
        return ""
    several = any("," in name for name in odd)
    names = tuple(odd) if several else ",".join(odd)
    return f"leave them out with {shlex.join(spelt({'--ignore': names}))}, "

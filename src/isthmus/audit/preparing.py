"""A table as models judge it: what checks have read in its text, and small whole numbers as levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.audit.dates import date_seconds
from isthmus.audit.profile import is_mark

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from isthmus.audit.profile import Column, Profile

FEW = 10  # whole numbers that are judged as levels: of these a mean says little


def prepared(
    profile: Profile,
    asked: Mapping[str, str],
    left_out: Collection[str],
    wrong: Mapping[str, list[int]],
) -> tuple[pl.DataFrame, dict[str, str]]:
    """Return the columns that models see, and what some of them are to be taken for.

    Text of which nearly all cells are numbers or days becomes these; what else is there counts as
    missing, since a check names it, and so do infinite numbers and the cells that are `wrong`, rows
    by column. Columns that the user says something of stay as they are else.
    """
    kinds, columns = dict(asked), []
    for column in profile:
        if column.name in left_out or asked.get(column.name) == "ignore":
            continue
        values = column.values if column.name in asked else read_text(column)
        rows = np.union1d(wrong.get(column.name, []), np.flatnonzero(column.infinite)).astype(int)
        columns.append(values.scatter(rows, None) if len(rows) else values)
        if column.name not in asked and are_levels(columns[-1]):
            kinds[column.name] = "category"
    names = {series.name for series in columns}
    return pl.DataFrame(columns), {name: kind for name, kind in kinds.items() if name in names}


def read_text(column: Column) -> pl.Series:
    """Return what text says: numbers, days, or words without space around them."""
    if not column.is_text:
        return column.values
    if column.looks_numeric:
        return pl.Series(column.name, column.numbers).fill_nan(None)
    seconds = date_seconds(column)
    if seconds is not None:
        there = np.isfinite(seconds)
        micros = pl.Series(column.name, np.where(there, seconds, 0) * 1e6).cast(pl.Int64)
        return micros.set(pl.Series(~there), None).cast(pl.Datetime("us"))
    table = pl.DataFrame({column.name: column.values.str.strip_chars()})
    name = pl.col(column.name)
    return table.select(pl.when(~is_mark(column.name)).then(name).alias(column.name)).to_series()


def are_levels(values: pl.Series) -> bool:
    """Return whether numbers are so few and whole that they are levels."""
    if not values.dtype.is_numeric():
        return False
    known = values.drop_nulls().unique().cast(pl.Float64)
    return 2 <= len(known) <= FEW and bool((known == known.round()).all())

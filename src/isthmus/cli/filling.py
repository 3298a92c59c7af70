"""Missing cells of a file are filled with estimates, written as the other cells of their column are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from isthmus.cli.terminal import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

DAYS = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
)
CLOCKS = (" %H:%M:%S", "T%H:%M:%S", " %H:%M", "T%H:%M")
SAMPLE = 50  # cells that tell how dates are written
MOST_DIGITS = 12  # after a decimal mark
LEVELS = " | "  # between levels that a cell may have


def filled_file(
    cells: pl.DataFrame, typed: pl.DataFrame, estimates: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, int], dict[str, int]]:
    """Return the columns of a file with estimates in missing cells, and all others as they were.

    Parameters
    ----------
    cells : DataFrame
        What the file holds, text of text files.
    typed : DataFrame
        Those of its columns that a model saw, with their types.
    estimates : DataFrame
        The same with missing cells filled, where the model knows how.

    Returns
    -------
    DataFrame
        The filled file.
    dict, dict
        By column how many cells were filled, and how many are still missing.
    """
    counts, left, columns = {}, {}, {}
    for name in typed.columns:
        gaps = typed[name].is_null()
        where = (gaps & estimates[name].is_not_null()).arg_true()
        if len(where):
            column = written_like(cells[name], typed[name], estimates[name].gather(where))
            columns[name], counts[name] = cells[name].scatter(where, column), len(where)
        if gaps.sum() > len(where):
            left[name] = int(gaps.sum()) - len(where)
    return cells.with_columns(**columns), counts, left


def with_intervals(
    table: pl.DataFrame,
    cells: pl.DataFrame,
    typed: pl.DataFrame,
    intervals: Mapping[str, pl.DataFrame],
) -> pl.DataFrame:
    """Return a table with two more columns for each that was filled, or one of categories."""
    import polars as pl

    more = []
    for name, found in intervals.items():
        for end in found.columns[1:]:
            values = found[end]
            if values.dtype == pl.List:
                values = values.list.join(LEVELS)
            else:
                values = written_like(cells[name], typed[name], values)
            empty = pl.Series(f"{name}_{end}", [None], dtype=values.dtype).new_from_index(
                0, len(table)
            )
            more.append(empty.scatter(found["row"], values))
    both = [column.name for column in more if column.name in table.columns]
    if both:
        raise UsageError(f"The file has a column {both[0]!r}, where an interval would stand.")
    return table.with_columns(more)


def written_like(cells: pl.Series, typed: pl.Series, values: pl.Series) -> pl.Series:
    """Return values of a column as its cells are written: in text files with as many digits, say.

    Examples
    --------
    >>> import polars as pl
    >>> cells = pl.Series(["1,5", "2,25", ""])
    >>> written_like(cells, pl.Series([1.5, 2.25, None]), pl.Series([1.23456])).to_list()
    ['1,23']
    >>> cells, typed = pl.Series([" yes", "no"]), pl.Series([True, False])
    >>> written_like(cells, typed, pl.Series([True])).to_list()
    [' yes']
    """
    import polars as pl

    if cells.dtype != pl.String:
        return values.cast(cells.dtype) if values.dtype != cells.dtype else values
    if typed.dtype in (pl.String, pl.Boolean):
        return _as_levels(cells, typed, values)
    if typed.dtype.is_numeric():
        return _as_numbers(cells.filter(typed.is_not_null()).str.strip_chars(), values)
    if isinstance(typed.dtype, pl.Date | pl.Datetime):
        return values.dt.strftime(_format(cells, typed))
    return values.dt.to_string("iso")


def _as_levels(cells: pl.Series, typed: pl.Series, values: pl.Series) -> pl.Series:
    import polars as pl

    known = pl.DataFrame({"value": typed, "text": cells}).drop_nulls()
    known = known.unique("value", keep="first", maintain_order=True)
    text = values.cast(pl.String)
    return values.replace_strict(
        known["value"], known["text"], default=text, return_dtype=pl.String
    )


def _as_numbers(cells: pl.Series, values: pl.Series) -> pl.Series:
    """Return numbers with as many digits, and the decimal mark, that other cells have."""
    import polars as pl

    if values.dtype.is_integer():
        return values.cast(pl.String)
    if cells.str.contains("[eE]").any():
        return pl.Series([f"{value:.6g}" for value in values])
    comma = not cells.str.contains(".", literal=True).any()
    behind = cells.str.extract("," + "([0-9]*)$" if comma else r"\.([0-9]*)$").drop_nulls()
    digits = max((len(some) for some in behind.unique()), default=0)
    digits = min(digits, MOST_DIGITS)
    text = [f"{value:.{digits}f}" for value in values]
    return pl.Series([re.sub(r"\.", ",", t) for t in text] if comma else text)


def _format(cells: pl.Series, typed: pl.Series) -> str:
    """Return how dates are written; as ISO 8601 does where no usual way gives the same cells."""
    import polars as pl

    there = typed.is_not_null()
    seen, text = typed.filter(there).head(SAMPLE), cells.filter(there).head(SAMPLE)
    clocks = CLOCKS if isinstance(typed.dtype, pl.Datetime) else ("",)
    formats = [day + clock for clock in clocks for day in DAYS]
    matching = (f for f in formats if (seen.dt.strftime(f) == text.str.strip_chars()).all())
    return next(matching, formats[0])

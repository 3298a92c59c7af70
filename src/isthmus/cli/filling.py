"""Missing cells of a file are filled with estimates, written as the other cells of their column are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.cli.terminal import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from isthmus.io import Style

DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%-d.%-m.%Y", "%-d/%-m/%Y", "%-m/%-d/%Y", "%d-%b-%Y", "%d %b %Y", "%-d %b %Y", "%b %-d, %Y",
)  # fmt: skip
TIMES = ("%H:%M:%S", "%H:%M", "%H:%M:%S%.f", "%-I:%M %p", "%-I:%M:%S %p")
MOMENTS = tuple(f"{day}{gap}{time}" for day in DAYS for gap in " T" for time in TIMES)
ZONED = "%Y-%m-%dT%H:%M:%SZ"
SAMPLE = 100  # cells that tell how dates are written
TRUTHS = {True: ("true", "yes", "1"), False: ("false", "no", "0")}
AROUND = r"^[+-]?([^0-9+.,-]*)[+-]?[0-9.,]"  # what stands before a number
BEHIND = "([^0-9.,]*)$"
MOST_DIGITS = 12  # after a decimal mark
LEVELS = " | "  # between levels that a cell may have


def filled_file(
    cells: pl.DataFrame, typed: pl.DataFrame, estimates: pl.DataFrame, style: Style
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
    style : Style
        How the file is written.

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
            values = estimates[name].gather(where)
            column = written_like(cells[name], typed[name], values, style.mark)
            columns[name], counts[name] = cells[name].scatter(where, column), len(where)
        if gaps.sum() > len(where):
            left[name] = int(gaps.sum()) - len(where)
    return cells.with_columns(**columns), counts, left


def with_intervals(
    table: pl.DataFrame,
    cells: pl.DataFrame,
    typed: pl.DataFrame,
    intervals: Mapping[str, pl.DataFrame],
    style: Style,
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
                values = written_like(cells[name], typed[name], values, style.mark)
            empty = pl.Series(f"{name}_{end}", [None], dtype=values.dtype).new_from_index(
                0, len(table)
            )
            more.append(empty.scatter(found["row"], values))
    both = [column.name for column in more if column.name in table.columns]
    if both:
        raise UsageError(f"The file has a column {both[0]!r}, where an interval would stand.")
    return table.with_columns(more)


def written_like(cells: pl.Series, typed: pl.Series, values: pl.Series, mark: str) -> pl.Series:
    """Return values of a column as its cells are written: in text files with as many digits, say.

    `mark` is the decimal one.

    Examples
    --------
    >>> import polars as pl
    >>> cells = pl.Series(["1,5 kg", "2,25 kg", ""])
    >>> written_like(cells, pl.Series([1.5, 2.25, None]), pl.Series([1.23456]), ",").to_list()
    ['1,23 kg']
    >>> cells, typed = pl.Series([" yes", "no"]), pl.Series([True, False])
    >>> written_like(cells, typed, pl.Series([True]), ".").to_list()
    [' yes']
    """
    import polars as pl

    if cells.dtype != pl.String:
        return values.cast(cells.dtype) if values.dtype != cells.dtype else values
    there = cells.filter(typed.is_not_null())
    if typed.dtype == pl.String:
        return _as_levels(there, typed.drop_nulls(), values)
    if typed.dtype == pl.Boolean:
        own = {truth: _truth(there, truth) for truth in TRUTHS}
        return values.replace_strict(own, default=None, return_dtype=pl.String)
    words = there.str.strip_chars()
    if typed.dtype.is_numeric():
        return _as_numbers(words, values, mark)
    if typed.dtype == pl.Duration:
        return values.dt.to_string("iso")
    return _as_dates(words.head(SAMPLE), values)


def _as_levels(cells: pl.Series, levels: pl.Series, values: pl.Series) -> pl.Series:
    import polars as pl

    known = pl.DataFrame({"value": levels, "text": cells})
    known = known.unique("value", keep="first", maintain_order=True)
    return values.replace_strict(
        known["value"], known["text"], default=values, return_dtype=pl.String
    )


def _truth(cells: pl.Series, truth: bool) -> str:
    """Return how a column most often writes that something is true, or that it is not."""
    known, low = TRUTHS[truth], cells.str.strip_chars().str.to_lowercase()
    own = _most(cells.filter(low.is_in([*known])))
    return own or known[1 if low.is_in(["yes", "no"]).any() else 0]


def _as_numbers(words: pl.Series, values: pl.Series, mark: str) -> pl.Series:
    """Return numbers with as many digits behind the mark, and the units, that other cells have."""
    import polars as pl

    before, behind = _most(words.str.extract(AROUND)), _most(words.str.extract(BEHIND))
    if values.dtype.is_integer():
        text = values.cast(pl.String).to_list()
    elif words.str.contains("[0-9][eE][+-]?[0-9]").any():
        text = [f"{value:.6g}" for value in values]
    else:
        ends = words.str.extract(rf"[{mark}]([0-9]*){BEHIND}").drop_nulls()
        digits = min(max((len(some) for some in ends.unique()), default=0), MOST_DIGITS)
        text = [f"{value:.{digits}f}" for value in values]
    signed = [("-" * t.startswith("-"), t.lstrip("-").replace(".", mark)) for t in text]
    return pl.Series([f"{sign}{before}{number}{behind}" for sign, number in signed])


def _most(texts: pl.Series) -> str:
    """Return the most frequent text, or nothing."""
    found = texts.drop_nulls().mode(maintain_order=True)
    return str(found[0]) if len(found) else ""


def _as_dates(words: pl.Series, values: pl.Series) -> pl.Series:
    """Return dates and times in the style that most cells have, and else as ISO 8601 says."""
    import polars as pl

    dtype = values.dtype
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return values.dt.convert_time_zone("UTC").dt.to_string(ZONED)
    styles = DAYS if dtype == pl.Date else TIMES if dtype == pl.Time else MOMENTS
    return values.dt.to_string(max(styles, key=lambda style: _alike(words, style, dtype)))


def _alike(words: pl.Series, style: str, dtype: Any) -> int:
    """Return how many cells are, to the letter, dates in a style."""
    read = words.str.strptime(dtype, style.replace("%-", "%"), strict=False)
    return int((read.dt.to_string(style) == words).sum())

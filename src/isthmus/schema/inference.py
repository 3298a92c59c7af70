"""What the columns of a table are taken for, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from isthmus.schema.cells import Odd
from isthmus.schema.columns import MAX_LEVELS, WORDS, Column, has_nan, nan_missing
from isthmus.schema.condensing import Condensed
from isthmus.schema.details import detailed
from isthmus.schema.dtypes import type_text
from isthmus.schema.frames import Opened, opened
from isthmus.schema.identifiers import FEWEST
from isthmus.schema.leaving_out import reasons, warn_of
from isthmus.schema.schema import Schema
from isthmus.schema.seen import Seen, WholeColumn
from isthmus.words import KINDS, columns_named, did_you_mean, listed, suggestion

NEARLY = 0.95  # of the cells different: an identifier
LONG, WORDY = 30, 3  # characters and words of free text, on average
TAKES = {  # what a column may be taken for, by what it holds
    "numbers": ("number", "category", "boolean"),
    "truth values": ("boolean", "category", "number"),
    "text": ("category", "number", "boolean", "date"),
    "dates": ("date",),
    "times": ("time",),
    "durations": ("duration",),
}


class NothingToLearn(ValueError):
    """No column of a table is left."""


def infer_schema(
    X: Any,
    columns: Mapping[str, str] | None = None,
    *,
    warn: bool = True,
    constants: bool = False,
) -> Schema:
    """Return what the columns of a table are taken for, and why.

    * Truth values are "boolean", numbers "number", dates "date", times "time", durations "duration".
    * Text and the categories of a library are "category": up to 1,000 levels, by frequency. All
      other levels, and those that are first seen later, are one more, "other"; beyond 100 levels
      those that were seen once are among them.
    * Cells of several kinds (1 and "a") are a category by their text, and numbers in text too.
      Where more than 20 of the levels are numbers, the warning says how to take them as such.
    * Left out are, from 20 rows on, as identifiers: whole numbers without a missing cell that differ
      in all rows and leave out at most a third of those from the least to the greatest, in any order
      (1, 2, 3 and so on, shuffled, or two thirds of such rows; in steps of 10, if all are), and text
      of which 95 % of the cells differ; as free text, text of which half of the cells differ and that
      is longer than 30 characters or has 3 words or more, on average. Of any number of rows: columns
      of one value in all cells, and those without any cell.
    * Columns of an array, x0, x1 and so on, are numbers. Those without any cell are left out.

    Parameters
    ----------
    X : DataFrame of pandas or polars, Table of pyarrow, or ndarray of shape (n, d)
        The table.
    columns : mapping of str to str, optional
        What columns are to be taken for, of "number", "boolean", "category", "date", "time",
        "duration" and "ignore", by name.
    warn : bool
        Whether one warning names what is left out.
    constants : bool
        Whether columns of one value are taken in, as what they hold; a detector sees changes there.

    Returns
    -------
    Schema
        It says of each column what it is taken for.

    Raises
    ------
    ValueError
        For names that are not there or there twice, for cells that a column cannot hold, and where
        no column is left.

    Examples
    --------
    >>> import polars as pl
    >>> schema = infer_schema(pl.DataFrame({"age": [20, 30, None], "sex": ["f", "m", "f"]}))
    >>> print(schema.text())
    column  taken for  why
    age     number     whole numbers, some missing
    sex     category   text with 2 levels
    """
    table, asked = opened(X), {str(name): kind for name, kind in (columns or {}).items()}
    check_asked(asked, table.names)
    taken: dict[str, Seen] = {n: WholeColumn(c) for n, c in _cells(table, asked).items()}
    array = isinstance(X, np.ndarray)
    return _schema(table.names, taken, asked, array=array, warn=warn, constants=constants)


def infer_from_blocks(
    blocks: Iterable[Any],
    rows: int,
    columns: Mapping[str, str] | None = None,
    *,
    constants: bool = False,
) -> Schema:
    """Return what `infer_schema` returns of all rows at once, from blocks of them in any library.

    Of a column with more than a million different texts the rarest are not counted.
    """
    asked = {str(name): kind for name, kind in (columns or {}).items()}
    taken: dict[str, Condensed] = {}
    names: list[str] = []
    array = False
    for block in blocks:
        table, array = opened(block), isinstance(block, np.ndarray)
        if not names:
            names = table.names
            check_asked(asked, names)
        for name, cells in _cells(table, asked).items():
            if name not in taken:
                by_text = asked.get(name) == "category"
                taken[name] = Condensed(cells, rows, by_text=by_text)
            taken[name].see(cells)
    settled: dict[str, Seen] = {name: seen.settled() for name, seen in taken.items()}
    return _schema(names, settled, asked, array=array, warn=True, constants=constants)


def _schema(
    names: list[str],
    taken: dict[str, Seen],
    asked: dict[str, str],
    *,
    array: bool,
    warn: bool,
    constants: bool,
) -> Schema:
    """Return what columns are taken for by what was seen of them."""
    found = [_column(name, taken.get(name), asked.get(name), array, constants) for name in names]
    if all(c.kind == "ignore" for c in found):
        raise NothingToLearn(f"X has no column to learn from: {reasons(found) or 'it is empty'}.")
    if warn:
        warn_of([c for c in found if c.name not in asked], taken)
    return Schema(tuple(found))


def check_asked(asked: Mapping[str, str], names: list[str]) -> None:
    """Raise a ValueError for columns that are not there, and for unknown kinds."""
    known = set(names)
    for name, kind in asked.items():
        if name not in known:
            raise ValueError(
                f"The parameter columns names {name!r}, which X lacks.{suggestion(name, names)}"
            )
        if kind not in KINDS:
            raise ValueError(f"columns has {kind!r} for {name!r}.{did_you_mean(str(kind), KINDS)}")


def _cells(table: Opened, asked: Mapping[str, str]) -> dict[str, pl.Series]:
    """Return the columns that nobody asked to leave out; those that hold lists and such are refused."""
    taken: dict[str, pl.Series] = {}
    odd: dict[str, Odd] = {}
    for j, name in enumerate(table.names):
        if asked.get(name) != "ignore":
            cells = table.column(j)
            if isinstance(cells, Odd):
                odd[name] = cells
            else:
                taken[name] = _known(cells)
    if odd:
        _refuse(odd)
    return taken


def _known(cells: pl.Series) -> pl.Series:
    """Return cells with null for NaN."""
    if not cells.dtype.is_float() or not (cells.null_count() or has_nan(cells)):
        return cells
    return nan_missing(cells.to_numpy()).alias(cells.name)


def _refuse(odd: dict[str, Odd]) -> None:
    first = next(iter(odd.values()))
    names = [name for name, other in odd.items() if other.held == first.held]
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    raise ValueError(
        f"X has {first.held} in {columns_named(names[:5])}{more}{first.example}: {first.advice}, "
        f"or leave out what you do not need by columns={{{names[0]!r}: 'ignore'}}."
    )


def _column(
    name: str, seen: Seen | None, asked: str | None, array: bool, constants: bool
) -> Column:
    """Return what a column is taken for."""
    if seen is None:
        return Column(name, "ignore", "asked for")
    dtype, gaps = type_text(seen.cells.dtype), seen.missing > 0
    if seen.missing == seen.rows:
        _check_there(name, asked)
        return Column(name, "ignore", "without any cell", dtype=dtype)
    kind, why = _asked(name, seen.cells, asked) if asked else _kind(seen, array, constants)
    column = Column(name, kind, why, gaps=gaps, dtype=dtype)
    if kind == "ignore":
        return column
    column = detailed(seen, column)
    if array:
        column = replace(column, whole=False)
    why = "asked for" if asked else column.why
    return replace(column, why=f"{why}, some missing" if gaps else why)


def _check_there(name: str, asked: str | None) -> None:
    if asked:
        raise ValueError(
            f"The column {name!r} has no cell that could be taken for {asked!r}: all are missing."
        )


def holds(cells: pl.Series) -> str:
    """Return what a column holds, by its type."""
    dtype = cells.dtype
    if isinstance(dtype, WORDS):
        return "text"
    if dtype == pl.Boolean:
        return "truth values"
    if dtype == pl.Time:
        return "times"
    if isinstance(dtype, pl.Duration):
        return "durations"
    return "dates" if dtype.is_temporal() else "numbers"


def _asked(name: str, cells: pl.Series, kind: str) -> tuple[str, str]:
    what = holds(cells)
    if kind not in TAKES[what]:
        raise ValueError(
            f"The column {name!r} holds {what}, which can be taken for "
            f"{listed([repr(k) for k in (*TAKES[what], 'ignore')])}, not for {kind!r}."
        )
    return kind, "asked for"


def _kind(seen: Seen, array: bool, constants: bool) -> tuple[str, str]:
    """Return what a column is taken for that nobody asked about."""
    dtype = seen.cells.dtype
    if array:
        return "number", ""
    if not constants and constant(seen):
        return "ignore", "one value in all rows"
    if dtype == pl.String:
        return _text_kind(seen)
    if isinstance(dtype, WORDS) and _all_different(seen):
        return "ignore", "all different: an identifier"
    if dtype.is_integer() and seen.numbered:
        return "ignore", "numbered one by one: an identifier"
    return TAKES[holds(seen.cells)][0], ""


def constant(seen: Seen) -> bool:
    """Return whether all cells are there and alike."""
    if seen.missing or not seen.rows:
        return False
    return bool((seen.cells == seen.cells[0]).all())


def _all_different(seen: Seen) -> bool:
    """Return whether there are more categories than are kept, each seen once."""
    return seen.rows > MAX_LEVELS and seen.different + (seen.missing > 0) == seen.rows


def _text_kind(seen: Seen) -> tuple[str, str]:
    """Return whether text has levels, or tells cells apart, or is written freely."""
    n, different = seen.rows - seen.missing, seen.different
    if n < FEWEST or different <= n / 2:
        return "category", ""
    length, words = seen.length
    if length > LONG or words >= WORDY:
        return "ignore", "free text"
    if different == n:
        return "ignore", "all different: an identifier"
    if different > NEARLY * n:
        return "ignore", "nearly all different: an identifier"
    return "category", ""

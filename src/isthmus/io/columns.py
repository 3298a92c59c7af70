"""Which columns of a table are worked on, and which stand beside them."""

from __future__ import annotations

import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.io.bad_rows import reasons_of, row_problems
from isthmus.io.cells import only
from isthmus.io.choices import TableError
from isthmus.io.labels import column_words
from isthmus.io.numbers import numbers_of
from isthmus.io.table import Rows
from isthmus.io.typed import typed_of
from isthmus.words import columns_named, is_or_are, shortened, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from isthmus.io.table import Table


def choose_columns(
    table: Table,
    *,
    names: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    ignore: Sequence[str] = (),
    ids: Sequence[str] = (),
    weight: str | None = None,
    set_apart: bool = False,
    mixed: bool = False,
    kinds: Mapping[str, str] = MappingProxyType({}),
    asked: Mapping[str, str] = MappingProxyType({}),
    infinite: bool = False,
) -> Rows:
    """Take the columns to work on, the identifiers and the weights out of a table.

    A row index that pandas wrote is an identifier, unless it is asked for or left out.

    Parameters
    ----------
    table : Table
        What was read.
    names : sequence of str, optional
        The columns a model was fitted on: these are taken, in this order, and all others left.
    columns, ignore, ids : sequences of str
        The columns to take, to leave out and to carry through: names, or several with commas
        between. By default all columns are taken that are not in one of the other two. The name of
        a column of lists stands for all their elements.
    weight : str, optional
        The column with the weights of the rows.
    set_apart : bool
        Whether rows with a cell that is missing, no number or infinite are set apart, as
        `Rows.problems`, and not refused; where no row is left, they are refused all the same.
    mixed : bool
        Whether words, truths, dates and missing cells are taken too, and not numbers alone. Columns
        of text are typed by all their cells; a cell is bad only if it is infinite, or not what
        `kinds` says that its column is.
    kinds : mapping of str to str
        What columns of a mixed table are known to be, in the words of a schema.
    asked : mapping of str to str
        What columns of a mixed table are to be: cells of text that are no such things are missing, and
        a warning counts them.
    infinite : bool
        Whether infinite numbers of a mixed table are taken too.

    Returns
    -------
    Rows

    Raises
    ------
    TableError
        For unknown and missing columns, for columns that are not numeric, and for missing cells.
    """
    if isinstance(table.rows, np.ndarray):
        if columns or ignore or ids or weight is not None:
            raise TableError(
                f"{table.path} is an array without column names: --columns, --ignore, --id and "
                "--weight need a CSV or Parquet file."
            )
        problems = row_problems(table, (), gaps=mixed) if set_apart else None
        if problems is None or not _is_some(problems, table):
            return Rows(table.rows, pl.DataFrame(), lines=table.lines)
        some = table.only(problems.is_null()).rows
        return Rows(some, pl.DataFrame(), problems=problems, lines=table.lines)
    shares = _shared_out(table, names, columns, ignore, ids, weight)
    taken, weights = shares.taken, shares.weights
    if shares.numbering and names is None and not columns:
        _warn_of_index(table.path, shares.numbering)
    beside = table.text(shares.kept)
    _check_identifiers(table.path, beside)
    table = table._replace(is_for_model=names is not None)
    if mixed:
        X, problems = _typed(table, taken, kinds, asked, set_apart, infinite=infinite)
        good = table if problems is None else table.only(problems.is_null())
        weigh = numbers_of(good, weights).to_series().to_numpy() if weights else None
        return Rows(X, beside, weigh, problems, table.lines)
    numbers, problems = _numbers(table, list(dict.fromkeys([*taken, *weights])), set_apart)
    weigh = numbers[weights[0]].to_numpy() if weights else None
    return Rows(only(numbers, taken), beside, weigh, problems, table.lines)


class Shares(NamedTuple):
    """The columns of a table by what they are for."""

    taken: list[str]
    kept: list[str]
    weights: list[str]
    numbering: list[str]  # those kept that only number the rows


def used_columns(
    table: Table,
    *,
    names: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    ignore: Sequence[str] = (),
    ids: Sequence[str] = (),
    weight: str | None = None,
) -> list[str]:
    """Return the columns of a table that `choose_columns` looks at, so that no others need be read."""
    shares = _shared_out(table, names, columns, ignore, ids, weight)
    return list(dict.fromkeys([*shares.taken, *shares.kept, *shares.weights]))


def _shared_out(
    table: Table,
    names: Sequence[str] | None,
    columns: Sequence[str],
    ignore: Sequence[str],
    ids: Sequence[str],
    weight: str | None,
) -> Shares:
    """Return what columns are for, or raise a TableError for those that are not there."""
    kept, left, chosen = (_resolved(table, some) for some in (ids, ignore, columns))
    weights = [] if weight is None else _resolved(table, [weight])
    wanted = [*(chosen if names is None else names), *kept, *left, *weights]
    index, answers = (
        [n for n in some if n not in wanted] for some in (table.row_index, table.answers)
    )
    known = [*table.names, *table.unread]
    if names is not None:
        _check_needed(table.path, names, left, chosen)
    taken = _taken(table.path, known, names, chosen, [*kept, *left, *weights, *answers], index)
    kept += [*answers, *index]
    _check_read(table, [*taken, *kept, *weights])
    return Shares(taken, kept, weights, index)


def _numbers(
    table: Table, names: list[str], set_apart: bool
) -> tuple[pl.DataFrame, pl.Series | None]:
    """Return columns as numbers, and why rows were set apart, if some were."""
    try:
        return numbers_of(table, names), None
    except TableError:
        problems = row_problems(table, names) if set_apart else None
        if problems is None or not _is_some(problems, table):
            raise
    return numbers_of(table.only(problems.is_null()), names), problems


def _typed(
    table: Table,
    names: list[str],
    kinds: Mapping[str, str],
    asked: Mapping[str, str],
    set_apart: bool,
    *,
    infinite: bool,
) -> tuple[pl.DataFrame, pl.Series | None]:
    """Return columns with types, and why rows were set apart, if some were."""
    typed = typed_of(table, names, kinds, asked)
    problems = reasons_of(typed.bad_cells(), len(table.rows))
    if set_apart and _is_some(problems, table):
        return typed.frame.filter(problems.is_null()), problems
    typed.check(table, infinite=infinite)
    return typed.frame, None


def _is_some(problems: pl.Series, table: Table) -> bool:
    """Return whether some rows are bad, but not all: a file of which nothing is left is refused."""
    good = problems.null_count()
    return good < len(problems) and (table.is_part or good > 0)


def _check_needed(
    path: Path, names: Sequence[str], left: Sequence[str], chosen: Sequence[str]
) -> None:
    """Raise a TableError for a column of the model that the user leaves out."""
    lost = [n for n in names if n in left or (chosen and n not in chosen)]
    if lost:
        raise TableError(
            f"{path}: the model was fitted on {columns_named(lost)}, and needs what --"
            f"{'ignore' if lost[0] in left else 'columns'} leaves out: give it without."
        )


def _warn_of_index(path: Path, index: list[str]) -> None:
    warnings.warn(
        f"{path}: {columns_named(index)} {is_or_are(index)} the row index that pandas writes: an "
        f"identifier and not used; leave out with --ignore {','.join(index)!r}, or choose columns "
        "with --columns.",
        stacklevel=3,
    )


def _check_read(table: Table, wanted: list[str]) -> None:
    """Raise a TableError for a column that is wanted and could not be read."""
    bad = [name for name in wanted if name in table.unread]
    if bad:
        raise TableError(
            f"{table.path}: {columns_named(bad)} cannot be read, as {table.unread[bad[0]]}: leave "
            f"out with --ignore {','.join(bad)!r}, choose others with --columns, or write the "
            "file otherwise."
        )


def _check_identifiers(path: Path, ids: pl.DataFrame) -> None:
    """Raise a TableError for columns of which a cell is no single thing: no result could hold them."""
    bad = [c.name for c in ids if c.dtype.is_nested() or c.dtype == pl.Object]
    if bad:
        raise TableError(
            f"{path}: {columns_named(bad)} {is_or_are(bad)} no identifier, but {ids[bad[0]].dtype}: "
            "choose others with --id."
        )


def _resolved(table: Table, given: Sequence[str]) -> list[str]:
    """Return the columns' names: each entry is one name, or several with commas between."""
    known = dict.fromkeys([*table.names, *table.parts, *table.unread])
    wanted = [n for g in given for n in ([g] if g in known else map(str.strip, g.split(",")))]
    for name in wanted:
        if name not in known:
            raise TableError(
                f"{table.path} has no column {name!r}.{suggestion(name, known)} It has: "
                f"{shortened(list(known))}."
            )
    return list(dict.fromkeys(n for name in wanted for n in table.parts.get(name, [name])))


def _taken(
    path: Path,
    known: list[str],
    names: Sequence[str] | None,
    chosen: list[str],
    others: list[str],
    index: Sequence[str] = (),
) -> list[str]:
    """Return the columns to work on: those of the model, those chosen, or all but the others."""
    there, apart = set(known), {*others, *index}
    if names is not None:
        absent = [n for n in names if n not in there]
        if absent:
            raise TableError(
                f"{path} lacks {columns_named(absent)}, which the model was fitted on."
            )
        return list(names)
    both = [n for n in chosen if n in apart]
    if both:
        raise TableError(f"{path}: {columns_named(both)} cannot be both chosen and left out.")
    taken = chosen or [n for n in known if n not in apart]
    if not taken:
        used = (
            f" {columns_named(index)} {is_or_are(index)} taken for the row index that pandas writes"
        )
        hint = f":{used}; to use it, give --columns {','.join(index)!r}" if index else ""
        raise TableError(f"{path} has no columns left to work on{hint}.")
    return taken


def looks_headless(table: Table, names: Sequence[str]) -> bool:
    """Return whether the names of a text file's columns look like a row of data.

    They do if each is a number, or a word that stands in its column too.
    """
    if table.separator is None or not names or isinstance(table.rows, np.ndarray):
        return False
    numbers = pl.Series(names, dtype=pl.String).cast(pl.Float64, strict=False)
    rows, light = table.rows, {} if table.light is None else table.light.names
    return all(  # words among numbers are of missing cells
        number is not None or (name not in light and bool((column_words(rows[name]) == name).any()))
        for name, number in zip(names, numbers, strict=True)
    )

"""Columns of a table become numbers, or one sentence says which cell is none, and where it stands."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl
from polars import selectors

from isthmus.io.cells import first_cell, no_numbers, only, parsed, signs_of
from isthmus.io.choices import TableError
from isthmus.io.light import cells_of
from isthmus.words import columns_named, is_or_are

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.io.cells import Cells, Decimal
    from isthmus.io.table import Table

FLOATS = selectors.float()
HOLES = {
    "missing": (pl.all().is_null(), FLOATS.is_nan()),
    "infinite": (FLOATS.is_infinite(),),
}


def numbers_of(table: Table, names: Sequence[str]) -> pl.DataFrame:
    """Return columns as numbers without gaps, or raise an error that names the bad ones."""
    assert isinstance(table.rows, pl.DataFrame)
    frame = only(table.rows, names)
    if table.separator is not None:
        numbers = numbers_of_text(table, names)
    else:
        found = {column.name: as_numbers(column) for column in frame}
        odd = {name: str(frame[name].dtype) for name, column in found.items() if column is None}
        if odd:
            raise not_numeric(table, odd)
        numbers = pl.DataFrame([column for column in found.values() if column is not None])
    check_holes(table, numbers)
    return numbers


def as_numbers(column: pl.Series) -> pl.Series | None:
    """Return a typed column as numbers; None if it holds other things."""
    if column.dtype == pl.Boolean:
        return column.cast(pl.UInt8)
    if column.dtype == pl.Null:
        return column.cast(pl.Float64)
    if not column.dtype.is_numeric():
        return None
    without_numpy = column.dtype.is_decimal() or column.dtype in (pl.Int128, pl.UInt128)
    return column.cast(pl.Float64) if without_numpy else column


def leave_out(table: Table, names: Sequence[str], words: str) -> str:
    """Return the way out by leaving columns out, which those of a model have not."""
    return "" if table.is_for_model else f"{words} --ignore {','.join(names)!r}"


def not_numeric(table: Table, odd: Mapping[str, str]) -> TableError:
    """Return the error for columns that hold other things, each with an example or its type."""
    path, names = table.path, list(odd)
    if table.is_for_model:
        return TableError(
            f"{path}: {columns_named(names)} {is_or_are(names)} not numeric, and the model was fitted "
            f"on numbers ({odd[names[0]]})."
        )
    them = "them" if len(names) > 1 else "it"
    return TableError(
        f"{path}: {columns_named(names)} {is_or_are(names)} not numeric: leave {them} "
        f"out with --ignore {','.join(names)!r}, choose others with --columns, or carry "
        f"identifiers through with --id ({odd[names[0]]})."
    )


def check_holes(table: Table, frame: pl.DataFrame, kinds: Sequence[str] = tuple(HOLES)) -> None:
    """Raise a TableError that names the columns with missing or infinite cells, and how many."""
    for kind in kinds:
        holes = HOLES[kind]
        counts: Counter[str] = Counter()
        for hole in holes:
            counts.update(_facts(frame, hole.sum()))
        bad = {name: n for name, n in counts.items() if n}
        if bad:
            counted = ", ".join(f"{name!r} ({n})" for name, n in bad.items())
            rows = [row for hole in holes for row in _facts(frame, hole.arg_true().min()).values()]
            first = table.row(min(row for row in rows if row is not None))
            raise TableError(
                f"{table.path} has {kind} cells in {counted}: fill them or drop these rows first"
                f"{leave_out(table, list(bad), ', or leave the columns out with')} (the first is "
                f"in {first})."
            )


def _facts(frame: pl.DataFrame, fact: pl.Expr) -> dict[str, int]:
    """Return a fact of each column that it is asked of; one question, since columns may be many."""
    return next(iter(frame.select(fact).to_dicts()), {})


def numbers_of_text(table: Table, names: Sequence[str]) -> pl.DataFrame:
    """Return columns of text as numbers, with null for missing cells.

    Raises
    ------
    TableError
        For a column that is not numeric, a cell that is no number, and a decimal mark in doubt.
    """
    assert isinstance(table.rows, pl.DataFrame)
    columns = cells_of(only(table.rows, names), table.light)
    _check_cells(table, columns)
    decimal = decimal_of(table, columns)
    numbers = []
    for found in columns.values():
        cells = found.written(decimal)
        column, odd = parsed(cells, decimal)
        if odd is not None:
            cell = first_cell(cells.text, odd)
            raise TableError(
                f"{table.path}, {table.place(cell)} is no number where the {decimal} is the decimal "
                "mark, as it is elsewhere in the file: write all numbers alike."
            )
        numbers.append(column)
    return pl.DataFrame(numbers)


def _check_cells(table: Table, columns: Mapping[str, Cells]) -> None:
    """Raise a TableError for columns that are not numeric, or for a cell that is no number."""
    bad = {name: which for name, c in columns.items() if (which := no_numbers(c)) is not None}
    first = {name: first_cell(columns[name].text, which) for name, which in bad.items()}
    odd = [name for name, which in bad.items() if 2 * which.sum() > columns[name].text.count()]
    if odd:
        examples = {name: table.place(first[name], brief=True) for name in odd}
        raise not_numeric(table, examples)
    for name, which in bad.items():
        more = f", and so are {which.sum() - 1:,} more" if which.sum() > 1 else ""
        raise TableError(
            f"{table.path}, {table.place(first[name])} is no number{more}: mend it, or drop its row"
            f"{leave_out(table, [name], ' or the column, with')}; a cell that is missing is empty."
        )


def decimal_of(
    table: Table, columns: Mapping[str, Cells], way_out: str = "write all alike"
) -> Decimal:
    """Return the decimal mark of a text file: as the user says, or as its cells do."""
    if table.decimal is not None:
        return table.decimal
    if table.separator is None:
        return "point"
    signs = signs_of(columns.values())
    if signs.doubtful and not (signs.point or signs.comma):
        signs |= signs_of(_other_numbers(table, columns))
    if signs.point and signs.comma:
        raise TableError(
            f"{table.path} has numbers with a decimal point and others with a decimal comma "
            f"({table.place(signs.point)}, {table.place(signs.comma)}): {way_out}."
        )
    if signs.point or signs.comma or signs.doubtful is None:
        return "comma" if signs.comma else "point"
    if _only_points_between_commas(table, columns):
        return "point"
    raise TableError(
        f"{table.path}, {table.place(signs.doubtful)}: its mark may be a decimal one or one between "
        "thousands, and no other cell tells: say which mark is decimal, with --decimal point or "
        "--decimal comma."
    )


def _other_numbers(table: Table, columns: Mapping[str, Cells]) -> Iterator[Cells]:
    """Yield the columns that are not asked for but hold numbers alone."""
    assert isinstance(table.rows, pl.DataFrame)
    others = only(table.rows, (n for n in table.rows.columns if n not in columns))
    cells = cells_of(others, table.light).values()
    return (found for found in cells if no_numbers(found) is None)


def _only_points_between_commas(table: Table, columns: Mapping[str, Cells]) -> bool:
    """Return whether no comma is in a cell, since commas separate cells: then points are decimal."""
    several = isinstance(table.rows, pl.DataFrame) and table.rows.width > 1
    return (
        several
        and table.separator == ","
        and not any(c.text.str.contains(",").any() for c in columns.values() if c.source is None)
    )

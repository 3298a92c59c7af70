"""Cells of a column of any library as a polars column of numbers, truth values, text or dates."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from numbers import Complex, Real
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isthmus.schema.columns import WORDS


class Odd(NamedTuple):
    """What a column holds that no column may hold, what to do, and an example."""

    held: str
    advice: str = "leave it out"
    example: str = ""


LISTS = Odd("lists", "make a column of each element")
RECORDS = Odd("records", "make a column of each field")
BINARY = Odd("binary data", "turn it into text")
COMPLEX = Odd("complex numbers", "make columns of their real and imaginary parts")
OTHERS = Odd("other things than numbers, text and dates", "turn them into text")
SPARSE = Odd("sparse cells", "give X.sparse.to_dense()")
OF_CELLS: list[tuple[tuple[type, ...], Odd]] = [
    ((list, tuple, set, frozenset, np.ndarray, pl.Series), LISTS),
    ((dict,), RECORDS),
    ((bytes, bytearray, memoryview), BINARY),
    ((Complex,), COMPLEX),
]
NUMBERS = (Real, Decimal, np.bool_)
SCALARS = (str, Real, Decimal, np.bool_, dt.date, dt.time, dt.timedelta, np.datetime64)


def settled(series: pl.Series) -> pl.Series | Odd:
    """Return a polars column of a type that the rest knows, or what it holds instead."""
    dtype = series.dtype
    if dtype == pl.Object:
        return from_objects(series.name, series.to_list())
    if isinstance(dtype, pl.List | pl.Array):
        return _with_example(LISTS, series)
    if isinstance(dtype, pl.Struct):
        return _with_example(RECORDS, series)
    if dtype == pl.Binary:
        return BINARY
    known = dtype.is_numeric() or dtype.is_temporal() or dtype in (pl.Boolean, pl.Null)
    return series if known or isinstance(dtype, WORDS) else OTHERS


def _with_example(odd: Odd, series: pl.Series) -> Odd:
    rows = series.is_not_null().arg_true()
    return _in_row(odd, rows[0], series.gather(rows[:1]).to_list()[0]) if len(rows) else odd


def _in_row(odd: Odd, row: int, cell: object) -> Odd:
    return odd._replace(example=f" ({str(cell)[:40]!r} in row {row})")


def from_objects(name: str, cells: list[Any]) -> pl.Series | Odd:
    """Return objects of Python as a column, None where one is missing; mixed cells as text."""
    cells = _without_nan(cells)
    types = set(map(type, cells)) - {type(None)}
    for kinds, make in MAKERS:
        if all(issubclass(t, kinds) for t in types):
            return _made(name, cells, make)
    if all(issubclass(t, SCALARS) for t in types):
        return pl.Series(name, [None if c is None else _text(c) for c in cells], dtype=pl.String)
    return _odd(cells)


def _made(name: str, cells: list[Any], make: Any) -> pl.Series:
    try:
        return make(cells).alias(name)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise ValueError(
            f"The cells of the column {name!r} cannot be read together: {str(error)[:200]}."
        ) from None


def _without_nan(cells: list[Any]) -> list[Any]:
    """Return cells with None for NaN, NaT and NA."""
    names = {t.__name__ for t in set(map(type, cells))}
    if not names & {
        "float",
        "float64",
        "float32",
        "NAType",
        "NaTType",
        "datetime64",
        "timedelta64",
    }:
        return cells
    return [None if _missing(c) else c for c in cells]


def _missing(cell: Any) -> bool:
    return type(cell).__name__ in ("NAType", "NaTType") or bool(np.ndim(cell) == 0 and cell != cell)


def _text(cell: Any) -> str:
    """Return a cell's text, where whole numbers have no point."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _booleans(cells: list[Any]) -> pl.Series:
    return pl.Series([None if c is None else bool(c) for c in cells], dtype=pl.Boolean)


def _strings(cells: list[Any]) -> pl.Series:
    return pl.Series(cells, dtype=pl.String)


def _whole(cells: list[Any]) -> pl.Series:
    try:
        return pl.Series([None if c is None else int(c) for c in cells], dtype=pl.Int64)
    except (OverflowError, TypeError):
        return _floats(cells)


def _floats(cells: list[Any]) -> pl.Series:
    return pl.Series([None if c is None else float(c) for c in cells], dtype=pl.Float64)


def _dates(cells: list[Any]) -> pl.Series:
    if any(isinstance(c, dt.datetime) for c in cells):
        return pl.Series([_datetime(c) for c in cells], dtype=_zoned(cells))
    return pl.Series(cells, dtype=pl.Date)


def _zoned(cells: list[Any]) -> pl.Datetime:
    aware = any(isinstance(c, dt.datetime) and c.tzinfo is not None for c in cells)
    return pl.Datetime("us", "UTC" if aware else None)


def _datetime(cell: Any) -> Any:
    """Return a date as the moment when it begins."""
    if cell is None or isinstance(cell, dt.datetime):
        return cell
    return dt.datetime.combine(cell, dt.time())


def _numpy_dates(cells: list[Any]) -> pl.Series:
    return pl.Series(np.array(cells, "datetime64[us]"))


def _times(cells: list[Any]) -> pl.Series:
    return pl.Series(cells, dtype=pl.Time)


def _durations(cells: list[Any]) -> pl.Series:
    return pl.Series(np.array(cells, "timedelta64[us]"))


def _nothing(cells: list[Any]) -> pl.Series:
    return pl.Series(cells, dtype=pl.Null)


MAKERS: list[tuple[tuple[type, ...], Any]] = [
    ((), _nothing),
    ((str,), _strings),
    ((bool, np.bool_), _booleans),
    ((int, np.integer), _whole),
    ((Decimal,), pl.Series),
    (NUMBERS, _floats),
    ((dt.date,), _dates),
    ((np.datetime64,), _numpy_dates),
    ((dt.time,), _times),
    ((dt.timedelta, np.timedelta64), _durations),
]


def _odd(cells: list[Any]) -> Odd:
    """Return what cells hold that no column may hold, by the first such cell."""
    for row, cell in enumerate(cells):
        if cell is None or isinstance(cell, SCALARS):
            continue
        for kinds, odd in OF_CELLS:
            if isinstance(cell, kinds):
                return _in_row(odd, row, cell)
        return _in_row(OTHERS, row, cell)
    return OTHERS

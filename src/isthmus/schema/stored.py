"""A schema as what JSON can hold, and back; what comes from a file is checked."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from isthmus.schema.columns import CYCLES, UNITS, WORDS, Column
from isthmus.schema.dates import LAST, to_local
from isthmus.schema.dtypes import TEMPORAL, type_of
from isthmus.words import KINDS

MOST_COLUMNS = 1_000_000
MOST_LEVELS = 1_000_000  # of all columns together
LONGEST = 10_000  # characters of a name, a reason or a level
DEFAULTS = {f.name: f.default for f in fields(Column) if f.default is not MISSING}
OF_NUMBERS = ("number", "boolean", "category")
OF_TEXT = (*OF_NUMBERS, "date")
LARGEST = {"date": LAST, "time": 86400.0, "duration": 9e9}  # of a range
BY_TYPE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("name", "kind", "why", "unit", "dtype"), (str,)),
    **dict.fromkeys(("other", "whole", "gaps"), (bool,)),
    **dict.fromkeys(("low", "high"), (int, float, type(None))),
    **dict.fromkeys(("levels", "cycles"), (list,)),
}


def as_plain(column: Column) -> dict[str, Any]:
    """Return what is known of a column, without what is as by default."""
    plain = {f.name: getattr(column, f.name) for f in fields(Column)}
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}
    return {k: v for k, v in plain.items() if v != _default(k)}


def _default(name: str) -> Any:
    value = DEFAULTS.get(name)
    return list(value) if isinstance(value, tuple) else value


def from_plain(plain: Any) -> tuple[Column, ...]:
    """Return the columns that a file tells of.

    Raises
    ------
    ValueError
        If anything of it is not as `as_plain` writes it, or beyond the bounds.
    """
    listed = plain.get("columns") if isinstance(plain, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_COLUMNS:
        raise ValueError(f"a schema has from 1 to {MOST_COLUMNS:,} columns")
    if sum(_levels(entry) for entry in listed) > MOST_LEVELS:
        raise ValueError(f"a schema has at most {MOST_LEVELS:,} levels")
    columns = tuple(_column(entry) for entry in listed)
    if len({c.name for c in columns}) < len(columns):
        raise ValueError("a schema has no two columns of one name")
    if all(c.kind == "ignore" for c in columns):
        raise ValueError("a schema has a column that is not left out")
    return columns


def _levels(entry: Any) -> int:
    levels = entry.get("levels", ()) if isinstance(entry, dict) else ()
    return len(levels) if isinstance(levels, list) else 0


def _column(entry: Any) -> Column:
    """Return a column from a file's entry."""
    right = isinstance(entry, dict) and {"name", "kind", "why"} <= set(entry) <= set(BY_TYPE)
    if not right:
        raise ValueError("a column of a schema has other fields than it should")
    for name, value in entry.items():
        _check_type(name, value)
    known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    column = Column(**known)
    _check_words(column)
    _check_range(column)
    _check_levels(column)
    return column


def _check_type(name: str, value: Any) -> None:
    kinds = BY_TYPE[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{name!r} of a column is of another type")
    if isinstance(value, str):
        _check_text(value, f"{name!r} of a column")


def _check_text(text: str, what: str) -> None:
    if len(text) > LONGEST:
        raise ValueError(f"{what} has more than {LONGEST:,} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} has half of a character, which UTF-8 does not know") from None


def _check_words(column: Column) -> None:
    if column.kind not in KINDS or column.unit not in ("", *UNITS):
        raise ValueError(f"the column {column.name[:40]!r} is of an unknown kind or unit")
    if column.cycles != tuple(c for c in CYCLES if c in column.cycles):
        raise ValueError(f"the column {column.name[:40]!r} has unknown cycles")
    if column.kind != "ignore" and not _fits(column):
        raise ValueError(
            f"the column {column.name[:40]!r} is of a type that its kind does not have"
        )


def _fits(column: Column) -> bool:
    """Return whether a column's type is one of its kind; a time zone must be known."""
    dtype = type_of(column.dtype)
    if column.zone:
        to_local(np.zeros(1), column.zone)
    if dtype.is_temporal():
        return dtype.base_type() in TEMPORAL.get(column.kind, ())
    return column.kind in OF_TEXT if isinstance(dtype, WORDS) else column.kind in OF_NUMBERS


def _check_range(column: Column) -> None:
    ends = [end for end in (column.low, column.high) if end is not None]
    if len(ends) == 1 or not all(abs(e) <= LARGEST.get(column.kind, 1e308) for e in ends):
        raise ValueError(f"the range of the column {column.name[:40]!r} is too wide")
    if len(ends) == 2 and ends[0] > ends[1]:
        raise ValueError(f"the range of the column {column.name[:40]!r} ends before it begins")


def _check_levels(column: Column) -> None:
    if (column.kind == "category") != bool(column.levels):
        raise ValueError(f"the column {column.name[:40]!r} has levels where it should not, or none")
    for level in column.levels:
        _check_level(level)
    if len(set(column.level_texts)) < len(column.levels):
        raise ValueError(f"the column {column.name[:40]!r} has a level twice")


def _check_level(level: Any) -> None:
    if not isinstance(level, str | int | float | bool):
        raise ValueError("a level is text, a number or a truth value")
    if isinstance(level, str):
        _check_text(level, "a level")
    if not isinstance(level, str) and not abs(level) < 2**127:
        raise ValueError("a level that is a number is finite and below 2^127")

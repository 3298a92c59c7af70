"""The one warning of what is left out of a table, and of what might be numbers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import polars as pl

from isthmus.schema.columns import WORDS, Column
from isthmus.schema.encoding import parsed
from isthmus.words import shortened

SHOWN = 20  # names of columns for each reason
TO_ASK = 20  # numbers in text, beyond which the warning says how to take them as numbers
NEARLY = 0.9  # of the levels are numbers


def warn_of(columns: list[Column], taken: Mapping[str, pl.Series]) -> None:
    """Say in one sentence what of these columns is left out, and what might be numbers."""
    left = [c for c in columns if c.kind == "ignore"]
    digits = [c.name for c in columns if _digits(taken[c.name], c)]
    said = []
    if left:
        said.append(f"these columns are left out: {reasons(left)}{_how(left, taken)}")
    if digits:
        shown = shortened([repr(name) for name in digits], SHOWN)
        said.append(
            f"the text of {shown} is mostly numbers: columns={{{digits[0]!r}: "
            "'number'} takes it as such"
        )
    if said:
        text = "; and ".join(said)
        warnings.warn(f"{text[0].upper()}{text[1:]}.", stacklevel=3)


def reasons(columns: list[Column]) -> str:
    """Return the names of columns by the reason why they are left out."""
    by_why: dict[str, list[str]] = {}
    for column in columns:
        by_why.setdefault(column.why, []).append(repr(column.name))
    return ", ".join(f"{shortened(names, SHOWN)} ({why})" for why, names in by_why.items())


def _how(left: list[Column], taken: Mapping[str, pl.Series]) -> str:
    """Return how a column is taken in all the same, for one that has cells."""
    name = next((c.name for c in left if taken[c.name].null_count() < len(taken[c.name])), None)
    if name is None:
        return ""
    return f"; columns={{{name!r}: {_way(taken[name])!r}}} takes one in all the same"


def _way(cells: pl.Series) -> str:
    """Return what a column that was left out would be taken for."""
    if isinstance(cells.dtype, WORDS):
        return "category"
    if cells.dtype.is_temporal():
        return {pl.Time: "time", pl.Duration: "duration"}.get(cells.dtype.base_type(), "date")
    return "boolean" if cells.dtype == pl.Boolean else "number"


def _digits(cells: pl.Series, column: Column) -> bool:
    """Return whether text has many levels that are numbers; codes such as 007 are none."""
    if cells.dtype != pl.String or column.kind not in ("category", "ignore"):
        return False
    text = (cells if column.kind == "ignore" else pl.Series(column.levels)).drop_nulls()
    text = text.head(10_000)
    known = parsed(text).is_not_null() & ~text.str.contains(r"^\s*0\d")
    count = int(known.sum())
    return count > TO_ASK and count >= NEARLY * len(text)

"""The one warning of what is left out of a table, and of what might be numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import polars as pl

from isthmus.schema.columns import WORDS, Column
from isthmus.schema.dates import read_dates
from isthmus.schema.encoding import parsed
from isthmus.schema.seen import Seen
from isthmus.words import shortened

SHOWN = 20  # names of columns for each reason
TO_ASK = 20  # numbers in text, beyond which the warning says how to take them as numbers
NEARLY = 0.9  # of the levels are numbers


def warn_of(columns: list[Column], taken: Mapping[str, Seen]) -> None:
    """Say in one sentence what of these columns is left out, and what might be numbers."""
    left = [c for c in columns if c.kind == "ignore"]
    nearly = {
        kind: [c.name for c in columns if _is_nearly(taken.get(c.name), c, read)]
        for kind, read in (("number", _read_numbers), ("date", _read_dates))
    }
    said = []
    if left:
        known = {name for names in nearly.values() for name in names}
        said.append(f"these columns are left out: {reasons(left)}{_how(left, known, taken)}")
    for kind, names in nearly.items():
        if names:
            shown = shortened([repr(name) for name in names], SHOWN)
            said.append(
                f"the text of {shown} is mostly {kind}s: columns={{{names[0]!r}: {kind!r}}} takes it "
                f"as such{_but_for(taken[names[0]].cells, kind)}"
            )
    if said:
        text = "; and ".join(said)
        warnings.warn(f"{text[0].upper()}{text[1:]}.", stacklevel=4)


def reasons(columns: list[Column]) -> str:
    """Return the names of columns by the reason why they are left out."""
    by_why: dict[str, list[str]] = {}
    for column in columns:
        by_why.setdefault(column.why, []).append(repr(column.name))
    return ", ".join(f"{shortened(names, SHOWN)} ({why})" for why, names in by_why.items())


def _how(left: list[Column], known: set[str], taken: Mapping[str, Seen]) -> str:
    """Return how a column is taken in all the same, for one that has cells and is not known better."""
    there = [c.name for c in left if taken[c.name].missing < taken[c.name].rows]
    name = next((name for name in there if name not in known), None)
    if name is None:
        return ""
    return f"; columns={{{name!r}: {_way(taken[name].cells)!r}}} takes one in all the same"


def _way(cells: pl.Series) -> str:
    """Return what a column that was left out would be taken for."""
    if isinstance(cells.dtype, WORDS):
        return "category"
    if cells.dtype.is_temporal():
        return {pl.Time: "time", pl.Duration: "duration"}.get(cells.dtype.base_type(), "date")
    return "boolean" if cells.dtype == pl.Boolean else "number"


def _read_numbers(text: pl.Series) -> pl.Series:
    """Return the numbers of text; codes such as 007 are none."""
    return parsed(text).set(text.str.contains(r"^\s*0\d"), None)


def _read_dates(text: pl.Series) -> pl.Series:
    return read_dates(text.str.strip_chars())


def _but_for(cells: pl.Series, kind: str) -> str:
    """Return what must be of cells that are not of a kind, if there are some."""
    read = _read_dates if kind == "date" else parsed
    return (
        ", all other cells being missing" if read(cells).null_count() > cells.null_count() else ""
    )


def _is_nearly(seen: Seen | None, column: Column, read: Callable[[pl.Series], pl.Series]) -> bool:
    """Return whether nearly all of the many levels of text can be read as something else."""
    cells = None if seen is None else seen.cells
    text = cells is not None and cells.dtype == pl.String
    if cells is None or not text or column.kind not in ("category", "ignore"):
        return False
    levels = cells if column.kind == "ignore" else pl.Series(column.levels, dtype=pl.String)
    some = levels.drop_nulls().head(10_000)
    count = len(some) - read(some).null_count()
    return count > TO_ASK and count >= NEARLY * len(some)

"""Checks of single columns: constant ones, identifiers that repeat, types that do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.audit.findings import (
    Finding,
    count_of,
    cut,
    first_rows,
    guesses_at,
    of_cells,
    share_text,
    value_text,
)
from isthmus.audit.profile import NUMBER, is_mark
from isthmus.words import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.audit.profile import Column, Profile

ALMOST = 0.995  # the share of one value in a column that is almost constant
FEW = 5  # exceptions that are worth a warning
SHOWN = 4  # values in a sentence
MOST_NAMES = 6
MEASURE = r"^\s*([$\u20ac\u00a3]?)\s*[+-]?\d[\d,.\s']*\s*([%\u00b0A-Za-z$\u20ac\u00a3]{0,6})\s*$"


def constant_columns(profile: Profile) -> Iterator[Finding]:
    """Yield columns that say nothing, or nearly nothing."""
    for column in profile:
        if column.n_distinct == 0 and profile.n_rows:
            yield Finding(
                "empty column", "warning", f"{column.name} has no value at all.", (column.name,)
            )
        elif column.n_distinct == 1:
            yield _constant(column)
        elif column.distinct["count"][0] >= ALMOST * column.n_known:
            yield _almost_constant(column)


def _constant(column: Column) -> Finding:
    value = value_text(column.distinct["value"][0])
    where = " wherever it is there" if column.n_missing else " in every row"
    numbers = {"missing": column.n_missing}
    text = f"{column.name} is {value}{where}, and so tells no row from another."
    return Finding("constant column", "warning", text, (column.name,), numbers=numbers)


def _almost_constant(column: Column) -> Finding:
    usual, rest = column.distinct["value"][0], column.distinct[1:]
    rows = column.rows_of(rest["code"].to_numpy())
    few = len(rows) <= FEW and column.n_known >= 1000
    text = (
        f"{column.name} is {value_text(usual)} in all but {count_of(len(rows), 'row')} "
        f"({share_text(len(rows), column.n_known)})."
    )
    guesses = guesses_at(rows, column.name, value_text(usual), 0.5) if few else ()
    severity, names = "warning" if few else "note", (column.name,)
    numbers = {"exceptions": len(rows), "share": len(rows) / column.n_known}
    return Finding(
        "almost constant column",
        severity,
        text,
        names,
        first_rows(rows),
        len(rows),
        numbers,
        guesses,
    )


def repeated_identifiers(profile: Profile) -> Iterator[Finding]:
    """Yield columns whose values all differ, but for few that repeat."""
    for column in profile:
        twice = column.distinct.filter(pl.col("count") > 1)
        if column.is_identifier and twice.height:
            rows = column.rows_of(twice["code"].to_numpy())
            known = [value_text(v) for v in twice["value"].to_list()]
            text = (
                f"{column.name} looks like an identifier, but {count_of(twice.height, 'value')} "
                f"{'repeats' if twice.height == 1 else 'repeat'}: {shortened(known, SHOWN)}."
            )
            numbers = {"repeated": twice.height}
            yield Finding(
                "repeated identifiers",
                "warning",
                text,
                (column.name,),
                first_rows(rows),
                len(rows),
                numbers,
            )


def missing_marks(profile: Profile) -> Iterator[Finding]:
    """Yield the columns in which words such as '?' stand for missing values."""
    rows, words = {}, set()
    for column in profile.texts():
        marks = column.distinct.filter(is_mark("value"))
        if 0 < marks.height < column.n_distinct:
            rows[column.name] = column.rows_of(marks["code"].to_numpy())
            words |= {value_text(v) for v in marks["value"].to_list()}
    if rows:
        count = sum(map(len, rows.values()))
        names = [f"{name} ({len(found):,})" for name, found in rows.items()]
        text = (
            f"{count_of(count, 'cell says', 'cells say')} {shortened(sorted(words), SHOWN)}, which "
            f"seems to mean that a value is missing: {shortened(names, MOST_NAMES)}."
        )
        yield of_cells("missing marks", "warning", text, rows)


def mixed_types(profile: Profile) -> Iterator[Finding]:
    """Yield columns of text that are numbers, with a unit or without, or partly numbers."""
    plain = []
    for column in profile.texts():
        known = column.distinct.filter(~is_mark("value"))
        numeric = known.filter(pl.col("value").str.contains(NUMBER))
        share = int(numeric["count"].sum()) / max(int(known["count"].sum()), 1)
        if share == 1:
            plain.append(column.name)
        elif share >= 0.5 and known.height - numeric.height <= 0.5 * known.height:
            yield _mostly_numbers(column, known, share)
        elif known.height and share < 0.05:
            yield from _with_units(column, known)
        elif 0.05 <= share < 0.5 and known.height > 10:
            yield _partly_numbers(column, share)
    if plain:
        hold = "holds" if len(plain) == 1 else "hold"
        text = f"{shortened(plain, MOST_NAMES)} {hold} numbers that are written as text."
        yield Finding("numbers in text", "note", text, tuple(plain))


def _mostly_numbers(column: Column, known: pl.DataFrame, share: float) -> Finding:
    odd = known.filter(~pl.col("value").str.contains(NUMBER))
    rows = column.rows_of(odd["code"].to_numpy())
    words = [value_text(v) for v in odd["value"].to_list()]
    text = (
        f"{column.name} holds numbers, but {count_of(len(rows), 'cell')} "
        f"{'is none' if len(rows) == 1 else 'are none'}: {shortened(words, SHOWN)}."
    )
    guesses = guesses_at(rows, column.name, "a number", 0.9) if share >= 0.95 else ()
    return Finding(
        "mixed types",
        "error" if share >= 0.95 else "warning",
        text,
        (column.name,),
        first_rows(rows),
        len(rows),
        {"share of numbers": float(share)},
        guesses,
    )


def _partly_numbers(column: Column, share: float) -> Finding:
    text = f"{column.name} mixes words with numbers: {100 * share:.0f} % of its cells are numbers."
    numbers = {"share of numbers": float(share)}
    return Finding("mixed types", "note", text, (column.name,), numbers=numbers)


def _with_units(column: Column, known: pl.DataFrame) -> Iterator[Finding]:
    """Yield a column whose cells are numbers with units, and the units if they are several."""
    parts = known.with_columns(
        before=pl.col("value").str.extract(MEASURE, 1),
        after=pl.col("value").str.extract(MEASURE, 2),
    ).with_columns(unit=pl.col("before") + pl.col("after").str.to_lowercase())
    units = parts.drop_nulls("unit").group_by("unit").agg(pl.col("count").sum(), pl.col("code"))
    units = units.sort("count", "unit", descending=[True, False])
    whole, every = int(units["count"].sum()), int(known["count"].sum())
    if not units.height or whole < 0.95 * every or units.height > 5:
        return
    rare = np.array(units["code"][1:].explode(empty_as_null=False).to_list(), int)
    rows = column.rows_of(rare)
    names = shortened([f"'{cut(u)}'" if u else "without" for u in units["unit"].to_list()], SHOWN)
    several = f"in several units ({names})" if units.height > 1 else f"with the unit {names}"
    text = f"{column.name} holds numbers that are written as text, {several}."
    severity = "warning" if units.height > 1 else "note"
    yield Finding("numbers in text", severity, text, (column.name,), first_rows(rows), len(rows))


def nested_columns(profile: Profile) -> Iterator[Finding]:
    """Yield columns whose cells are lists, records, bytes or objects, which no check looks into."""
    plain = {column.name for column in profile}
    for series in profile.frame.get_columns():
        if series.name not in plain:
            text = f"{series.name} holds {series.dtype}, which is not looked into."
            yield Finding("nested column", "note", text, (series.name,))

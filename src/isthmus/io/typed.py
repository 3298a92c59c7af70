"""Columns of a table with the types that they have, or that the text of all their cells shows.

What a column of text is follows from its whole length: numbers, dates, times or truths if every cell
that is there is one, else words. Where it is known what a column is, a cell that is no such thing is
a bad one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from isthmus.io.cells import (
    cell_at,
    first_cell,
    has_code,
    has_units,
    loosened,
    no_numbers,
    only,
    parsed,
    truths,
)
from isthmus.io.choices import TableError
from isthmus.io.labels import column_words
from isthmus.io.light import cells_of
from isthmus.io.notes import FEW, OPEN_ORDER, Notes, Odd
from isthmus.io.numbers import as_numbers, check_holes, decimal_of, leave_out
from isthmus.schema import TwoReadings, as_dates, as_spans, as_times, dates_by_style
from isthmus.words import columns_named, is_or_are

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from isthmus.io.cells import Cells
    from isthmus.io.table import Table

    Reader = Callable[[pl.Series], pl.Series | None]

PAIRS = ({"true": True, "false": False}, {"yes": True, "no": False}, {"1": True, "0": False})
WAY_OUT = "write all alike, or say which mark is decimal, with --decimal: others are text then"


class Typed(NamedTuple):
    """Columns with their types, null for missing cells, and the bad cells that were left out."""

    frame: pl.DataFrame
    odd: list[Odd]

    def bad_cells(self) -> Iterator[tuple[int, str]]:
        """Yield for each cell that no model can take its row and what is wrong."""
        for text, which, verdict in self.odd:
            for row in which.arg_true():
                yield row, f"{text.name} is {text[row]!r}, {verdict}"
        for column in self.frame:
            if column.dtype.is_float():
                for row in column.is_infinite().arg_true():
                    yield row, f"{column.name} is infinite"

    def check(self, table: Table, *, infinite: bool = False) -> None:
        """Raise a TableError that names the first bad cell, if there is one; some may be infinite."""
        for odd in self.odd:
            way_out = leave_out(table, [odd.text.name], " or the column, with")
            place = table.place(first_cell(odd.text, odd.which))
            raise TableError(
                f"{table.path}, {place} is {odd.verdict}{odd.more}: mend it, or drop its row{way_out}; "
                "a cell that is missing is empty."
            )
        check_holes(table, self.frame, [] if infinite else ["infinite"])


def typed_of(
    table: Table, names: Sequence[str], kinds: Mapping[str, str], asked: Mapping[str, str]
) -> Typed:
    """Return columns with types; `kinds` says what some of them are, in the words of a schema.

    So does `asked`, by which cells that are no such things are missing, and not bad.

    Raises
    ------
    TableError
        For columns of lists and the like, and for marks of numbers and orders of dates in doubt.
    """
    assert isinstance(table.rows, pl.DataFrame)
    frame = only(table.rows, names)
    _check_single(table, frame)
    known, asked = ({n: kind for n, kind in k.items() if kind != "ignore"} for k in (kinds, asked))
    every = {**known, **asked}
    of_text = [c for c in frame if _needs_reading(table, c, every.get(c.name))]
    text = _Text(table, _as_text(table, of_text, every), known, asked)
    found = text.typed()
    columns = [found.get(c.name, c) for c in frame]
    numbers = [as_numbers(c) for c in columns if c.dtype.is_numeric()]
    whole = pl.DataFrame(numbers if len(numbers) == len(columns) else columns)
    return Typed(whole.fill_nan(None), text.odd)


def _check_single(table: Table, frame: pl.DataFrame) -> None:
    """Raise a TableError for columns whose cells are no single things."""
    bad = [c.name for c in frame if c.dtype.is_nested() or c.dtype in (pl.Object, pl.Binary)]
    if bad:
        raise TableError(
            f"{table.path}: {columns_named(bad)} {is_or_are(bad)} neither numbers, words nor dates "
            f"({frame[bad[0]].dtype}){leave_out(table, bad, ': leave out with')}."
        )


def _as_text(table: Table, columns: Sequence[pl.Series], kinds: Mapping[str, str]) -> pl.DataFrame:
    """Return columns as text, but those as they are that were read as numbers and are to be such."""
    light = {} if table.light is None else table.light.names
    others = [n for n in light if kinds.get(n, "number") != "number"]
    words = table.text([c.name for c in columns if c.name in others])
    return pl.DataFrame(
        [
            words[c.name]
            if c.name in words.columns
            else c
            if c.name in light
            else c.cast(pl.String)
            for c in columns
        ]
    )


def _needs_reading(table: Table, column: pl.Series, kind: str | None) -> bool:
    """Return whether cells are text that may say more: in files without types, or as is known."""
    if table.separator is not None:
        return True
    if kind is None:
        return table.worded_dates and column.dtype == pl.String
    worded = isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum)
    return worded and (kind == "number" or kind in READ)


# -- text ----------------------------------------------------------------------------------------


def _truths(words: pl.Series) -> pl.Series | None:
    """Return words for true and false, of one pair, as such; None if there are none."""
    low = words.str.to_lowercase()
    for pair in PAIRS:
        if low.is_in([*pair]).any():
            return low.replace_strict(pair, default=None, return_dtype=pl.Boolean)
    return None


READ: dict[str, tuple[Reader, str]] = {  # and what a cell is that cannot be read
    "date": (as_dates, "no date"),
    "time": (as_times, "no time of day"),
    "boolean": (_truths, "neither true nor false"),
    "duration": (as_spans, "no span of time"),
}
DATED = ("date", "time")
GUESSED = (*DATED, "boolean")


class _Text:
    """Columns of text, read together: the numbers of a file share their decimal mark."""

    def __init__(
        self, table: Table, frame: pl.DataFrame, known: Mapping[str, str], asked: Mapping[str, str]
    ) -> None:
        self.table, self.frame, self.known, self.asked = table, frame, {**known, **asked}, asked
        self.odd: list[Odd] = []
        self.notes = Notes(table)
        cells = cells_of(frame, table.light)
        cells |= {
            n: loosened(cells[n]) for n, kind in asked.items() if n in cells and kind == "number"
        }
        numbers = {name: cells[name] for name in self._numeric(cells)}
        decimal = decimal_of(table, numbers, WAY_OUT)
        self.numbers = {n: parsed(found.written(decimal), decimal) for n, found in numbers.items()}
        self.units = {n: c.unit for n, c in numbers.items() if c.unit and n not in known}

    def typed(self) -> dict[str, pl.Series]:
        """Return the columns by their names."""
        found = {name: self._typed(name) for name in self.frame.columns}
        self.notes.units = {
            n: unit for n, unit in self.units.items() if found[n].dtype.is_numeric()
        }
        self.notes.say()
        return found

    def _numeric(self, cells: Mapping[str, Cells]) -> list[str]:
        """Return the names of the columns that are numbers, as is known or as all their cells are."""
        guessed = set() if self.table.separator is None else {*cells} - {*self.known}
        codes = has_code(self.frame.select(pl.col(pl.String)))
        return [
            name
            for name, found in cells.items()
            if self.known.get(name) == "number"
            or (name in guessed and not codes.get(name) and self._fits_numbers(found))
        ]

    def _fits_numbers(self, cells: Cells) -> bool:
        odd = no_numbers(cells)
        if odd is not None:
            self._hint_of_numbers(cells, odd)
        return odd is None and (cells.plain is not None or truths(cells) is None)

    def _hint_of_numbers(self, cells: Cells, odd: pl.Series) -> None:
        """Remember a column of which nearly all cells are numbers, if with several units."""
        if self._hint(Odd(cells.text, odd, "no number"), "number") or not has_units(cells.text):
            return
        text, loose = cells.text, loosened(cells)
        rest, unit = no_numbers(loose), loose.unit.partition(",")[0]
        if rest is None or rest.sum() <= FEW * text.count():
            others = text.is_not_null() & ~text.str.contains(unit, literal=True)
            self.notes.is_of_units(Odd(text, others, f"no number with {unit!r}"))

    def _hint(self, odd: Odd, kind: str) -> bool:
        """Remember a column if it is of a kind but for a few cells, and return whether it is."""
        nearly = bool(odd.which.sum() <= FEW * odd.text.count())
        if nearly:
            self.notes.is_nearly(odd, kind)
        return nearly

    def _typed(self, name: str) -> pl.Series:
        kind = self.known.get(name)
        numbers, odd = self.numbers.get(name, (None, None))
        if numbers is not None and (odd is None or kind is not None):
            if odd is not None:
                self._set_apart(Odd(self._words(name), odd, "no number"))
            return numbers
        words = self._words(name)
        if kind is None:
            return self._guessed(words)
        return self._asked(words, *READ[kind]) if kind in READ else words

    def _words(self, name: str) -> pl.Series:
        column = self.frame[name]
        return column_words(column if column.dtype == pl.String else self.table.text([name])[name])

    def _guessed(self, words: pl.Series) -> pl.Series:
        """Return words as what all of them are."""
        for kind in GUESSED if self.table.separator is not None else DATED:
            try:
                column, odd = _read(words, *READ[kind])
            except TwoReadings as error:
                self.notes.has_two_readings(words, error.row)
                break
            if odd is None:
                self._note_styles(words, kind)
                return column
            if kind != "boolean":  # some other words beside yes and no are no mistake
                self._hint(odd, kind)
        return words

    def _note_styles(self, words: pl.Series, kind: str) -> None:
        """Remember a column of dates that are written in several ways."""
        styles = dates_by_style(words) if kind == "date" else {}
        if len(styles) > 1:
            self.notes.is_of_styles(words, sorted(rows[0] for rows in styles.values()))

    def _set_apart(self, odd: Odd) -> None:
        """Remember cells that are not of their column's kind; few of one asked for are missing."""
        if odd.text.name in self.asked and 2 * odd.which.sum() <= odd.text.count():
            self.notes.is_lost(odd, self.asked[odd.text.name])
        else:
            self.odd.append(odd)

    def _asked(self, words: pl.Series, read: Reader, verdict: str) -> pl.Series:
        """Return words as what they are known to be."""
        try:
            column, odd = _read(words, read, verdict)
        except TwoReadings as error:
            place = self.table.place(cell_at(words, error.row))
            raise TableError(
                f"{self.table.path}, {place} {OPEN_ORDER}, and no other cell tells: write dates as "
                "2020-12-31."
            ) from error
        if odd is not None:
            self._set_apart(odd)
        return column


def _read(words: pl.Series, read: Reader, verdict: str) -> tuple[pl.Series, Odd | None]:
    """Return words as something else, and which of them are no such thing."""
    found = read(words)
    column = words.clear(len(words)) if found is None else found
    which = column.is_null() & words.is_not_null()
    return column, Odd(words, which, verdict) if which.any() else None

"""Columns of a table with the types that they have, or that the text of all their cells shows.

What a column of text is follows from its whole length: numbers, dates, times or truths if every cell
that is there is one, else words. Where it is known what a column is, a cell that is no such thing is
a bad one.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from isthmus.io.cells import cell_at, cleaned, first_cell, no_numbers, only, parsed, truths
from isthmus.io.choices import TableError
from isthmus.io.labels import column_words
from isthmus.io.numbers import as_numbers, check_holes, decimal_of, leave_out
from isthmus.schema import TwoReadings, as_dates, as_spans, as_times, dates_by_style
from isthmus.words import columns_named, is_or_are, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from isthmus.io.cells import Cells
    from isthmus.io.table import Table

    Reader = Callable[[pl.Series], pl.Series | None]

PAIRS = ({"true": True, "false": False}, {"yes": True, "no": False}, {"1": True, "0": False})
CODE = "^0[0-9]+$"  # such as a zip code: no number is written so
FEW = 0.1  # of a column's cells: if all others say what it is, these are worth a word
WAY_OUT = "write all alike, or say which mark is decimal, with --decimal: others are text then"
OPEN_ORDER = "may begin with its day or its month"


class Odd(NamedTuple):
    """Which cells of a column cannot be what it is, and in words what they are not."""

    text: pl.Series
    which: pl.Series
    verdict: str


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
        for text, which, verdict in self.odd:
            more = f", and so are {which.sum() - 1:,} more" if which.sum() > 1 else ""
            way_out = leave_out(table, [text.name], " or the column, with")
            raise TableError(
                f"{table.path}, {table.place(first_cell(text, which))} is {verdict}{more}: mend it, or "
                f"drop its row{way_out}; a cell that is missing is empty."
            )
        check_holes(table, self.frame, [] if infinite else ["infinite"])


def typed_of(table: Table, names: Sequence[str], kinds: Mapping[str, str]) -> Typed:
    """Return columns with types; `kinds` says what some of them are, in the words of a schema.

    Raises
    ------
    TableError
        For columns of lists and the like, and for marks of numbers and orders of dates in doubt.
    """
    assert isinstance(table.rows, pl.DataFrame)
    frame = only(table.rows, names)
    _check_single(table, frame)
    known = {name: kind for name, kind in kinds.items() if kind != "ignore"}
    of_text = [c.cast(pl.String) for c in frame if _needs_reading(table, c, known.get(c.name))]
    text = _Text(table, pl.DataFrame(of_text), known)
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

    def __init__(self, table: Table, frame: pl.DataFrame, known: Mapping[str, str]) -> None:
        self.table, self.frame, self.known = table, frame, known
        self.odd: list[Odd] = []
        self.hints: list[str] = []
        self.mixed_dates: list[str] = []
        cells = cleaned(frame)
        numbers = {name: cells[name] for name in self._numeric(cells)}
        decimal = decimal_of(table, numbers, WAY_OUT)
        self.numbers = {name: parsed(found, decimal) for name, found in numbers.items()}

    def typed(self) -> dict[str, pl.Series]:
        """Return the columns by their names."""
        found = {name: self._typed(name) for name in self.frame.columns}
        if self.hints:
            warnings.warn(
                f"{self.table.path}: taken as text because of single cells: {shortened(self.hints)}; "
                "if the columns are no text, mend these cells, or leave them empty.",
                stacklevel=5,
            )
        if self.mixed_dates:
            warnings.warn(
                f"{self.table.path}: dates are written in several ways, and read as such: "
                f"{shortened(self.mixed_dates)}.",
                stacklevel=5,
            )
        return found

    def _numeric(self, cells: Mapping[str, Cells]) -> list[str]:
        """Return the names of the columns that are numbers, as is known or as all their cells are."""
        guessed = set() if self.table.separator is None else {*cells} - {*self.known}
        codes = self.frame.select(pl.all().str.strip_chars().str.contains(CODE).any())
        return [
            name
            for name, found in cells.items()
            if self.known.get(name) == "number"
            or (name in guessed and not codes[name][0] and self._fits_numbers(found))
        ]

    def _fits_numbers(self, cells: Cells) -> bool:
        odd = no_numbers(cells)
        if odd is not None:
            self._hint(Odd(cells.text, odd, "no number"))
        return odd is None and (cells.plain is not None or truths(cells) is None)

    def _hint(self, odd: Odd) -> None:
        """Remember a column that but for a few cells is something else than words."""
        if odd.which.sum() <= FEW * odd.text.count():
            place = self.table.place(first_cell(odd.text, odd.which), brief=True)
            self.hints.append(f"{odd.text.name!r} ({place} is {odd.verdict})")

    def _typed(self, name: str) -> pl.Series:
        kind = self.known.get(name)
        numbers, odd = self.numbers.get(name, (None, None))
        if numbers is not None and (odd is None or kind is not None):
            if odd is not None:
                self.odd.append(Odd(column_words(self.frame[name]), odd, "no number"))
            return numbers
        words = column_words(self.frame[name])
        if kind is None:
            return self._guessed(words)
        return self._asked(words, *READ[kind]) if kind in READ else words

    def _guessed(self, words: pl.Series) -> pl.Series:
        """Return words as what all of them are."""
        for kind in GUESSED if self.table.separator is not None else DATED:
            try:
                column, odd = _read(words, *READ[kind])
            except TwoReadings as error:
                place = self.table.place(cell_at(words, error.row), brief=True)
                self.hints.append(f"{words.name!r} ({place} {OPEN_ORDER})")
                break
            if odd is None:
                self._note_styles(words, kind)
                return column
            if kind != "boolean":  # some other words beside yes and no are no mistake
                self._hint(odd)
        return words

    def _note_styles(self, words: pl.Series, kind: str) -> None:
        """Remember a column of dates that are written in several ways."""
        styles = dates_by_style(words) if kind == "date" else {}
        if len(styles) > 1:
            cells = [cell_at(words, rows[0]) for rows in styles.values()]
            places = shortened([self.table.place(cell, brief=True) for cell in cells], 3)
            self.mixed_dates.append(f"{words.name!r} ({places})")

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
        self.odd += [] if odd is None else [odd]
        return column


def _read(words: pl.Series, read: Reader, verdict: str) -> tuple[pl.Series, Odd | None]:
    """Return words as something else, and which of them are no such thing."""
    found = read(words)
    column = words.clear(len(words)) if found is None else found
    which = column.is_null() & words.is_not_null()
    return column, Odd(words, which, verdict) if which.any() else None

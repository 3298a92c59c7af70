"""Cells of text files become numbers; which mark is the decimal one holds for the whole file.

`1.050` is a thousand and fifty where commas are decimal marks, and hardly more than one where points
are. Other cells of the file say which, and where none does, nobody guesses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import polars as pl

from isthmus.schema import without_units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Decimal = Literal["point", "comma"]

MISSING_CELLS = (
    "", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "null", "NULL", "?",
)  # fmt: skip
MINUS = "\u2212"
# Marks between thousands that are no decimal marks anywhere: spaces, some of them narrow or
# unbreakable, and apostrophes.
GAPS = "[ \u00a0\u2009\u202f'\u2019]"
WITH_GAPS = rf"^[+-]?[0-9]{{1,3}}(?:{GAPS}[0-9]{{3}})+(?:[.,][0-9]*)?$"
FIRST = 1000  # cells that nearly always tell
CODE = "^0[0-9]+$"
SEVERAL = 4  # units that are named


def _pattern(decimal: str, thousands: str) -> str:
    digits = rf"(?:[0-9]+{decimal}?[0-9]*|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    groups = rf"[1-9][0-9]{{0,2}}(?:{thousands}[0-9]{{3}})+(?:{decimal}[0-9]*)?"
    return rf"^[+-]?(?:{digits}|{groups}|(?i:inf|infinity|nan))$"


NUMBER: dict[Decimal, str] = {"point": _pattern(r"\.", ","), "comma": _pattern(",", r"\.")}


class Cell(NamedTuple):
    """A cell by its row, its column and its text."""

    row: int
    column: str
    text: str


class Signs(NamedTuple):
    """What cells say of their decimal mark: the first that needs it to be a point or a comma.

    `doubtful` is the first that can be read both ways, as different numbers.
    """

    point: Cell | None = None
    comma: Cell | None = None
    doubtful: Cell | None = None

    def __or__(self, other: Signs) -> Signs:
        return Signs(*(mine or yours for mine, yours in zip(self, other, strict=True)))

    def within(self, most: int | None) -> Signs:
        """Return what the first rows say, up to so many."""
        return Signs(
            *(cell if cell and (most is None or cell.row < most) else None for cell in self)
        )


class Source(NamedTuple):
    """What is known of the text of a column that was read as numbers: its signs, and the way back."""

    signs: Signs
    words: Callable[[], pl.Series]


class Cells(NamedTuple):
    """A column of text without what no number needs, and its numbers if no comma is in it.

    `unit` is what all of its numbers are written with, such as $ or kg, and taken off. Where the column
    was read as numbers at once, `text` is these numbers, and its `source` knows how they are written.
    """

    text: pl.Series
    plain: pl.Series | None
    unit: str = ""
    source: Source | None = None

    def written(self, decimal: Decimal) -> Cells:
        """Return the column as text where its marks mean something else than was read."""
        if self.source is None or decimal == "point" or not any(self.source.signs):
            return self
        text = self.source.words()
        return cleaned(text.to_frame())[text.name]


def only(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """Return columns by their names; to polars' `select` a name such as * is a pattern."""
    return pl.DataFrame([frame.get_column(name) for name in names])


def cleaned(frame: pl.DataFrame) -> dict[str, Cells]:
    """Return columns without space around cells and gaps between thousands, null for missing.

    Whole frames are asked at once, since a question for each of many columns takes long.
    """
    found = plain_cells(frame)
    rest = only(frame, [name for name, cells in found.items() if cells.plain is None])
    if rest.width:
        found |= plain_cells(stripped(rest))
    return {
        name: _without_marks(cells.text) if cells.plain is None else cells
        for name, cells in found.items()
    }


def stripped(frame: pl.DataFrame) -> pl.DataFrame:
    """Return columns of text without space around cells, null for missing."""
    return frame.with_columns(pl.all().str.strip_chars().replace(dict.fromkeys(MISSING_CELLS)))


def plain_cells(frame: pl.DataFrame) -> dict[str, Cells]:
    """Return columns, and those as numbers that are without any work."""
    numbers = frame.cast(pl.Float64, strict=False)
    missing = zip(frame.null_count().row(0), numbers.null_count().row(0), strict=True)
    return {
        text.name: Cells(text, plain if before == after else None)
        for text, plain, (before, after) in zip(frame, numbers, missing, strict=True)
    }


def _without_marks(text: pl.Series) -> Cells:
    """Return a column without gaps between thousands, and without the one unit of all its numbers."""
    plain = Cells(_without_gaps(text), None)
    if not has_units(text):
        return plain
    numbers, units = without_units(text)
    several = units.str.to_lowercase().drop_nulls().n_unique() > 1
    if several or any_number(plain.text.filter(units.is_null())):
        return plain
    return Cells(_without_gaps(numbers), None, units.drop_nulls()[0])


def has_units(text: pl.Series) -> bool:
    """Return whether half of the first cells that are there are numbers with units."""
    first = text.head(FIRST)
    return 0 < first.count() <= 2 * without_units(first)[1].count()


def loosened(cells: Cells) -> Cells:
    """Return a column without the units of its cells, whatever these are, the most frequent first."""
    if cells.source is not None:
        return cells
    numbers, units = without_units(cells.text)
    known = units.drop_nulls().value_counts(sort=True).to_series()
    return Cells(_without_gaps(numbers), cells.plain, ", ".join(known.head(SEVERAL)) or cells.unit)


def any_number(text: pl.Series) -> bool:
    """Return whether some cells are numbers."""
    return any(text.str.contains(pattern).any() for pattern in NUMBER.values())


def _without_gaps(text: pl.Series) -> pl.Series:
    text = text.str.replace(MINUS, "-", literal=True)
    grouped = text.str.contains(WITH_GAPS).fill_null(False)
    return text.zip_with(~grouped, text.str.replace_all(GAPS, ""))


def has_code(frame: pl.DataFrame) -> dict[str, bool]:
    """Return which columns of text hold a code, such as a zip code: no number begins with 0 so."""
    found = frame.select(pl.all().str.strip_chars().str.contains(CODE).any())
    return {column.name: bool(column[0]) for column in found}


def no_numbers(cells: Cells) -> pl.Series | None:
    """Return which cells are numbers in no way, as booleans; None if all are numbers."""
    if cells.plain is not None or truths(cells) is not None:
        return None
    point, comma = (cells.text.str.contains(pattern) for pattern in NUMBER.values())
    which = ~(point | comma).fill_null(True)
    return which if which.any() else None


def truths(cells: Cells) -> pl.Series | None:
    """Return a column of true and false as 1 and 0; None for other columns."""
    words = cells.text.str.to_lowercase()
    return (words == "true").cast(pl.UInt8) if words.is_in(["true", "false"]).all() else None


def signs_of(columns: Iterable[Cells]) -> Signs:
    """Return what columns say of the file's decimal mark."""
    signs, plain = Signs(), []
    for cells in columns:
        if cells.plain is None:
            signs |= signs_in(cells.text)
        else:
            plain.append(cells)
    for most in (FIRST, None):  # a plain column says at most that points are decimal
        if signs.point is None:
            signs |= _signs_of_points(plain, most)
    return signs


def _signs_of_points(columns: Sequence[Cells], most: int | None) -> Signs:
    """Return what columns say that have no other marks than points, by so many rows."""
    text = pl.DataFrame([c.text.head(most or len(c.text)) for c in columns if c.source is None])
    marked = {c.name for c in text.select(pl.all().str.contains(".", literal=True).any()) if c[0]}
    signs = Signs()
    for cells in columns:
        if cells.source is not None:
            signs |= cells.source.signs.within(most)
        elif cells.text.name in marked:
            signs |= signs_in(text[cells.text.name])
        if signs.point is not None:
            break
    return signs


def signs_in(text: pl.Series) -> Signs:
    """Return what a column of text says of the file's decimal mark."""
    marked = text.str.contains("[.,]")
    point, comma = (text.str.contains(pattern) for pattern in NUMBER.values())
    kinds = (marked & point & ~comma, marked & comma & ~point, marked & point & comma)
    return Signs(*(first_cell(text, kind) if kind.any() else None for kind in kinds))


def first_cell(text: pl.Series, which: pl.Series) -> Cell:
    """Return the first of some cells of a column."""
    return cell_at(text, which.arg_max() or 0)


def cell_at(text: pl.Series, row: int) -> Cell:
    """Return a cell of a column."""
    return Cell(row, text.name, text[row])


def parsed(cells: Cells, decimal: Decimal) -> tuple[pl.Series, pl.Series | None]:
    """Return cells as numbers, and which are none with this decimal mark; None if all are numbers."""
    if cells.plain is not None and (decimal == "point" or cells.source is not None):
        return cells.plain, None
    if cells.plain is None and (words := truths(cells)) is not None:
        return words, None
    odd = ~cells.text.str.contains(NUMBER[decimal]).fill_null(True)
    mark, thousands = (".", ",") if decimal == "point" else (",", ".")
    text = cells.text.set(odd, None).str.replace_all(thousands, "", literal=True)
    numbers = text.str.replace(mark, ".", literal=True).cast(pl.Float64, strict=False)
    return numbers, odd if odd.any() else None

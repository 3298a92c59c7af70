"""What is worth a word about columns of text, each in one warning of a file."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

from isthmus.io.cells import cell_at, first_cell
from isthmus.words import shortened

if TYPE_CHECKING:
    import polars as pl

    from isthmus.io.table import Table

FEW = 0.1  # of a column's cells: if all others say what it is, these are worth a word
OPEN_ORDER = "may begin with its day or its month"


class Odd(NamedTuple):
    """Which cells of a column cannot be what it is, and in words what they are not."""

    text: pl.Series
    which: pl.Series
    verdict: str

    @property
    def more(self) -> str:
        """How many there are beside the first, as part of a sentence."""
        more = int(self.which.sum()) - 1
        return f", and so are {more:,} more" if more else ""


class Notes:
    """What is gathered while the columns of a table are read, and said at the end."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.nearly: dict[str, str] = {}  # columns that but for single cells are no words
        self.kinds: dict[str, str] = {}  # and what they are taken for if one asks for it
        self.lost: list[str] = []
        self.units: dict[str, str] = {}
        self.several: dict[str, str] = {}  # columns of numbers with several units
        self.styles: list[str] = []

    def place(self, text: pl.Series, row: int) -> str:
        """Return a cell and where it stands."""
        return self.table.place(cell_at(text, row), brief=True)

    def is_nearly(self, odd: Odd, kind: str) -> None:
        """Remember a column that but for some cells is of a kind."""
        cell = self.table.place(first_cell(odd.text, odd.which), brief=True)
        self.nearly.setdefault(odd.text.name, f"{cell} is {odd.verdict}{odd.more}")
        self.kinds.setdefault(odd.text.name, kind)

    def has_two_readings(self, text: pl.Series, row: int) -> None:
        """Remember a column of dates that may begin with their days or their months."""
        self.nearly[text.name] = f"{self.place(text, row)} {OPEN_ORDER}"

    def is_lost(self, odd: Odd, kind: str) -> None:
        """Remember cells that are missing because they are not of the kind that is asked for."""
        count, cell = int(odd.which.sum()), first_cell(odd.text, odd.which)
        cells = f"{count:,} cell{'s' * (count > 1)} of {odd.text.name!r}, asked for as {kind}"
        place = self.table.place(cell, brief=True)
        self.lost.append(f"{cells} ({place}{' is the first' * (count > 1)})")

    def is_of_units(self, odd: Odd) -> None:
        """Remember a column of numbers of which some have another unit, or none."""
        cell = self.table.place(first_cell(odd.text, odd.which), brief=True)
        self.several.setdefault(odd.text.name, f"{cell} is {odd.verdict}{odd.more}")

    def is_of_styles(self, text: pl.Series, rows: list[int]) -> None:
        """Remember a column of dates that are written in several ways, by the first row of each."""
        places = shortened([self.place(text, row) for row in rows], 3)
        self.styles.append(f"{text.name!r} ({places})")

    def say(self) -> None:
        """Warn of each thing once."""
        for what, things in (
            ("taken as missing", self.lost),
            ("read as numbers without their unit", [f"{n!r} ({u})" for n, u in self.units.items()]),
            ("dates are written in several ways, and read as such", self.styles),
        ):
            if things:
                warnings.warn(f"{self.table.path}: {what}: {shortened(things)}.", stacklevel=6)
        if self.nearly:
            warnings.warn(self._nearly(), stacklevel=6)
        if self.several:
            columns = [f"{name!r} ({why})" for name, why in self.several.items()]
            warnings.warn(
                f"{self.table.path}: numbers of several units are taken as text: {shortened(columns)}; "
                f"--as {next(iter(self.several))}=number reads them without their units.",
                stacklevel=6,
            )

    def _nearly(self) -> str:
        columns = [f"{name!r} ({why})" for name, why in self.nearly.items()]
        way = "mend these cells, or leave them empty"
        if self.kinds:
            name, kind = next(iter(self.kinds.items()))
            way = f"mend these cells, or give --as {name}={kind}, which takes such cells as missing"
        return (
            f"{self.table.path}: taken as text because of single cells: {shortened(columns)}; if the "
            f"columns are no text, {way}."
        )

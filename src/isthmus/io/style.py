"""How a text file is written: what separates its cells, and which mark is decimal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from isthmus.io.cells import Decimal


class Style(NamedTuple):
    """What separates cells, and which mark of numbers is decimal."""

    separator: str = ","
    decimal: Decimal = "point"

    @property
    def mark(self) -> str:
        """The decimal mark."""
        return "," if self.decimal == "comma" else "."

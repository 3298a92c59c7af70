"""Where rows stand in their files, as part of a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


class Places(NamedTuple):
    """The files that rows were read from, and in which of them, and where there, each row stands."""

    names: tuple[str, ...]
    file: np.ndarray
    number: np.ndarray
    of_text: bool  # then numbers are those of lines

    @classmethod
    def joined(cls, names: Sequence[str], lines: Sequence[np.ndarray | int]) -> Places:
        """Return the places of the rows of files, by their lines, or by how many there are."""
        of_text = not isinstance(lines[0], int)
        numbers = [np.arange(some) if isinstance(some, int) else some for some in lines]
        file = np.repeat(np.arange(len(names)), [len(some) for some in numbers])
        return cls(tuple(names), file, np.concatenate(numbers), of_text)

    def only(self, which: np.ndarray) -> Places:
        """Return the places of some of the rows."""
        return self._replace(file=self.file[which], number=self.number[which])

    def place(self, row: int) -> str:
        """Return where a row stands."""
        word = "line" if self.of_text else "row"
        return f"{word} {self.number[row]} of {self.names[self.file[row]]}"


class Numbered(NamedTuple):
    """A run of rows of a larger table, by the number of the first, or some rows of it by theirs."""

    first: int = 0
    numbers: np.ndarray | None = None

    def only(self, which: np.ndarray) -> Numbered:
        """Return the places of some of the rows."""
        numbers = np.flatnonzero(which) if self.numbers is None else self.numbers[which]
        return self._replace(numbers=numbers)

    def place(self, row: int) -> str:
        """Return where a row stands."""
        return f"row {self.first + (row if self.numbers is None else self.numbers[row])}"


def row_place(lines: np.ndarray | Places | Numbered | None, number: int) -> str:
    """Return where a row stands, by its line in a text file, as part of a sentence."""
    if isinstance(lines, Places | Numbered):
        return lines.place(number)
    return f"row {number}" if lines is None else f"line {lines[number]}"

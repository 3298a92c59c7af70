"""What is seen of a column: all of its cells, or of very many what they say together."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import polars as pl

from isthmus.schema.columns import texts
from isthmus.schema.identifiers import numbered


class Seen(ABC):
    """A column's cells, as far as its kind and its details depend on them.

    Attributes
    ----------
    cells : Series
        All cells, or some of them that show their type, their range and their units.
    rows, missing : int
        How many cells there are, and how many of them are missing.
    """

    cells: pl.Series
    rows: int
    missing: int

    @property
    @abstractmethod
    def counts(self) -> pl.DataFrame:
        """The texts of cells that are there, and in how many "rows" each is."""

    @property
    @abstractmethod
    def different(self) -> int:
        """How many cells that are there differ."""

    @property
    @abstractmethod
    def numbered(self) -> bool:
        """Whether whole numbers tell rows apart; see `identifiers`."""

    @property
    @abstractmethod
    def length(self) -> tuple[float, float]:
        """How many characters and words the texts that are there have on average."""


class WholeColumn(Seen):
    """A column of which all cells are in memory."""

    def __init__(self, cells: pl.Series) -> None:
        self.cells, self.rows, self.missing = cells, len(cells), cells.null_count()

    @property
    def counts(self) -> pl.DataFrame:
        """The texts of cells that are there, and in how many "rows" each is."""
        return counted(self.cells)

    @property
    def different(self) -> int:
        """How many cells that are there differ."""
        return self.cells.drop_nulls().n_unique()

    @property
    def numbered(self) -> bool:
        """Whether whole numbers tell rows apart."""
        return numbered(self.cells)

    @property
    def length(self) -> tuple[float, float]:
        """How many characters and words the texts that are there have on average."""
        characters, words = lengths(self.cells.drop_nulls())
        return float(np.mean(characters)), 1 + float(np.mean(words))


def counted(cells: pl.Series) -> pl.DataFrame:
    """Return the texts of cells that are there, and in how many "rows" each is."""
    return texts(cells).alias("text").drop_nulls().value_counts(sort=False, name="rows")


def lengths(text: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return how many characters texts have, and how many gaps between words."""
    gaps = text.str.strip_chars().str.count_matches(r"\s+")
    return text.str.len_chars().to_numpy(), gaps.to_numpy()

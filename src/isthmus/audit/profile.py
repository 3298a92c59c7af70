"""A table as checks see it: each column's distinct values are found once, and shared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.schema import FEWEST, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKS = frozenset(
    ["", "?", "-", "--", ".", "na", "n/a", "nan", "nil", "none", "null", "missing", "#n/a", "<na>"]
)
NUMBER = r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$"
OF_IDENTIFIERS = 0.98  # of its cells differ in a column of identifiers, of which few may repeat
ID_WORDS = {"id", "ids", "key", "uuid", "guid", "no", "nr", "number", "code"}


@dataclass(frozen=True, eq=False)
class Column:
    """A column's values, and which of them are the same.

    `codes` numbers the distinct values, a missing one counted as a value; `counts` says how often
    each occurs, and `first` in which row it comes first.
    """

    name: str
    values: pl.Series
    codes: np.ndarray
    counts: np.ndarray
    first: np.ndarray

    @cached_property
    def missing(self) -> np.ndarray:
        """Which rows have no value here."""
        return self.values.is_null().to_numpy()

    @cached_property
    def n_missing(self) -> int:
        """How many rows have no value here."""
        return self.values.null_count()

    @cached_property
    def gap(self) -> int:
        """The code of a missing value, or -1."""
        return int(self.codes[self.missing.argmax()]) if self.n_missing else -1

    @cached_property
    def distinct(self) -> pl.DataFrame:
        """The distinct values but for a missing one, most frequent first: code, value and count."""
        values = self.values.gather(self.first).alias("value")
        table = pl.DataFrame({"value": values, "count": self.counts}).with_row_index("code")
        return table.filter(pl.col("value").is_not_null()).sort(
            "count", descending=True, maintain_order=True
        )

    @cached_property
    def n_distinct(self) -> int:
        """How many distinct values there are, without a missing one."""
        return len(self.counts) - (self.n_missing > 0)

    @property
    def n_known(self) -> int:
        """How many cells have a value."""
        return len(self.codes) - self.n_missing

    @property
    def is_text(self) -> bool:
        """Whether the values are words."""
        return self.values.dtype == pl.String

    @cached_property
    def looks_numeric(self) -> bool:
        """Whether the values are numbers, or texts of which nearly all are."""
        if not self.is_text:
            return self.values.dtype.is_numeric()
        plain = self.distinct.filter(~is_mark("value"))
        known = int(plain["count"].sum())
        numeric = int(plain.filter(pl.col("value").str.contains(NUMBER))["count"].sum())
        return known > 0 and numeric >= 0.9 * known

    @cached_property
    def numbers(self) -> np.ndarray:
        """The values as numbers, NaN where there is none, or an infinite one."""
        series = self.values
        if self.is_text:
            series = series.str.strip_chars().cast(pl.Float64, strict=False)
        found = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return np.where(np.isinf(found), np.nan, found)

    @cached_property
    def infinite(self) -> np.ndarray:
        """Which rows hold an infinite number."""
        if not self.values.dtype.is_float():
            return np.zeros(len(self.values), bool)
        return self.values.is_infinite().fill_null(value=False).to_numpy()

    @cached_property
    def is_identifier(self) -> bool:
        """Whether nearly all values differ, and are words or whole numbers in a row or so named.

        Whole numbers are in a row as in a schema, but for the few values that repeat.
        """
        if self.n_known < FEWEST or self.n_distinct < OF_IDENTIFIERS * self.n_known:
            return False
        if self.is_text and not self.looks_numeric:
            return True
        if not (self.values.dtype.is_integer() or self.is_text):
            return False
        return bool(ID_WORDS & words_of(self.name)) or numbered(self._whole)

    @property
    def _whole(self) -> pl.Series:
        """The distinct values, as whole numbers where they are."""
        values = self.distinct["value"]
        return values.str.strip_chars().cast(pl.Int64, strict=False) if self.is_text else values

    def rows_of(self, codes: np.ndarray | list[int]) -> np.ndarray:
        """Return the rows that hold one of these values."""
        wanted = np.zeros(len(self.counts), bool)
        wanted[np.asarray(codes, int)] = True
        return np.flatnonzero(wanted[self.codes])


class Profile:
    """All columns of a table whose cells hold one value each, and the names of the others."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame.with_columns(pl.selectors.float().fill_nan(None))
        self.n_rows = frame.height
        plain = [s for s in self.frame.get_columns() if is_plain(s.dtype)]
        self.columns = [profile_of(series) for series in plain]
        self.redundant: set[str] = set()  # columns that are functions of others, once that is known

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def texts(self) -> list[Column]:
        """Return the columns of words."""
        return [column for column in self.columns if column.is_text]

    def numeric(self) -> list[Column]:
        """Return the columns of numbers, also those that are written in text."""
        return [column for column in self.columns if column.looks_numeric]


def profile_of(series: pl.Series) -> Column:
    """Return a column with its distinct values numbered."""
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    elif series.dtype == pl.Decimal:
        series = series.cast(pl.Float64)
    _, first, codes, counts = np.unique(
        series.hash().to_numpy(), return_index=True, return_inverse=True, return_counts=True
    )
    return Column(series.name, series, codes.astype(np.int32), counts, first)


def is_plain(dtype: pl.DataType) -> bool:
    """Return whether a cell holds one value."""
    return not dtype.is_nested() and dtype not in (pl.Object, pl.Binary)


def is_mark(name: str) -> pl.Expr:
    """Return which texts stand for a missing value."""
    return pl.col(name).str.strip_chars().str.to_lowercase().is_in(sorted(MARKS))


def words_of(name: str) -> set[str]:
    """Return the words of a column's name.

    Examples
    --------
    >>> sorted(words_of("PassengerId")), sorted(words_of("order_no"))
    (['id', 'passenger'], ['no', 'order'])
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return set(re.findall(r"[a-z]+", apart.lower()))

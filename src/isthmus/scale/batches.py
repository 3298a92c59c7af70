"""Rows as engines hand them over: what a model takes of them, and results of the same kind."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias, final

import numpy as np
import polars as pl

from isthmus.words import columns_named

Columns: TypeAlias = dict[str, Any]


class Batch(ABC):
    """Some rows of one kind of table.

    Parameters
    ----------
    rows : array-like, mapping, DataFrame, Table or RecordBatch
        What an engine handed over.
    """

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """The names of the columns; none of an array."""

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.rows)

    @abstractmethod
    def column(self, name: str) -> Any:
        """Return a column as it is."""

    @abstractmethod
    def frame(self, names: Sequence[str]) -> Any:
        """Return these columns as a frame that models take."""

    def like(self, frame: pl.DataFrame) -> Any:
        """Return a frame as one of the same library."""
        return frame

    @abstractmethod
    def made(self, columns: Columns) -> Any:
        """Return results, by column, as rows of this kind."""

    def array(self, names: Sequence[str]) -> np.ndarray:
        """Return these columns as an array; a single one may have rows of any shape."""
        columns = [_values(self.column(name)) for name in names]
        return columns[0] if _is_wide(columns) else np.column_stack(columns)

    def given(self, names: Sequence[str] | None, keep: Collection[str]) -> Any:
        """Return what a model takes that was fitted on columns of these names, or on arrays.

        Raises
        ------
        ValueError
            Where columns are missing.
        """
        if names is None:
            return self.array([name for name in self.names if name not in keep])
        self.check(names, "the model was fitted on")
        return self.frame(names)

    def check(self, names: Collection[str], why: str) -> None:
        """Raise a ValueError for columns that the rows lack."""
        known = set(self.names)
        if missing := [name for name in names if name not in known]:
            raise ValueError(
                f"These rows lack {columns_named(missing[:5])}, which {why}: they have "
                f"{', '.join(map(repr, self.names[:10])) or 'no names'}."
            )


@final
class OfArray(Batch):
    """Rows of an array, whose columns have no names."""

    def __init__(self, rows: Any) -> None:
        array = np.asarray(rows)
        if array.ndim == 0:  # what is no rows at all
            raise TypeError(
                "Scorer takes a batch: a frame, an array, a dict of arrays, a table or record batch of "
                f"Arrow, or an iterator of these; got {type(rows).__name__}. Collect a LazyFrame, and "
                "read a file first."
            )
        super().__init__(array)

    @property
    def names(self) -> list[str]:
        return []

    def column(self, name: str) -> Any:
        raise KeyError(name)

    def frame(self, names: Sequence[str]) -> Any:
        return self.rows

    def given(self, names: Sequence[str] | None, keep: Collection[str]) -> Any:
        return self.rows if names is None else pl.DataFrame(self.rows, schema=list(names))

    def made(self, columns: Columns) -> Any:
        found = [_values(column) for column in columns.values()]
        return found[0] if len(found) == 1 else np.column_stack(found)


@final
class OfMapping(Batch):
    """Arrays by name, as Ray hands them over."""

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self.rows]

    @property
    def n(self) -> int:
        return len(next(iter(self.rows.values()), ()))

    def column(self, name: str) -> Any:
        return self.rows[name]

    def frame(self, names: Sequence[str]) -> Any:
        return pl.DataFrame({name: self.rows[name] for name in names})

    def made(self, columns: Columns) -> Any:
        return {name: _values(column) for name, column in columns.items()}


class OfFrame(Batch):
    """A DataFrame, of whatever library."""

    @property
    def names(self) -> list[str]:
        return list(self.rows.columns)

    def column(self, name: str) -> Any:
        return self.rows[name]


@final
class OfPandas(OfFrame):
    """A DataFrame of pandas, whose index results have too."""

    def frame(self, names: Sequence[str]) -> Any:
        return self.rows[list(names)]

    def like(self, frame: pl.DataFrame) -> Any:
        return frame.to_pandas()

    def made(self, columns: Columns) -> Any:
        return type(self.rows)(columns, index=self.rows.index)


@final
class OfPolars(OfFrame):
    """A DataFrame of polars."""

    def frame(self, names: Sequence[str]) -> Any:
        return self.rows.select(names)

    def made(self, columns: Columns) -> Any:
        return pl.DataFrame(columns)


@final
class OfArrow(Batch):
    """A Table of Arrow."""

    @property
    def names(self) -> list[str]:
        return list(self.rows.column_names)

    def column(self, name: str) -> Any:
        return self.rows.column(name)

    def frame(self, names: Sequence[str]) -> Any:
        return self.rows.select(list(names))

    def like(self, frame: pl.DataFrame) -> Any:
        return frame.to_arrow()

    def made(self, columns: Columns) -> Any:
        return _arrow().table(columns)


@final
class OfRecords(Batch):
    """A RecordBatch of Arrow, as Spark hands it over."""

    def __init__(self, rows: Any) -> None:
        super().__init__(_arrow().Table.from_batches([rows]))

    names, column, frame, like = OfArrow.names, OfArrow.column, OfArrow.frame, OfArrow.like

    def made(self, columns: Columns) -> Any:
        table = _arrow().table(columns).combine_chunks()
        arrays = [column.combine_chunks() for column in table.columns]
        return _arrow().RecordBatch.from_arrays(arrays, schema=table.schema)


KINDS: list[tuple[str, str, Callable[[Any], Batch]]] = [
    ("pandas", "DataFrame", OfPandas),
    ("pyarrow", "Table", OfArrow),
    ("pyarrow", "RecordBatch", OfRecords),
    ("polars", "DataFrame", OfPolars),
]


def batch_of(rows: Any) -> Batch:
    """Return rows as a batch of their kind; no library is imported to look for it."""
    for module, name, kind in KINDS:
        if isinstance(rows, getattr(sys.modules.get(module), name, ())):
            return kind(rows)
    return OfMapping(rows) if isinstance(rows, Mapping) else OfArray(rows)


def columns_of(made: Any, names: Sequence[str]) -> Columns:
    """Return what a model made of rows as columns: those of a frame, or of an array by these names.

    Rows of images are one column of arrays.
    """
    if isinstance(made, np.ndarray):
        if made.ndim > 2:
            return {"reconstruction": made}
        return dict(zip(names or [f"x{j}" for j in range(made.shape[1])], made.T, strict=True))
    found = made if isinstance(made, dict) else batch_of(made)
    return found if isinstance(found, dict) else {name: found.column(name) for name in found.names}


def _is_wide(columns: list[np.ndarray]) -> bool:
    return len(columns) == 1 and columns[0].ndim > 1


def _values(column: Any) -> np.ndarray:
    """Return a column as an array; one of lists of one length with an axis for them."""
    values = np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)
    if values.dtype != object or not isinstance(next(iter(values), None), np.ndarray | list):
        return values
    return np.stack([np.asarray(value) for value in values])


def _arrow() -> Any:
    return sys.modules["pyarrow"]

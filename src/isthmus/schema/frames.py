"""Frames of any library: their columns one by one, and columns as a frame of the same library."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from isthmus.schema.cells import Odd, settled
from isthmus.schema.columns import WORDS
from isthmus.schema.pandas_cells import from_pandas, to_pandas
from isthmus.words import columns_named


class Opened(NamedTuple):
    """A frame: the names of its columns, a function that gives one by its place, and its rows."""

    names: list[str]
    column: Callable[[int], pl.Series | Odd]
    rows: int


def is_frame(X: object) -> bool:
    """Return whether X is a DataFrame of pandas or polars, or a table of Arrow."""
    return is_pandas(X) or isinstance(X, pl.DataFrame) or is_arrow(X)


def is_pandas(X: object) -> bool:
    """Return whether X is a DataFrame of pandas, which is not imported for it."""
    return isinstance(X, getattr(sys.modules.get("pandas"), "DataFrame", ()))


def is_arrow(X: object) -> bool:
    """Return whether X is a table of Arrow, which is not imported for it."""
    return isinstance(X, getattr(sys.modules.get("pyarrow"), "Table", ()))


def opened(X: Any) -> Opened:
    """Open a frame, or a table of numbers in an array, whose columns are x0, x1 and so on.

    Raises
    ------
    TypeError
        If it is none.
    ValueError
        If two columns have one name.
    """
    if isinstance(X, np.ndarray) and X.ndim == 2:
        return Opened([f"x{j}" for j in range(X.shape[1])], lambda j: pl.Series(X[:, j]), len(X))
    if not is_frame(X):
        raise TypeError(
            f"X is a {type(X).__name__}: give a DataFrame of pandas or polars, a table of Arrow, "
            "or an array with two axes."
        )
    found = columns_of(X)
    twice = [name for name, n in Counter(found.names).items() if n > 1]
    if twice:
        raise ValueError(f"X has {columns_named(twice[:5])} more than once: rename them.")
    return found


def columns_of(X: Any) -> Opened:
    """Open a frame, whatever its columns are called."""
    if isinstance(X, pl.DataFrame):
        return Opened(X.columns, lambda j: settled(X.to_series(j)), X.height)
    if is_arrow(X):
        names = list(X.column_names)
        return Opened(names, lambda j: _from_arrow(X.column(j), names[j]), X.num_rows)
    return Opened([str(c) for c in X.columns], lambda j: from_pandas(X.iloc[:, j]), len(X))


def _from_arrow(column: Any, name: str) -> pl.Series | Odd:
    found: Any = pl.from_arrow(column)
    return settled(found.alias(name))


def types_in(X: Any) -> dict[str, Any]:
    """Return the type of each column of a frame; Null for objects, which may be anything."""
    table = columns_of(X.iloc[:0] if is_pandas(X) else X.slice(0, 0))
    cells = {name: table.column(j) for j, name in enumerate(table.names)}
    return {name: pl.Null() if isinstance(c, Odd) else c.dtype for name, c in cells.items()}


def as_library(
    series: dict[str, pl.Series], like: Any, unheld: Collection[str] = frozenset()
) -> Any:
    """Return columns as a frame of the library of `like`, of polars for None.

    They have the types that they have there, but for those that these cannot hold.
    """
    if like is None:
        return pl.DataFrame(list(series.values()))
    if isinstance(like, pl.DataFrame):
        types = {name: t for name, t in like.schema.items() if name not in unheld}
        return pl.DataFrame([_cast(s, types.get(name)) for name, s in series.items()])
    if is_arrow(like):
        return _to_arrow(series, like, unheld)
    return to_pandas(series, like, unheld)


def _cast(series: pl.Series, dtype: Any) -> pl.Series:
    """Return a column as a type, where it is another; levels that an Enum lacks are added."""
    if dtype is None or series.dtype == dtype or dtype in (pl.Object, pl.Null):
        return series
    if isinstance(series.dtype, WORDS) or isinstance(dtype, pl.Enum):
        series = series.cast(pl.String)
    if isinstance(dtype, pl.Enum):
        levels = series.drop_nulls().unique(maintain_order=True).to_list()
        dtype = pl.Enum(list(dict.fromkeys([*dtype.categories, *levels])))
    return series.cast(dtype, strict=False)


def _to_arrow(series: dict[str, pl.Series], like: Any, unheld: Collection[str]) -> Any:
    pyarrow: Any = sys.modules["pyarrow"]
    types = dict(zip(like.column_names, like.schema.types, strict=True))
    known = {name: t for name, t in types.items() if name not in unheld}
    return pyarrow.table({name: _arrow(s, known.get(name)) for name, s in series.items()})


def _arrow(series: pl.Series, kind: Any) -> Any:
    if kind is None or str(kind) == "null":
        return series.to_arrow()
    if str(kind).startswith("dictionary"):
        return (
            series.cast(pl.String).to_arrow().cast(kind.value_type).dictionary_encode().cast(kind)
        )
    return series.to_arrow().cast(kind, safe=False)

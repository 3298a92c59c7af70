"""Frames and masked arrays on their way to plain arrays: what a column must be, and where it is not.

Libraries turn dates, masked cells and text into numbers in silence, in a unit or a sense that nobody
chose. So such columns are refused by name, where no schema says what they are.
"""

from __future__ import annotations

import datetime
import sys
from collections import Counter
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from isthmus.words import columns_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd
    import polars as pl


class Odd(NamedTuple):
    """What a column holds that is no number, what to do, and an example."""

    held: str
    advice: str
    example: str = ""


AS_IT_IS = "give a DataFrame, whose columns of text and of dates are taken as they are"
ANEW = "this model was fitted on numbers alone, so fit it anew on such rows, or give it numbers"
TEXT = Odd("text", AS_IT_IS)
DATES = Odd("dates or times", AS_IT_IS)
LISTS = Odd("lists", "make a column of each element, for example by numpy.stack, or leave them out")
DECIMALS = Odd("decimal numbers of Arrow", "turn them into floats, by astype(float)")
SPARSE = Odd("sparse columns alone", "give X.sparse.to_dense()")
NO_NUMBERS = Odd("other things than numbers", "turn them into numbers, or leave them out")
OF_CELLS: list[tuple[tuple[type, ...], Odd]] = [
    ((str, bytes), TEXT),
    ((datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64), DATES),
    ((list, tuple, np.ndarray), LISTS),
]
OF_ARROW = {  # by how the name of a type begins, in pandas
    **dict.fromkeys(("period", "date", "time", "duration"), DATES),
    **dict.fromkeys(("list", "large_list"), LISTS),
    "decimal": DECIMALS,
}


def numeric_frame(X: Any, *, fitted: bool = False) -> Any:
    """Return a frame whose columns are numbers, with a column for each element of a list's.

    All else is returned as it is; what is no frame is looked through for text, dates and lists.

    Parameters
    ----------
    X : DataFrame, Table or array-like
        The rows.
    fitted : bool
        Whether they are for a model that is there, which then takes numbers alone.

    Raises
    ------
    ValueError
        That names the columns that hold other things, the first such cell, and what to do.
    """
    if _is(X, "pyarrow", "Table"):
        import polars as pl

        X = pl.from_arrow(X)
    if _is(X, "polars", "DataFrame"):
        return _checked_polars(X, fitted)
    if _is(X, "pandas", "DataFrame"):
        return _checked_pandas(X, fitted)
    _check_cells(_cells_of(X), fitted)
    return X


def _check_cells(cells: np.ndarray, fitted: bool) -> None:
    """Look through arrays of objects, and through single columns but for lists, which may be images."""
    if cells.dtype.kind not in "OUSmM" or cells.ndim not in (1, 2):
        return
    if cells.ndim == 2:
        _refuse(((j, _of_cells(cells[:, j])) for j in range(cells.shape[1])), fitted)
    elif (odd := _of_cells(cells)) is not None and odd.held != LISTS.held:
        raise ValueError(f"X has {odd.held}{odd.example}: {_advice(odd, fitted)}.")


def _cells_of(X: Any) -> np.ndarray:
    """Return what is no frame as an array; of objects where a list has text; else an empty one."""
    if _is(X, "pandas", "Series") or _is(X, "polars", "Series"):
        return np.asarray(X.to_numpy())
    if not isinstance(X, list | tuple):
        return X if isinstance(X, np.ndarray) else np.empty(0)
    try:
        cells = np.asarray(X)
        return np.array(X, object) if cells.dtype.kind in "US" else cells
    except ValueError:
        return np.empty(0)


def check_whole_rows(X: object, name: str = "X") -> None:
    """Raise an error for masked cells, which would count as if they were not, and for lazy frames."""
    if _is(X, "polars", "LazyFrame"):
        raise TypeError(f"{name} is a polars LazyFrame: give {name}.collect().")
    several = isinstance(X, list | tuple)
    parts = list(X) if isinstance(X, list | tuple) else [X]
    masks = {
        i: np.ma.getmaskarray(part)
        for i, part in enumerate(parts)
        if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part)
    }
    if not masks:
        return
    first = min(masks)
    row = first if several else int(np.argwhere(masks[first])[0][0])
    filled = f"[np.ma.filled(row, 0) for row in {name}]" if several else f"{name}.filled(0)"
    raise ValueError(
        f"{name} has masked cells, {sum(int(m.sum()) for m in masks.values()):,} of them, the first in "
        f"row {row}: fill them, for example with {filled}, or leave these rows out."
    )


def _is(X: object, module: str, name: str) -> bool:
    """Return whether X is of a class of a library, which is not imported for it."""
    return isinstance(X, getattr(sys.modules.get(module), name, ()))


def _refuse(columns: Iterable[tuple[object, Odd | None]], fitted: bool) -> None:
    """Raise a ValueError for columns that hold what the first of them holds that is no number."""
    odd = [(name, found) for name, found in columns if found is not None]
    if odd:
        first = odd[0][1]
        names: list[Any] = [name for name, found in odd if found.held == first.held]
        more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
        where = f"{columns_named(names[:5])}{more}{first.example}"
        raise ValueError(f"X has {first.held} in {where}: {_advice(first, fitted)}.")


def _advice(odd: Odd, fitted: bool) -> str:
    return ANEW if fitted and odd.advice == AS_IT_IS else odd.advice


def _of_cells(cells: np.ndarray) -> Odd | None:
    """Return what a column of objects holds; None for numbers, and for what nobody knows."""
    for row, cell in enumerate(cells):
        if isinstance(cell, Real | Decimal) or cell is None:
            continue
        for types, odd in OF_CELLS:
            if isinstance(cell, types):
                return odd._replace(example=f" ({str(cell)[:40]!r} in row {row})")
    return None


# -- polars --------------------------------------------------------------------------------------


def _checked_polars(X: pl.DataFrame, fitted: bool) -> pl.DataFrame:
    import polars as pl

    from isthmus.io import spread_lists

    _refuse(((name, _of_polars(dtype)) for name, dtype in X.schema.items()), fitted)
    wide = [n for n, dtype in X.schema.items() if dtype in (pl.Int128, pl.UInt128)]
    return spread_lists(X.cast(dict.fromkeys(wide, pl.Float64)) if wide else X)[0]


def _of_polars(dtype: Any) -> Odd | None:
    """Return what a column of this type holds; None for numbers and lists of one length."""
    import polars as pl

    while isinstance(dtype, pl.Array):
        dtype = dtype.inner
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        return None
    if dtype.is_temporal():
        return DATES
    if isinstance(dtype, pl.List):
        return LISTS
    words = (pl.String, pl.Categorical, pl.Enum, pl.Binary)
    return TEXT if isinstance(dtype, words) else NO_NUMBERS


# -- pandas --------------------------------------------------------------------------------------


def _checked_pandas(X: pd.DataFrame, fitted: bool) -> pd.DataFrame:
    if X.shape[1] and all(str(dtype).startswith("Sparse") for dtype in X.dtypes):
        _refuse(((name, SPARSE) for name in X.columns), fitted)
    _refuse(((X.columns[j], _of_pandas(X, j, dtype)) for j, dtype in enumerate(X.dtypes)), fitted)
    widths = [_width(dtype) for dtype in X.dtypes]
    return _spread(X, widths) if any(widths) else X


def _of_pandas(X: pd.DataFrame, j: int, dtype: Any) -> Odd | None:
    """Return what the column of this number holds; None for numbers and lists of one length."""
    categories = getattr(dtype, "categories", None)
    if dtype.kind in "biufc" or _width(dtype) or getattr(categories, "dtype", dtype).kind in "biuf":
        return None
    if dtype.kind in "mM":
        return DATES
    for start, odd in OF_ARROW.items():
        if str(dtype).startswith(start):
            return odd
    found = _of_cells(X.iloc[:, j].to_numpy(object))
    return found if found is not None or dtype.name == "object" else NO_NUMBERS


def _width(dtype: Any) -> int:
    """Return the length of the lists of a type of Arrow; 0 for other types."""
    arrow: Any = getattr(dtype, "pyarrow_dtype", None)
    return int(arrow.list_size) if str(arrow).startswith("fixed_size_list") else 0


def _spread(X: pd.DataFrame, widths: list[int]) -> pd.DataFrame:
    """Return a frame with a column for each element of lists of one length."""
    columns = [c for j, width in enumerate(widths) for c in _elements(X.iloc[:, j], width)]
    twice = [name for name, n in Counter(name for name, _ in columns).items() if n > 1]
    if twice:
        raise ValueError(
            f"X has two columns {twice[0]!r}, where elements of lists count: rename one."
        )
    return type(X)(dict(columns))


def _elements(column: pd.Series, width: int) -> Iterator[tuple[object, pd.Series]]:
    if not width:
        yield column.name, column
        return
    missing = [np.nan] * width
    cells = [cell if isinstance(cell, list | np.ndarray) else missing for cell in column]
    for i, values in enumerate(np.array(cells, float).T):
        yield f"{column.name}_{i}", type(column)(values, index=column.index)

"""Columns of pandas as columns of polars and back; works without pyarrow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from isthmus.schema.cells import COMPLEX, OTHERS, SPARSE, Odd, from_objects, settled
from isthmus.schema.columns import WORDS, texts

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd


def from_pandas(column: pd.Series) -> pl.Series | Odd:
    """Return a column of pandas as one of polars, or what it holds that no column may hold."""
    dtype, name = column.dtype, str(column.name)
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, np.dtype) and kind in "biufc":
        return COMPLEX if kind == "c" else numbers(column.to_numpy()).alias(name)
    if str(dtype).startswith("Sparse"):
        return SPARSE
    if hasattr(dtype, "categories") and hasattr(dtype, "ordered"):
        return _categories(column, name)
    if str(dtype).startswith("period"):
        column, kind = column.dt.to_timestamp(), "M"
    if kind in "mM" and not hasattr(dtype, "pyarrow_dtype"):
        return _times(column).alias(name)
    return _extension(column, dtype, name)


def _extension(column: pd.Series, dtype: Any, name: str) -> pl.Series | Odd:
    """Return a column of Arrow, of numbers with a mask, or of objects."""
    if hasattr(dtype, "pyarrow_dtype") or getattr(dtype, "storage", "") == "pyarrow":
        return settled(_from_arrow(column.array).alias(name))
    if hasattr(dtype, "numpy_dtype") and dtype.kind in "biuf":
        return _masked(column, dtype).alias(name)
    if dtype.name == "object" or str(dtype).startswith("str") or dtype.name == "string":
        cells = column.to_numpy(object, copy=True)
        cells[column.isna().to_numpy()] = None
        return from_objects(name, cells.tolist())
    return OTHERS


def numbers(values: np.ndarray) -> pl.Series:
    """Return an array of numbers as a column; precisions that are rare become float64."""
    plain = values.dtype.kind != "f" or values.dtype.itemsize in (4, 8)
    return pl.Series(np.ascontiguousarray(values if plain else values.astype(np.float64)))


def _masked(column: pd.Series, dtype: Any) -> pl.Series:
    missing = column.isna().to_numpy()
    values = column.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
    series = numbers(values)
    return series.set(pl.Series(missing), None) if missing.any() else series


def _from_arrow(array: Any) -> pl.Series:
    found = pl.from_arrow(array.__arrow_array__())
    assert isinstance(found, pl.Series)
    return found


def _times(column: pd.Series) -> pl.Series:
    """Return moments or durations; polars knows milliseconds, microseconds and nanoseconds."""
    zone = getattr(column.dtype, "tz", None)
    plain = column.dt.tz_convert(None) if zone is not None else column
    values = plain.to_numpy()
    unit = np.datetime_data(values.dtype)[0]
    series = pl.Series(values.astype(f"{values.dtype.kind}8[ms]") if unit == "s" else values)
    return _in_zone(series, str(zone)) if zone is not None else series


def _in_zone(series: pl.Series, zone: str) -> pl.Series:
    series = series.dt.replace_time_zone("UTC")
    try:
        return series.dt.convert_time_zone(zone)
    except pl.exceptions.ComputeError:  # polars knows named zones alone
        return series


def _categories(column: pd.Series, name: str) -> pl.Series | Odd:
    """Return a column of categories: of its text, or of truth values."""
    codes = column.cat.codes.to_numpy().astype(np.int64)
    categories = column.cat.categories
    if len(categories) > len(codes):  # a slice of a long column costs what it holds
        used, inverse = np.unique(codes[codes >= 0], return_inverse=True)
        categories = categories.take(used)
        codes[codes >= 0] = inverse
    found = from_pandas(categories.to_series().reset_index(drop=True))
    if isinstance(found, Odd):
        found = pl.Series([str(c) for c in categories])
    places = pl.Series(codes).set(pl.Series(codes < 0), None)
    if found.dtype == pl.Boolean:
        return found.gather(places).alias(name)
    levels = texts(found)
    return levels.cast(pl.Categorical()).gather(places).alias(name)


def to_pandas(
    series: dict[str, pl.Series], like: pd.DataFrame, unheld: Collection[str]
) -> pd.DataFrame:
    """Return columns as a frame of pandas: names and index are those of `like`, and types that hold."""
    pandas: Any = sys.modules["pandas"]
    n = len(next(iter(series.values()), ()))
    index = like.index if len(like) == n else pandas.RangeIndex(n)
    labels = {str(label): j for j, label in enumerate(like.columns)}
    columns = {}
    for name, column in series.items():
        j = labels.get(name)
        label = name if j is None else like.columns[j]
        dtype = None if j is None or name in unheld else like.dtypes.iloc[j]
        columns[label] = _column(pandas, column, dtype, index)
    return pandas.DataFrame(columns, index=index)


def _column(pandas: Any, column: pl.Series, dtype: Any, index: Any) -> Any:
    """Return a column of pandas, of the type that is asked for where its cells allow it."""
    if dtype is None or str(dtype) == "null[pyarrow]":
        kind = "category" if isinstance(column.dtype, pl.Categorical) else None
        return pandas.Series(column.to_list(), dtype=kind, index=index)
    if hasattr(dtype, "categories") and hasattr(dtype, "ordered"):
        return _categorical(pandas, column, dtype, index)
    if getattr(dtype, "kind", "O") in "mM" and not hasattr(dtype, "pyarrow_dtype"):
        return _moments(pandas, column, dtype, index)
    if str(dtype).startswith("period"):
        return _moments(pandas, column, np.dtype("M8[ns]"), index).dt.to_period(dtype.freq)
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return _numpy(pandas, column, dtype, index)
    return pandas.Series(column.to_list(), dtype=dtype, index=index)


def _numpy(pandas: Any, column: pl.Series, dtype: Any, index: Any) -> Any:
    """Return numbers; where some are missing, floats, or objects for truth values, as pandas does."""
    if column.dtype == pl.Boolean and dtype.kind == "b" and column.null_count():
        return pandas.Series(column.to_list(), dtype=object, index=index)
    if isinstance(column.dtype, WORDS):
        column = column.cast(pl.String)
    values = np.array(column.cast(pl.Float64, strict=False).to_numpy())
    gaps = dtype.kind != "f" and np.isnan(values).any()
    if dtype.kind in "iu" and not gaps:
        values = column.cast(pl.Int64 if dtype.kind == "i" else pl.UInt64, strict=False).to_numpy()
    return pandas.Series(values if gaps else values.astype(dtype), index=index)


def _moments(pandas: Any, column: pl.Series, dtype: Any, index: Any) -> Any:
    zone = getattr(dtype, "tz", None)
    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("ms"))
    if getattr(column.dtype, "time_zone", None):
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    values = pandas.Series(column.to_numpy(), index=index)
    if zone is None:
        return values.astype(dtype)
    return values.dt.tz_localize("UTC").dt.tz_convert(zone).astype(dtype)


def _categorical(pandas: Any, column: pl.Series, dtype: Any, index: Any) -> Any:
    """Return categories by their text; those that `like` does not have are added."""
    known = from_pandas(dtype.categories.to_series().reset_index(drop=True))
    labels = (
        [str(c) for c in dtype.categories] if isinstance(known, Odd) else texts(known).to_list()
    )
    cells = texts(column)
    new = sorted(set(cells.drop_nulls().unique()) - set(labels))
    places = cells.replace_strict(
        labels + new, range(len(labels) + len(new)), default=None, return_dtype=pl.Int64
    )
    categories = [*dtype.categories, *new]
    kept = pandas.CategoricalDtype(categories, dtype.ordered) if new else dtype
    codes = places.fill_null(-1).to_numpy()
    return pandas.Series(pandas.Categorical.from_codes(codes, dtype=kept), index=index)

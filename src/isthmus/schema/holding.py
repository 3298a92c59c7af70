"""Whether the types of a frame can hold what its columns are taken for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

from isthmus.schema.columns import WORDS, Column, texts
from isthmus.schema.dtypes import TEMPORAL, type_text


def unheld(columns: Iterable[Column], types: Mapping[str, Any]) -> set[str]:
    """Return the names of columns that their types in a frame cannot hold."""
    return {c.name for c in columns if c.name in types and not holds(c, types[c.name])}


def holds(column: Column, dtype: Any) -> bool:
    """Return whether a type can hold all that a column may be; text and objects can."""
    if dtype == pl.Null or isinstance(dtype, WORDS) or type_text(dtype) == column.dtype:
        return True
    return HOLDERS.get(column.kind, _moments)(column, dtype)


def _numbers(column: Column, dtype: Any) -> bool:
    if not dtype.is_integer():
        return bool(dtype.is_numeric())
    ends = pl.Series([column.low, column.high], dtype=pl.Float64)
    return column.whole and ends.cast(dtype, strict=False).null_count() == ends.null_count()


def _flags(column: Column, dtype: Any) -> bool:
    return bool(dtype.is_numeric() or dtype == pl.Boolean)


def _levels(column: Column, dtype: Any) -> bool:
    """Return whether all levels are numbers of a type, whose text they are."""
    if not dtype.is_numeric():
        return False
    levels = pl.Series(column.level_texts, dtype=pl.String)
    return texts(levels.cast(dtype, strict=False)).equals(levels)


def _moments(column: Column, dtype: Any) -> bool:
    if dtype.base_type() not in TEMPORAL[column.kind]:
        return False
    if dtype == pl.Date and column.unit != "day":
        return False
    return bool(getattr(dtype, "time_zone", None)) == bool(column.zone)


HOLDERS: dict[str, Callable[[Column, Any], bool]] = {
    "number": _numbers,
    "boolean": _flags,
    "category": _levels,
}

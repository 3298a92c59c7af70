"""Types of cells as text, and back: they are kept in files."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

PLAIN: dict[str, Any] = {
    str(t()): t
    for t in (
        *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128),
        *(pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
        *(pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Date, pl.Time, pl.Null),
    )
}
TEMPORAL: dict[str, tuple[Any, ...]] = {
    "date": (pl.Date, pl.Datetime),
    "time": (pl.Time,),
    "duration": (pl.Duration,),
}
WITH_UNIT = re.compile(r"(Datetime|Duration)\((ms|us|ns)(?:, ([\w+:/-]{1,64}))?\)")
DECIMAL = re.compile(r"Decimal\((\d{1,2}), (\d{1,2})\)")


def type_text(dtype: Any) -> str:
    """Return a type as text, such as "Datetime(us, Europe/Berlin)"."""
    if isinstance(dtype, pl.Datetime):
        return f"Datetime({dtype.time_unit}{f', {dtype.time_zone}' if dtype.time_zone else ''})"
    if isinstance(dtype, pl.Duration):
        return f"Duration({dtype.time_unit})"
    if isinstance(dtype, pl.Decimal):
        return f"Decimal({dtype.precision}, {dtype.scale})"
    return "Categorical" if isinstance(dtype, pl.Categorical | pl.Enum) else str(dtype)


def type_of(text: str) -> Any:
    """Return the type that `type_text` wrote.

    Raises
    ------
    ValueError
        If the text names no type.
    """
    if text in PLAIN:
        return PLAIN[text]()
    if text == "Categorical":
        return pl.Categorical()
    if found := WITH_UNIT.fullmatch(text):
        unit: Any = found[2]
        return pl.Datetime(unit, found[3]) if found[1] == "Datetime" else pl.Duration(unit)
    if found := DECIMAL.fullmatch(text):
        return pl.Decimal(min(int(found[1]), 38), int(found[2]))
    raise ValueError(f"{text[:40]!r} is no type of a column.")

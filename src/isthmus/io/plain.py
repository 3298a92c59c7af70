"""Data as JSON holds them."""

from collections.abc import Mapping
from math import isfinite
from typing import TypeAlias, overload

import numpy as np

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@overload
def as_json(value: Mapping[str, object]) -> dict[str, Json]: ...
@overload
def as_json(value: object) -> Json: ...
def as_json(value: object) -> Json:
    """Return data as JSON holds them: dicts, lists, text, numbers, and None for NaN and infinity.

    Raises
    ------
    TypeError
        If JSON holds no such data.
    """
    if isinstance(value, Mapping):
        return {str(k): as_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [as_json(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"JSON holds no {type(value).__name__}: turn {value!r} into text or numbers.")

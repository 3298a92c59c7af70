"""Data as JSON holds them."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import TypeAlias, overload

import numpy as np

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@overload
def as_json(
    value: Mapping[str, object], other: Callable[[object], Json] | None = None
) -> dict[str, Json]: ...
@overload
def as_json(value: object, other: Callable[[object], Json] | None = None) -> Json: ...
def as_json(value: object, other: Callable[[object], Json] | None = None) -> Json:
    """Return data as JSON holds them: dicts, lists, text, numbers, and None for NaN and infinity.

    `other` is for what JSON does not hold, such as `str` for dates.

    Raises
    ------
    TypeError
        If JSON holds no such data, and there is no `other`.
    """
    if isinstance(value, Mapping):
        return {str(k): as_json(v, other) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [as_json(v, other) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if other is not None:
        return other(value)
    raise TypeError(f"JSON holds no {type(value).__name__}: turn {value!r} into text or numbers.")

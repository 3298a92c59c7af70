"""Keys of groups: texts, whole numbers or dates, and which group each row is of."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

KINDS = {"text": "texts", "whole": "whole numbers", "date": "dates"}
MISSING = ("NaN", "NaT", "None", "<NA>")  # how libraries write what is not there
WIDEST = 2**63  # of whole numbers
EPOCH = datetime.datetime(1970, 1, 1)
Key = str | int


@dataclass(frozen=True)
class Keys:
    """The keys of groups, sorted; dates are microseconds since 1970."""

    kind: str
    values: tuple[Key, ...]
    name: str | None = None  # of the column that they are

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def numbers(self) -> dict[Key | None, int]:
        """The number of each key."""
        return {key: i for i, key in enumerate(self.values)}

    def find(self, groups: Any) -> tuple[np.ndarray, list[Key | None]]:
        """Return the number of each row's group, -1 for one that is not known, and its key."""
        kind, keys = read_keys(groups)
        if kind not in (self.kind, None):
            raise ValueError(
                f"The groups are {KINDS[str(kind)]}, but those of the fit were {self.in_words}: "
                "give keys of the same kind."
            )
        found = (self.numbers.get(key, -1) for key in keys)
        return np.fromiter(found, np.int64, len(keys)), keys

    @property
    def in_words(self) -> str:
        """What the keys are."""
        return KINDS[self.kind]

    def text(self, key: Key | None) -> str:
        """Return a key as it is shown."""
        if self.kind != "date" or key is None:
            return "none" if key is None else str(key)
        when = EPOCH + datetime.timedelta(microseconds=int(key))
        return when.isoformat(sep=" ").removesuffix(" 00:00:00")


def name_of(groups: Any) -> str | None:
    """Return the name of a column of groups, if it has one."""
    name = getattr(groups, "name", None)
    return name if isinstance(name, str) and name else None


def sorted_keys(groups: Any) -> tuple[Keys, np.ndarray]:
    """Return the keys of groups, and the number of each row's; ValueError where a row has none."""
    kind, keys = read_keys(groups)
    missing = [row for row, key in enumerate(keys) if key is None]
    if missing:
        raise ValueError(f"groups has no value in {without_key(len(missing), f'row {missing[0]}')}")
    values = tuple(sorted({*keys}))  # type: ignore[type-var]  # all of one kind, none is missing
    found = Keys(str(kind), values, name_of(groups))  # type: ignore[arg-type]
    return found, np.fromiter((found.numbers[key] for key in keys), np.int64, len(keys))


def without_key(rows: int, first: str) -> str:
    """Return in how many rows a key is missing, where first, and what to do."""
    if rows == 1:
        return f"{first}: fill it, or leave the row out."
    return f"{rows:,} rows, the first of them {first}: fill them, or leave these rows out."


def read_keys(groups: Any) -> tuple[str | None, list[Key | None]]:
    """Return of what kind the groups of rows are, and the key of each row; None where it is missing.

    Raises
    ------
    ValueError
        For what is no column of texts, whole numbers or dates.
    """
    values = _array(groups)
    if values.ndim != 1:
        raise ValueError(
            f"groups must be a column with a value for each row; got shape {values.shape}."
        )
    if values.dtype.kind == "M":
        return "date", _of_dates(values)
    if values.dtype.kind == "f":
        return "whole", [_whole(value) for value in values.tolist()]
    found = [_key(value) for value in values.tolist()]
    kinds = {kind for kind, _ in found if kind is not None}
    if len(kinds) > 1:
        raise ValueError(
            f"groups must be of one kind, and has {' and '.join(sorted(KINDS[k] for k in kinds))}."
        )
    return next(iter(kinds), None), [key for _, key in found]


def _array(groups: Any) -> np.ndarray:
    """Return a column as an array; a list as it is, since NumPy would make text of what is mixed."""
    if isinstance(groups, list | tuple):
        return np.fromiter(groups, object, len(groups))
    arrow = type(groups).__module__.startswith("pyarrow")
    return np.asarray(groups.to_numpy(zero_copy_only=False) if arrow else groups)


def _of_dates(values: np.ndarray) -> list[Key | None]:
    whole, lost = values.astype("M8[us]").astype(np.int64).tolist(), np.isnat(values)
    return [None if gone else key for key, gone in zip(whole, lost, strict=True)]


def _whole(value: float) -> int | None:
    if value != value:
        return None
    if not value.is_integer() or abs(value) >= WIDEST:
        raise ValueError(f"groups must be texts, whole numbers or dates; got {value!r}.")
    return int(value)


def _key(value: Any) -> tuple[str | None, Key | None]:
    """Return the kind of a value, and its key."""
    if isinstance(value, str):
        return "text", value
    if value is None or repr(value) in MISSING or str(value) in MISSING:
        return None, None
    if isinstance(value, np.datetime64):
        return "date", _of_dates(np.array([value]))[0]
    if isinstance(value, datetime.date):
        return "date", int(np.datetime64(_naive(value), "us").astype(np.int64))
    if isinstance(value, float | np.floating):
        return "whole", _whole(float(value))
    if isinstance(value, int | np.integer | np.bool_) and abs(int(value)) < WIDEST:
        return "whole", int(value)
    raise ValueError(f"groups must be texts, whole numbers or dates; got {value!r}.")


def _naive(value: datetime.date) -> datetime.date:
    """Return a time in UTC without its zone."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value

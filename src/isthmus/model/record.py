"""What a model file says, checked: each value of the type that the format documents."""

from __future__ import annotations

import reprlib
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from isthmus.io import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.training import HistoryRow

Value = TypeVar("Value")
COLUMNS = ("phase", "epoch", "loss", "seconds")  # of every history that has a row
ERRORS = ("score", "model", "model_raw", "mean", "mean_raw", "pca", "pca_raw")


def bad_value(name: str, value: object, needed: str) -> ModelFileError:
    """Return the error of a value that cannot be; the value may be of any size and depth."""
    found = shorten(reprlib.repr(value), 100)
    return ModelFileError(f"The file's {shorten(name, 100)} is {found}, not {needed}.")


class Record(dict[str, Any]):
    """An object of a file's JSON, which says what its values are or raises a ModelFileError.

    Values of names that nobody asks for may be anything: a newer file may have more of them.
    """

    def _of(self, name: str, kinds: tuple[type, ...], needed: str) -> Any:
        value = self[name]
        if type(value) not in kinds:  # True is no number here
            raise bad_value(name, value, needed)
        return value

    def whole(self, name: str, low: int | None = None) -> int:
        """Return a whole number, of at least `low`."""
        needed = "a whole number" + f" of at least {low}" * (low is not None)
        value: int = self._of(name, (int,), needed)
        if low is not None and value < low:
            raise bad_value(name, value, needed)
        return value

    def number(self, name: str) -> float:
        """Return a number, which may be infinite or NaN."""
        return float(self._of(name, (int, float), "a number"))

    def flag(self, name: str) -> bool:
        """Return True or False."""
        return bool(self._of(name, (bool,), "true or false"))

    def text(self, name: str) -> str:
        """Return a text."""
        return str(self._of(name, (str,), "a text"))

    def record(self, name: str) -> Record:
        """Return an object."""
        return Record(self._of(name, (dict,), "an object"))

    def items_of(self, name: str, kind: type[Value]) -> list[Value]:
        """Return a list whose items are all of one type; `float` is any number."""
        needed = f"a list of {kind.__name__}"
        value: list[Value] = self._of(name, (list,), needed)
        kinds = (int, float) if kind is float else (kind,)
        if not all(type(item) in kinds for item in value):
            raise bad_value(name, value, needed)
        return value

    def records(self, name: str) -> list[Record]:
        """Return a list of objects."""
        return [Record(item) for item in self.items_of(name, dict)]

    def plain(self, name: str) -> Self:
        """Return an object of texts, numbers, flags and nulls."""
        values = self.record(name)
        for key, value in values.items():
            if value is not None and type(value) not in (str, int, float, bool):
                raise bad_value(f"{name}.{key}", value, "a plain value")
        return type(self)(values)

    # -- what models and detectors have in common --------------------------------------------------

    def column_names(self, n_features: int) -> np.ndarray | None:
        """Return the names of the columns, as many as there are columns, or None."""
        if self["feature_names_in"] is None:
            return None
        names = self.items_of("feature_names_in", str)
        if len(names) != n_features:
            raise ModelFileError(
                f"The file's names of columns are not {n_features}, but {len(names)}."
            )
        return np.array(names, dtype=object)

    def row_shape(self) -> tuple[int, ...] | None:
        """Return the shape of a row, or None."""
        if self["sample_shape"] is None:
            return None
        shape = tuple(self.items_of("sample_shape", int))
        if min(shape, default=0) < 1:
            raise bad_value("sample_shape", shape, "a shape")
        return shape

    # -- what was measured -------------------------------------------------------------------------

    def measured(self) -> HistoryRow:
        """Return all values, which are numbers."""
        return {name: self.number(name) for name in self}

    def labelled(self, name: str) -> tuple[tuple[str, HistoryRow], ...]:
        """Return rows of a history, each with its phase."""
        pairs = self.items_of(name, list)
        if not all(len(pair) == 2 for pair in pairs):
            raise bad_value(name, pairs, "a list of pairs")
        rows = [Record(phase=phase, row=row) for phase, row in pairs]
        return tuple((row.text("phase"), row.record("row").measured()) for row in rows)

    def history(self) -> dict[str, list[object]]:
        """Return a history: columns of numbers, all of one length, and the names of the phases."""
        columns = self.record("history")
        needed = COLUMNS if columns["phase"] else COLUMNS[:1]
        for name in (*needed, *columns):
            columns.items_of(name, str if name == "phase" else float)
        if len({len(column) for column in columns.values()}) > 1:
            raise bad_value("history", columns, "columns of one length")
        return dict(columns)

    def baseline(self) -> dict[str, object] | None:
        """Return the errors of the model and of what it is compared with, or None."""
        if self["baseline"] is None:
            return None
        values = self.record("baseline")
        values.text("rows")
        for name in (*ERRORS, *({"nats", "least"} & {*values})):
            values.number(name)
        return dict(values)


def array_of(
    arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: str
) -> np.ndarray:
    """Return an array of this shape and dtype."""
    value = arrays[name]
    if value.shape != shape or value.dtype != dtype:
        raise ModelFileError(
            f"The array {name!r} has shape {value.shape} and dtype {value.dtype}, not {shape} and "
            f"{dtype}."
        )
    return value

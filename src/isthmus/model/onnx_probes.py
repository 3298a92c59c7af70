"""Tables that an export is checked on, and what a file may make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.model.onnx_tables import SECONDS, Input, Place, cells_of
from isthmus.schema import UNITS

if TYPE_CHECKING:
    from isthmus.model.model import Model
    from isthmus.schema import Column

UNKNOWN = "a level that nobody knows"
MISSING = 0.2  # of the cells
TYPES = {"float": np.float32, "double": np.float64, "int64": np.int64, "bool": np.bool_}
EPS = float(np.finfo(np.float32).eps)
SECOND = 1e-6  # of dates, times and durations, which have whole microseconds in the model


def probe_table(model: Model, n: int) -> np.ndarray:
    """Return compact rows: numbers in and beyond the range that was seen, all levels, gaps."""
    assert model.schema is not None
    rng, pairs = np.random.default_rng(0), cells_of(model)
    cells = np.array([value.cell for value in model.schema.values])
    drawn = np.zeros((n, len(cells)))
    for given, place in pairs:
        drawn[:, place.value] = _drawn(given.column, rng, n)
    rows = model.schema.encode(model.schema.decode(drawn))
    for cell, (given, place) in enumerate(pairs):
        if given.column.kind == "number":
            rows[:, place.value] = _beyond(given, rng, rows[:, place.value])
        if given.column.kind == "category" and given.column.other:
            rows[rng.random(n) < MISSING, place.value] = len(given.column.levels)
        if given.empty or given.type in ("float", "double"):
            rows[np.ix_(rng.random(n) < MISSING, cells == cell)] = np.nan
    return rows


def _drawn(column: Column, rng: np.random.Generator, n: int) -> np.ndarray:
    if column.kind == "category":
        return rng.integers(0, len(column.levels), n).astype(float)
    if column.kind == "boolean":
        return rng.integers(0, 2, n).astype(float)
    low, high = column.low or 0.0, column.high or 0.0
    return rng.uniform(low, high, n)


def _beyond(given: Input, rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Return numbers of which half lie about the range that was seen."""
    low, high = given.column.low or 0.0, given.column.high or 0.0
    wide = rng.uniform(-0.5, 1.5, len(values)) * (high - low) + low
    found = np.where(rng.random(len(values)) < 0.5, values, wide)
    if given.type == "int64":
        return np.rint(np.clip(found, -(2.0**62), 2.0**62))
    return found.astype(TYPES[given.type]).astype(float)


def table_feed(model: Model, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return compact rows as a file takes them."""
    return {
        given.column.name: _fed(given, rows[:, place.value]) for given, place in cells_of(model)
    }


def _fed(given: Input, values: np.ndarray) -> np.ndarray:
    column = given.column
    if column.kind != "category":
        return values.astype(TYPES[given.type])
    unknown = [_free_number(given.levels)] if given.type == "int64" else [UNKNOWN, ""]
    levels = [*given.levels, *unknown]
    numbers = np.where(np.isnan(values), len(levels) - 1, values).astype(int)
    return np.array([levels[i] for i in numbers], np.int64 if given.type == "int64" else object)


def _free_number(levels: list[int]) -> int:
    return next(i for i in range(len(levels) + 1) if i not in levels)


class Wanted(NamedTuple):
    """What a file makes of a table, as numbers by column, and by how much they may differ."""

    values: np.ndarray
    allowed: np.ndarray


def wanted_cells(model: Model, outputs: np.ndarray, allowed: np.ndarray) -> Wanted:
    """Return what reconstructions are, of outputs that may differ by so much.

    Numbers, flags and dates are as the model gives them back, and may be what it would give within
    what is allowed. Of levels the number is how much less probable the level is than the most
    probable one. Probabilities follow.
    """
    pairs = cells_of(model)
    right, low, high = (_given_back(model, outputs + by) for by in (0, -allowed, allowed))
    near, values, within = np.maximum(high - right, right - low), [], []
    for given, place in pairs:
        value = right[:, place.value]
        if given.column.kind == "category":
            value = np.zeros(len(value))
            slots = allowed[:, place.begin : place.begin + place.size]
            within.append(2 * slots.max(axis=1))
        else:
            within.append(near[:, place.value] + _slack(given, value))
        values.append(value)
    shares = [slot for pair in pairs for slot in _slots_of(*pair)]
    return Wanted(
        np.column_stack([*values, outputs[:, shares]]),
        np.column_stack([*within, allowed[:, shares]]),
    )


def _given_back(model: Model, outputs: np.ndarray) -> np.ndarray:
    """Return what a person gets back, as compact rows."""
    assert model.schema is not None
    return model.schema.encode(model.schema.decode(model.compact(outputs)))


def _slack(given: Input, value: np.ndarray) -> np.ndarray:
    column = given.column
    if column.kind in SECONDS:
        zoned = column.zone not in ("", "UTC")
        return np.full(len(value), UNITS.get(column.unit, SECOND) if zoned else SECOND)
    return (EPS if given.type == "float" else 1e-12) * np.abs(value)


def _slots_of(given: Input, place: Place) -> list[int]:
    """Return the slots whose probabilities are an output."""
    known = given.column.kind in ("category", "boolean")
    return list(range(place.begin, place.begin + place.size)) if known else []


def made_cells(model: Model, outputs: np.ndarray, made: list[np.ndarray]) -> np.ndarray:
    """Return what a file made of a table as numbers, in the order of `wanted_cells`."""
    cells, pairs = [], cells_of(model)
    for (given, place), values in zip(pairs, made, strict=False):  # then come probabilities
        if given.column.kind == "category":
            cells.append(_shortfall(given, place, values, outputs))
        else:
            cells.append(values.astype(float))
    shares = [s.reshape(len(outputs), -1) for s in made[len(pairs) :]]
    return np.concatenate([np.column_stack(cells), *shares], axis=1)


def _shortfall(given: Input, place: Place, made: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return by how much the levels that a file names are less probable than the best ones."""
    numbers = {level: i for i, level in enumerate(given.levels)}
    shares = outputs[:, place.begin : place.begin + len(numbers)]
    named = [numbers.get(v) for v in made.tolist()]
    own = [np.nan if i is None else row[i] for row, i in zip(shares, named, strict=True)]
    return np.asarray(shares.max(axis=1) - own)

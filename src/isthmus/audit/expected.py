"""What a model expects in a cell that was hidden from it, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.audit.findings import number_text, value_text

if TYPE_CHECKING:
    from isthmus.model import Model
    from isthmus.schema import Column, Schema

WIDE, NARROW = 0.9, 0.5  # the shares of cells that lie in the ranges that are expected
NEIGHBOURS = 200  # rows with similar expectations, whose errors give the range
LIKELY = 0.5  # levels are named until one of them is this likely
MOST_LEVELS = 3


def expectations(
    model: Model, schema: Schema, X: np.ndarray, outputs: np.ndarray, cell: int, rows: np.ndarray
) -> list[str | None]:
    """Return what is expected of a column's cells in some of the rows, from what the net makes of all.

    Of a category its most likely levels, of a number the range that holds nine of ten cells with
    similar expectations, or half of them where the number lies in this one. None where the cell is
    what was expected: the most likely level, or a number in the narrow range.
    """
    column = schema.used[cell]
    place = next(i for i, value in enumerate(schema.values) if value.cell == cell)
    true = X[rows, place]
    if column.kind in ("category", "boolean"):
        shares = model.probabilities(outputs[rows])[place]
        return [_levels_expected(column, *pair) for pair in zip(shares, true, strict=True)]
    made = model.compact(outputs)[:, place]
    ranges = expected_ranges(X[:, place], made, rows)
    return [_range_expected(column, *pair) for pair in zip(ranges, true, strict=True)]


def expected_ranges(true: np.ndarray, made: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return between which numbers nine and five of ten cells lie whose expectations are most alike.

    Of each row four numbers: the wide range's ends, and the narrow one's.
    """
    known = np.flatnonzero(~np.isnan(true))
    order = known[np.argsort(made[known], kind="stable")]
    errors, ordered = (true - made)[order], made[order]
    size = min(NEIGHBOURS, len(order))
    begin = np.searchsorted(ordered, made[rows]) - size // 2
    begin = np.clip(begin, 0, len(order) - size)
    ends = np.array([0.5 - WIDE / 2, 0.5 + WIDE / 2, 0.5 - NARROW / 2, 0.5 + NARROW / 2])
    near = [np.quantile(errors[b : b + size], ends) for b in begin]
    return made[rows][:, None] + np.array(near).reshape(-1, 4)


def _levels_expected(column: Column, shares: np.ndarray, true: float) -> str | None:
    if column.kind == "boolean":
        shares = np.array([1 - float(shares), float(shares)])
    if int(true) == int(np.argmax(shares)):
        return None
    return _level_text(column, shares)


def _range_expected(column: Column, ends: np.ndarray, true: float) -> str | None:
    low, high = ends[2:] if ends[0] <= true <= ends[1] else ends[:2]
    text = _range_text(column, low, high)
    return None if ends[2] <= true <= ends[3] else text


def _range_text(column: Column, low: float, high: float) -> str:
    """Return a range of numbers, dates or times, within what was seen."""
    low, high = (float(np.clip(v, column.low, column.high)) for v in (low, high))
    first, last = _written(column, low, high)
    return first if first == last else f"{first} to {last}"


def _written(column: Column, low: float, high: float) -> tuple[str, str]:
    if column.kind == "date":
        unit = "D" if high - low > 2 * 86_400 or column.unit == "day" else "m"
        return tuple(str(np.datetime64(int(v), "s").astype(f"M8[{unit}]")) for v in (low, high))  # type: ignore[return-value]
    if column.kind == "time":
        return _clock(low), _clock(high)
    if column.kind == "duration":
        return f"{number_text(_three(low))} s", f"{number_text(_three(high))} s"
    if column.whole:
        return number_text(np.floor(low)), number_text(np.ceil(high))
    return number_text(_three(low)), number_text(_three(high))


def _three(value: float) -> float:
    """Return a number to three figures: no range is known better."""
    return float(f"{value:.3g}")


def _clock(seconds: float) -> str:
    minutes = int(seconds // 60) % 1440
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _level_text(column: Column, shares: np.ndarray) -> str:
    """Return the most likely levels, and how likely they are."""
    names = ["False", "True"] if column.kind == "boolean" else list(map(value_text, column.levels))
    names += ["another level"] * (len(shares) - len(names))
    order = np.argsort(-shares, kind="stable")[:MOST_LEVELS]
    enough = 1 + int(np.argmax(np.cumsum(shares[order]) >= LIKELY))
    if np.cumsum(shares[order])[-1] < LIKELY:
        enough = len(order)
    return " or ".join(f"{names[i]} ({100 * shares[i]:.0f} %)" for i in order[:enough])

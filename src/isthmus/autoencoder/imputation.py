"""Missing cells of a table: estimated, put in their places, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from isthmus.autoencoder.answers import level_names, level_probabilities
from isthmus.autoencoder.table_rows import TableRows, some_rows
from isthmus.autoencoder.validation import check_real
from isthmus.model import estimates, unmeasured
from isthmus.schema import filled, missing_cells, new_columns

if TYPE_CHECKING:
    from isthmus.model import Fitted, Gaps, Model
    from isthmus.schema import Schema

NEAR = 1e-5  # in scaled units, and of probabilities: what lies on an end belongs to the interval


class Estimates(NamedTuple):
    """What is known of the rows with missing cells."""

    numbers: np.ndarray  # (k,), of rows
    missing: np.ndarray  # (k, cells)
    values: np.ndarray  # (k, values), compact
    likely: dict[int, list[list[str]]]  # by cell, of each missing one the levels that it may have


def imputed(model: Model, fitted: Fitted, rows: Any, level: float | None) -> Any:
    """Return a table with its missing cells filled, and with a level also intervals of these."""
    check_imputing(model, fitted.gaps, level)
    gaps = fitted.gaps or unmeasured(model.n_cells)
    assert isinstance(rows, TableRows)
    rows = rows.in_memory()
    schema, found = rows.schema, estimated(model, gaps, rows, level)
    table = filled(schema, rows.frame, found.numbers, found.values, found.missing)
    return table if level is None else (table, _intervals(model, gaps, rows, found, level))


def check_imputing(model: Model, gaps: Gaps | None, level: float | None) -> None:
    """Raise a ValueError where a model cannot fill cells, or not say how sure it is."""
    if level is not None:
        in_range = isinstance(level, float | int) and 0 < level < 1
        check_real("return_interval", level, "(0, 1), or None", in_range)
    if model.schema is None:
        raise ValueError(
            "This model was fitted on plain numbers without gaps, and knows no missing cells: fit it "
            "on rows with missing cells, or with columns={'name': 'number'} for one of the columns."
        )
    if level is not None and (gaps is None or not gaps.held_out):
        raise ValueError(
            "Intervals are measured on rows or cells held out from training, and none were: fit "
            "isthmus.presets.imputing(), or with early_stopping=True."
        )


def estimated(model: Model, gaps: Gaps, rows: TableRows, level: float | None) -> Estimates:
    """Return estimates of all missing cells, a block of rows after another."""
    parts = [
        _estimated(model, gaps, rows, block, level)
        for block in [*model.blocks(rows)] or [slice(0, 1)]
    ]
    likely: dict[int, list[list[str]]] = {}
    for part in parts:
        for cell, sets in part.likely.items():
            likely.setdefault(cell, []).extend(sets)
    numbers, missing, values, _ = zip(*parts, strict=True)
    return Estimates(np.concatenate(numbers), np.vstack(missing), np.vstack(values), likely)


def _estimated(
    model: Model, gaps: Gaps, rows: TableRows, block: slice, level: float | None
) -> Estimates:
    assert model.mixed is not None
    X = rows.encoded(block)
    missing = missing_cells(rows.schema, some_rows(rows.frame, block), X)
    at = np.flatnonzero(missing.any(axis=1))
    outputs = estimates(model, model.mixed, X[at], gaps)
    likely = {} if level is None else _likely(model, gaps, outputs, missing[at], level)
    return Estimates(block.start + at, missing[at], model.compact(outputs), likely)


def _likely(
    model: Model, gaps: Gaps, outputs: np.ndarray, missing: np.ndarray, level: float
) -> dict[int, list[list[str]]]:
    """Return by cell, of each that is missing, the levels that it may have, the likeliest first."""
    assert model.schema is not None
    found = {}
    for cell, chances in level_probabilities(model, outputs):
        names, chances = level_names(model.schema.used[cell]), chances[missing[:, cell]]
        kept = 1 - chances <= gaps.radius(cell, level) + NEAR
        kept[np.arange(len(kept)), chances.argmax(axis=1)] = True
        order = np.argsort(-chances, axis=1, kind="stable")
        found[cell] = [
            [names[j] for j in best if may[j]] for best, may in zip(order, kept, strict=True)
        ]
    return found


def _intervals(
    model: Model, gaps: Gaps, rows: TableRows, found: Estimates, level: float
) -> dict[str, Any]:
    """Return by column a frame with a line for each cell that was filled."""
    schema = rows.schema
    low, high = (schema.decode(end) for end in _ends(model, gaps, schema, found.values, level))
    frames = {}
    for cell, (column, missing) in enumerate(zip(schema.used, found.missing.T, strict=True)):
        if not missing.any():
            continue
        at, numbers = np.flatnonzero(missing), found.numbers[missing]
        series = {"row": pl.Series("row", numbers)}
        if cell in found.likely:
            series["levels"] = pl.Series("levels", found.likely[cell], dtype=pl.List(pl.String))
        else:
            ends = {"low": low, "high": high}
            series |= {name: end[column.name].gather(at).alias(name) for name, end in ends.items()}
        frames[column.name] = new_columns(series, some_rows(rows.frame, numbers))
    return frames


def _ends(
    model: Model, gaps: Gaps, schema: Schema, values: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return compact rows with the ends of intervals; NaN where a column is not of numbers.

    They are as far from the estimate on both sides in the units that the net sees. Of whole numbers
    and dates they are the outermost ones inside, so that they hold no more and no fewer; where none
    is inside, the one that was estimated.
    """
    radius, half = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    number = np.zeros(values.shape[1], bool)
    for cell, (column, place) in enumerate(zip(schema.used, schema.first_values, strict=True)):
        if schema.values[place].kind == "number":
            radius[place], half[place] = gaps.radius(cell, level) + NEAR, column.step / 2
            number[place] = True
    middle = model.scaler.forward(values, "float64")
    low, high = (model.scaler.inverse(middle + sign * radius) for sign in (-1, 1))
    low, high = low + half, high - half
    empty = low > high
    ends = (np.where(empty, values, end) for end in (low, high))
    low, high = (np.where(number, end, np.nan) for end in ends)
    return low, high

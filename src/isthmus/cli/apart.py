"""Rows that a model cannot take: set apart, counted, and told of in one warning."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from isthmus.cli.options import ShownColumns
from isthmus.cli.rows import VALUES_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.cli.sources import Source
    from isthmus.io import Rows
    from isthmus.model import Model
    from isthmus.outliers import OutlierDetector
    from isthmus.schema import Schema


def first_autoencoder(found: Autoencoder | OutlierDetector) -> Autoencoder:
    """Return the autoencoder itself, or of a detector its first one, with the columns' names."""
    from isthmus.outliers import OutlierDetector

    return found.member_autoencoder() if isinstance(found, OutlierDetector) else found


def without_odd(
    found: Autoencoder | OutlierDetector, rows: Rows, source: Source, *, is_part: bool = False
) -> Rows:
    """Set rows apart that a model refuses; all of them only where they are a part of more."""
    import numpy as np

    odd = dict(_odd_rows(found, rows.X)) if len(rows.X) else {}
    if source.sets_apart and odd and (is_part or len(odd) < len(rows.X)):
        why = rows.problems.to_list() if rows.problems is not None else [None] * rows.total
        for row, reason in odd.items():
            why[rows.numbers[row]] = reason
        rows = rows.with_problems(why, ~np.isin(np.arange(len(rows.X)), [*odd]))
    return rows


def _odd_rows(
    found: Autoencoder | OutlierDetector, X: pl.DataFrame | np.ndarray
) -> Iterator[tuple[int, str]]:
    """Yield the number of each row that a model refuses, and why."""
    import numpy as np

    model = first_autoencoder(found).fitted_.model
    if model.schema is not None:
        yield from _odd_of_table(model, model.schema, X)
        return
    flat = np.asarray(X).reshape(len(X), -1)
    names = getattr(X, "columns", None) or [f"x{j}" for j in range(flat.shape[1])]
    yield from _reasons(flat, _far_cells(model, flat), names)


def _odd_of_table(
    model: Model, schema: Schema, X: pl.DataFrame | np.ndarray
) -> Iterator[tuple[int, str]]:
    import numpy as np

    names = [schema.used[value.cell].name for value in schema.values]
    step = max(VALUES_AT_ONCE // len(names), 1)
    for start in range(0, len(X), step):
        compact = schema.encode(X[start : start + step])
        empty = np.isnan(compact).all(axis=1)
        for row, reason in _reasons(compact, _far_cells(model, compact), names):
            yield start + row, reason
        yield from ((start + int(row), "all cells are missing") for row in np.flatnonzero(empty))


def _reasons(X: np.ndarray, far: np.ndarray, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield for each row with far cells its number, and which the first of them is."""
    import numpy as np

    odd = np.flatnonzero(far.any(axis=1))
    for i, j in zip(odd, far[odd].argmax(axis=1), strict=True):
        yield int(i), f"{names[j]} is {X[i, j]:g}, beyond the model's precision"


class Apart:
    """Counts rows that were set apart, and remembers the first."""

    def __init__(self, source: Source) -> None:
        self.source, self.total, self.bad, self.first = source, 0, 0, ""

    def add(self, rows: Rows) -> None:
        """Count the bad ones of some rows."""
        from isthmus.io import row_place

        bad = rows.bad()
        if bad.height and not self.bad:
            first = bad.row(0, named=True)
            self.first = f"{row_place(rows.lines, first['row'])}: {first['problem']}"
        self.bad += bad.height
        self.total += rows.total

    def warn(self) -> None:
        """Say how many rows cannot be used, and where the first stands."""
        if not self.bad:
            return
        left = isinstance(self.source.columns, ShownColumns)
        warnings.warn(
            f"{self.source.path}: {self.bad:,} of {self.total:,} rows cannot be used, and "
            f"{'they are left out' if left else 'their results are empty'} (the first is "
            f"{self.first}); --bad-rows fail refuses such files.",
            stacklevel=3,
        )


def _far_cells(model: Model, X: np.ndarray) -> np.ndarray:
    """Return which cells are infinite once they are scaled; those that are missing are not."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        ends = np.stack([np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)])
        if np.isfinite(
            model.scaled(np.nan_to_num(ends))
        ).all():  # scalings are monotone, nearly all
            return np.zeros((len(X), 1), bool)
        return ~np.isfinite(model.scaled(X)) & ~np.isnan(X)

"""Rows that a model cannot take are set apart, and one warning counts them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from isthmus.cli.models import first_autoencoder, wanted_by
from isthmus.cli.options import ShownColumns
from isthmus.cli.rows import VALUES_AT_ONCE, read_beside, read_rows
from isthmus.cli.sources import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.io import Rows
    from isthmus.model import Model
    from isthmus.outliers import OutlierDetector
    from isthmus.schema import Schema


def rows_for(found: Autoencoder | OutlierDetector, path: Path, source: Source) -> Rows:
    """Read the rows that the model of a file is applied to, the bad ones set apart."""
    return set_far_apart(found, read_rows(source, wanted_by(found, path)), source)


def shown_rows(
    found: Autoencoder | OutlierDetector, path: Path, source: Source, beside: str | None
) -> tuple[Rows, pl.Series | None]:
    """Read the rows that are shown, and a column beside them; bad ones are left out.

    The identifiers are those of the rows shown, whose `numbers` are those among all rows.
    """
    wanted, column = wanted_by(found, path), None
    if beside is None:
        rows = read_rows(source, wanted)
    else:
        rows, column = read_beside(source, beside, wanted)
    rows = set_far_apart(found, rows, source)
    if rows.problems is not None and rows.ids.width:
        rows = rows._replace(ids=rows.ids[rows.numbers])
    return rows, None if column is None else column[rows.numbers]


def set_far_apart(found: Autoencoder | OutlierDetector, rows: Rows, source: Source) -> Rows:
    """Set rows apart that a model refuses: with numbers beyond its precision, or without any cell.

    All that were set apart, for whatever reason, are told of in one warning.
    """
    import numpy as np

    odd = dict(_odd_rows(found, rows.X))
    if source.sets_apart and 0 < len(odd) < len(rows.X):
        why = rows.problems.to_list() if rows.problems is not None else [None] * rows.total
        for row, reason in odd.items():
            why[rows.numbers[row]] = reason
        rows = rows.with_problems(why, ~np.isin(np.arange(len(rows.X)), [*odd]))
    _warn_of_bad(source, rows)
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


def _warn_of_bad(source: Source, rows: Rows) -> None:
    """Say how many rows cannot be used, and where the first stands."""
    from isthmus.io import row_place

    bad = rows.bad()
    if bad.is_empty():
        return
    first = bad.row(0, named=True)
    left = isinstance(source.columns, ShownColumns)
    warnings.warn(
        f"{source.path}: {bad.height:,} of {rows.total:,} rows cannot be used, and "
        f"{'they are left out' if left else 'their results are empty'} (the first is "
        f"{row_place(rows.lines, first['row'])}: {first['problem']}); --bad-rows fail refuses such "
        "files.",
        stacklevel=2,
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

"""`.mat` of MATLAB, as public collections of outliers use it: rows in `X`, classes in `y`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.io.choices import TableError, chosen
from isthmus.io.matlab import read_mat
from isthmus.io.reading import reader
from isthmus.io.table import Table

if TYPE_CHECKING:
    from pathlib import Path

ROWS, CLASSES = "X", "y"


@reader(".mat")
def read(path: Path, *, key: str | None = None) -> Table:
    """Return a table of the matrix `X`, of that of a name, or of the only one, and `y` beside it."""
    held = read_mat(path)
    rows = held[chosen(path, "key", list(held), ROWS if key is None and ROWS in held else key)]
    if not rows.size:
        raise TableError(f"{path} has no rows.")
    frame = pl.DataFrame(rows, schema=[f"x{i}" for i in range(rows.shape[1])], orient="row")
    classes = held.get(CLASSES, np.empty((0, 0)))
    if classes.size != len(rows) or key == CLASSES:
        return Table(path, frame)
    return Table(path, frame.with_columns(pl.Series(CLASSES, classes.ravel())), answers=(CLASSES,))

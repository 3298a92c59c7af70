"""What tells rows apart and says nothing else of them."""

from __future__ import annotations

import numpy as np
import polars as pl

FEWEST = 20  # rows from which on columns may be identifiers or free text
SPREAD = 1.5  # of the count of rows: the widest range of their numbers


def numbered(cells: pl.Series) -> bool:
    """Return whether whole numbers tell rows apart as their numbers do: all differ, few are left out.

    Of 20 measurements in a range of 30 all differ once in 5,000 tables; of more rows, more seldom.
    """
    whole = cells if cells.dtype == pl.UInt64 else cells.cast(pl.Int64, strict=False)
    if len(cells) < FEWEST or whole.null_count():
        return False
    values = whole.to_numpy()
    above = values.astype(np.uint64) - np.uint64(
        int(values.min()) % 2**64
    )  # wraps round, and so is exact
    step = np.gcd.reduce(above)
    if step == 0 or above.max() // step > SPREAD * len(above):
        return False
    return bool(np.bincount((above // step).astype(np.int64)).max() == 1)

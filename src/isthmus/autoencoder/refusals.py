"""What is said of cells that no net can take: their columns, the first row, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_finite(X: np.ndarray, names: Sequence[str] | None = None, begin: int = 0) -> None:
    """Raise a ValueError that names the columns with NaN or infinite cells; rows count from `begin`."""
    if X.dtype.kind != "f" or np.isfinite([X.min(), X.max()]).all():
        return
    for kind, bad in (("NaN", np.isnan(X)), ("infinity", np.isinf(X))):
        columns = np.flatnonzero(bad.any(axis=0))
        if len(columns) == 0:
            continue
        label = [repr(str(names[j])) if names is not None else str(j) for j in columns[:5]]
        more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
        plural = "s" if len(columns) > 1 else ""
        raise ValueError(
            f"Input X contains {kind} in column{plural} {', '.join(label)}{more} "
            f"({int(bad.sum())} cells, the first in row {begin + int(np.argmax(bad.any(axis=1)))}); "
            "drop or fill these cells first, for example with sklearn.impute.SimpleImputer."
        )


def too_large(
    X: np.ndarray,
    scaled: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    rows: np.ndarray | None = None,
) -> ValueError:
    """Return the error for rows that are not finite once they are scaled; `rows` are their numbers."""
    bad = ~np.isfinite(scaled) & ~np.isnan(X)  # missing cells of a table are no such
    row, column = (int(i) for i in np.argwhere(bad)[0])
    label = column if names is None else repr(str(names[column]))
    number = row if rows is None else int(rows[row])
    single = scaled.dtype == np.float32
    way = "use dtype='float64', or divide it first" if single else "divide it first"
    return ValueError(
        f"Column {label} of X, scaled, is too large for dtype {scaled.dtype}, which ends at "
        f"{np.finfo(scaled.dtype).max:.2g}: {X[row, column]:g} in row {number}; {way}."
    )

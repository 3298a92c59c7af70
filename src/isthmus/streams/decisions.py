"""What was decided on rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import polars as pl


class Decisions(NamedTuple):
    """What was decided on rows, a value for each.

    Attributes
    ----------
    row : ndarray
        Their numbers, from 0, in the order of arrival.
    pvalue : ndarray
        How often a normal row is at least as strange.
    level : ndarray
        What the p-value is compared with.
    outlier : ndarray of bool
        Whether it is at most that.
    """

    row: np.ndarray
    pvalue: np.ndarray
    level: np.ndarray
    outlier: np.ndarray

    def frame(self) -> pl.DataFrame:
        """Return them as a table."""
        import polars as pl

        return pl.DataFrame(self._asdict())

"""Where a value stands among all before it, in bounded memory, uniform if nothing changes."""

from __future__ import annotations

import numpy as np


class Urns:
    """The ranks of new values among known ones, a row of known ones for each column.

    Known values cut the line into gaps. If all values, known and new, are exchangeable, the next one
    falls into a gap with the probability of its share of balls in Polya's urn: one ball for each gap
    at the start, and one more for each value that fell into it. Its place within the gap is drawn,
    and so are the gaps of ties. Places are then independent and uniform on [0, 1], whatever the
    values' distribution: they are smoothed conformal p-values (Vovk, Gammerman and Shafer, 2005), of
    which only the balls have to be kept.

    Parameters
    ----------
    known : ndarray (columns, m)
        The known values.
    most : int
        Keep at most so many values of each column; gaps between those that are left out are one.
    """

    def __init__(self, known: np.ndarray, most: int = 1000) -> None:
        ordered, m = np.sort(known, axis=1), known.shape[1]
        kept = np.unique(np.linspace(0, m - 1, min(m, most)).astype(int)) if m else np.arange(0)
        self.edges = ordered[:, kept]
        gaps = np.diff(np.concatenate([[-1], kept, [m]]))
        self.balls = np.tile(gaps, (len(known), 1))

    def places(self, values: np.ndarray, luck: np.ndarray) -> np.ndarray:
        """Return where a new row stands, low values near 0, and remember it.

        Parameters
        ----------
        values : ndarray (columns,)
            The row.
        luck : ndarray (columns,)
            Uniform random numbers in [0, 1).
        """
        column = np.arange(len(values))
        total = np.zeros((len(values), self.balls.shape[1] + 1), self.balls.dtype)
        np.cumsum(self.balls, axis=1, out=total[:, 1:])
        low = total[column, (self.edges < values[:, None]).sum(axis=1)]
        high = total[column, (self.edges <= values[:, None]).sum(axis=1) + 1]
        place = low + luck * (high - low)
        self.balls[column, (total[:, 1:-1] <= place[:, None]).sum(axis=1)] += 1
        return place / total[:, -1]

"""The nearest of known rows, but for a row itself; what it takes is bounded."""

from __future__ import annotations

import numpy as np

from isthmus.model import blocks

SAME = 1e-10  # of the usual square: how far rounding may part a row from itself


def closest_rows(
    x: np.ndarray, known: np.ndarray, there: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the known row that is nearest to each row, and its squared distance.

    A row may have been drawn as a reference, so one that is the same within rounding is passed over.
    A product finds the nearest, and the difference is taken anew: a row's is the same whatever rows
    come with it. `there` is which slots of each row count, if not all do.
    """
    known = known.astype(float)
    squares = (known**2).sum(axis=1)
    same = SAME * (known.shape[1] + squares.mean())
    index, distance = np.empty(len(x), int), np.empty(len(x))
    for b in blocks(x, max(2**22 * x.shape[1] // len(known), x.shape[1])):
        rows, counts = x[b].astype(float), None if there is None else there[b]
        near = _apart_by_product(rows, known, squares, counts)
        index[b] = near.argmin(axis=1)
        distance[b] = _apart(rows, known[index[b]], counts)
        own = np.flatnonzero(distance[b] <= same)
        near[own, index[b][own]] = np.inf
        index[b][own] = near[own].argmin(axis=1)
        counts = None if counts is None else counts[own]
        distance[b][own] = _apart(rows[own], known[index[b][own]], counts)
    return index, distance


def _apart_by_product(
    rows: np.ndarray, known: np.ndarray, squares: np.ndarray, counts: np.ndarray | None
) -> np.ndarray:
    """Return the squared distance of each row from each known one, but for the row's own square."""
    if counts is None:
        return squares - 2 * rows @ known.T
    return counts @ (known**2).T - 2 * (rows * counts) @ known.T


def _apart(rows: np.ndarray, others: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    """Return the squared distance of rows from others, over the slots that count."""
    difference = rows - others
    return ((difference if counts is None else difference * counts) ** 2).sum(axis=1)

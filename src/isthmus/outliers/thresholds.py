"""Where strangeness ends to be normal, by the scores of the rows trained on alone.

Scores are sums of squares, whose roots float32 knows to a few steps of the usual value: what lies
nearer is a tie.
"""

import numpy as np
from scipy.special import ndtri

RESOLUTION = 2.0**-22  # of the usual scaled value: two steps of float32
WIDEST = 3  # the upper deviation at most, in those of the shortest half
SHARED = 0.2  # of the rows with one value: more would take the place of a quantile
FEW = 0.1  # of the rows, when ties are left out: fewer are no population


def highest_tie(strangeness: np.ndarray, usual: float) -> np.ndarray:
    """Return the highest values that cannot be told from these."""
    roots = _signed_roots(strangeness)
    roots = roots + RESOLUTION * (usual + np.abs(roots))
    return np.maximum(np.sign(roots) * roots**2, strangeness)


def _signed_roots(strangeness: np.ndarray) -> np.ndarray:
    return np.sign(strangeness) * np.sqrt(np.abs(strangeness))


def robust_limit(strangeness: np.ndarray, usual: float = 1.0) -> float:
    """Return the value whose cube root lies two robust deviations above the median's.

    Rows that cannot be told apart say nothing of how far normal rows lie from each other. Where more
    than a fifth are equal, the others alone are looked at; if these are at most a tenth (or one row),
    they are no population, and the limit is the highest of the values that were left out. It is
    never below the median of all.

    Parameters
    ----------
    strangeness : ndarray (n,)
        Minus the scores of the rows.
    usual : float
        How large values are in the units that the scores are made of.
    """
    ordered = np.sort(strangeness)
    few = max(FEW * len(ordered), 1)
    rest = _without_ties(ordered, usual, few)
    if len(rest) > few:
        least = float(highest_tie(np.median(ordered), usual))
        return max(_limit_of_spread(rest, usual), least)
    tied = ordered[~np.isin(ordered, rest)]
    return float(highest_tie(tied[-1] if len(tied) else ordered[-1], usual))


def _without_ties(ordered: np.ndarray, usual: float, few: float) -> np.ndarray:
    """Return the values without those that more than a fifth of them share, until few are left.

    What the few have in common says nothing: strange rows may be copies of each other.
    """
    ends = np.searchsorted(ordered, highest_tie(ordered, usual), side="right")
    counts = ends - np.arange(len(ordered))
    if len(ordered) <= few or counts.max() <= max(SHARED * len(ordered), 1):
        return ordered
    first = int(counts.argmax())
    return _without_ties(np.delete(ordered, slice(first, ends[first])), usual, few)


def _limit_of_spread(ordered: np.ndarray, usual: float) -> float:
    """Return the limit of rows without large ties.

    Sums of squares are nearly normal under a cube root (Wilson and Hilferty, 1931), and nearer in
    their upper half, whose deviation is taken. Where a third of the rows are far away, that
    deviation is theirs; the shortest interval with half of the scores still is not, and bounds it.
    """
    roots = np.cbrt(ordered)
    middle, upper = np.quantile(roots, (0.5, 0.75))
    half = WIDEST * _shortest_half(np.cbrt(_distinct(ordered, usual))) / 2
    return float((middle + 2 * min(upper - middle, half) / ndtri(0.75)) ** 3)


def _distinct(ordered: np.ndarray, usual: float) -> np.ndarray:
    """Return each value once, also where several round to it."""
    steps = np.round(_signed_roots(ordered) / (RESOLUTION * usual))
    return ordered[np.unique(steps, return_index=True)[1]]


def _shortest_half(ordered: np.ndarray) -> float:
    """Return the length of the shortest interval with more than half of the values."""
    half = len(ordered) // 2
    return float((ordered[half:] - ordered[: len(ordered) - half]).min())


def limit_of_share(strangeness: np.ndarray, share: float, usual: float = 1.0) -> float:
    """Return the limit above which the share of rows lies, as nearly as ties permit."""
    down = np.sort(strangeness)[::-1]
    parts = np.flatnonzero(down[:-1] > highest_tie(down[1:], usual)) + 1
    counts = np.append(parts[::-1], 0)  # that can lie above a limit; of two as near, the larger
    count = counts[np.abs(counts - share * len(down)).argmin()]
    if not count:
        return float(down[0])
    low, high = down[count], down[count - 1]
    limit = -np.quantile(-strangeness, share)
    return float(limit if low <= limit < high else (low + high) / 2)

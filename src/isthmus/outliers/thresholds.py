"""Where strangeness ends to be normal, by the scores of the rows trained on alone.

Scores are sums of squares, whose roots float32 knows to a few steps of the usual value: what lies
nearer is a tie.
"""

import math

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from scipy.special import ndtri

RESOLUTION = 2.0**-22  # of the usual scaled value: two steps of float32
REACH = 2.3  # robust deviations: of one kind of rows, two to four per cent lie farther
LEAST_MASS, DEEP, ENOUGH = 0.05, 0.5, 50  # of a second kind, of a valley, of rows to see one
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
    """Return the value in the valley between two kinds of rows, or how far one kind reaches.

    Where there is one kind, it is the value whose cube root lies 2.3 robust deviations above the
    median's.

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
        limit = valley(rest)
        return max(_limit_of_spread(rest, usual) if limit is None else limit, least)
    tied = ordered[~np.isin(ordered, rest)]
    return float(highest_tie(tied[-1] if len(tied) else ordered[-1], usual))


def valley(ordered: np.ndarray) -> float | None:
    """Return where the density of logarithms is least between two kinds of rows; None where it is one.

    The density (by a Gaussian kernel, its width by Silverman's rule) must fall to half of its next
    peak, and from a twentieth to half of the rows must lie above.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> usual, far = rng.chisquare(5, 200), 40 * rng.chisquare(5, 60)
    >>> valley(np.sort(usual)) is None
    True
    >>> limit = valley(np.sort(np.concatenate([usual, far])))
    >>> round(float((usual > limit).mean()), 2), round(float((far > limit).mean()), 2)
    (0.0, 0.97)
    """
    n = len(ordered)
    if n < ENOUGH or not ordered[0] > 0:
        return None
    roots = np.log(ordered)
    low, high = np.quantile(roots, (0.25, 0.75))
    width = 0.9 * min(roots.std(), (high - low) / 1.34) * n**-0.2
    if not width > 0:
        return None
    grid = np.linspace(roots[0] - 3 * width, roots[-1] + 3 * width, 1025)
    step = grid[1] - grid[0]
    density = gaussian_filter1d(
        np.histogram(roots, grid)[0].astype(float), width / step, mode="constant"
    )
    top, found = int(density.argmax()), []
    for peak in find_peaks(density)[0]:
        if peak > top:
            least = top + int(density[top:peak].argmin())
            limit = float(grid[least] + step / 2)
            if density[least] < DEEP * density[peak] and LEAST_MASS < np.mean(roots > limit) < 0.5:
                found.append((density[least] / density[peak], limit))
    return math.exp(min(found)[1]) if found else None


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
    return float((middle + REACH * min(upper - middle, half) / ndtri(0.75)) ** 3)


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

"""Conformal p-values: how strange a score is among those of normal rows that were not trained on."""

import math

import numpy as np


def pvalues(strangeness: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Return `p = (1 + #{calibration rows at least as strange}) / (n + 1)` for each row.

    Where the calibration rows and a new normal row are exchangeable, and the scores were learned on
    other rows, `P(p <= a) <= a` for every a: the rank of the new row among n + 1 is uniform, or
    larger where there are ties.

    Parameters
    ----------
    strangeness : ndarray (m,)
        Scores of new rows, higher for stranger ones.
    calibration : ndarray (n,)
        Scores of normal rows that the scoring model did not train on.

    Returns
    -------
    ndarray (m,)
        Between 1 / (n + 1) and 1.

    References
    ----------
    Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; Bates, Candes, Lei,
    Romano and Sesia, "Testing for Outliers with Conformal p-values", 2023.

    Examples
    --------
    >>> pvalues(np.array([0.5, 9.0]), np.array([1.0, 2.0, 3.0]))
    array([1.  , 0.25])
    """
    ordered = np.sort(calibration)
    at_least = len(ordered) - np.searchsorted(ordered, strangeness, side="left")
    return (1 + at_least) / (len(ordered) + 1)


def cut(calibration: np.ndarray, alpha: float) -> float:
    """Return the score above which, and not at which, p-values are at most alpha.

    Raises a ValueError where no p-value can be so small.
    """
    n = len(calibration)
    allowed = math.floor(alpha * (n + 1) + 1e-9) - 1  # calibration rows that may be as strange
    if allowed < 0:
        raise ValueError(
            f"p-values from {n} calibration rows are at least {1 / (n + 1):.3g}, so none is at most "
            f"{alpha:g}: give more rows, a larger calibration_fraction or a larger rate."
        )
    return float(np.sort(calibration)[n - 1 - allowed])


def discoveries(p: np.ndarray, rate: float) -> np.ndarray:
    """Return which p-values are rejected at a false-discovery rate, by Benjamini and Hochberg.

    Conformal p-values that share calibration rows depend on each other positively, for which the
    bound on the rate holds (Bates et al., 2023).

    References
    ----------
    Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995.

    Examples
    --------
    >>> discoveries(np.array([0.01, 0.5, 0.03]), 0.05)
    array([ True, False,  True])
    """
    order = np.sort(p)
    passed = np.flatnonzero(order <= rate * np.arange(1, len(p) + 1) / len(p))
    return p <= order[passed[-1]] if len(passed) else np.zeros(len(p), bool)

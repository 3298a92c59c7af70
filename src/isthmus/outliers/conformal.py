"""How strange is too strange: p-values by rows that were not trained on."""

import math
import warnings

import numpy as np
from scipy.stats import false_discovery_control

FOLDS = 5  # of cross-fitted calibration
ROUNDING = 1e-9  # of a rate times rows, which may be a whole number but for it


def conformal_pvalues(
    strangeness: np.ndarray, calibration: np.ndarray, folds: np.ndarray | None = None
) -> np.ndarray:
    """Return `p = (1 + #{calibration rows at least as strange}) / (n + 1)` for each row.

    Where the calibration rows and a new normal row are exchangeable, and the scores were learned on
    other rows, `P(p <= a) <= a` for every a: the rank of the new row among n + 1 is uniform, or
    larger where there are ties.

    With folds, each has a score of its own, learned on all the others: new rows are compared with the
    rows of a fold by its score, and `P(p <= a) <= 2 a + 2 (1 - 1/K) / (n/K + 1)` for K equal folds.

    Parameters
    ----------
    strangeness : ndarray (m,), or (m, K) with folds
        Scores of new rows, higher for stranger ones; by each fold's score.
    calibration : ndarray (n,)
        Scores of normal rows that the scoring model did not train on.
    folds : ndarray (n,), optional
        The fold of each calibration row, from 0 to K - 1.

    Returns
    -------
    ndarray (m,)
        Between 1 / (n + 1) and 1.

    References
    ----------
    Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; Bates, Candes, Lei,
    Romano and Sesia, "Testing for Outliers with Conformal p-values", 2023. With folds: Vovk,
    "Cross-conformal predictors", 2015; Barber, Candes, Ramdas and Tibshirani, "Predictive Inference
    with the Jackknife+", 2021 (the bound).

    Examples
    --------
    >>> conformal_pvalues(np.array([0.5, 9.0]), np.array([1.0, 2.0, 3.0]))
    array([1.  , 0.25])
    >>> conformal_pvalues(np.array([[0.5, 9.0]]), np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1]))
    array([0.75])
    """
    if folds is None:
        strangeness, folds = strangeness[:, None], np.zeros(len(calibration), int)
    at_least = np.zeros(len(strangeness), int)
    for k, values in enumerate(strangeness.T):
        ordered = np.sort(calibration[folds == k])
        at_least += len(ordered) - np.searchsorted(ordered, values, side="left")
    return (1 + at_least) / (len(calibration) + 1)


def conformal_threshold(calibration: np.ndarray, alpha: float) -> float:
    """Return the score above which, and not at which, p-values are at most alpha.

    Raises a ValueError where no p-value can be so small.
    """
    n = len(calibration)
    allowed = ranks_within(alpha, n) - 1  # calibration rows that may be as strange
    if allowed < 0:
        raise ValueError(
            f"p-values from {n} calibration rows are at least {1 / (n + 1):.3g}, so none is at most "
            f"{alpha:g}, which takes {rows_needed(alpha):,}: give more rows, hold more of them out, or "
            "take a larger rate."
        )
    return float(np.sort(calibration)[n - 1 - allowed])


def ranks_within(alpha: float, n: int) -> int:
    """Return how many of the n + 1 p-values that there can be are at most alpha."""
    return math.floor(alpha * (n + 1) + ROUNDING)


def rows_needed(alpha: float) -> int:
    """Return the least number of calibration rows of which a p-value can be at most alpha.

    Examples
    --------
    >>> rows_needed(0.05), rows_needed(0.01)
    (19, 99)
    """
    return math.ceil((1 - ROUNDING) / alpha) - 1


def discoveries(p: np.ndarray, rate: float) -> np.ndarray:
    """Return which p-values are rejected at a false-discovery rate, by Benjamini and Hochberg.

    Conformal p-values that share calibration rows depend on each other positively, for which the
    bound on the rate holds (Bates et al., 2023); with cross-fitted ones the rate is approximate.

    References
    ----------
    Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995.

    Examples
    --------
    >>> discoveries(np.array([0.01, 0.5, 0.03]), 0.05)
    array([ True, False,  True])
    """
    if not len(p):
        return np.zeros(0, bool)
    adjusted: np.ndarray = false_discovery_control(p, method="bh")
    return adjusted <= rate * (1 + 1e-12)  # rounding must not keep a value at its limit


def warn_of_few_held(p: np.ndarray, n: int, rate: float) -> None:
    """Warn where n calibration rows are too few to find rows that are stranger than all of them.

    Their p-value is 1 / (n + 1), and k of m such rows are found if that is at most k rate / m.
    """
    k = int(np.sum(p * (n + 1) <= 1 + ROUNDING))
    if k:
        stands = "1 row is" if k == 1 else f"{k:,} rows are"
        warnings.warn(
            f"{stands} stranger than all {n:,} calibration rows, too few to find among {len(p):,} at "
            f"a false-discovery rate of {rate:g}, which takes {rows_needed(k * rate / len(p)):,}: "
            "hold more rows out, or take a larger rate.",
            stacklevel=5,
        )

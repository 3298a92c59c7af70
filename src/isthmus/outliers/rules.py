"""What a detector's parameters say of its threshold: a rate of normal rows, a share, or "auto"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.outliers.conformal import conformal_threshold
from isthmus.outliers.members import usual_value
from isthmus.outliers.thresholds import limit_of_share, robust_limit

if TYPE_CHECKING:
    import numpy as np

    from isthmus.outliers.parameters import DetectorParameters

USUAL_RATE = 0.05  # the false-positive rate on clean rows where none is given


def rate_of(detector: DetectorParameters) -> float | None:
    """Return the rate of normal rows that may be outliers; None where a share or "auto" decides."""
    given = detector.target_fpr if detector.alpha is None else detector.alpha
    return USUAL_RATE if given is None and detector.contamination == "none" else given


def rate_by(detector: DetectorParameters, n: int) -> float:
    """Return the rate for n calibration rows: the usual one is as large as so few need."""
    if detector.target_fpr is None and detector.alpha is None:
        return max(USUAL_RATE, 1 / (n + 1))
    return float(rate_of(detector) or USUAL_RATE)


def threshold_by(detector: DetectorParameters, scores: np.ndarray) -> float:
    """Return the threshold that a detector's rule settles by the scores of these rows."""
    if rate_of(detector) is not None:
        return -conformal_threshold(-scores, rate_by(detector, len(scores)))
    usual = usual_value(detector.members_)
    if isinstance(detector.contamination, str):
        return -robust_limit(-scores, usual)
    return -limit_of_share(-scores, float(detector.contamination), usual)

"""What a detector is refused for before it is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.outliers.parameters import check_detector
from isthmus.outliers.rules import rate_of

if TYPE_CHECKING:
    from isthmus.outliers.parameters import DetectorParameters


def check_new_detector(detector: DetectorParameters) -> None:
    """Raise one clear error for what a detector cannot be fitted with, or what has no effect then."""
    check_detector(detector)
    if detector.calibration == "cross" and rate_of(detector) is None:
        raise ValueError(
            "calibration='cross' says how rows are held out, and with "
            f"contamination={detector.contamination!r} none are: give target_fpr, alpha or "
            "contamination='none', or leave calibration out."
        )

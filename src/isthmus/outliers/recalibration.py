"""Thresholds and p-values settled anew by recent rows, while what was learnt stays as it is."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.model import bad_value
from isthmus.outliers.conformal import rows_needed
from isthmus.outliers.parameters import check_detector
from isthmus.outliers.rules import rate_of, threshold_by

if TYPE_CHECKING:
    from isthmus.model import Meta, Record
    from isthmus.outliers.parameters import DetectorParameters

KINDS = ("normal", "any")  # what recent rows can be
LEAST = 20  # rows that tell a share, or a limit by quartiles


class Recalibration(NamedTuple):
    """One recalibration of a detector.

    Attributes
    ----------
    when : str
        The time in UTC, such as "2026-03-01T09:30:00+00:00".
    rows : int
        How many rows it was by.
    taken_for : str
        What they were taken for: "normal" or "any".
    old_threshold, new_threshold : float
        `offset_` before and after.
    """

    when: str
    rows: int
    taken_for: str
    old_threshold: float
    new_threshold: float

    @property
    def n_calibration(self) -> int:
        """How many rows p-values compare with from then on."""
        return self.rows if self.taken_for == "normal" else 0


def check_recent(detector: DetectorParameters, rows: str) -> None:
    """Raise one clear error where a detector cannot be recalibrated by rows of this kind."""
    check_detector(detector)
    if rows not in KINDS:
        raise ValueError(f"The parameter rows must be 'normal' or 'any'; got {rows!r}.")
    rate = rate_of(detector)
    if rows == "any" and rate is not None:
        raise ValueError(
            "rows='any' is for a threshold by contamination alone, and this detector bounds a rate of "
            f"normal rows, {rate:g}: give rows that are normal, with rows='normal'."
        )


def check_enough(detector: DetectorParameters, n: int) -> None:
    """Raise a ValueError that names the number needed where n rows are too few."""
    rate, needed = rate_of(detector), rows_for_threshold(detector)
    if n < needed:
        by = f"contamination={detector.contamination!r}" if rate is None else f"a rate of {rate:g}"
        raise ValueError(
            f"{n} row{'s' * (n != 1)} cannot recalibrate a detector with {by}, which takes at least "
            f"{needed:,}: give more rows."
        )


def rows_for_threshold(detector: DetectorParameters) -> int:
    """Return the least number of rows that settle a threshold."""
    rate = rate_of(detector)
    if rate is not None:
        return rows_needed(rate)
    share = 0.0 if isinstance(detector.contamination, str) else float(detector.contamination)
    return max(math.ceil(1 / share), LEAST) if share else LEAST


def recalibrate_by(detector: DetectorParameters, scores: np.ndarray, rows: str) -> None:
    """Settle threshold and p-values by the scores of rows that were checked."""
    before, scores = detector.offset_, np.array(scores, float)
    detector.offset_ = threshold_by(detector, scores)
    detector.calibration_scores_ = scores if rows == "normal" else None
    detector.calibration_folds_ = None  # all members score these rows, as they will score new ones
    when = datetime.now(UTC).isoformat(timespec="seconds")
    done = Recalibration(when, len(scores), rows, float(before), detector.offset_)
    detector.recalibrations_ = [*detector.recalibrations_, done]


# -- in a file -------------------------------------------------------------------------------------


def pack_recalibrations(done: list[Recalibration]) -> Meta:
    """Return what a file says of recalibrations; nothing where there was none."""
    return {"recalibrations": [one._asdict() for one in done]} if done else {}


def unpack_recalibrations(fitted: Record) -> list[Recalibration]:
    """Return the recalibrations that a file tells of; files before 1.6 know none."""
    return (
        [_unpacked(one) for one in fitted.records("recalibrations")]
        if "recalibrations" in fitted
        else []
    )


def _unpacked(one: Record) -> Recalibration:
    taken_for, rows = one.text("taken_for"), one.whole("rows", 1)
    if taken_for not in KINDS:
        raise bad_value("taken_for", taken_for, "'normal' or 'any'")
    thresholds = one.number("old_threshold"), one.number("new_threshold")
    if not np.isfinite(thresholds).all():
        raise bad_value("recalibrations", thresholds, "finite thresholds")
    return Recalibration(_time(one.text("when")), rows, taken_for, *thresholds)


def _time(text: str) -> str:
    """Return a time in UTC."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = datetime.min
    if when.utcoffset() != timedelta(0):
        raise bad_value("when", text, "a time in UTC")
    return text

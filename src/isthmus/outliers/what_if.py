"""How many rows would be outliers at other rates, while nothing is changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.outliers.conformal import (
    conformal_threshold,
    discoveries,
    ranks_within,
    rows_needed,
)
from isthmus.outliers.members import usual_value
from isthmus.outliers.rules import rate_by, rate_of
from isthmus.outliers.thresholds import limit_of_share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.outliers.detector import OutlierDetector

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
UNKNOWN = math.nan


class Line(NamedTuple):
    """A line of the table; see there."""

    rate: float
    threshold: float
    alerts: int
    false_alarms: float
    current: bool = False


class ThresholdTable(NamedTuple):
    """What a detector finds among rows at its own threshold and at other rates, a line for each.

    Attributes
    ----------
    rate : ndarray
        The rate of normal rows that may be outliers, or the share of outliers, or with `fdr` that of
        false discoveries; NaN for a threshold that no rate settled.
    threshold : ndarray
        The score below which rows are outliers; NaN where p-values decide.
    alerts : ndarray of int
        How many of the rows are outliers.
    false_alarms : ndarray
        How many would be on average if all of the rows were normal; with `fdr`, how many of the alerts
        may be false on average; NaN where no normal rows tell.
    current : ndarray of bool
        The line of the detector as it is.
    """

    rate: np.ndarray
    threshold: np.ndarray
    alerts: np.ndarray
    false_alarms: np.ndarray
    current: np.ndarray

    def frame(self) -> pl.DataFrame:
        """Return the lines as a table, with null for what is NaN."""
        return pl.DataFrame(self._asdict()).fill_nan(None)


def threshold_table(detector: OutlierDetector, judged: np.ndarray) -> ThresholdTable:
    """Return the table by the scores of rows, or by their p-values if a detector decides by these."""
    held = detector.calibration_scores_
    if held is None:
        lines = [*_by_shares(detector, judged)]
    elif detector.by_pvalues:
        lines = [*_by_pvalues(detector, judged, len(held))]
    else:
        lines = [*_by_rates(detector, judged, held)]
    lines.sort(key=lambda line: (not math.isnan(line.rate), line.rate, not line.current))
    return ThresholdTable(*map(np.array, zip(*lines, strict=True)))


def _own_share(detector: OutlierDetector) -> float:
    """Return the share that settled the threshold; NaN for "auto"."""
    by_rate = rate_of(detector) is not None or isinstance(detector.contamination, str)
    return UNKNOWN if by_rate else float(detector.contamination)


def _own_rate(detector: OutlierDetector, held: np.ndarray) -> float:
    """Return the rate that settled the threshold; NaN where another was set since."""
    if rate_of(detector) is None:
        return _own_share(detector)
    own, n = rate_by(detector, len(held)), len(held)
    settled = n >= rows_needed(own) and -conformal_threshold(-held, own) == detector.offset_
    return own if settled else UNKNOWN


def _by_shares(detector: OutlierDetector, scores: np.ndarray) -> Iterator[Line]:
    """Yield what is found where these rows themselves have a share of outliers."""
    usual = usual_value(detector.members_)
    for share in RATES:
        if share * len(scores) >= 1:
            limit = -limit_of_share(-scores, share, usual)
            yield Line(share, limit, _below(scores, limit), UNKNOWN)
    limit = detector.offset_
    yield Line(_own_share(detector), limit, _below(scores, limit), UNKNOWN, current=True)


def _by_rates(detector: OutlierDetector, scores: np.ndarray, held: np.ndarray) -> Iterator[Line]:
    """Yield what is found below the quantiles of the calibration scores."""

    def line(rate: float, limit: float, *, current: bool) -> Line:
        false_alarms = len(scores) * (1 + _below(held, limit)) / (len(held) + 1)
        return Line(rate, limit, _below(scores, limit), false_alarms, current)

    own = _own_rate(detector, held)
    for rate in _others(own, len(held)):
        yield line(rate, -conformal_threshold(-held, rate), current=False)
    yield line(own, detector.offset_, current=True)


def _by_pvalues(detector: OutlierDetector, p: np.ndarray, n: int) -> Iterator[Line]:
    """Yield what is found by p-values: up to a rate, or at a false-discovery rate."""
    own = rate_by(detector, n)
    for rate in (own, *_others(own, n)):
        found = discoveries(p, rate) if detector.fdr else p <= rate
        alerts = int(found.sum())
        false_alarms = rate * alerts if detector.fdr else len(p) * ranks_within(rate, n) / (n + 1)
        yield Line(rate, UNKNOWN, alerts, false_alarms, rate == own)


def _others(own: float, n: int) -> list[float]:
    """Return the rates that so many calibration rows permit, but for the detector's own."""
    return [rate for rate in RATES if rate != own and n >= rows_needed(rate)]


def _below(scores: np.ndarray, limit: float) -> int:
    return int((scores < limit).sum())

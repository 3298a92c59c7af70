"""Simulated streams: false alerts, power, false alarms for drift, and how soon a drift is found.

    python benchmarks/streams.py               # 200 streams for each line
    python benchmarks/streams.py --streams 20

Rates: scores of normal rows are N(0, 1), those of outliers N(5, 1), 4,000 rows a stream, each with
calibration rows of its own; --ties rounds scores to one decimal. Drift: ten columns N(0, 1), their mean
square as the score, 1,200 rows, of which outliers lie eight deviations out in one column; a drift moves
another column from row 600 on.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import NamedTuple

import numpy as np
from speed.results import machine

from isthmus.outliers import conformal_pvalues
from isthmus.streams import budgets, drift, tails

RATE, ROWS, DRIFTED = 0.1, 4000, 600


class Setting(NamedTuple):
    """One line of the table of rates."""

    pvalues: str
    calibration: int
    outliers: float
    ties: bool


SETTINGS = [
    *(Setting("tail", 1000, share, ties) for share in (0, 0.01, 0.05) for ties in (False, True)),
    *(
        Setting("conformal", n, share, ties)
        for n in (1000, 10_000)
        for share in (0, 0.01, 0.05)
        for ties in (False, True)
    ),
]


def rates(setting: Setting, rng: np.random.Generator) -> tuple[float, float, bool]:
    """Return the shares of false alerts and of outliers found in one stream, and if a tail fits."""
    digits = 1 if setting.ties else 9
    held = rng.normal(size=setting.calibration).round(digits)
    outlier = rng.random(ROWS) < setting.outliers
    scores = (rng.normal(size=ROWS) + 5 * outlier).round(digits)
    p, budget = conformal_pvalues(scores, held), budgets.Credits(RATE, len(held))
    found = tails.fit_tail(held) if setting.pvalues == "tail" else None
    fits = found is not None and found[1] > tails.BAD_FIT
    if found is not None and fits:
        tail = found[0]
        p, budget = np.where(scores > tail.threshold, tail.survival(scores), p), budgets.Lord(RATE)
    alert = np.zeros(ROWS, bool)
    for i in range(ROWS):
        alert[i] = p[i] <= budget.level() * (1 + 1e-12)
        budget.settle(bool(alert[i]))
    false = (alert & ~outlier).sum() / max(alert.sum(), 1)
    return float(false), float(alert[outlier].mean()) if outlier.any() else np.nan, fits


def print_rates(streams: int) -> None:
    """Print a line for each setting."""
    print("p-values   calibration  outliers  ties   false (error)   power  tail fits")
    for setting in SETTINGS:
        rng = np.random.default_rng(0)
        false, power, fits = np.transpose([rates(setting, rng) for _ in range(streams)])
        print(
            f"{setting.pvalues:9} {setting.calibration:12,} {setting.outliers:9.0%}  "
            f"{'yes' if setting.ties else 'no':4}  {false.mean():.3f} "
            f"({false.std() / streams**0.5:.3f})  {power.mean():6.2f}  {fits.mean():9.0%}",
            flush=True,
        )


def rows_of(rng: np.random.Generator, n: int, outliers: float, digits: int) -> np.ndarray:
    """Return rows, of which some are outliers."""
    rows = rng.normal(size=(n, 10))
    rows[rng.random(n) < outliers, 0] += 8
    return rows.round(digits)


def alarm(rng: np.random.Generator, outliers: float, digits: int, shift: float) -> tuple[int, bool]:
    """Return the row of the alarm in one stream, -1 for none, and whether the right column is named."""
    names = tuple(f"x{i}" for i in range(10))
    held = rows_of(rng, 1000, 0, digits)
    rows = rows_of(rng, 2 * DRIFTED, outliers, digits)
    rows[DRIFTED:, 3] += shift
    watch = drift.Watch((held**2).mean(axis=1), names)
    for row in rows:
        watch.see(float((row**2).mean()), row, rng.random(11))
        if watch.since >= 0:
            break
    found = watch.drift
    return watch.since, found is not None and [*found.columns] == ["x3"]


def print_drift(streams: int) -> None:
    """Print a line for each shift and kind of stream."""
    print(
        "\nshift  outliers  ties  alarms before  alarms after  rows until, median and most  named right"
    )
    for shift in (0.0, 0.5, 1.0):
        for outliers, digits in ((0, 9), (0.01, 9), (0.05, 9), (0.05, 0)):
            rng = np.random.default_rng(0)
            since, named = np.transpose(
                [alarm(rng, outliers, digits, shift) for _ in range(streams)]
            )
            late = since[since >= DRIFTED] - DRIFTED
            delay = f"{np.median(late):.0f}, {late.max()}" if len(late) else "-"
            right = f"{named[since >= DRIFTED].mean():.0%}" if len(late) else "-"
            early = ((since >= 0) & (since < DRIFTED)).sum()
            print(
                f"{shift:5} {outliers:9.0%}  {'no' if digits else 'yes':4} {early:14} {len(late):13}  "
                f"{delay:>27}  {right:>11}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=200)
    parser.set_defaults(activation="none", cores=os.cpu_count())
    args = parser.parse_args()
    start = time.perf_counter()
    print("{processor}, {cores} cores, {day}".format(**machine(args)))
    print(f"{args.streams} streams a line, target {RATE:.0%}\n")
    print_rates(args.streams)
    print_drift(args.streams)
    print(f"\n{time.perf_counter() - start:.0f} seconds")

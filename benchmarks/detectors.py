"""Outlier detectors in time: isthmus beside scikit-learn's forest and nearest neighbours.

    python benchmarks/detectors.py [--rounds 5] [--only NAME ...] [--command]

Medians of runs that take turns in one process, warm; seconds of the clock, of all cores in brackets.
Nearest neighbours are scikit-learn's, as PyOD's KNN has them, and are left out where they take
minutes. `--command` also runs `isthmus detect` on a CSV file of 2,000,000 rows of 30 columns, and a
first fit in a new process without a cache of compiled programs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from speed.results import machine

from isthmus import OutlierDetector

FIRST = """
import time, numpy as np, jax
from isthmus import OutlierDetector
X = np.random.default_rng(0).normal(size=(2000, 20))
jax.numpy.zeros(1).block_until_ready()
begin = time.perf_counter()
for _ in range(2):
    OutlierDetector(random_state=0).fit(X)
    print(time.perf_counter() - begin)
    begin = time.perf_counter()
"""


def rows(n, d, seed=0):
    """Return normal rows whose columns depend on each other, and a fiftieth far off."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    X[: n // 50] += 8 * rng.normal(size=(n // 50, d))
    return X


def ours(X, seed):
    """Fit, and score the same rows."""
    OutlierDetector(random_state=seed).fit_score_samples(X)


def forest(X, seed):
    """Fit, and score the same rows."""
    IsolationForest(random_state=seed).fit(X).score_samples(X)


def neighbours(X, seed):
    """Find the distance to the fifth neighbour of each row."""
    NearestNeighbors(n_neighbors=5, n_jobs=-1).fit(X).kneighbors()


def timed(call, *arguments):
    """Return seconds of the clock and of all cores."""
    clock, cores = time.perf_counter(), time.process_time()
    call(*arguments)
    return time.perf_counter() - clock, time.process_time() - cores


def compare(name, contestants, rounds):
    """Run contestants in turns, and print their medians and the ratio to the second."""
    times = {c: [] for c in contestants}
    for _ in range(rounds + 1):
        for c, call in contestants.items():
            times[c].append(timed(call))
    medians = {c: np.median(t[1:], axis=0) for c, t in times.items()}
    first, *others = medians
    told = "".join(f"  {c} {m[0]:.4g} ({m[1]:.4g})" for c, m in medians.items())
    ratios = "".join(f"  {medians[first][0] / medians[c][0]:.2f}x {c}" for c in others)
    print(f"{name:<26}{told}{ratios}", flush=True)


def both(n, d, rounds, *, knn=False):
    """Compare fits of n rows and d columns that score the same rows."""
    X, seeds = rows(n, d), iter(range(10**6))
    contestants = {
        "isthmus": lambda: ours(X, next(seeds)),
        "forest": lambda: forest(X, next(seeds)),
    }
    if knn:
        contestants["neighbours"] = lambda: neighbours(X, 0)
    compare(f"fit and score {n:,} x {d}", contestants, rounds)


def million(rounds):
    """Compare a fit of a million rows with one of a tenth."""
    few, many = rows(100_000, 30), rows(1_000_000, 30)
    fits = {
        "a million": lambda: OutlierDetector(random_state=0).fit(many),
        "a tenth": lambda: OutlierDetector(random_state=0).fit(few),
    }
    compare("fit x 30", fits, rounds)


def scoring(rounds):
    """Compare scoring, of many rows and of one."""
    X = rows(100_000, 20)
    ours = OutlierDetector(contamination="none", random_state=0).fit(X)
    trees = IsolationForest(random_state=0).fit(X)
    for n in (len(X), 1):
        part = X[:n]
        calls = {
            "isthmus": lambda part=part: ours.score_samples(part),
            "forest": lambda part=part: trees.score_samples(part),
        }
        compare(f"score {n:,} x 20, clean", calls, rounds if n > 1 else 50)


# A small process in between: to the system a new one is as large as the one that starts it was.
WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def command():
    """Run the command on a large file, and a first fit in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data.csv", Path(folder) / "found.csv"
        import polars as pl

        frame = pl.DataFrame(rows(2_000_000, 30), schema=[f"c{i}" for i in range(30)])
        frame.write_csv(data, float_precision=6)
        words = [sys.executable, "-m", "isthmus", "detect", str(data), "-o", str(out)]
        begin = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-c", WATCH, *words], check=True, capture_output=True, text=True
        )
        cores, size = map(float, ended.stdout.split()[-2:])
        print(
            f"detect 2,000,000 x 30: {time.perf_counter() - begin:.1f} s, "
            f"{cores:.1f} s of all cores, {size / 1e6:.2f} GB"
        )
        words = [sys.executable, "-c", FIRST]
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
        print(f"first fit of 2,000 x 20 {float(told[0]):.2f} s, the second {float(told[1]):.2f} s")


WORKLOADS = {
    "small": lambda n: both(2000, 20, n, knn=True),
    "tall": lambda n: both(100_000, 30, min(n, 3)),
    "million": lambda n: million(min(n, 3)),
    "scoring": scoring,
    "wide": lambda n: both(500, 20_000, 1),
}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--command", action="store_true")
    parser.set_defaults(activation="tanh", cores=os.cpu_count())
    args = parser.parse_args()
    print("{processor}, {cores} cores, load {load}, {day}".format(**machine(args)))
    for name in args.only:
        WORKLOADS[name](args.rounds)
    if args.command:
        command()


if __name__ == "__main__":
    main()

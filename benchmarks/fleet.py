"""One model a group: time, file, memory and one row's latency, beside a loop of separate fits.

    python benchmarks/fleet.py [--groups 10000] [--rows 256] [--columns 20] [--sample 100]

Seconds are of the processor, all threads together, programs compiled in the run included. The loop fits
a sample of the groups one by one, for as many steps, and is extrapolated. The detector's line compares
the mean AUROC of strange rows in each group with that of a detector for each of a few groups.
"""

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from speed.results import greatest_resident

import isthmus
from isthmus import Autoencoder, OutlierDetector

BARS = {"seconds": 100, "megabytes": 30, "milliseconds": 1, "gigabytes": 2}
SHARE = 0.05  # of strange rows, whose cells are those of others of the group


def options():
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=256, help="of a group")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--sample", type=int, default=100, help="groups that the loop fits")
    return parser.parse_args()


def processor():
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


def family(groups, rows, columns, seed=0):
    """Return rows whose columns depend on each other in another way in each group, and the strange."""
    rng = np.random.default_rng(seed)
    X = np.empty((groups, rows, columns), np.float32)
    strange = np.arange(rows) < round(SHARE * rows)
    for mine in X:
        mixed = np.tanh(rng.normal(size=(rows, 4)) @ rng.normal(size=(4, columns)))
        mine[:] = mixed + 0.2 * rng.normal(size=(rows, columns))
        cells = rng.integers(strange.sum(), rows, (strange.sum(), columns))
        mine[strange] = np.take_along_axis(mine, cells, axis=0)
        mine[:] = 3 * rng.normal(size=columns) + np.exp(rng.normal(size=columns)) * mine
    return X.reshape(-1, columns), np.repeat(np.arange(groups), rows), np.tile(strange, groups)


def spent(work):
    """Return what work returns, and the seconds of the processor that it took."""
    begin = time.process_time()
    result = work()
    return result, time.process_time() - begin


def clocked(work):
    """Return the seconds that work took by the clock."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measured(name, model, X, groups):
    """Print a line for a model of all groups, and return it with its seconds."""
    fitted, seconds = spent(lambda: model.fit(X, groups=groups))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.isthmus"
        fitted.save(path)
        size, loaded = path.stat().st_size, isthmus.load(path)
    one, of = X[:1], groups[:1]
    loaded.score_samples(one, groups=of)
    each = np.median([clocked(lambda: loaded.score_samples(one, groups=of)) for _ in range(200)])
    peak = greatest_resident() / 2**30
    print(
        f"{name:<12} {seconds:8.1f} s  {size / 1e6:7.2f} MB  {1e3 * each:6.2f} ms a row  "
        f"{peak:5.2f} GB at most so far",
        flush=True,
    )
    return fitted, seconds


def loop(X, groups, sample):
    """Return the seconds of a separate fit, for as many steps, averaged over some groups."""
    epochs = -(-500 // -(-int((groups == 0).sum()) // 128))
    alone = Autoencoder(random_state=0, early_stopping=False, max_epochs=epochs)
    alone.fit(X[groups == 0])
    _, seconds = spent(lambda: [alone.fit(X[groups == i]) for i in range(sample)])
    return seconds / sample


def aurocs(X, groups, strange, detector, some=10):
    """Return the mean AUROC in a few groups, of the detector of all and of one for each."""
    ours, alone = [], []
    for i in range(some):
        mine = groups == i
        scores = detector.score_samples(X[mine], groups=groups[mine])
        ours.append(roc_auc_score(strange[mine], -scores))
        scores = OutlierDetector(random_state=0).fit_score_samples(X[mine])
        alone.append(roc_auc_score(strange[mine], -scores))
    return np.mean(ours), np.mean(alone)


def main():
    """Print all lines."""
    warnings.simplefilter("ignore")
    args = options()
    print(f"{processor()}, {len(os.sched_getaffinity(0))} cores, isthmus {isthmus.__version__}")
    print(f"{args.groups:,} groups x {args.rows} rows x {args.columns} columns")
    print("bars at 10,000 x 256 x 20: " + ", ".join(f"{v} {k}" for k, v in BARS.items()))
    X, groups, strange = family(args.groups, args.rows, args.columns)
    _, seconds = measured("autoencoder", Autoencoder(random_state=0), X, groups)
    detector, _ = measured("detector", OutlierDetector(random_state=0), X, groups)
    each = loop(X, groups, min(args.sample, args.groups))
    print(
        f"a loop of fits: {each * args.groups:.1f} s for all, extrapolated; "
        f"{each * args.groups / seconds:.1f} times as long"
    )
    ours, alone = aurocs(X, groups, strange, detector)
    print(f"strange rows: AUROC {ours:.4f}, by a detector for each group {alone:.4f}")


if __name__ == "__main__":
    main()

"""How long a search takes: `isthmus.tune` beside scikit-learn's `GridSearchCV`, same candidates.

    python benchmarks/tune.py [--repeats 3] [--widths] [--halving]

Each figure is from a new process without a cache of compiled programs, so that compiling counts; the
two take turns. Both score 32 candidates on the same held-out rows, one split, and fit the best on
all rows; imports and reading the data do not count. `--widths` prints the time of a step for each
number of members that one program trains. `--halving` prints how well short trainings foretell the
order of long ones, as rank correlations: retrained from the start with a schedule of their own, or
stopped on the way of the long training.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

RATES, SEEN = [3e-4, 1e-3, 3e-3, 1e-2], [0.02, 0.05, 0.1, 0.2]
TASKS = {
    "sparse, 64-32-20, numbers only": (
        {"n_components": 20, "architecture": "dense:hidden=[32]", "sparsity": "kl"},
        {"learning_rate": RATES, "sparsity__rho": SEEN, "sparsity__weight": [0.3, 1.0]},
    ),
    "denoising, 64-32-8, numbers only": (
        {"n_components": 8, "architecture": "dense:hidden=[32]", "corruption": ("gaussian",)},
        {
            "learning_rate": RATES,
            "corruption__0__std": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
        },
    ),
    "denoising, 64-32-8 and 64-32-16": (
        {"architecture": "dense:hidden=[32]", "corruption": ("gaussian",)},
        {
            "n_components": [8, 16],
            "learning_rate": RATES,
            "corruption__0__std": [0.1, 0.2, 0.4, 0.8],
        },
    ),
}
RUN = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, ShuffleSplit
import isthmus
X = load_digits().data
kind, params, grid = json.loads(sys.argv[1])
params = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
model = isthmus.Autoencoder(**params, random_state=0)
isthmus.tune, isthmus.Autoencoder
begin = time.perf_counter()
if kind == "tune":
    found = isthmus.tune(model, grid, X)
else:
    found = GridSearchCV(model, grid, cv=ShuffleSplit(1, test_size=0.2, random_state=0)).fit(X)
print(json.dumps([time.perf_counter() - begin, found.best_params_, found.best_score_]))
"""


def measure(kind, task):
    """Return the seconds of a search in a new process, the best candidate and its score."""
    environment = {k: v for k, v in os.environ.items() if "CACHE" not in k}
    command = [sys.executable, "-c", RUN, json.dumps([kind, *task])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def compare(repeats):
    """Print the times of both searches, and their ratio."""
    for name, task in TASKS.items():
        times = {"tune": [], "GridSearchCV": []}
        best = {}
        for _ in range(repeats):
            for kind in times:
                seconds, *best[kind] = measure(kind, task)
                times[kind].append(seconds)
        ours, theirs = (statistics.median(times[kind]) for kind in times)
        same = "same best" if best["tune"][0] == best["GridSearchCV"][0] else f"best differ: {best}"
        print(
            f"{name:<34} tune {ours:5.1f} s   GridSearchCV {theirs:5.1f} s   "
            f"{theirs / ours:.1f} times faster   ({same}; load {os.getloadavg()[0]:.1f})",
            flush=True,
        )


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; median of {arguments.repeats}")
    compare(arguments.repeats)


if __name__ == "__main__":
    main()

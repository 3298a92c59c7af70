"""How long a search takes: `isthmus.tune` beside scikit-learn's `GridSearchCV`, same candidates.

    python benchmarks/tune.py [--repeats 3] [--folds 5] [--only denoising] [--widths] [--halving]

Each figure is from a new process without a cache of compiled programs, so that compiling counts; the
two take turns. Both score 32 candidates on the same held-out rows, by five folds as `GridSearchCV` does
by itself, or once with `--folds 1`, and fit the best on all rows; imports and reading the data do not
count. CPU seconds are what other work on the machine cannot disturb much, but not that one search
uses several cores.

`--widths` prints the time of a search, its programs compiled before, for numbers of members in one
program. `--halving` prints how well the order of 16 candidates after a part of the training foretells
the order at its end (Spearman's rank correlation), when the part is a shorter training with a schedule
of its own, and when it is the long training stopped on its way.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from unittest import mock

import numpy as np
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import ParameterGrid, train_test_split

import isthmus

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
TASKS["table of 569 rows, 30-16-3, numbers only"] = (
    {"n_components": 3, "architecture": "dense:hidden=[16]", "corruption": ["gaussian"]},
    TASKS["denoising, 64-32-8, numbers only"][1],
)
RUN = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
import isthmus
kind, folds, params, grid = json.loads(sys.argv[1])
X = (load_breast_cancer if params.get("n_components") == 3 else load_digits)().data
params = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
model = isthmus.Autoencoder(**params, random_state=0)
isthmus.tune, isthmus.Autoencoder
begin, work = time.perf_counter(), time.process_time()
if kind == "tune":
    found = isthmus.tune(model, grid, X, cv=KFold(folds) if folds > 1 else 0.2)
else:
    once, more = ShuffleSplit(1, test_size=0.2, random_state=0), KFold(max(folds, 2))
    found = GridSearchCV(model, grid, cv=more if folds > 1 else once).fit(X)
times = time.perf_counter() - begin, time.process_time() - work
print(json.dumps([times, found.best_params_, found.best_score_]))
"""


def measure(kind, folds, task):
    """Return seconds, CPU seconds, best candidate and best score of a search in a new process."""
    environment = {k: v for k, v in os.environ.items() if "CACHE" not in k}
    command = [sys.executable, "-c", RUN, json.dumps([kind, folds, *task])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def compare(repeats, folds, only):
    """Print the times of both searches, and their ratio."""
    print(f"{'':<44}{'tune':>14}{'GridSearchCV':>18}    faster (CPU)")
    for name, task in TASKS.items():
        if only not in name:
            continue
        times, best = {"tune": [], "GridSearchCV": []}, {}
        for _ in range(repeats):
            for kind in times:
                seconds, *best[kind] = measure(kind, folds, task)
                times[kind].append(seconds)
        ours, theirs = (np.median(times[kind], axis=0) for kind in times)
        wall, work = theirs / ours
        scores = ", ".join(f"{score:.4f}" for _, score in best.values())
        print(
            f"{name:<44}{ours[0]:5.1f} s ({ours[1]:4.1f}) {theirs[0]:9.1f} s ({theirs[1]:4.1f})"
            f"{wall:8.1f}x ({work:.1f}x)   best scores {scores}; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


def widths():
    """Print the times of searches for numbers of members in one program."""
    from isthmus.training import groups

    for name, (params, grid) in TASKS.items():
        params = {k: tuple(v) if isinstance(v, list) else v for k, v in params.items()}
        model = isthmus.Autoencoder(**params, random_state=0)
        load = load_breast_cancer if "table" in name else load_digits
        for width in (1, 2, 4, 8, 16, 32):
            with mock.patch.object(groups, "default_width", lambda _, width=width: width):
                isthmus.tune(model, grid, load().data)
                seconds = isthmus.tune(model, grid, load().data).seconds_
            print(f"{name:<44} width {width:2}: {seconds:5.1f} s", flush=True)


def halving():
    """Print how well a part of the training foretells the order of candidates at its end."""
    for name, (params, grid) in list(TASKS.items())[:2]:
        few = list(ParameterGrid(grid))[::2]
        model = isthmus.Autoencoder(**params, random_state=0, max_epochs=90)
        train, held = train_test_split(load_digits().data, test_size=0.2, random_state=0)

        def fitted(epochs, until, model=model, few=few, train=train):
            models = [clone(model).set_params(**params, max_epochs=epochs) for params in few]
            return [one.fit(train, on_epoch=lambda row: row["epoch"] >= until) for one in models]

        final = [one.score(held) for one in fitted(90, 90)]
        for epochs in (10, 30):
            parts = {"anew": fitted(epochs, epochs), "stopped": fitted(90, epochs)}
            ranks = {
                name: spearmanr([one.score(held) for one in models], final)[0]
                for name, models in parts.items()
            }
            ranked = ", ".join(f"{name} {rank:.2f}" for name, rank in ranks.items())
            print(f"{name:<34} {epochs} of 90 epochs: {ranked}", flush=True)


def main():
    """Measure and print."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5, help="1 holds out a fifth once")
    parser.add_argument("--only", default="", help="tasks whose name holds this")
    parser.add_argument("--widths", action="store_true")
    parser.add_argument("--halving", action="store_true")
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; median of {arguments.repeats}")
    if arguments.widths:
        widths()
    elif arguments.halving:
        halving()
    else:
        compare(arguments.repeats, arguments.folds, arguments.only)


if __name__ == "__main__":
    main()

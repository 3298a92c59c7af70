"""Two versions of isthmus beside each other: whole processes and typical calls, in turns.

    python benchmarks/side_by_side.py --against OTHER/src [--rounds 5] [--only WORD ...]

Each value is from a new process. Each side has a cache of compiled programs of its own, which a first
round that does not count has filled. The table gives medians and how many times as long as the other
side this one takes, by the clock and by the processor's time, which other work on the machine disturbs
less.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from speed.results import interleaved, machine
from speed.workers import HOME, environment, limit_cores

PROCESSES = {
    "import isthmus": ["-c", "import isthmus"],
    "isthmus --help": ["-m", "isthmus", "--help"],
    "isthmus detect, 150 rows": "-m isthmus detect small.csv -o flags.csv --force".split(),
    "isthmus report, 5,000 rows": "-m isthmus report m.isthmus large.csv -o p.html --force".split(),
}


def table(n, d):
    """Return n correlated rows of d columns."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d // 2)) @ rng.normal(size=(d // 2, d)) + rng.normal(size=(n, d))


def fit(network, epochs):
    """Return a fit."""
    from speed.networks import NETWORKS, data, estimator

    X, model = data(NETWORKS[network]), estimator(NETWORKS[network], "relu", max_epochs=epochs)
    return lambda: model.fit(X)


def score():
    """Return the scoring of many rows."""
    from isthmus import Autoencoder

    X = table(100_000, 30)
    model = Autoencoder(8, "dense:hidden=[64,32]", max_epochs=1, random_state=0).fit(X[:10_000])
    return lambda: model.score_samples(X)


def detect():
    """Return the fit of a detector, and its scores."""
    from isthmus import OutlierDetector

    X = table(2000, 20)
    return lambda: OutlierDetector(random_state=0).fit(X).score_samples(X)


def search():
    """Return a search over 16 candidates."""
    from isthmus import Autoencoder, tune

    X, model = table(1000, 20), Autoencoder(4, max_epochs=30, random_state=0)
    grid = {"learning_rate": [1e-4, 3e-4, 1e-3, 3e-3], "n_components": [2, 4, 6, 8]}
    return lambda: tune(model, grid, X)


CALLS = {
    "fit 30-64-32-8, 100 epochs": partial(fit, "30-64-32-8", 100),
    "fit 784-128-32, 20 epochs": partial(fit, "784-128-32", 20),
    "fit 784-1000-500-250-30, 3 epochs": partial(fit, "784-1000-500-250-30", 3),
    "score 100,000 x 30": score,
    "detector, fit and score 2,000 x 20": detect,
    "tune, 16 candidates": search,
}


def call(name):
    """Print the seconds that a call takes when it is warm, by the clock and by the processor."""
    import warnings

    import isthmus

    warnings.simplefilter("ignore")
    isthmus.enable_compilation_cache()
    run = CALLS[name]()
    run()
    begin = time.perf_counter(), time.process_time()
    run()
    print(time.perf_counter() - begin[0], time.process_time() - begin[1])


class Side:
    """One of the versions, with a folder for its files and its compiled programs."""

    def __init__(self, source, folder):
        paths = os.pathsep.join([str(source.resolve()), str(HOME)])
        self.folder, cache = folder, str(folder / "cache")
        self.environment = environment(PYTHONPATH=paths, ISTHMUS_CACHE=cache)
        folder.mkdir()
        self.prepare()

    def prepare(self):
        """Write the tables and the model that commands work on."""
        for name, X in {"small": table(150, 10), "large": table(5000, 10)}.items():
            names = ",".join(f"x{i}" for i in range(X.shape[1]))
            np.savetxt(self.folder / f"{name}.csv", X, "%.5g", ",", header=names, comments="")
        self.run(*"-m isthmus fit large.csv -o m.isthmus --n-components 3 --max-epochs 20".split())

    def run(self, *words):
        """Return what a process prints."""
        command, pipe = [sys.executable, *words], subprocess.PIPE
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, text=True
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr}")
        return done.stdout

    def seconds(self, name):
        """Return the seconds of a case, by the clock and by the processor."""
        if name in CALLS:
            return tuple(map(float, self.run(__file__, "--call", name).split()))
        begin = time.perf_counter(), processor_seconds()
        self.run(*PROCESSES[name])
        return time.perf_counter() - begin[0], processor_seconds() - begin[1]


def processor_seconds():
    """Return the processor's time of all processes that this one has started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(sides, names, rounds):
    """Print a row of the table for each case."""
    print(
        "| what | there, s | here, s | ratio | of processor's time |\n| --- | --: | --: | --: | --: |"
    )
    for name in names:
        turns = {side: partial(sides[side].seconds, name) for side in sides}
        interleaved(turns, 1)  # fills the caches
        values = interleaved(turns, rounds)
        (here, used), (there, other) = (map(median, zip(*values[s], strict=True)) for s in sides)
        ratios = f"{here / there:.2f} | {used / other:.2f}"
        print(f"| {name} | {there:.3f} | {here:.3f} | {ratios} |", flush=True)


def main():
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--against", type=Path, metavar="SRC", help="a folder that has isthmus/")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="cases with a word")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--call", help=argparse.SUPPRESS)
    parser.set_defaults(activation="relu")
    args = parser.parse_args()
    if args.call:
        call(args.call)
        return
    if args.against is None or not (args.against / "isthmus" / "__init__.py").is_file():
        raise SystemExit(f"--against {args.against} has no package isthmus: give another src.")
    limit_cores(args.cores)
    facts = machine(args)
    print("{processor}, {cores} cores, load {load}, {day}\n".format(**facts))
    names = [n for n in (*PROCESSES, *CALLS) if any(word in n for word in args.only)]
    with tempfile.TemporaryDirectory() as home:
        sources = {"here": Path(__file__).parents[1] / "src", "there": args.against}
        sides = {name: Side(source, Path(home, name)) for name, source in sources.items()}
        measure(sides, names, args.rounds)


if __name__ == "__main__":
    main()

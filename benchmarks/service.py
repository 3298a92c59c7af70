"""How long one answer takes: a loaded model, its exported file, and a worker that has just begun.

    python benchmarks/service.py

Models of 30 columns, fitted on 5,000 rows N(0, 1) that depend on each other: a detector as it is by
default, and an autoencoder 30-64-32-8. An answer is `score_samples` of a loaded model, or a run of the
exported file in ONNX Runtime with one thread, beside it the bare model in batches; times are the median
and the 99th percentile of 1,000 answers of one row, and of 100 of 1,000 rows.

A worker is a new process. Its first score is the time from where it has imported what it needs to
where it has scored its first row: the file read, programs compiled or read from the folder that
`isthmus warm` filled, one row scored. The median of 5 processes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from speed.results import machine

import isthmus

COLUMNS = 30
WORKER = """
import json, sys, time
import numpy as np
begin = time.perf_counter()
from isthmus.scale import Scorer
imported = time.perf_counter()
Scorer(sys.argv[1])(np.zeros((1, 30)))
print(json.dumps([imported - begin, time.perf_counter() - imported]))
"""
BARE_WORKER = """
import json, sys, time
import numpy as np
begin = time.perf_counter()
import onnxruntime
imported = time.perf_counter()
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(["score"], {"X": np.zeros((1, 30), np.float32)})
print(json.dumps([imported - begin, time.perf_counter() - imported]))
"""


def fitted(folder: Path) -> dict[str, Path]:
    """Fit a detector and an autoencoder, and return their files by name."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 5)) @ rng.normal(size=(5, COLUMNS)) + rng.normal(
        size=(5000, COLUMNS)
    )
    detector = isthmus.OutlierDetector(random_state=0).fit(X)
    ae = isthmus.Autoencoder(8, "dense:hidden=[64,32]", max_epochs=5, random_state=0).fit(X)
    found = {}
    for name, model in {"detector": detector, "autoencoder": ae}.items():
        found[name] = folder / f"{name}.isthmus"
        model.save(found[name])
        model.export(found[name].with_suffix(".onnx"), part="score")
    return found


def seconds(answer: Callable[[np.ndarray], object], rows: int, times: int) -> np.ndarray:
    """Return how long each of so many answers took, after ten that do not count."""
    X = np.random.default_rng(1).normal(size=(times + 10, rows, COLUMNS)).astype(np.float32)
    found = []
    for batch in X:
        begin = time.perf_counter()
        answer(batch)
        found.append(time.perf_counter() - begin)
    return np.array(found[10:])


def session_of(path: Path) -> Callable[[np.ndarray], object]:
    """Return an exported file as a function of rows, computed by one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda X: session.run(["score"], {"X": X})


def latencies(files: dict[str, Path], share: float) -> None:
    """Print the times of answers."""
    print("| model | rows | loaded model, ms | p99 | exported file, ms | p99 |")
    print("|---|---|---|---|---|---|")
    for name, path in files.items():
        loaded = isthmus.load(path).score_samples
        exported = session_of(path.with_suffix(".onnx"))
        for rows, times in ((1, 1000), (1000, 100)):
            both = [seconds(one, rows, max(int(times * share), 3)) for one in (loaded, exported)]
            cells = [f"{1000 * np.quantile(t, q):.2f}" for t in both for q in (0.5, 0.99)]
            print(f"| {name} | {rows:,} | {' | '.join(cells)} |")


def first_score(code: str, path: Path, cache: Path | None, times: int) -> tuple[float, float]:
    """Return the median seconds of imports, and from there to the first score, of new processes."""
    ours = {k: v for k, v in os.environ.items() if k not in ("ISTHMUS_CACHE", "XLA_FLAGS")}
    ours |= {"ISTHMUS_CACHE": str(cache)} if cache else {}
    command = [sys.executable, "-W", "ignore", "-c", code, str(path)]
    found = [
        json.loads(subprocess.run(command, env=ours, check=True, capture_output=True).stdout)
        for _ in range(times)
    ]
    imports, first = np.median(found, axis=0)
    return imports, first


def workers(files: dict[str, Path], folder: Path, times: int) -> None:
    """Print the times of first scores."""
    print("\n| model | a worker has | imports, s | first score, s |")
    print("|---|---|---|---|")
    for name, path in files.items():
        warmed = folder / f"{name}-programs"
        words = ["-m", "isthmus", "warm", str(path), "-o", str(warmed), "--quiet"]
        subprocess.run([sys.executable, *words], check=True)
        ways = {
            "the model": (WORKER, path, None),
            "the model, and programs of isthmus warm": (WORKER, path, warmed),
            "the exported file": (BARE_WORKER, path.with_suffix(".onnx"), None),
        }
        for way, given in ways.items():
            imports, first = first_score(*given, times)
            print(f"| {name} | {way} | {imports:.2f} | {first:.2f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the answers and processes")
    share = parser.parse_args().share
    facts = machine(argparse.Namespace(cores=os.cpu_count(), activation=None))
    print(
        ", ".join(f"{name} {facts[name]}" for name in ("processor", "cores", "load", "day")), "\n"
    )
    with tempfile.TemporaryDirectory() as name:
        files = fitted(Path(name))
        latencies(files, share)
        workers(files, Path(name), max(round(5 * share), 1))


if __name__ == "__main__":
    main()

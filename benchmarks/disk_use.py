"""What `isthmus encode`, `score`, `detect` and `reconstruct` take on a file larger than memory.

    python benchmarks/disk_use.py                               # 2,000,000 rows x 30, Parquet
    python benchmarks/disk_use.py --rows 100000000              # the documented size, 12 GB
    python benchmarks/disk_use.py --format csv --only score detect

The models are a 30-64-32-8 autoencoder in float32 and a detector of clean rows, trained on 100,000 of
the rows. Each command runs in a process of its own, to a Parquet file; what is printed is its rows a
second, the seconds of all its cores, and its greatest resident size as the operating system counts it.
Files are written to --folder and deleted at the end. So that files of any size go block by block, the
process is told to take all for large ones.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from speed.results import machine

from isthmus import Autoencoder, OutlierDetector
from isthmus.training import usable_cores

WIDTH, PART, TRAINED = 30, 500_000, 100_000
FACTORS = np.random.default_rng(0).normal(size=(6, WIDTH))
RUN = "import sys; from isthmus.cli import big, run; big.BIG = 0; sys.exit(run(sys.argv[1:]))"
# A small process in between: to the system a new one is as large as the one that starts it was.
WATCH = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
seconds, used = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
COMMANDS = {
    "encode": ["encode", "model.isthmus", "DATA"],
    "score": ["score", "model.isthmus", "DATA"],
    "reconstruct": ["reconstruct", "model.isthmus", "DATA"],
    "detect": ["detect", "DATA", "--model", "detector.isthmus"],
    "fit and detect": ["detect", "DATA"],
}


def frame(part: int, n: int) -> pl.DataFrame:
    """Return a part of the rows: six factors and noise."""
    rng = np.random.default_rng((1, part))
    x = rng.normal(size=(n, 6)) @ FACTORS + 0.3 * rng.normal(size=(n, WIDTH))
    return pl.DataFrame(x.astype(np.float32), schema=[f"c{j}" for j in range(WIDTH)])


def parts(n: int):
    """Yield the rows part by part."""
    for part, begin in enumerate(range(0, n, PART)):
        yield frame(part, min(PART, n - begin))


def write(folder: Path, n: int, kind: str) -> Path:
    """Write the rows, and return where they are."""
    if kind == "csv":
        path = folder / "data.csv"
        with path.open("wb") as file:
            for i, rows in enumerate(parts(n)):
                rows.write_csv(file, float_precision=6, include_header=i == 0)
        return path
    path = folder / "data"
    path.mkdir()
    for i, rows in enumerate(parts(n)):
        rows.write_parquet(path / f"{i:05}.parquet", row_group_size=131_072)
    return path


def fit(folder: Path) -> None:
    """Write the models that are applied."""
    rows = frame(0, TRAINED)
    settings = {"max_epochs": 3, "random_state": 0}
    Autoencoder(8, "dense:hidden=[64,32]", **settings).fit(rows).save(folder / "model.isthmus")
    found = OutlierDetector(contamination="none", random_state=0)
    found.fit(rows).save(folder / "detector.isthmus")


def measured(words: list[str], folder: Path) -> tuple[float, float, float]:
    """Run a command, and return its seconds, those of all cores, and its gigabytes."""
    command = [sys.executable, "-c", RUN, *words, "-o", "out.parquet", "--force", "--quiet"]
    ended = subprocess.run(
        [sys.executable, "-c", WATCH, *command], cwd=folder, check=True, stdout=subprocess.PIPE
    )
    seconds, cpu, size = json.loads(ended.stdout)
    return seconds, cpu, size / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=[*COMMANDS])
    args = parser.parse_args()
    facts = machine(argparse.Namespace(cores=usable_cores(), activation="gelu"))
    print(f"{facts['processor']}, {facts['cores']} cores; load {facts['load']}")
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        fit(folder)
        data = write(folder, args.rows, args.format)
        for what in args.only:
            words = [data.name if word == "DATA" else word for word in COMMANDS[what]]
            seconds, cpu, size = measured(words, folder)
            print(
                f"{what:<15} {args.rows:,} x {WIDTH} {args.format}: "
                f"{args.rows / seconds:>12,.0f} rows/s {cpu:8.1f} s of all cores {size:6.2f} GB",
                flush=True,
            )


if __name__ == "__main__":
    main()

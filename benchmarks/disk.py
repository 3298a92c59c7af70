"""A fit on rows larger than memory: its memory, its time beside one in memory, sorted rows.

    python benchmarks/disk.py                          # 5,000,000 rows x 100 float32, 2 GB a format
    python benchmarks/disk.py --rows 50000000          # 20 GB a format: the documented size
    python benchmarks/disk.py --sorted                 # rows sorted by their first column
    python benchmarks/disk.py --sorted --rows 500000 --window 6710886   # the same with all a tenth

Files are written to --folder and deleted at the end. Memory is the greatest resident size of a
process that fits and does nothing else, as the operating system counts it. An epoch's time is that of
the second one, in which nothing is compiled, and is compared by row with a fit in memory on as many
rows as one window holds, which is shuffled whole; both take turns, without rows held out. On sorted
rows the error is that of rows that nobody trained on, beside the same fit with all rows in one window.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from speed.results import greatest_resident, machine

from isthmus.training import usable_cores

WIDTH, PART = 100, 100_000
FACTORS = np.random.default_rng(0).normal(size=(10, WIDTH)) / np.sqrt(10)


def rows(part: int, n: int = PART) -> np.ndarray:
    """Return a part of the rows: ten factors, bent, and noise."""
    rng = np.random.default_rng((1, part))
    factors = rng.normal(size=(n, 10))
    noise = 0.3 * rng.normal(size=(n, WIDTH))
    return (np.tanh(factors) @ FACTORS + 0.3 * factors**2 @ FACTORS + noise).astype(np.float32)


def write_npy(path: Path, n: int) -> None:
    """Write rows to one array."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, (n, WIDTH))
    for part, begin in enumerate(range(0, n, PART)):
        array[begin : begin + PART] = rows(part, min(PART, n - begin))
        array.flush()


def write_parquet(folder: Path, n: int) -> None:
    """Write rows to a folder of files, in groups of rows of about a block's size."""
    folder.mkdir()
    for part, begin in enumerate(range(0, n, PART)):
        frame = pl.DataFrame(
            rows(part, min(PART, n - begin)), schema=[f"c{j}" for j in range(WIDTH)]
        )
        path = folder / f"part-{part:05d}.parquet"
        frame.write_parquet(path, compression="lz4", row_group_size=10_000)


def model(epochs: int, seed: int = 0, **params: object) -> object:
    """Return what is fitted everywhere."""
    from isthmus import Autoencoder, enable_compilation_cache

    enable_compilation_cache()
    layers = "dense:hidden=[64]"
    return Autoencoder(8, layers, max_epochs=epochs, random_state=seed, **params)


def child(source: str, n: int) -> None:
    """Fit on a file, or on so many rows in memory, and print what it took as JSON."""
    before = greatest_resident()
    X = (
        source
        if source != "memory"
        else np.concatenate([rows(k) for k in range(-(-n // PART))])[:n]
    )
    begin = time.perf_counter()
    fitted = model(2, early_stopping=False).fit(X)
    seconds = fitted.history_["seconds"]
    peak = greatest_resident()
    whole = time.perf_counter() - begin
    found = {"peak": peak, "begin": before, "epoch": seconds[1] - seconds[0]}
    print(json.dumps(found | {"whole": whole, "loss": fitted.history_["loss"][-1]}))


def measured(source: str, n: int) -> dict[str, float]:
    """Return what a process that fits takes."""
    command = [sys.executable, "-W", "ignore", __file__, "--child", source, "--rows", str(n)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def compare(folder: Path, n: int, rounds: int, formats: list[str]) -> None:
    """Print memory and time of fits from files, beside those in memory."""
    from isthmus.training import windows

    few = min(windows.WINDOW // WIDTH, n)
    for name in formats:
        path = folder / name
        begin = time.perf_counter()
        (write_npy if name.endswith(".npy") else write_parquet)(path, n)
        print(f"{name}: {n:,} rows written in {time.perf_counter() - begin:.0f} s", flush=True)
        pairs = [(measured("memory", few), measured(str(path), n)) for _ in range(rounds)]
        near, far = zip(*pairs, strict=True)
        each = [statistics.median(f["epoch"] for f in found) for found in (near, far)]
        ratio = statistics.median(b["epoch"] / n / (a["epoch"] / few) for a, b in pairs)
        print(
            f"  resident at most {max(f['peak'] for f in far) / 1e9:.2f} GB, in memory (one window) "
            f"{max(f['peak'] for f in near) / 1e9:.2f} GB\n"
            f"  an epoch {each[1]:.1f} s, {1e9 * each[1] / n:.0f} ns a row; in memory "
            f"{1e9 * each[0] / few:.0f} ns a row; ratio {ratio:.2f} (bar 1.3)\n"
            f"  the whole fit of two epochs {statistics.median(f['whole'] for f in far):.1f} s",
            flush=True,
        )
        path.unlink() if path.is_file() else shutil.rmtree(path)


def compare_sorted(n: int, window: int, seeds: int, epochs: int) -> None:
    """Print errors of fits on rows sorted by their first column, in windows and shuffled whole."""
    from isthmus.training import windows

    X = np.concatenate([rows(k) for k in range(-(-n // PART))])[:n]
    X = X[np.argsort(X[:, 0], kind="stable")]
    test = rows(10**6)
    ratios = []
    for seed in range(seeds):
        errors = []
        for size in (window, X.size):
            windows.WINDOW = size
            fitted = model(epochs, seed).fit(X)
            errors.append(-fitted.score_samples(test).mean())
        ratios.append(errors[0] / errors[1])
        print(
            f"seed {seed}: {errors[0]:.5f} in windows, {errors[1]:.5f} shuffled whole", flush=True
        )
    print(
        f"{n:,} rows in {n * WIDTH / window:.1f} windows, {epochs} epochs: error in windows over that "
        f"of a full shuffle {statistics.mean(ratios):.4f} (bar 1.005)"
    )


def main() -> None:
    """Print what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", nargs="+", default=["rows.npy", "rows"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--sorted", action="store_true")
    parser.add_argument("--window", type=int, default=2**26, help="values, with --sorted")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child, args.rows)
    print(machine(argparse.Namespace(cores=usable_cores(), activation="gelu"))["processor"])
    if args.sorted:
        return compare_sorted(args.rows, args.window, args.seeds, args.epochs)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        compare(Path(folder), args.rows, args.rounds, args.formats)
    return None


if __name__ == "__main__":
    main()

"""Training, a population and scoring on a GPU, beside PyTorch and beside what the device can do.

    python benchmarks/gpu.py [--precisions float32 tf32 bf16] [--only NAME ...] [--rounds 5]
        [--results FILE] [--platform cuda|cpu] [--quick]

Milliseconds per training step: isthmus as users get it (its `fit`), and PyTorch loops of the same
networks, eager, with `torch.compile` and with CUDA graphs, if PyTorch with CUDA is installed. Then
64 candidates by `tune`, beside 64 single fits, and scoring a million rows. Shares are of the measured
ceilings: a large product's operations, in the same precision, and a large copy's bytes. `--platform cpu
--quick` shows on any machine that the script works; its figures mean nothing.
"""

import argparse
import os
import statistics
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from speed.accelerator import DOTS, POPULATION
from speed.networks import NETWORKS, operations, traffic
from speed.results import Measured, Results, interleaved
from speed.workers import Worker, once

SMALL, LARGE = ("21-64-32", "30-64-32-8"), ("784-512-256-64", "784-1000-500-250-30")
BARS = ((SMALL, "eager", 20), (LARGE, "torch.compile", 1.0))


def check(platform):
    """End with one sentence if there is no such device."""
    import jax

    try:
        jax.devices(platform)
    except RuntimeError:
        raise SystemExit(
            "JAX finds no CUDA device here: run this on a machine with one, after pip install "
            "isthmus[gpu]; or see that the script works by --platform cpu --quick."
        ) from None


def peers(platform, quick):
    """Return the ways of PyTorch that can run here."""
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: only isthmus is measured.")
        return []
    if platform == "cpu":
        return ["eager"] if quick else ["eager", "torch.compile"]
    if not torch.cuda.is_available():
        print("PyTorch is installed without CUDA: only isthmus is measured.")
        return []
    return ["eager", "torch.compile", "CUDA graphs"]


def train(name, args, precision, names):
    """Return milliseconds per step of all contestants."""
    common = args.platform, precision, name, "gelu"
    with ExitStack() as stack:
        workers = {n: stack.enter_context(Worker("accelerator", n, *common)) for n in names}
        counts = {n: worker(0) for n, worker in workers.items()}
        runs = {n: partial(worker, counts[n]) for n, worker in workers.items()}
        seconds = interleaved(runs, args.rounds)
    return [
        Measured(precision, name, n, "ms", [1e3 * s / counts[n] for s in values])
        for n, values in seconds.items()
    ]


def show(rows, name, ceilings):
    """Print the times of a network, and which share of the ceilings ours reaches."""
    product, copy = ceilings
    ours = rows[0].median
    times = "".join(f"  {row.contestant} {row.median:.4g} ms" for row in rows)
    ratios = "".join(f"  {row.median / ours:.2f}x {row.contestant}" for row in rows[1:])
    shares = operations(NETWORKS[name]) / product, traffic(NETWORKS[name]) / copy
    share = [f"{1e3 * s / ours:.1%}" for s in shares]
    print(
        f"{name:<22}{times}{ratios}  {share[0]} of the product's, {share[1]} of the copy's ceiling"
    )


def bars(results, precision):
    """Print the bars that can be read."""
    for names, peer, least in BARS:
        for name in names:
            pair = [results.median(precision, name, n) for n in (peer, "isthmus")]
            if all(pair):
                value = pair[0] / pair[1]
                reached = "reached" if value >= least else "not reached"
                print(f"bar: {name}, at least {least:g}x {peer}: {value:.2f}x, {reached}")


def measure(args, precision, names, results):
    """Measure and print everything in one precision."""
    size = 512 if args.quick else 8192
    device, *ceilings = once("accelerator", "ceilings", args.platform, precision, size)
    results.machine["device"] = device
    product, copy = ceilings
    print(f"\n{device}, {precision}: {product / 1e12:.3g} TFLOP/s, copies {copy / 1e9:.4g} GB/s")
    for name in NETWORKS:
        if (args.only and name not in args.only) or (precision == "bf16" and "conv" in name):
            continue
        rows = train(name, args, precision, ["isthmus", *names])
        results.take(rows)
        show(rows, name, ceilings)
    same = args.platform, precision
    with Worker("accelerator", "candidates", *same, "30-64-32-8", "gelu") as worker:
        worker()
        search, single = (statistics.median(v) for v in zip(worker(), worker(), strict=True))
    print(f"{POPULATION} candidates: {search:.3g} s, as long as {search / single:.1f} single fits")
    n = 20_000 if args.quick else 1_000_000
    with Worker("accelerator", "scoring", *same, n) as worker:
        worker()
        answers = [worker() for _ in range(args.rounds)]
    seconds, moved = (statistics.median(v) for v in zip(*answers, strict=True))
    print(
        f"scoring {n:,} x 30: {seconds:.3g} s; copying the rows to the device takes {moved:.3g} s"
    )
    rows = {"candidates": [search, single], "scoring": [seconds, moved], "ceilings": ceilings}
    results.take(Measured(precision, k, "isthmus", "", list(v)) for k, v in rows.items())
    bars(results, precision)


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--platform", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--precisions", nargs="+", choices=list(DOTS), default=list(DOTS))
    parser.add_argument("--only", nargs="+", default=[], choices=list(NETWORKS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small ceilings, few rows, one round")
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # the device is shared with PyTorch
    check(args.platform)
    if args.platform == "cpu":
        args.precisions = ["float32"]
    args.rounds = 1 if args.quick else args.rounds
    results, names = Results(args.results), peers(args.platform, args.quick)
    for precision in args.precisions:
        measure(args, precision, names, results)
    if args.results:
        results.write()


if __name__ == "__main__":
    main()

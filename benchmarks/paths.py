"""Milliseconds per training step by how many steps one program runs, and the engine's choice.

    python benchmarks/paths.py [--only NAME ...] [--rounds 5] [--activation gelu|relu]

One step per program is a call per step; more is a loop inside the program. The networks are those of
`benchmarks/bench.py`, and XLA's own convolution in place of ours, a call per step. The rounds are
interleaved and medians are printed, so that a busy moment hits every path.
"""

import argparse
import os
import statistics
import warnings
from functools import partial
from unittest import mock

import jax
import numpy as np
from speed.networks import NETWORKS, data, estimator

from isthmus.autoencoder.rows import Rows
from isthmus.autoencoder.run import Origin, begin_run
from isthmus.autoencoder.validation import validate_rows
from isthmus.model import resolve_slots
from isthmus.nets import convolution
from isthmus.training import trainer as engine

LENGTHS = (1, 4, 64, 512)
LIBRARY = "conv 1-16-32, XLA's own"


def trainer(name, activation, length):
    """Return a network's trainer whose programs run this many steps, and how many it would choose."""
    model = estimator(NETWORKS[name], activation, max_epochs=10**6)
    x = validate_rows(model, data(NETWORKS[name]), reset=True, minimum=2)
    rows = Rows(x, np.ones(len(x)), model.sample_shape_)
    run = begin_run(model, resolve_slots(model), rows, Origin(0, 0))
    made = next(run.phases(None))
    chosen, made.length = made.length, length
    return made, chosen


def round_of(made, seconds=0.3):
    """Return the milliseconds per step over about this long."""
    before = made.state.seconds, made.state.step
    while made.state.seconds - before[0] < seconds:
        made.state = made._next(made.state)._replace(history=(), partial=())
    return 1e3 * (made.state.seconds - before[0]) / (made.state.step - before[1])


def library_round(made, original=engine._advance.__wrapped__):
    """Return the same with XLA's own convolution."""

    @partial(jax.jit, static_argnames="length")
    def advance(*arguments, length):  # another function: JAX would take the known trace
        return original(*arguments, length=length)

    own = {"_convolve": convolution._library, "_transpose": convolution._library_transpose}

    def run(seconds=0.3):
        with (
            mock.patch.multiple(convolution, **own),
            mock.patch.object(engine, "_advance", advance),
        ):
            return round_of(made, seconds)

    return run


def paths(name, activation):
    """Return the rounds of a network by length, and the engine's choice."""
    if name == LIBRARY:
        return {1: library_round(trainer("conv 1-16-32", activation, 1)[0])}, ""
    _, chosen = trainer(name, activation, 1)
    lengths = sorted({n for n in LENGTHS if n <= 4 * chosen} | {chosen})
    made = {n: trainer(name, activation, n)[0] for n in lengths}
    return {n: partial(round_of, each) for n, each in made.items()}, chosen


def main():
    """Measure and print."""
    names = [*NETWORKS, LIBRARY]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--activation", choices=("gelu", "relu"), default="gelu")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{jax.devices()[0].device_kind}, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    for name in args.only:
        runs, chosen = paths(name, args.activation)
        times = {n: [] for n in runs}
        for run in runs.values():
            run(0.05)
        for _ in range(args.rounds):
            for n, run in runs.items():
                times[n].append(run())
        medians = "".join(f"{n:>6}: {statistics.median(v):<8.4g}" for n, v in times.items())
        print(f"{name:<24}{medians}{f'chosen {chosen}' if chosen else ''}", flush=True)


if __name__ == "__main__":
    main()

"""Milliseconds per training step by how many steps one program runs, and the engine's choice.

    python benchmarks/paths.py

One step per program is a call per step; more is a loop inside the program. The rounds are interleaved
and medians are printed, so that a busy moment hits every path.
"""

import os
import statistics

import jax
import numpy as np

from isthmus import engine
from isthmus.architectures import Dense
from isthmus.fitting import Slots
from isthmus.losses import MSE

NETWORKS = [(21, (), 64, 32), (30, (64, 32), 8, 128), (784, (128,), 32, 128)]
NETWORKS += [(784, (512, 256), 64, 256), (784, (1000, 500, 250), 30, 1000)]
LENGTHS = (1, 4, 64, 512)


def trainer(d, hidden, m, batch, length):
    """Return a trainer on random rows whose programs run this many steps."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(max(2 * batch, 1024), d)).astype("float32")
    slots = Slots(Dense(hidden=hidden), (), None, (), MSE())
    net = slots.architecture.build(
        (d,), m, rng, code_activation=None, output="identity", dtype="float32"
    )
    objective = engine.traced(slots.objective(), "float32")
    state = engine.start(objective, net, "float32")
    settings = engine.Settings(batch, 10**6, 1e-3, 0)
    made = engine.Trainer(objective, engine.to_device(x, np.ones(len(x))), settings, state)
    chosen, made.length = made.length, length
    return made, chosen


def round_of(made, seconds=0.3):
    """Return the milliseconds per step over about this long."""
    before = made.state.seconds, made.state.step
    while made.state.seconds - before[0] < seconds:
        made.state = made._next(made.state)._replace(history=(), partial=())
    return 1e3 * (made.state.seconds - before[0]) / (made.state.step - before[1])


def main():
    """Measure and print."""
    print(f"{jax.devices()[0].device_kind}, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    heads = "".join(f"{f'{n} steps':>12}" for n in LENGTHS)
    print(f"{'network, batch':<34}{heads}{'chosen':>9}")
    for d, hidden, m, batch in NETWORKS:
        lengths = [n for n in LENGTHS if n <= 64 or d < 500]
        made = {n: trainer(d, hidden, m, batch, n) for n in lengths}
        for each, _ in made.values():
            round_of(each, 0.05)
        times = {n: [] for n in lengths}
        for _ in range(5):
            for n, (each, _) in made.items():
                times[n].append(round_of(each))
        name = "-".join(map(str, (d, *hidden, m))) + f", {batch}"
        row = "".join(
            f"{statistics.median(times[n]):>12.3f}" if n in times else f"{'':>12}" for n in LENGTHS
        )
        print(f"{name:<34}{row}{made[1][1]:>9}")


if __name__ == "__main__":
    main()

"""Milliseconds per training step of a convolutional autoencoder, beside a hand-written PyTorch loop.

    python benchmarks/conv.py

28 x 28 images, 1-16-32 maps by 3 x 3 kernels and strides of 2, and back; batches of 128, Adam. The
rounds are interleaved and medians are printed. PyTorch is measured where it is installed:
pip install isthmus[peers].
"""

import os
import statistics
import time
from functools import partial
from unittest import mock

import jax
import numpy as np

from isthmus import Conv, convolution, engine
from isthmus.fitting import Slots
from isthmus.losses import MSE

BATCH, SIDE, CHANNELS, ROUNDS, STEPS = 128, 28, (16, 32), 9, 16


def trainer(x, length=None):
    """Return a trainer on these rows, whose programs run this many steps."""
    architecture = Conv(channels=CHANNELS, activation="relu", code="maps", code_activation="relu")
    slots = Slots(architecture, (), None, (), MSE())
    rng = np.random.default_rng(0)
    settings = {"code_activation": None, "output": "identity", "dtype": "float32"}
    net = architecture.build((SIDE, SIDE), None, rng, **settings)
    objective = engine.traced(slots.objective(), "float32")
    state = engine.start(objective, net, "float32")
    data = engine.to_device(x, np.ones(len(x)))
    made = engine.Trainer(objective, data, engine.Settings(BATCH, 10**6, 1e-3, 0), state)
    made.length = length or made.length
    return made


def loop_of(made):
    """Return a function that runs at least so many steps, and returns how many and the seconds."""

    def run(steps):
        before = made.state.step, made.state.seconds
        while made.state.step - before[0] < steps:
            made.state = made._next(made.state)._replace(history=(), partial=())
        return made.state.step - before[0], made.state.seconds - before[1]

    return run


def library_loop(x):
    """Return the same with XLA's own convolution, a call per step."""
    made = trainer(x, 1)
    original = engine._advance.__wrapped__

    @partial(jax.jit, static_argnames="length")
    def advance(*arguments, length):  # another function: JAX would take the known trace
        return original(*arguments, length=length)

    own = {"_convolve": convolution._library, "_transpose": convolution._library_transpose}

    def run(steps):
        with (
            mock.patch.multiple(convolution, **own),
            mock.patch.object(engine, "_advance", advance),
        ):
            return loop_of(made)(steps)

    return run


def torch_loop(x):
    """Return the same in PyTorch, or None where it is missing."""
    try:
        import torch
    except ImportError:
        return None
    nn = torch.nn
    narrow, wide = CHANNELS
    net = nn.Sequential(
        nn.Conv2d(1, narrow, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(narrow, wide, 3, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(wide, narrow, 3, 2, 1, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(narrow, 1, 3, 2, 1, 1),
    )
    where = "cuda" if torch.cuda.is_available() else "cpu"
    net, rows = net.to(where), torch.from_numpy(x).reshape(-1, 1, SIDE, SIDE).to(where)
    optimiser = torch.optim.Adam(net.parameters(), 1e-3, fused=True)

    def run(steps):
        begin = time.perf_counter()
        for _ in range(steps):
            batch = rows[torch.randint(0, len(rows), (BATCH,), device=where)]
            optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.mse_loss(net(batch), batch).backward()
            optimiser.step()
        if where == "cuda":
            torch.cuda.synchronize()
        return steps, time.perf_counter() - begin

    return run


def main():
    """Measure and print."""
    x = np.random.default_rng(0).uniform(size=(4096, SIDE**2)).astype("float32")
    chosen = trainer(x)
    runs = {
        f"isthmus, {chosen.length} steps a program (its choice)": loop_of(chosen),
        "isthmus, a call per step": loop_of(trainer(x, 1)),
        "XLA's own convolution, a call per step": library_loop(x),
        "PyTorch loop": torch_loop(x),
    }
    runs = {name: run for name, run in runs.items() if run}
    device = jax.devices()[0].device_kind
    print(f"{device}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for run in runs.values():
        run(STEPS)
    times = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            steps, seconds = run(STEPS)
            times[name].append(1e3 * seconds / steps)
    medians = {name: statistics.median(values) for name, values in times.items()}
    peer = medians.get("PyTorch loop")
    for name, value in medians.items():
        ratio = f"{value / peer:8.2f} of PyTorch's" if peer else ""
        print(f"{name:<48}{value:8.2f} ms{ratio}")


if __name__ == "__main__":
    main()

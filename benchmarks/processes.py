"""One model on several processes of this machine: what it costs, and what holds.

    python benchmarks/processes.py [--processes 2] [--rows 200000] [--hidden 512,256]

Fits the same rows in one process and in several, which talk over gloo, twice; prints seconds, the
largest difference between their weights, whether both runs gave the same bits, and how long the others
live on after one is killed. Processes of one machine share its cores, so several are no faster here; on
machines of their own each takes its share of every batch.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from detectors import rows
from speed.results import machine

import isthmus


def command(data, model, options, extra=()):
    """Return the command line of a fit."""
    layers = f"dense:hidden=[{options.hidden}]"
    settings = [
        "--n-components",
        "8",
        "--architecture",
        layers,
        "--max-epochs",
        str(options.epochs),
    ]
    size = ["--batch-size", str(options.batch_size), "--json", "--force"]
    begin = [sys.executable, "-m", "isthmus", "fit", str(data), "-o", str(model)]
    return [*begin, *settings, *size, *extra]


def start(data, model, options, extra=()):
    """Start the processes, which share this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    team = ["--coordinator", place, "--processes", str(options.processes), "--process"]
    return [
        subprocess.Popen(
            command(data, model, options, [*extra, *team, str(i)]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(options.processes)
    ]


def together(data, model, options):
    """Return what the first of several processes says of its fit."""
    started = start(data, model, options)
    texts = [process.communicate() for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("\n".join(err for _, err in texts))
    return json.loads(texts[0][0])


def seconds_after_kill(data, model, options):
    """Return how long the others live after the last process is killed, and what the first says."""
    started = start(data, model, options)
    time.sleep(8)
    started[-1].send_signal(signal.SIGKILL)
    begin = time.perf_counter()
    said = [process.communicate()[1] for process in started]
    lines = [line for line in said[0].splitlines() if line.startswith("isthmus:")]
    return time.perf_counter() - begin, lines[-1:]


def weights(model):
    """Return the weights of a model as one array."""
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(isthmus.load(model).net_)])


def main():
    """Fit alone and together, and kill one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--hidden", default="512,256")
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--epochs", type=int, default=3)
    parser.set_defaults(activation="gelu", cores=os.cpu_count())
    options = parser.parse_args()
    print("{processor}, {cores} cores, load {load}, {day}\n".format(**machine(options)))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "rows.npy"
        np.save(data, rows(options.rows, 64).astype(np.float32))
        one, first, second = (Path(folder) / f"{name}.isthmus" for name in ("one", "a", "b"))
        ran = subprocess.run(
            command(data, one, options), capture_output=True, text=True, check=True
        )
        alone = json.loads(ran.stdout)["seconds"]
        shared = [together(data, model, options)["seconds"] for model in (first, second)]
        gap = np.abs(weights(first) - weights(one)).max()
        alike = np.array_equal(weights(first), weights(second))
        print(f"one process              {alone:.2f} s of training")
        print(f"{options.processes} processes              {min(shared):.2f} s, on the same cores")
        print(f"largest difference of a weight  {gap:.1e} (of {np.abs(weights(one)).max():.2g})")
        print(f"two runs give the same bits     {'yes' if alike else 'no'}")
        options.epochs = 10_000
        lived, said = seconds_after_kill(data, Path(folder) / "killed.isthmus", options)
        print(f"after one is killed the others end in {lived:.1f} s, saying")
        print(*said)


if __name__ == "__main__":
    main()

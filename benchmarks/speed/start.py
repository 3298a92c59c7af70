"""How long the first minute takes: imports, --help, and a first fit beside a warm one.

Every figure is from a new process, with compiled bytecode in place.
"""

import subprocess
import sys
import tempfile
import time

from speed.results import Measured
from speed.workers import environment, once

PROGRAMS = {
    "import isthmus": "import isthmus",
    "first use, isthmus.Autoencoder": "import isthmus; isthmus.Autoencoder",
    "import sklearn.neural_network": "import sklearn.neural_network",
    "import torch": "import torch",
    "isthmus --help, inside Python": "import io, sys\n"
    "sys.stdout, out = io.StringIO(), sys.stdout\n"
    "from isthmus.__main__ import main\n"
    "try: main(['--help'])\nexcept SystemExit: pass\n"
    "sys.stdout = out",
}
TIMED = "import time; begin = time.perf_counter()\n{}\nprint(time.perf_counter() - begin)"
FITS = {"first fit, 64-32-8": "small", "first fit, convolutional 28 x 28": "conv"}
STAGES = {"trace": "jaxpr_trace", "lower": "jaxpr_to_mlir_module", "compile": "backend_compile"}


def isthmus(kind, folder=None):
    """Return seconds of a first fit and of a warm one, of making programs, and how many."""
    from collections import Counter

    import jax
    from sklearn.datasets import load_digits

    import isthmus

    seconds, counts = Counter(), Counter()

    def listen(event, duration, **_):
        for stage, name in STAGES.items():
            if event == f"/jax/core/compile/{name}_duration":
                seconds[stage] += duration
                counts[stage] += 1

    jax.monitoring.register_event_duration_secs_listener(listen)
    if folder:
        isthmus.enable_compilation_cache(folder)
    x = load_digits().data
    if kind == "conv":
        import numpy as np

        x = np.random.default_rng(0).uniform(size=(1000, 28, 28)).astype("float32")
    architecture = "conv" if kind == "conv" else "dense:hidden=[32]"
    model = isthmus.Autoencoder(
        8, architecture, max_epochs=20 if kind == "small" else 2, random_state=0
    )

    def run():
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            model.fit(x)
            times.append(time.perf_counter() - begin)
            if len(times) == 1:
                made = dict(seconds), counts["compile"]
        return times[0], min(times[1:]), *made

    return run


CONTESTANTS = {"isthmus": isthmus}


def workloads(args):
    """Return the names."""
    return [*PROGRAMS, *FITS]


def measure(name, args):
    """Return seconds of new processes; for first fits also what they consist of."""
    repeats = min(args.rounds, 5)
    if name in PROGRAMS:
        run(PROGRAMS[name])  # writes the bytecode
        return [
            Measured("start", name, "seconds", "s", [run(PROGRAMS[name]) for _ in range(repeats)])
        ]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for label, cache in (("no cache", None), ("cache", folder)):
            arguments = (FITS[name], cache) if cache else (FITS[name],)
            once("start", "isthmus", *arguments)
            answers = [once("start", "isthmus", *arguments) for _ in range(repeats)]
            first, warm, stages, counts = zip(*answers, strict=True)
            found |= {label: first, f"warm, {label}": warm}
            if not cache:
                found |= {stage: [s[stage] for s in stages] for stage in STAGES}
                found["programs"] = counts
    units = {"programs": ""}
    return [Measured("start", name, k, units.get(k, "s"), list(v)) for k, v in found.items()]


def run(program):
    """Return the seconds that a program took in a new process, without Python's own start."""
    command = [sys.executable, "-c", TIMED.format(program)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    return float(done.stdout)

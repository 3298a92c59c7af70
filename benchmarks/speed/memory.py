"""Peak memory of fits and of scoring, each in a new process, beside what the rows themselves take."""

import resource
import sys
from pathlib import Path

from speed.results import Measured
from speed.workers import once

ROWS, COLUMNS, HIDDEN, CODE, BATCH = 200_000, 100, (64,), 16, 256
MB = 1e6
SCORED = (250_000, 500_000, 1_000_000)


def peak_of(call):
    """Return by how many bytes the process grew at most while a call ran."""
    before = _resident(reset=True)
    call()
    return _peak() - before


def _resident(reset):
    """Return the bytes in use; forget the peak so far, if the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError:
        return _peak()


def _peak():
    try:
        return _status("VmHWM")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def _rows():
    import numpy as np

    return np.random.default_rng(0).standard_normal((ROWS, COLUMNS), "float32")


def isthmus():
    """Return the growth in a fit of one epoch; a small fit was before, so that programs are there."""
    from isthmus import Autoencoder, Dense

    same = {"max_epochs": 1, "batch_size": BATCH, "random_state": 0}
    model, x = Autoencoder(CODE, Dense(hidden=HIDDEN), **same), _rows()
    model.fit(x[:1000])
    return lambda: peak_of(lambda: model.fit(x))


def pytorch():
    """Return the same for a loop that has the user's rows scaled in one tensor."""
    import torch

    from speed.networks import Network, TorchLoss, torch_adam, torch_module

    x, network = _rows(), Network((COLUMNS, *HIDDEN, CODE), BATCH)

    def fit(x):
        x = torch.from_numpy((x - x.mean(0)) / x.std(0))
        module = torch_module(network, "gelu")
        loss, optimiser = TorchLoss(network, module), torch_adam(module)
        for index in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad(set_to_none=True)
            loss(x[index]).backward()
            optimiser.step()

    fit(x[:1000])
    return lambda: peak_of(lambda: fit(x))


def sklearn():
    """Return the same for `MLPRegressor` behind a `StandardScaler`."""
    from sklearn.neural_network import MLPRegressor
    from sklearn.preprocessing import StandardScaler

    x = _rows()

    def fit(x):
        scaled = StandardScaler().fit_transform(x)
        layers = (*HIDDEN, CODE, *HIDDEN[::-1])
        MLPRegressor(hidden_layer_sizes=layers, batch_size=BATCH, max_iter=1).fit(scaled, scaled)

    fit(x[:1000])
    return lambda: peak_of(lambda: fit(x))


CONTESTANTS = {"isthmus": isthmus, "PyTorch loop": pytorch, "MLPRegressor": sklearn}
FIT = f"fit of {ROWS:,} x {COLUMNS}, {ROWS * COLUMNS * 4 / MB:.0f} MB"


def workloads(args):
    """Return the names."""
    return [FIT, *(f"scoring {n:,} x 30" for n in SCORED)]


def measure(name, args):
    """Return megabytes beside the rows."""
    if name == FIT:
        return [Measured("memory", name, c, "MB", [once("memory", c) / MB]) for c in CONTESTANTS]
    n = int(name.split()[1].replace(",", ""))
    values = [once("scoring", "peak", n) / MB]
    return [Measured("memory", name, "isthmus", "MB", values)]

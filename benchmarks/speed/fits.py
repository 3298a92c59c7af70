"""Whole default fits on real tables, beside peers with the same epochs, widths and batches.

Peers get scaled rows; isthmus scales its own, holds some out, stops early and measures baselines.
"""

import tempfile
import time

from speed.results import Measured, interleaved
from speed.workers import Worker, busy, once

SMALL, MOST = 2000, 10_000  # rows of a small table, and rows that are taken at most
SLOW_SETS = 3  # small tables that PyOD is timed on, one round
COLD = 3  # new processes
WARM, CACHED, NEW = "isthmus", "isthmus, new process, cache", "isthmus, new process"
PEER, PEER_NEW, PYOD = "MLPRegressor", "MLPRegressor, new process", "PyOD AutoEncoder"


def rows(path):
    """Return the rows of a set."""
    import numpy as np

    with np.load(path) as arrays:
        x = arrays["X"].astype(float)
    rng = np.random.default_rng(0)
    return x if len(x) <= MOST else x[rng.choice(len(x), MOST, replace=False)]


def scaled(path):
    """Return the rows of a set, standardised."""
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform(rows(path))


def isthmus(path, cache=None):
    """Return the seconds of a default fit, and what it settled on."""
    import isthmus

    if cache:
        isthmus.enable_compilation_cache(cache)
    x = rows(path)
    model = isthmus.Autoencoder(random_state=0)

    def run():
        begin = time.perf_counter()
        model.fit(x)
        seconds = time.perf_counter() - begin
        return [seconds, (model.n_iter_, model.net_.n_components, model.batch_size_)]

    return run


def sklearn(path, epochs, width, batch):
    """Return the seconds of a fit of `MLPRegressor`."""
    from sklearn.neural_network import MLPRegressor

    x = scaled(path)
    same = {"hidden_layer_sizes": (width,), "batch_size": batch, "max_iter": epochs}
    model = MLPRegressor(activation="tanh", n_iter_no_change=10**9, random_state=0, **same)

    def run():
        begin = time.perf_counter()
        model.fit(x, x)
        return time.perf_counter() - begin

    return run


def pyod(path, epochs, width, batch):
    """Return the seconds of a fit of PyOD's `AutoEncoder`, without dropout and normalisation."""
    from pyod.models.auto_encoder import AutoEncoder

    x = scaled(path)
    same = {"hidden_neuron_list": [width], "batch_size": batch, "epoch_num": epochs}
    off = {"preprocessing": False, "batch_norm": False, "dropout_rate": 0.0, "verbose": 0}

    def run():
        begin = time.perf_counter()
        AutoEncoder(hidden_activation_name="tanh", **same, **off).fit(x)
        return time.perf_counter() - begin

    return run


CONTESTANTS = {"isthmus": isthmus, "MLPRegressor": sklearn, "PyOD AutoEncoder": pyod}


def tables(folder):
    """Return {name: (path, number of rows)} of the sets with odd numbers, small ones first."""
    import numpy as np

    found = {}
    for path in folder.glob("*.npz"):
        number, _, name = path.stem.partition("_")
        if int(number) % 2:
            with np.load(path) as arrays:
                found[name] = path.resolve(), min(len(arrays["y"]), MOST)
    return dict(sorted(found.items(), key=lambda item: item[1][1]))


def workloads(args):
    """Return the names of the sets; none without a folder of them."""
    return list(tables(args.data))


def measure(name, args):
    """Return seconds of fits, warm and in new processes."""
    found = tables(args.data)
    path, n = str(found[name][0]), found[name][1]
    slow = name in [k for k, (_, n) in found.items() if n < SMALL][:SLOW_SETS]
    with Worker("fits", WARM, path) as ours:
        first, settled = ours()
        epochs, width, batch = settled
        same = path, epochs, width, min(batch, n)
        with Worker("fits", PEER, *same) as peer:
            peer_first = peer()
            others = busy()
            turns = {WARM: lambda: ours()[0], PEER: peer}
            values = interleaved(turns, args.rounds)
    values[NEW], values[PEER_NEW] = [first], [peer_first]
    if n < SMALL:
        values |= cold(path, same)
    if slow:
        values[PYOD] = [once("fits", PYOD, *same)]
    note = f"{n:,} rows, {epochs} epochs, {width} units"
    return [Measured("fits", name, c, "s", v, others, note) for c, v in values.items()]


def cold(path, same):
    """Return the seconds of first fits in new processes."""
    with tempfile.TemporaryDirectory() as folder:
        once("fits", WARM, path, folder)
        cached = [once("fits", WARM, path, folder)[0] for _ in range(COLD)]
    new = [once("fits", WARM, path)[0] for _ in range(COLD)]
    return {CACHED: cached, NEW: new, PEER_NEW: [once("fits", PEER, *same) for _ in range(COLD)]}

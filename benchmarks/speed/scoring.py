"""Scoring and encoding a million rows, beside PyTorch and the bare products of the way forward."""

import time

from speed import memory
from speed.results import alternated

ROWS, NETWORK, BATCH = 1_000_000, "30-64-32-8", 4096
WORKLOADS = {"score 1,000,000 x 30": "score_samples", "encode 1,000,000 x 30": "transform"}


def rows(n=ROWS):
    """Return normal rows of 30 columns."""
    import numpy as np

    return np.random.default_rng(0).standard_normal((n, 30), "float32")


def fitted(x):
    """Return a model of isthmus that saw some of these rows."""
    from isthmus import Autoencoder

    return Autoencoder(8, "dense:hidden=[64, 32]", max_epochs=1, random_state=0).fit(x[:10_000])


def isthmus(what):
    """Return the seconds of a call on all rows."""
    x = rows()
    model = fitted(x)

    def run():
        begin = time.perf_counter()
        getattr(model, what)(x)
        return time.perf_counter() - begin

    return run


def pytorch(what):
    """Return the seconds of a loop over batches, without a gradient."""
    import torch

    from speed.networks import NETWORKS, torch_module

    x, module = torch.from_numpy(rows()), torch_module(NETWORKS[NETWORK], "gelu")
    encoder = module[:5]

    def one(batch):
        if what == "transform":
            return encoder(batch)
        return (module(batch) - batch).square().mean(1)

    def run():
        begin = time.perf_counter()
        with torch.inference_mode():
            torch.cat([one(batch) for batch in x.split(BATCH)])
        return time.perf_counter() - begin

    return run


def floor(what):
    """Return the seconds of the bare products through MKL, batch by batch."""
    import torch

    from speed.networks import NETWORKS, products

    x = torch.from_numpy(rows())
    layers = products(NETWORKS[NETWORK])
    layers = layers[: len(layers) // 2] if what == "transform" else layers
    weights = [torch.rand(i, o) for _, i, o in layers]
    hidden = [torch.empty(BATCH, o) for _, _, o in layers]

    def run():
        begin = time.perf_counter()
        with torch.inference_mode():
            for batch in x.split(BATCH):
                h = batch
                for w, out in zip(weights, hidden, strict=True):
                    h = torch.mm(h, w, out=out[: len(batch)])
        return time.perf_counter() - begin

    return run


def peak(n):
    """Return the bytes that scoring so many rows takes at most, beside the rows."""
    x = rows(n)
    model = fitted(x)
    model.score_samples(x[:10_000])
    return lambda: memory.peak_of(lambda: model.score_samples(x))


CONTESTANTS = {"isthmus": isthmus, "PyTorch loop": pytorch, "floor": floor, "peak": peak}


def workloads(args):
    """Return the names."""
    return list(WORKLOADS)


def measure(name, args):
    """Return seconds."""
    names = [c for c in CONTESTANTS if c != "peak"]
    return alternated("scoring", name, names, (WORKLOADS[name],), args.rounds, "s")

"""A denoiser of photographs: its training step, and an image of 1,000 x 1,000, beside PyTorch.

PyTorch's network has the same layers, and is written twice: as most write it, and with channels last,
which oneDNN prefers.
"""

import time
from functools import partial

from speed.results import alternated

CHANNELS, SIDE, BATCH, ROWS, LARGE = (64,) * 6, 48, 16, 1024, 1000
NOISE = 0.02, 0.2  # the least and the greatest deviation
LOOP, LAST = "PyTorch loop", "PyTorch channels last"
WORKLOADS = {f"step {BATCH} x {SIDE} x {SIDE}": "step", f"image {LARGE:,} x {LARGE:,}": "image"}


def patches():
    """Return random rows in [0, 1]."""
    import numpy as np

    return np.random.default_rng(0).random((ROWS, SIDE, SIDE), "float32")


def photograph():
    """Return a large one."""
    import numpy as np

    return np.random.default_rng(1).random((LARGE, LARGE), "float32")


def estimator(**settings):
    """Return the network as an `Autoencoder` of isthmus."""
    from isthmus import Autoencoder, Conv

    n = len(CHANNELS) - 1
    layers = {"channels": CHANNELS, "kernel": (4, *n * [3]), "stride": (2, *n * [1])}
    ends = {"code": "maps", "code_activation": "gelu", "output": "identity"}
    conv = Conv(**layers, **ends, residual=True, skips=True)
    common = {"batch_size": BATCH, "early_stopping": False, "scaling": None, "random_state": 0}
    return Autoencoder(None, conv, corruption=f"gaussian:std={list(NOISE)}", **common, **settings)


def isthmus(what):
    """Return the seconds of a step in a warm fit, by its history, or of denoising a large image."""
    from isthmus.images import denoise

    if what == "image":
        model, photo = estimator(max_epochs=1).fit(patches()[: 2 * BATCH]), photograph()
        return partial(timed, lambda: denoise(model, photo))
    x = patches()

    def run():
        return estimator(max_epochs=1).fit(x).history_["seconds"][-1] * BATCH / ROWS

    return run


def timed(call):
    """Return the seconds of a call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def torch_denoiser():
    """Return the network as a module of PyTorch."""
    from torch import nn

    class Denoiser(nn.Module):
        def __init__(self):
            super().__init__()
            first, *others = CHANNELS
            pairs = list(zip(CHANNELS, others, strict=False))
            down, up = nn.Conv2d(1, first, 4, 2, 1), nn.ConvTranspose2d(first, 1, 4, 2, 1)
            back = [nn.Conv2d(m, c, 3, padding=1) for c, m in reversed(pairs)]
            self.encoder = nn.ModuleList([down, *(nn.Conv2d(*p, 3, padding=1) for p in pairs)])
            self.decoder = nn.ModuleList([*back, up])
            self.activation = nn.GELU(approximate="tanh")

        def forward(self, x):
            h, kept = x, []
            for layer in self.encoder:
                kept.append(h)
                h = self.activation(layer(h))
            for layer in self.decoder[:-1]:
                h = self.activation(layer(h)) + kept.pop()
            return x + self.decoder[-1](h)

    return Denoiser()


def pytorch(what, last=False):
    """Return the seconds of a step in a loop over a shuffled epoch, or of a large image."""
    import torch

    layout = torch.channels_last if last else torch.contiguous_format
    module = torch_denoiser().to(memory_format=layout)
    if what == "image":
        photo = torch.from_numpy(photograph())[None, None].contiguous(memory_format=layout)
        return partial(timed, torch.inference_mode()(partial(module, photo)))
    x = torch.from_numpy(patches())[:, None].contiguous(memory_format=layout)
    return lambda: timed(partial(torch_epoch, module, x)) * BATCH / ROWS


def torch_epoch(module, x):
    """Train a module for an epoch: indexed batches, noise of another deviation for each patch."""
    import torch

    from speed.networks import torch_adam

    optimiser = torch_adam(module)
    for index in torch.randperm(len(x)).split(BATCH):
        clean = x[index]
        noise = torch.empty(len(clean), 1, 1, 1).uniform_(*NOISE) * torch.randn_like(clean)
        optimiser.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(module(clean + noise), clean).backward()
        optimiser.step()


CONTESTANTS = {"isthmus": isthmus, LOOP: pytorch, LAST: partial(pytorch, last=True)}


def workloads(args):
    """Return the names."""
    return list(WORKLOADS)


def measure(name, args):
    """Return seconds."""
    return alternated("denoiser", name, CONTESTANTS, (WORKLOADS[name],), args.rounds, "s")

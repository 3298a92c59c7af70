"""The preset for photographs: its training step, and an image of 1,000 x 1,000, beside PyTorch.

PyTorch's network has the same layers, and is written twice: as most write it, and with channels last,
which oneDNN prefers.
"""

import time
from functools import partial

from photographs.network import BATCH, NOISE, denoiser

from speed.results import alternated

SIDE, ROWS, LARGE = 48, 1024, 1000
LOOP, LAST = "PyTorch loop", "PyTorch channels last"
WORKLOADS = {f"step of {BATCH} x {SIDE} x {SIDE}": "step", f"image {LARGE:,} x {LARGE:,}": "image"}


def patches():
    """Return random rows in [0, 1]."""
    import numpy as np

    return np.random.default_rng(0).random((ROWS, SIDE, SIDE), "float32")


def photograph():
    """Return a large one."""
    import numpy as np

    return np.random.default_rng(1).random((LARGE, LARGE), "float32")


def estimator(**settings):
    """Return the preset, for patches that are scaled already."""
    from isthmus import presets

    return presets.image_denoiser(scaling=None, random_state=0, **settings)


def isthmus(what):
    """Return the seconds of a step of a warm fit, by its history, or of denoising a large image."""
    from isthmus.images import denoise

    if what == "image":
        model, photo = estimator(max_epochs=1).fit(patches()[: 2 * BATCH]), photograph()
        return partial(timed, lambda: denoise(model, photo))
    x = patches()

    def run():
        first, second = estimator(max_epochs=2).fit(x).history_["seconds"]
        return (second - first) * BATCH / ROWS

    return run


def timed(call):
    """Return the seconds of a call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def pytorch(what, last=False):
    """Return the seconds of a step in a loop over a shuffled epoch, or of a large image."""
    import torch

    layout = torch.channels_last if last else torch.contiguous_format
    module = denoiser().to(memory_format=layout)
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

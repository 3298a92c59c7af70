"""The same network in PyTorch, trained by a loop for as many minutes."""

import time

import numpy as np

from photographs.contestants import SIDES, STEPS
from photographs.read import read

CHANNELS, KERNELS, STRIDES = (64, 64, 64, 128, 128, 128), (4, 3, 3, 4, 3, 3), (2, 1, 1, 2, 1, 1)
BATCH, RATE, NOISE = 8, 2e-3, (0.02, 0.2)


def denoiser():
    """Return the network: convolutions, their mirrors, what each saw handed on, and a residual."""
    from torch import nn

    layers = list(zip((1, *CHANNELS[:-1]), CHANNELS, KERNELS, STRIDES, strict=True))

    class Denoiser(nn.Module):
        def __init__(self):
            super().__init__()
            settings = [((k, s, 1), (c, m)) for c, m, k, s in layers]
            self.encoder = nn.ModuleList([nn.Conv2d(*cm, *w) for w, cm in settings])
            back = [nn.ConvTranspose2d(*cm[::-1], *w) for w, cm in reversed(settings)]
            self.decoder = nn.ModuleList(back)
            nn.init.zeros_(back[-1].weight)
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


def pytorch(data, minutes):
    """Return the network, trained with Adam and half a cosine, as a method."""
    import torch

    torch.manual_seed(0)
    module = denoiser().to(memory_format=torch.channels_last)
    photographs = torch.from_numpy(np.stack(read(data, "Train400")))
    adam = torch.optim.Adam(module.parameters(), RATE, betas=(0.9, 0.95))
    begun, share, steps = time.perf_counter(), 0.0, 0
    while (share := (time.perf_counter() - begun) / 60 / minutes) < 1:
        warm = min(1, (steps + 1) / STEPS)
        adam.param_groups[0]["lr"] = RATE * warm * 0.5 * (1 + np.cos(np.pi * share))
        clean = crops(photographs).contiguous(memory_format=torch.channels_last)
        deviation = torch.empty(BATCH, 1, 1, 1).uniform_(*NOISE)
        again = module(clean + deviation * torch.randn_like(clean))
        adam.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(again, clean).backward()
        adam.step()
        steps += 1
    print(f"PyTorch: {steps} steps", flush=True)
    return lambda x, s, v: restored(module, x)


def crops(photographs):
    """Return a batch of patches at random places, mirrored and turned, on [0, 1]."""
    import torch

    (h, w), (n, tall, wide) = SIDES, photographs.shape
    some = []
    for _ in range(BATCH):
        i, top, left = (int(torch.randint(m, ())) for m in (n, tall - h + 1, wide - w + 1))
        patch = photographs[i, top : top + h, left : left + w]
        patch = patch.rot90(int(torch.randint(4, ())))
        some.append(patch.flip(0) if torch.rand(()) < 0.5 else patch)
    return torch.stack(some)[:, None] / 255


def restored(module, x):
    """Return an image denoised whole, mirrored to a multiple of the strides."""
    import torch

    step = int(np.prod(STRIDES))
    h, w = x.shape
    wide = np.pad(x, ((0, -h % step), (0, -w % step)), "reflect")
    with torch.inference_mode():
        return module(torch.from_numpy(wide)[None, None])[0, 0, :h, :w].numpy()

"""The networks of the training workloads, in isthmus, PyTorch and scikit-learn."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

RHO, MEMORY = 0.05, 0.2  # of KL sparsity: the wanted activity, and how fast its mean follows
SIDE, CHANNELS = 28, (16, 32)


class Network(NamedTuple):
    """Widths from the input to the code, the rows of a batch, and what it is."""

    widths: tuple[int, ...]
    batch: int
    kind: str = "dense"

    @property
    def rows(self):
        """How many rows it is trained on: whole batches, so that no path has to pad."""
        return 4096 if self.batch < 1000 else 4 * self.batch


NETWORKS = {
    "21-64-32": Network((21, 64, 32), 32),
    "30-64-32-8": Network((30, 64, 32, 8), 128),
    "784-128-32": Network((784, 128, 32), 128),
    "784-512-256-64": Network((784, 512, 256, 64), 256),
    "784-1000-500-250-30": Network((784, 1000, 500, 250, 30), 1000),
    "conv 1-16-32": Network((SIDE**2, *CHANNELS), 128, "conv"),
    "sparse 784-2000": Network((784, 2000), 128, "sparse"),
}


def data(network):
    """Return random rows in [0, 1]."""
    rng = np.random.default_rng(0)
    return rng.uniform(size=(network.rows, network.widths[0])).astype("float32")


def estimator(network, activation, **settings):
    """Return the network as an `Autoencoder` of isthmus."""
    from isthmus import Autoencoder, Conv, Dense

    _, *hidden, code = network.widths
    kinds = {
        "dense": (code, Dense(hidden=tuple(hidden), activation=activation)),
        "sparse": (code, Dense()),
        "conv": (None, Conv(channels=CHANNELS, activation=activation, code="maps",
                            code_activation=activation, input_shape=(SIDE, SIDE))),
    }  # fmt: skip
    common = {"batch_size": network.batch, "early_stopping": False, "random_state": 0}
    sparsity = "kl" if network.kind == "sparse" else None
    m, architecture = kinds[network.kind]
    return Autoencoder(m, architecture, sparsity=sparsity, scaling=None, **common, **settings)


def torch_module(network, activation):
    """Return the network as a module of PyTorch, with the activations that isthmus has."""
    from torch import nn

    def active():
        return nn.GELU(approximate="tanh") if activation == "gelu" else nn.ReLU()

    widths = network.widths
    if network.kind == "sparse":
        return nn.Sequential(nn.Linear(*widths), nn.Sigmoid(), nn.Linear(*widths[::-1]))
    if network.kind == "dense":
        ups, downs = list(pairwise(widths)), list(pairwise(widths[::-1]))
        layers = [layer for pair in ups for layer in (nn.Linear(*pair), active())][:-1]
        layers += [layer for pair in downs for layer in (nn.Linear(*pair), active())][:-1]
        return nn.Sequential(*layers)
    narrow, wide = CHANNELS
    return nn.Sequential(
        nn.Unflatten(1, (1, SIDE, SIDE)),
        nn.Conv2d(1, narrow, 3, 2, 1), active(),
        nn.Conv2d(narrow, wide, 3, 2, 1), active(),
        nn.ConvTranspose2d(wide, narrow, 3, 2, 1, 1), active(),
        nn.ConvTranspose2d(narrow, 1, 3, 2, 1, 1),
        nn.Flatten(),
    )  # fmt: skip


class TorchLoss:
    """The loss of a batch in PyTorch; KL sparsity keeps a running mean, as isthmus does."""

    def __init__(self, network, module, device="cpu"):
        import torch

        self.torch, self.network, self.module = torch, network, module
        self.mean = torch.full((network.widths[-1],), RHO, device=device)

    def __call__(self, x):
        """Return the loss of rows."""
        error = self.torch.nn.functional.mse_loss
        if self.network.kind != "sparse":
            return error(self.module(x), x)
        z = self.module[:2](x)
        batch = z.mean(0)
        self.mean.lerp_(batch.detach(), MEMORY)
        r = (self.mean + batch - batch.detach()).clamp(1e-6, 1 - 1e-6)
        log = self.torch.log
        penalty = RHO * log(RHO / r) + (1 - RHO) * log((1 - RHO) / (1 - r))
        return error(self.module[2](z), x) + penalty.sum()


def torch_adam(module):
    """Return the fused optimiser."""
    import torch

    return torch.optim.Adam(module.parameters(), 1e-3, fused=True)


def products(network):
    """Return the sizes (rows, inside, columns) of the matrix products of a training step.

    Each layer has one forward and one for the gradient of its weight; all but the first have one
    for the gradient of their input.
    """
    pairs = [*pairwise(network.widths), *pairwise(network.widths[::-1])]
    return [(network.batch, *pair) for pair in pairs]


def layers(network):
    """Return (multiplications a row, weights) of each layer."""
    if network.kind != "conv":
        return [(i * o, i * o) for _, i, o in products(network)]
    one = [(9 * c * m, (SIDE // s) ** 2) for c, m, s in ((1, CHANNELS[0], 2), (*CHANNELS, 4))]
    return 2 * [(weights * places, weights) for weights, places in one]


def operations(network):
    """Return the floating-point operations of the products of a training step."""
    work = [row for row, _ in layers(network)]
    return 2 * network.batch * (3 * sum(work) - work[0])


def traffic(network):
    """Return the bytes that a step moves at least: the rows, and weights, gradients and moments.

    The rows are read, and copied into a batch; the optimiser reads four arrays and writes three.
    """
    weights = sum(w for _, w in layers(network))
    return 4 * (3 * network.batch * network.widths[0] + 9 * weights)

"""What `benchmarks/gpu.py` runs on a device: contestants, and the ceilings of products and copies.

Precisions name what multiplies float32 matrices: float32 itself, TF32, or bfloat16 with float32 sums
(JAX's dot algorithms; in PyTorch `set_float32_matmul_precision`, and autocast for bfloat16).
"""

import contextlib
import time

from speed import steps
from speed.networks import NETWORKS, TorchLoss, data, estimator, torch_adam, torch_module

DOTS = {"float32": "F32_F32_F32", "tf32": "TF32_TF32_F32", "bf16": "BF16_BF16_F32"}
PLAIN = {"float32": "highest", "tf32": "high"}  # convolutions know no dot algorithms
POPULATION, EPOCHS = 64, 20


def settle(platform, precision, kind="dense"):
    """Let JAX use a platform and a precision."""
    import jax

    jax.config.update("jax_platforms", platform)
    names = PLAIN if kind == "conv" else DOTS
    if platform != "cpu":
        jax.config.update("jax_default_matmul_precision", names[precision])


def isthmus(platform, precision, name, activation):
    """Return the seconds of so many steps of warm fits."""
    settle(platform, precision, NETWORKS[name].kind)
    return steps.isthmus(name, activation)


class Torch:
    """A network in PyTorch on a device, its rows there too."""

    def __init__(self, platform, precision, name, activation):
        import torch

        self.torch, self.network = torch, NETWORKS[name]
        self.device = torch.device(platform)
        torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
        torch.backends.cudnn.allow_tf32 = precision != "float32"
        self.half = precision == "bf16"
        self.x = torch.from_numpy(data(self.network)).to(self.device)
        self.module = torch_module(self.network, activation).to(self.device)
        self.loss = TorchLoss(self.network, self.module, self.device)
        self.optimiser = torch_adam(self.module)
        self.waiting = iter(())

    def forward(self, x):
        """Return the loss of rows, in bfloat16 if that is the precision."""
        half = self.torch.autocast(self.device.type, self.torch.bfloat16)
        with half if self.half else contextlib.nullcontext():
            return self.loss(x)

    def batch(self):
        """Return the numbers of the next rows."""
        index = next(self.waiting, None)
        if index is None:
            order = self.torch.randperm(len(self.x), device=self.device)
            self.waiting = iter(order.split(self.network.batch))
            index = next(self.waiting)
        return index

    def synchronise(self):
        """Wait until all is done."""
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def timed(self, step):
        """Return a function that answers with the seconds of so many steps."""

        def run(count):
            self.synchronise()
            begin = time.perf_counter()
            for _ in range(count):
                step()
            self.synchronise()
            return time.perf_counter() - begin

        return run


def _stepping(it, forward):
    def step():
        it.optimiser.zero_grad(set_to_none=True)
        forward(it.x[it.batch()]).backward()
        it.optimiser.step()

    return step


@steps.calibrated
def eager(*arguments):
    """Return the seconds of a loop of single calls."""
    it = Torch(*arguments)
    return it.timed(_stepping(it, it.forward))


@steps.calibrated
def compiled(*arguments):
    """Return the same with forward and backward passes by `torch.compile`."""
    it = Torch(*arguments)
    return it.timed(_stepping(it, it.torch.compile(it.forward)))


@steps.calibrated
def graphs(*arguments):
    """Return the same as one CUDA graph a step, replayed; rows are gathered inside."""
    it = Torch(*arguments)
    torch = it.torch
    it.optimiser = torch.optim.Adam(it.module.parameters(), 1e-3, fused=True, capturable=True)
    index = it.batch().clone()

    def step():
        it.optimiser.zero_grad(set_to_none=True)
        it.forward(it.x[index]).backward()
        it.optimiser.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    it.optimiser.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        it.forward(it.x[index]).backward()
        it.optimiser.step()

    def replay():
        index.copy_(it.batch())
        graph.replay()

    return it.timed(replay)


def candidates(platform, precision, name, activation):
    """Return the seconds of a search over 64 candidates, and of one of their fits."""
    settle(platform, precision)
    from isthmus import tune

    x = data(NETWORKS[name])
    model = estimator(NETWORKS[name], activation, max_epochs=EPOCHS)
    grid = {"learning_rate": [1e-4 * 1.07**i for i in range(POPULATION)]}

    def run():
        times = []
        for call in (lambda: tune(model, grid, x), lambda: model.fit(x)):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        return times

    return run


def scoring(platform, precision, rows):
    """Return the seconds of scoring rows, and of copying them to the device."""
    settle(platform, precision)
    import jax

    from speed.scoring import fitted
    from speed.scoring import rows as made

    x = made(rows)
    model = fitted(x)

    def run():
        begin = time.perf_counter()
        model.score_samples(x)
        middle = time.perf_counter()
        jax.device_put(x).block_until_ready()
        return middle - begin, time.perf_counter() - middle

    return run


def ceilings(platform, precision, size):
    """Return the device, and the best rates: operations of a square product, bytes of a copy."""
    settle(platform, precision)
    import jax
    import jax.numpy as jnp

    a = jax.random.normal(jax.random.key(0), (size, size))
    product, copy = jax.jit(jnp.matmul), jax.jit(lambda a: a + 1)

    def best(call, *arguments):
        call(*arguments).block_until_ready()
        times = []
        for _ in range(10):
            begin = time.perf_counter()
            call(*arguments).block_until_ready()
            times.append(time.perf_counter() - begin)
        return min(times)

    def run():
        rates = 2 * size**3 / best(product, a, a), 2 * a.nbytes / best(copy, a)
        return jax.devices()[0].device_kind, *rates

    return run


CONTESTANTS = {
    "isthmus": isthmus,
    "eager": eager,
    "torch.compile": compiled,
    "CUDA graphs": graphs,
    "candidates": candidates,
    "scoring": scoring,
    "ceilings": ceilings,
}

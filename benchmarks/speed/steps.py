"""Training steps: isthmus as users get it, a PyTorch loop, scikit-learn, and the floor under all.

Each contestant is made for a network, and answers with the seconds that so many steps took; asked for
0 steps it compiles and answers how many fill a round.
"""

import time
from contextlib import ExitStack
from functools import partial, wraps

from speed.networks import NETWORKS, TorchLoss, data, estimator, products, torch_adam, torch_module
from speed.results import Measured, interleaved
from speed.workers import Worker, busy

ROUND = 0.4  # seconds that a contestant runs in each round, and at least 8 steps
LOOP = "PyTorch loop"


def calibrated(contestant):
    """Let a contestant answer how many steps fill a round."""

    @wraps(contestant)
    def made(*arguments):
        run = contestant(*arguments)

        def answer(steps):
            return run(steps) if steps else _steps_for(run)

        return answer

    return made


def _steps_for(run):
    run(1)  # compiles
    steps, taken = 4, run(4)
    while taken < ROUND / 8 and steps < 2**16:
        steps = 4 * steps
        taken = run(steps)
    return max(round(steps * ROUND / taken), 8)


@calibrated
def isthmus(name, activation):
    """Return the seconds of the steps of warm fits, from their history: all but what a fit does once.

    That is validation, scaling, and judging the model beside PCA; whole fits are measured elsewhere.
    """
    network = NETWORKS[name]
    x, steps_per_epoch = data(network), network.rows // network.batch

    def run(steps):
        epochs = -(-steps // steps_per_epoch)
        model = estimator(network, activation, max_epochs=epochs).fit(x)
        return model.history_["seconds"][-1] / (epochs * steps_per_epoch) * steps

    return run


@calibrated
def pytorch(name, activation):
    """Return the seconds of a loop: rows in one tensor, indexed batches, fused Adam."""
    import torch

    network = NETWORKS[name]
    x = torch.from_numpy(data(network))
    module = torch_module(network, activation)
    loss, optimiser = TorchLoss(network, module), torch_adam(module)
    batches = iter(())

    def run(steps):
        nonlocal batches
        begin = time.perf_counter()
        for _ in range(steps):
            index = next(batches, None)
            if index is None:
                batches = iter(torch.randperm(len(x)).split(network.batch))
                index = next(batches)
            optimiser.zero_grad(set_to_none=True)
            loss(x[index]).backward()
            optimiser.step()
        return time.perf_counter() - begin

    return run


@calibrated
def sklearn(name, activation):
    """Return how much longer a fit of `MLPRegressor`, all layers ReLU, takes for so many steps."""
    from sklearn.neural_network import MLPRegressor

    network = NETWORKS[name]
    x, steps_per_epoch = data(network), network.rows // network.batch
    hidden = (*network.widths[1:], *network.widths[-2:0:-1])

    def fit(epochs):
        same = {"batch_size": network.batch, "max_iter": epochs, "n_iter_no_change": 10**9}
        model = MLPRegressor(hidden_layer_sizes=hidden, **same, random_state=0)
        begin = time.perf_counter()
        model.fit(x, x)
        return time.perf_counter() - begin

    def run(steps):
        epochs = max(steps // steps_per_epoch, 1)
        short = fit(1)
        return (fit(1 + epochs) - short) / (epochs * steps_per_epoch) * steps

    return run


@calibrated
def floor(name, activation):
    """Return the seconds of the bare products, through MKL or oneDNN, into arrays that are there."""
    import torch

    network = NETWORKS[name]
    step = _conv_products(network) if network.kind == "conv" else _dense_products(network)

    def run(steps):
        begin = time.perf_counter()
        with torch.no_grad():
            for _ in range(steps):
                step()
        return time.perf_counter() - begin

    return run


def _dense_products(network):
    import torch

    layers = []
    for n, i, o in products(network):
        x, w, h = torch.rand(n, i), torch.rand(i, o), torch.rand(n, o)
        layers.append((x, w, h, torch.empty_like(x), torch.empty_like(w), torch.rand(n, o)))
    mm = torch.mm

    def step():
        for x, w, h, *_ in layers:
            mm(x, w, out=h)
        for i, (x, w, _, dx, dw, dh) in enumerate(layers):
            mm(x.t(), dh, out=dw)
            if i:
                mm(dh, w.t(), out=dx)

    return step


def _conv_products(network):
    import torch

    module = torch_module(network, "relu")
    layers = [layer for layer in module if hasattr(layer, "weight")]
    shapes, x = [], torch.rand(network.batch, 1, 28, 28)
    with torch.no_grad():
        for layer in layers:
            shapes.append((x, torch.rand_like(layer(x))))
            x = shapes[-1][1]
    backward = torch.ops.aten.convolution_backward

    def step():
        for i, (layer, (x, dh)) in enumerate(zip(layers, shapes, strict=True)):
            layer(x)
            up = layer.transposed
            window = layer.stride, layer.padding, layer.dilation, up, layer.output_padding
            backward(dh, x, layer.weight, [len(layer.bias)], *window, 1, [i > 0, True, True])

    return step


CONTESTANTS = {"isthmus": isthmus, LOOP: pytorch, "MLPRegressor": sklearn, "floor": floor}


def contestants(name):
    """Return which contestants can run a network."""
    return [c for c in CONTESTANTS if c != "MLPRegressor" or NETWORKS[name].kind == "dense"]


def workloads(args):
    """Return the names."""
    return list(NETWORKS)


def measure(name, args):
    """Return milliseconds per step of all contestants of a network."""
    with ExitStack() as stack:
        workers, steps = {}, {}
        for c in contestants(name):
            workers[c] = stack.enter_context(Worker("steps", c, name, args.activation))
            steps[c] = workers[c](0)  # compiled, and timed
        runs = {c: partial(workers[c], steps[c]) for c in workers}
        others = busy()
        seconds = interleaved(runs, args.rounds)
    return [
        Measured("steps", name, c, "ms", [1e3 * s / steps[c] for s in values], others)
        for c, values in seconds.items()
    ]

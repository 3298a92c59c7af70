"""The same formulas by PyTorch, values and gradients, where it is installed as for `make bench`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.nets import ACTIVATIONS, Axis
from isthmus.nets.convolution import convolve, transpose
from isthmus.nets.layer import DenseLayer
from isthmus.parts import Loss, resolve

torch = pytest.importorskip("torch")
F = torch.nn.functional
RNG = np.random.default_rng(0)
SIZES = [1e-10, 1e-3, 1.0, 1e3, 1e10]

LOSSES = {
    "mse": lambda p, x: F.mse_loss(p, x, reduction="none"),
    "mae": lambda p, x: F.l1_loss(p, x, reduction="none"),
    "huber:delta=0.5": lambda p, x: F.huber_loss(p, x, delta=0.5, reduction="none"),
    "bce": lambda p, x: F.binary_cross_entropy(p, x, reduction="none"),
    "poisson": lambda p, x: F.poisson_nll_loss(p, x, log_input=False, eps=0, reduction="none"),
}
CURVES = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "elu": F.elu,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
}


def same(ours, theirs, arguments, dtype):
    """Assert that two functions of arrays agree in the sums of their values and in all gradients."""
    places = tuple(range(len(arguments)))
    both = jax.jit(jax.value_and_grad(lambda *a: ours(*a).sum(), argnums=places))
    value, gradients = both(*(jnp.asarray(a) for a in arguments))
    leaves = [torch.tensor(a, requires_grad=True) for a in arguments]
    total = theirs(*leaves).sum()
    total.backward()
    eps = np.finfo(dtype).eps
    for one, other in [
        (value, total.detach()),
        *zip(gradients, (leaf.grad for leaf in leaves), strict=True),
    ]:
        other = other.numpy()
        scale = np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=500 * eps, atol=500 * eps * scale)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spec", LOSSES)
def test_losses(spec, size, dtype):
    loss = resolve(Loss, spec)
    p, x = RNG.normal(size=(2, 5, 4)) * size
    if loss.domain[1] == 1:
        p, x = RNG.uniform(0.01, 0.99, (2, 5, 4))
    elif loss.domain[0] == 0:
        p, x = abs(p) + 1e-3, abs(x)
    arguments = [p.astype(dtype), x.astype(dtype)]
    fixed = arguments[1]
    same(
        lambda p: loss(p, fixed),
        lambda p: LOSSES[spec](p, torch.tensor(fixed)).mean(1),
        arguments[:1],
        dtype,
    )


def test_cosine(dtype):
    loss, (p, x) = resolve(Loss, "cosine"), RNG.normal(size=(2, 5, 4)).astype(dtype)
    same(loss, lambda p, x: 1 - F.cosine_similarity(p, x), [p, x], dtype)


def test_logits(dtype):
    a, x = RNG.normal(size=(2, 5, 4)).astype(dtype)
    a *= 30
    fixed = torch.tensor(x)
    pairs = {
        "bce": lambda a: F.binary_cross_entropy_with_logits(a, fixed, reduction="none").mean(1),
        "poisson": lambda a: F.poisson_nll_loss(a, fixed, log_input=True, reduction="none").mean(1),
    }
    for spec, theirs in pairs.items():
        loss = resolve(Loss, spec)
        same(lambda a, loss=loss: loss.from_linear(a, x), theirs, [a], dtype)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CURVES)
def test_activations(name, size, dtype):
    x = (RNG.normal(size=50) * size).astype(dtype)
    if name == "gelu" and dtype == "float32":
        x = x.clip(-1e9, 1e9)
    same(ACTIVATIONS[name].function, CURVES[name], [x], dtype)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (4, 3), (1, 1)])
def test_convolutions(kernel, stride, dtype):
    window = tuple(Axis.of(size, kernel, stride, "valid") for size in (9, 7))
    x = RNG.normal(size=(2, 9, 7, 2)).astype(dtype)
    weight = RNG.normal(size=(kernel, kernel, 2, 3)).astype(dtype)
    z = RNG.normal(size=(2, *(a.positions for a in window), 3)).astype(dtype)

    def theirs(x, weight):
        h = F.conv2d(x.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1), stride=stride)
        return h.permute(0, 2, 3, 1) * torch.tensor(z)

    same(lambda x, weight: convolve(x, weight, window) * z, theirs, [x, weight], dtype)

    def back(z, weight):
        left = [(size - kernel) % stride for size in (9, 7)]
        y = F.conv_transpose2d(
            z.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1), stride=stride, output_padding=left
        )
        return y.permute(0, 2, 3, 1) * torch.tensor(x)

    same(lambda z, weight: transpose(z, weight, window) * x, back, [z, weight], dtype)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e5])
def test_layer_normalisation(size, dtype):
    h, g = RNG.normal(size=(2, 6, 5)).astype(dtype)
    h *= np.dtype(dtype).type(size)
    ones, zeros = jnp.ones(5, dtype), jnp.zeros(5, dtype)
    layer = DenseLayer(jnp.eye(5, dtype=dtype), zeros, ones, zeros, "identity")
    same(
        lambda h: layer.linear(h) * g, lambda h: F.layer_norm(h, (5,)) * torch.tensor(g), [h], dtype
    )

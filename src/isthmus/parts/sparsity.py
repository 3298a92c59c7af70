"""Sparsity: which code units may be active, by a penalty or by the code itself."""

from dataclasses import dataclass
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.nets.activations import ACTIVATIONS, BOUNDED
from isthmus.nets.net import Net
from isthmus.nets.step import Step
from isthmus.parts.part import Part, number

SHORTEST_MEMORY = (
    0.2  # a longer memory lags behind the weights, and units swing from 0 to 1 and back
)


class Sparsity(Part, slot="sparsity"):
    """A `code` that acts always, a `penalty` that acts in training, or both.

    `code_activation` is what the part makes of `code_activation="auto"`, None for no wish;
    `penalised` tells whether it has a penalty.
    """

    code_activation: ClassVar[str | None] = None
    penalised: ClassVar[bool] = True

    def code(self, h: Array) -> Array:
        """Return the code of an encoder's output; shapes (n, m) -> (n, m)."""
        return h

    def prepare(self, net: Net, x: np.ndarray) -> Net:
        """Return a fresh net with the code's layer set for this sparsity and rows like these."""
        return net

    def start(self, n_components: int) -> Any:
        """Return the state before the first step, as NumPy arrays; () for none."""
        return ()

    def update(self, state: Any, step: Step, fraction: Array) -> Any:
        """Return the state with a batch taken in, which is this fraction of the training set."""
        return state

    def penalty(self, step: Step, state: Any) -> Array:
        """Return the penalty of a batch; `state` already includes it."""
        return jnp.zeros((), step.x.dtype)

    def check(self, code_activation: str, n_components: int) -> None:
        """Raise a ValueError for a code this sparsity cannot work on."""


def activity(z: Array, activation: str) -> Array:
    """Return how active the units are: rescaled to [0, 1] where the activation is bounded, else `|z|`.

    A unit is inactive near 0 for a sigmoid and near -1 for tanh.
    """
    bounds = ACTIVATIONS[activation].bounds
    if bounds is None:
        return jnp.abs(z)
    low, high = bounds
    return (z - low) / (high - low)


@dataclass
class KL(Sparsity, name="kl"):
    """Kullback-Leibler sparsity: `weight * sum_j KL(rho || rho_hat_j)`.

    `KL(rho || r) = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r))`, where `rho_hat_j` is the
    activity of unit j averaged over the training set: a running mean over one epoch or five batches,
    whichever is shorter, with the gradient of the batch; exact where the batch is the whole set.
    Needs a bounded activation of the code; with `code_activation="auto"` and no bounded activation
    it becomes a sigmoid.

    Parameters
    ----------
    rho : float in (0, 1)
        The wanted mean activity, in [0, 1] for every activation (so 0.05 means -0.9 for tanh).
    weight : float in [0, inf)
        What the penalty counts beside the reconstruction error, which is a mean over features.

    References
    ----------
    Ng, "Sparse autoencoder", CS294A lecture notes, 2011.

    Examples
    --------
    >>> KL(rho=0.1).to_string()
    'kl:rho=0.1'
    """

    code_activation: ClassVar[str | None] = "sigmoid"

    rho: float = number(0.05, "(0, 1)")
    weight: float = number(1.0, "[0, inf)")

    def prepare(self, net: Net, x: np.ndarray) -> Net:
        """Start every unit at its wanted mean, and spread out over these rows.

        Units that start at 1/2 are crushed together onto rho, where their slopes are too small to
        part again.
        """
        layer = net.encoder[-1]
        gain, shift = ("weight", "bias") if layer.scale is None else ("scale", "shift")
        activation, units = ACTIVATIONS[layer.activation], layer.bias.shape[0]
        h = np.asarray(_linear(net, x)).reshape(-1, units)  # a map's places are alike
        h = activation.steepness * h[:: max(len(h) // 4096, 1)].astype(float)
        scale = 1 / np.maximum(h.std(axis=0), 1e-6)
        bias = _logistic_bias(h * scale, self.rho) / activation.steepness
        kind = layer.bias.dtype
        net = eqx.tree_at(
            lambda n: (getattr(n.encoder[-1], gain), getattr(n.encoder[-1], shift)),
            net,
            ((getattr(layer, gain) * scale).astype(kind), bias.astype(kind)),
        )
        low, high = activation.bounds or (0.0, 1.0)
        code = np.full((1, net.n_components), low + self.rho * (high - low), kind)
        offset = np.asarray(_decode_product(net, code))  # the decoder starts centred
        below = net.decoder[-1].bias
        above = below - offset.reshape(-1, len(below)).mean(axis=0)
        return eqx.tree_at(lambda n: n.decoder[-1].bias, net, above)

    def start(self, n_components: int) -> Any:
        return {"count": np.zeros(()), "mean": np.zeros(n_components)}

    def update(self, state: Any, step: Step, fraction: Array) -> Any:
        batch = jax.lax.stop_gradient(self._batch_mean(step))
        count = state["count"] + 1  # a plain mean at first, then about five batches
        rate = jnp.maximum(1 / count, jnp.maximum(fraction, SHORTEST_MEMORY))
        return {"count": count, "mean": state["mean"] + rate * (batch - state["mean"])}

    def penalty(self, step: Step, state: Any) -> Array:
        batch = self._batch_mean(step)
        rho_hat = jax.lax.stop_gradient(state["mean"]) + batch - jax.lax.stop_gradient(batch)
        return self.weight * jnp.sum(kl_divergence(self.rho, rho_hat))

    def _batch_mean(self, step: Step) -> Array:
        active = activity(step.z, step.net.code_activation)
        total = jnp.maximum(jnp.sum(step.weight), 1e-30)
        mean: Array = jnp.tensordot(step.weight, active, 1) / total  # (m,)
        return mean

    def check(self, code_activation: str, n_components: int) -> None:
        if code_activation not in BOUNDED:
            raise ValueError(
                "The sparsity 'kl' needs a code with a bounded activation "
                f"({' or '.join(BOUNDED)}), since a mean activity needs a scale; got "
                f"{code_activation!r}. Set the architecture's code_activation to one of them, or use "
                "the sparsity 'l1' or 'topk', which work with any."
            )

    @property
    def active(self) -> bool:
        return self.weight > 0


@jax.jit
def _linear(net: Net, x: Array) -> Array:
    """Return the code's layer before its activation and, where it is not normalised, its bias."""
    layer, below = net.encoder[-1], Net(net.encoder[:-1], ()).encode(x)
    assert layer.weight is not None
    return layer.product(below, layer.weight) if layer.scale is None else layer.linear(below)


@jax.jit
def _decode_product(net: Net, z: Array) -> Array:
    return net.decoder[-1].product(z, net.decoder_weight(-1))


def _logistic_bias(h: np.ndarray, mean: float) -> np.ndarray:
    """Return b with `mean_i 1 / (1 + exp(-h_ij - b_j)) = mean` for each column, by bisection."""
    reach = 20 + np.abs(h).max(axis=0)
    low, high = -reach, reach.copy()
    for _ in range(40):
        middle = (low + high) / 2
        above = (1 / (1 + np.exp(-h - middle))).mean(axis=0) > mean
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def kl_divergence(rho: Any, rho_hat: Array) -> Array:
    """Return KL between Bernoulli variables of means `rho` and `rho_hat`, elementwise."""
    inside = jnp.clip(rho_hat, 1e-6, 1 - 1e-6)
    r = rho_hat + jax.lax.stop_gradient(inside - rho_hat)  # clipped, but not its gradient
    return rho * jnp.log(rho / r) + (1 - rho) * jnp.log((1 - rho) / (1 - r))


@dataclass
class L1(Sparsity, name="l1"):
    """L1 sparsity: `weight * mean_i sum_j |z_ij|`.

    For a bounded activation `|z|` is the activity in [0, 1], which for tanh is 0 at -1.

    Parameters
    ----------
    weight : float in [0, inf)
        What the penalty counts. An unbounded code can shrink while the decoder grows; the penalty
        `L2(on="both")` beside it holds the scale.

    Examples
    --------
    >>> L1(weight=0.01).to_string()
    'l1:weight=0.01'
    """

    weight: float = number(1e-3, "[0, inf)")

    def penalty(self, step: Step, state: Any) -> Array:
        active = activity(step.z, step.net.code_activation)
        return self.weight * step.mean(jnp.sum(active, axis=1))

    @property
    def active(self) -> bool:
        return self.weight > 0


@dataclass
class TopK(Sparsity, name="topk"):
    """Top-k sparsity: the k values of largest `|z|` in each row's code are kept, the others are 0.

    Ties go to the lowest index. With `code_activation="auto"` the code is linear: a ReLU would
    leave fewer than k. Acts always, in training and in use.

    Parameters
    ----------
    k : int in [1, inf)
        How many units are active.

    References
    ----------
    Makhzani & Frey, "k-Sparse Autoencoders", 2014.

    Examples
    --------
    >>> TopK(k=1).code(jnp.array([[1.0, -3.0, 2.0]]))
    Array([[ 0., -3.,  0.]], dtype=float32)
    """

    code_activation: ClassVar[str | None] = "identity"
    penalised: ClassVar[bool] = False

    k: int = number(8, "[1, inf)", whole=True)

    def code(self, h: Array) -> Array:
        rows = jnp.arange(h.shape[0])[:, None]
        columns = jax.lax.top_k(jnp.abs(h), self.k)[1]  # (n, k)
        kept = jnp.zeros(h.shape, bool).at[rows, columns].set(True)
        return jnp.where(kept, h, 0)

    def check(self, code_activation: str, n_components: int) -> None:
        if self.k > n_components:
            raise ValueError(
                f"The sparsity 'topk' needs k to be at most n_components={n_components}; "
                f"got k={self.k}."
            )

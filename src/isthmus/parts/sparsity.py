"""Sparsity: which code units may be active, by a penalty or by the code itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.nets import ACTIVATIONS, BOUNDED_ACTIVATIONS, Net, drop_outdated, magnitude, no_form
from isthmus.parts.part import Part, number

if TYPE_CHECKING:
    from jax.typing import ArrayLike

    from isthmus.nets import Graph, Step

# What a batch counts at least in a running mean. With less the mean lags behind the weights, and units
# swing from 0 to 1 and back.
LEAST_BATCH_SHARE = 0.2
RunningState = Mapping[str, Array]  # from step to step, by name


class Sparsity(Part, slot="sparsity"):
    """A `code` that acts always, a `penalty` that acts in training, or both.

    `code_activation` is what the part makes of `code_activation="auto"`, None for no wish;
    `penalised` says whether it has a penalty. `elementwise` says whether `code` makes each unit's value
    of that unit alone, up to a choice of units that a small change does not turn. A subclass that
    overrides `code` is taken to mix units, and to have no ONNX form, unless it says otherwise.
    """

    code_activation: ClassVar[str | None] = None
    penalised: ClassVar[bool] = True
    elementwise: ClassVar[bool] = True

    def __init_subclass__(cls, name: str = "") -> None:
        super().__init_subclass__(name=name)
        drop_outdated(cls, "elementwise", ("code",), False)
        drop_outdated(cls, "onnx", ("code",), no_form)

    def code(self, h: Array) -> Array:
        """Return the code of an encoder's output; shapes (n, m) -> (n, m)."""
        return h

    def prepare(self, net: Net, x: np.ndarray) -> Net:
        """Return a fresh net with the code's layer set for this sparsity and rows like these."""
        return net

    def start(self, n_components: int) -> Mapping[str, np.ndarray]:
        """Return the state before the first step by name; empty for none."""
        return {}

    def update(self, state: RunningState, step: Step, fraction: Array) -> RunningState:
        """Return the state with a batch taken in, which is this fraction of the training set."""
        return state

    def penalty(self, step: Step, state: RunningState) -> Array:
        """Return the penalty of a batch; `state` already includes it."""
        return jnp.zeros((), step.x.dtype)

    def check(self, code_activation: str, n_components: int) -> None:
        """Raise a ValueError for a code this sparsity cannot work on."""

    def certain(self, h: np.ndarray, tolerance: float) -> np.ndarray:
        """Return whether the code of each row stays near if `h` changes by `tolerance` of its size.

        It does not if another unit is chosen, as between two that are alike; shapes (n, m) -> (n,).
        """
        return np.ones(len(h), bool)

    def onnx(self, graph: Graph, h: str) -> str | None:
        """Add the nodes of `code`, and return the name of the result; None if there is no ONNX form."""
        return h


def activity(z: Array, activation: str) -> Array:
    """Return how active the units are: rescaled to [0, 1] if the activation is bounded, else `|z|`.

    A unit is inactive near 0 for a sigmoid and near -1 for tanh.
    """
    bounds = ACTIVATIONS[activation].bounds
    if bounds is None:
        return magnitude(z)
    low, high = bounds
    return (z - low) / (high - low)


@dataclass
class KL(Sparsity, name="kl"):
    """Kullback-Leibler sparsity: `weight * sum_j KL(rho || rho_hat_j)`.

    `KL(rho || r) = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r))`, where `rho_hat_j` is the
    activity of unit j averaged over the training set: a running mean over one epoch or five batches,
    whichever is shorter, with the gradient of the batch; exact if the batch is the whole set.
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
        activation, units = ACTIVATIONS[layer.activation], layer.bias.shape[0]
        # Rescaled to [0, 1] the code is the logistic function of s (h + b), with the steepness s. Each
        # unit gets a gain that spreads s h to 1 over the rows, and the b for which
        # mean_i 1 / (1 + exp(-s (gain h_i + b))) = rho.
        h = np.asarray(_before_bias(net, x)).reshape(-1, units)  # a map's places are alike
        h = activation.steepness * h[:: max(len(h) // 4096, 1)].astype(float)
        gain = 1 / np.maximum(h.std(axis=0), 1e-6)
        bias = _logistic_bias(h * gain, self.rho) / activation.steepness
        net = eqx.tree_at(lambda n: n.encoder[-1], net, layer.rescaled(gain, bias))
        # The decoder starts centred: a code at its mean, rho in its own scale, takes nothing from what
        # its bias was set to.
        low, high = activation.bounds or (0.0, 1.0)
        code = np.full((1, net.n_components), low + self.rho * (high - low), layer.bias.dtype)
        offset = np.asarray(_decode_product(net, code))
        below = net.decoder[-1].bias
        above = below - offset.reshape(-1, len(below)).mean(axis=0)
        return eqx.tree_at(lambda n: n.decoder[-1].bias, net, above)

    def start(self, n_components: int) -> Mapping[str, np.ndarray]:
        return {"count": np.zeros(()), "mean": np.zeros(n_components)}

    def update(self, state: RunningState, step: Step, fraction: Array) -> RunningState:
        batch = jax.lax.stop_gradient(self._batch_mean(step))
        count = state["count"] + 1  # a plain mean at first, then about five batches
        rate = jnp.maximum(1 / count, jnp.maximum(fraction, LEAST_BATCH_SHARE))
        return {"count": count, "mean": state["mean"] + rate * (batch - state["mean"])}

    def penalty(self, step: Step, state: RunningState) -> Array:
        batch = self._batch_mean(step)
        # The value of the running mean, with the gradient of the batch.
        rho_hat = jax.lax.stop_gradient(state["mean"]) + batch - jax.lax.stop_gradient(batch)
        return self.weight * jnp.sum(kl_divergence(self.rho, rho_hat))

    def _batch_mean(self, step: Step) -> Array:
        active = activity(step.z, step.net.code_activation)
        total = jnp.maximum(jnp.sum(step.weight), 1e-30)
        mean: Array = jnp.tensordot(step.weight, active, 1) / total  # (m,)
        return mean

    def check(self, code_activation: str, n_components: int) -> None:
        if code_activation not in BOUNDED_ACTIVATIONS:
            raise ValueError(
                "The sparsity 'kl' needs a code with a bounded activation "
                f"({' or '.join(BOUNDED_ACTIVATIONS)}), since a mean activity needs a scale; got "
                f"{code_activation!r}. Set the architecture's code_activation to one of them, or use "
                "the sparsity 'l1' or 'topk', which work with any."
            )

    @property
    def active(self) -> bool:
        return self.weight > 0


@jax.jit
def _before_bias(net: Net, x: ArrayLike) -> Array:
    """Return the code's layer before its activation and, if it is not normalised, its bias."""
    layer, below = net.encoder[-1], Net(net.encoder[:-1], ()).encode(jnp.asarray(x))
    assert layer.weight is not None
    return layer.product(below, layer.weight) if layer.scale is None else layer.linear(below)


@jax.jit
def _decode_product(net: Net, z: ArrayLike) -> Array:
    return net.decoder[-1].product(jnp.asarray(z), net.decoder_weight(-1))


def _logistic_bias(h: np.ndarray, mean: float) -> np.ndarray:
    """Return b with `mean_i 1 / (1 + exp(-h_ij - b_j)) = mean` for each column, by bisection."""
    reach = 20 + np.abs(h).max(axis=0)
    low, high = -reach, reach.copy()
    for _ in range(40):
        middle = (low + high) / 2
        above = (1 / (1 + np.exp(-h - middle))).mean(axis=0) > mean
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def kl_divergence(rho: float | Array, rho_hat: Array) -> Array:
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

    def penalty(self, step: Step, state: RunningState) -> Array:
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
    elementwise: ClassVar[bool] = True  # its derivative is the mask of the kept units

    k: int = number(8, "[1, inf)", whole=True)

    def code(self, h: Array) -> Array:
        rows = jnp.arange(h.shape[0])[:, None]
        columns = jax.lax.top_k(jnp.abs(h), self.k)[1]  # (n, k)
        kept = jnp.zeros(h.shape, bool).at[rows, columns].set(True)
        return jnp.where(kept, h, 0)

    def certain(self, h: np.ndarray, tolerance: float) -> np.ndarray:
        if self.k == h.shape[1]:
            return np.ones(len(h), bool)
        sizes = -np.sort(-np.abs(h), axis=1)
        last, following = sizes[:, self.k - 1], sizes[:, self.k]
        return (last == 0) | (last - following > tolerance * last)

    def onnx(self, graph: Graph, h: str) -> str | None:
        columns = graph.add("TopK", graph.add("Abs", h), [self.k], outputs=2, axis=1)
        kept = graph.add("GatherElements", h, columns, axis=1)
        zeros = graph.add("Expand", 0.0, graph.add("Shape", h))
        return graph.add("ScatterElements", zeros, columns, kept, axis=1)

    def check(self, code_activation: str, n_components: int) -> None:
        if self.k > n_components:
            raise ValueError(
                f"The sparsity 'topk' needs k to be at most n_components={n_components}; "
                f"got k={self.k}."
            )

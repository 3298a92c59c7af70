"""The equation.

x~ = corrupt(x)      h = E(x~)      z = code(h)      x' = D(z)
L  = mean_i w_i loss(x'_i, x_i)  +  sparsity.penalty(z)  +  sum_j penalty_j(step)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from isthmus.nets import Dropout, Step
from isthmus.parts import corrupt_in_turn, largest_at_most

if TYPE_CHECKING:
    from jax import Array

    from isthmus.nets import Net
    from isthmus.parts import Corruption, Loss, Penalty, Sparsity


class Objective(NamedTuple):
    """The five slots, resolved: a pytree whose leaves are the parts' numbers."""

    dropout: tuple[Any, Any]  # the architecture's, for the input and the hidden units; None for off
    corruption: tuple[Corruption, ...]
    sparsity: Sparsity | None
    penalty: tuple[Penalty, ...]
    loss: Loss

    def code(self, h: Array) -> Array:
        """Return z of h."""
        return self.sparsity.code(h) if self.sparsity else h

    def encode(self, net: Net, x: Array) -> Array:
        """Return the codes of clean inputs."""
        return self.code(net.encode(self.loss.seen(x)))

    def seen(self, net: Net, x: Array) -> Array:
        """Return clean inputs as the encoder sees them."""
        return self.loss.seen(x)

    def reconstruct(self, net: Net, x: Array) -> Array:
        """Return the reconstructions of clean inputs."""
        return self.loss.shown(net.decode(self.encode(net, x)))

    def losses(self, net: Net, x: Array) -> Array:
        """Return the loss of each clean input; shape (n,).

        What lies outside the loss's domain is charged for by its distance, or a strange row could
        score as a normal one.
        """
        a = net.decode_linear(self.encode(net, x))
        inside, distance = self.loss.outside(x)
        return self._loss(net, a, inside) + distance

    def excess(self, net: Net, x: Array) -> Array:
        """Return the loss of each clean input above that of a perfect copy; shape (n,).

        A row whose loss no float can hold costs the largest number that there is.
        """
        a = net.decode_linear(self.encode(net, x))
        inside, distance = self.loss.outside(x)
        if net.output == self.loss.link:
            excess = self.loss.excess_from_linear(a, inside)
        else:
            excess = self.loss.excess(net.decoder[0].activate(a), inside)
        return largest_at_most(excess + distance)

    def _loss(self, net: Net, a: Array, x: Array) -> Array:
        if net.output == self.loss.link:
            return self.loss.from_linear(a, x)
        return self.loss(net.decoder[0].activate(a), x)

    def __call__(
        self,
        net: Net,
        x: Array,
        weight: Array,
        key: Array,
        progress: Array,
        state: Any,
        fraction: Array,
    ) -> tuple[Array, tuple[dict[str, Array], Any]]:
        """Return the total of a batch, its terms by name and the sparsity's new state.

        `weight` (n,) adds up to about 1; `fraction` is the batch's share of the training set.
        """
        k_corrupt, k_dropout, k_penalty = jax.random.split(key, 3)
        dropout = Dropout(*self.dropout, k_dropout)
        x_in = corrupt_in_turn(self.corruption, k_corrupt, x)
        h = net.encode(self.loss.seen(x_in), dropout)
        z = self.code(h)
        a = net.decode_linear(z, dropout)
        x_out = net.decoder[0].activate(a)
        step = Step(
            x,
            x_in,
            self.loss.seen(x),
            h,
            z,
            x_out,
            weight,
            net,
            self.code,
            k_penalty,
            progress,
            elementwise=self.sparsity is None or self.sparsity.elementwise,
        )
        terms = {"reconstruction": step.mean(self._loss(net, a, x))}
        if self.sparsity and self.sparsity.penalised:
            state = self.sparsity.update(state, step, fraction)
            terms[self.sparsity.name] = self.sparsity.penalty(step, state)
        for penalty in self.penalty:
            terms[penalty.term] = terms.get(penalty.term, 0.0) + penalty(step)
        total = sum(terms.values(), jnp.zeros((), x.dtype))
        return total, (terms, state)

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the terms, in order."""
        names = ["reconstruction"]
        if self.sparsity and self.sparsity.penalised:
            names.append(self.sparsity.name)
        return tuple(dict.fromkeys(names + [p.term for p in self.penalty]))

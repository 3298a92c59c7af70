"""The equation.

x~ = corrupt(x)      h = E(x~)      z = code(h)      x' = D(z), and + x~ of a residual net
L  = mean_i w_i loss(x'_i, x_i)  +  sparsity.penalty(z)  +  sum_j penalty_j(step)

A corruption may pose another task than to return x: which values of it count, or what stands for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from isthmus.nets import THREEFRY, Dropout, Step
from isthmus.parts import largest_at_most, pose_in_turn

if TYPE_CHECKING:
    from jax import Array

    from isthmus.nets import Net
    from isthmus.parts import Corruption, Loss, Penalty, Sparsity, Task

JUDGED = 256  # values of a row, from which on one task is enough to judge it by


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
        h, kept = net.encode_keeping(self.loss.seen(x))
        return self.loss.shown(net.decode(self.code(h), kept))

    def losses(self, net: Net, x: Array) -> Array:
        """Return the loss of each clean input; shape (n,).

        What lies outside the loss's domain is charged for by its distance, or a strange row could
        score as a normal one.
        """
        a = self._linear(net, x)
        inside, distance = self.loss.outside(x)
        return self._loss(net, a, inside) + distance

    def excess(self, net: Net, x: Array) -> Array:
        """Return the loss of each clean input above that of a perfect copy; shape (n,).

        A row whose loss no float can hold costs the largest number that there is.
        """
        a = self._linear(net, x)
        inside, distance = self.loss.outside(x)
        if net.output == self.loss.link:
            excess = self.loss.excess_from_linear(a, inside)
        else:
            excess = self.loss.excess(net.decoder[0].activate(a), inside)
        return largest_at_most(excess + distance)

    @property
    def of_noise(self) -> bool:
        """Whether it is learnt from noisy rows how to clean them, so that a copy is worth nothing."""
        return any(part.of_noise for part in self.corruption)

    def by_task(self, net: Net) -> bool:
        """Whether a net is judged by corrupted rows: also where its input is added to its output.

        A residual net copies clean rows before it has learnt anything.
        """
        return self.of_noise or (net.residual and bool(self.corruption))

    def held_losses(self, net: Net, x: Array) -> Array:
        """Return what each held-out row says of the net: its loss, or that of a task.

        The tasks are the same at each time, so that what is compared differs by the nets alone.
        """
        if not self.by_task(net):
            return self.losses(net, x)
        inside, distance = self.loss.outside(x)

        def one(turn: Array) -> Array:
            task = self.task(inside, turn)
            return self._task_loss(net, self._linear(net, task.x_in), task)

        return jnp.mean(jax.lax.map(one, jnp.arange(turns(x.shape[1]))), axis=0) + distance

    def task(self, x: Array, turn: Array) -> Task:
        """Return the task of held-out rows that has this number."""
        key = jax.random.wrap_key_data(jnp.zeros(2, jnp.uint32), impl=THREEFRY)
        return pose_in_turn(self.corruption, jax.random.fold_in(key, turn), x)

    def _task_loss(self, net: Net, a: Array, task: Task) -> Array:
        """Return the loss of each row, or the mean of what its values cost times what they count."""
        if task.counts is None:
            return self._loss(net, a, task.target)
        columns = (values.reshape(-1, 1) for values in (a, task.target))
        costs = self._loss(net, *columns).reshape(task.counts.shape)
        return jnp.mean(task.counts * costs, axis=1)

    def _linear(self, net: Net, x: Array) -> Array:
        """Return the reconstructions of inputs before the output activation."""
        h, kept = net.encode_keeping(self.loss.seen(x))
        return net.decode_linear(self.code(h), kept=kept)

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
        task = pose_in_turn(self.corruption, k_corrupt, x)
        h, kept = net.encode_keeping(self.loss.seen(task.x_in), dropout)
        z = self.code(h)
        a = net.decode_linear(z, dropout, kept)
        x_out = net.decoder[0].activate(a)
        step = Step(
            x,
            task.x_in,
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
        terms = {"reconstruction": step.mean(self._task_loss(net, a, task))}
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


def turns(n_features: int) -> int:
    """Return how many tasks judge held-out rows of so many values, more of few values."""
    return min(max(JUDGED // n_features, 1), 8)

"""The only loops: `Trainer` over training steps, `map_batches` over rows. Arrays in, arrays out."""

from __future__ import annotations

import math
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from isthmus.nets import THREEFRY
from isthmus.training.batches import rows_per_call
from isthmus.training.runtime import UNSHARED, ask_between_chunks
from isthmus.training.state import (
    DivergenceError,
    Schedule,
    Trained,
)
from isthmus.training.team import leave_at_once, lost_processes
from isthmus.training.windows import feed_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array

    from isthmus.nets import Net
    from isthmus.training.feed import Feed, Plan
    from isthmus.training.objective import Objective
    from isthmus.training.state import (
        DeviceRows,
        Hook,
        TrainerSettings,
        TrainerState,
    )
    from isthmus.training.team import Team
    from isthmus.training.windows import FarRows

# One object for all fits: a fresh one would compile again. Runs are short, and a b2 of 0.95 ends lower
# than 0.999 on every set tried (benchmarks/adam.py).
ADAM = optax.scale_by_adam(b2=0.95)
LEAST_SHARED = 3_000_000  # multiplications of a step that two threads finish sooner than one
# A GPU's fastest kernels for the gradients of convolutions add up in whatever order threads end: two
# fits with the same seed differed. Those that add up in one order take 1.8 times as long a step.
REPEATABLE: dict[str, str | bool | int | float] = {"xla_gpu_exclude_nondeterministic_ops": True}


def chunk_length(batch_size: int, work: int, platform: str) -> int:
    """Return how many steps one program runs: a power of two that takes about a quarter second.

    `work` is the net's number of multiplications for a row.

    A loop inside the program saves the call, and new buffers for the weights, of every step. One
    means a call per step: so long a step gains little, and Ctrl-C is served between calls.
    `benchmarks/paths.py` prints both.
    """
    speed, overhead = (1.8e11, 2e-5) if platform == "cpu" else (2e13, 1e-4)
    seconds = overhead + 6 * batch_size * work / speed
    return int(min(max(2 ** math.ceil(math.log2(0.25 / seconds)), 1), 1024))


def run_steps(
    objective: Objective,
    params: Trained,
    data: tuple[Array, Array, Array],
    plan: tuple[Array, Array, Array, Array],
    schedule: Schedule,
    movable: Net | None,
    length: int,
) -> tuple[Trained, dict[str, Array]]:
    """Run up to `length` steps; `plan` holds rows to gather, real rows, first step and step count."""
    x, weight, key_data = data
    index, rows, first, count = plan
    key = jax.random.wrap_key_data(key_data, impl=THREEFRY)
    share = 1 / jnp.sum(weight > 0)

    def one(i: Array, carry: tuple[Trained, dict[str, Array]]) -> tuple[Trained, dict[str, Array]]:
        params, terms = carry
        batch, real = index[i], rows[i].astype(x.dtype)
        w = jnp.where(jnp.arange(index.shape[1]) < rows[i], weight[batch], 0) / real
        rate, progress = schedule.at((first + i).astype(x.dtype))
        (total, (parts, sparsity)), gradient = jax.value_and_grad(objective.__call__, has_aux=True)(
            params.net,
            x[batch],
            w,
            jax.random.fold_in(key, first + i),
            progress,
            params.sparsity,
            real * share,
        )
        update, optimiser = ADAM.update(gradient, params.optimiser)
        if movable is not None:
            update = jax.tree.map(lambda u, m: jnp.where(m > 0, u, 0), update, movable)
        net = jax.tree.map(lambda p, u: p - rate * u, params.net, update)
        parts = {"loss": total, **parts}
        terms = {name: terms[name].at[i].set(value) for name, value in parts.items()}
        return Trained(net, optimiser, sparsity), terms

    terms = {name: jnp.zeros(length, x.dtype) for name in ("loss", *objective.terms)}
    if length == 1:
        return one(jnp.zeros((), jnp.int32), (params, terms))
    result: tuple[Trained, dict[str, Array]] = jax.lax.fori_loop(0, count, one, (params, terms))
    return result


def total_loss(objective: Objective, net: Net, x: Array, weight: Array) -> Array:
    """Return the sum of the weighted losses of rows held out."""
    losses = objective.held_losses(net, x)
    return jnp.sum(jnp.where(weight > 0, weight * losses, 0))


_advance = jax.jit(run_steps, static_argnames="length")
_advance_unshared = jax.jit(run_steps, static_argnames="length", compiler_options=UNSHARED)
_advance_on_gpu = jax.jit(run_steps, static_argnames="length", compiler_options=REPEATABLE)
_total_loss = jax.jit(total_loss)


class Trainer:
    """Steps from one state to the next until the last epoch or the end of patience.

    `state` is always whole: after an interrupt or a divergence it is the last good one. A run pauses
    at the step `until`, and goes on when that is raised.
    """

    def __init__(
        self,
        objective: Objective,
        data: DeviceRows | FarRows,
        settings: TrainerSettings,
        state: TrainerState,
        validation: DeviceRows | None = None,
        movable: Net | None = None,
        team: Team | None = None,
    ) -> None:
        self.objective, self.settings, self.team = objective, settings, team
        self.state, self.validation, self.movable = state, validation, movable
        self.feed: Feed = feed_of(data, settings, team)
        self.steps_per_epoch, self.sizes = self.feed.steps_per_epoch, self.feed.sizes
        self.total = self.until = settings.max_epochs * self.steps_per_epoch
        self.batch_shape, self.platform = self.feed.batch_shape, self.feed.platform
        self.schedule = Schedule(*(np.asarray(v, self.feed.dtype) for v in self._schedule()))
        self.key = np.array([0, settings.seed], np.uint32)
        self.length = chunk_length(self.batch_shape, state.params.net.work, self.platform)

    @property
    def work(self) -> int:
        """How many multiplications a step takes."""
        return self.batch_shape * self.state.params.net.work

    @property
    def data(self) -> DeviceRows:
        """The rows on the device: all, or those of the window that the next step is in."""
        return self.feed.rows(self.state.step)

    def plan(self, first: int, count: int) -> Plan:
        """Return the rows to gather in each step, how many are real, first step and step count."""
        return self.feed.plan(first, count, self.length)

    def _schedule(self) -> tuple[float, ...]:
        rate, earlier = self.settings.learning_rate, self.settings.constant_after
        if earlier is None:
            return rate, max(round(0.05 * self.total), 1), self.total, 0.0, 0
        return rate, 50, self.total, 1.0, earlier

    def run(self, on_epoch: Hook | None = None) -> TrainerState:
        """Train to the end; `on_epoch(row)` sees each epoch and stops the run by returning True."""
        try:
            with closing(self.feed):
                return self._run(on_epoch)
        except DivergenceError:  # in all processes alike
            raise
        except BaseException:
            leave_at_once()
            raise

    def _run(self, on_epoch: Hook | None) -> TrainerState:
        while not self.finished:
            ask_between_chunks()
            before = len(self.state.history)
            self.state = self._next(self.state)
            for row in self.state.history[before:]:
                if on_epoch is not None and on_epoch(row):
                    self.state = self.state._replace(stopped=True)
        return self.state

    @property
    def finished(self) -> bool:
        """Whether no step is left to take."""
        return self.state.stopped or self.state.step >= self.until

    def _next(self, state: TrainerState) -> TrainerState:
        """Run one chunk, close its epochs and evaluate where that is due."""
        begin = time.perf_counter()
        params, terms = self._run_chunk(state, self.chunk(state))
        state = self.moved(state, params, terms)
        if self.due(state):
            assert self.validation is not None
            state = self.judged(state, self.evaluate(self.validation, state.params.net))
        return self.timed(state, time.perf_counter() - begin)

    def chunk(self, state: TrainerState) -> int:
        """Return how many steps the next chunk takes: no evaluation or window ends within it."""
        due = min(self._next_evaluation(state), self.until) - state.step
        return min(self.length, due, self.feed.most(state.step))

    def due(self, state: TrainerState) -> bool:
        """Whether the validation rows are to be measured now."""
        return self.validation is not None and state.step == self._next_evaluation(state)

    def moved(
        self, state: TrainerState, params: Trained, terms: dict[str, np.ndarray]
    ) -> TrainerState:
        """Return the state after a chunk with these weights and terms, its epochs closed."""
        self._check_finite(terms, params, state)
        count = len(terms["loss"])
        rates = self._rates(state.step, count)
        steps = np.column_stack([*(terms.values()), rates])
        state = state._replace(params=params, step=state.step + count)
        return self._close_epochs(state, np.vstack([*state.partial, steps]), list(terms))

    def timed(self, state: TrainerState, seconds: float) -> TrainerState:
        """Return the state with its new rows of history dated."""
        seconds += state.seconds
        for row in state.history[len(self.state.history) :]:
            row["seconds"] = seconds
        return state._replace(seconds=seconds)

    def _next_evaluation(self, state: TrainerState) -> int:
        """Return the first epoch end that is at least `evaluate_every` steps after the last one."""
        if self.validation is None:
            return self.total
        epochs = -(-(state.evaluated_at + self.settings.evaluate_every) // self.steps_per_epoch)
        return min(epochs * self.steps_per_epoch, self.total)

    def _run_chunk(self, state: TrainerState, count: int) -> tuple[Trained, dict[str, np.ndarray]]:
        rows, plan = self.feed.rows(state.step), self.plan(state.step, count)
        data = (rows.x, rows.weight, self.key)
        arguments = (self.objective, state.params, data, plan, self.schedule, self.movable)
        if self.team is None:
            params, terms = self._program()(*arguments, length=self.length)
        else:
            params, terms = self._run_together(self.team, arguments)
        names = ("loss", *self.objective.terms)
        return params, {name: np.asarray(terms[name])[:count].astype(float) for name in names}

    def _run_together(
        self, team: Team, arguments: tuple[Any, ...]
    ) -> tuple[Trained, dict[str, Array]]:
        """Run the same program on all processes, each of which takes its part of every batch."""
        objective, params, data, (index, *steps), *rest = arguments
        objective, params, data, steps, rest = team.whole((objective, params, data, steps, rest))
        plan = (team.shared_out(index), *steps)
        with lost_processes():
            result = self._program()(objective, params, data, plan, *rest, length=self.length)
            return jax.block_until_ready(team.own(result))

    def _program(self) -> Callable[..., tuple[Trained, dict[str, Array]]]:
        """Return the program for steps of this size on this platform."""
        if self.platform == "gpu":
            return _advance_on_gpu
        return (
            _advance_unshared if self.platform == "cpu" and self.work < LEAST_SHARED else _advance
        )

    def _rates(self, first: int, count: int) -> np.ndarray:
        schedule = Schedule(*(float(v) for v in self.schedule))  # in the history, at full precision
        return schedule.at(np.arange(first, first + count), np)[0]

    def _check_finite(
        self, terms: dict[str, np.ndarray], params: Trained, state: TrainerState
    ) -> None:
        bad = ~np.isfinite(terms["loss"])
        if not bad.any():
            if state.step + len(bad) < self.total or _all_finite(params.net):
                return
            bad[-1] = True
        epoch = (state.step + int(np.argmax(bad))) // self.steps_per_epoch + 1
        names = [name for name, values in terms.items() if not np.isfinite(values).all()]
        raise DivergenceError(
            f"Training diverged in epoch {epoch}: {' and '.join(names) or 'a weight'} became NaN or "
            f"infinite. Lower learning_rate (now {self.settings.learning_rate:g}) or the weights of "
            "the penalties; the model keeps its last good weights."
        )

    def _close_epochs(
        self, state: TrainerState, steps: np.ndarray, names: list[str]
    ) -> TrainerState:
        """Turn the steps of finished epochs into history rows; keep the rest."""
        done, spe = len(state.history), self.steps_per_epoch
        epochs, left = np.split(steps, [len(steps) // spe * spe])
        epochs = epochs.reshape(-1, spe, steps.shape[1])
        means = (epochs * self.sizes).sum(axis=1) / self.feed.n
        rows = []
        for i, (mean, rate) in enumerate(
            zip(means.tolist(), epochs[:, -1, -1].tolist(), strict=True)
        ):
            row = {"epoch": float(done + i + 1), **dict(zip(names, mean, strict=False))}
            rows.append(row | {"learning_rate": rate, "validation_loss": math.nan})
        partial = (left,) if len(left) else ()
        return state._replace(history=(*state.history, *rows), partial=partial)

    def judged(self, state: TrainerState, loss: float) -> TrainerState:
        """Take in the loss of the validation rows; keep the best weights, count the patience down.

        The score adds the constraints' terms as training measured them: reconstruction alone would
        prefer weights from before a sparsity took hold.
        """
        row = state.history[-1]
        row["validation_loss"] = loss
        if not math.isfinite(loss):
            raise DivergenceError(
                f"The loss of the held-out rows is {loss} after epoch {len(state.history)}: some of "
                "them cannot be compared, or learning_rate is too high; the last good weights are "
                "kept."
            )
        score = loss + row["loss"] - row["reconstruction"]
        patience = self.settings.patience or 1
        # Against the last scores, not the best of all: a constraint can cost at first, while the
        # rate is high, and pay later.
        floor = min(state.recent, default=math.inf)
        better = score < floor - self.settings.tol * abs(floor) if math.isfinite(floor) else True
        wait = 0 if better else state.wait + 1
        state = state._replace(
            evaluated_at=state.step,
            wait=wait,
            recent=(*state.recent, score)[-max(patience // 2, 1) :],
            stopped=self.settings.patience is not None and wait >= patience,
        )
        if score < state.best_score:
            state = state._replace(best_net=state.params.net, best_score=score)
        return state

    def evaluate(self, data: DeviceRows, net: Net) -> float:
        """Return the weighted mean loss of rows held out."""
        batch = rows_per_call(net)
        starts = range(0, len(data.x), batch)
        ours = starts if self.team is None else self.team.share(starts)
        totals = [
            _total_loss(self.objective, net, data.x[i : i + batch], data.weight[i : i + batch])
            for i in ours
        ]
        sums = [float(total) for total in totals]
        if self.team is not None:
            sums = self.team.gathered(sums, len(starts))
        return sum(sums) / data.n


def _all_finite(net: Net) -> bool:
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(net))

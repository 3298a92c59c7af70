"""Populations: many trainers whose programs are the same take their steps together, in one program.

A member is an `engine.Trainer`. Its numbers (rates, weights, noise levels), its rows, their weights
and its seed may be its own; what has a shape or a structure must be alike, else members are trained
in separate groups. What members share (rows, and with the same seed the batches and the noise) is
made once for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from isthmus.training.batches import rows_per_call
from isthmus.training.runtime import (
    UNSHARED,
    ask_between_chunks,
    device_here,
    settings_here,
    usable_cores,
)
from isthmus.training.state import DivergenceError, Schedule
from isthmus.training.trainer import REPEATABLE, run_steps, total_loss

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from jax import Array

    from isthmus.nets import Net
    from isthmus.training.objective import Objective
    from isthmus.training.state import Trained, TrainerState
    from isthmus.training.trainer import Trainer

Errors = list[DivergenceError | None]
Watch = Callable[[int], None]
MOST_BYTES = 2**29  # of rows that are stacked
FEWEST = 4  # members with rows in common that are worth a program of their own


class Shared(NamedTuple):
    """What all members of a group have in common: None for an argument that is not mapped over."""

    rows: int | None
    weight: int | None
    seed: int | None
    validation: int | None


def _run_all(
    objective: Objective,
    params: Trained,
    data: tuple[Array, Array, Array],
    plan: tuple[Array, Array, Array, Array],
    schedule: Schedule,
    movable: Net | None,
    length: int,
    shared: Shared,
) -> tuple[Trained, dict[str, Array]]:
    """Run the steps of all members; their trees are stacked along a first axis."""
    axes = (
        0,
        0,
        (shared.rows, shared.weight, shared.seed),
        (shared.seed, None, None, None),
        Schedule(0, None, None, None, None),
        0,
    )
    steps = partial(run_steps, length=length)
    result: tuple[Trained, dict[str, Array]] = jax.vmap(steps, in_axes=axes)(
        objective, params, data, plan, schedule, movable
    )
    return result


_advance = jax.jit(_run_all, static_argnames=("length", "shared"))
_advance_on_gpu = jax.jit(
    _run_all, static_argnames=("length", "shared"), compiler_options=REPEATABLE
)
_advance_unshared = jax.jit(
    _run_all, static_argnames=("length", "shared"), compiler_options=UNSHARED
)


@partial(jax.jit, static_argnames="axis")
def _total_losses(objective: Objective, net: Net, x: Array, weight: Array, axis: Any) -> Array:
    losses: Array = jax.vmap(total_loss, in_axes=(0, 0, axis, axis))(objective, net, x, weight)
    return losses


def train_together(
    members: Sequence[Trainer], width: int | None = None, on_steps: Watch | None = None
) -> Errors:
    """Train every member to its end, as `Trainer.run` does, many at a time.

    Each member's `state` is what it would be alone, within rounding: the same batches, the same
    random numbers, its own best weights and patience.

    Parameters
    ----------
    members : sequence of Trainer
        They may share rows: give them the same arrays, not equal ones.
    width : int, optional
        How many are trained in one program; by default `default_width`.
    on_steps : callable, optional
        Called with the number of steps after each chunk, counted over members.

    Returns
    -------
    list of DivergenceError or None
        What went wrong with each member, whose `state` then is its last good one.
    """
    errors: Errors = [None] * len(members)
    groups = list(_groups(members, width))
    count = _Count(on_steps)
    locks = {_program(members[group[0]]): Lock() for group in groups}

    def one(group: list[int]) -> Errors:
        chosen = [members[i] for i in group]
        if len(chosen) == 1:
            return [_alone(chosen[0], count)]
        return Group(chosen).run(count, locks[_program(chosen[0])])

    for group, found in zip(groups, _each(one, groups, count), strict=True):
        for i, error in zip(group, found, strict=True):
            errors[i] = error
    return errors


class _Count:
    """Counts steps for all groups; after an interrupt it ends each of them at its next chunk."""

    def __init__(self, on_steps: Watch | None) -> None:
        self.on_steps, self.lock, self.ended = on_steps, Lock(), False

    def __call__(self, steps: int) -> None:
        ask_between_chunks()
        with self.lock:
            if self.ended:
                raise _Ended
            if self.on_steps is not None:
                self.on_steps(steps)


class _Ended(Exception):
    """Another group was interrupted."""


def _each(
    one: Callable[[list[int]], Errors], groups: list[list[int]], count: _Count
) -> list[Errors]:
    """Train the groups, on a CPU as many at once as there are cores: one keeps one core busy."""
    threads = min(len(groups), _cores())
    if threads < 2 or max(map(len, groups)) == 1:
        return [one(group) for group in groups]
    settings = settings_here()

    def there(group: list[int]) -> Errors:
        with settings():
            return one(group)

    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(there, groups))
        except BaseException:
            count.ended = True
            pool.shutdown(cancel_futures=True)
            raise


def _cores() -> int:
    """Return how many groups are trained at once: all cores of a CPU, one on other devices."""
    return usable_cores() if device_here().platform == "cpu" else 1


def stack(trees: Sequence[Any]) -> Any:
    """Return trees of one structure as one, each leaf with a first axis over the trees."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(v) for v in leaves]), *trees)


def default_width(member: Trainer) -> int:
    """Return how many members one program trains.

    On a CPU a long step keeps the cores busy alone, and gains nothing from company; a GPU does not
    notice it. `benchmarks/tune.py --widths` prints times.
    """
    if member.platform != "cpu":
        return 64
    return 16 if member.work < 4_000_000 else 4 if member.work < 16_000_000 else 1


def _groups(members: Sequence[Trainer], width: int | None) -> Iterator[list[int]]:
    """Yield the numbers of the members that are trained together."""
    alike: dict[Hashable, list[int]] = {}
    for i, member in enumerate(members):
        alike.setdefault(_program(member), []).append(i)
    queues = [list(_companies(members, group, width)) for group in alike.values()]
    for turn in zip_longest(*queues):  # programs take turns, so that threads compile different ones
        yield from filter(None, turn)


def _companies(
    members: Sequence[Trainer], group: list[int], width: int | None
) -> Iterator[list[int]]:
    """Yield the parts of members that one program fits; those with rows in common stay together."""
    together: dict[Hashable, list[int]] = {}
    for i in group:
        together.setdefault(_company(members[i]), []).append(i)
    many = [part for part in together.values() if len(part) >= FEWEST]
    few = [i for part in together.values() if len(part) < FEWEST for i in part]
    for part in [*many, few]:
        yield from _parts(members, part, width)


def _parts(members: Sequence[Trainer], whole: list[int], width: int | None) -> Iterator[list[int]]:
    """Yield as even parts as can be of members that one program fits."""
    if not whole:
        return
    first = members[whole[0]]
    most = max(width or default_width(first), 1)
    if len({id(members[i].data.x) for i in whole}) > 1:  # rows of their own are stacked
        most = min(most, max(MOST_BYTES // first.data.x.nbytes, 1))
    n = max(-(-len(whole) // most), min(_cores(), len(whole) // FEWEST))
    for k in range(n):
        yield whole[k * len(whole) // n : (k + 1) * len(whole) // n]


def count_programs(members: Sequence[Trainer]) -> int:
    """Return how many programs it takes to train members."""
    return len({_program(member) for member in members})


def _program(member: Trainer) -> Hashable:
    """Return everything that decides on the program a member needs."""
    trees = (member.objective, member.state.params, member.movable)
    leaves, structure = jax.tree.flatten(trees)
    shapes = tuple((v.shape, v.dtype.name) for v in leaves)
    data = (member.data.x.shape, member.data.n, member.data.x.dtype.name)
    validation = member.validation and (member.validation.x.shape, member.validation.n)
    steps = member.state.step, member.until
    same = member.settings._replace(learning_rate=0.0, seed=0, tol=0.0, patience=None)
    place = frozenset(member.data.x.devices())
    return structure, shapes, data, place, validation, same, steps


def _company(member: Trainer) -> Hashable:
    """Return what makes members cheap to train together: rows, and batches, in common."""
    return id(member.data.x), member.settings.seed


class Chunk(NamedTuple):
    """Some steps of all members, which may be under way yet."""

    steps: int
    params: Trained
    terms: dict[str, Array]
    losses: list[Array] | None  # where they are due
    after: TrainerState  # of which only `step` and `evaluated_at` are of this chunk's end


class Group:
    """Members that one program trains, in step."""

    def __init__(self, members: Sequence[Trainer]) -> None:
        self.members, self.first = members, members[0]
        self.errors: Errors = [None] * len(members)
        self.clock = 0.0
        self.objective = jax.device_put(stack([m.objective for m in members]))
        self.movable = jax.device_put(stack([m.movable for m in members]))
        self.params = stack([m.state.params for m in members])
        rates = np.stack([m.schedule.rate for m in members])
        self.schedule = jax.device_put(self.first.schedule._replace(rate=rates))
        self.shared = Shared(
            self._axis(lambda m: id(m.data.x)),
            self._axis(lambda m: id(m.data.weight)),
            self._axis(lambda m: m.settings.seed),
            self._axis(lambda m: m.validation and (id(m.validation.x), id(m.validation.weight))),
        )
        self.data = (
            self._of(lambda m: m.data.x, self.shared.rows),
            self._of(lambda m: m.data.weight, self.shared.weight),
            self._of(lambda m: m.key, self.shared.seed),
        )
        if self.first.validation is not None:
            axis, batch = self.shared.validation, rows_per_call(self.first.state.params.net)
            x = self._of(lambda m: m.validation.x, axis)
            weight = self._of(lambda m: m.validation.weight, axis)
            parts = [slice(begin, begin + batch) for begin in range(0, x.shape[-2], batch)]
            self.held = [(x[..., rows, :], weight[..., rows]) for rows in parts]

    def _axis(self, mark: Callable[[Trainer], Hashable]) -> int | None:
        return None if len({mark(m) for m in self.members}) == 1 else 0

    def _of(self, get: Callable[[Any], Any], axis: int | None) -> Any:
        return (
            get(self.first)
            if axis is None
            else jax.device_put(stack([get(m) for m in self.members]))
        )

    def run(self, on_steps: Watch, compiling: Lock) -> Errors:
        """Train until no member has a step left to take; the lock keeps others from compiling too.

        While the results of a chunk are read, the next one is under way.
        """
        going = self._going()
        if not going:
            return self.errors
        try:
            with compiling:
                self.clock = time.perf_counter()  # waiting for the lock is no training
                chunk = self._started(self.members[going[0]].state)
            while chunk is not None:
                ahead = self._started(chunk.after)
                on_steps(chunk.steps * self._taken(chunk))
                chunk = ahead if self._going() else None
        finally:
            for member in self.members:
                member.state = _owned(member.state)
        return self.errors

    def _going(self) -> list[int]:
        """Return the members that have steps left to take."""
        return [i for i, m in enumerate(self.members) if not (self.errors[i] or m.finished)]

    def _started(self, state: TrainerState) -> Chunk | None:
        """Start the next chunk after this state, of which only `step` and `evaluated_at` count."""
        if state.step >= self.first.until:
            return None
        count = self.first.chunk(state)
        self.params, terms = self._advanced(state.step, count)
        state, losses = state._replace(step=state.step + count), None
        if self.first.due(state):
            losses = self._losses(self.params.net)
            state = state._replace(evaluated_at=state.step)
        return Chunk(count, self.params, terms, losses, state)

    def _taken(self, chunk: Chunk) -> int:
        """Give their results to the members that go on, and return how many these are."""
        going, count = self._going(), chunk.steps
        names = ("loss", *self.first.objective.terms)
        terms = {name: np.asarray(chunk.terms[name])[:, :count].astype(float) for name in names}
        losses = None if chunk.losses is None else self._mean(chunk.losses)
        leaves, structure = jax.tree.flatten(chunk.params)
        leaves = [np.asarray(leaf) for leaf in leaves]
        states: dict[int, TrainerState] = {}
        for i in going:
            mine = {name: values[i] for name, values in terms.items()}
            own = jax.tree.unflatten(structure, [leaf[i] for leaf in leaves])
            states[i] = self._moved(i, own, mine, None if losses is None else losses[i])
        now = time.perf_counter()
        share, self.clock = (now - self.clock) / len(going), now
        for i in going:
            self.members[i].state = self.members[i].timed(states[i], share)
        return len(going)

    def _moved(
        self, i: int, params: Trained, terms: dict[str, np.ndarray], loss: Any
    ) -> TrainerState:
        """Return a member's state after a chunk; where it diverged, the last good one."""
        member = self.members[i]
        try:
            state = member.moved(member.state, params, terms)
            return state if loss is None else member.judged(state, float(loss))
        except DivergenceError as error:
            self.errors[i] = error
            return member.state

    def _advanced(self, step: int, count: int) -> tuple[Trained, dict[str, Array]]:
        """Return all members' weights after these steps, and the steps' terms."""
        plan = self.first.plan(step, count)
        if self.shared.seed is not None:
            plan = (np.stack([m.plan(step, count)[0] for m in self.members]), *plan[1:])
        # where there is a group for each core of a CPU, no thread is left to share kernels with
        programs = {"cpu": _advance_unshared, "gpu": _advance_on_gpu}
        advance = programs.get(self.first.platform, _advance)
        return advance(
            self.objective,
            self.params,
            self.data,
            plan,
            self.schedule,
            self.movable,
            length=self.first.length,
            shared=self.shared,
        )

    def _losses(self, net: Net) -> list[Array]:
        """Return each member's sum of losses of its validation rows, by batch."""
        axis = self.shared.validation
        return [_total_losses(self.objective, net, *part, axis=axis) for part in self.held]

    def _mean(self, totals: list[Array]) -> np.ndarray:
        """Return each member's weighted mean loss."""
        assert self.first.validation is not None
        return np.sum([np.asarray(v, float) for v in totals], axis=0) / self.first.validation.n


def _alone(member: Trainer, on_steps: Watch) -> DivergenceError | None:
    """Train one member by itself, with the program of a single fit."""
    last = member.state.step

    def tell(row: dict[str, float]) -> None:
        nonlocal last
        on_steps(member.state.step - last)
        last = member.state.step

    try:
        member.run(tell)
    except DivergenceError as error:
        return error
    return None


def _owned(state: TrainerState) -> TrainerState:
    """Return a state whose arrays do not hold on to those of all members."""
    params, best = jax.device_put(jax.tree.map(np.array, (state.params, state.best_net)))
    return state._replace(params=params, best_net=best)

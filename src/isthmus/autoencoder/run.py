"""A fit as phases that the engine trains: each pair of layers, where asked for, then the whole net."""

import zlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.autoencoder.network import sample_rows
from isthmus.autoencoder.rows import Rows
from isthmus.model.scaling import blocks
from isthmus.model.slots import Slots
from isthmus.nets.net import Net
from isthmus.training.layerwise import (
    codes_below,
    layer_pair,
    merge_pair,
    movable_weights,
    pair_objective,
)
from isthmus.training.objective import Objective
from isthmus.training.runtime import draw_seed
from isthmus.training.trainer import (
    Data,
    Row,
    Settings,
    State,
    Trainer,
    first_state,
    to_device,
    traced,
)


class Training(NamedTuple):
    """Where a run stands: what is needed to go on after an interrupt or in `partial_fit`."""

    seed: int
    phase: int
    state: State
    earlier: tuple[tuple[str, Row], ...]  # history of the finished phases
    fingerprint: int
    settings: str
    fresh: bool = True  # whether the run began with a net that had learned nothing


def settings_mark(estimator: Any) -> str:
    """Return the settings that a run cannot change when it goes on."""
    names = ("scaling", "pretrain", "batch_size", "early_stopping", "validation_fraction", "dtype")
    values = (getattr(estimator, name) for name in (*names, "freeze"))
    return repr([v.item() if isinstance(v, np.generic) else v for v in values])  # as in a file


def fingerprint(X: np.ndarray, weight: np.ndarray) -> int:
    """Return a number that tells whether two runs see the same rows."""
    value = zlib.crc32(repr((X.shape, X.dtype.str)).encode())
    for b in blocks(X):
        value = zlib.crc32(np.ascontiguousarray(X[b]).tobytes(), value)
    return zlib.crc32(weight.tobytes(), value)


def settle_batch_size(estimator: Any, n: int) -> int:
    """Settle "auto", and never take more than there are rows."""
    auto = 128 if n < 20_000 else 256
    return min(n, auto if estimator.batch_size == "auto" else int(estimator.batch_size))


class Phase(NamedTuple):
    """What one phase trains, on which rows, and for how long."""

    objective: Objective
    net: Net
    data: Data
    validation: Data | None
    movable: Net | None
    epochs: int


class Position(NamedTuple):
    """Where a run is: replaced whole, so that an interrupt finds all of it or nothing new."""

    phase: int
    net: Net  # before this phase
    earlier: tuple[tuple[str, Row], ...]  # history of the finished phases
    trainer: Any


class Run:
    """The phases of a fit: one for each layer pair where pretraining is on, then the whole net."""

    def __init__(
        self,
        estimator: Any,
        rows: Rows,
        objective: Objective,
        net: Net,
        seed: int,
        mark: int,
        fresh: bool = True,
    ) -> None:
        n = len(rows.x)
        self.estimator, self.rows, self.objective = estimator, rows, objective
        self.seed, self.mark = seed, mark
        self.fresh = fresh  # the net has learned nothing yet
        self.n_layers = len(net.encoder) if estimator.pretrain else 0
        self.batch_size = settle_batch_size(estimator, n)
        self.max_epochs = self._max_epochs(n)
        self.at = Position(0, net, (), None)
        self.halted = False  # by the user's on_epoch

    @cached_property
    def data(self) -> Data:
        """The rows to train on, on the device."""
        return to_device(self.rows.whole, self.rows.weight)

    @cached_property
    def validation(self) -> Data | None:
        """The rows held out, on the device."""
        rows = self.rows
        return to_device(rows.whole_val, rows.weight_val) if rows.held_out else None

    def _max_epochs(self, n: int) -> int:
        """Settle "auto": about 2,000 steps, or 500 for small sets that nothing stops early."""
        if self.estimator.max_epochs != "auto":
            return int(self.estimator.max_epochs)
        steps = 2000 if self.rows.held_out or n >= 100 else 500
        return int(np.clip(-(-steps // -(-n // self.batch_size)), 20, 1000))

    def phases(self, last: Training | None) -> Iterator[Trainer]:
        """Yield the trainer of each phase, from where a last run stood."""
        at, state = self.at, None
        if last:
            at, state = at._replace(phase=last.phase, earlier=last.earlier), last.state
        while at.phase <= self.n_layers:
            at = at._replace(trainer=self._trainer(at, state))
            self.at = at  # at once: an interrupt while a trainer is made leaves the last phase
            yield at.trainer
            if self.halted:
                return
            at, state = Position(at.phase + 1, self.best_net(), self.history(), None), None

    @property
    def trainer(self) -> Any:
        """The trainer of the current phase; None before the first."""
        return self.at.trainer

    @property
    def label(self) -> str:
        """The name of the phase in the history."""
        return f"layer {self.at.phase + 1}" if self.at.phase < self.n_layers else "fit"

    def _trainer(self, at: Position, state: State | None) -> Trainer:
        e, phase = self.estimator, self._whole(at.net)
        if at.phase < self.n_layers:
            phase = self._pair(at.net, at.phase, fresh=self.fresh and state is None)
        settings = Settings(
            batch_size=self.batch_size,
            max_epochs=phase.epochs,
            learning_rate=float(e.learning_rate),
            seed=(self.seed + at.phase) % 2**32,
            patience=int(e.n_iter_no_change) if phase.validation is not None else None,
            tol=float(e.tol),
        )
        if state is None:
            state = first_state(phase.objective, phase.net, e.dtype)
            seconds = at.earlier[-1][1]["seconds"] if at.earlier else 0.0
            state = state._replace(seconds=seconds)
        return Trainer(
            phase.objective, phase.data, settings, state, phase.validation, phase.movable
        )

    def _whole(self, net: Net) -> Phase:
        movable = movable_weights(net, self.estimator.freeze)
        parts = self.objective, net, self.data, self.validation, movable
        return Phase(*parts, self.max_epochs)

    def _pair(self, net: Net, i: int, fresh: bool) -> Phase:
        """Return the phase of one pair of layers, on the codes of those below."""
        whole = self._whole(net)
        data = codes_below(self.objective, net, whole.data, i)
        validation = whole.validation
        if validation is not None:
            validation = codes_below(self.objective, net, validation, i)
        objective = pair_objective(self.objective, net, i)
        objective = self._rebound(objective, data)
        net = jax.tree.map(np.asarray, layer_pair(net, i))  # prepared alike after a file
        movable = whole.movable and layer_pair(whole.movable, i)
        if fresh and objective.sparsity and movable is None:
            rows = jnp.asarray(sample_rows(np.asarray(data.x)[: data.n]))
            net = objective.sparsity.prepare(net, np.asarray(objective.loss.seen(rows)))
        epochs = self.estimator.pretrain
        if epochs == "layerwise":
            epochs = max(self.max_epochs // self.n_layers, 1)
        return Phase(objective, net, data, validation, movable, int(epochs))

    def _rebound(self, objective: Objective, data: Data) -> Objective:
        """Return the objective with corruptions that know the range of a layer's input."""
        rows = np.asarray(data.x)[: data.n]
        parts = self.estimator.slots_.objective().corruption
        bound = tuple(c.bind(float(rows.min()), float(rows.max())) for c in parts)
        return objective._replace(corruption=traced(bound, self.estimator.dtype))

    def best_net(self) -> Net:
        """Return the whole net, with the best weights of the phase so far."""
        state = self.trainer.state
        net = state.params.net if state.best_net is None else state.best_net
        at = self.at
        return merge_pair(at.net, at.phase, net) if at.phase < self.n_layers else net

    def history(self) -> tuple[tuple[str, Row], ...]:
        """Return the rows of all phases so far, labelled."""
        return (*self.at.earlier, *((self.label, row) for row in self.trainer.state.history))

    def training(self) -> Training:
        """Return where the run stands."""
        mark = settings_mark(self.estimator)
        at, state = self.at, self.trainer.state
        return Training(self.seed, at.phase, state, at.earlier, self.mark, mark, self.fresh)


def unfinished_training(estimator: Any, slots: Slots, mark: int) -> Training | None:
    """Return the interrupted run, if it was on these rows with this equation and settings."""
    last: Training | None = getattr(estimator, "_training", None)
    if last is None or last.fingerprint != mark or slots != estimator.slots_:
        return None
    return last if last.settings == settings_mark(estimator) else None


def settle_seed(estimator: Any, mark: int, known: bool) -> int:
    """Return the seed of a new run; rows held out once stay so in a warm start."""
    state = estimator.random_state
    seen = getattr(estimator, "_rows_seen", None) if known and state is None else None
    return int(seen[1]) if seen and seen[0] == mark else draw_seed(state)

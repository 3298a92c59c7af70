"""A fit as phases that a trainer runs: each pair of layers, where asked for, then the whole net."""

from __future__ import annotations

import warnings
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.autoencoder.large import blocks_in_turn
from isthmus.autoencoder.network import build_net, sample_rows
from isthmus.autoencoder.noisy import check_task
from isthmus.autoencoder.rows import check_scaled, prepare_rows
from isthmus.autoencoder.sources import is_fresh, mark_of
from isthmus.model import Fitted, Model, blocks, history_of, measure_gaps
from isthmus.training import (
    Trainer,
    TrainerSettings,
    UnfinishedFit,
    codes_below,
    current_team,
    exceeds_window,
    far_codes_below,
    first_state,
    layer_pair,
    merge_pair,
    movable_weights,
    pair_objective,
    to_device,
    traced,
    usable_cores,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from isthmus.autoencoder.parameters import Parameters
    from isthmus.autoencoder.rows import Prepared, Ready, Rows
    from isthmus.model import Gaps, Labelled, Slots
    from isthmus.nets import Net
    from isthmus.schema import Schema
    from isthmus.training import (
        DeviceRows,
        FarRows,
        Objective,
        TrainerState,
    )


def settings_mark(parameters: Parameters) -> str:
    """Return the settings that a run cannot change when it goes on."""
    names = ("scaling", "pretrain", "batch_size", "early_stopping", "validation_fraction", "dtype")
    values = [getattr(parameters, name) for name in (*names, "freeze")]
    if parameters.column_weights:
        values.append({k: float(v) for k, v in sorted(parameters.column_weights.items())})
    return repr([v.item() if isinstance(v, np.generic) else v for v in values])  # as in a file


def fingerprint(X: np.ndarray, weight: np.ndarray) -> int:
    """Return a number by which two runs know whether they see the same rows."""
    value = zlib.crc32(repr((X.shape, X.dtype.str)).encode())
    if is_fresh(X):
        return zlib.crc32(repr(mark_of(X)).encode(), value)
    many = exceeds_window(*X.shape)
    for rows in (rows for _, rows in blocks_in_turn(X)) if many else (X[b] for b in blocks(X)):
        value = zlib.crc32(np.ascontiguousarray(rows).data, value)
    for b in blocks(weight[:, None]):
        value = zlib.crc32(weight[b].tobytes(), value)
    return value


def _mark(*settings: object) -> int:
    return zlib.crc32(repr(settings).encode())


def settle_batch_size(batch_size: int | str, n: int) -> int:
    """Settle "auto", and never take more than there are rows."""
    auto = 128 if n < 20_000 else 256
    return min(n, auto if batch_size == "auto" else int(batch_size))


class Origin(NamedTuple):
    """Where a run comes from."""

    seed: int
    mark: int  # the fingerprint of its rows
    fresh: bool = True  # whether its net has learned nothing yet


class Phase(NamedTuple):
    """What one phase trains, on which rows, and for how long."""

    objective: Objective
    net: Net
    data: DeviceRows | FarRows
    validation: DeviceRows | None
    movable: Net | None
    epochs: int


class Position(NamedTuple):
    """Where a run is: replaced whole, so that an interrupt finds all of it or nothing new."""

    phase: int
    net: Net  # before this phase
    earlier: Labelled  # history of the finished phases
    trainer: Trainer | None


class Run:
    """The phases of a fit: one for each layer pair where pretraining is on, then the whole net."""

    def __init__(
        self,
        parameters: Parameters,
        slots: Slots,
        prepared: Prepared,
        net: Net,
        origin: Origin,
        sample_shape: tuple[int, ...] | None,
        schema: Schema | None = None,
    ) -> None:
        self.parameters, self.slots, self.prepared, self.origin = (
            parameters,
            slots,
            prepared,
            origin,
        )
        self.sample_shape, self.schema = sample_shape, schema
        self.rows, n = prepared.rows, prepared.n_train
        self.objective = slots.bound_objective(prepared.widest, parameters.dtype, sample_shape)
        self.n_layers = len(net.encoder) if parameters.pretrain else 0
        self.batch_size = settle_batch_size(parameters.batch_size, n)
        self.max_epochs = self._max_epochs(n)
        self.at = Position(0, net, (), None)
        self.halted = False  # by the user's on_epoch

    @property
    def data(self) -> DeviceRows | FarRows:
        """The rows to train on, on the device or read in turn."""
        return self.sample if self.prepared.far is None else self.prepared.far

    @cached_property
    def sample(self) -> DeviceRows:
        """The rows to train on, or of many some, on the device."""
        return to_device(self.rows.whole, self.rows.weight)

    @cached_property
    def validation(self) -> DeviceRows | None:
        """The rows held out, on the device."""
        rows = self.rows
        return to_device(rows.whole_val, rows.weight_val) if rows.held_out else None

    def _max_epochs(self, n: int) -> int:
        """Settle "auto": about 2,000 steps, or 500 for small sets that nothing stops early."""
        if self.parameters.max_epochs != "auto":
            return int(self.parameters.max_epochs)
        steps = 2000 if self.rows.held_out or n >= 100 else 500
        return int(np.clip(-(-steps // -(-n // self.batch_size)), 20, 1000))

    def phases(self, last: UnfinishedFit | None) -> Iterator[Trainer]:
        """Yield the trainer of each phase, from where a last run stood."""
        at, state = self.at, None
        self._check_team(last)
        if last:
            at, state = at._replace(phase=last.phase, earlier=last.earlier), last.state
        while at.phase <= self.n_layers:
            at = at._replace(trainer=self._trainer(at, state))
            self.at = at  # at once: an interrupt while a trainer is made leaves the last phase
            if last and at.phase == last.phase:
                warn_of_cores(last.cores, self.trainer.platform)
            yield self.trainer
            if self.halted:
                return
            at, state = Position(at.phase + 1, self.best_net(), self.history(), None), None

    def _check_team(self, last: UnfinishedFit | None) -> None:
        """Raise a TeamError where processes that train together were not started alike."""
        team = current_team()
        if team is None:
            return
        e = self.parameters
        of_end = (self.max_epochs, float(e.learning_rate), e.n_iter_no_change, float(e.tol))
        marks = {
            "rows": self.origin.mark,
            "parameters": _mark(settings_mark(e), *of_end, self.batch_size, self.at.net.work),
            "seed": self.origin.seed,
            "checkpoint": _mark(last and (last.phase, last.state.step)),
        }
        for what, mark in marks.items():
            team.check_alike(what, mark)

    @property
    def lacks_hidden_cells(self) -> bool:
        """Whether there are few rows, and no cells of them that were hidden from training."""
        few = self.prepared.far is None
        return few and self.rows.aside is None and not self.rows.held_out

    @property
    def begun(self) -> bool:
        """Whether the first phase has a trainer."""
        return self.at.trainer is not None

    @property
    def trainer(self) -> Trainer:
        """The trainer of the current phase."""
        assert self.at.trainer is not None
        return self.at.trainer

    @property
    def most_epochs(self) -> int:
        """The number of epochs of all phases, if nothing stops them early."""
        return self.max_epochs + self.n_layers * self._pair_epochs

    @property
    def label(self) -> str:
        """The name of the phase in the history."""
        return f"layer {self.at.phase + 1}" if self.at.phase < self.n_layers else "fit"

    def _trainer(self, at: Position, state: TrainerState | None) -> Trainer:
        e, phase = self.parameters, self._whole(at.net)
        if at.phase < self.n_layers:
            phase = self._pair(at.net, at.phase, fresh=self.origin.fresh and state is None)
        settings = TrainerSettings(
            batch_size=self.batch_size,
            max_epochs=phase.epochs,
            learning_rate=float(e.learning_rate),
            seed=(self.origin.seed + at.phase) % 2**32,
            patience=int(e.n_iter_no_change) if phase.validation is not None else None,
            tol=float(e.tol),
        )
        if state is None:
            state = first_state(phase.objective, phase.net, e.dtype)
            seconds = at.earlier[-1][1]["seconds"] if at.earlier else 0.0
            state = state._replace(seconds=seconds)
        team = current_team()
        return Trainer(
            phase.objective, phase.data, settings, state, phase.validation, phase.movable, team
        )

    def _whole(self, net: Net) -> Phase:
        movable = movable_weights(net, self.parameters.freeze)
        parts = self.objective, net, self.data, self.validation, movable
        return Phase(*parts, self.max_epochs)

    def _pair(self, net: Net, i: int, fresh: bool) -> Phase:
        """Return the phase of one pair of layers, on the codes of those below."""
        whole = self._whole(net)
        sample, far = codes_below(self.objective, net, self.sample, i), self.prepared.far
        data = sample if far is None else far_codes_below(self.objective, net, far, i)
        validation = whole.validation
        if validation is not None:
            validation = codes_below(self.objective, net, validation, i)
        objective = pair_objective(self.objective, net, i)
        if i > 0 or self.schema is None:
            objective = self._rebound(objective, sample)
        net = jax.tree.map(np.asarray, layer_pair(net, i))  # prepared alike after a file
        movable = whole.movable and layer_pair(whole.movable, i)
        if fresh and objective.sparsity and movable is None:
            rows = jnp.asarray(sample_rows(np.asarray(sample.x)[: sample.n]))
            net = objective.sparsity.prepare(net, np.asarray(objective.loss.seen(rows)))
        return Phase(objective, net, data, validation, movable, self._pair_epochs)

    @property
    def _pair_epochs(self) -> int:
        """The number of epochs of a pair: asked for, or a share of those of the whole net."""
        pretrain = self.parameters.pretrain
        shared = max(self.max_epochs // max(self.n_layers, 1), 1)
        return shared if pretrain in (None, "layerwise") else int(pretrain)

    def _rebound(self, objective: Objective, data: DeviceRows) -> Objective:
        """Return the objective with corruptions that know the range of a layer's input."""
        rows = np.asarray(data.x)[: data.n]
        parts = [part.of_codes for part in self.slots.objective().corruption]
        bound = tuple(c.bind(float(rows.min()), float(rows.max())) for c in parts)
        return objective._replace(corruption=traced(bound, self.parameters.dtype))

    def best_net(self) -> Net:
        """Return the whole net, with the best weights of the phase so far."""
        state = self.trainer.state
        net = state.params.net if state.best_net is None else state.best_net
        at = self.at
        return merge_pair(at.net, at.phase, net) if at.phase < self.n_layers else net

    def history(self) -> Labelled:
        """Return the rows of all phases so far, labelled."""
        return (*self.at.earlier, *((self.label, row) for row in self.trainer.state.history))

    def unfinished(self) -> UnfinishedFit:
        """Return where the run stands."""
        at, (seed, mark, fresh) = self.at, self.origin
        state, settings = self.trainer.state, settings_mark(self.parameters)
        cores = usable_cores()
        return UnfinishedFit(seed, at.phase, state, at.earlier, mark, settings, fresh, cores)

    def fitted(self) -> Fitted:
        """Return the model as trained as it is, and what is known of its training."""
        p, e = self.prepared, self.parameters
        return Fitted(
            model=Model(
                slots=self.slots,
                net=self.best_net(),
                scaler=p.scaler,
                scaling=p.scaling,
                mean_row=p.mean,
                sample_shape=self.sample_shape,
                dtype=e.dtype,
                device=e.device,
                schema=self.schema,
            ),
            history=history_of(self.history()),
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            seen=(self.origin.mark, self.origin.seed),
            unfinished=self.unfinished(),
        )


def warn_of_cores(before: int | None, platform: str) -> None:
    """Warn if a fit goes on with another number of cores: large sums and products are shared out
    among them, and round otherwise.
    """
    now = usable_cores()
    if platform == "cpu" and before not in (None, now):
        warnings.warn(
            f"The fit was interrupted on {before} cores and goes on with {now}: the weights of a large "
            "net will differ a little from those of a fit on either number alone.",
            stacklevel=5,
        )


def begin_run(
    parameters: Parameters,
    slots: Slots,
    given: Rows,
    origin: Origin,
    *,
    starting: Callable[[Net], Net] | None = None,
    kept: Net | None = None,
    ready: Ready | None = None,
    aside: bool = False,
) -> Run:
    """Return a run, its rows prepared and its net made.

    `starting` takes the fresh net and returns the one to start from, such as the one `kept` of an
    earlier fit; `ready` keeps prepared rows for runs that need the same; see `prepare_rows` of `aside`.
    """
    check_task(parameters, slots, given)
    slots.check_images(
        given.sample_shape,
        given.X.shape[1],
        scaling=parameters.scaling,
        pretrain=parameters.pretrain,
    )
    prepared = prepare_rows(parameters, given, slots, origin.seed, ready, aside=aside)
    slots = prepared.bound(slots)
    pretrained = parameters.pretrain is not None
    shape, seed = given.sample_shape, origin.seed
    net = build_net(parameters, slots, prepared, shape, seed, pretrained=pretrained, kept=kept)
    if starting is not None:
        net = starting(net)
    check_scaled(prepared, net, slots)
    return Run(parameters, slots, prepared, net, origin, shape, given.schema)


def gaps_of_another(
    parameters: Parameters, slots: Slots, given: Rows, origin: Origin
) -> Gaps | None:
    """Train the same once more without some of the cells, and measure how these are estimated.

    Of few rows no cell can be spared for it in a model that is to be used.
    """
    run = begin_run(parameters, slots, given, origin, aside=True)
    for trainer in run.phases(None):
        trainer.run()
    return measure_gaps(run.fitted().model, run.rows)

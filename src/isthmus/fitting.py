"""From an estimator's parameters and rows to a run that the engine can train."""

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from isthmus import _checks, engine, stacking
from isthmus._spec import resolve, resolve_all
from isthmus.activations import ACTIVATIONS
from isthmus.architectures import Architecture
from isthmus.corruptions import Corruption, CustomCorruption
from isthmus.losses import CustomLoss, Loss
from isthmus.nets import Net
from isthmus.objective import Objective
from isthmus.penalties import CustomPenalty, Penalty
from isthmus.runtime import draw_seed
from isthmus.scaling import Scaler, blocks, check_scaling, choose, fit_scaler, scale_rows
from isthmus.sparsity import Sparsity

SLOTS: dict[str, tuple[Any, Any]] = {
    "architecture": (Architecture, None),
    "corruption": (Corruption, CustomCorruption),
    "sparsity": (Sparsity, None),
    "penalty": (Penalty, CustomPenalty),
    "loss": (Loss, CustomLoss),
}


class Slots(NamedTuple):
    """The five slots, resolved."""

    architecture: Any
    corruption: tuple[Any, ...]
    sparsity: Any
    penalty: tuple[Any, ...]
    loss: Any

    def objective(self) -> Objective:
        """Return the equation, without the parts that do nothing."""
        rates = (getattr(self.architecture, f, 0.0) for f in ("input_dropout", "dropout"))
        active = self.sparsity is not None and self.sparsity.active
        return Objective(
            dropout=tuple(rate or None for rate in rates),  # type: ignore[arg-type]
            corruption=tuple(c for c in self.corruption if c.active),
            sparsity=self.sparsity if active else None,
            penalty=tuple(p for p in self.penalty if p.active),
            loss=self.loss,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON spelling of the slots."""
        return {
            name: [p.to_dict() for p in part]
            if isinstance(part, tuple)
            else part and part.to_dict()
            for name, part in self._asdict().items()
        }

    def constrained(self) -> bool:
        """Whether anything but the widths keeps the model from the identity."""
        objective = self.objective()
        return bool(
            objective.corruption
            or objective.sparsity
            or objective.penalty
            or any(rate is not None for rate in objective.dropout)
        )


def resolve_slots(estimator: Any) -> Slots:
    """Resolve and validate an estimator's slots."""
    parts: dict[str, Any] = {}
    for name, (slot, wrap) in SLOTS.items():
        take = resolve_all if name in ("corruption", "penalty") else resolve
        parts[name] = take(slot, getattr(estimator, name), wrap)
    for name in ("architecture", "loss"):
        if parts[name] is None:
            known = ", ".join(sorted(SLOTS[name][0].known))
            raise ValueError(f"The {name} cannot be None. Known: {known}.")
    return Slots(**parts)


def check_parameters(estimator: Any) -> None:
    """Raise one clear ValueError for the first parameter out of range."""
    e = estimator
    _checks.whole("n_components", e.n_components, 1)
    _checks.whole("max_epochs", e.max_epochs, 1, auto=True)
    _checks.whole("batch_size", e.batch_size, 1, auto=True)
    _checks.whole("n_iter_no_change", e.n_iter_no_change, 1)
    for name, interval, test in (
        ("learning_rate", "(0, inf)", lambda v: 0 < v < np.inf),
        ("validation_fraction", "(0, 1)", lambda v: 0 < v < 1),
        ("tol", "[0, inf)", lambda v: 0 <= v < np.inf),
    ):
        value = getattr(e, name)
        _checks.real(
            name, value, interval, isinstance(value, int | float | np.number) and test(value)
        )
    _checks.one_of("early_stopping", e.early_stopping, ("auto", True, False))
    _checks.one_of("pretrain", e.pretrain, (None, "layerwise"))
    _checks.one_of("dtype", e.dtype, ("float32", "float64"))
    _checks.one_of("warm_start", e.warm_start, (True, False))
    check_scaling(e.scaling)


class Rows(NamedTuple):
    """Scaled rows and their weights, for training and, where there are any, for validation."""

    x: np.ndarray
    weight: np.ndarray
    x_val: np.ndarray
    weight_val: np.ndarray

    @property
    def held_out(self) -> bool:
        """Whether there are validation rows."""
        return len(self.x_val) > 0

    @property
    def judged(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that baselines are measured on: held-out where there are any."""
        return (self.x_val, self.weight_val) if self.held_out else (self.x, self.weight)


def split(n: int, early_stopping: Any, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and to hold out, by the seed alone."""
    wanted = n >= 100 if isinstance(early_stopping, str) else early_stopping
    if not wanted:
        return np.arange(n), np.arange(0)
    held = min(max(round(fraction * n), min(20, n // 2)), n - 1)
    order = np.random.default_rng((seed, 2**32)).permutation(n)
    return np.sort(order[held:]), np.sort(order[:held])


def output_interval(slots: Slots) -> tuple[float, float] | None:
    """Return the interval of a bounded output the user asked for, else None."""
    output = getattr(slots.architecture, "output", "auto")
    return None if output == "auto" else ACTIVATIONS[output].bounds


def settle_scaling(estimator: Any, X: np.ndarray, slots: Slots) -> Any:
    """Return the scaling that "auto" stands for with these rows and slots."""
    return choose(
        estimator.scaling,
        image=estimator.sample_shape_ is not None or X.dtype in (np.uint8, bool),
        raw_loss=slots.loss.domain[0] == 0,
        bounded=output_interval(slots) is not None,
    )


def scaled_rows(
    X: np.ndarray,
    weight: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    scaler: Scaler,
    dtype: str,
) -> Rows:
    """Scale the rows to train on and to hold out."""
    train, held = rows
    x = scale_rows(scaler, X if len(train) == len(X) else X[train], dtype)
    x_val = scale_rows(scaler, X[held], dtype)
    for part in (x, x_val):
        if not all(np.isfinite(part[b]).all() for b in blocks(part)):
            column = int(np.flatnonzero(~np.isfinite(part).all(axis=0))[0])
            raise ValueError(f"Column {column} of X, scaled, is too large for dtype {dtype}.")
    return Rows(x, weight[train], x_val, weight[held])


def new_scaler(
    scaling: Any, X: np.ndarray, weight: np.ndarray, train: np.ndarray, slots: Slots
) -> Scaler:
    """Fit the scaler on the rows to train on."""
    target = output_interval(slots) or (0.0, 1.0)
    part = X if len(train) == len(X) else X[train]
    return fit_scaler(scaling, part, weight[train], target)


def check_scaled(rows: Rows, net: Net, slots: Slots, scaling: Any) -> None:
    """Raise a ValueError where the loss or the output cannot take the scaled data."""
    _checks.check_domain(rows.x, slots.loss.domain, slots.loss.name)
    if scaling is None and rows.held_out:
        _checks.check_domain(rows.x_val, slots.loss.domain, slots.loss.name)
    bounds = ACTIVATIONS[net.output].bounds
    low, high = float(rows.x.min()), float(rows.x.max())
    if bounds and (low < bounds[0] - 1e-3 or high > bounds[1] + 1e-3):
        raise ValueError(
            f"The output {net.output!r} lies in [{bounds[0]:g}, {bounds[1]:g}], but the scaled data "
            f"go from {low:.4g} to {high:.4g} and cannot be reproduced: use scaling='minmax' or "
            "'range', or output='identity'."
        )


def check_same_layers(estimator: Any, fresh: Net) -> None:
    """Raise a ValueError where these slots would make other layers than the fitted ones."""
    estimator._need_decoder()
    was, now = (_layers(net) for net in (estimator.net_, fresh))
    if was != now:
        raise ValueError(
            f"The fitted layers are kept, {was}, but the parameters now ask for {now}; set "
            "warm_start=False and call fit to start anew."
        )


def _layers(net: Net) -> str:
    """Return widths, activations and precision of a net in words."""
    widths = [net.encoder[0].weight.shape[0]]  # type: ignore[union-attr]
    widths += [layer.bias.shape[0] for layer in net.encoder]
    names = [layer.activation for layer in net.encoder + net.decoder[::-1]]
    extras = ["tied"] * (net.decoder[0].weight is None)
    extras += ["layer norm"] * any(layer.scale is not None for layer in net.encoder)
    kind = str(net.encoder[0].bias.dtype)
    return ", ".join(["-".join(map(str, widths)), " ".join(names), *extras, kind])


def build_net(
    estimator: Any, slots: Slots, x: np.ndarray, mean: np.ndarray, scaling: Any, seed: int
) -> Net:
    """Return a fresh net whose output suits the loss and the scaling of the rows x.

    The output starts at the mean row, from where errors shrink and no exponential overflows.
    """
    n_components, sparsity = estimator.n_components, slots.sparsity
    output = slots.loss.link
    if output == "identity" and isinstance(scaling, str) and scaling == "range":
        output = "sigmoid"
    net: Net = slots.architecture.build(
        x.shape[1],
        n_components,
        np.random.default_rng((seed, 2**33)),
        code_activation=sparsity.code_activation if sparsity else None,
        output=output,
        dtype=estimator.dtype,
    )
    start = ACTIVATIONS[net.output].inverse(mean).astype(estimator.dtype)
    net = eqx.tree_at(lambda n: n.decoder[0].bias, net, start)
    if sparsity is None:
        return net
    sparsity.check(net.code_activation, n_components)
    sample = np.resize(x[:: max(len(x) // 256, 1)], (256, x.shape[1]))  # one shape for all x
    return sparsity.prepare(net, sample)


def check_functions(slots: Slots, n_features: int) -> None:
    """Raise a ValueError where a user's function returns the wrong shape."""
    x = jax.ShapeDtypeStruct((4, n_features), np.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    calls: list[tuple[Any, tuple[Any, Any], tuple[int, ...]]] = [
        (c, (key, x), x.shape) for c in slots.corruption if isinstance(c, CustomCorruption)
    ]
    if isinstance(slots.loss, CustomLoss):
        calls.append((slots.loss, (x, x), (4,)))
    for part, arguments, expected in calls:
        try:
            shape = getattr(jax.eval_shape(part.function, *arguments), "shape", None)
        except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError):
            raise TypeError(
                f"The {part.slot} {part.function!r} must be written with jax.numpy: it uses NumPy, "
                "or branches on values."
            ) from None
        if shape != expected:
            raise ValueError(
                f"The {part.slot} {part.function!r} must return an array of shape {expected} for 4 "
                f"rows of {n_features} features; it returned {shape}."
            )


def bound_objective(slots: Slots, x: np.ndarray, dtype: str) -> Objective:
    """Return the traced equation, with corruptions that know the range of the scaled data."""
    low, high = float(x.min()), float(x.max())
    objective = slots.objective()
    corruption = tuple(c.bind(low, high) for c in objective.corruption)
    return engine.traced(objective._replace(corruption=corruption), dtype)


class Training(NamedTuple):
    """Where a run stands: what is needed to go on after an interrupt or in `partial_fit`."""

    seed: int
    phase: int
    state: engine.State
    earlier: tuple[tuple[str, engine.Row], ...]  # history of the finished phases
    fingerprint: int
    settings: str


def settings_mark(estimator: Any) -> str:
    """Return the settings that a run cannot change when it goes on."""
    names = ("scaling", "pretrain", "batch_size", "early_stopping", "validation_fraction", "dtype")
    return repr([getattr(estimator, name) for name in names])


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


class Run:
    """The phases of a fit: one for each layer pair where pretraining is on, then the whole net."""

    def __init__(
        self, estimator: Any, rows: Rows, objective: Objective, net: Net, seed: int, mark: int
    ) -> None:
        n = len(rows.x)
        self.estimator, self.rows, self.objective = estimator, rows, objective
        self.net, self.seed, self.mark = net, seed, mark
        self.n_layers = len(net.encoder) if estimator.pretrain else 0
        self.batch_size = settle_batch_size(estimator, n)
        self.max_epochs = self._max_epochs(n)
        self.data = engine.to_device(rows.x, rows.weight)
        held = rows.held_out
        self.validation = engine.to_device(rows.x_val, rows.weight_val) if held else None
        self.phase = 0
        self.earlier: tuple[tuple[str, engine.Row], ...] = ()
        self.trainer: Any = None
        self.halted = False  # by the user's on_epoch

    def _max_epochs(self, n: int) -> int:
        """Settle "auto": about 2,000 steps, or 500 for small sets that nothing stops early."""
        if self.estimator.max_epochs != "auto":
            return int(self.estimator.max_epochs)
        steps = 2000 if self.rows.held_out or n >= 100 else 500
        return int(np.clip(-(-steps // -(-n // self.batch_size)), 20, 1000))

    def phases(self, last: Training | None) -> Iterator[engine.Trainer]:
        """Yield the trainer of each phase, from where a last run stood."""
        state = None
        if last:
            self.phase, self.earlier, state = last.phase, last.earlier, last.state
        while self.phase <= self.n_layers:
            self.trainer = self._trainer(state)
            yield self.trainer
            if self.halted:
                return
            self.net, self.earlier, state = self.best_net(), self.history(), None
            self.phase += 1

    @property
    def label(self) -> str:
        """The name of the phase in the history."""
        return f"layer {self.phase + 1}" if self.phase < self.n_layers else "fit"

    def _trainer(self, state: engine.State | None) -> engine.Trainer:
        e = self.estimator
        objective, net, data, validation = self.objective, self.net, self.data, self.validation
        epochs = self.max_epochs
        if self.phase < self.n_layers:
            objective = stacking.pair_objective(objective, net, self.phase)
            data = stacking.codes_below(self.objective, net, data, self.phase)
            objective = self._rebound(objective, data)
            if validation:
                validation = stacking.codes_below(self.objective, net, validation, self.phase)
            epochs = max(epochs // self.n_layers, 1)
            net = stacking.pair(net, self.phase)
        settings = engine.Settings(
            batch_size=self.batch_size,
            max_epochs=epochs,
            learning_rate=float(e.learning_rate),
            seed=(self.seed + self.phase) % 2**32,
            patience=int(e.n_iter_no_change) if validation is not None else None,
            tol=float(e.tol),
        )
        width = net.encoder[-1].bias.shape[0]
        if state is None:
            state = engine.start(objective, net, width, e.dtype)
            seconds = self.earlier[-1][1]["seconds"] if self.earlier else 0.0
            state = state._replace(seconds=seconds)
        return engine.Trainer(objective, data, settings, state, validation)

    def _rebound(self, objective: Objective, data: engine.Data) -> Objective:
        """Return the objective with corruptions that know the range of a layer's input."""
        rows = data.x[: data.n]
        parts = self.estimator.slots_.objective().corruption
        bound = tuple(c.bind(float(rows.min()), float(rows.max())) for c in parts)
        return objective._replace(corruption=engine.traced(bound, self.estimator.dtype))

    def best_net(self) -> Net:
        """Return the whole net, with the best weights of the phase so far."""
        state = self.trainer.state
        net = state.params.net if state.best_net is None else state.best_net
        return stacking.merge(self.net, self.phase, net) if self.phase < self.n_layers else net

    def history(self) -> tuple[tuple[str, engine.Row], ...]:
        """Return the rows of all phases so far, labelled."""
        return (*self.earlier, *((self.label, row) for row in self.trainer.state.history))

    def training(self) -> Training:
        """Return where the run stands."""
        mark = settings_mark(self.estimator)
        return Training(self.seed, self.phase, self.trainer.state, self.earlier, self.mark, mark)


def unfinished(estimator: Any, slots: Slots, mark: int) -> Training | None:
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

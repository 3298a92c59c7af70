"""From an estimator's parameters and rows to a run that the engine can train."""

import numbers
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
from isthmus.scaling import (
    Scaler,
    blocks,
    check_scaling,
    choose,
    fit_scaler,
    mean_row,
    scale_rows,
)
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
    if e.n_components is not None:
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
    check_pretrain(e.pretrain)
    check_freeze(e.freeze)
    _checks.one_of("dtype", e.dtype, ("float32", "float64"))
    _checks.one_of("warm_start", e.warm_start, (True, False))
    check_scaling(e.scaling)


def check_pretrain(pretrain: Any) -> None:
    """Raise a ValueError unless this is None, "layerwise" or a number of epochs."""
    if not (pretrain is None or pretrain == "layerwise" or _is_count(pretrain, 1)):
        raise ValueError(
            "The parameter pretrain must be None, 'layerwise' or the number of epochs for each layer, "
            f"of at least 1; got {pretrain!r}."
        )


def check_freeze(freeze: Any) -> None:
    """Raise a ValueError unless this is None, "encoder", "decoder" or a number of layers."""
    if not (freeze is None or freeze in ("encoder", "decoder") or _is_count(freeze, 0)):
        raise ValueError(
            "The parameter freeze must be None, 'encoder', 'decoder' or how many of the encoder's "
            f"layers are frozen, counted from the input; got {freeze!r}."
        )


def _is_count(value: Any, low: int) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= low


class Rows(NamedTuple):
    """Scaled rows and their weights, for training and, where there are any, for validation."""

    whole: np.ndarray  # with padding; see `engine.room`
    weight: np.ndarray
    whole_val: np.ndarray
    weight_val: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """The rows to train on."""
        return self.whole[: len(self.weight)]

    @property
    def x_val(self) -> np.ndarray:
        """The rows held out."""
        return self.whole_val[: len(self.weight_val)]

    @property
    def held_out(self) -> bool:
        """Whether there are validation rows."""
        return len(self.weight_val) > 0

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
        alike=slots.architecture.spatial
        or estimator.sample_shape_ is not None
        or X.dtype in (np.uint8, bool),
        raw_loss=slots.loss.domain[0] == 0,
        bounded=output_interval(slots) is not None,
    )


class Prepared(NamedTuple):
    """Rows split and scaled, and what their scaling is."""

    scaling: Any
    scaler: Scaler
    rows: Rows
    mean: np.ndarray


def prepare(
    estimator: Any,
    X: np.ndarray,
    weight: np.ndarray,
    slots: Slots,
    seed: int,
    ready: dict[Any, Prepared] | None = None,
) -> Prepared:
    """Split and scale rows, or return them from `ready`, where they are kept."""
    e, scaling = estimator, settle_scaling(estimator, X, slots)
    rows = split(len(X), e.early_stopping, e.validation_fraction, seed)
    named = scaling if isinstance(scaling, str | None) else id(scaling)
    key = (named, output_interval(slots), e.dtype, len(rows[1]) and (seed, len(rows[1])))
    if ready is not None and key in ready:
        return ready[key]
    scaler = new_scaler(scaling, X, weight, rows[0], slots)
    scaled = scaled_rows(X, weight, rows, scaler, e.dtype)
    mean = mean_row(scaled.x, scaled.weight).astype(e.dtype)
    prepared = Prepared(scaling, scaler, scaled, mean)
    if ready is not None:
        ready[key] = prepared
    return prepared


def scaled_rows(
    X: np.ndarray,
    weight: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    scaler: Scaler,
    dtype: str,
) -> Rows:
    """Scale the rows to train on and to hold out."""
    parts: list[np.ndarray] = []
    for index in rows:
        whole = engine.room(len(index), X.shape[1], dtype)
        part = whole[: len(index)]
        scale_rows(scaler, X, index, part)
        if not all(np.isfinite(part[b]).all() for b in blocks(part)):
            column = int(np.flatnonzero(~np.isfinite(part).all(axis=0))[0])
            raise ValueError(f"Column {column} of X, scaled, is too large for dtype {dtype}.")
        parts += [whole, weight[index]]
    return Rows(*parts)


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
    lines = _differences(estimator.net_, fresh)
    if lines:
        raise ValueError(
            f"The fitted layers are kept, but the parameters now ask for others: {lines}; set "
            "warm_start=False and call fit to start anew."
        )


def transferred(source: Any, fresh: Net) -> Net:
    """Return the fresh net with the weights of another fitted model, whose layers must be the same."""
    if not hasattr(source, "net_"):
        raise ValueError(f"The init must be a fitted Autoencoder; got {source!r}.")
    source._need_decoder()
    lines = _differences(source.net_, fresh, precise=False)
    if lines:
        raise ValueError(
            f"The weights of init do not fit: {lines}. Give this model the same architecture, "
            "n_components and number of features as init, and the same loss, scaling and sparsity "
            "where only activations differ."
        )
    return jax.tree.map(lambda theirs, ours: np.asarray(theirs, ours.dtype), source.net_, fresh)


def _differences(was: Net, now: Net, precise: bool = True) -> str:
    """Return which layers of two nets do not agree, in words."""
    lines = []
    for side in ("encoder", "decoder"):
        theirs, ours = getattr(was, side), getattr(now, side)
        if len(theirs) != len(ours):
            lines.append(f"its {side} has {len(theirs)} layers, not {len(ours)}")
            continue
        for i, pair in enumerate(zip(theirs, ours, strict=True)):
            a, b = (_in_words(layer, precise) for layer in pair)
            lines += [f"layer {i + 1} of its {side} is {a}, not {b}"] * (a != b)
    return "; ".join(lines)


def _in_words(layer: Any, precise: bool) -> str:
    """Return what must agree for two layers to share their weights."""
    shape = "tied" if layer.weight is None else "x".join(map(str, layer.weight.shape))
    window = getattr(layer, "window", ())
    over = f" over {_moved(window)}" if window else ""
    norm = " with layer norm" if layer.scale is not None else ""
    kind = f" of {layer.bias.dtype}" if precise else ""
    return f"{shape}{over} {layer.activation}{norm}{kind}"


def _moved(window: Any) -> str:
    """Return over which sizes a kernel moves, and how."""
    sizes = "x".join(str(a.size) for a in window)
    strides, zeros = [str(a.stride) for a in window], [f"{a.low}+{a.high}" for a in window]
    stride, around = (v[0] if len(set(v)) == 1 else ", ".join(v) for v in (strides, zeros))
    return f"{sizes} (stride {stride}, zeros {around})"


def build_net(
    estimator: Any,
    slots: Slots,
    x: np.ndarray,
    mean: np.ndarray,
    scaling: Any,
    seed: int,
    pretrained: bool = False,
) -> Net:
    """Return a fresh net whose output suits the loss and the scaling of the rows x.

    Where it is to be pretrained, each pair is prepared for its sparsity then.

    The output starts at the mean row, from where errors shrink and no exponential overflows.
    """
    sparsity = slots.sparsity
    output = slots.loss.link
    if output == "identity" and isinstance(scaling, str) and scaling == "range":
        output = "sigmoid"
    net: Net = slots.architecture.build(
        estimator.sample_shape_ or x.shape[1:],
        estimator.n_components,
        np.random.default_rng((seed, 2**33)),
        code_activation=sparsity.code_activation if sparsity else None,
        output=output,
        dtype=estimator.dtype,
    )
    mean = mean.reshape(-1, len(net.decoder[0].bias)).mean(axis=0)  # of each channel
    start = ACTIVATIONS[net.output].inverse(mean).astype(estimator.dtype)
    net = eqx.tree_at(lambda n: n.decoder[0].bias, net, start)
    frozen = stacking.movable(net, estimator.freeze) is not None
    if sparsity is None:
        return net
    sparsity.check(net.code_activation, net.n_components)
    if pretrained and not frozen:
        return net
    return sparsity.prepare(net, np.asarray(slots.loss.seen(sample(x))))


def sample(x: Any) -> np.ndarray:
    """Return 256 of these rows, one shape for all numbers of rows."""
    return np.resize(x[:: max(len(x) // 256, 1)], (256, x.shape[1]))


def check_functions(slots: Slots, n_features: int) -> None:
    """Raise a ValueError where a user's function returns the wrong shape."""
    if not any(
        isinstance(p, CustomCorruption | CustomLoss) for p in (*slots.corruption, slots.loss)
    ):
        return
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

"""`partial_fit`: one epoch over the rows at hand, and what it carries to the next call."""

from typing import Any, NamedTuple

import jax
import numpy as np

from isthmus.autoencoder.network import build_net, check_same_layers
from isthmus.autoencoder.rows import Rows, check_scaled, new_scaler, scaled_rows, settle_scaling
from isthmus.autoencoder.run import settle_batch_size
from isthmus.model.evaluation import measure_codes
from isthmus.model.scaling import mean_row
from isthmus.model.slots import bound_objective, check_functions, resolve_slots
from isthmus.training.layerwise import movable_weights
from isthmus.training.trainer import Params, Row, Settings, State, Trainer, first_state, to_device


class Carried(NamedTuple):
    """What one call leaves for the next."""

    params: Params
    steps: int
    seed: int
    rows: tuple[tuple[str, Row], ...]


def train_one_epoch(estimator: Any, X: np.ndarray, weight: np.ndarray, seed: int) -> Carried:
    """Train one epoch; sets up scaling and net where there are none yet."""
    e = estimator
    slots = resolve_slots(e)
    check_functions(slots, X.shape[1])
    every = np.arange(len(X))
    begin = not hasattr(e, "net_")
    scaling = settle_scaling(e, X, slots) if begin else e.scaling_
    scaler = new_scaler(scaling, X, weight, every, slots) if begin else e.scaler_
    rows = scaled_rows(X, weight, (every, every[:0]), scaler, e.dtype)
    mean = mean_row(rows.x, weight).astype(e.dtype)
    if begin:
        net = e._new_net(slots, rows.x, mean, scaling, seed)
    else:
        net = build_net(e, slots, rows.x, mean, scaling, seed)
    check_scaled(rows, net, slots, scaling)
    if begin:
        e.slots_, e.scaler_, e.scaling_, e.net_ = slots, scaler, scaling, net
        e.n_parameters_ = sum(leaf.size for leaf in jax.tree.leaves(net))
        e._mean_row = mean
    else:
        check_same_layers(e, net)
        if slots != e.slots_:  # another equation on the same layers: a fresh optimiser
            e.slots_, e._carried = slots, None
    return _epoch(e, rows, seed)


def _epoch(e: Any, rows: Rows, seed: int) -> Carried:
    """Train over the rows once, from where the last call stopped."""
    objective = bound_objective(e.slots_, rows.x, e.dtype)
    carried: Carried | None = getattr(e, "_carried", None)
    if carried is None:
        fresh = first_state(objective, e.net_, e.dtype).params
        carried = Carried(fresh, 0, seed, _earlier(e))
    batch = settle_batch_size(e, len(rows.x))
    settings = Settings(
        batch_size=batch,
        max_epochs=1,
        learning_rate=float(e.learning_rate),
        seed=int(np.random.SeedSequence((carried.seed, carried.steps)).generate_state(1)[0]),
        constant_after=carried.steps,
    )
    data = to_device(rows.whole, rows.weight)
    start, movable = State(carried.params), movable_weights(e.net_, e.freeze)
    state = Trainer(objective, data, settings, start, movable=movable).run()
    row = {**state.history[0], "epoch": float(len(carried.rows) + 1)}
    steps = carried.steps + state.step
    e.net_ = state.params.net
    measure_codes(e, rows.x, rows.weight)
    return Carried(state.params, steps, carried.seed, (*carried.rows, ("partial", row)))


def _earlier(e: Any) -> tuple[tuple[str, Row], ...]:
    """Return the history of the fit before, as labelled rows."""
    history = dict(getattr(e, "history_", {}))
    labels = history.pop("phase", [])
    return tuple(
        (label, {name: values[i] for name, values in history.items()})
        for i, label in enumerate(labels)
    )

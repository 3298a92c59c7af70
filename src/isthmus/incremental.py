"""`partial_fit`: one epoch over the rows at hand, and what it carries to the next call."""

from typing import Any, NamedTuple

import jax
import numpy as np

from isthmus import engine, fitting, judging


class Carried(NamedTuple):
    """What one call leaves for the next."""

    params: engine.Params
    steps: int
    seed: int
    rows: tuple[tuple[str, engine.Row], ...]


def partial_fit(estimator: Any, X: np.ndarray, weight: np.ndarray, seed: int) -> Carried:
    """Train one epoch; sets up scaling and net where there are none yet."""
    e = estimator
    if not hasattr(e, "net_"):
        _begin(e, X, weight, seed)
    every = np.arange(len(X))
    rows = fitting.scaled_rows(X, weight, (every, every[:0]), e.scaler_, e.dtype)
    fitting.check_scaled(rows, e.net_, e.slots_)
    objective = fitting.bound_objective(e.slots_, rows.x, e.dtype)
    carried: Carried | None = getattr(e, "_carried", None)
    if carried is None:
        width = e.net_.encoder[-1].bias.shape[0]
        fresh = engine.start(objective, e.net_, width, e.dtype).params
        carried = Carried(fresh, 0, seed, ())
    batch = fitting.settle_batch_size(e, len(X))
    settings = engine.Settings(
        batch_size=batch,
        max_epochs=1,
        learning_rate=float(e.learning_rate),
        seed=int(np.random.SeedSequence((carried.seed, carried.steps)).generate_state(1)[0]),
        constant_after=carried.steps,
    )
    data = engine.to_device(rows.x, rows.weight)
    state = engine.Trainer(objective, data, settings, engine.State(carried.params)).run()
    row = {**state.history[0], "epoch": float(len(carried.rows) + 1)}
    steps = carried.steps + state.step
    e.net_ = state.params.net
    judging.measure_codes(e, rows.x, rows.weight)
    return Carried(state.params, steps, carried.seed, (*carried.rows, ("partial", row)))


def _begin(e: Any, X: np.ndarray, weight: np.ndarray, seed: int) -> None:
    slots = fitting.resolve_slots(e)
    fitting.check_functions(slots, X.shape[1])
    scaling = fitting.settle_scaling(e, X, slots)
    scaler = fitting.new_scaler(scaling, X, weight, np.arange(len(X)), slots)
    scaled = scaler.forward(X, e.dtype)
    net = e._new_net(slots, scaled, scaling, seed)
    e.slots_, e.scaler_, e.scaling_, e.net_ = slots, scaler, scaling, net
    e.n_parameters_ = sum(leaf.size for leaf in jax.tree.leaves(net))
    e._mean_row = np.average(scaled, axis=0, weights=weight).astype(e.dtype)

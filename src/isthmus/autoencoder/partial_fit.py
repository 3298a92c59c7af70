"""`partial_fit`: one epoch over the rows at hand, and what it leaves for the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from isthmus.autoencoder.network import build_net, check_same_layers, warn_of_wide_net
from isthmus.autoencoder.rows import (
    Prepared,
    as_prepared,
    check_scaled,
    new_scaler,
    scaled_rows,
    settle_scaling,
)
from isthmus.autoencoder.run import settle_batch_size
from isthmus.model import Fitted, Model, history_of, labelled_rows, with_activity
from isthmus.nets import ACTIVATIONS
from isthmus.training import (
    PartialFit,
    Trainer,
    TrainerSettings,
    TrainerState,
    first_state,
    movable_weights,
    to_device,
)

if TYPE_CHECKING:
    from isthmus.autoencoder.parameters import Parameters
    from isthmus.autoencoder.rows import (
        Rows,
    )
    from isthmus.model import Slots
    from isthmus.nets import Net
    from isthmus.training import (
        ScaledRows,
    )


def fit_partially(
    parameters: Parameters, slots: Slots, given: Rows, seed: int, before: Fitted | None
) -> Fitted:
    """Train one epoch, from where the last call or fit stopped; the first call settles the scaling."""
    slots.check_task(given.sample_shape, given.X.shape[1])
    slots.check_images(given.sample_shape, given.X.shape[1], scaling=parameters.scaling)
    prepared = _prepared(parameters, slots, given, before)
    slots = prepared.bound(slots)
    kept = None if before is None else before.model.net
    net = build_net(parameters, slots, prepared, given.sample_shape, seed, whole=False, kept=kept)
    if before is None:
        warn_of_wide_net(net, slots, stacklevel=4)
        check_scaled(prepared, net, slots)
        model = Model(
            slots=slots,
            net=net,
            scaler=prepared.scaler,
            scaling=prepared.scaling,
            mean_row=prepared.mean,
            sample_shape=given.sample_shape,
            dtype=parameters.dtype,
            device=parameters.device,
            schema=given.schema,
        )
        return _trained(parameters, Fitted(model, {}), prepared.rows, seed)
    before.model.check_decoder()
    check_same_layers(before.model.net, net)
    _check_later(prepared, net, slots)
    if slots != before.model.slots:  # another equation on the same layers: a fresh optimiser
        before = replace(before, model=replace(before.model, slots=slots), partial=None)
    return _trained(parameters, before, prepared.rows, seed)


def _check_later(prepared: Prepared, net: Net, slots: Slots) -> None:
    """Raise a ValueError where later rows leave what the loss or the output can take."""
    x, bounds = prepared.rows.x, ACTIVATIONS[net.output].bounds
    if prepared.loss is not None:
        return
    takers = [(slots.loss.domain, f"loss {slots.loss.name!r}", "another loss")]
    if bounds is not None:
        within = (bounds[0] - 1e-3, bounds[1] + 1e-3)
        takers.append((within, f"output {net.output!r}", "output='identity' in its architecture"))
    low, high = float(x.min()), float(x.max())
    for (least, most), what, cure in takers:
        if low < least or high > most:
            spanning = ", or with first rows that span them" * (prepared.scaling is not None)
            raise ValueError(
                f"The rows go from {low:.4g} to {high:.4g} in the scale of the first ones, but the "
                f"{what} takes values from {least:.4g} to {most:.4g}: begin a new model with "
                f"{cure}{spanning}."
            )


def _prepared(parameters: Parameters, slots: Slots, given: Rows, before: Fitted | None) -> Prepared:
    """Scale the rows, all of them to train on, by the scaling that is there."""
    X, weight, every = given.X, given.weight, np.arange(len(given.X))
    if before is None:
        scaling = settle_scaling(parameters.scaling, given, slots)
        scaler = new_scaler(scaling, given, every, slots)
    else:
        scaling, scaler = before.model.scaling, before.model.scaler
    split, schema = (every, every[:0]), given.schema
    rows = scaled_rows(X, weight, split, scaler, parameters.dtype, schema=schema)
    if before is None or before.model.mixed is None:
        return as_prepared(scaling, scaler, rows, given, slots, parameters.dtype)
    return Prepared(scaling, scaler, rows, before.model.mean_row, before.model.mixed)


def _trained(parameters: Parameters, before: Fitted, rows: ScaledRows, seed: int) -> Fitted:
    """Train over the rows once."""
    e, model = parameters, before.model
    objective = model.slots.bound_objective(rows.x, e.dtype, model.sample_shape)
    partial = before.partial
    if partial is None:
        fresh = first_state(objective, model.net, e.dtype).params
        partial = PartialFit(fresh, 0, seed, labelled_rows(before.history))
    settings = TrainerSettings(
        batch_size=settle_batch_size(e.batch_size, len(rows.x)),
        max_epochs=1,
        learning_rate=float(e.learning_rate),
        seed=int(np.random.SeedSequence((partial.seed, partial.steps)).generate_state(1)[0]),
        constant_after=partial.steps,
    )
    data = to_device(rows.whole, rows.weight)
    start, movable = TrainerState(partial.params), movable_weights(model.net, e.freeze)
    state = Trainer(objective, data, settings, start, movable=movable).run()
    row = {**state.history[0], "epoch": float(len(partial.rows) + 1)}
    labelled = (*partial.rows, ("partial", row))
    after = replace(
        before,
        model=replace(model, net=state.params.net, device=e.device),
        history=history_of(labelled),
        baseline=None,  # measured on other rows and weights
        unfinished=None,
        partial=PartialFit(state.params, partial.steps + state.step, partial.seed, labelled),
    )
    return with_activity(after, rows)

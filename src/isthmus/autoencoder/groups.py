"""One model a group: each fitted on its group's rows alone, many of them in one program."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from isthmus.autoencoder.network import build_net
from isthmus.autoencoder.refusals import too_large
from isthmus.autoencoder.rows import (
    Prepared,
    Rows,
    as_prepared,
    check_scaled,
    new_scaler,
    settle_scaling,
)
from isthmus.autoencoder.sources import are_many, as_source
from isthmus.autoencoder.table_rows import some_rows
from isthmus.autoencoder.validation import (
    as_images,
    is_mixed,
    validate_rows,
    validate_weights,
)
from isthmus.fleet import POOLED, Fleet, InGroups, sorted_keys, stacked_models
from isthmus.model import Affine, Fitted, Model, reference_errors
from isthmus.schema import Schema, is_frame, why_not_plain
from isthmus.training import (
    DivergenceError,
    Learner,
    Progress,
    ScaledRows,
    Steps,
    computing,
    draw_seed,
    room_for,
    train_stacked,
    width_for,
)
from isthmus.words import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.autoencoder.estimator import Autoencoder
    from isthmus.autoencoder.parameters import Parameters
    from isthmus.fleet import Keys, Stack
    from isthmus.model import Slots
    from isthmus.nets import Net
    from isthmus.training import Hook

Kind = TypeVar("Kind")
LEAST_ROWS = 32  # of a group that has a model of its own
MANY_ROWS = 20_000  # from which on batches are larger
MOST_POOLED = 2**15  # rows that the pooled model is fitted on
STEPS, EPOCHS = 500, 20  # of "auto": as many steps, and not fewer epochs
STARTS = {"pretrain": None, "freeze": None, "warm_start": False}  # what groups are fitted with


def check_groups(
    parameters: Parameters, X: Any, init: object = None, columns: object = None
) -> None:
    """Raise a ValueError before any work for what models of groups cannot be fitted with."""
    given = {name: getattr(parameters, name) for name in STARTS} | {"init": init}
    for name, value in given.items():
        if value != STARTS.get(name):
            raise ValueError(
                f"{name}={value!r} is not for groups, whose models all start anew: leave it out."
            )
    if not isinstance(parameters.early_stopping, str) and parameters.early_stopping:
        raise ValueError(
            "early_stopping=True is not for groups, whose models take a set number of steps: leave it "
            "out, or set max_epochs."
        )
    scaling = parameters.scaling
    if not isinstance(scaling, str | None) or scaling in ("asinh", "anscombe"):
        raise ValueError(
            f"scaling={scaling!r} is not for groups: take one of the names but 'asinh' and 'anscombe'."
        )
    asked: Any = parameters.columns or columns
    if isinstance(asked, Schema):
        raise ValueError(
            "columns is a Schema, and models of groups take plain numbers: leave columns out."
        )
    odd = not_for_groups(X, asked)
    if odd:
        raise ValueError(
            f"X has columns that models of groups, which take plain numbers, do not take "
            f"({by_reason(odd)}): drop, encode or fill them, or fit without groups."
        )


def rows_in_memory(X: Any) -> Any:
    """Return rows of a source that is small enough to be read; ValueError for a larger one."""
    source = as_source(X)
    if source is None:
        return X
    if source.is_fresh:
        raise ValueError(
            f"groups are for rows in memory, and those of {source.name} are drawn afresh in each "
            "epoch: leave groups out, or give an array."
        )
    if are_many(source):
        raise ValueError(
            f"groups are for rows in memory, and {source.name} has {len(source):,} rows, more than "
            "are read unasked: read it first, if they have room there, or fit some of its groups "
            "at a time."
        )
    return source.read(0, len(source))


def not_for_groups(X: Any, columns: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return by column why models of groups do not take it; nothing for what they take."""
    rows = as_images(X)
    return why_not_plain(rows, columns) if is_mixed(rows, columns) else {}


def by_reason(why: Mapping[str, str]) -> str:
    """Return columns by why they cannot be: `service, flag: words; sex: 10 cells missing`."""
    names: dict[str, list[str]] = {}
    for name, reason in why.items():
        names.setdefault(reason, []).append(name)
    parts = [f"{shortened(some, 8)}: {reason}" for reason, some in names.items()]
    return shortened(parts, 8, "; ")


class Grouped(NamedTuple):
    """Rows that models of groups are fitted on."""

    rows: Rows
    keys: Keys
    numbers: np.ndarray  # (n,), of the group of each row

    def that_count(self) -> Grouped:
        """Return the rows that weigh anything."""
        rows, counts = self.rows, self.rows.weight > 0
        if counts.all():
            return self
        kept = rows._replace(X=rows.X[counts], weight=rows.weight[counts])
        return self._replace(rows=kept, numbers=self.numbers[counts])


def fit_groups(
    ae: Autoencoder, X: Any, sample_weight: Any, groups: Any, on_epoch: Hook | None
) -> Fleet:
    """Fit the pooled model on up to 32,768 rows, drawn from all, and a model for each group.

    The pooled one is the last of the fleet.
    """
    keys, numbers = sorted_keys(groups)
    n = len(as_images(X))
    check_lengths(numbers, n)
    check_sizes(keys, numbers)
    seed = draw_seed(ae.random_state)
    some = np.arange(n)
    if n > MOST_POOLED:
        some = np.sort(np.random.default_rng((seed, 2**34)).choice(n, MOST_POOLED, replace=False))
        X_some = some_rows(X, some) if is_frame(X) else np.asarray(X)[some]
    else:
        X_some = X
    weight = None if sample_weight is None else np.asarray(sample_weight)[some]
    with _of_pooled_model():
        ae.fit(X_some, None, weight, on_epoch=on_epoch)
    flat = validate_rows(ae, X, reset=False, minimum=2)
    weight = validate_weights(sample_weight, flat)
    given = Grouped(Rows(flat, weight, ae.sample_shape_), keys, numbers).that_count()
    stack, places = fit_stack(ae, ae.slots_, given, seed)
    rows = np.bincount(given.numbers, minlength=len(keys))
    return Fleet(keys, places, rows, stack.with_last(ae.fitted_.model))


@contextmanager
def _of_pooled_model() -> Iterator[None]:
    """Say of warnings about training that they are of the pooled model, and of no group's."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for found in caught:
        of_training = issubclass(found.category, ConvergenceWarning)
        text = f"Of the pooled model: {found.message}" if of_training else str(found.message)
        warnings.warn(text, found.category, stacklevel=5)


def warn_of_pooled_start(ae: Autoencoder, init: object) -> None:
    """Warn where one model is to start from the weights of a model that has groups."""
    start = ae if init is None and ae.warm_start else init
    fleet = getattr(start, "fleet_", None)
    if fleet is not None:
        warnings.warn(
            f"The model to start from has a model for each of {fleet.n_groups:,} groups: training "
            "starts from the pooled one, and its result has no groups.",
            stacklevel=3,
        )


def check_lengths(numbers: np.ndarray, n: int) -> None:
    """Raise a ValueError unless there is a group for each row."""
    if len(numbers) != n:
        raise ValueError(
            f"X has {n} rows, and groups {len(numbers)} values: give one for each row."
        )


def check_sizes(keys: Keys, numbers: np.ndarray) -> None:
    """Raise a ValueError unless one of the groups has rows enough to train on."""
    if np.bincount(numbers).max() < LEAST_ROWS:
        raise ValueError(
            f"None of the {len(keys)} groups has {LEAST_ROWS} rows, which a model of its own takes: "
            "fit without groups."
        )


def in_groups(ae: Parameters, groups: Any, n: int) -> InGroups:
    """Return what n rows of these groups go through, by a model that has groups."""
    fleet = known_fleet(ae, ae.fleet_, groups).on(ae.device)
    places = fleet.find(groups, n)
    return InGroups(fleet.stack, np.where(places == POOLED, len(fleet.stack) - 1, places))


def errors_beside(
    ae: Parameters, rows: np.ndarray, groups: object
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the loss of predicting the training mean, and of the row itself."""
    if ae.fleet_ is None:
        return reference_errors(ae.fitted_.model.on(ae.device), rows)
    with warnings.catch_warnings():  # groups that were not seen are told of with the scores
        warnings.simplefilter("ignore", UserWarning)
        return in_groups(ae, groups, len(rows)).reference_errors(rows)


def of_group(ae: Autoencoder, group: object) -> Autoencoder:
    """Return the model of one group as an autoencoder of its own."""
    fleet = known_fleet(ae, ae.fleet_, group)
    place = fleet.place_of(group)
    if place == POOLED:
        place = len(fleet.stack) - 1
    return single(ae, Fitted(fleet.stack.model(place), {"phase": []}), ae)


def single(template: Autoencoder, fitted: Fitted, like: Any) -> Autoencoder:
    """Return a model as an autoencoder, with the columns of another estimator."""
    ae: Autoencoder = clone(template)
    ae.fitted_ = fitted
    ae.n_features_in_, ae.sample_shape_ = like.n_features_in_, like.sample_shape_
    if hasattr(like, "feature_names_in_"):
        ae.feature_names_in_ = like.feature_names_in_
    return ae


def known_fleet(estimator: object, fleet: Kind | None, groups: object) -> Kind:
    """Return the fleet; ValueError where groups are given and unknown, or known and not given."""
    name = type(estimator).__name__
    if fleet is None:
        raise ValueError(f"This {name} was fitted without groups: leave groups out.")
    if groups is None:
        raise ValueError(
            f"This {name} has a model for each group: give the group of each row, as groups=."
        )
    return fleet


class Part(NamedTuple):
    """The rows of one group, and how its model is trained on them."""

    number: int
    rows: np.ndarray  # numbers of rows
    steps: Steps

    @property
    def program(self) -> tuple[int, int, int]:
        """What groups that one program trains have in common."""
        room = room_for(len(self.rows))
        return room, min(self.steps.batch_size, room), self.steps.total


class Ready(NamedTuple):
    """A group's rows scaled, and its model before the first step."""

    prepared: Prepared
    learner: Learner


def fit_stack(
    parameters: Parameters, slots: Slots, given: Grouped, seed: int, steps: int = STEPS
) -> tuple[Stack, np.ndarray]:
    """Return a model for each group that has rows enough, and the place of each group's.

    Each is what a fit on the group's rows alone would be, within rounding, and the same to the bit
    whatever other groups there are.
    """
    parts, done = parts_of(parameters, given, seed, steps), Done()
    with (
        computing(parameters.dtype, parameters.device),
        Progress("groups", parameters.verbose, len(parts), "groups") as progress,
    ):
        for together in _companies(parts, given.rows.X):
            ready = [prepared_part(parameters, slots, given, part) for part in together]
            done.add(together, ready, *train_stacked([r.learner for r in ready], together[0].steps))
            progress(len(together))
    return done.stack(parameters, slots, given), done.places(given.keys)


class Done:
    """The models that are trained."""

    def __init__(self) -> None:
        self.nets: list[Net] = []
        self.parts: list[Part] = []
        self.ready: list[Prepared] = []
        self.finite: list[bool] = []

    def add(
        self, parts: Sequence[Part], ready: Sequence[Ready], nets: Net, finite: np.ndarray
    ) -> None:
        """Take in what one program trained; a model that diverged is none."""
        self.nets.append(jax.tree.map(lambda leaf: leaf[finite], nets))
        for part, one, good in zip(parts, ready, finite.tolist(), strict=True):
            self.parts.append(part)
            self.finite.append(good)
            self.ready += [one.prepared] * good
            self.first = one.learner.net

    def places(self, keys: Keys) -> np.ndarray:
        """Return the place of each group's model; one warning counts those that diverged."""
        found, bad = np.full(len(keys), POOLED), []
        place = iter(range(len(self.ready)))
        for part, good in zip(self.parts, self.finite, strict=True):
            if good:
                found[part.number] = next(place)
            else:
                bad.append(keys.text(keys.values[part.number]))
        if bad:
            warnings.warn(
                f"The models of {len(bad):,} groups, such as {bad[0]!r}, diverged, and the pooled "
                "model answers for them: lower learning_rate.",
                ConvergenceWarning,
                stacklevel=5,
            )
        return found

    def stack(self, parameters: Parameters, slots: Slots, given: Grouped) -> Stack:
        """Return the models in one."""
        if not self.ready:
            raise DivergenceError(
                "The models of all groups diverged: lower learning_rate, or the weights of the "
                "penalties."
            )
        one, e = self.ready[0], parameters
        shape, mean = given.rows.sample_shape, one.mean
        like = Model(slots, self.first, one.scaler, one.scaling, mean, shape, e.dtype, e.device)
        scalers = [ready.scaler for ready in self.ready if isinstance(ready.scaler, Affine)]
        return stacked_models(like, self.nets, scalers, [ready.mean for ready in self.ready])


def parts_of(parameters: Parameters, given: Grouped, seed: int, steps: int) -> list[Part]:
    """Return the groups with a model of their own, those together that one program trains."""
    order = np.argsort(given.numbers, kind="stable")
    bounds = np.searchsorted(given.numbers[order], np.arange(len(given.keys) + 1))
    counts = np.diff(bounds)
    found = [
        Part(i, order[bounds[i] : bounds[i + 1]], steps_of(parameters, int(counts[i]), seed, steps))
        for i in np.flatnonzero(counts >= LEAST_ROWS).tolist()
    ]
    if not found:
        raise ValueError(
            f"None of the {len(counts)} groups has {LEAST_ROWS} rows, which a model of its own takes: "
            "fit without groups."
        )
    return sorted(found, key=lambda part: (*part.program, len(part.rows)))


def steps_of(parameters: Parameters, n: int, seed: int, steps: int) -> Steps:
    """Return how a model of n rows is trained: for "auto" so many steps, and not fewer epochs."""
    asked = 128 if n < MANY_ROWS else 256
    batch_size = asked if parameters.batch_size == "auto" else int(parameters.batch_size)
    spe, epochs = -(-n // min(batch_size, n)), parameters.max_epochs
    total = max(steps, EPOCHS * spe) if isinstance(epochs, str) else epochs * spe
    return Steps(batch_size, total, float(parameters.learning_rate), seed % 2**32)


def _companies(parts: list[Part], X: np.ndarray) -> Iterator[list[Part]]:
    """Yield the groups of each program."""
    for (room, *_), found in groupby(parts, key=lambda part: part.program):
        alike, width = list(found), width_for(room, X.shape[1])
        yield from (alike[i : i + width] for i in range(0, len(alike), width))


def prepared_part(parameters: Parameters, slots: Slots, given: Grouped, part: Part) -> Ready:
    """Return the scaled rows of a group, and its net before the first step, as a fit has them."""
    e, X, weight = parameters, given.rows.X[part.rows], given.rows.weight[part.rows]
    rows = given.rows._replace(X=X, weight=weight)
    scaling = settle_scaling(e.scaling, rows, slots)
    with _named(given.keys, part.number):
        scaler = new_scaler(scaling, rows, np.arange(len(X)), slots)
        x = scaler.forward(X, e.dtype)
        if not np.isfinite(x).all():
            raise too_large(X, x, rows=part.rows)
        scaled = ScaledRows(x, weight, x[:0], weight[:0])
        prepared = as_prepared(scaling, scaler, scaled, rows, slots, e.dtype)
        net = build_net(e, slots, prepared, rows.sample_shape, part.steps.seed)
        check_scaled(prepared, net, slots)
    return Ready(
        prepared, Learner(slots.bound_objective(x, e.dtype, rows.sample_shape), net, x, weight)
    )


@contextmanager
def _named(keys: Keys, number: int) -> Iterator[None]:
    """Name the group in what is wrong with its rows."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"Group {keys.text(keys.values[number])!r}: {error}") from error

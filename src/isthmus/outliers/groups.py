"""How the judges of groups are fitted, and their thresholds settled."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from isthmus.autoencoder import (
    Grouped,
    Rows,
    as_images,
    check_groups,
    check_lengths,
    check_parameters,
    fit_stack,
)
from isthmus.fleet import POOLED, Fleet, sorted_keys
from isthmus.model import resolve_slots
from isthmus.outliers.absurd import tamed
from isthmus.outliers.constants import SHARED_SCALES, find_constants
from isthmus.outliers.judges import POWERS, Judges, runs_of
from isthmus.outliers.panel import UNSETTLED, combined, drawn, usual_of
from isthmus.outliers.recalibration import rows_for_threshold
from isthmus.outliers.rules import threshold_by
from isthmus.outliers.shrinkage import growth_of, noise_of, shrunk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isthmus.autoencoder import Autoencoder
    from isthmus.fleet import Keys
    from isthmus.outliers.divisions import Division
    from isthmus.outliers.parameters import DetectorParameters

STEPS = 300  # of a group's autoencoder
REFERENCES = 8  # of a group: a file of 10,000 groups holds them all
SETTLING = 2**17  # scores at most that the pooled threshold is settled by


class Groups(NamedTuple):
    """The groups that a detector is fitted on, and what their autoencoders are."""

    keys: Keys
    numbers: np.ndarray  # (n,), of each row
    template: Autoencoder


def check_unweighted(sample_weight: object) -> None:
    """Raise a ValueError for weights of rows."""
    if sample_weight is not None:
        raise ValueError("sample_weight is not for a detector of groups: leave one of them out.")


def not_exported(n_groups: int) -> str:
    """Return why a detector of groups has no ONNX form."""
    return (
        f"An ONNX file holds one model, and this detector has {n_groups:,} groups, which share its "
        "score: it cannot be exported. Decide by it with isthmus detect --model, or fit a detector on "
        "the rows of one group alone and export that."
    )


def new_groups(detector: DetectorParameters, template: Autoencoder, X: Any, groups: Any) -> Groups:
    """Return the groups of a fit, after checks before any work."""
    if detector.calibration == "cross":
        raise ValueError("calibration='cross' is not for groups: take 'split'.")
    keys, numbers = sorted_keys(groups)
    check_lengths(numbers, len(as_images(X)))
    check_groups(template, X, columns=detector.columns)
    check_parameters(template)
    return Groups(keys, numbers, template.set_params(verbose=detector.verbose))


def new_judges(
    detector: DetectorParameters,
    rows: np.ndarray,
    of: Groups,
    part: Division,
    pooled: np.ndarray,
    rng: np.random.Generator,
) -> Judges:
    """Return the judges of groups, with thresholds; `pooled` is how strange the members find rows."""
    train, held = part
    X, numbers = (rows[train], of.numbers[train]) if len(held) else (rows, of.numbers)
    X = tamed_by_group(X, numbers)
    given = Grouped(Rows(X, np.ones(len(X)), detector.sample_shape_), of.keys, numbers)
    judges, strange = fit_judges(detector, of.template, given, int(rng.integers(2**32)))
    own = ~np.isnan(strange)
    places = judges.fleet.places[numbers[own]]

    def rule(values: np.ndarray) -> float:
        return -threshold_by(detector, -values)

    least = rows_for_threshold(detector)
    found = with_thresholds(judges, rule, least, strange[own], places, rule(pooled), rng)
    return with_growth(found, rows, held, judges.fleet.places[of.numbers[held]])


def with_growth(judges: Judges, rows: np.ndarray, held: np.ndarray, places: np.ndarray) -> Judges:
    """Return judges that know how much stranger new rows look in small groups, by rows held out."""
    own = np.flatnonzero(places != POOLED)
    if not len(own):
        return judges
    order = own[np.argsort(places[own], kind="stable")]
    values = np.concatenate(
        [
            judges.raw(rows[held[some]], places[some])
            for some in (order[b] for b in runs_of(len(order)))
        ]
    )
    fleet, sizes = judges.fleet, np.empty(len(judges.factors))
    sizes[fleet.places[fleet.places != POOLED]] = fleet.rows[fleet.places != POOLED]
    growth = growth_of(values * judges.factors[places[order]], sizes[places[order]])
    return replace(judges, factors=judges.factors * np.exp(-growth / sizes))


def tamed_by_group(X: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return rows whose cells that are absurd in their group are brought to the end of the others."""
    result, order = X, np.argsort(numbers, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        mine = tamed(X[some])
        if mine.changed.any():
            result = X.copy() if result is X else result
            result[some] = mine.rows
    return result


class Sorted(NamedTuple):
    """Rows that groups with models of their own were trained on, those of a group together."""

    X: np.ndarray  # all rows
    chosen: np.ndarray  # (n,), the numbers of these among them
    numbers: np.ndarray  # (n,), of their models
    parts: list[slice]  # of each model


def fit_judges(
    detector: DetectorParameters,
    template: Autoencoder,
    given: Grouped,
    seed: int,
) -> tuple[Judges, np.ndarray]:
    """Return the judges of groups, and how strange they find the rows that they were fitted on.

    Factors are 1, and rows without a judge NaN.
    """
    slots = resolve_slots(template)
    stack, places = fit_stack(template, slots, given, seed, STEPS)
    sizes = np.bincount(given.numbers, minlength=len(given.keys))
    rows = _sorted_rows(given.rows.X, places[given.numbers], len(stack))
    found = _first_judges(Fleet(given.keys, places, sizes, stack), rows)
    asked = detector.n_references
    k = REFERENCES if isinstance(asked, str) else min(asked, REFERENCES)
    pools: Sequence[slice | np.ndarray] = rows.parts
    if detector.contamination != "none":  # the half of each group that looks most normal
        _, strange = _settled(_compared(found, rows, pools, 2 * REFERENCES, seed), rows)
        pools = [_better_half(strange, part) for part in rows.parts]
    found, strange = _settled(_compared(found, rows, pools, k, seed), rows)
    every = np.full(len(given.numbers), np.nan)
    every[rows.chosen] = strange
    return found, every


def _sorted_rows(X: np.ndarray, places: np.ndarray, count: int) -> Sorted:
    own = np.flatnonzero(places != POOLED)
    chosen = own[np.argsort(places[own], kind="stable")]
    numbers = places[chosen]
    bounds = np.searchsorted(numbers, np.arange(count + 1)).tolist()
    return Sorted(X, chosen, numbers, [slice(*pair) for pair in pairwise(bounds)])


def _first_judges(fleet: Fleet, rows: Sorted) -> Judges:
    """Return judges that compare with no rows yet: what is constant in each group."""
    count, d = fleet.stack.means.shape
    constants, costs = np.full((count, d), np.nan), np.ones(count)
    if fleet.stack.like.scaling not in SHARED_SCALES:
        for i, part in enumerate(rows.parts):
            found = find_constants(rows.X[rows.chosen[part]], fleet.stack.like.scaling)
            constants[i, found.columns], costs[i] = found.values, found.cost
    none = np.zeros((count, 1, d), fleet.stack.means.dtype)
    return Judges(fleet, none, np.ones((count, 2)), constants, costs, np.ones(count))


def _better_half(strange: np.ndarray, part: slice) -> np.ndarray:
    half = -(-(part.stop - part.start) // 2)
    order: np.ndarray = part.start + np.argsort(strange[part], kind="stable")[:half]
    return order


def _compared(
    judges: Judges, rows: Sorted, pools: Sequence[slice | np.ndarray], k: int, seed: int
) -> Judges:
    """Return judges that compare with k rows of each pool, drawn without regard to the others."""
    every = np.arange(len(rows.chosen))
    chosen = np.concatenate(
        [
            np.random.default_rng((seed, 2**35)).choice(every[pool], k, replace=False)
            for pool in pools
        ]
    )
    scaled = judges.fleet.stack.scaled(rows.X[rows.chosen[chosen]], rows.numbers[chosen])
    return replace(judges, references=scaled.reshape(len(pools), k, -1))


def _settled(judges: Judges, rows: Sorted) -> tuple[Judges, np.ndarray]:
    """Return judges that know what is usual in each group, and how strange its rows are."""
    terms = np.empty((2, len(rows.chosen)))
    for b in runs_of(len(rows.chosen)):
        terms[:, b] = judges.terms(rows.X[rows.chosen[b]], rows.numbers[b])
    usual = np.array([usual_of(*terms[:, part]) for part in rows.parts])
    judges = replace(judges, usual=usual)
    loss, distance = terms / usual[rows.numbers].T
    return judges, combined(loss, distance, UNSETTLED, POWERS)


def with_thresholds(
    judges: Judges,
    rule: Callable[[np.ndarray], float],
    least: int,
    strange: np.ndarray,
    numbers: np.ndarray,
    pooled: float,
    rng: np.random.Generator,
) -> Judges:
    """Return judges whose factors make one threshold of those of all groups.

    Parameters
    ----------
    judges : Judges
        Whose factors are 1.
    rule : callable
        Returns the threshold that scores settle.
    least : int
        How many scores it takes.
    strange, numbers : ndarray (n,)
        How strange rows are, and the numbers of their models.
    pooled : float
        The threshold of the members, by the same rule.
    rng : Generator
        By which chance is measured.
    """
    sizes = np.bincount(numbers, minlength=len(judges.factors))
    order = np.argsort(numbers, kind="stable")
    parts = np.split(strange[order], np.cumsum(sizes)[:-1])
    values = strange[drawn(len(strange), SETTLING, rng)]
    together = rule(values)
    own = np.array([rule(part) if len(part) >= least else np.nan for part in parts])
    noise = noise_of(rule, values, int(max(np.median(sizes), least)), rng)
    thresholds = shrunk(own, sizes, together, noise)
    return replace(judges, factors=together / thresholds, pooled_factor=together / pooled)

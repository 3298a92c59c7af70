"""Rows of mixed types on their way to the equation: what training rows say of their values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.special

from isthmus.model.bending import Bent
from isthmus.model.scaling import Affine, blocks, fit_scaler, scaler_of_moments
from isthmus.parts import Layout, Masking, Mixed, OnCells, plan
from isthmus.words import columns_named, is_or_are

if TYPE_CHECKING:
    from isthmus.model.moments import Moments
    from isthmus.model.scaling import Scaling
    from isthmus.model.slots import Slots
    from isthmus.parts import Corruption, Group, Loss
    from isthmus.schema import Schema

FLOOR = 0.1  # nats, and deviations of slots, at least: what a rare level can cost is bounded by it
SHARE = 0.1  # of what the best constant costs the median number, at least
LEAST = 1e-3  # probability of a level in PCA's answers, which may be negative
# What the distance between remade rows counts beside the loss. Where rows of titanic, german and adult
# are planted whose cells are other rows', 0.2 finds them at an area of 0.67 to 0.78, and 1 at 0.58 to
# 0.63; with 0 groups of attacks in NSL-KDD are at 0.80, not 0.96.
NEARNESS = 0.2


def layout_of(schema: Schema, corruption: tuple[Corruption, ...] = ()) -> Layout:
    """Return what the values of compact rows are.

    The encoder sees the absence of cells that were missing in training, or that masking hides.
    """
    hidden = any(isinstance(part, Masking) for part in corruption)
    return layout_with(
        schema, tuple(i for i, column in enumerate(schema.used) if column.gaps or hidden)
    )


def layout_with(schema: Schema, marked: tuple[int, ...]) -> Layout:
    """Return what the values of compact rows are, with these cells marked where they are missing."""
    return Layout(schema.values, marked)


def check_mixed(slots: Slots, scaling: Scaling, schema: Schema) -> None:
    """Raise a ValueError for slots that rows of mixed types cannot take."""
    _check_slots(slots)
    _check_scaling(scaling, schema)


def _check_slots(slots: Slots) -> None:
    loss, architecture = slots.loss, slots.architecture
    why = "and the table is of mixed types, or has missing cells"
    if loss.link != "identity" or not loss.by_column:
        raise ValueError(
            f"The loss {loss.name!r} cannot be that of the numbers of a table, {why}: choose 'mse', "
            "'mae', 'huber' or 'lp'."
        )
    posing = [part.name for part in slots.corruption if part.of_noise]
    if posing:
        raise ValueError(
            f"The corruption {posing[0]!r} is for rows of plain numbers, {why}: leave other columns "
            "out, and fill or drop missing cells first."
        )
    if architecture.spatial:
        raise ValueError(
            f"The architecture {architecture.name!r} is for images and signals, {why}: choose 'dense'."
        )
    output = getattr(architecture, "output", "auto")
    if output not in ("auto", "identity"):
        raise ValueError(f"The output {output!r} is for rows of numbers, {why}: leave it out.")


def _check_scaling(scaling: Scaling, schema: Schema) -> None:
    timed = [c.name for c in schema.used if c.kind in ("date", "time", "duration")]
    if scaling is None and timed:
        raise ValueError(
            f"The scaling None leaves numbers as they are, and {columns_named(timed[:5])} "
            f"{is_or_are(timed)} seconds, of which a net learns nothing: choose 'standard', or leave "
            "such columns out."
        )
    why = "and the table is of mixed types, or has missing cells"
    if scaling == "range":
        raise ValueError(f"The scaling 'range' is for columns of one kind, {why}: choose 'minmax'.")
    if scaling == "anscombe":
        raise ValueError(f"The scaling 'anscombe' is for counts alone, {why}: choose 'asinh'.")
    if not isinstance(scaling, str | None):
        raise ValueError(
            f"The scaling {scaling!r} is a transformer, {why}: choose one by its name, such as "
            "'standard' or 'robust'."
        )


def bind_slots(slots: Slots, loss: Mixed) -> Slots:
    """Return slots whose loss and corruptions know the values of compact rows."""
    cells = tuple(OnCells(part, loss.layout) for part in slots.corruption)
    return slots._replace(loss=loss, corruption=cells)


def fit_table_scaler(
    scaling: str | None, X: np.ndarray, weight: np.ndarray, layout: Layout
) -> Affine | Bent:
    """Learn the map of a settled scaling for the numbers of compact rows; others stay as they are."""
    numbers = plan(layout).numbers
    maps = _unmoved(X.shape[1])
    for columns in _scaled_together(numbers, np.isnan(X[:, numbers]).any(axis=0)):
        there = ~np.isnan(X[:, columns]).any(axis=1)
        if there.any():
            fitted = fit_scaler(scaling, X[np.ix_(there, columns)], weight[there])
            assert isinstance(fitted, Affine | Bent)
            _place(maps, columns, fitted)
    return Bent(*maps) if scaling == "asinh" else Affine(*maps[:2])


def table_scaler_of_moments(scaling: str | None, known: Moments, layout: Layout) -> Affine:
    """Learn the map of a settled scaling that needs no quantiles, by what is known of the values."""
    numbers, maps = plan(layout).numbers, _unmoved(len(known.low))
    for columns in _scaled_together(numbers, known.gaps[numbers]):
        if (known.low[columns] <= known.high[columns]).any():
            fitted = scaler_of_moments(scaling, known.of(columns))
            assert isinstance(fitted, Affine)
            _place(maps, columns, fitted)
    return Affine(*maps[:2])


def _unmoved(d: int) -> list[np.ndarray]:
    """Return centre, scale, middle and unit of values that stay as they are."""
    return [np.zeros(d), np.ones(d), *np.zeros((2, d))]


def _scaled_together(numbers: np.ndarray, gaps: np.ndarray) -> list[np.ndarray]:
    """Return the columns without missing cells, which floor each other, and each of the others."""
    return [columns for columns in (numbers[~gaps], *numbers[gaps][:, None]) if len(columns)]


def _place(maps: list[np.ndarray], columns: np.ndarray, fitted: Affine | Bent) -> None:
    for whole, part in zip(maps, fitted, strict=False):
        whole[columns] = part


class Present(NamedTuple):
    """The training rows, and what is there of them."""

    filled: np.ndarray  # (n, values), 0 where a cell is missing
    weight: np.ndarray  # (n, values), 0 too

    def mean(self, columns: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return weighted means by column over the cells that are there; 0 where none is."""
        weight = self.weight[:, columns]
        total = weight.sum(axis=0)
        return (weight * values).sum(axis=0) / np.where(total > 0, total, 1)


class Known(NamedTuple):
    """What the training rows say of some values: by slot, and by value what the constant costs."""

    constant: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    cost: np.ndarray


def bind_loss(
    numbers: Loss,
    layout: Layout,
    x: np.ndarray,
    weight: np.ndarray,
    column_weights: np.ndarray,
) -> Mixed:
    """Return the loss of rows of mixed types, from scaled compact rows and the columns' weights."""
    p, there = plan(layout), ~np.isnan(x)
    rows = Present(np.where(there, x, 0).astype(float), weight[:, None] * there)
    known = [_of_numbers(numbers, rows, p.numbers), _of_flags(rows, p.flags)]
    known += [_of_turns(rows, p.turns), *(_of_levels(rows, group) for group in p.groups)]
    marks = np.zeros(len(p.marks))
    known.append(Known(marks, marks, marks, np.zeros(0)))
    constant, centre, scale, cost = (np.concatenate(parts) for parts in zip(*known, strict=True))
    share = column_weights[p.cells] / np.bincount(p.cells)[p.cells]
    share = np.where(rows.weight.sum(axis=0) > 0, share, 0.0)  # nothing was learned of the others
    price = share / cost[np.argsort(p.order)]
    return Mixed(numbers, layout, centre, scale, price, share, constant)


def _of_numbers(loss: Loss, rows: Present, columns: np.ndarray) -> Known:
    """Return what is known of numbers; the answer is their mean or median, as the loss likes better."""
    k, x, weight = len(columns), rows.filled[:, columns], rows.weight[:, columns]
    mean = rows.mean(columns, x)
    answers = [mean, np.array([_median(*pair) for pair in zip(x.T, weight.T, strict=True)])]
    costs = np.array([rows.mean(columns, _number_costs(loss, a, x)) for a in answers])
    costs = costs.reshape(2, k)
    best = costs.argmin(axis=0)
    constant = np.choose(best, [answers[0], answers[1].reshape(k)])
    cost = costs.min(axis=0)
    some = cost[cost > 0]
    usual = np.median(some) if len(some) else 1.0
    return Known(constant, mean, np.ones(k), np.maximum(cost, SHARE * usual))


def _number_costs(loss: Loss, answer: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return what a constant answer costs for each number."""
    columns: Any = loss.columns  # NumPy's arrays will do
    parts = [columns(np.broadcast_to(answer, x[b].shape), x[b]) for b in blocks(x)]
    return x.shape[1] * np.concatenate([np.asarray(part, float) for part in parts])


def _median(x: np.ndarray, weight: np.ndarray) -> float:
    there = weight > 0
    if not there.any():
        return 0.0
    return float(np.quantile(x[there], 0.5, weights=weight[there], method="inverted_cdf"))


def _of_flags(rows: Present, columns: np.ndarray) -> Known:
    q = rows.mean(columns, rows.filled[:, columns])
    deviation = np.sqrt(q * (1 - q))
    cost = entropy(np.stack([q, 1 - q]))
    return Known(q, q, 1 / np.maximum(deviation, FLOOR), np.maximum(cost, FLOOR))


def _of_turns(rows: Present, columns: np.ndarray) -> Known:
    angle = 2 * np.pi * rows.filled[:, columns]
    points = [rows.mean(columns, f(angle)) for f in (np.sin, np.cos)]
    left = np.maximum(1 - points[0] ** 2 - points[1] ** 2, FLOOR)
    point = np.concatenate(points)
    return Known(point, point, np.tile(1 / np.sqrt(left), 2), left)


def _of_levels(rows: Present, group: Group) -> Known:
    shares = np.zeros(group.real.shape)
    for share, v in zip(shares, group.values, strict=True):
        counts = np.bincount(rows.filled[:, v].astype(int), rows.weight[:, v], group.size)
        share += counts / max(counts.sum(), 1e-300)
    spread = np.sqrt(np.maximum(1 - (shares**2).sum(axis=1), FLOOR**2))
    cost = np.maximum(entropy(shares.T), FLOOR)
    return Known(shares.ravel(), shares.ravel(), (group.real / spread[:, None]).ravel(), cost)


def entropy(shares: np.ndarray) -> np.ndarray:
    """Return the entropy of each column of shares, in nats."""
    return np.asarray(scipy.special.entr(shares).sum(axis=0))


# -- what a model of mixed rows is measured against ------------------------------------------------


def answers_of_wide(loss: Mixed, wide: np.ndarray) -> np.ndarray:
    """Return outputs of what the encoder might see, such as PCA's: shares are made of levels' slots."""
    p, (k, f) = plan(loss.layout), loss.counts
    seen = np.asarray(loss.scale) > 0
    out = np.where(seen, wide / np.where(seen, loss.scale, 1) + loss.centre, 0)
    out[:, k : k + f] = np.clip(out[:, k : k + f], LEAST, 1 - LEAST)
    for g in p.groups:
        block = slice(g.begin, g.begin + g.real.size)
        shares = np.clip(out[:, block], LEAST, 1).reshape(len(wide), *g.real.shape) * g.real
        out[:, block] = (shares / shares.sum(axis=2, keepdims=True)).reshape(len(wide), -1)
    return out


def placed(loss: Mixed, outputs: np.ndarray) -> np.ndarray:
    """Return outputs in units in which squared distances are sums of what the columns add."""
    return (outputs - loss.constant) * units_of_distance(loss)


def units_of_distance(loss: Mixed) -> np.ndarray:
    """Return the scale of each slot where rows are compared: what the encoder sees, by weight."""
    share = np.asarray(loss.share, float)[plan(loss.layout).owner]
    return np.asarray(loss.scale * np.sqrt(NEARNESS * share))


def weight_there(loss: Mixed, rows: np.ndarray) -> np.ndarray:
    """Return the weight of the cells of each compact row that are there; 1 where none is."""
    weight = ~np.isnan(rows) @ np.asarray(loss.share, float)
    return np.where(weight > 0, weight, 1.0)


def reweighed(loss: Mixed, weights: np.ndarray) -> Mixed:
    """Return the loss with each column's weight multiplied; they stay as large in all."""
    share = np.asarray(loss.share, float)
    each = weights[plan(loss.layout).cells]
    each = each * (share.sum() / (share * each).sum())
    return replace(loss, price=np.asarray(loss.price) * each, share=share * each)


def compact_rows(loss: Mixed, outputs: np.ndarray) -> np.ndarray:
    """Return scaled compact rows of outputs: the most probable levels, and never "other"."""
    p, (k, f) = plan(loss.layout), loss.counts
    rows = np.zeros((len(outputs), len(p.cells)))
    rows[:, p.numbers] = outputs[:, :k]
    rows[:, p.flags] = outputs[:, k : k + f] > 0.5
    t, begin = len(p.turns), k + f
    sine, cosine = outputs[:, begin : begin + t], outputs[:, begin + t : begin + 2 * t]
    rows[:, p.turns] = np.arctan2(sine, cosine) / (2 * np.pi) % 1.0
    for g in p.groups:
        block = slice(g.begin, g.begin + g.real.size)
        named = np.where(p.named[block], outputs[:, block], -1)
        rows[:, g.values] = named.reshape(len(rows), *g.real.shape).argmax(axis=2)
    return rows


def probabilities(loss: Mixed, outputs: np.ndarray) -> dict[int, np.ndarray]:
    """Return by the number of the value its levels' probabilities, (n, size), or a flag's, (n,)."""
    p, (k, f) = plan(loss.layout), loss.counts
    found = dict(zip(map(int, p.flags), outputs[:, k : k + f].T, strict=True))
    for g in p.groups:
        block = outputs[:, g.begin : g.begin + g.real.size].reshape(len(outputs), *g.real.shape)
        for i, v in enumerate(g.values):
            found[int(v)] = block[:, i, : loss.layout.values[v].size]
    return found


def by_cell(layout: Layout, by_value: np.ndarray) -> np.ndarray:
    """Add up what the values of each cell add to a loss, (n, values) -> (n, cells)."""
    first = np.flatnonzero(np.diff(plan(layout).cells, prepend=-1))
    return np.add.reduceat(by_value, first, axis=1)


def slots_by_cell(layout: Layout, by_slot: np.ndarray) -> np.ndarray:
    """Add up what the slots of each cell say, (n, width) -> (n, cells)."""
    p = plan(layout)
    cells, order = p.cells[p.owner], np.argsort(p.cells[p.owner], kind="stable")
    first = np.flatnonzero(np.diff(cells[order], prepend=-1))
    return np.add.reduceat(by_slot[:, order], first, axis=1)

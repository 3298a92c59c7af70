"""The equation on tables of mixed types as ONNX nodes: each function as `Mixed` computes it.

Rows `x` are compact and scaled, NaN where a cell is missing; `a` are the net's outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.nets import ACTIVATIONS, softplus_nodes

if TYPE_CHECKING:
    from isthmus.nets import Graph
    from isthmus.parts.losses import Loss
    from isthmus.parts.tables import Group, Mixed, Plan

SURE = 1e-7  # how near to 0 and 1 a probability counts
FAR = -1e9  # the logit of what is no level


def seen_nodes(g: Graph, mixed: Mixed, p: Plan, x: str) -> str:
    """Add the nodes of the wide rows that the encoder sees."""
    there, filled = _filled(g, x)
    turns = [f(g, filled, p) for f in (_sines, _cosines)] if len(p.turns) else []
    parts = [_taken(g, filled, part) for part in (p.numbers, p.flags) if len(part)] + turns
    parts += [_flat(g, g.cast(_is_level(g, filled, group), "float"), group) for group in p.groups]
    slots = p.width - len(p.marks)
    wide = g.add("Sub", _joined(g, parts), np.asarray(mixed.centre)[:slots])
    wide = g.add("Mul", wide, np.asarray(mixed.scale)[:slots])
    parts = [g.add("Where", _taken(g, there, p.owner[:slots]), wide, 0.0)]
    if len(p.marks):
        parts.append(g.cast(g.add("Not", _taken(g, there, p.marks)), "float"))
    return _joined(g, parts)


def shown_nodes(g: Graph, p: Plan, a: str) -> str:
    """Add the nodes of outputs with probabilities in place of logits; marks are 0."""
    k, f = len(p.numbers), len(p.flags)
    parts = [_part(g, a, 0, k)] if k else []
    sigmoid = ACTIVATIONS["sigmoid"].onnx
    assert sigmoid is not None
    if f:
        parts.append(sigmoid(g, _part(g, a, k, k + f)))
    if len(p.turns):
        parts.append(_part(g, a, k + f, k + f + 2 * len(p.turns)))
    for group in p.groups:
        shares = g.add("Softmax", _logits(g, a, group), axis=2)
        parts.append(_flat(g, shares, group))
    if len(p.marks):
        parts.append(g.add("Mul", _part(g, a, p.width - len(p.marks), p.width), 0.0))
    return _joined(g, parts)


def loss_nodes(g: Graph, mixed: Mixed, p: Plan, a: str, x: str, *, linear: bool) -> str | None:
    """Add the nodes of each row's loss; None where the loss of numbers has no form.

    Outputs are `linear`, or have probabilities.
    """
    there, filled = _filled(g, x)
    parts, k, f = [], len(p.numbers), len(p.flags)
    if k:
        numbers = _of_numbers(g, mixed.numbers, p, _part(g, a, 0, k), filled)
        if numbers is None:
            return None
        parts.append(numbers)
    if f:
        flags = _of_flags if linear else _of_shown_flags
        parts.append(flags(g, _part(g, a, k, k + f), _taken(g, filled, p.flags)))
    if len(p.turns):
        parts.append(_of_turns(g, p, a, filled))
    levels = _of_levels if linear else _of_shown_levels
    parts += [levels(g, group, a, filled) for group in p.groups]
    return _row(g, mixed, p, _joined(g, parts), there)


def _row(g: Graph, mixed: Mixed, p: Plan, costs: str, there: str) -> str:
    price, share = np.asarray(mixed.price), np.asarray(mixed.share)
    priced = g.add("Mul", costs, price[p.order])
    with g.rows_of(len(p.cells)):
        cost = g.row_sum(g.add("Where", _taken(g, there, p.order), priced, 0.0))
        weight = g.row_sum(g.add("Where", there, share, 0.0))
    some = g.add("Greater", weight, 0.0)
    return g.add("Div", cost, g.add("Where", some, weight, 1.0))


def _of_numbers(g: Graph, loss: Loss, p: Plan, a: str, filled: str) -> str | None:
    """Return what each number costs by itself, as rows of one number."""
    one = [g.add("Reshape", v, [-1, 1]) for v in (a, _taken(g, filled, p.numbers))]
    with g.rows_of(1):
        cost = loss.onnx_excess(g, *one)
    return None if cost is None else g.add("Reshape", cost, [-1, len(p.numbers)])


def _of_flags(g: Graph, logit: str, flag: str) -> str:
    cost = g.add("Sub", softplus_nodes(g, logit), g.add("Mul", flag, logit))
    return g.add("Min", cost, float(-np.log(SURE)))


def _of_shown_flags(g: Graph, hit: str, flag: str) -> str:
    hit = g.add("Clip", hit, SURE, 1 - SURE)
    own = g.add("Where", g.add("Greater", flag, 0.0), hit, g.add("Sub", 1.0, hit))
    return g.add("Neg", g.add("Log", own))


def _of_turns(g: Graph, p: Plan, a: str, filled: str) -> str:
    begin, t = len(p.numbers) + len(p.flags), len(p.turns)
    gaps = [
        g.add("Sub", _part(g, a, begin + i * t, begin + (i + 1) * t), point(g, filled, p))
        for i, point in enumerate((_sines, _cosines))
    ]
    return g.add("Add", *[g.add("Mul", gap, gap) for gap in gaps])


def _of_levels(g: Graph, group: Group, a: str, filled: str) -> str:
    logs = g.add("LogSoftmax", _logits(g, a, group), axis=2)
    return g.add("Min", g.add("Neg", _chosen(g, group, logs, filled)), float(-np.log(SURE)))


def _of_shown_levels(g: Graph, group: Group, a: str, filled: str) -> str:
    own = _chosen(g, group, _block(g, a, group), filled)
    return g.add("Neg", g.add("Log", g.add("Clip", own, SURE, 1.0)))


def _chosen(g: Graph, group: Group, by_level: str, filled: str) -> str:
    """Return what is said of each value's own level, (n, values)."""
    own = g.add("Where", _is_level(g, filled, group), by_level, 0.0)
    return g.add("ReduceSum", own, [2], keepdims=0)


# -- pieces ----------------------------------------------------------------------------------------


def _filled(g: Graph, x: str) -> tuple[str, str]:
    """Return which cells are there, and rows with 0 for those that are not."""
    there = g.add("Not", g.add("IsNaN", x))
    return there, g.add("Where", there, x, 0.0)


def _taken(g: Graph, rows: str, columns: np.ndarray) -> str:
    return g.add("Gather", rows, columns.tolist(), axis=1)


def _part(g: Graph, rows: str, begin: int, end: int) -> str:
    return g.add("Slice", rows, [begin], [end], [1])


def _joined(g: Graph, parts: list[str]) -> str:
    return g.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _sines(g: Graph, filled: str, p: Plan) -> str:
    return g.add("Sin", g.add("Mul", _taken(g, filled, p.turns), 2 * np.pi))


def _cosines(g: Graph, filled: str, p: Plan) -> str:
    return g.add("Cos", g.add("Mul", _taken(g, filled, p.turns), 2 * np.pi))


def _is_level(g: Graph, filled: str, group: Group) -> str:
    """Return which level each value has, (n, values, size)."""
    values = g.add("Unsqueeze", _taken(g, filled, group.values), [2])
    return g.add("Equal", values, np.arange(group.size))


def _block(g: Graph, a: str, group: Group) -> str:
    """Return a group's slots, (n, values, size)."""
    block = _part(g, a, group.begin, group.begin + group.real.size)
    return g.add("Reshape", block, [0, *group.real.shape])


def _logits(g: Graph, a: str, group: Group) -> str:
    logits = _block(g, a, group)
    return logits if group.real.all() else g.add("Where", g.exact(group.real), logits, FAR)


def _flat(g: Graph, by_level: str, group: Group) -> str:
    return g.add("Reshape", by_level, [0, group.real.size])

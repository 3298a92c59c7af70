"""A detector as ONNX: its score, minus the mean of its members' strangeness, and its decision."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from isthmus.io import write_model_bytes
from isthmus.model import (
    DRAWS,
    TOLERANCE,
    add_code,
    add_decoding,
    add_loss,
    check_equal,
    check_exportable,
    check_opset,
    check_packages,
    decided_rows,
    feed_of,
    graph_of,
    input_rows,
    metadata,
    named_bytes,
    on_processor,
    probe_rows,
    rounded_anew,
    rounding,
    rows_within,
    scaled_input,
    units_of_distance,
    unused_name,
)
from isthmus.nets import OPSET, End
from isthmus.outliers.members import panels_of, strangeness
from isthmus.outliers.panel import LARGEST, LEAST, POWERS, apart
from isthmus.parts import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from isthmus.model import Model, Names
    from isthmus.nets import Graph
    from isthmus.outliers.members import Member
    from isthmus.outliers.panel import Panel
    from isthmus.parts import Mixed

NEAR = 8  # reference rows whose distance is computed again, from the differences
ROUNDING = apart(np.float32)  # of squared lengths: two rows are then the same
SAME = 1e-5  # of usual values: rounding may part a row from itself so far


def export_members(
    members: Sequence[Member],
    path: str | Path,
    offset: float,
    names: Names = None,
    opset: int = OPSET,
    *,
    decides: bool = True,
) -> None:
    """Write a detector's score as ONNX; see `OutlierDetector.export`.

    `decides` is whether rows with scores below the offset are outliers.
    """
    check_opset(opset)
    models = [member.model for member in members]
    for model in models:
        check_exportable(model, "strangeness")
    check_packages()
    with np.errstate(over="ignore", invalid="ignore"):
        content = _content(members, offset, names, opset, decides=decides)
        X = rows_within(models[0], probe_rows(models[0]))
        want = -_strangeness_by(members, X, on_processor)
        again = (
            -_strangeness_by(members, X, partial(rounded_anew, seed=seed)) for seed in range(DRAWS)
        )
        decided = np.all([decided_rows(model, X) for model in models], axis=0)
        allowed = TOLERANCE * (np.abs(want) + np.median(np.abs(want))) + rounding(want, again)
        check_equal(content, feed_of(models[0], X), want, allowed, decided)
    write_model_bytes(path, content)


def _strangeness_by(
    members: Sequence[Member], X: np.ndarray, changed: Callable[[Model], Model]
) -> np.ndarray:
    """Return how strange rows are to members whose models are changed in some way."""
    panels = panels_of(members)
    if not panels:
        return strangeness([m._replace(model=changed(m.model)) for m in members], X)
    other = (replace(p, models=tuple(changed(model) for model in p.models)) for p in panels)
    by_panel: np.ndarray = np.mean([panel.strangeness(X) for panel in other], axis=0)
    return by_panel


def _content(
    members: Sequence[Member], offset: float, names: Names, opset: int, *, decides: bool
) -> bytes:
    first, panels = members[0].model, panels_of(members)
    graph = graph_of(first, opset)
    rows = input_rows(graph, first)
    if panels:
        made = [_of_panel(graph, k, panel, rows) for k, panel in enumerate(panels)]
    else:
        made = [_strangeness(graph, k, member, rows) for k, member in enumerate(members)]
    result = graph.finite(graph.add("Neg", _mean_of(graph, made)), -LARGEST)
    facts = {**metadata(first, names), "threshold": str(offset)}
    if not decides:
        return named_bytes(graph, first, result, "score", (), facts)
    limit = unused_name(first, "threshold")
    graph.arrays[limit] = np.array([offset], np.float32)
    outlier = {graph.add("Less", result, limit): End(unused_name(first, "is_outlier"), "bool")}
    return named_bytes(graph, first, result, "score", (), facts, outlier, [limit])


def _mean_of(g: Graph, values: list[str]) -> str:
    """Return the mean of as many tensors."""
    total = values[0]
    for value in values[1:]:
        total = g.add("Add", total, value)
    return g.add("Div", total, float(len(values)))


def _of_panel(g: Graph, number: int, panel: Panel, rows: str) -> str:
    """Return how strange rows are to a panel: powers of its loss and of its distance."""
    losses, model = [], panel.models[0]
    for k, member in enumerate(panel.models):
        g.prefix = f"panel.{number}.member.{k}."
        x = scaled_input(g, member, rows)
        z = add_code(g, member.net, member.slots.loss, member.slots.sparsity, x)
        losses.append(
            add_loss(g, member.slots.loss, add_decoding(g, member.net, member.slots.loss, z), x)
        )
    g.prefix = f"panel.{number}."
    parts = _mean_of(g, losses), _distance(g, scaled_input(g, model, rows), panel.references)
    strange = ""
    for part, usual, power in zip(parts, panel.usual, POWERS, strict=True):
        cost = panel.constants.onnx(g, rows, g.finite(part, LARGEST))
        base = g.add("Add", g.add("Div", cost, usual), LEAST)
        factor = g.add("Pow", base, power)
        strange = g.add("Mul", strange, factor) if strange else factor
    return strange


def _distance(g: Graph, x: str, references: np.ndarray) -> str:
    """Return the mean over draws of the least mean squared difference from another row."""
    draws, k, width = references.shape
    middle = references.mean(axis=(0, 1), dtype=float)
    around = (references.swapaxes(0, 1) - middle).reshape(-1, width)
    own = g.add("Sub", x, middle)
    with g.rows_of(width):
        length = g.row_sum(g.add("Mul", own, own))
    lengths = g.add("Add", g.add("Unsqueeze", length, [1]), (around**2).sum(axis=1))
    far = g.add("Add", g.add("MatMul", own, -2 * around.T), lengths)
    near = g.add("LessOrEqual", far, g.add("Mul", lengths, ROUNDING))
    far = g.add("Reshape", g.add("Where", near, 0.0, far), [0, k, draws])
    same = g.add("Equal", far, 0.0)
    count = g.add("ReduceSum", g.cast(same, "float"), [1], keepdims=0)
    least, other = g.least(far, 1), g.least(g.add("Where", same, LARGEST, far), 1)
    near = least if k == 1 else g.add("Where", g.add("Equal", count, 1.0), other, least)
    return g.add("Div", g.mean(near, [1]), float(width))


def _strangeness(g: Graph, number: int, member: Member, rows: str) -> str:
    """Return a member's loss of each row plus its distance to the nearest of the reference rows."""
    g.prefix = f"member.{number}."
    model, known = member.model, member.known()
    x = scaled_input(g, model, rows)
    z = add_code(g, model.net, model.slots.loss, model.slots.sparsity, x)
    y = add_decoding(g, model.net, model.slots.loss, z)
    if model.mixed is None:
        nearest = _nearest(g, y, known)
    else:
        nearest = _nearest_there(g, model.mixed, x, y, known)
    strange = g.add("Add", add_loss(g, model.slots.loss, y, x), nearest)
    return member.constants.onnx(g, rows, strange, double=model.mixed is not None)


def _nearest_there(g: Graph, mixed: Mixed, x: str, y: str, known: np.ndarray) -> str:
    """Return the distance of rows of mixed types, as a mean over the cells that are there."""
    p = plan(mixed.layout)
    there = g.cast(g.add("Not", g.add("IsNaN", x)), "float")
    with g.rows_of(len(p.cells)):
        weight = g.row_sum(g.add("Mul", there, np.asarray(mixed.share)))
    slots = g.add("Gather", there, p.owner.tolist(), axis=1)
    y = g.add("Mul", g.add("Sub", y, np.asarray(mixed.constant)), units_of_distance(mixed))
    total = g.add("Mul", _nearest(g, y, known, slots), float(p.width))
    some = g.add("Greater", weight, 0.0)
    return g.add("Div", total, g.add("Where", some, weight, 1.0))


def _nearest(g: Graph, y: str, known: np.ndarray, there: str = "") -> str:
    """Return the mean squared distance from each row to the nearest known one but itself.

    Of several draws of known rows (draws, k, d) the mean. Products find a few rows that are near, and
    differences tell how far they are. `there` is 1 for what counts of each row and 0 for what does not.
    """
    d, n = known.shape[-1], known.shape[-2]
    flat, draws, size = known.reshape(-1, d), known.size // (n * d), min(NEAR, n)
    middle = flat.mean(axis=0)
    around = flat - middle
    own = g.add("Sub", y, middle)
    far = g.add("MatMul", g.add("Mul", own, there) if there else own, -2 * around.T)
    squares = around.astype(float) ** 2
    far = g.add("Add", far, g.add("MatMul", there, squares.T) if there else np.sum(squares, axis=1))
    far = g.add("Reshape", far, [0, draws, n])
    rows = g.add("TopK", far, [size], outputs=2, axis=2, largest=0)
    rows = g.add("Add", rows, [[n * i] for i in range(draws)])
    gap = g.add("Sub", g.add("Unsqueeze", y, [1, 2]), g.add("Gather", g.array(flat), rows, axis=0))
    gap = g.add("Mul", gap, g.add("Unsqueeze", there, [1, 2])) if there else gap
    apart = g.row_mean(g.add("Mul", gap, gap), before=3)
    if size > 1:
        limit = SAME**2 * (1 + float(np.mean(flat.astype(float) ** 2)))
        apart = _but_itself(g, apart, limit)
    return g.mean(apart, [1, 2] if size == 1 else [1])


def _but_itself(g: Graph, apart: str, limit: float) -> str:
    """Return the least of each row's distances to a draw, or the next where that is about 0."""
    places = g.add("TopK", apart, [2], outputs=2, axis=2, largest=0)
    two = g.add("GatherElements", apart, places, axis=2)
    first, second = (g.add("Gather", two, g.whole(i), axis=2) for i in (0, 1))
    return g.add("Where", g.add("LessOrEqual", first, limit), second, first)

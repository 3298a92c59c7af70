"""Scalings as ONNX nodes, in float64: on the way to the net, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.model.bending import Bent
from isthmus.model.counting import BACK, LEAST, SHIFT, Rooted
from isthmus.model.scaling import Affine

if TYPE_CHECKING:
    from isthmus.nets import Graph

Lines = Affine | Bent | Rooted


def forward_nodes(g: Graph, x: str, scaler: Lines) -> str:
    """Add the nodes of scaled rows, float32, of rows in float64."""
    if isinstance(scaler, Bent) and scaler.unit.any():
        some, middle, unit = _bending(scaler)
        far = g.add("Div", g.add("Sub", x, g.double(middle)), g.double(unit))
        x = g.add("Where", g.exact(some), _asinh(g, far), x)
    if isinstance(scaler, Rooted):
        root = g.add("Sqrt", g.add("Add", x, g.double(SHIFT)))
        x = g.add("Mul", root, g.double(2.0))
    centred = g.add("Sub", x, g.double(scaler.centre))
    return g.cast(g.add("Div", centred, g.double(scaler.scale)), "float")


def back_nodes(g: Graph, y: str, scaler: Lines, columns: slice | int = slice(None)) -> str:
    """Add the nodes of rows in the data's units, float64, from scaled ones; or of one column."""
    scale, centre = scaler.scale[columns], scaler.centre[columns]
    t = g.add("Mul", g.cast(y, "double"), g.double(scale))
    t = g.add("Add", t, g.double(centre))
    if isinstance(scaler, Rooted):
        return _counts(g, t)
    if not isinstance(scaler, Bent) or not np.any(scaler.unit[columns]):
        return t
    some, middle, unit = (v[columns] for v in _bending(scaler))
    far = g.add("Add", g.add("Mul", _sinh(g, t), g.double(unit)), g.double(middle))
    return g.add("Where", g.exact(np.asarray(some)), far, t)


def _bending(scaler: Bent) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which columns are bent, about what, and by which unit."""
    some = scaler.unit > 0
    return some, scaler.middle, np.where(some, scaler.unit, 1)


def _counts(g: Graph, t: str) -> str:
    """Return the means of counts whose roots have these means."""
    t = g.add("Max", t, g.double(LEAST))
    inverse, total = g.add("Div", g.double(1.0), t), g.double(BACK[-1])
    for factor in BACK[-2::-1]:
        total = g.add("Add", g.add("Mul", total, inverse), g.double(factor))
    squared = g.add("Mul", g.add("Mul", t, t), g.double(0.25))
    return g.add("Max", g.add("Add", squared, total), g.double(0.0))


def _asinh(g: Graph, x: str) -> str:
    """Return asinh, which ONNX Runtime has in float32 alone."""
    size = g.add("Abs", x)
    root = g.add("Sqrt", g.add("Add", g.add("Mul", x, x), g.double(1.0)))
    return g.add("Mul", g.add("Sign", x), g.add("Log", g.add("Add", size, root)))


def _sinh(g: Graph, x: str) -> str:
    apart = g.add("Sub", g.add("Exp", x), g.add("Exp", g.add("Neg", x)))
    return g.add("Mul", apart, g.double(0.5))

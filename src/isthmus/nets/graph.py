"""ONNX graphs while they grow: layers and parts add the nodes of what they compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


OLDEST_OPSET, OPSET = 13, 20  # versions of ONNX's operators that a graph can be written in


class Stored(NamedTuple):
    """An array with the name that it has in the file."""

    name: str
    value: np.ndarray


class Node(NamedTuple):
    """One operation, by the names of what goes in and comes out."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, object]


class Graph:
    """Nodes and arrays, as they are added; an array that is given again by its name is stored once.

    Values are named by text. `prefix` keeps the arrays of several nets apart. `opset` is the version
    of ONNX's operators: its methods are right for all, and what else is added must be known to it.

    Examples
    --------
    >>> graph = Graph()
    >>> error = graph.add("Sub", "y", "x")
    >>> graph.row_mean(graph.add("Mul", error, error))
    'ReduceMean_2'
    """

    def __init__(self, opset: int = OPSET) -> None:
        self.prefix, self.opset = "", opset
        self.nodes: list[Node] = []
        self.arrays: dict[str, np.ndarray] = {}

    def add(
        self, kind: str, *inputs: ArrayLike | Stored, outputs: int = 1, **attributes: object
    ) -> str:
        """Add a node and return the name of its last output; an input that is no name is a constant."""
        names = [value if isinstance(value, str) else self._stored(value) for value in inputs]
        name = f"{kind}_{len(self.nodes)}"
        made = [*(f"{name}_{i}" for i in range(outputs - 1)), name]
        self.nodes.append(Node(kind, names, made, attributes))
        return name

    def array(self, value: ArrayLike, name: str = "") -> str:
        """Store numbers as float32, or sizes (in a list) as int64, and return the name.

        Another array under a name that is taken, such as a turned weight, gets a name of its own.
        """
        array = np.ascontiguousarray(value, np.int64 if isinstance(value, list) else np.float32)
        name = f"{self.prefix}{name}" if name else f"constant_{len(self.arrays)}"
        if name in self.arrays and not np.array_equal(self.arrays[name], array):
            name = f"{name}_{len(self.arrays)}"
        self.arrays[name] = array
        return name

    def whole(self, value: int) -> str:
        """Store one whole number, without axes, and return the name."""
        name = f"constant_{len(self.arrays)}"
        self.arrays[name] = np.array(value, np.int64)
        return name

    def mean(self, values: str, axes: list[int], *, keepdims: int = 0) -> str:
        """Return the mean over axes."""
        if self.opset < 18:  # when the axes were no input yet
            return self.add("ReduceMean", values, axes=axes, keepdims=keepdims)
        return self.add("ReduceMean", values, axes, keepdims=keepdims)

    def row_mean(self, values: str) -> str:
        """Return the mean of each row's values."""
        return self.mean(values, [1])

    def row_sum(self, values: str) -> str:
        """Return the sum of each row's values."""
        return self.add("ReduceSum", values, [1], keepdims=0)

    def finite(self, values: str, instead: float) -> str:
        """Return the values, with another in place of those that are NaN or infinite."""
        odd = self.add("Or", self.add("IsNaN", values), self.add("IsInf", values))
        return self.add("Where", odd, instead, values)

    def _stored(self, value: ArrayLike | Stored) -> str:
        if isinstance(value, Stored):
            return self.array(value.value, value.name)
        return self.array(value)


def no_form(*_: object) -> None:
    """Say that there is no ONNX form, in place of a parent's."""

"""ONNX graphs while they grow: layers and parts add the nodes of what they compute."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike

LONGEST_SUM = 4096  # of float32 values: at a million, programs may be off by a thousandth
TYPES = {"float": 1, "int64": 7, "double": 11}  # ONNX's numbers for them
OLDEST_OPSET, OPSET = 13, 20  # versions of ONNX's operators that a graph can be written in
LEVELS, LEVELS_VERSION = "ai.onnx.ml", 2  # the operators that know text


class Stored(NamedTuple):
    """An array with the name that it has in the file."""

    name: str
    value: np.ndarray


class End(NamedTuple):
    """An input or an output of a file: its name, the type of its values, and the shape of a row.

    A size that is a name may be any.
    """

    name: str
    type: str
    shape: Sequence[int | str] = ()


class Node(NamedTuple):
    """One operation, by the names of what goes in and comes out."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, object]


class Graph:
    """Nodes and arrays, as they are added; an array that is given again by its name is stored once.

    Values are named by text; `apart` begins all names but those of inputs and outputs, which people
    choose. `prefix` keeps the arrays of several nets apart. `opset` is the version of ONNX's
    operators: its methods are right for all, and what else is added must be known to it.
    `width` is that of rows, where it is known: sums over very wide ones are taken in parts.

    Examples
    --------
    >>> graph = Graph()
    >>> error = graph.add("Sub", "y", "x")
    >>> graph.row_mean(graph.add("Mul", error, error))
    'ReduceMean_2'
    """

    def __init__(self, opset: int = OPSET, apart: str = "") -> None:
        self.prefix, self.opset, self.width, self.apart = "", opset, 0, apart
        self.nodes: list[Node] = []
        self.arrays: dict[str, np.ndarray] = {}

    def add(
        self, kind: str, *inputs: ArrayLike | Stored, outputs: int = 1, **attributes: object
    ) -> str:
        """Add a node and return the name of its last output; an input that is no name is a constant."""
        names = [value if isinstance(value, str) else self._stored(value) for value in inputs]
        name = f"{self.apart}{kind}_{len(self.nodes)}"
        made = [*(f"{name}_{i}" for i in range(outputs - 1)), name]
        self.nodes.append(Node(kind, names, made, attributes))
        return name

    def array(self, value: ArrayLike, name: str = "") -> str:
        """Store numbers as float32, or sizes (in a list) as int64, and return the name.

        Another array under a name that is taken, such as a turned weight, gets a name of its own.
        """
        array = np.ascontiguousarray(value, np.int64 if isinstance(value, list) else np.float32)
        name = f"{self.apart}{self.prefix}{name}" if name else self._constant()
        if name in self.arrays and not np.array_equal(self.arrays[name], array):
            name = f"{name}_{len(self.arrays)}"
        self.arrays[name] = array
        return name

    def whole(self, value: int) -> str:
        """Store one whole number, without axes, and return the name."""
        return self.exact(np.array(value, np.int64))

    def exact(self, value: np.ndarray) -> str:
        """Store an array in its own precision, and return the name."""
        name = self._constant()
        self.arrays[name] = value
        return name

    @contextmanager
    def rows_of(self, width: int) -> Iterator[None]:
        """Return a context in which rows have another width."""
        before, self.width = self.width, width
        yield
        self.width = before

    def mean(self, values: str, axes: list[int], *, keepdims: int = 0) -> str:
        """Return the mean over axes."""
        if self.opset < 18:  # when the axes were no input yet
            return self.add("ReduceMean", values, axes=axes, keepdims=keepdims)
        return self.add("ReduceMean", values, axes, keepdims=keepdims)

    def row_mean(self, values: str, before: int = 1) -> str:
        """Return the mean of each row's values, which so many axes come before."""
        part = self._part()
        if part > 1:
            parted = self.add("Reshape", values, [*[0] * before, -1, part])
            values = self.mean(parted, [before + 1])
        return self.mean(values, [before])

    def row_sum(self, values: str) -> str:
        """Return the sum of each row's values."""
        part = self._part()
        if part > 1:
            parted = self.add("Reshape", values, [0, -1, part])
            values = self.add("ReduceSum", parted, [2], keepdims=0)
        return self.add("ReduceSum", values, [1], keepdims=0)

    def row_largest(self, values: str) -> str:
        """Return the largest of each row's values, as a column."""
        if self.opset < 18:
            return self.add("ReduceMax", values, axes=[1], keepdims=1)
        return self.add("ReduceMax", values, [1], keepdims=1)

    def least(self, values: str, axis: int) -> str:
        """Return the least values along an axis."""
        if self.opset < 18:
            return self.add("ReduceMin", values, axes=[axis], keepdims=0)
        return self.add("ReduceMin", values, [axis], keepdims=0)

    def finite(self, values: str, instead: float) -> str:
        """Return the values, with another in place of those that are NaN or infinite."""
        odd = self.add("Or", self.add("IsNaN", values), self.add("IsInf", values))
        return self.add("Where", odd, instead, values)

    def double(self, value: ArrayLike) -> str:
        """Store numbers as float64, and return the name."""
        return self.exact(np.array(value, np.float64))

    def cast(self, values: str, kind: str) -> str:
        """Return values as "float" (32 bits), "double" or "int64"."""
        return self.add("Cast", values, to=TYPES[kind])

    def _constant(self) -> str:
        return f"{self.apart}constant_{len(self.arrays)}"

    def _part(self) -> int:
        """Return how many values of a wide row are added up first; 1 for a row that is taken whole."""
        if self.width <= LONGEST_SUM:
            return 1
        return next(n for n in range(LONGEST_SUM, 0, -1) if self.width % n == 0)

    def _stored(self, value: ArrayLike | Stored) -> str:
        if isinstance(value, Stored):
            return self.array(value.value, value.name)
        return self.array(value)


def no_form(*_: object) -> None:
    """Say that there is no ONNX form, in place of a parent's."""

"""The equation on tables of mixed types: what the encoder sees of a row, and what each cell costs.

A compact row has a number for each value of the table: a number itself, 0 or 1 of a flag, the number
of a level, the fraction of a turn (of the clock, say); NaN is a cell that is missing. The net sees and
makes wide rows: a slot for a number or a flag, two for a turn, one for each level, one that marks a
missing cell::

    l_c  = what the cell costs / what the best constant answer costs on the training rows
    loss = sum_c w_c m_c l_c / sum_c w_c m_c

where m_c is 1 for cells that are there, and w_c their columns' weights. A number costs what the loss of
numbers says, a flag its binary cross-entropy, a level its cross-entropy, a turn the squared distance of
its point on the circle; a cell of several values costs their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.parts.corruptions import Corruption, Masking, Swap, taken
from isthmus.parts.losses import Loss
from isthmus.parts.table_nodes import FAR, SURE, loss_nodes, seen_nodes, shown_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jax import Array
    from numpy.typing import ArrayLike

    from isthmus.nets import Graph
    from isthmus.schema import Value


class Layout(NamedTuple):
    """Which values a row has, and which cells' absence the encoder sees."""

    values: tuple[Value, ...]
    marked: tuple[int, ...] = ()


class Group(NamedTuple):
    """Values with about as many levels: a block of wide rows, (values, size), some of it unused."""

    values: np.ndarray
    size: int
    begin: int
    real: np.ndarray  # (values, size): whether a slot stands for a level


class Plan(NamedTuple):
    """Where each value of a compact row stands in a wide one."""

    width: int
    cells: np.ndarray  # (values,): the cell of each
    numbers: np.ndarray
    flags: np.ndarray
    turns: np.ndarray
    groups: tuple[Group, ...]
    marks: np.ndarray  # the first values of marked cells
    order: np.ndarray  # the values as costs are computed: numbers, flags, turns, groups
    owner: np.ndarray  # (width,): the value of each slot
    named: np.ndarray  # (width,): whether a slot stands for a level other than "other"


@lru_cache(maxsize=64)
def plan(layout: Layout) -> Plan:
    """Return where the values of a layout stand."""
    kinds = np.array([v.kind for v in layout.values])
    cells = _places([v.cell for v in layout.values])
    numbers, flags, turns = (
        _places(np.flatnonzero(kinds == k)) for k in ("number", "flag", "turn")
    )
    begin, groups = len(numbers) + len(flags) + 2 * len(turns), []
    sizes: dict[int, list[int]] = {}
    for v in np.flatnonzero(kinds == "levels"):
        sizes.setdefault(_rounded(layout.values[v].size), []).append(int(v))
    for size, values in sorted(sizes.items()):
        real = np.arange(size) < np.array([[layout.values[v].size] for v in values])
        groups.append(Group(_places(values), size, begin, real))
        begin += size * len(values)
    marks = _places(np.searchsorted(cells, layout.marked))
    owner = [numbers, flags, turns, turns, *(np.repeat(g.values, g.size) for g in groups), marks]
    named = np.zeros(begin + len(marks), bool)
    for g in groups:
        last = np.array([layout.values[v].size - layout.values[v].other for v in g.values])
        named[g.begin : g.begin + g.real.size] = (np.arange(g.size) < last[:, None]).ravel()
    order = np.concatenate([numbers, flags, turns, *(g.values for g in groups)])
    whole = np.concatenate(owner)
    return Plan(len(whole), cells, numbers, flags, turns, tuple(groups), marks, order, whole, named)


def _places(places: ArrayLike) -> np.ndarray:
    """Return places as int32: with int64 JAX mixes both up where models of both precisions are."""
    return np.asarray(places, np.int32)


def _rounded(size: int) -> int:
    """Round a number of levels up to 2, 3, 4, 6, 8, 12 and so on, so that many share a block."""
    power = 1 << max(size - 1, 1).bit_length()
    return power * 3 // 4 if power >= 4 and size <= power * 3 // 4 else power


@dataclass(eq=False)
class Mixed(Loss):
    """The loss of rows of mixed types, bound to what the training rows say of their values.

    Parameters
    ----------
    numbers : Loss
        The loss of a number; what the user chose.
    layout : Layout
        What the values are.
    centre, scale : ndarray (width,)
        What the encoder sees of a slot is its distance from the centre times the scale.
    price, share : ndarray (values,)
        What a unit of each value's cost counts in a row, and what the value does.
    constant : ndarray (width,)
        The best constant answer: means of numbers and turns, probabilities of flags and levels.
    """

    numbers: Loss
    layout: Layout
    centre: Any
    scale: Any
    price: Any
    share: Any
    constant: Any

    # -- as a part: in words and files it is the loss of numbers -----------------------------------

    def _flatten(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        arrays = (self.centre, self.scale, self.price, self.share, self.constant)
        return (self.numbers, *arrays), (self.layout,)

    @classmethod
    def _unflatten(cls, static: tuple[object, ...], numbers: Iterable[object]) -> Self:
        part = object.__new__(cls)
        names = ("numbers", "centre", "scale", "price", "share", "constant")
        for name, value in zip((*names, "layout"), (*numbers, *static), strict=True):
            object.__setattr__(part, name, value)
        return part

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mixed):
            return False
        mine, theirs = (jax.tree.leaves(part) for part in (self, other))
        return (
            (self.numbers, self.layout) == (other.numbers, other.layout)
            and len(mine) == len(theirs)
            and all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def registered(self) -> bool:
        return self.numbers.registered

    @property
    def title(self) -> str:
        return self.numbers.title

    def get_params(self, deep: bool = True) -> dict[str, object]:
        return {f: getattr(self, f) for f in ("numbers", "layout", "centre", "scale")} | {
            f: getattr(self, f) for f in ("price", "share", "constant")
        }

    def to_dict(self) -> dict[str, object]:
        return self.numbers.to_dict()

    def to_string(self) -> str:
        return self.numbers.to_string()

    @property
    def width(self) -> int:
        """The number of slots."""
        return plan(self.layout).width

    def ends(self, x: np.ndarray) -> tuple[float, float]:
        numbers = x[:, plan(self.layout).numbers]
        if not np.isfinite(numbers).any():
            return 0.0, 0.0
        return float(np.nanmin(numbers)), float(np.nanmax(numbers))

    # -- the equation ------------------------------------------------------------------------------

    def seen(self, x: Array) -> Array:
        """Return wide rows; of a missing cell the encoder sees the mean, and the mark if it has one."""
        p, n = plan(self.layout), x.shape[0]
        there = ~jnp.isnan(x)
        filled = jnp.where(there, x, 0)
        turns = 2 * jnp.pi * columns_of(filled, p.turns)
        parts = [columns_of(filled, p.numbers), columns_of(filled, p.flags)]
        parts += [jnp.sin(turns), jnp.cos(turns)]
        present = [columns_of(there, v) for v in (p.numbers, p.flags, p.turns, p.turns)]
        for g in p.groups:
            parts.append(_is_level(filled, g).astype(x.dtype).reshape(n, -1))
            present.append(jnp.repeat(columns_of(there, g.values), g.size, axis=1))
        wide = jnp.concatenate(parts, axis=1)
        slots = wide.shape[1]
        shifted = (wide - self.centre[:slots]) * self.scale[:slots]
        shifted = jnp.where(jnp.concatenate(present, axis=1), shifted, 0)
        marks = ~columns_of(there, p.marks)
        return jnp.concatenate([shifted, marks.astype(x.dtype)], axis=1)

    def shown(self, a: Array) -> Array:
        """Return wide rows with probabilities in place of logits; marks are 0."""
        numbers, flags, sine, cosine, *blocks = self._cut(a)
        p, n = plan(self.layout), a.shape[0]
        parts = [numbers, jax.nn.sigmoid(flags), sine, cosine]
        for g, block in zip(p.groups, blocks, strict=True):
            parts.append(jax.nn.softmax(_logits(block, g), axis=2).reshape(n, -1))
        parts.append(jnp.zeros((n, len(p.marks)), a.dtype))
        return jnp.concatenate(parts, axis=1)

    def start(self, mean: Array) -> Array:
        """Return the outputs, before probabilities are made of them, to start from: the constant."""
        p, c = plan(self.layout), np.asarray(self.constant, float)
        a, k, f = c.copy(), len(p.numbers), len(p.flags)
        q = np.clip(c[k : k + f], 1e-3, 1 - 1e-3)
        a[k : k + f] = np.log(q / (1 - q))
        for g in p.groups:
            block = slice(g.begin, g.begin + g.real.size)
            a[block] = np.where(g.real.ravel(), np.log(np.maximum(c[block], 1e-4)), 0)
        a[len(a) - len(p.marks) :] = 0
        return a[None]  # type: ignore[return-value]  # NumPy's will do

    def __call__(self, x_out: Array, x: Array) -> Array:
        return self._row(self._costs_shown(x_out, x), x)

    def from_linear(self, a: Array, x: Array) -> Array:
        return self._row(self._costs(a, x), x)

    def excess(self, x_out: Array, x: Array) -> Array:
        return self(x_out, x)

    def excess_from_linear(self, a: Array, x: Array) -> Array:
        """Return the loss, as `columns` of probabilities has it, which are no nearer to 0 than SURE."""
        p, k, f = plan(self.layout), *self.counts
        costs, t = self._costs(a, x), len(p.turns)
        likely = np.ones(costs.shape[1], bool)
        likely[:k] = likely[k + f : k + f + t] = False
        return self._row(jnp.where(likely, jnp.minimum(costs, -np.log(SURE)), costs), x)

    def onnx(self, graph: Graph, x_out: str, x: str) -> str | None:
        return loss_nodes(graph, self, plan(self.layout), x_out, x, linear=False)

    def onnx_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        return loss_nodes(graph, self, plan(self.layout), a, x, linear=True)

    def onnx_excess(self, graph: Graph, x_out: str, x: str) -> str | None:
        return self.onnx(graph, x_out, x)

    def onnx_excess_from_linear(self, graph: Graph, a: str, x: str) -> str | None:
        return self.onnx_from_linear(graph, a, x)

    def onnx_seen(self, graph: Graph, x: str) -> str | None:
        return seen_nodes(graph, self, plan(self.layout), x)

    def onnx_shown(self, graph: Graph, x_out: str) -> str | None:
        return shown_nodes(graph, plan(self.layout), x_out)

    def columns(self, x_out: Array, x: Array) -> Array:
        """Return what each value of compact rows adds to the loss, (n, values); 0 where missing."""
        p = plan(self.layout)
        costs, there = self._costs_shown(x_out, x), ~jnp.isnan(x)
        counted = costs * self.price[p.order] / self._there(there)[:, None]
        return jnp.where(there, columns_of(counted, _places(np.argsort(p.order))), 0)

    def _row(self, costs: Array, x: Array) -> Array:
        p, there = plan(self.layout), ~jnp.isnan(x)
        counted = jnp.where(columns_of(there, p.order), costs * self.price[p.order], 0)
        return jnp.sum(counted, axis=1) / self._there(there)

    def _there(self, there: Array) -> Array:
        """Return the weight of the cells of each row that are there."""
        total = jnp.sum(jnp.where(there, self.share, 0), axis=1)
        return jnp.where(total > 0, total, 1)

    def _costs(self, a: Array, x: Array) -> Array:
        """Return what each value costs, in the plan's order, of outputs before probabilities."""
        numbers, logit, sine, cosine, *blocks = self._cut(a)
        p, filled = plan(self.layout), jnp.where(jnp.isnan(x), 0, x)
        parts = self._of_numbers(numbers, filled)
        parts.append(jax.nn.softplus(logit) - columns_of(filled, p.flags) * logit)
        parts.append(self._of_turns(sine, cosine, filled))
        for g, block in zip(p.groups, blocks, strict=True):
            logits = _logits(block, g)
            chosen = jnp.sum(jnp.where(_is_level(filled, g), logits, 0), axis=2)
            parts.append(jax.nn.logsumexp(logits, axis=2) - chosen)
        return jnp.concatenate(parts, axis=1)

    def _costs_shown(self, x_out: Array, x: Array) -> Array:
        """Return what each value costs, in the plan's order, of outputs with probabilities."""
        numbers, hit, sine, cosine, *blocks = self._cut(x_out)
        p, filled = plan(self.layout), jnp.where(jnp.isnan(x), 0, x)
        hit, flag = jnp.clip(hit, SURE, 1 - SURE), columns_of(filled, p.flags)
        parts = self._of_numbers(numbers, filled)
        parts.append(-jnp.log(jnp.where(flag > 0, hit, 1 - hit)))
        parts.append(self._of_turns(sine, cosine, filled))
        for g, block in zip(p.groups, blocks, strict=True):
            q = block.reshape(-1, *g.real.shape)
            chosen = jnp.sum(jnp.where(_is_level(filled, g), q, 0), axis=2)
            parts.append(-jnp.log(jnp.clip(chosen, SURE, 1)))
        return jnp.concatenate(parts, axis=1)

    def _cut(self, wide: Array) -> Sequence[Array]:
        """Return the slots of numbers, flags, turns' sines and cosines, and those of each group.

        The derivative of one cut is one joining; that of slices adds up as many arrays of full width.
        """
        p = plan(self.layout)
        sizes = (*self.counts, len(p.turns), len(p.turns), *(g.real.size for g in p.groups))
        return jax.lax.split(jnp.asarray(wide), (*sizes, len(p.marks)), axis=1)[:-1]

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of numbers and of flags."""
        p = plan(self.layout)
        return len(p.numbers), len(p.flags)

    def _of_numbers(self, a: Array, filled: Array) -> list[Array]:
        columns = plan(self.layout).numbers
        if not len(columns):
            return []
        return [len(columns) * self.numbers.columns(a, columns_of(filled, columns))]

    def _of_turns(self, sine: Array, cosine: Array, filled: Array) -> Array:
        turns = 2 * jnp.pi * columns_of(filled, plan(self.layout).turns)
        return (sine - jnp.sin(turns)) ** 2 + (cosine - jnp.cos(turns)) ** 2


def columns_of(x: Array, places: np.ndarray) -> Array:
    """Return some columns; a slice where they stand side by side, which compiles to much less."""
    begin = int(places[0]) if len(places) else 0
    if np.array_equal(places, np.arange(begin, begin + len(places))):
        return x[:, begin : begin + len(places)]
    return x[:, places]


def _is_level(filled: Array, group: Group) -> Array:
    """Return which level each value has, (n, values, size)."""
    return columns_of(filled, group.values)[:, :, None] == np.arange(group.size)


def _logits(block: Array, group: Group) -> Array:
    """Return the logits of a group's values, (n, values, size)."""
    logits = block.reshape(-1, *group.real.shape)
    return logits if group.real.all() else jnp.where(group.real, logits, FAR)


@dataclass
class OnCells(Corruption):
    """A corruption on compact rows: of whole cells, or of their numbers.

    `Swap` takes whole cells of other rows, and `Masking` hides them, so that they look like missing
    ones, whatever its value; all others change numbers alone, and no missing cell.
    """

    part: Corruption
    layout: Layout

    def _flatten(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        return (self.part,), (self.layout,)

    @classmethod
    def _unflatten(cls, static: tuple[object, ...], numbers: Iterable[object]) -> Self:
        part = object.__new__(cls)
        for name, value in zip(("part", "layout"), (*numbers, *static), strict=True):
            object.__setattr__(part, name, value)
        return part

    @property
    def active(self) -> bool:
        return self.part.active

    @property
    def of_codes(self) -> Corruption:
        return self.part

    def bind(self, low: float, high: float) -> Corruption:
        return OnCells(self.part.bind(low, high), self.layout)

    @property
    def registered(self) -> bool:
        return self.part.registered

    @property
    def title(self) -> str:
        return self.part.title

    def to_dict(self) -> dict[str, object]:
        return self.part.to_dict()

    def to_string(self) -> str:
        return self.part.to_string()

    def __call__(self, key: Array, x: Array) -> Array:
        p, n = plan(self.layout), x.shape[0]
        cells = int(p.cells.max()) + 1
        if isinstance(self.part, Swap):
            return taken(x, columns_of(self.part.rows(key, (n, cells)), p.cells))
        if isinstance(self.part, Masking):
            hit = self.part.hits(key, (n, cells), x.dtype)[:, p.cells]
            return jnp.where(hit, jnp.nan, x)
        # numbers alone: noise on the others would make no levels
        changed = np.isin(np.arange(len(p.cells)), p.numbers)
        return jnp.where(changed & ~jnp.isnan(x), self.part(key, x), x)

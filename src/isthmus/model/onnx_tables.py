"""Tables of mixed types in ONNX: an input for each column, and reconstructions by column."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from isthmus.model.onnx_dates import (
    FIRST_YEAR,
    KNOWN,
    LAST_YEAR,
    day_turn,
    turn_nodes,
)
from isthmus.model.onnx_scaling import Lines, back_nodes
from isthmus.nets import LEVELS, End
from isthmus.parts import plan
from isthmus.schema import UNITS

if TYPE_CHECKING:
    from isthmus.model.model import Model
    from isthmus.nets import Graph
    from isthmus.parts import Mixed
    from isthmus.schema import Column, Schema

MOST = 2.0**63  # what int64 does not hold
SECONDS = {
    "date": "seconds since 1970",
    "time": "seconds since midnight",
    "duration": "seconds",
}


class Input(NamedTuple):
    """A column as a file takes it: as values of a type of ONNX."""

    column: Column
    type: str

    @property
    def levels(self) -> list[Any]:
        """The levels as values of the type."""
        return self.column.level_texts if self.type == "string" else list(self.column.levels)

    @property
    def empty(self) -> bool:
        """Whether a missing cell is said by empty text."""
        return self.type == "string" and "" not in self.column.level_texts

    @property
    def as_text(self) -> bool:
        """Whether levels that were no text are said as text."""
        return self.type == "string" and self.column.dtype not in ("String", "Categorical")

    @property
    def note(self) -> str:
        """What the values are, and how a missing cell is said."""
        what = SECONDS.get(self.column.kind, "") + " in UTC" * bool(self.column.zone)
        if self.column.kind == "category":
            unknown = "'other'" if self.column.other else "missing"
            text = "levels as text, whole numbers without a point" if self.as_text else "levels"
            what = f"{text}; an unknown one counts as {unknown}"
        if self.type in ("float", "double"):
            missing = "NaN where a cell is missing"
        else:
            missing = "empty where a cell is missing" if self.empty else "no cell may be missing"
        return f"{what}; {missing}" if what else missing


def inputs_of(schema: Schema) -> list[Input]:
    """Return the inputs, a column that is used each.

    Raises
    ------
    ValueError
        For a column without a name, or with dates whose clock no file knows.
    """
    for column in schema.used:
        _check_exportable(column)
    return [Input(column, _type(column)) for column in schema.used]


def _check_exportable(column: Column) -> None:
    if not column.name:
        raise ValueError(
            "A column without a name cannot be an input of ONNX: name it and fit again."
        )
    ends = (column.low or 0.0, column.high or 0.0)
    if column.zone and column.cycles and not (KNOWN[0] <= ends[0] and ends[1] < KNOWN[1]):
        raise ValueError(
            f"The column {column.name!r} cannot be exported: it has dates outside the years "
            f"{FIRST_YEAR} to {LAST_YEAR}, and a file knows the clock of {column.zone} only in these. "
            "Give its dates in UTC, and fit again."
        )


def _type(column: Column) -> str:
    whole = column.dtype.startswith(("Int", "UInt")) and not column.gaps
    if column.kind == "category":
        levels = column.levels
        fit = bool(levels) and all(type(v) is int and -MOST <= v < MOST for v in levels)
        return "int64" if whole and fit else "string"
    if column.kind == "boolean" and not column.dtype.startswith(("Int", "UInt", "Float")):
        return "float" if column.gaps else "bool"
    if column.kind in SECONDS:
        return "double"
    large = max(abs(column.low or 0), abs(column.high or 0)) >= MOST
    if whole and not large:
        return "int64"
    return "float" if column.dtype == "Float32" else "double"


def ends_of(inputs: list[Input]) -> list[End]:
    """Return the inputs as a file lists them."""
    return [End(given.column.name, given.type) for given in inputs]


def apart_from(inputs: list[Input]) -> str:
    """Return what no column's name begins with."""
    apart = "_"
    while any(given.column.name.startswith(apart) for given in inputs):
        apart += "_"
    return apart


def table_facts(inputs: list[Input]) -> dict[str, str]:
    """Return what a file says of its inputs."""
    columns = [
        {"name": i.column.name, "kind": i.column.kind, "type": i.type, "note": i.note}
        for i in inputs
    ]
    return {"columns": json.dumps(columns)}


# -- from cells to scaled rows ---------------------------------------------------------------------


def table_rows(g: Graph, inputs: list[Input]) -> str:
    """Add the nodes of compact rows, in float64."""
    values = [value for given in inputs for value in _values(g, given)]
    columns = [g.add("Unsqueeze", value, [1]) for value in values]
    return g.add("Concat", *columns, axis=1)


def _values(g: Graph, given: Input) -> list[str]:
    """Return the values of a column."""
    name, column = given.column.name, given.column
    if column.kind == "category":
        return [g.cast(_numbered(g, given), "double")]
    value = name if given.type == "double" else g.cast(name, "double")
    if column.kind == "time":
        return [value, day_turn(g, value)]
    if column.kind == "date":
        return [value, *turn_nodes(g, value, column.zone, column.cycles)]
    return [value]


def _numbered(g: Graph, given: Input) -> str:
    """Return the numbers of levels; NaN for a missing one."""
    column = given.column
    numbers = [float(i) for i in range(len(column.levels))]
    unknown = float(len(numbers)) if column.other else float("nan")
    keys = given.levels
    if given.empty:
        keys, numbers = [*keys, ""], [*numbers, float("nan")]
    named: dict[str, Any] = {f"keys_{given.type}s": keys, "values_floats": numbers}
    return g.add("LabelEncoder", column.name, domain=LEVELS, default_float=unknown, **named)


# -- from outputs to cells -------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a cell's first value stands in compact rows, and in outputs: there so many slots."""

    value: int
    begin: int
    size: int


def cells_of(model: Model) -> list[tuple[Input, Place]]:
    """Return the inputs of a model of mixed types, and where their first values stand."""
    schema, mixed = model.schema, model.mixed
    assert schema is not None
    assert mixed is not None
    return list(zip(inputs_of(schema), _places(mixed), strict=True))


def _places(mixed: Mixed) -> list[Place]:
    p = plan(mixed.layout)
    begins = {int(v): i for i, v in enumerate([*p.numbers, *p.flags])}
    for group in p.groups:
        begins |= {int(v): group.begin + i * group.size for i, v in enumerate(group.values)}
    first = np.flatnonzero(np.diff(p.cells, prepend=-1)).tolist()
    return [Place(v, begins[v], mixed.layout.values[v].size) for v in first]


def table_outputs(g: Graph, model: Model, y: str) -> dict[str, End]:
    """Add the nodes of the reconstruction by column, and of probabilities; return both."""
    scaler, pairs = model.scaler, cells_of(model)
    assert isinstance(scaler, Lines)
    cells, shares, taken = {}, {}, {given.column.name for given, _ in pairs}
    for given, place in pairs:
        name = given.column.name
        reconstructed, probable = f"reconstruction.{name}", f"probabilities.{name}"
        if given.column.kind == "category":
            cells[_most_probable(g, given, place, y)] = _end(reconstructed, given.type, taken)
            shape = (place.size,)
            shares[_slots(g, y, place)] = _end(probable, "float", taken, shape)
        elif given.column.kind == "boolean":
            hit = g.add("Gather", y, g.whole(place.begin), axis=1)
            cells[g.add("Greater", hit, 0.5)] = _end(reconstructed, "bool", taken)
            shares[hit] = _end(probable, "float", taken)
        else:
            number = _number(g, given, place, y, scaler)
            cells[number] = _end(reconstructed, given.type, taken)
    return cells | shares


def _end(name: str, kind: str, taken: set[str], shape: tuple[int, ...] = ()) -> End:
    return End(free_name(name, taken), kind, shape)


def free_name(name: str, taken: set[str]) -> str:
    """Return a name for an output, longer where a column has it."""
    while name in taken:
        name += "_"
    return name


def _slots(g: Graph, y: str, place: Place, last: int = 0) -> str:
    """Return a value's slots, but for so many last ones."""
    return g.add("Slice", y, [place.begin], [place.begin + place.size - last], [1])


def _most_probable(g: Graph, given: Input, place: Place, y: str) -> str:
    """Return the most probable level, and never "other"."""
    column = given.column
    best = g.add("ArgMax", _slots(g, y, place, int(column.other)), axis=1, keepdims=0)
    keys = list(range(len(column.levels)))
    named: dict[str, Any] = {"keys_int64s": keys, f"values_{given.type}s": given.levels}
    return g.add("LabelEncoder", best, domain=LEVELS, **named)


def _number(g: Graph, given: Input, place: Place, y: str, scaler: Lines) -> str:
    """Return numbers in the data's units: in the range that was seen, whole or rounded as they were."""
    column = given.column
    scaled = g.add("Gather", y, g.whole(place.begin), axis=1)
    value = back_nodes(g, scaled, scaler, place.value)
    if column.low is not None and column.high is not None:
        value = g.add("Max", value, g.double(column.low))
        value = g.add("Min", value, g.double(column.high))
    step = step_of(given)
    if step:
        value = g.add("Round", g.add("Div", value, g.double(step)))
        value = g.add("Mul", value, g.double(step))
    return value if given.type == "double" else g.cast(value, given.type)


def step_of(given: Input) -> float:
    """Return what a reconstruction is rounded to; 0 if it is not.

    Dates in a time zone are not: the day or hour that they would be rounded to is that of its clocks.
    """
    column = given.column
    if column.kind in SECONDS:
        return 0.0 if column.zone not in ("", "UTC") else float(UNITS.get(column.unit, 0))
    if column.dtype.startswith("Decimal("):
        return 10.0 ** -int(column.dtype[:-1].partition(", ")[2])
    return 1.0 if column.whole or given.type == "int64" else 0.0

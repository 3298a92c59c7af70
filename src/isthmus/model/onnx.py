"""ONNX files: rows in the data's units in, and codes, reconstructions or scores out.

Rows of numbers are one input, as float32; tables of mixed types have one for each column.

Before a file is written, ONNX Runtime and the model compute the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from isthmus.io import ModelFileError, write_model_bytes
from isthmus.model.onnx_graph import (
    NO_ENDS,
    NoFormError,
    add_code,
    add_decoding,
    add_reconstruction,
    add_scaling,
    add_score,
    check_forms,
    file_bytes,
    model_bytes,
    package,
)
from isthmus.model.onnx_images import ANY, add_images, model_over, takes_any_size
from isthmus.model.onnx_probes import made_cells, probe_table, table_feed, wanted_cells
from isthmus.model.onnx_scaling import Lines, forward_nodes
from isthmus.model.onnx_tables import (
    apart_from,
    ends_of,
    free_name,
    inputs_of,
    table_facts,
    table_outputs,
    table_rows,
)
from isthmus.model.scaling import Scaler, Wrapped
from isthmus.nets import OLDEST_OPSET, OPSET, End, Graph
from isthmus.parts import Sparsity, plan
from isthmus.training import map_batches, traced

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.model.model import Model

TOLERANCE = 1e-4  # of a value's size plus the usual size; of scaled values, 1
DRAWS, MARGIN = 3, 16  # how often rounding is tried out, and how much more than that is allowed
CHECKED = 64  # rows of each kind
EPS = float(np.finfo(np.float32).eps)
METHODS = {"encoder": "encode", "reconstruct": "reconstruct", "score": "excess"}
OUTPUTS = {"encoder": "code", "reconstruct": "reconstruction", "score": "score"}
Names = Iterable[str] | None  # of columns


def export_model(
    model: Model,
    path: str | Path,
    part: str = "encoder",
    names: Names = None,
    opset: int = OPSET,
) -> None:
    """Write a model as ONNX; see `Autoencoder.export`."""
    check_opset(opset)
    if part not in METHODS:
        raise ValueError(f"The part must be 'encoder', 'reconstruct' or 'score'; got {part!r}.")
    if part != "encoder":
        model.check_decoder()
    check_exportable(model, part)
    check_packages()
    with np.errstate(over="ignore", invalid="ignore"):  # the check says what float32 cannot hold
        content, X = _content(model, part, names, opset), probe_rows(model)
        want, allowed, made = _expected(model, part, X)
        check_equal(content, feed_of(model, X), want, allowed, decided_rows(model, X), made)
        if part == "reconstruct" and takes_any_size(model):
            _check_other_size(model, content)
    write_model_bytes(path, content)


def check_opset(opset: object) -> None:
    """Raise a ValueError for a version of ONNX's operators that is not written."""
    whole = isinstance(opset, Integral) and not isinstance(opset, bool)
    if not whole or opset not in range(OLDEST_OPSET, OPSET + 1):
        raise ValueError(
            f"The opset must be a whole number from {OLDEST_OPSET} to {OPSET}; got {opset!r}."
        )


def check_packages() -> None:
    """Raise an ImportError where a package is missing that an export needs."""
    for name in ("onnx", "onnxruntime"):
        package(name)


def check_exportable(model: Model, part: str) -> None:
    """Raise a ValueError if a part of the model has no ONNX form; "strangeness" is a detector's."""
    slots = model.slots
    try:
        check_forms(model.net, slots.loss, slots.sparsity, model.scaler, part)
    except NoFormError as error:
        exported = "score" if part == "strangeness" else part
        raise ValueError(f"The part {exported!r} cannot be exported: {error}.") from error


def _check_other_size(model: Model, content: bytes) -> None:
    """Check a file on a few images that are larger than those that the model was fitted on."""
    assert model.sample_shape is not None
    stride = model.net.total_stride
    height, width = (side + stride for side in model.sample_shape[:2])
    other = model_over(model, (height, width))
    X = probe_rows(other)[::CHECKED]
    want, allowed, made = _expected(other, "reconstruct", X)
    check_equal(content, feed_of(other, X), want, allowed, decided_rows(other, X), made)


# -- the file --------------------------------------------------------------------------------------


def _content(model: Model, part: str, names: Names, opset: int) -> bytes:
    """Return the ONNX file of one part."""
    graph, net, slots = graph_of(model, opset), model.net, model.slots
    if part == "reconstruct" and takes_any_size(model):
        sides: list[int | str] = [*ANY, *model.row_shape[2:]]
        facts = {**metadata(model, names), "shape": json.dumps(model.row_shape)}
        named = part, OUTPUTS[part]
        return model_bytes(graph, add_images(graph, model), named, (sides, sides), facts)
    x = scaled_input(graph, model, input_rows(graph, model))
    coded = add_code(graph, net, slots.loss, slots.sparsity, x)
    if part == "encoder":
        return named_bytes(
            graph, model, coded.z, part, (model.n_components,), metadata(model, names)
        )
    if part == "score":
        score = add_score(graph, net, slots.loss, coded, x)
        return named_bytes(graph, model, score, part, (), metadata(model, names))
    y = add_decoding(graph, net, slots.loss, coded)
    if model.schema is not None:
        inputs, outputs = ends_of(inputs_of(model.schema)), table_outputs(graph, model, y)
        return file_bytes(graph, part, inputs, outputs, metadata(model, names))
    rows = add_reconstruction(graph, y, model.scaler, model.sample_shape)
    return named_bytes(graph, model, rows, part, model.row_shape, metadata(model, names))


def graph_of(model: Model, opset: int) -> Graph:
    """Return an empty graph for a model."""
    graph = Graph(opset, "" if model.schema is None else apart_from(inputs_of(model.schema)))
    graph.width = model.net.n_features
    return graph


def input_rows(g: Graph, model: Model) -> str:
    """Return the input's rows, flat; compact ones of a table of mixed types."""
    if model.schema is None:
        return g.add("Reshape", "X", [0, model.n_features])
    return table_rows(g, inputs_of(model.schema))


def scaled_input(g: Graph, model: Model, rows: str) -> str:
    """Return the input's rows, scaled."""
    if model.schema is None:
        return add_scaling(g, rows, model.scaler)
    assert isinstance(model.scaler, Lines)
    return forward_nodes(g, rows, model.scaler)


def named_bytes(
    g: Graph,
    model: Model,
    result: str,
    part: str,
    behind: tuple[int, ...],
    facts: dict[str, str],
    more: Mapping[str, End] = NO_ENDS,
    defaults: Sequence[str] = (),
) -> bytes:
    """Return the content of a file with one output, and `more` behind it.

    `defaults` are names of arrays that are optional inputs.
    """
    name = OUTPUTS[part]
    if model.schema is None:
        shapes = model.row_shape, behind
        return model_bytes(g, result, (part, name), shapes, facts, more, defaults)
    inputs = ends_of(inputs_of(model.schema))
    outputs = {result: End(unused_name(model, name), "float", behind), **more}
    return file_bytes(g, part, inputs, outputs, facts, defaults)


def unused_name(model: Model, name: str) -> str:
    """Return the name, or one like it that no input of a table has."""
    inputs = [] if model.schema is None else ends_of(inputs_of(model.schema))
    return free_name(name, {end.name for end in inputs})


def metadata(model: Model, names: Names) -> dict[str, str]:
    """Return the metadata beside the versions; values are text, lists are JSON."""
    facts = {"loss": model.slots.loss.name, "tolerance": str(TOLERANCE)}
    if model.schema is not None:
        return facts | table_facts(inputs_of(model.schema))
    if names is not None:
        facts["feature_names"] = json.dumps([str(name) for name in names])
    return facts


# -- the check -----------------------------------------------------------------------------------


def first_output(made: list[np.ndarray]) -> np.ndarray:
    """Return the first of a file's outputs."""
    return made[0]


def check_equal(
    content: bytes,
    feed: dict[str, np.ndarray],
    want: np.ndarray,
    allowed: np.ndarray,
    decided: np.ndarray,
    made: Callable[[list[np.ndarray]], np.ndarray] = first_output,
) -> None:
    """Raise a ModelFileError unless ONNX Runtime and the model agree on rows, alone and together.

    `made` tells what to compare from the file's outputs.
    """
    n = len(want)
    sure = np.isfinite(want).reshape(n, -1).all(axis=1) & decided
    if not sure.any():
        raise ModelFileError(
            "The model cannot be checked: float32 cannot hold rows like its own, or rounding can turn "
            "each of their codes."
        )
    halves = zip(*(_run(content, feed, b) for b in (slice(0, 1), slice(1, None))), strict=True)
    got = made([np.concatenate(pair) for pair in halves])
    error = np.abs(got.reshape(want.shape).astype(float) - want)
    bad = ~(error <= allowed).reshape(n, -1).all(axis=1) & sure
    if bad.any():
        raise ModelFileError(
            f"ONNX Runtime and the model differ on {bad.sum()} of {n} rows, by up to "
            f"{error.reshape(n, -1)[bad].max():.3g}; nothing was written. Please report this."
        )


def _run(content: bytes, feed: dict[str, np.ndarray], rows: slice) -> list[np.ndarray]:
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: values[rows] for name, values in feed.items()})


def feed_of(model: Model, X: np.ndarray) -> dict[str, np.ndarray]:
    """Return rows as a file takes them."""
    return {"X": model.shaped(X)} if model.schema is None else table_feed(model, X)


def probe_rows(model: Model) -> np.ndarray:
    """Return float32 rows: spread about the mean row, between 0 and twice it, and reconstructions.

    Of a table of mixed types, compact rows of cells of all kinds.
    """
    if model.schema is not None:
        return probe_table(model, 2 * CHECKED)
    rng = np.random.default_rng(0)
    shape = CHECKED, model.net.n_features
    mean = np.asarray(model.mean_row, float)
    near = mean + rng.normal(size=shape)
    between = mean * rng.uniform(0, 2, shape)
    X = model.scaler.inverse(np.concatenate([near, between]))
    if model.net.decoder:
        again = _ours(model, "reconstruct", X.astype(np.float32))
        X = np.concatenate([X, model.scaler.inverse(again.astype(float))])
    X = X.astype(np.float32)
    return np.where(np.isfinite(X), X, np.float32(0))


def rows_within(model: Model, X: np.ndarray) -> np.ndarray:
    """Return rows as a model without a scaling takes them: within the loss's domain."""
    return X if model.scaling is not None else np.clip(X, *model.slots.loss.domain)


class Expected(NamedTuple):
    """A model's results, how far float32 may be from them, and how a file's outputs are read."""

    want: np.ndarray
    allowed: np.ndarray
    made: Callable[[list[np.ndarray]], np.ndarray] = first_output


def _expected(model: Model, part: str, X: np.ndarray) -> Expected:
    """Return the model's results, and by how much float32 may differ from them."""
    want = _ours(model, METHODS[part], X).astype(float)
    again = (_ours(rounded_anew(model, i), METHODS[part], X) for i in range(DRAWS))
    moved = rounding(want, again)
    if part == "reconstruct":
        allowed = TOLERANCE * (np.abs(want) + 1) + moved
        if model.schema is not None:
            return Expected(*wanted_cells(model, want, allowed), partial(made_cells, model, want))
        rows, low, high = (model.scaler.inverse(want + by) for by in (0, -allowed, allowed))
        return Expected(rows, np.maximum(high - rows, rows - low) + EPS * np.abs(rows))
    finite = np.abs(want[np.isfinite(want)])
    usual = (np.median if part == "score" else np.mean)(finite) if len(finite) else 0.0
    allowed = TOLERANCE * (np.abs(want) + usual) + moved
    return Expected(-want if part == "score" else want, allowed)


class _Rounding(NamedTuple):
    """A scaling that rounds scaled rows to float32, each value up or down by chance."""

    scaler: Scaler
    rng: np.random.Generator
    rounded: np.ndarray  # (d,): 1, and 0 for values that are exact, such as numbers of levels

    def fit(self, X: np.ndarray, y: None = None) -> object:
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        scaled = self.scaler.forward(X, "float64")
        return scaled * (1 + EPS * self.rounded * self.rng.uniform(-1, 1, scaled.shape))

    def inverse_transform(self, X: np.ndarray) -> np.ndarray:
        return self.scaler.inverse(X)


def rounded_anew(model: Model, seed: int) -> Model:
    """Return the model in float32, with scaled rows that are rounded in another way."""
    net = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), model.net)
    scaler = Wrapped(_Rounding(model.scaler, np.random.default_rng(seed), _inexact(model)))
    return replace(on_processor(model), net=net, scaler=scaler, dtype="float32")


def _inexact(model: Model) -> np.ndarray:
    """Return by value of a scaled row whether rounding can change it."""
    if model.mixed is None:
        return np.ones(model.net.n_features)
    p = plan(model.mixed.layout)
    return np.isin(np.arange(len(p.cells)), [*p.numbers, *p.turns]).astype(float)


def rounding(want: np.ndarray, again: Iterable[np.ndarray]) -> np.ndarray:
    """Return how far a row's results may lie from these by rounding alone, (n, 1) or (n,).

    `again` are results with other roundings: no program can be closer to the model than these are.
    """
    far = np.max([np.nan_to_num(np.abs(other - want), posinf=0) for other in again], axis=0)
    rows = far.reshape(len(want), -1).max(axis=1)
    return (MARGIN * (rows + np.median(rows))).reshape(-1, *[1] * (want.ndim - 1))


def decided_rows(model: Model, X: np.ndarray) -> np.ndarray:
    """Return which rows have a code that rounding cannot turn."""
    sparsity = model.slots.sparsity
    if sparsity is None or type(sparsity).code is Sparsity.code:
        return np.ones(len(X), bool)
    return sparsity.certain(_ours(model, "encode", X, sparse=False), TOLERANCE)


def on_processor(model: Model) -> Model:
    """Return the model on the processor, where no product is shortened."""
    return model.on_host().on("cpu")


def _ours(model: Model, what: str, X: np.ndarray, *, sparse: bool = True) -> np.ndarray:
    """Return what the model makes of rows, on the processor; a code with or without its sparsity."""
    model = on_processor(model)
    objective = model.slots.objective()
    if not sparse:
        objective = objective._replace(sparsity=None)
    with model.computing():
        return map_batches(what, traced(objective, model.dtype), model.net, X, model.scaled)

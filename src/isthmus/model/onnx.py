"""ONNX files: rows in the data's units in, and codes, reconstructions or scores out, as float32.

Before a file is written, ONNX Runtime and the model compute the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from isthmus.io import ModelFileError, write_model_bytes
from isthmus.model.onnx_graph import (
    NoFormError,
    add_code,
    add_reconstruction,
    add_scaling,
    add_score,
    check_forms,
    model_bytes,
    package,
)
from isthmus.model.scaling import Affine, Scaler, Wrapped
from isthmus.nets import OLDEST_OPSET, OPSET, Graph
from isthmus.parts import Sparsity
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
        want, allowed = _expected(model, part, X)
        check_equal(content, model.shaped(X), want, allowed, decided_rows(model, X))
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


# -- the file --------------------------------------------------------------------------------------


def _content(model: Model, part: str, names: Names, opset: int) -> bytes:
    """Return the ONNX file of one part."""
    graph, shape = Graph(opset), model.row_shape
    x = scaled_input(graph, model)
    slots = model.slots
    z = add_code(graph, model.net, slots.loss, slots.sparsity, x)
    behind: tuple[int, ...] = (model.n_components,)
    if part == "reconstruct":
        shaped = model.sample_shape
        result = add_reconstruction(graph, model.net, model.scaler, shaped, z)
        behind = shape
    elif part == "score":
        result, behind = add_score(graph, model.net, slots.loss, z, x), ()
    else:
        result = z
    named, shapes = (part, OUTPUTS[part]), (shape, behind)
    return model_bytes(graph, result, named, shapes, metadata(model, names))


def scaled_input(g: Graph, model: Model) -> str:
    """Return the input's rows, flat and scaled."""
    g.width = model.n_features
    return add_scaling(g, g.add("Reshape", "X", [0, model.n_features]), model.scaler)


def metadata(model: Model, names: Names) -> dict[str, str]:
    """Return the metadata beside the versions; values are text, lists are JSON."""
    facts = {"loss": model.slots.loss.name, "tolerance": str(TOLERANCE)}
    if names is not None:
        facts["feature_names"] = json.dumps([str(name) for name in names])
    return facts


# -- the check -----------------------------------------------------------------------------------


def check_equal(
    content: bytes,
    X: np.ndarray,
    want: np.ndarray,
    allowed: np.ndarray,
    decided: np.ndarray,
) -> None:
    """Raise a ModelFileError unless ONNX Runtime and the model agree on rows, alone and together."""
    sure = np.isfinite(want).reshape(len(X), -1).all(axis=1) & decided
    if not sure.any():
        raise ModelFileError(
            "The model cannot be checked: float32 cannot hold rows like its own, or rounding can turn "
            "each of their codes."
        )
    got = np.concatenate([_run(content, X[:1]), _run(content, X[1:])])
    error = np.abs(got.reshape(want.shape).astype(float) - want)
    bad = ~(error <= allowed).reshape(len(X), -1).all(axis=1) & sure
    if bad.any():
        raise ModelFileError(
            f"ONNX Runtime and the model differ on {bad.sum()} of {len(X)} rows, by up to "
            f"{error.reshape(len(X), -1)[bad].max():.3g}; nothing was written. Please report this."
        )


def _run(content: bytes, rows: np.ndarray) -> np.ndarray:
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": rows})[0]


def probe_rows(model: Model) -> np.ndarray:
    """Return float32 rows: spread about the mean row, between 0 and twice it, and reconstructions."""
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


def _expected(model: Model, part: str, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the model's results, and by how much float32 may differ from them."""
    want = _ours(model, METHODS[part], X).astype(float)
    again = (_ours(rounded_anew(model, i), METHODS[part], X) for i in range(DRAWS))
    moved = rounding(want, again)
    if part == "reconstruct":
        assert isinstance(model.scaler, Affine)
        rows = model.scaler.inverse(want)
        allowed = (TOLERANCE * (np.abs(want) + 1) + moved) * model.scaler.scale
        return rows, allowed + EPS * np.abs(rows)
    finite = np.abs(want[np.isfinite(want)])
    usual = (np.median if part == "score" else np.mean)(finite) if len(finite) else 0.0
    return -want if part == "score" else want, TOLERANCE * (np.abs(want) + usual) + moved


class _Rounding(NamedTuple):
    """A scaling that rounds scaled rows to float32, each value up or down by chance."""

    scaler: Scaler
    rng: np.random.Generator

    def fit(self, X: np.ndarray, y: None = None) -> object:
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        scaled = self.scaler.forward(X, "float64")
        return scaled * (1 + EPS * self.rng.uniform(-1, 1, scaled.shape))

    def inverse_transform(self, X: np.ndarray) -> np.ndarray:
        return self.scaler.inverse(X)


def rounded_anew(model: Model, seed: int) -> Model:
    """Return the model in float32, with scaled rows that are rounded in another way."""
    net = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), model.net)
    scaler = Wrapped(_Rounding(model.scaler, np.random.default_rng(seed)))
    return replace(on_processor(model), net=net, scaler=scaler, dtype="float32")


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

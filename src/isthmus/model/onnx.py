"""ONNX files: rows in the data's units in, and codes, reconstructions or scores out, as float32.

Before a file is written, ONNX Runtime and the model compute the same rows.
"""

import copy
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from isthmus.model import onnx_graph
from isthmus.model.file import ModelFileError, write_file
from isthmus.nets.graph import Graph
from isthmus.parts.sparsity import Sparsity
from isthmus.training.runtime import computing
from isthmus.training.trainer import map_batches, traced

TOLERANCE = 1e-4  # of a value's size plus the usual size; of scaled values, 1
CHECKED = 64  # rows of each kind
METHODS = {"encoder": "encode", "reconstruct": "reconstruct", "score": "losses"}
OUTPUTS = {"encoder": "code", "reconstruct": "reconstruction", "score": "score"}
NEAR = 8  # reference rows whose distance is computed again, from the differences
SAME = 1e-5  # of usual values: rounding may part a row from itself so far


def export(ae: Any, path: str | Path, part: str = "encoder") -> None:
    """Write a fitted model as ONNX; see `Autoencoder.export`."""
    if part not in METHODS:
        raise ValueError(f"The part must be 'encoder', 'reconstruct' or 'score'; got {part!r}.")
    if part != "encoder":
        ae._need_decoder()
    _check_known(ae, part)
    _check_packages()
    with np.errstate(over="ignore", invalid="ignore"):  # the check tells what float32 cannot hold
        content, X = _content(ae, part), _probe(ae)
        _check_equal(content, X, ae.sample_shape_, *_expected(ae, part, X), _decided(ae, X))
    write_file(path, content)


def export_detector(detector: Any, path: str | Path, part: str = "score") -> None:
    """Write a fitted detector's score as ONNX; see `OutlierDetector.export`."""
    if part != "score":
        raise ValueError(f"Of a detector the part 'score' can be exported; got {part!r}.")
    models = [member.model for member in detector.members_]
    for model in models:
        _check_known(model, "strangeness")
    _check_packages()
    with np.errstate(over="ignore", invalid="ignore"):
        content, X = _detector_content(detector), _within(models[0], _probe(models[0]))
        want = _on_processor(detector).score_samples(X.reshape(-1, *_shape(detector)))
        decided = np.all([_decided(model, X) for model in models], axis=0)
        allowed = TOLERANCE * (np.abs(want) + np.median(np.abs(want)))
        _check_equal(content, X, detector.sample_shape_, want, allowed, decided)
    write_file(path, content)


def _check_packages() -> None:
    for name in ("onnx", "onnxruntime"):
        onnx_graph.package(name)


def _check_known(ae: Any, part: str) -> None:
    """Raise a ValueError if a part of the model has no ONNX form."""
    slots = ae.slots_
    try:
        onnx_graph.check_forms(ae.net_, slots.loss, slots.sparsity, ae.scaler_, part)
    except onnx_graph.NoFormError as error:
        exported = "score" if part == "strangeness" else part
        raise ValueError(f"The part {exported!r} cannot be exported: {error}.") from error


# -- the files -----------------------------------------------------------------------------------


def _content(ae: Any, part: str) -> bytes:
    """Return the ONNX file of one part."""
    graph, net, shape = Graph(), ae.net_, _shape(ae)
    x = _rows(graph, ae)
    z = onnx_graph.code(graph, net, ae.slots_.loss, ae.slots_.sparsity, x)
    behind: tuple[int, ...] = (net.n_components,)
    if part == "reconstruct":
        result = onnx_graph.reconstruction(graph, net, ae.scaler_, ae.sample_shape_, z)
        behind = shape
    elif part == "score":
        result, behind = onnx_graph.score(graph, net, ae.slots_.loss, z, x), ()
    else:
        result = z
    return onnx_graph.finished(
        graph, result, (part, OUTPUTS[part]), (shape, behind), _facts(ae, ae)
    )


def _detector_content(detector: Any) -> bytes:
    """Return the ONNX file of a detector's score: minus the mean of its members' strangeness."""
    graph, total, shape = Graph(), "", _shape(detector)
    for k, member in enumerate(detector.members_):
        graph.prefix = f"member.{k}."
        strange = _strangeness(graph, member)
        total = graph.add("Add", total, strange) if total else strange
    result = graph.add("Div", total, -float(len(detector.members_)))
    facts = {**_facts(detector, detector.members_[0].model), "threshold": str(detector.offset_)}
    return onnx_graph.finished(graph, result, ("score", "score"), (shape, ()), facts)


def _strangeness(g: Graph, member: Any) -> str:
    """Return a member's loss of each row plus its distance to the nearest of the reference rows."""
    ae = member.model
    x = _rows(g, ae)
    z = onnx_graph.code(g, ae.net_, ae.slots_.loss, ae.slots_.sparsity, x)
    y = onnx_graph.decoded(g, ae.net_, z)
    nearest = _nearest(g, y, member.known())
    return g.add("Add", onnx_graph.cost(g, ae.slots_.loss, y, x), nearest)


def _nearest(g: Graph, y: str, known: np.ndarray) -> str:
    """Return the mean squared distance from each row to the nearest known one but itself.

    Of several draws of known rows (draws, k, d) the mean. Products find a few rows that are near, and
    differences tell how far they are.
    """
    d, n = known.shape[-1], known.shape[-2]
    flat, draws, size = known.reshape(-1, d), known.size // (n * d), min(NEAR, n)
    middle = flat.mean(axis=0)
    around = flat - middle
    far = g.add("MatMul", g.add("Sub", y, middle), -2 * around.T)
    far = g.add("Add", far, np.sum(around.astype(float) ** 2, axis=1))
    far = g.add("Reshape", far, [0, draws, n])
    rows = g.add("TopK", far, [size], outputs=2, axis=2, largest=0)
    rows = g.add("Add", rows, [[n * i] for i in range(draws)])
    gap = g.add("Sub", g.add("Unsqueeze", y, [1, 2]), g.add("Gather", g.array(flat), rows, axis=0))
    apart = g.add("ReduceMean", g.add("Mul", gap, gap), [3], keepdims=0)
    if size > 1:
        limit = SAME**2 * (1 + float(np.mean(flat.astype(float) ** 2)))
        apart = _but_itself(g, apart, limit)
    return g.add("ReduceMean", apart, [1, 2] if size == 1 else [1], keepdims=0)


def _but_itself(g: Graph, apart: str, limit: float) -> str:
    """Return the least of each row's distances to a draw, or the next where that is about 0."""
    places = g.add("TopK", apart, [2], outputs=2, axis=2, largest=0)
    two = g.add("GatherElements", apart, places, axis=2)
    first, second = (g.add("Gather", two, g.whole(i), axis=2) for i in (0, 1))
    return g.add("Where", g.add("LessOrEqual", first, limit), second, first)


def _rows(g: Graph, ae: Any) -> str:
    """Return the input's rows, flat and scaled."""
    return onnx_graph.scaled(g, g.add("Reshape", "X", [0, ae.net_.n_features]), ae.scaler_)


def _shape(fitted: Any) -> tuple[int, ...]:
    return tuple(fitted.sample_shape_ or (fitted.n_features_in_,))


def _facts(fitted: Any, ae: Any) -> dict[str, str]:
    """Return the metadata beside the versions; values are text, lists are JSON."""
    names = getattr(fitted, "feature_names_in_", None)
    facts = {"loss": ae.slots_.loss.name, "tolerance": str(TOLERANCE)}
    if names is not None:
        facts["feature_names"] = json.dumps([str(name) for name in names])
    return facts


# -- the check -----------------------------------------------------------------------------------


def _check_equal(
    content: bytes,
    X: np.ndarray,
    shape: tuple[int, ...] | None,
    want: np.ndarray,
    allowed: np.ndarray,
    decided: np.ndarray,
) -> None:
    """Raise a ModelFileError unless ONNX Runtime and the model agree on rows, alone and together."""
    sure = np.isfinite(want).reshape(len(X), -1).all(axis=1) & decided
    if not sure.any():
        raise ModelFileError("The model cannot be checked: float32 cannot hold rows like its own.")
    shaped = X.reshape(-1, *(shape or X.shape[1:]))
    got = np.concatenate([_run(content, shaped[:1]), _run(content, shaped[1:])])
    error = np.abs(got.reshape(want.shape).astype(float) - want)
    bad = ~(error <= allowed).reshape(len(X), -1).all(axis=1) & sure
    if bad.any():
        raise ModelFileError(
            f"ONNX Runtime and the model differ on {bad.sum()} of {len(X)} rows, by up to "
            f"{error.reshape(len(X), -1)[bad].max():.3g}; nothing was written. Please report this."
        )


def _run(content: bytes, rows: np.ndarray) -> np.ndarray:
    runtime = onnx_graph.package("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": rows})[0]


def _probe(ae: Any) -> np.ndarray:
    """Return float32 rows: spread about the mean row, between 0 and twice it, and reconstructions."""
    rng = np.random.default_rng(0)
    shape = CHECKED, ae.net_.n_features
    mean = np.asarray(ae._mean_row, float)
    near = mean + rng.normal(size=shape)
    between = mean * rng.uniform(0, 2, shape)
    X = ae.scaler_.inverse(np.concatenate([near, between]))
    if ae.net_.decoder:
        again = _ours(ae, "reconstruct", X.astype(np.float32))
        X = np.concatenate([X, ae.scaler_.inverse(again.astype(float))])
    X = X.astype(np.float32)
    return np.where(np.isfinite(X), X, np.float32(0))


def _within(ae: Any, X: np.ndarray) -> np.ndarray:
    """Return rows as a model without a scaling takes them: within the loss's domain."""
    return X if ae.scaling_ is not None else np.clip(X, *ae.slots_.loss.domain)


def _expected(ae: Any, part: str, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the model's results, and by how much float32 may differ from them."""
    want = _ours(ae, METHODS[part], X).astype(float)
    if part == "reconstruct":
        rows = ae.scaler_.inverse(want)
        rounding = np.finfo(np.float32).eps * np.abs(rows)
        return rows, TOLERANCE * (np.abs(want) + 1) * ae.scaler_.scale + rounding
    finite = np.abs(want[np.isfinite(want)])
    usual = (np.median if part == "score" else np.mean)(finite) if len(finite) else 0.0
    return -want if part == "score" else want, TOLERANCE * (np.abs(want) + usual)


def _decided(ae: Any, X: np.ndarray) -> np.ndarray:
    """Return which rows have a code that rounding cannot turn."""
    sparsity = ae.slots_.sparsity
    if sparsity is None or type(sparsity).code is Sparsity.code:
        return np.ones(len(X), bool)
    return sparsity.certain(_ours(ae, "encode", X, sparsity=None), TOLERANCE)


def _ours(ae: Any, what: str, X: np.ndarray, **changed: Any) -> np.ndarray:
    """Return what the model makes of rows, on the processor, where no product is shortened."""

    def scaled(x: np.ndarray) -> np.ndarray:
        return ae.scaler_.forward(x, ae.dtype)

    with computing(ae.dtype, "cpu"):
        net = jax.tree.map(np.asarray, ae.net_)
        objective = traced(ae.slots_.objective()._replace(**changed), ae.dtype)
        return map_batches(what, objective, net, X, scaled)


def _on_processor(detector: Any) -> Any:
    """Return a detector that computes as `_ours` does."""
    found = copy.copy(detector)
    vars(found).pop("feature_names_in_", None)  # the rows of the check are an array
    found.members_ = [member._replace(model=_moved(member.model)) for member in detector.members_]
    return found


def _moved(model: Any) -> Any:
    moved = copy.copy(model)
    moved.device, moved.net_ = "cpu", jax.tree.map(np.asarray, model.net_)
    return moved

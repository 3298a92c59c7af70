"""ONNX graphs of models: put together from what layers and parts bring."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

import isthmus
from isthmus.model.bending import Bent
from isthmus.model.counting import Rooted
from isthmus.model.onnx_scaling import Lines, back_nodes, forward_nodes
from isthmus.nets import LEVELS, LEVELS_VERSION, OPSET, End, Graph, Stored
from isthmus.parts import Loss, Mixed
from isthmus.words import install

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from isthmus.model.scaling import Scaler
    from isthmus.nets import Layer, Net
    from isthmus.parts import Sparsity

Shape = Sequence[int | str]
NO_ENDS: Mapping[str, End] = {}


class NoFormError(ValueError):
    """A part or a layer of a model has no ONNX form."""


def package(name: str) -> ModuleType:
    """Import a package that an export needs."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"An export needs {name}: {install('onnx', 'onnxruntime')}.", name=name
        ) from error


def check_forms(net: Net, loss: Loss, sparsity: Sparsity | None, scaler: Scaler, part: str) -> None:
    """Raise a NoFormError if something in the graph of a part has no ONNX form.

    `part` is one of `export`, or "strangeness", a member's share of a detector's score. To find out,
    the graph is put together, which takes no package and computes nothing, and dropped.
    """
    graph = Graph()
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold is found later
        x = add_scaling(graph, "X", scaler)
    z = add_code(graph, net, loss, sparsity, x)
    if part == "reconstruct":
        add_decoding(graph, net, loss, z)
    elif part == "score":
        add_score(graph, net, loss, z, x)
    elif part == "strangeness":
        add_loss(graph, loss, add_decoding(graph, net, loss, z), x)


def _formed(name: str | None, owner: str, slot: str, method: str) -> str:
    """Return the name of the value that a form ends in; a NoFormError if there is no form."""
    if name is None:
        raise NoFormError(
            f"{owner} has no ONNX form; fit with another {slot}, or write it as a class with a method "
            f"`{method}`"
        )
    return name


def model_bytes(
    graph: Graph,
    result: str,
    names: tuple[str, str],
    shapes: tuple[Shape, Shape],
    facts: dict[str, str],
    more: Mapping[str, End] = NO_ENDS,
    defaults: Sequence[str] = (),
) -> bytes:
    """Return the content of a file: `names` of the part and its output, `shapes` of a row of both.

    `more` outputs come behind it; `defaults` as in `file_bytes`.
    """
    (part, output), (shape, behind) = names, shapes
    given, made = [End("X", "float", shape)], {result: End(output, "float", behind), **more}
    return file_bytes(graph, part, given, made, {"shape": json.dumps(shape), **facts}, defaults)


def file_bytes(
    graph: Graph,
    part: str,
    inputs: list[End],
    outputs: dict[str, End],
    facts: dict[str, str],
    defaults: Sequence[str] = (),
) -> bytes:
    """Return the content of a file: a graph from its inputs to the outputs that its values are.

    `defaults` are names of arrays that are inputs too: who gives none gets these values.
    """
    onnx = package("onnx")
    helper = onnx.helper
    nodes = [
        helper.make_node(n.kind, n.inputs, n.outputs, name=n.outputs[-1], **n.attributes)
        for n in graph.nodes
    ]
    ends = [
        helper.make_node("Identity", [value], [end.name], name=f"{graph.apart}result{i or ''}")
        for i, (value, end) in enumerate(outputs.items())
    ]
    made = helper.make_graph(
        [*nodes, *ends],
        f"isthmus_{part}",
        [*map(_described, inputs), *(_optional(name, graph.arrays[name]) for name in defaults)],
        [_described(end) for end in outputs.values()],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.arrays.items()],
    )
    versions = {"": graph.opset, LEVELS: LEVELS_VERSION}
    domains = ["", *sorted({str(n.attributes.get("domain", "")) for n in graph.nodes} - {""})]
    model = helper.make_model_gen_version(
        made,
        opset_imports=[helper.make_opsetid(domain, versions[domain]) for domain in domains],
        producer_name="isthmus",
        producer_version=isthmus.__version__,
    )
    written = {"isthmus": isthmus.__version__, "jax": jax.__version__, "onnx": onnx.__version__}
    helper.set_model_props(model, {**written, "part": part, **facts})
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        if graph.opset == OPSET:
            raise
        raise ValueError(
            f"A part of this model cannot be written in opset {graph.opset} "
            f"({str(error).splitlines()[0]}): export with opset={OPSET}."
        ) from error
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _described(end: End) -> object:
    """Return an input or an output as files have it."""
    onnx = package("onnx")
    kind = getattr(onnx.TensorProto, end.type.upper())
    return onnx.helper.make_tensor_value_info(end.name, kind, ["rows", *end.shape])


def _optional(name: str, array: np.ndarray) -> object:
    """Return an input that has a default, as files have it."""
    helper = package("onnx").helper
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, array.shape)


def add_scaling(graph: Graph, x: str, scaler: Scaler) -> str:
    """Return scaled rows.

    The centre is taken off in two parts, of which the first is float32 and the second what that
    lacks, so that a column far from 0 loses nothing.
    """
    lines = _lines(scaler)
    if isinstance(lines, Bent | Rooted):
        return forward_nodes(graph, graph.cast(x, "double"), lines)
    first = lines.centre.astype(np.float32)
    rest = lines.centre - first
    for part in (first, rest):
        x = graph.add("Sub", x, part) if part.any() else x
    return x if (lines.scale == 1).all() else graph.add("Div", x, lines.scale)


def _lines(scaler: Scaler) -> Lines:
    """Return a built-in scaling; a NoFormError if it is another."""
    if isinstance(scaler, Lines):
        return scaler
    raise NoFormError(
        f"the scaling {scaler.transformer!r} is not one line a column; fit with a built-in scaling"
    )


class Coded(NamedTuple):
    """The names of codes, and of what the encoder saw and each of its layers gave."""

    z: str
    values: list[str]


def add_code(graph: Graph, net: Net, loss: Loss, sparsity: Sparsity | None, x: str) -> Coded:
    """Return the codes of scaled rows."""
    values = [_formed(loss.onnx_seen(graph, x), f"`seen` of {loss.title}", "loss", "onnx_seen")]
    for i in range(len(net.encoder)):
        values.append(_layer(graph, net, "encoder", i, values[-1]))
    if sparsity is None:
        return Coded(values[-1], values)
    code = _formed(sparsity.onnx(graph, values[-1]), sparsity.title, "sparsity", "onnx")
    return Coded(code, values)


def add_decoding(graph: Graph, net: Net, loss: Loss, coded: Coded) -> str:
    """Return the reconstructions, scaled."""
    y = _activated(graph, net, "decoder", 0, _linear_decoded(graph, net, coded))
    return _formed(loss.onnx_shown(graph, y), f"`shown` of {loss.title}", "loss", "onnx_shown")


def _linear_decoded(graph: Graph, net: Net, coded: Coded) -> str:
    """Return the reconstructions before the output activation."""
    z = coded.z
    for i in reversed(range(1, len(net.decoder))):
        z = _layer(graph, net, "decoder", i, z)
        z = graph.add("Add", z, coded.values[i]) if net.skips else z
    a = _linear(graph, net, "decoder", 0, z)
    return graph.add("Add", a, coded.values[0]) if net.residual else a


def add_reconstruction(graph: Graph, y: str, scaler: Scaler, sample_shape: Shape | None) -> str:
    """Return reconstructions in the data's units and shape."""
    y = add_units(graph, y, scaler)
    return graph.add("Reshape", y, [0, *sample_shape]) if sample_shape else y


def add_units(graph: Graph, y: str, scaler: Scaler) -> str:
    """Return scaled rows in the data's units."""
    lines = _lines(scaler)
    if isinstance(lines, Bent | Rooted):
        y = graph.cast(back_nodes(graph, y, lines), "float")
    else:
        y = graph.add("Mul", y, lines.scale) if (lines.scale != 1).any() else y
        y = graph.add("Add", y, lines.centre) if lines.centre.any() else y
    return y


def add_score(graph: Graph, net: Net, loss: Loss, coded: Coded, x: str) -> str:
    """Return minus the excess of each row, in a form that is stable if the loss has one."""
    a = _linear_decoded(graph, net, coded)
    if net.output != loss.link:
        return graph.add("Neg", add_loss(graph, loss, _activated(graph, net, "decoder", 0, a), x))
    inside, outside = _domain(graph, loss, x)
    stable = loss.onnx_excess_from_linear(graph, a, inside)
    methods = ("onnx_excess_from_linear", "onnx_from_linear")
    kind = _kind(loss)
    own = [name for name in methods if getattr(kind, name) is not getattr(Loss, name)]
    excess = _formed(stable, loss.title, "loss", (own or ["onnx"])[0])
    return graph.add("Neg", _charged(graph, excess, outside))


def add_loss(graph: Graph, loss: Loss, y: str, x: str) -> str:
    """Return the excess of each row, with what lies outside the loss's domain charged for."""
    inside, outside = _domain(graph, loss, x)
    method = "onnx" if _kind(loss).onnx_excess is Loss.onnx_excess else "onnx_excess"
    excess = _formed(loss.onnx_excess(graph, y, inside), loss.title, "loss", method)
    return _charged(graph, excess, outside)


def _kind(loss: Loss) -> type[Loss]:
    """Return the class of a loss; of tables of mixed types, that of their numbers."""
    return type(loss.numbers if isinstance(loss, Mixed) else loss)


def _domain(graph: Graph, loss: Loss, x: str) -> tuple[str, str | None]:
    """Return rows moved into the loss's domain, and if it has one how far they were outside."""
    low, high = loss.domain
    inside = graph.add("Max", x, low) if np.isfinite(low) else x
    inside = graph.add("Min", inside, high) if np.isfinite(high) else inside
    if inside == x:
        return x, None
    return inside, graph.row_mean(graph.add("Abs", graph.add("Sub", x, inside)))


def _charged(graph: Graph, excess: str, outside: str | None) -> str:
    """Add what is charged for; what float32 cannot hold is the largest number that it holds."""
    charged = excess if outside is None else graph.add("Add", excess, outside)
    return graph.finite(charged, float(np.finfo(np.float32).max))


# -- layers --------------------------------------------------------------------------------------


def _layer(graph: Graph, net: Net, side: str, i: int, x: str) -> str:
    return _activated(graph, net, side, i, _linear(graph, net, side, i, x))


def _linear(graph: Graph, net: Net, side: str, i: int, x: str) -> str:
    """Return a layer's value before its activation; rows are flat before and after."""
    layer: Layer = getattr(net, side)[i]
    tied = layer.weight is None
    name = f"encoder.{i}.weight" if tied else f"{side}.{i}.weight"
    weight = Stored(name, np.asarray(net.encoder[i].weight if tied else layer.weight))
    bias = graph.array(np.asarray(layer.bias), f"{side}.{i}.bias")
    h = _formed(layer.onnx(graph, x, weight, bias), _placed(layer, side, i), "architecture", "onnx")
    h = add_norm(graph, layer, h)
    shape = net.encoder[i].shapes[1 if side == "encoder" else 0]
    return h if len(shape) == 1 else graph.add("Reshape", h, [0, math.prod(shape)])


def add_norm(graph: Graph, layer: Layer, h: str) -> str:
    """Return values with a layer's normalisation, if it has one."""
    if layer.scale is not None and layer.shift is not None:
        scale, shift = np.asarray(layer.scale), np.asarray(layer.shift)
        h = graph.add("Add", graph.add("Mul", _standardised(graph, h), scale), shift)
    return h


def _standardised(graph: Graph, h: str) -> str:
    """Return values less their mean over channels, by their deviation: in this order, so that values
    far from 0 lose nothing, as they do in ONNX Runtime's LayerNormalization.
    """
    centred = graph.add("Sub", h, graph.mean(h, [-1], keepdims=1))
    variance = graph.mean(graph.add("Mul", centred, centred), [-1], keepdims=1)
    return graph.add("Div", centred, graph.add("Sqrt", graph.add("Add", variance, 1e-5)))


def _activated(graph: Graph, net: Net, side: str, i: int, h: str) -> str:
    layer: Layer = getattr(net, side)[i]
    owner = f"the activation {layer.activation!r} of {_placed(layer, side, i)}"
    return _formed(layer.onnx_activation(graph, h), owner, "activation", "onnx_activation")


def _placed(layer: Layer, side: str, i: int) -> str:
    return f"layer {i + 1} of the {side}, a {layer.title},"

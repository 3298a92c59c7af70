"""ONNX graphs of nets, layer by layer: a net is a short list of layers, and so is its graph."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import jax
import numpy as np

from isthmus import __version__
from isthmus.model.model import Model
from isthmus.model.scaling import Affine, Scaler
from isthmus.nets.net import ConvLayer, DenseLayer, Layer, Net, TransposedConvLayer
from isthmus.parts.losses import BCE, MAE, MSE, Cosine, Huber, Loss, Lp, Poisson
from isthmus.parts.sparsity import TopK

OPSET = 20


def package(name: str) -> Any:
    """Import a package that an export needs."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"An export needs {name}: pip install isthmus[onnx].", name=name
        ) from error


class Graph:
    """Nodes and arrays, as they are added; an array that is given again is stored once.

    `prefix` tells the arrays of several nets apart.
    """

    def __init__(self) -> None:
        self.prefix = ""
        self.nodes: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}

    def add(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> str:
        """Add a node and return its last output; what is no name is a constant."""
        names = [v if isinstance(v, str) else self.array(v) for v in inputs]
        name = f"{kind}_{len(self.nodes)}"
        made = [*(f"{name}_{i}" for i in range(outputs - 1)), name]
        node = package("onnx").helper.make_node(kind, names, made, name=name, **attributes)
        self.nodes.append(node)
        return name

    def whole(self, value: int) -> str:
        """Store one whole number, without axes, and return the name."""
        name = f"constant_{len(self.arrays)}"
        self.arrays[name] = np.array(value, np.int64)
        return name

    def array(self, value: Any, name: str = "") -> str:
        """Store numbers as float32, sizes (in a list) as int64, and return the name."""
        kind = np.int64 if isinstance(value, list) else np.float32
        name = f"{self.prefix}{name}" if name else f"constant_{len(self.arrays)}"
        self.arrays[name] = np.ascontiguousarray(value, kind)
        return name


def finished(
    graph: Graph, result: str, names: tuple[str, str], shapes: Any, facts: dict[str, str]
) -> bytes:
    """Return the content of a file: `names` of the part and its output, `shapes` of a row of both."""
    onnx = package("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    (part, output), (shape, behind) = names, shapes
    graph.nodes.append(helper.make_node("Identity", [result], [output], name="result"))
    made = helper.make_graph(
        graph.nodes,
        f"isthmus_{part}",
        [helper.make_tensor_value_info("X", kind, ["rows", *shape])],
        [helper.make_tensor_value_info(output, kind, ["rows", *behind])],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.arrays.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model_gen_version(
        made,
        opset_imports=[opset],
        producer_name="isthmus",
        producer_version=__version__,
    )
    versions = {"isthmus": __version__, "jax": jax.__version__, "onnx": onnx.__version__}
    helper.set_model_props(model, {**versions, "part": part, "shape": json.dumps(shape), **facts})
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def scaled(g: Graph, x: str, scaler: Scaler) -> str:
    """Return scaled rows.

    The centre is taken off in two parts, of which the first is float32 and the second what that
    lacks, so that a column far from 0 loses nothing.
    """
    assert isinstance(scaler, Affine)
    first = scaler.centre.astype(np.float32)
    rest = scaler.centre - first
    for part in (first, rest):
        x = g.add("Sub", x, part) if part.any() else x
    return x if (scaler.scale == 1).all() else g.add("Div", x, scaler.scale)


def code(g: Graph, model: Model, x: str) -> str:
    """Return the codes of scaled rows."""
    net, sparsity = model.net, model.slots.sparsity
    if isinstance(model.slots.loss, Poisson):
        x = g.add("Log", g.add("Add", g.add("Max", x, 0.0), 1.0))
    for i, layer in enumerate(net.encoder):
        x = _activated(g, _linear(g, net, "encoder", i, x), layer)
    return _largest(g, x, sparsity.k) if isinstance(sparsity, TopK) else x


def _largest(g: Graph, h: str, k: int) -> str:
    """Return the k values of largest size in each row, and 0 elsewhere."""
    columns = g.add("TopK", g.add("Abs", h), [k], outputs=2, axis=1)
    kept = g.add("GatherElements", h, columns, axis=1)
    zeros = g.add("ConstantOfShape", g.add("Shape", h))
    return g.add("ScatterElements", zeros, columns, kept, axis=1)


def _linear_decoded(g: Graph, net: Net, z: str) -> str:
    """Return the reconstructions before the output activation."""
    for i in reversed(range(1, len(net.decoder))):
        z = _activated(g, _linear(g, net, "decoder", i, z), net.decoder[i])
    return _linear(g, net, "decoder", 0, z)


def decoded(g: Graph, net: Net, z: str) -> str:
    """Return the reconstructions, scaled."""
    return _activated(g, _linear_decoded(g, net, z), net.decoder[0])


def reconstruction(g: Graph, model: Model, z: str) -> str:
    """Return the reconstructions in the data's units and shape."""
    y = decoded(g, model.net, z)
    assert isinstance(model.scaler, Affine)
    if (model.scaler.scale != 1).any():
        y = g.add("Mul", y, model.scaler.scale)
    if model.scaler.centre.any():
        y = g.add("Add", y, model.scaler.centre)
    return g.add("Reshape", y, [0, *model.sample_shape]) if model.sample_shape else y


def score(g: Graph, model: Model, z: str, x: str) -> str:
    """Return minus the loss of each row, in a form that is stable where the loss has one."""
    loss, net = model.slots.loss, model.net
    a = _linear_decoded(g, net, z)
    if net.output != loss.link or type(loss) not in FROM_LINEAR:
        return g.add("Neg", cost(g, loss, _activated(g, a, net.decoder[0]), x))
    inside, outside = _domain(g, loss, x)
    return g.add("Neg", _charged(g, FROM_LINEAR[type(loss)](g, a, inside), outside))


def cost(g: Graph, loss: Loss, y: str, x: str) -> str:
    """Return the loss of each row, with what lies outside the loss's domain charged for."""
    inside, outside = _domain(g, loss, x)
    return _charged(g, LOSSES[type(loss)](g, loss, y, inside), outside)


def _domain(g: Graph, loss: Loss, x: str) -> tuple[str, str | None]:
    """Return rows moved into the loss's domain, and how far they were outside where it has one."""
    low, high = loss.domain
    inside = g.add("Max", x, low) if np.isfinite(low) else x
    inside = g.add("Min", inside, high) if np.isfinite(high) else inside
    return inside, None if inside == x else mean(g, g.add("Abs", g.add("Sub", x, inside)))


def _charged(g: Graph, cost: str, outside: str | None) -> str:
    return cost if outside is None else g.add("Add", cost, outside)


# -- layers --------------------------------------------------------------------------------------


def _linear(g: Graph, net: Net, side: str, i: int, x: str) -> str:
    """Return a layer's value before its activation; rows are flat before and behind."""
    layer: Layer = getattr(net, side)[i]
    tied = layer.weight is None
    weight = np.asarray(net.encoder[i].weight if tied else layer.weight)
    name = f"encoder.{i}.weight" if tied else f"{side}.{i}.weight"
    bias = g.array(np.asarray(layer.bias), f"{side}.{i}.bias")
    if isinstance(layer, DenseLayer):
        h = g.add("Gemm", x, g.array(weight, name), bias, transB=int(tied))
    elif isinstance(layer, ConvLayer | TransposedConvLayer):
        h = _convolved(g, layer, x, weight, name, bias)
    if layer.scale is not None and layer.shift is not None:
        scale, shift = np.asarray(layer.scale), np.asarray(layer.shift)
        h = g.add("LayerNormalization", h, scale, shift, axis=-1, epsilon=1e-5)
    if isinstance(layer, DenseLayer):
        return h
    before, behind = net.encoder[i].n_in, net.encoder[i].n_out
    return g.add("Reshape", h, [0, behind if side == "encoder" else before])


def _convolved(
    g: Graph,
    layer: ConvLayer | TransposedConvLayer,
    x: str,
    weight: np.ndarray,
    name: str,
    bias: str,
) -> str:
    """Return the maps, channels last, of flat rows; ONNX has the channels first."""
    window, back = layer.window, isinstance(layer, TransposedConvLayer)
    axes = list(range(len(window)))
    sizes = [a.positions if back else a.size for a in window]
    maps = g.add("Reshape", x, [0, *sizes, weight.shape[-1 if back else -2]])
    maps = g.add("Transpose", maps, perm=[0, len(axes) + 1, *(a + 1 for a in axes)])
    first = np.transpose(weight, [len(axes) + 1, len(axes), *axes])  # (m, c, *kernels) for both
    settings: dict[str, Any] = {
        "strides": [a.stride for a in window],
        "kernel_shape": [a.kernel for a in window],
    }
    ends = [a.high for a in window]
    if back:
        spread = [a.stride * (a.positions - 1) + a.kernel for a in window]
        ends = [s - a.low - a.size for s, a in zip(spread, window, strict=True)]
        settings["output_padding"] = [max(-end, 0) for end in ends]  # what no kernel reached
    settings["pads"] = [*(a.low for a in window), *(max(end, 0) for end in ends)]
    kind = "ConvTranspose" if back else "Conv"
    maps = g.add(kind, maps, g.array(first, name), bias, **settings)
    return g.add("Transpose", maps, perm=[0, *(a + 2 for a in axes), 1])


NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "sigmoid": ("Sigmoid", {}),
    "logistic": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "relu": ("Relu", {}),
    "gelu": ("Gelu", {"approximate": "tanh"}),
    "elu": ("Elu", {}),
    "softplus": ("Softplus", {}),
    "exp": ("Exp", {}),
}


def _activated(g: Graph, h: str, layer: Layer) -> str:
    if layer.activation == "identity":
        return h
    if layer.activation == "silu":
        return g.add("Mul", h, g.add("Sigmoid", h))
    kind, settings = NODES[layer.activation]
    return g.add(kind, h, **settings)


# -- losses --------------------------------------------------------------------------------------


def mean(g: Graph, values: str) -> str:
    """Return the mean of each row's values."""
    return g.add("ReduceMean", values, [1], keepdims=0)


def _sum(g: Graph, values: str) -> str:
    return g.add("ReduceSum", values, [1], keepdims=0)


def _mse(g: Graph, loss: Any, y: str, x: str) -> str:
    error = g.add("Sub", y, x)
    return mean(g, g.add("Mul", error, error))


def _mae(g: Graph, loss: Any, y: str, x: str) -> str:
    return mean(g, g.add("Abs", g.add("Sub", y, x)))


def _lp(g: Graph, loss: Any, y: str, x: str) -> str:
    return mean(g, g.add("Pow", g.add("Abs", g.add("Sub", y, x)), loss.p))


def _huber(g: Graph, loss: Any, y: str, x: str) -> str:
    error = g.add("Abs", g.add("Sub", y, x))
    inner = g.add("Min", error, loss.delta)
    square = g.add("Mul", g.add("Mul", inner, inner), 0.5)
    return mean(g, g.add("Add", square, g.add("Mul", g.add("Sub", error, inner), loss.delta)))


def _bce(g: Graph, loss: Any, y: str, x: str) -> str:
    p = g.add("Clip", y, 1e-7, 1 - 1e-7)
    hit = g.add("Mul", x, g.add("Log", p))
    miss = g.add("Mul", g.add("Sub", 1.0, x), g.add("Log", g.add("Sub", 1.0, p)))
    return g.add("Neg", mean(g, g.add("Add", hit, miss)))


def _poisson(g: Graph, loss: Any, y: str, x: str) -> str:
    rate = g.add("Max", y, 1e-7)
    return mean(g, g.add("Sub", rate, g.add("Mul", x, g.add("Log", rate))))


def _cosine(g: Graph, loss: Any, y: str, x: str) -> str:
    lengths = g.add("Mul", *(_sum(g, g.add("Mul", v, v)) for v in (y, x)))
    root = g.add("Sqrt", g.add("Max", lengths, 1e-12))
    return g.add("Sub", 1.0, g.add("Div", _sum(g, g.add("Mul", y, x)), root))


def _bce_of_logits(g: Graph, a: str, x: str) -> str:
    return mean(g, g.add("Sub", g.add("Softplus", a), g.add("Mul", x, a)))


def _poisson_of_logs(g: Graph, a: str, x: str) -> str:
    return mean(g, g.add("Sub", g.add("Exp", a), g.add("Mul", x, a)))


LOSSES: dict[type[Loss], Callable[[Graph, Any, str, str], str]] = {
    MSE: _mse,
    MAE: _mae,
    Lp: _lp,
    Huber: _huber,
    BCE: _bce,
    Poisson: _poisson,
    Cosine: _cosine,
}
FROM_LINEAR: dict[type[Loss], Callable[[Graph, str, str], str]] = {
    BCE: _bce_of_logits,
    Poisson: _poisson_of_logs,
}

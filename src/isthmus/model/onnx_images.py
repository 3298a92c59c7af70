"""ONNX files that take images of any size: of models that are convolutions and nothing else.

Sides that are no multiple of the net's total stride are mirrored behind their end, and cut again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from isthmus.model.onnx_graph import add_norm, add_scaling, add_units
from isthmus.model.pixels import is_local, scaler_of_pixels
from isthmus.model.scaling import Affine
from isthmus.nets import Stored
from isthmus.parts import Loss

if TYPE_CHECKING:
    from isthmus.model.model import Model
    from isthmus.nets import Graph

ANY = ("height", "width")  # what files call the sides


def takes_any_size(model: Model) -> bool:
    """Return whether a file of the model can take images of any size.

    The images that it was fitted on must be a multiple of the total stride: of others, which the net
    itself knows to the end, the file would see something else there.
    """
    shape, loss = model.sample_shape, type(model.slots.loss)
    return (
        shape is not None
        and is_local(model)
        and isinstance(scaler_of_pixels(model), Affine)
        and loss.seen is Loss.seen
        and loss.shown is Loss.shown
        and not any(side % model.net.total_stride for side in shape[:2])
    )


def model_over(model: Model, sizes: tuple[int, int]) -> Model:
    """Return a model that takes any size, for images of these sides."""
    channels = model.net.encoder[0].shapes[0][-1]
    pixels = sizes[0] * sizes[1]
    scaler = scaler_of_pixels(model)
    assert isinstance(scaler, Affine)
    assert model.sample_shape is not None
    mean = model.mean_row.reshape(-1, channels).mean(axis=0)
    return replace(
        model,
        net=model.net.resized(sizes),
        scaler=Affine(*(np.tile(line, pixels) for line in scaler)),
        mean_row=np.tile(mean, pixels).astype(model.mean_row.dtype),
        sample_shape=(*sizes, *model.sample_shape[2:]),
    )


def add_images(graph: Graph, model: Model) -> str:
    """Return the reconstructions of the images X (n, height, width[, channels])."""
    scaler, shape = scaler_of_pixels(model), model.sample_shape
    assert isinstance(scaler, Affine)
    assert shape is not None
    x = "X" if len(shape) == 3 else graph.add("Unsqueeze", "X", [3])
    stride = model.net.total_stride
    if stride > 1:
        for axis in (1, 2):
            x = _mirrored(graph, x, axis, stride)
    y = add_units(graph, _through(graph, model, add_scaling(graph, x, scaler)), scaler)
    if stride > 1:
        y = graph.add(
            "Slice", y, [0, 0], graph.add("Slice", graph.add("Shape", "X"), [1], [3]), [1, 2]
        )
    return y if len(shape) == 3 else graph.add("Squeeze", y, [3])


def _mirrored(graph: Graph, x: str, axis: int, stride: int) -> str:
    """Return maps with a side that is a multiple of the stride, as `images` fills it up."""
    size = graph.add("Gather", graph.add("Shape", x), graph.whole(axis))
    last = graph.add("Sub", size, graph.whole(1))
    filled = graph.add("Add", graph.add("Div", last, graph.whole(stride)), graph.whole(1))
    length = graph.add("Mul", filled, graph.whole(stride))
    numbers = graph.add("Range", graph.whole(0), length, graph.whole(1))
    back = graph.add("Sub", last, graph.add("Abs", graph.add("Sub", last, numbers)))
    return graph.add("Gather", x, graph.add("Max", back, graph.whole(0)), axis=axis)


def _through(graph: Graph, model: Model, x: str) -> str:
    """Return what the net makes of scaled maps."""
    net, values = model.net, [x]
    for i in range(len(net.encoder)):
        values.append(_layer(graph, model, "encoder", i, values[-1]))
    z = values[-1]
    for i in reversed(range(len(net.decoder))):
        if i == 0 and net.residual:
            linear = graph.add("Add", _linear(graph, model, "decoder", 0, z), values[0])
            return linear  # the output of a residual net is linear
        z = _layer(graph, model, "decoder", i, z)
        z = graph.add("Add", z, values[i]) if net.skips and i > 0 else z
    return z


def _layer(graph: Graph, model: Model, side: str, i: int, x: str) -> str:
    layer = getattr(model.net, side)[i]
    h = layer.onnx_activation(graph, _linear(graph, model, side, i, x))
    assert isinstance(h, str)
    return h


def _linear(graph: Graph, model: Model, side: str, i: int, x: str) -> str:
    layer, mirrored = getattr(model.net, side)[i], model.net.encoder[i]
    weight = mirrored.weight if layer.weight is None else layer.weight
    name = f"encoder.{i}.weight" if layer.weight is None else f"{side}.{i}.weight"
    bias = graph.array(np.asarray(layer.bias), f"{side}.{i}.bias")
    h = layer.onnx_maps(graph, x, Stored(name, np.asarray(weight)), bias)
    return add_norm(graph, layer, h)

"""An architecture with a layer of its own, all in one file, as a user might write it."""

from dataclasses import dataclass, replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from isthmus.nets.layer import Layer
from isthmus.parts.architectures import Architecture, LayerPlan, Plan
from isthmus.parts.part import number, option


class BlockLayer(Layer, kind="blocks"):
    """Groups of neighbouring values, each coded by itself; the weight is (groups, in, out)."""

    groups: int = eqx.field(static=True)

    def product(self, x, weight):
        parts = x.reshape(len(x), self.groups, -1)
        return jnp.einsum("ngi,gio->ngo", parts, weight).reshape(len(x), -1)

    def tied(self, weight):
        return jnp.swapaxes(weight, 1, 2)

    @property
    def shapes(self):
        groups, before, after = self.weight.shape
        return (groups * before,), (groups * after,)

    def rescaled(self, gain, bias):
        weight = self.weight * gain.reshape(self.groups, 1, -1)
        return replace(self, weight=weight.astype(bias.dtype), bias=bias)

    def onnx(self, graph, x, weight, bias):
        value = weight.value if self.weight is not None else np.swapaxes(weight.value, 1, 2)
        rows = graph.add("Reshape", x, [0, self.groups, 1, value.shape[1]])
        made = graph.add("MatMul", rows, graph.array(value, weight.name))
        return graph.add("Add", graph.add("Reshape", made, [0, self.groups * value.shape[2]]), bias)


@dataclass
class Blocks(Architecture, name="blocks"):
    """Groups of columns, each with units of its own, and a dense code over all of them."""

    groups: int = number(2, "[1, inf)", whole=True)
    units: int = number(3, "[1, inf)", whole=True)
    tied: bool = option(False, (False, True))
    activation: str = option("tanh")

    def plan(self, shape, n_components):
        width = shape[0] // self.groups
        whole = {"groups": self.groups}
        up = LayerPlan(
            BlockLayer, (self.groups, width, self.units), self.groups * self.units, whole
        )
        down = LayerPlan(BlockLayer, (self.groups, self.units, width), self.groups * width, whole)
        first = Plan(up, down, (6 / (width + self.units)) ** 0.5)
        return [first] if n_components is None else [first, Plan.dense(up.channels, n_components)]

"""Convolutional layers, of maps laid out flat, and their mirrors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import equinox as eqx
import numpy as np

from isthmus.nets.convolution import Axis, convolve, transpose
from isthmus.nets.layer import Layer, squares_of_product, unfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jax import Array

    from isthmus.nets.convolution import Window
    from isthmus.nets.graph import Graph, Stored


class WindowedLayer(Layer):
    """A layer whose kernel moves over maps; what a convolution and its mirror share."""

    window: Window = eqx.field(static=True)

    @property
    def manner(self) -> str:
        """Over which sizes the kernel moves, and how."""
        sizes = "x".join(str(a.size) for a in self.window)
        strides = [str(a.stride) for a in self.window]
        zeros = [f"{a.low}+{a.high}" for a in self.window]
        stride, around = (v[0] if len(set(v)) == 1 else ", ".join(v) for v in (strides, zeros))
        named = "" if type(self) in (ConvLayer, TransposedConvLayer) else super().manner
        return f"{named} over {sizes} (stride {stride}, zeros {around})"

    def settings(self) -> dict[str, object]:
        """Return the activation, and the window as a dict for each axis."""
        return {**super().settings(), "window": [axis._asdict() for axis in self.window]}

    @classmethod
    def rebuild(
        cls, arrays: Mapping[str, np.ndarray | None], settings: Mapping[str, object]
    ) -> Self:
        """Return the layer; no header of a file may ask for a window that `Axis.of` does not make."""
        given = settings.get("window")
        axes = given if isinstance(given, list) else []
        window = tuple(Axis(**{k: int(v) for k, v in axis.items()}) for axis in axes)
        if not window or not all(axis.possible for axis in window):
            raise ValueError(f"its window {ascii(given)[:100]} is impossible")
        return super().rebuild(arrays, {**settings, "window": window})


class ConvLayer(WindowedLayer, kind="conv"):
    """A convolution; its weight is (*kernels, channels in, channels out)."""

    def product(self, x: Array, weight: Array) -> Array:
        """Return the maps (n, *positions, channels out)."""
        maps = x.reshape(len(x), *(a.size for a in self.window), weight.shape[-2])
        return convolve(maps, weight, self.window)

    def squared_norms(self) -> Array | None:
        """Return the sums of squares of what each unit sees inside the padding."""
        return None if self.scale is not None else squares_of_product(self)

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes (*sizes, channels) of the maps."""
        assert self.weight is not None
        before, behind = zip(*((a.size, a.positions) for a in self.window), strict=True)
        return (*before, self.weight.shape[-2]), (*behind, self.weight.shape[-1])

    @property
    def work(self) -> int:
        """Each weight, at each position."""
        return super().work * math.prod(a.positions for a in self.window)

    @property
    def width(self) -> int:
        """The values of all patches."""
        return max(self.n_in, self.n_out, self.work // self.shapes[1][-1])

    def check(self) -> None:
        """Raise a ValueError unless the weight has the window's kernels and the bias a value a map."""
        shape = () if self.weight is None else self.weight.shape
        kernels = tuple(axis.kernel for axis in self.window)
        whole = len(shape) == len(kernels) + 2 and shape[:-2] == kernels and min(shape) > 0
        if not whole or self.bias.shape != shape[-1:]:
            raise unfit(self, shape)

    def check_mirror(self, mirror: Layer) -> None:
        """Raise a ValueError unless the mirror is the adjoint over the same window."""
        assert self.weight is not None
        same = self.weight.shape
        shape = same if mirror.weight is None else mirror.weight.shape
        alike = isinstance(mirror, TransposedConvLayer) and mirror.window == self.window
        if not alike or (shape, mirror.bias.shape) != (same, same[-2:-1]):
            raise unfit(mirror, shape, f"the encoder's is {self.describe()}")

    def onnx(self, graph: Graph, x: str, weight: Stored, bias: str) -> str | None:
        """Add a convolution of rows, as maps of the window's sizes."""
        sizes = [a.size for a in self.window]
        maps = graph.add("Reshape", x, [0, *sizes, weight.value.shape[-2]])
        return self.onnx_maps(graph, maps, weight, bias)

    def onnx_maps(self, graph: Graph, maps: str, weight: Stored, bias: str) -> str:
        """Add a convolution of maps of any size, between the turns of the axes around it."""
        pads = [*(a.low for a in self.window), *(a.high for a in self.window)]
        maps = _channels_first(graph, maps, len(self.window))
        maps = graph.add("Conv", maps, _outer_first(weight), bias, **_steps(self.window), pads=pads)
        return _channels_last(graph, maps, len(self.window))


class TransposedConvLayer(WindowedLayer, kind="transposed_conv"):
    """The mirror of a convolution: its adjoint, with a weight of the same shape and order."""

    def product(self, x: Array, weight: Array) -> Array:
        """Return the maps (n, *sizes, channels in), exactly as large as the convolution's input."""
        maps = x.reshape(len(x), *(a.positions for a in self.window), weight.shape[-1])
        return transpose(maps, weight, self.window)

    def tied(self, weight: Array) -> Array:
        """Return the encoder's weight: an adjoint shares it."""
        return weight

    def onnx(self, graph: Graph, x: str, weight: Stored, bias: str) -> str | None:
        """Add a transposed convolution of rows, as maps of the window's positions."""
        positions = [a.positions for a in self.window]
        maps = graph.add("Reshape", x, [0, *positions, weight.value.shape[-1]])
        return self.onnx_maps(graph, maps, weight, bias)

    def onnx_maps(self, graph: Graph, maps: str, weight: Stored, bias: str) -> str:
        """Add a transposed convolution of maps, which returns exactly the convolution's sizes.

        These are the window's, or others that are as far from a multiple of the stride. The adjoint
        spreads over `S (O - 1) + K` places, of which `low` are cut off before and the rest behind;
        places that no kernel reached are added behind.
        """
        spread = [a.stride * (a.positions - 1) + a.kernel for a in self.window]
        ends = [s - a.low - a.size for s, a in zip(spread, self.window, strict=True)]
        settings = {
            **_steps(self.window),
            "output_padding": [max(-end, 0) for end in ends],
            "pads": [*(a.low for a in self.window), *(max(end, 0) for end in ends)],
        }
        maps = _channels_first(graph, maps, len(self.window))
        maps = graph.add("ConvTranspose", maps, _outer_first(weight), bias, **settings)
        return _channels_last(graph, maps, len(self.window))


# -- ONNX has the channels first, and the weight's as (channels out, channels in, *kernels) --------


def _steps(window: Window) -> dict[str, Any]:
    return {"strides": [a.stride for a in window], "kernel_shape": [a.kernel for a in window]}


def _outer_first(weight: Stored) -> Stored:
    """Return a weight (*kernels, c, m) as (m, c, *kernels), for both directions."""
    axes = range(weight.value.ndim - 2)
    return weight._replace(value=np.transpose(weight.value, [len(axes) + 1, len(axes), *axes]))


def _channels_first(graph: Graph, maps: str, axes: int) -> str:
    return graph.add("Transpose", maps, perm=[0, axes + 1, *(a + 1 for a in range(axes))])


def _channels_last(graph: Graph, maps: str, axes: int) -> str:
    return graph.add("Transpose", maps, perm=[0, *(a + 2 for a in range(axes)), 1])

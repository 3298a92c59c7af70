"""What a layer is, and the fully connected one."""

from __future__ import annotations

import dataclasses
import json
import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from isthmus.nets.activations import ACTIVATIONS
from isthmus.nets.graph import no_form
from isthmus.nets.overriding import drop_outdated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jax import Array

    from isthmus.nets.graph import Graph, Stored


class Layer(eqx.Module):
    """A layer `a(norm(product(x, W) + b))` from flat rows to flat rows: (n, n_in) -> (n, n_out).

    A class of layers is registered under a `kind`, which model files keep; a subclass has a kind of
    its own or none. It defines `product`, and `shapes` to stand in an encoder. `tied` lets a decoder's
    layer use its encoder's weight, `onnx` lets it be exported, and `squared_norms` shortens the
    contractive penalty; a subclass that overrides what these two are about does not inherit them.
    Fields are arrays, which are trained, or static settings, which JSON must hold.

    Attributes
    ----------
    weight : Array (..., channels) or None
        Of an encoder's layer the last axis is what comes out. A tied decoder's layer has none.
    bias : Array (channels,)
        The units of a dense layer, the maps of a convolution.
    scale, shift : Array (channels,) or None
        Layer normalisation's, if there is one.
    activation : str
        A name in `ACTIVATIONS`.

    Examples
    --------
    >>> class Gain(Layer, kind="gain"):
    ...     "Each column times a weight of its own."
    ...
    ...     def product(self, x, weight):
    ...         return x * weight
    ...
    ...     def tied(self, weight):
    ...         return weight
    ...
    ...     @property
    ...     def shapes(self):
    ...         return self.weight.shape, self.weight.shape
    >>> layer = Gain(jnp.full(3, 2.0), jnp.ones(3), None, None, "identity")
    >>> layer.linear(jnp.ones((1, 3)))
    Array([[3., 3., 3.]], dtype=float32)
    """

    kind: ClassVar[str] = ""
    known: ClassVar[dict[str, type[Layer]]] = {}

    weight: Array | None
    bias: Array
    scale: Array | None
    shift: Array | None
    activation: str = eqx.field(static=True)

    def __init_subclass__(cls, kind: str = "") -> None:
        super().__init_subclass__()
        if kind in cls.known:
            raise TypeError(f"The layer kind {kind!r} exists already: {cls.known[kind].__name__}.")
        cls.kind = kind
        if kind:
            cls.known[kind] = cls
        drop_outdated(cls, "onnx", ("product", "linear", "tied"), no_form)
        drop_outdated(cls, "onnx_activation", ("activate",), no_form)
        drop_outdated(cls, "squared_norms", ("product", "linear", "activate"), no_form)

    # -- what it computes ------------------------------------------------------------------------

    @abstractmethod
    def product(self, x: Array, weight: Array) -> Array:
        """Return the linear map of rows; (n, n_in) -> (n, ..., channels)."""

    def tied(self, weight: Array) -> Array:
        """Return the weight of a tied decoder's layer, given its encoder's."""
        raise ValueError(
            f"a {self.title} does not say how to use its encoder's weight; define `tied`"
        )

    def linear(self, x: Array, weight: Array | None = None) -> Array:
        """Return the layer's value before its activation, with its own or another's weight."""
        weight = self.weight if weight is None else weight
        assert weight is not None
        h = self.product(x, weight) + self.bias
        if self.scale is not None and self.shift is not None:
            # jax.nn.standardize, if "stable", gives the same bits, but rounds gradients otherwise.
            centred = h - jnp.mean(h, axis=-1, keepdims=True)
            deviation = jnp.sqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
            h = centred / deviation * self.scale + self.shift
        return h.reshape(len(h), -1)

    def activate(self, h: Array) -> Array:
        """Apply the activation."""
        return ACTIVATIONS[self.activation].function(h)

    def rescaled(self, gain: np.ndarray, bias: np.ndarray) -> Self:
        """Return the layer with each channel's product times `gain`, and with this bias instead.

        With layer normalisation this is about the normalised value.
        """
        dtype = self.bias.dtype
        gained, shifted = ("weight", "bias") if self.scale is None else ("scale", "shift")
        if getattr(self, gained).shape[-1:] != gain.shape:
            raise ValueError(
                f"A {self.title} does not say how its units are scaled: give its class a method "
                "`rescaled`."
            )
        changed = {gained: getattr(self, gained) * gain, shifted: bias}
        return dataclasses.replace(self, **{k: v.astype(dtype) for k, v in changed.items()})

    def squared_norms(self) -> Array | None:
        """Return `||W_j||^2` of each unit j, (n_out,), or None if the layer cannot say.

        It can if it is `a(x W + b)` with an activation of each unit alone. Then, and if the code is
        elementwise too, the contractive penalty needs no differentiation.
        """
        return None

    # -- how large it is -------------------------------------------------------------------------

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of a row before and after an encoder's layer."""
        raise ValueError(f"a {self.title} has no `shapes` and so cannot stand in an encoder")

    @property
    def n_in(self) -> int:
        """The number of values in a row before an encoder's layer."""
        return math.prod(self.shapes[0])

    @property
    def n_out(self) -> int:
        """The number of units of an encoder's layer."""
        return math.prod(self.shapes[1])

    @property
    def work(self) -> int:
        """The number of multiplications for a row, of an encoder's layer and of its mirror each."""
        assert self.weight is not None
        return math.prod(self.weight.shape)

    @property
    def width(self) -> int:
        """The number of values of the largest array that is made for a row."""
        return max(self.n_in, self.n_out)

    # -- what fits -------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise a ValueError unless the arrays of an encoder's layer fit one another."""
        if self.weight is None:
            raise ValueError(f"a {self.title} needs a weight of its own in an encoder")
        _check_product(self, self.weight, *self.shapes)

    def check_mirror(self, mirror: Layer) -> None:
        """Raise a ValueError unless a decoder's layer undoes what this encoder's layer does."""
        weight = mirror.weight
        if weight is None:
            assert self.weight is not None
            weight = jax.eval_shape(mirror.tied, self.weight)
        _check_product(mirror, weight, *reversed(self.shapes))

    # -- files -----------------------------------------------------------------------------------

    @classmethod
    def field_names(cls, *, static: bool) -> list[str]:
        """Return the names of the settings or of the arrays."""
        fields = dataclasses.fields(cls)
        return [f.name for f in fields if f.metadata.get("static", False) == static]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by field, without those that are None."""
        values = {name: getattr(self, name) for name in self.field_names(static=False)}
        return {name: np.asarray(v) for name, v in values.items() if v is not None}

    def settings(self) -> dict[str, object]:
        """Return the static fields, as JSON can hold them; `rebuild` takes them."""
        return {name: getattr(self, name) for name in self.field_names(static=True)}

    @classmethod
    def rebuild(
        cls, arrays: Mapping[str, np.ndarray | None], settings: Mapping[str, object]
    ) -> Self:
        """Return the layer of arrays and settings as a file holds them, with lists for tuples.

        Raises
        ------
        ValueError
            If they are no layer of this class.
        """
        expected = cls.field_names(static=True)
        if sorted(settings) != sorted(expected):
            raise ValueError(f"its settings are {sorted(settings)}, not {sorted(expected)}")
        if settings["activation"] not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"its activation {settings['activation']!r} is none of {known}")
        _check_arrays(arrays)
        fields: dict[str, Any] = {name: arrays.get(name) for name in cls.field_names(static=False)}
        fields |= {name: _with_tuples(value) for name, value in settings.items()}
        return cls(**fields)

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Return the arrays by field and the JSON of the layer: its kind and its settings.

        Raises
        ------
        ValueError
            If `unpack_layer` could not give the same layer back.
        """
        if Layer.known.get(self.kind) is not type(self):
            name = type(self).__name__
            raise ValueError(
                f"its class {name} has no kind by which a file could name it; declare it as "
                f'`class {name}(Layer, kind="...")` and fit again, or keep the model by pickle'
            )
        arrays, spec = self.arrays(), {"kind": self.kind, **self.settings()}
        again = unpack_layer(arrays, json.loads(_as_json(spec, self.title)))
        if again.settings() != self.settings():
            raise ValueError(
                f"the settings of a {self.title} come back from JSON as {again.settings()}; override "
                "its methods `settings` and `rebuild`"
            )
        return arrays, spec

    @property
    def title(self) -> str:
        """What messages call the layer."""
        return f"{self.kind!r} layer" if self.kind else type(self).__name__

    def describe(self, *, precise: bool = True) -> str:
        """Return in words what must agree for two layers to share their weights."""
        shape = "tied" if self.weight is None else "x".join(map(str, self.weight.shape))
        norm = " with layer norm" if self.scale is not None else ""
        dtype = f" of {self.bias.dtype}" if precise else ""
        return f"{shape}{self.manner} {self.activation}{norm}{dtype}"

    @property
    def manner(self) -> str:
        """What `describe` says between the weight and the activation: by default kind and settings."""
        others = {k: v for k, v in self.settings().items() if k != "activation"}
        listed = ", ".join(f"{name}={value}" for name, value in others.items())
        return f" {self.kind or type(self).__name__}" + f"({listed})" * bool(listed)

    # -- ONNX ------------------------------------------------------------------------------------

    def onnx(self, graph: Graph, x: str, weight: Stored, bias: str) -> str | None:
        """Add the nodes of `product(x, weight) + bias`; the name of the result, or None for no form.

        A tied layer gets its encoder's weight, as that has it.
        """
        return None

    def onnx_activation(self, graph: Graph, h: str) -> str | None:
        """Add the nodes of `activate`; the name of the result, or None for no form."""
        form = ACTIVATIONS[self.activation].onnx
        return None if form is None else form(graph, h)


class DenseLayer(Layer, kind="dense"):
    """A fully connected layer; its weight is (n_in, n_out)."""

    def product(self, x: Array, weight: Array) -> Array:
        """Return `x W`."""
        return x @ weight

    def tied(self, weight: Array) -> Array:
        """Return the encoder's weight, transposed."""
        return weight.T

    def squared_norms(self) -> Array | None:
        """Return the sums of the columns' squares."""
        return None if self.scale is not None else squares_of_product(self)

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Both shapes have one axis."""
        assert self.weight is not None
        return self.weight.shape[:1], self.weight.shape[1:]

    @property
    def manner(self) -> str:
        """Nothing: a dense layer is its weight."""
        return "" if type(self) is DenseLayer else super().manner

    def check(self) -> None:
        """Raise a ValueError unless the weight is a matrix, with a bias for each column."""
        shape = () if self.weight is None else self.weight.shape
        if len(shape) != 2 or min(shape) < 1 or self.bias.shape != shape[1:]:
            raise unfit(self, shape)

    def check_mirror(self, mirror: Layer) -> None:
        """Raise a ValueError unless the mirror is a dense layer back."""
        assert self.weight is not None
        back = self.weight.shape[::-1]
        shape = back if mirror.weight is None else mirror.weight.shape
        if not isinstance(mirror, DenseLayer) or (shape, mirror.bias.shape) != (back, back[1:]):
            raise unfit(mirror, shape)

    def onnx(self, graph: Graph, x: str, weight: Stored, bias: str) -> str | None:
        """Add one product, transposed if the weight is the encoder's."""
        return graph.add("Gemm", x, weight, bias, transB=int(self.weight is None))


def unfit(layer: Layer, shape: tuple[int, ...], why: object = "") -> ValueError:
    """Return the error of a layer whose arrays do not fit one another or those of its mirror."""
    return ValueError(
        f"a {layer.title} cannot have a weight of shape {shape} and a bias of shape "
        f"{layer.bias.shape} there" + f" ({why})" * bool(why)
    )


def _check_product(
    layer: Layer, weight: Array, before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    """Raise a ValueError unless rows of one shape become rows of the other; nothing is computed."""
    rows = jax.ShapeDtypeStruct((2, math.prod(before)), weight.dtype)
    try:
        made = jax.eval_shape(layer.product, rows, weight).shape
    except TypeError as error:
        raise unfit(layer, weight.shape, error) from error
    if made[:1] != (2,) or math.prod(made[1:]) != math.prod(after) or layer.bias.shape != made[-1:]:
        raise unfit(layer, weight.shape, f"a row becomes values of shape {made[1:]}")


def squares_of_product(layer: Layer) -> Array:
    """Return `||W_j||^2` of each unit of a layer that is linear in its weight; shape (n_out,).

    `sum_i W_ij^2` is what the squared weight makes of a row of ones.
    """
    assert layer.weight is not None
    ones = jnp.ones((1, layer.n_in), layer.weight.dtype)
    return layer.product(ones, layer.weight**2).reshape(-1)


def unpack_layer(arrays: Mapping[str, np.ndarray | None], spec: Mapping[str, object]) -> Layer:
    """Return the layer that `Layer.pack` packed; a ValueError says what is wrong with a file's."""
    settings = dict(spec)
    kind = settings.pop("kind")
    if not isinstance(kind, str) or kind not in Layer.known:
        raise ValueError(
            f"its kind {kind!r} is not known here; import the module that defines it first, or upgrade "
            "isthmus"
        )
    return Layer.known[kind].rebuild(arrays, settings)


def array_names(spec: Mapping[str, object]) -> list[str]:
    """Return which arrays a file may hold for a packed layer; none for a kind not known here."""
    layer = Layer.known.get(str(spec["kind"]))
    return [] if layer is None else layer.field_names(static=False)


def _check_arrays(arrays: Mapping[str, np.ndarray | None]) -> None:
    """Raise a ValueError unless arrays hold floats, and bias, scale and shift are alike."""
    bias = arrays.get("bias")
    if bias is None or bias.ndim != 1:
        raise ValueError("its array 'bias' is missing or no vector")
    for name, array in arrays.items():
        if array is not None and array.dtype not in (np.float32, np.float64):
            raise ValueError(f"its array {name!r} has dtype {array.dtype}")
        if name in ("scale", "shift") and array is not None and array.shape != bias.shape:
            raise ValueError(f"its array {name!r} has shape {array.shape}, not {bias.shape}")


def _with_tuples(value: object) -> object:
    """Return what JSON gave back, with tuples for its lists."""
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _as_json(spec: Mapping[str, object], title: str) -> str:
    try:
        return json.dumps(spec)
    except TypeError as error:
        raise ValueError(
            f"JSON cannot hold the settings of a {title} ({error}); override its methods `settings` "
            "and `rebuild`"
        ) from error

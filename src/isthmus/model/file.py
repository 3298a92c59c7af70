"""Model files: one `.safetensors` file with weights and JSON, and nothing that can run.

The layout is in `docs/file-format.md`. No pickle, no import of a name found in a file, and nothing
is allocated that the file does not hold.
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from isthmus import __version__
from isthmus.io.atomic import FileError, write_whole
from isthmus.model.fitted import Fitted
from isthmus.model.model import Model
from isthmus.model.scaling import Affine
from isthmus.model.slots import SLOTS, Slots, resolve_slots
from isthmus.nets.activations import ACTIVATIONS
from isthmus.nets.convolution import PADDINGS, Axis
from isthmus.nets.net import ConvLayer, DenseLayer, Layer, Net, TransposedConvLayer
from isthmus.parts.part import Part
from isthmus.training.layerwise import layer_pair, pair_objective
from isthmus.training.objective import Objective
from isthmus.training.runtime import computing
from isthmus.training.state import (
    PartialFit,
    Trained,
    TrainerState,
    UnfinishedFit,
    first_state,
)

FORMAT = "isthmus"
VERSION = (1, 2)
MODEL, DETECTOR = "autoencoder", "detector"  # what a file holds
ARRAYS = ("weight", "bias", "scale", "shift")
Tensors = dict[str, np.ndarray]
Meta = dict[str, Any]  # JSON


class ModelFileError(FileError):
    """A model file cannot be written or read."""


# -- writing ---------------------------------------------------------------------------------------


def write_model_file(path: str | Path, tensors: Tensors, meta: Meta) -> None:
    """Write arrays and JSON to a file, whole or not at all."""
    head = {"format": FORMAT, "version": list(VERSION), "isthmus": __version__}
    text = json.dumps({**head, **meta}, allow_nan=True)
    write_file(path, save_tensors(tensors, metadata={FORMAT: text}))


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file of a model whole or not at all."""
    try:
        write_whole(Path(path), content)
    except FileError as error:
        raise ModelFileError(str(error)) from error


def pack_model(model: Model, part: str = "model") -> tuple[Tensors, Meta]:
    """Return a model as arrays by name and JSON."""
    if not isinstance(model.scaler, Affine):
        raise ModelFileError(
            f"A model file holds only scalings that are one line a column, not "
            f"{model.scaler.transformer!r}: put it before the Autoencoder in a Pipeline, with "
            "scaling=None."
        )
    net = model.net if part == "model" else Net(model.net.encoder, ())
    tensors, layers = _pack_net(net, "net")
    tensors["scaling.centre"], tensors["scaling.scale"] = model.scaler
    tensors["scaling.mean_row"] = np.asarray(model.mean_row)
    fitted = {
        "n_features_in": model.n_features,
        "sample_shape": model.sample_shape,
        "scaling": model.scaling if isinstance(model.scaling, str | None) else "custom",
        "dtype": model.dtype,
    }
    return tensors, {"slots": pack_slots(model.slots), "layers": layers, "fitted": fitted}


def pack_fitted(
    fitted: Fitted, part: str = "model", *, resume: bool = False
) -> tuple[Tensors, Meta]:
    """Return a model, and what is known of its training, as arrays by name and JSON."""
    tensors, meta = pack_model(fitted.model, part)
    meta["fitted"] |= {
        "batch_size": fitted.batch_size,
        "max_epochs": fitted.max_epochs,
        "baseline": fitted.baseline,
        "history": fitted.history,
        "rows": fitted.seen,
    }
    if fitted.mean_activation is not None and fitted.code_deviation is not None:
        tensors["mean_activation"] = np.asarray(fitted.mean_activation)
        tensors["code_deviation"] = np.asarray(fitted.code_deviation)
    if resume and part == "model" and fitted.unfinished is not None:
        meta["training"] = _pack_unfinished(fitted.unfinished, tensors)
    elif resume and part == "model" and fitted.partial is not None:
        meta["carried"] = _pack_partial(fitted.partial, tensors)
    return tensors, meta


def _pack_net(net: Any, name: str) -> tuple[Tensors, dict[str, list[Any]]]:
    """Return the net's arrays by name, and its layers' other settings."""
    tensors: Tensors = {}
    layers: dict[str, list[Any]] = {}
    for side in ("encoder", "decoder"):
        layers[side] = [_layer_spec(layer) for layer in getattr(net, side)]
        for i, layer in enumerate(getattr(net, side)):
            for array in ARRAYS:
                value = getattr(layer, array)
                if value is not None:
                    tensors[f"{name}.{side}.{i}.{array}"] = np.asarray(value)
    return tensors, layers


def _layer_spec(layer: Layer) -> Any:
    """Return what of a layer is no array: its activation and, of a convolution, its window."""
    window = getattr(layer, "window", None)
    if window is None:
        return layer.activation
    return {"activation": layer.activation, "window": [axis._asdict() for axis in window]}


def pack_slots(slots: Slots) -> Meta:
    """Return the slots as JSON, or raise a ModelFileError for a function."""
    for name, parts in slots._asdict().items():
        for part in parts if isinstance(parts, tuple) else (parts,):
            if part is not None and part.name not in type(part).known:
                raise ModelFileError(
                    f"A model file holds no code, and the {name} is a function: replace it by a "
                    f"built-in part (fit again with another {name}), or keep the model by pickle."
                )
    return slots.to_dict()


STATE = ("step", "seconds", "best_score", "wait", "recent", "evaluated_at", "stopped", "history")


def _pack_unfinished(unfinished: UnfinishedFit, tensors: Tensors) -> Meta:
    """Add the optimiser and the best weights, and return where the run stands."""
    state = unfinished.state
    _pack_leaves(state.params, tensors, "resume.params")
    if state.best_net is not None:
        _pack_leaves(state.best_net, tensors, "resume.best")
    if state.partial:
        tensors["resume.partial"] = np.vstack(state.partial)
    names = ("seed", "phase", "earlier", "fingerprint", "settings", "fresh")
    return {
        **{name: getattr(unfinished, name) for name in names},
        "state": {name: getattr(state, name) for name in STATE},
    }


def _pack_partial(partial: PartialFit, tensors: Tensors) -> Meta:
    _pack_leaves(partial.params, tensors, "resume.params")
    return {"steps": partial.steps, "seed": partial.seed, "rows": partial.rows}


def _pack_leaves(tree: Trained | Net, tensors: Tensors, name: str) -> None:
    for i, leaf in enumerate(jax.tree.leaves(tree)):
        tensors[f"{name}.{i}"] = np.asarray(leaf)


# -- reading ---------------------------------------------------------------------------------------


@contextmanager
def damage_named(path: str | Path) -> Iterator[None]:
    """Turn what a file changed by hand can raise to one clear error."""
    try:
        yield
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise ModelFileError(
            f"{path} is damaged or was changed by hand: {type(error).__name__} {error}."
        ) from error


def read_model_file(path: Path) -> tuple[Tensors, Meta]:
    """Return the file's arrays and JSON, after checks that need no trust."""
    try:
        content = path.read_bytes()
        tensors = load_tensors(content)
        header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
        meta = json.loads(header["__metadata__"][FORMAT])
        version = tuple(meta["version"])
    except OSError as error:
        raise ModelFileError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (
        SafetensorError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
        struct.error,
    ) as error:
        raise ModelFileError(
            f"{path} is no isthmus model, or is cut off or damaged ({type(error).__name__})."
        ) from error
    if meta.get("format") != FORMAT or version[0] > VERSION[0]:
        newer = ".".join(map(str, version))
        raise ModelFileError(
            f"{path} has format version {newer}; this isthmus reads up to {VERSION[0]}: upgrade it."
        )
    if meta.get("kind", MODEL) not in (MODEL, DETECTOR):
        raise ModelFileError(f"{path} holds a {meta['kind']!r}, not known here: upgrade isthmus.")
    for name, array in tensors.items():
        if not np.isfinite(array).all() and not name.startswith("resume."):
            raise ModelFileError(
                f"{path} is damaged: the array {name!r} has NaN or infinite values."
            )
    return tensors, meta


def unpack_model(tensors: Tensors, meta: Meta) -> Model:
    """Return the model of arrays and JSON, after checks that they fit one another."""
    fitted = meta["fitted"]
    dtype = fitted["dtype"] if "dtype" in fitted else meta["parameters"]["dtype"]  # before 1.3
    if dtype not in ("float32", "float64"):
        raise ModelFileError(f"The file needs the precision {dtype!r}, which is not known here.")
    slots = resolve_slots(SimpleNamespace(**unpack_slots(meta["slots"])))
    with computing(dtype, None):
        net = jax.tree.map(jnp.asarray, _unpack_net(tensors, meta["layers"]))
    shape = fitted["sample_shape"]
    model = Model(
        slots=slots,
        net=net,
        scaler=Affine(tensors["scaling.centre"], tensors["scaling.scale"]),
        scaling=fitted["scaling"],
        mean_row=tensors["scaling.mean_row"],
        sample_shape=None if shape is None else tuple(shape),
        dtype=dtype,
    )
    d = int(fitted["n_features_in"])
    vectors = {v.shape for v in (*model.scaler, model.mean_row)}
    if net.n_features != d or vectors != {(d,)} or math.prod(model.row_shape) != d:
        raise ModelFileError(f"The file's layers and scaling do not fit its {d} features.")
    return model


def unpack_fitted(tensors: Tensors, meta: Meta) -> Fitted:
    """Return the model and what is known of its training."""
    model, fitted = unpack_model(tensors, meta), meta["fitted"]
    unfinished = partial = None
    with computing(model.dtype, None):
        if "training" in meta:
            pretrained = bool(meta["parameters"]["pretrain"])
            unfinished = _unpack_unfinished(model, tensors, meta["training"], pretrained)
        if "carried" in meta:
            partial = _unpack_partial(model, tensors, meta["carried"])
    return Fitted(
        model=model,
        history=fitted["history"],
        batch_size=fitted["batch_size"],
        max_epochs=fitted["max_epochs"],
        seen=tuple(fitted["rows"]) if fitted.get("rows") else None,
        baseline=fitted["baseline"],
        mean_activation=tensors.get("mean_activation"),
        code_deviation=tensors.get("code_deviation"),
        unfinished=unfinished,
        partial=partial,
    )


def unpack_slots(specs: Mapping[str, Any]) -> Meta:
    """Return the specs of slots, whose names are all known here."""
    return {name: _unpack_parts(name, spec) for name, spec in specs.items()}


def _unpack_parts(name: str, spec: Any) -> Any:
    slot: type[Part] = SLOTS[name][0]
    specs = spec if isinstance(spec, list) else [spec]
    for one in specs:
        if one is not None and one["name"] not in slot.known:
            raise ModelFileError(
                f"The file needs the {name} {one['name']!r}, which is not known here."
            )
    return tuple(specs) if isinstance(spec, list) else spec


def _unpack_net(tensors: Tensors, layers: dict[str, list[Any]]) -> Net:
    encoder, decoder = (
        tuple(_unpack_layer(tensors, side, i, spec) for i, spec in enumerate(layers[side]))
        for side in ("encoder", "decoder")
    )
    net = Net(encoder, decoder)
    _check_shapes(net)
    return net


def _unpack_layer(tensors: Tensors, side: str, i: int, spec: Any) -> Layer:
    where = f"net.{side}.{i}"
    arrays: Any = {a: tensors.get(f"{where}.{a}") for a in ARRAYS}
    activation = spec if isinstance(spec, str) else spec["activation"]
    if activation not in ACTIVATIONS:
        raise ModelFileError(f"The file needs the activation {activation!r}, unknown here.")
    if arrays["bias"] is None or arrays["bias"].ndim != 1:
        raise ModelFileError(f"The array '{where}.bias' is missing from the file or no vector.")
    for name, array in arrays.items():
        if array is not None and array.dtype not in (np.float32, np.float64):
            raise ModelFileError(f"The array '{where}.{name}' has dtype {array.dtype}.")
        if name in ("scale", "shift") and array is not None and array.shape != arrays["bias"].shape:
            raise ModelFileError(f"The array '{where}.{name}' has shape {array.shape}.")
    if isinstance(spec, str):
        return DenseLayer(**arrays, activation=activation)
    window = tuple(Axis(**{k: int(v) for k, v in axis.items()}) for axis in spec["window"])
    if not all(_possible(axis) for axis in window):
        raise ModelFileError(f"The layer {where!r} has an impossible window, {spec['window']}.")
    kind = ConvLayer if side == "encoder" else TransposedConvLayer
    return kind(**arrays, activation=activation, window=window)


def _possible(axis: Axis) -> bool:
    """Tell whether an axis is one that `Axis.of` makes, so that no header asks for huge paddings."""
    if min(axis[:3]) < 1:
        return False
    return axis in {Axis.of(*axis[:3], padding) for padding in PADDINGS} and axis.positions > 0


def _check_shapes(net: Net) -> None:
    """Raise a ModelFileError unless the layers fit one another."""
    width = None
    for i, layer in enumerate(net.encoder):
        shape = None if layer.weight is None else layer.weight.shape
        if shape is None or not _weight_fits(layer, shape) or layer.bias.shape != shape[-1:]:
            raise ModelFileError(f"Layer {i} of the encoder has a weight of shape {shape}.")
        if width not in (None, layer.n_in):
            raise ModelFileError(
                f"Layer {i} of the encoder takes {layer.n_in} values, not {width}."
            )
        width = layer.n_out
        if net.decoder:
            _check_mirror(net, i, shape)


def _check_mirror(net: Net, i: int, shape: tuple[int, ...]) -> None:
    layer, mirror = net.encoder[i], net.decoder[i]
    window = getattr(layer, "window", None)
    expected = shape[::-1] if window is None else shape
    back = expected if mirror.weight is None else mirror.weight.shape
    alike = getattr(mirror, "window", None) == window and len(net.decoder) == len(net.encoder)
    if back != expected or mirror.bias.shape != shape[-2:-1] or not alike:
        raise ModelFileError(f"Layer {i} of the decoder has a weight of shape {back}.")


def _weight_fits(layer: Layer, shape: tuple[int, ...]) -> bool:
    """Tell whether a weight has the axes that its layer needs, and values on each."""
    kernels = tuple(axis.kernel for axis in getattr(layer, "window", ()))
    return len(shape) == len(kernels) + 2 and shape[:-2] == kernels and min(shape) > 0


def _fill(tree: Any, tensors: Tensors, name: str) -> Any:
    """Return the tree with its leaves from the file."""
    leaves, structure = jax.tree.flatten(tree)
    stored = [tensors[f"{name}.{i}"] for i in range(len(leaves))]
    for i, (old, new) in enumerate(zip(leaves, stored, strict=True)):
        if np.shape(old) != new.shape:
            raise ModelFileError(f"The array '{name}.{i}' has shape {new.shape}.")
    return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in stored])


def _blank(objective: Objective, net: Net, dtype: str, tensors: Tensors) -> Trained:
    """Return parameters to fill, unless they would be larger than all that the file holds."""
    if net.n_components > sum(array.size for array in tensors.values()):
        raise ModelFileError(f"The file holds nothing for its {net.n_components} code units.")
    return first_state(objective, net, dtype).params


def _unpack_unfinished(
    model: Model, tensors: Tensors, meta: Meta, pretrained: bool
) -> UnfinishedFit:
    phase, objective, net = int(meta["phase"]), model.slots.objective(), model.net
    if pretrained and phase < len(net.encoder):
        objective, net = pair_objective(objective, net, phase), layer_pair(net, phase)
    params = _blank(objective, net, model.dtype, tensors)
    values = dict(meta["state"])
    values |= {"history": tuple(values["history"]), "recent": tuple(values["recent"])}
    partial = tensors.get("resume.partial")
    state = TrainerState(
        params=_fill(params, tensors, "resume.params"),
        best_net=_fill(net, tensors, "resume.best") if "resume.best.0" in tensors else None,
        partial=() if partial is None else (partial,),
        **values,
    )
    earlier = tuple((label, row) for label, row in meta["earlier"])
    marks = meta["fingerprint"], meta["settings"], bool(meta.get("fresh", True))
    return UnfinishedFit(meta["seed"], phase, state, earlier, *marks)


def _unpack_partial(model: Model, tensors: Tensors, meta: Meta) -> PartialFit:
    params = _blank(model.slots.objective(), model.net, model.dtype, tensors)
    rows = tuple((label, row) for label, row in meta["rows"])
    filled = _fill(params, tensors, "resume.params")
    return PartialFit(filled, int(meta["steps"]), int(meta["seed"]), rows)

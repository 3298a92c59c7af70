"""Model files: one `.safetensors` file with weights and JSON, and nothing that can run.

The layout is in `docs/file-format.md`. No pickle, no import of a name found in a file, and nothing
is allocated that the file does not hold.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from isthmus import __version__
from isthmus.io import ModelFileError, read_tensors, write_tensors
from isthmus.model.fitted import Fitted
from isthmus.model.model import Model
from isthmus.model.scaling import Affine
from isthmus.model.slots import SLOTS, resolve_slots
from isthmus.nets import Net, array_names, unpack_layer
from isthmus.training import (
    PartialFit,
    TrainerState,
    UnfinishedFit,
    computing,
    first_state,
    layer_pair,
    pair_objective,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from isthmus.model.slots import Slots
    from isthmus.nets import Layer
    from isthmus.parts import Part
    from isthmus.training import (
        Objective,
        Trained,
    )

FORMAT = "isthmus"
VERSION = (1, 3)
MODEL, DETECTOR = "autoencoder", "detector"  # what a file holds
Tensors = dict[str, np.ndarray]
Meta = dict[str, Any]  # JSON


# -- writing ---------------------------------------------------------------------------------------


def write_model_file(path: str | Path, tensors: Tensors, meta: Meta) -> None:
    """Write arrays and JSON to a file, whole or not at all."""
    head = {"format": FORMAT, "version": list(VERSION), "isthmus": __version__}
    write_tensors(path, tensors, {**head, **meta})


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
        "image_scale": fitted.image_scale,
    }
    if fitted.mean_activation is not None and fitted.code_deviation is not None:
        tensors["mean_activation"] = np.asarray(fitted.mean_activation)
        tensors["code_deviation"] = np.asarray(fitted.code_deviation)
    if resume and part == "model" and fitted.unfinished is not None:
        meta["training"] = _pack_unfinished(fitted.unfinished, tensors)
    elif resume and part == "model" and fitted.partial is not None:
        meta["carried"] = _pack_partial(fitted.partial, tensors)
    return tensors, meta


def _pack_net(net: Net, name: str) -> tuple[Tensors, dict[str, list[dict[str, object]]]]:
    """Return the net's arrays by name, and of each layer its kind and its settings."""
    tensors: Tensors = {}
    layers: dict[str, list[dict[str, object]]] = {"encoder": [], "decoder": []}
    for side, specs in layers.items():
        for i, layer in enumerate(getattr(net, side)):
            try:
                arrays, spec = layer.pack()
            except ValueError as error:
                raise ModelFileError(
                    f"Layer {i + 1} of the {side} cannot be saved: {error}."
                ) from error
            specs.append(spec)
            tensors |= {f"{name}.{side}.{i}.{field}": array for field, array in arrays.items()}
    return tensors, layers


def pack_slots(slots: Slots) -> Meta:
    """Return the slots as JSON, or raise a ModelFileError for a function."""
    for name, parts in slots._asdict().items():
        for part in parts if isinstance(parts, tuple) else (parts,):
            if part is not None and not part.registered:
                what = "is a function" if hasattr(part, "function") else f"{part!r} has no name"
                raise ModelFileError(
                    f"A model file holds no code, and the {name} {what}: replace it by a "
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


def read_model_file(path: str | Path) -> tuple[Tensors, Meta]:
    """Return the file's arrays and JSON, after checks that need no trust."""
    tensors, found = read_tensors(path)
    meta: Meta = found
    version = meta.get("version")
    if not (isinstance(version, list) and version and all(type(v) is int for v in version)):
        raise ModelFileError(
            f"{path} is no isthmus model, or is damaged: its format has no version."
        )
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
        image_scale=fitted.get("image_scale") and float(fitted["image_scale"]),
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
    """Return the net, after checks that its layers fit one another."""
    encoder, decoder = (
        tuple(_unpack_layer(tensors, side, i, spec) for i, spec in enumerate(layers[side]))
        for side in ("encoder", "decoder")
    )
    net = Net(encoder, decoder)
    try:
        net.check()
    except ValueError as error:
        raise ModelFileError(str(error)) from error
    return net


def _unpack_layer(tensors: Tensors, side: str, i: int, spec: object) -> Layer:
    where, settings = f"net.{side}.{i}", _layer_spec(spec, side)
    arrays = {field: tensors.get(f"{where}.{field}") for field in array_names(settings)}
    try:
        return unpack_layer(arrays, settings)
    except ValueError as error:
        raise ModelFileError(f"The layer {where} of the file cannot be read: {error}.") from error


def _layer_spec(spec: object, side: str) -> dict[str, object]:
    """Return a layer's kind and settings; before 1.3 files had no kinds."""
    if isinstance(spec, str):  # the activation of a dense layer
        return {"kind": "dense", "activation": spec}
    if not isinstance(spec, dict):
        raise ModelFileError(f"The file's {side} has a layer {spec!r}, which is none.")
    return {"kind": "conv" if side == "encoder" else "transposed_conv", **spec}


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

"""Model files: one `.safetensors` file with weights and JSON, and nothing that can run.

The layout is in `docs/file-format.md`. No pickle, no import of a name found in a file, and nothing
is allocated that the file does not hold.
"""

import json
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import isthmus
from isthmus.autoencoder.estimator import Autoencoder
from isthmus.autoencoder.partial_fit import Carried
from isthmus.autoencoder.run import Training
from isthmus.autoencoder.validation import check_parameters
from isthmus.io.atomic import FileError, write_whole
from isthmus.model.scaling import Affine
from isthmus.model.slots import SLOTS, Slots, resolve_slots
from isthmus.nets.layer import Layer, array_names, unpack_layer
from isthmus.nets.net import Net
from isthmus.parts.part import Part
from isthmus.training.runtime import computing
from isthmus.training.trainer import Params, State, first_state

FORMAT = "isthmus"
VERSION = (1, 3)
MODEL, DETECTOR = "autoencoder", "detector"  # what a file holds
PLAIN = (str, int, float, bool, type(None))


class ModelFileError(FileError):
    """A model file cannot be written or read."""


def save_model(
    ae: Autoencoder, path: str | Path, *, part: str = "model", resume: bool = False
) -> None:
    """Write a fitted model; see `Autoencoder.save`."""
    if part not in ("model", "encoder"):
        raise ValueError(f"The part must be 'model' or 'encoder'; got {part!r}.")
    write_model_file(path, *pack_model(ae, part, resume=resume))


def pack_model(
    ae: Autoencoder, part: str = "model", *, resume: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return a fitted model as arrays by name and JSON."""
    net = ae.net_ if part == "model" else Net(ae.net_.encoder, ())
    tensors, layers = _pack_net(net, "net")
    meta: dict[str, Any] = {
        **pack_parameters(ae, ae.slots_),
        "layers": layers,
        "fitted": _fitted(ae),
    }
    tensors["scaling.centre"], tensors["scaling.scale"] = _scaler_arrays(ae)
    tensors["scaling.mean_row"] = np.asarray(ae._mean_row)
    if hasattr(ae, "mean_activation_"):
        tensors["mean_activation"] = np.asarray(ae.mean_activation_)
        tensors["code_deviation"] = np.asarray(ae._code_deviation)
    if resume and part == "model":
        _pack_resume(ae, tensors, meta)
    return tensors, meta


def pack_parameters(ae: Autoencoder, slots: Slots) -> dict[str, Any]:
    """Return the constructor's parameters as JSON: the slots resolved, the others as they are."""
    params = {k: v for k, v in ae.get_params(deep=False).items() if k not in SLOTS}
    return {"parameters": plain_parameters(params), "slots": _slots(slots)}


def write_model_file(
    path: str | Path, tensors: dict[str, np.ndarray], meta: dict[str, Any]
) -> None:
    """Write arrays and JSON to a file, whole or not at all."""
    head = {"format": FORMAT, "version": list(VERSION), "isthmus": isthmus.__version__}
    text = json.dumps({**head, **meta}, allow_nan=True)
    write_file(path, save_tensors(tensors, metadata={FORMAT: text}))


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file of a model whole or not at all."""
    try:
        write_whole(Path(path), content)
    except FileError as error:
        raise ModelFileError(str(error)) from error


def _pack_net(
    net: Net, name: str
) -> tuple[dict[str, np.ndarray], dict[str, list[dict[str, object]]]]:
    """Return the net's arrays by name, and of each layer its kind and its settings."""
    tensors: dict[str, np.ndarray] = {}
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


def plain_parameters(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters that JSON holds; None takes the place of what it does not."""
    for name, value in params.items():
        if isinstance(value, np.generic):
            params[name] = value.item()
        elif not isinstance(value, PLAIN):
            params[name] = {"scaling": "standard"}.get(name)
    return params


def _slots(slots: Slots) -> dict[str, Any]:
    for name, parts in slots._asdict().items():
        for part in parts if isinstance(parts, tuple) else (parts,):
            if part is not None and not part.registered:
                what = "is a function" if hasattr(part, "function") else f"{part!r} has no name"
                raise ModelFileError(
                    f"A model file holds no code, and the {name} {what}: replace it by a "
                    f"built-in part (fit again with another {name}), or keep the model by pickle."
                )
    return slots.to_dict()


def _fitted(ae: Autoencoder) -> dict[str, Any]:
    names = getattr(ae, "feature_names_in_", None)
    return {
        "n_features_in": int(ae.n_features_in_),
        "feature_names_in": None if names is None else [str(n) for n in names],
        "sample_shape": ae.sample_shape_,
        "scaling": ae.scaling_ if isinstance(ae.scaling_, str | None) else "custom",
        "batch_size": getattr(ae, "batch_size_", None),
        "max_epochs": getattr(ae, "max_epochs_", None),
        "baseline": getattr(ae, "baseline_", None),
        "history": ae.history_,
        "rows": getattr(ae, "_rows_seen", None),
    }


def _scaler_arrays(ae: Autoencoder) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(ae.scaler_, Affine):
        return ae.scaler_.centre, ae.scaler_.scale
    raise ModelFileError(
        f"A model file holds only scalings that are one line a column, not "
        f"{ae.scaler_.transformer!r}: put it before the Autoencoder in a Pipeline, with scaling=None."
    )


def _pack_resume(ae: Autoencoder, tensors: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
    """Add the optimiser and where the run stands."""
    training: Training | None = getattr(ae, "_training", None)
    carried: Carried | None = getattr(ae, "_carried", None)
    params = training.state.params if training else carried.params if carried else None
    if params is None:
        return
    for i, leaf in enumerate(jax.tree.leaves(params)):
        tensors[f"resume.params.{i}"] = np.asarray(leaf)
    if carried is not None and training is None:
        meta["carried"] = {"steps": carried.steps, "seed": carried.seed, "rows": carried.rows}
        return
    assert training is not None
    state = training.state
    if state.best_net is not None:
        for i, leaf in enumerate(jax.tree.leaves(state.best_net)):
            tensors[f"resume.best.{i}"] = np.asarray(leaf)
    if state.partial:
        tensors["resume.partial"] = np.vstack(state.partial)
    meta["training"] = {
        "seed": training.seed,
        "phase": training.phase,
        "earlier": training.earlier,
        "fingerprint": training.fingerprint,
        "settings": training.settings,
        "fresh": training.fresh,
        "state": {f: getattr(state, f) for f in _STATE},
    }


_STATE = ("step", "seconds", "best_score", "wait", "recent", "evaluated_at", "stopped", "history")


# -- reading -------------------------------------------------------------------------------------


def load_model(path: str | Path) -> Autoencoder:
    """Read what `Autoencoder.save` wrote; `isthmus.load` reads detectors too."""
    tensors, meta = read_model_file(Path(path))
    if meta.get("kind", MODEL) != MODEL:
        raise ModelFileError(
            f"{path} holds a detector of outliers and no single autoencoder: isthmus.load, and isthmus "
            "detect --model, explain, export, info and report, read it."
        )
    with damage_named(path):
        return rebuild_model(tensors, meta)


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


def read_model_file(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
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


def rebuild_model(tensors: dict[str, np.ndarray], meta: dict[str, Any]) -> Autoencoder:
    """Return the fitted model of arrays and JSON, after checks that they fit one another."""
    ae = rebuild_parameters(meta)
    ae.slots_ = resolve_slots(ae)
    fitted = meta["fitted"]
    with computing(ae.dtype, None):
        ae.net_ = jax.tree.map(jnp.asarray, _unpack_net(tensors, meta["layers"]))
        _restore(ae, tensors, fitted)
        if "training" in meta:
            ae._training = _unpack_training(ae, tensors, meta["training"])
        if "carried" in meta:
            ae._carried = _unpack_carried(ae, tensors, meta["carried"])
    return ae


def rebuild_parameters(meta: dict[str, Any]) -> Autoencoder:
    """Return an estimator that is not fitted, with parameters from JSON."""
    ae = Autoencoder(**{**meta["parameters"], "device": None})
    slots = {name: _parts(name, spec) for name, spec in meta["slots"].items()}
    ae.set_params(**{k: (v or None) if isinstance(v, tuple) else v for k, v in slots.items()})
    check_parameters(ae)
    return ae


def _parts(name: str, spec: Any) -> Any:
    slot: type[Part] = SLOTS[name][0]
    specs = spec if isinstance(spec, list) else [spec]
    for one in specs:
        if one is not None and one["name"] not in slot.known:
            raise ModelFileError(
                f"The file needs the {name} {one['name']!r}, which is not known here."
            )
    return tuple(specs) if isinstance(spec, list) else spec


def _unpack_net(tensors: dict[str, np.ndarray], layers: dict[str, list[Any]]) -> Net:
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


def _unpack_layer(tensors: dict[str, np.ndarray], side: str, i: int, spec: object) -> Layer:
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


def _restore(ae: Autoencoder, tensors: dict[str, np.ndarray], fitted: dict[str, Any]) -> None:
    """Set the fitted attributes."""
    d = int(fitted["n_features_in"])
    vectors = [tensors[f"scaling.{name}"].shape for name in ("centre", "scale", "mean_row")]
    shape = tuple(fitted["sample_shape"] or (d,))
    if ae.net_.n_features != d or set(vectors) != {(d,)} or math.prod(shape) != d:
        raise ModelFileError(f"The file's layers and scaling do not fit its {d} features.")
    ae.n_features_in_ = d
    if fitted["feature_names_in"] is not None:
        ae.feature_names_in_ = np.array(fitted["feature_names_in"], dtype=object)
    shape = fitted["sample_shape"]
    ae.sample_shape_ = None if shape is None else tuple(shape)
    ae.scaling_ = fitted["scaling"]
    ae.scaler_ = Affine(tensors["scaling.centre"], tensors["scaling.scale"])
    ae._mean_row = tensors["scaling.mean_row"]
    for name in ("batch_size", "max_epochs", "baseline"):
        if fitted[name] is not None:
            setattr(ae, f"{name}_", fitted[name])
    if fitted.get("rows"):
        ae._rows_seen = tuple(fitted["rows"])
    ae.history_, ae.n_iter_ = fitted["history"], len(fitted["history"]["phase"])
    ae.n_parameters_ = sum(leaf.size for leaf in jax.tree.leaves(ae.net_))
    if "mean_activation" in tensors:
        ae.mean_activation_ = tensors["mean_activation"]
        ae._code_deviation = tensors["code_deviation"]


def _fill(tree: Any, tensors: dict[str, np.ndarray], name: str) -> Any:
    """Return the tree with its leaves from the file."""
    leaves, structure = jax.tree.flatten(tree)
    stored = [tensors[f"{name}.{i}"] for i in range(len(leaves))]
    for i, (old, new) in enumerate(zip(leaves, stored, strict=True)):
        if np.shape(old) != new.shape:
            raise ModelFileError(f"The array '{name}.{i}' has shape {new.shape}.")
    return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in stored])


def _blank(objective: Any, net: Net, dtype: str, tensors: dict[str, np.ndarray]) -> Params:
    """Return parameters to fill, unless they would be larger than all that the file holds."""
    if net.n_components > sum(array.size for array in tensors.values()):
        raise ModelFileError(f"The file holds nothing for its {net.n_components} code units.")
    return first_state(objective, net, dtype).params


def _unpack_training(ae: Any, tensors: dict[str, np.ndarray], meta: Any) -> Training:
    from isthmus.training.layerwise import layer_pair, pair_objective

    phase, objective, net = int(meta["phase"]), ae.slots_.objective(), ae.net_
    if ae.pretrain and phase < len(net.encoder):
        objective = pair_objective(objective, net, phase)
        net = layer_pair(net, phase)
    params = _blank(objective, net, ae.dtype, tensors)
    values = dict(meta["state"])
    values |= {"history": tuple(values["history"]), "recent": tuple(values["recent"])}
    partial = tensors.get("resume.partial")
    state = State(
        params=_fill(params, tensors, "resume.params"),
        best_net=_fill(net, tensors, "resume.best") if "resume.best.0" in tensors else None,
        partial=() if partial is None else (partial,),
        **values,
    )
    earlier = tuple((label, row) for label, row in meta["earlier"])
    marks = meta["fingerprint"], meta["settings"], bool(meta.get("fresh", True))
    return Training(meta["seed"], phase, state, earlier, *marks)


def _unpack_carried(ae: Any, tensors: dict[str, np.ndarray], meta: Any) -> Carried:
    params = _blank(ae.slots_.objective(), ae.net_, ae.dtype, tensors)
    rows = tuple((label, row) for label, row in meta["rows"])
    filled = _fill(params, tensors, "resume.params")
    return Carried(filled, int(meta["steps"]), int(meta["seed"]), rows)

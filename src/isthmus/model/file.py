"""Model files: one `.safetensors` file with weights and JSON, and nothing that can run.

The layout is in `docs/file-format.md`. No pickle, no import of a name found in a file, and nothing
is allocated that the file does not hold.
"""

from __future__ import annotations

import math
import reprlib
from contextlib import contextmanager
from textwrap import shorten
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from isthmus import __version__
from isthmus.io import DIGEST, ModelFileError, read_tensors, write_tensors
from isthmus.model.bending import Bent
from isthmus.model.counting import Rooted
from isthmus.model.earlier import keep_losses, warn_of_kept
from isthmus.model.fitted import Fitted
from isthmus.model.gaps import Gaps, pack_gaps, unpack_gaps
from isthmus.model.mixing import bind_slots, layout_with
from isthmus.model.model import Model
from isthmus.model.record import Record, array_of, bad_value
from isthmus.model.scaling import SCALINGS, Affine
from isthmus.model.slots import SLOTS, resolve_slots
from isthmus.nets import Net, array_names, unpack_layer
from isthmus.parts import Mixed, plan
from isthmus.schema import Schema
from isthmus.training import (
    ForkedError,
    PartialFit,
    TrainerState,
    UnfinishedFit,
    computing,
    first_state,
    layer_pair,
    pair_objective,
)
from isthmus.words import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from isthmus.model.slots import Slots
    from isthmus.nets import Layer
    from isthmus.parts import Architecture, Part
    from isthmus.training import (
        Objective,
        Trained,
    )

FORMAT = "isthmus"
VERSION = (1, 7)
DIGESTED = (1, 4)  # files from this version on have a digest
CUSTOM = "custom"  # the scaling of a user's transformer
MODEL, DETECTOR = "autoencoder", "detector"  # what a file holds
MODELS, DETECTORS = "autoencoders", "detectors"  # one for each group
Tensors = dict[str, np.ndarray]
Meta = dict[str, Any]  # JSON


# -- writing ---------------------------------------------------------------------------------------


def write_model_file(path: str | Path, tensors: Tensors, meta: Meta) -> None:
    """Write arrays and JSON to a file, whole or not at all."""
    head = {"format": FORMAT, "version": list(VERSION), "isthmus": __version__}
    write_tensors(path, tensors, {**head, **meta})


def pack_model(model: Model, part: str = "model") -> tuple[Tensors, Meta]:
    """Return a model as arrays by name and JSON."""
    if not isinstance(model.scaler, Affine | Bent | Rooted):
        raise ModelFileError(
            f"A model file holds only scalings that are one line a column, not "
            f"{model.scaler.transformer!r}: put it before the Autoencoder in a Pipeline, with "
            "scaling=None."
        )
    _check_lines(model.scaler)
    net = model.net if part == "model" else Net(model.net.encoder, ())
    tensors, layers = _pack_net(net, "net")
    for name, values in model.scaler._asdict().items():
        tensors[f"scaling.{name}"] = np.asarray(values, np.float64)
    tensors["scaling.mean_row"] = np.asarray(model.mean_row)
    if model.mixed is not None and model.schema is not None:
        for name in TABLE:
            tensors[f"table.{name}"] = np.asarray(getattr(model.mixed, name), np.float64)
    fitted: Meta = {
        "n_features_in": model.n_features,
        "sample_shape": model.sample_shape,
        "scaling": model.scaling if isinstance(model.scaling, str | None) else CUSTOM,
        "dtype": model.dtype,
    }
    if model.mixed is not None and model.schema is not None:
        marked = list(model.mixed.layout.marked)
        fitted["table"] = {"schema": model.schema.to_dict(), "marked": marked}
    slots = model.slots if part == "model" else model.slots.for_encoding()
    return tensors, {"slots": pack_slots(slots), "layers": layers, "fitted": fitted}


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
    if part == "model" and fitted.gaps is not None:
        arrays, meta["fitted"]["gaps"] = pack_gaps(fitted.gaps)
        tensors |= arrays
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


TABLE = ("centre", "scale", "price", "share", "constant")  # of a table of mixed types
STATE = ("step", "seconds", "best_score", "wait", "recent", "evaluated_at", "stopped", "history")


def _pack_unfinished(unfinished: UnfinishedFit, tensors: Tensors) -> Meta:
    """Add the optimiser and the best weights, and return where the run stands."""
    state = unfinished.state
    _pack_leaves(state.params, tensors, "resume.params")
    if state.best_net is not None:
        _pack_leaves(state.best_net, tensors, "resume.best")
    if state.partial:
        tensors["resume.partial"] = np.vstack(state.partial)
    names = ("seed", "phase", "earlier", "fingerprint", "settings", "fresh", "cores")
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
    except (ModelFileError, ForkedError):
        raise
    except Exception as error:  # a file may say anything, and so any code that takes it may fail
        raise ModelFileError(
            f"{path} is damaged or was changed by hand: {type(error).__name__} "
            f"{shorten(first_line(error), 300)}."
        ) from error


def read_model_file(path: str | Path) -> tuple[Tensors, Meta]:
    """Return the file's arrays and JSON, after checks that need no trust."""
    tensors, meta = read_tensors(path)
    with damage_named(path):
        _check_version(path, meta)
        kind = meta.get("kind", MODEL)
        if kind not in (MODEL, DETECTOR, MODELS, DETECTORS):
            raise ModelFileError(
                f"{path} holds a {reprlib.repr(kind)}, not known here: upgrade isthmus."
            )
        _check_finite(path, tensors)
        kept = keep_losses(meta)
    warn_of_kept(path, kept)
    return tensors, meta


def _check_finite(path: str | Path, tensors: Tensors) -> None:
    """Raise a ModelFileError for an array with NaN or infinite values.

    Where a fit stands may have them: it diverges, or does not, when it goes on.
    """
    for name, array in tensors.items():
        if not name.startswith("resume.") and not np.isfinite(array).all():
            raise ModelFileError(
                f"{path} is damaged: the array {name!r} has NaN or infinite values."
            )


def _check_version(path: str | Path, meta: Mapping[str, object]) -> None:
    """Raise a ModelFileError for a file of another format, or of a version not known here."""
    version = meta.get("version")
    listed = version if isinstance(version, list) else []
    if [type(v) for v in listed] != [int, int] or min(listed) < 0:
        raise ModelFileError(
            f"{path} is no isthmus model, or is damaged: its format has no version."
        )
    if meta.get("format") != FORMAT or listed[0] != VERSION[0]:
        other = ".".join(map(reprlib.repr, listed))
        raise ModelFileError(
            f"{path} has format version {other}; this isthmus reads up to {VERSION[0]}: upgrade it."
        )
    if tuple(listed) >= DIGESTED and DIGEST not in meta:
        raise ModelFileError(f"{path} is damaged or was changed by hand: it has no digest.")


def unpack_model(tensors: Tensors, meta: Meta) -> Model:
    """Return the model of arrays and JSON, after checks that they fit one another."""
    fitted = Record(meta).record("fitted")
    settled = "dtype" in fitted  # since 1.3
    dtype = (fitted if settled else Record(meta["parameters"])).text("dtype")
    if dtype not in ("float32", "float64"):
        raise ModelFileError(f"The file needs the precision {dtype!r}, which is not known here.")
    slots = resolve_slots(SimpleNamespace(**unpack_slots(meta["slots"])))
    with computing(dtype, None):
        net = _unpack_net(tensors, meta["layers"], dtype, slots.architecture)
        net = jax.tree.map(jnp.asarray, net)
    if slots.sparsity is not None:
        slots.sparsity.check(net.code_activation, net.n_components)
    schema, d, width = None, fitted.whole("n_features_in"), net.n_features
    if fitted.get("table") is not None:
        schema, slots = _unpack_table(tensors, fitted.record("table"), slots)
    values = d if schema is None else len(schema.values)
    slots_of_row = slots.loss.width if isinstance(slots.loss, Mixed) else d
    if width != slots_of_row or (schema is not None and len(schema.columns) != d):
        raise ModelFileError(f"The file's layers and scaling do not fit its {d} features.")
    scaling = _unpack_scaling(fitted)
    if scaling == "anscombe" and schema is not None:
        raise ModelFileError("The file's rows are of a table, and its scaling is for counts alone.")
    model = Model(
        slots=slots,
        net=net,
        scaler=_unpack_scaler(tensors, values, scaling),
        scaling=scaling,
        mean_row=array_of(tensors, "scaling.mean_row", (width,), dtype),
        sample_shape=fitted.row_shape(),
        dtype=dtype,
        schema=schema,
    )
    if schema is None and math.prod(model.row_shape) != d:
        raise ModelFileError(f"The file's shape of a row does not fit its {d} features.")
    if schema is not None and model.sample_shape is not None:
        raise ModelFileError("The file's rows are of a table, and have a shape.")
    return model


def _unpack_table(tensors: Tensors, table: Record, slots: Slots) -> tuple[Schema, Slots]:
    """Return what the columns of a table of mixed types are, and slots that know it."""
    schema = unpack_schema(table.record("schema"))
    marked = tuple(table.items_of("marked", int))
    if not schema.used or sorted({*marked} & {*range(len(schema.used))}) != list(marked):
        raise bad_value("marked", list(marked), "numbers of used columns, in order")
    layout = layout_with(schema, marked)
    width, values = plan(layout).width, len(schema.values)
    if width > sum(array.size for array in tensors.values()):
        raise ModelFileError(f"The file has no weights for its {width} slots.")
    sizes = {"price": values, "share": values}
    arrays = {n: array_of(tensors, f"table.{n}", (sizes.get(n, width),), "float64") for n in TABLE}
    odd = [n for n in ("scale", "price", "share") if (arrays[n] < 0).any()]
    if odd:
        raise ModelFileError(f"The file's table has negative values of {odd[0]!r}.")
    return schema, bind_slots(slots, Mixed(slots.loss, layout, **arrays))


def unpack_schema(plain: Record) -> Schema:
    """Return the schema of JSON; a ModelFileError where it is none."""
    try:
        return Schema.from_dict(plain)
    except ValueError as error:
        raise ModelFileError(f"The file's columns cannot be read: {error}.") from error


def _unpack_scaler(tensors: Tensors, d: int, scaling: str | None) -> Affine | Bent | Rooted:
    straight = Rooted if scaling == "anscombe" else Affine
    kind: type[Affine | Bent | Rooted] = Bent if "scaling.unit" in tensors else straight
    names = (f"scaling.{name}" for name in kind._fields)
    scaler = kind(*(array_of(tensors, name, (d,), "float64") for name in names))
    _check_lines(scaler)
    return scaler


def _check_lines(scaler: Affine | Bent | Rooted) -> None:
    """Raise a ModelFileError where a column cannot be scaled back."""
    if isinstance(scaler, Bent) and (scaler.unit < 0).any():
        raise ModelFileError("The scaling bends a column by a negative unit.")
    bad = np.flatnonzero(~(scaler.scale > 0))
    if len(bad):
        raise ModelFileError(
            f"The scaling of column {bad[0]} is a division by {scaler.scale[bad[0]]}, and a model file "
            "holds only positive ones."
        )


def _unpack_scaling(fitted: Record) -> str | None:
    name = fitted["scaling"]
    if not isinstance(name, str | None) or name not in (*SCALINGS, CUSTOM):
        raise bad_value("scaling", name, "one known here")
    return name


def unpack_fitted(tensors: Tensors, meta: Meta) -> Fitted:
    """Return the model and what is known of its training."""
    model, fitted = unpack_model(tensors, meta), Record(meta["fitted"])
    unfinished = partial = None
    with computing(model.dtype, None):
        if "training" in meta:
            unfinished = _unpack_unfinished(model, tensors, meta)
        if "carried" in meta:
            partial = _unpack_partial(model, tensors, Record(meta).record("carried"))
    return Fitted(
        model=model,
        history=fitted.history(),
        batch_size=_unpack_count(fitted, "batch_size"),
        max_epochs=_unpack_count(fitted, "max_epochs"),
        seen=_unpack_seen(fitted),
        baseline=fitted.baseline(),
        mean_activation=_unpack_units(tensors, "mean_activation", model),
        code_deviation=_unpack_units(tensors, "code_deviation", model),
        unfinished=unfinished,
        partial=partial,
        image_scale=_image_scale(fitted),
        gaps=_unpack_gaps(tensors, fitted, model),
    )


def _unpack_count(fitted: Record, name: str) -> int | None:
    return None if fitted[name] is None else fitted.whole(name, 1)


def _unpack_units(tensors: Tensors, name: str, model: Model) -> np.ndarray | None:
    """Return a value for each code unit, if the file has them."""
    return array_of(tensors, name, (model.n_components,), "float64") if name in tensors else None


def _unpack_seen(fitted: Record) -> tuple[int, int] | None:
    if not fitted.get("rows"):
        return None
    mark, seed = fitted.items_of("rows", int)
    return mark, seed


def _unpack_gaps(tensors: Tensors, fitted: Record, model: Model) -> Gaps | None:
    """Return what was measured of hidden cells, if the file says so."""
    if fitted.get("gaps") is None or model.mixed is None:
        return None
    return unpack_gaps(tensors, fitted.record("gaps"), model.n_cells)


def _image_scale(fitted: Record) -> float | None:
    """Return by how much images of a folder were resized, if the file says so."""
    if fitted.get("image_scale") is None:
        return None
    scale = fitted.number("image_scale")
    if not 0 < scale < math.inf:
        raise bad_value("image_scale", scale, "a number above 0")
    return scale


def unpack_slots(specs: Mapping[str, Any]) -> Meta:
    """Return the specs of slots, whose names are all known here; a file holds all slots, as dicts."""
    if {*specs} != {*SLOTS}:
        raise bad_value("slots", [*specs], f"{', '.join(SLOTS)}")
    return {name: _unpack_parts(name, spec) for name, spec in specs.items()}


def _unpack_parts(name: str, spec: Any) -> Any:
    slot: type[Part] = SLOTS[name][0]
    specs = spec if isinstance(spec, list) else [spec]
    for one in specs:
        if not isinstance(one, dict | None):  # a text would be parsed
            raise bad_value(name, one, "an object or null")
        if one is not None and Record(one).text("name") not in slot.known:
            raise ModelFileError(
                f"The file needs the {name} {reprlib.repr(one['name'])}, which is not known here."
            )
    return tuple(specs) if isinstance(spec, list) else spec


def _unpack_net(
    tensors: Tensors, layers: dict[str, list[Any]], dtype: str, architecture: Architecture
) -> Net:
    """Return the net, after checks that its layers fit one another."""
    encoder, decoder = (
        tuple(_unpack_layer(tensors, side, i, spec) for i, spec in enumerate(layers[side]))
        for side in ("encoder", "decoder")
    )
    net = Net(encoder, decoder, architecture.residual, architecture.skips)
    odd = {leaf.dtype.name for leaf in jax.tree.leaves(net)} - {dtype}
    if odd or not encoder:
        raise ModelFileError(f"The file's layers have weights of {sorted(odd)}, not of {dtype}.")
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
        raise bad_value(f"layer of the {side}", spec, "one")
    return {"kind": "conv" if side == "encoder" else "transposed_conv", **spec}


def _fill(tree: Any, tensors: Tensors, name: str) -> Any:
    """Return the tree with its leaves from the file."""
    leaves, structure = jax.tree.flatten(tree)
    stored = [
        array_of(tensors, f"{name}.{i}", np.shape(leaf), leaf.dtype.name)
        for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in stored])


def _blank(objective: Objective, net: Net, dtype: str, tensors: Tensors) -> Trained:
    """Return parameters to fill, unless they would be larger than what the file holds for them."""
    held = sum(a.nbytes for name, a in tensors.items() if name.startswith("resume.params."))
    needed = 3 * sum(leaf.nbytes for leaf in jax.tree.leaves(net))  # weights, and Adam's moments
    if held < needed or net.n_components > sum(array.size for array in tensors.values()):
        raise ModelFileError(f"The file holds no state of its {net.n_components} code units.")
    return first_state(objective, net, dtype).params


def _unpack_unfinished(model: Model, tensors: Tensors, whole: Meta) -> UnfinishedFit:
    meta, pretrain = Record(whole).record("training"), bool(whole["parameters"]["pretrain"])
    phase, objective, net = meta.whole("phase", 0), model.slots.objective(), model.net
    if phase > len(net.encoder) * pretrain or not net.decoder:
        raise bad_value("phase", phase, "one of this fit's")
    if pretrain and phase < len(net.encoder):
        objective, net = pair_objective(objective, net, phase), layer_pair(net, phase)
    params = _blank(objective, net, model.dtype, tensors)
    state = _unpack_state(meta.record("state"))._replace(
        params=_fill(params, tensors, "resume.params"),
        best_net=_fill(net, tensors, "resume.best") if "resume.best.0" in tensors else None,
        partial=_unpack_steps(tensors, len(("loss", *objective.terms, "rate"))),
    )
    return UnfinishedFit(
        seed=meta.whole("seed", 0),
        phase=phase,
        state=state,
        earlier=meta.labelled("earlier"),
        fingerprint=meta.whole("fingerprint"),
        settings=meta.text("settings"),
        fresh=Record({"fresh": True, **meta}).flag("fresh"),
        cores=None if meta.get("cores") is None else meta.whole("cores", 1),  # since 1.4
    )


def _unpack_state(values: Record) -> TrainerState:
    """Return where a run stands, without its arrays."""
    return TrainerState(
        params=None,  # type: ignore[arg-type]
        step=values.whole("step", 0),
        seconds=values.number("seconds"),
        best_score=values.number("best_score"),
        wait=values.whole("wait", 0),
        recent=tuple(values.items_of("recent", float)),
        evaluated_at=values.whole("evaluated_at", 0),
        stopped=values.flag("stopped"),
        history=tuple(row.measured() for row in values.records("history")),
    )


def _unpack_steps(tensors: Tensors, width: int) -> tuple[np.ndarray, ...]:
    """Return the terms of the steps of an unfinished epoch, if there are any."""
    steps = tensors.get("resume.partial")
    if steps is None:
        return ()
    return (array_of(tensors, "resume.partial", (len(steps), width), "float64"),)


def _unpack_partial(model: Model, tensors: Tensors, meta: Record) -> PartialFit:
    params = _blank(model.slots.objective(), model.net, model.dtype, tensors)
    return PartialFit(
        params=_fill(params, tensors, "resume.params"),
        steps=meta.whole("steps", 0),
        seed=meta.whole("seed", 0),
        rows=meta.labelled("rows"),
    )

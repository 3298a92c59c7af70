"""Files of autoencoders: the constructor's parameters beside what `model.file` holds of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from isthmus.autoencoder.parameters import Parameters, check_parameters
from isthmus.fleet import pack_fleet, unpack_fleet
from isthmus.io import ModelFileError
from isthmus.model import (
    MODELS,
    SLOTS,
    Record,
    pack_fitted,
    pack_slots,
    pack_transformer,
    resolve_slots,
    unpack_fitted,
    unpack_schema,
    unpack_slots,
    unpack_transformer,
)
from isthmus.schema import Schema

if TYPE_CHECKING:
    from isthmus.model import (
        Fitted,
        Meta,
        Slots,
        Tensors,
    )

PLAIN = (str, int, float, bool, type(None))
Kind = TypeVar("Kind", bound=Parameters)


def pack_autoencoder(
    ae: Parameters, fitted: Fitted, part: str = "model", *, resume: bool = False
) -> tuple[Tensors, Meta]:
    """Return a fitted autoencoder as arrays by name and JSON."""
    if part not in ("model", "encoder"):
        raise ValueError(f"The part must be 'model' or 'encoder'; got {part!r}.")
    tensors, meta = pack_fitted(fitted, part, resume=resume)
    meta["fitted"]["feature_names_in"] = pack_names(ae)
    slots = fitted.model.slots
    of_part = slots if part == "model" else slots.for_encoding()
    if ae.fleet_ is not None:
        arrays, meta["groups"] = pack_fleet(ae.fleet_, part)
        tensors, meta["kind"] = tensors | arrays, MODELS
    return tensors, {**pack_parameters(ae, of_part), **meta}


def pack_names(estimator: object) -> list[str] | None:
    """Return the names of the columns that an estimator was fitted on."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def pack_parameters(ae: Parameters, slots: Slots | None = None, *, mixed: bool = False) -> Meta:
    """Return the constructor's parameters as JSON: the slots resolved, the others as they are.

    Where no fit says what the slots are, `mixed` is whether they are for tables of mixed types.
    """
    params = {k: v for k, v in ae.get_params(deep=False).items() if k not in SLOTS}
    scaling = params["scaling"]
    named = {} if isinstance(scaling, str | None) else {"scaling": pack_transformer(scaling)}
    return {
        "parameters": plain_parameters(params),
        "slots": pack_slots(resolve_slots(ae, mixed=mixed) if slots is None else slots),
        **named,
        **pack_columns(ae),
    }


def pack_columns(estimator: Any) -> Meta:
    """Return as JSON what the user said of columns, where it was anything."""
    kinds, weights = estimator.columns, getattr(estimator, "column_weights", None)
    packed: Meta = {}
    if isinstance(kinds, Schema):
        packed["columns"] = {"schema": kinds.to_dict()}
    elif kinds:
        packed["columns"] = {"kinds": {str(name): kind for name, kind in kinds.items()}}
    if weights:
        packed["column_weights"] = {str(name): float(weight) for name, weight in weights.items()}
    return packed


def unpack_columns(meta: Meta) -> dict[str, Any]:
    """Return the parameters that say something of columns; files before 1.5 have none."""
    found: dict[str, Any] = {}
    if "columns" in meta:
        said = Record(meta).record("columns")
        if "schema" in said:
            found["columns"] = unpack_schema(said.record("schema"))
        else:
            found["columns"] = {name: said.record("kinds").text(name) for name in said["kinds"]}
    if "column_weights" in meta:
        found["column_weights"] = dict(Record(meta).record("column_weights").measured())
    return found


def plain_parameters(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters that JSON holds; None takes the place of what it does not."""
    for name, value in params.items():
        if isinstance(value, np.generic):
            params[name] = value.item()
        elif not isinstance(value, PLAIN):
            params[name] = {"scaling": "standard"}.get(name)
    return params


def unpack_autoencoder(kind: type[Kind], tensors: Tensors, meta: Meta) -> Kind:
    """Return the fitted autoencoder of arrays and JSON, after checks that they fit one another."""
    ae = unpack_parameters(kind, meta)
    ae.fitted_ = unpack_fitted(tensors, meta)
    ae.n_features_in_, ae.sample_shape_ = ae.fitted_.model.n_features, ae.fitted_.model.sample_shape
    names = Record(meta["fitted"]).column_names(ae.n_features_in_)
    if names is not None:
        ae.feature_names_in_ = names
    if meta.get("kind") == MODELS:
        ae.fleet_ = unpack_fleet(tensors, Record(meta).record("groups"), ae.fitted_.model)
    return ae


def unpack_parameters(kind: type[Kind], meta: Meta) -> Kind:
    """Return an estimator that is not fitted, with parameters from JSON."""
    parameters = Record(meta).plain("parameters")
    if both := parameters.keys() & SLOTS.keys():
        raise ModelFileError(f"The file's parameters have the slot {min(both)!r}.")
    if "scaling" in meta:
        parameters["scaling"] = unpack_transformer(Record(meta).record("scaling"))
    ae = kind(**{**parameters, "device": None, **unpack_columns(meta)})
    slots = unpack_slots(meta["slots"])
    ae.set_params(**{k: (v or None) if isinstance(v, tuple) else v for k, v in slots.items()})
    check_parameters(ae)
    return ae

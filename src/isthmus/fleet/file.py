"""Fleets in model files: keys and stacked arrays, checked against one of the models."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from isthmus.fleet.fleet import POOLED, Fleet
from isthmus.fleet.keys import KINDS, Keys
from isthmus.fleet.stack import Stack
from isthmus.io import ModelFileError
from isthmus.model import Affine, Record, array_of, bad_value
from isthmus.nets import Net

if TYPE_CHECKING:
    from isthmus.model import Meta, Model, Tensors

PREFIX = "fleet"


def pack_fleet(fleet: Fleet, part: str = "model") -> tuple[Tensors, Meta]:
    """Return the groups and the models' arrays by name, and JSON; `like` is in the file already."""
    stack, keys = fleet.stack, fleet.keys
    nets = stack.nets if part == "model" else Net(stack.nets.encoder, ())
    arrays: Tensors = {
        "places": fleet.places.astype(np.int64),
        "rows": fleet.rows.astype(np.int64),
        "centre": stack.scaler.centre,
        "scale": stack.scaler.scale,
        "means": stack.means,
        **{f"net.{i}": leaf for i, leaf in enumerate(jax.tree.leaves(nets))},
        **_packed_keys(keys),
    }
    named = {f"{PREFIX}.{name}": np.ascontiguousarray(array) for name, array in arrays.items()}
    return named, {"kind": keys.kind, "name": keys.name}


def _packed_keys(keys: Keys) -> Tensors:
    if keys.kind != "text":
        return {"keys": np.array(keys.values, np.int64)}
    texts = [str(key).encode() for key in keys.values]
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return {"keys": np.frombuffer(b"".join(texts), np.uint8), "ends": ends}


def unpack_fleet(tensors: Tensors, meta: Record, like: Model) -> Fleet:
    """Return the fleet of models like this one, after checks that arrays and JSON fit."""
    arrays = {
        name.removeprefix(f"{PREFIX}."): array
        for name, array in tensors.items()
        if name.startswith(f"{PREFIX}.")
    }
    if like.schema is not None:
        raise ModelFileError("The file has models of groups for a table of mixed types.")
    keys, stack = _unpack_keys(arrays, meta), _unpack_stack(arrays, like)
    places, rows = (array_of(arrays, name, (len(keys),), "int64") for name in ("places", "rows"))
    if ((places < POOLED) | (places >= len(stack))).any() or (rows < 0).any():
        raise ModelFileError("The file's groups do not fit its models.")
    return Fleet(keys, places, rows, stack)


def _unpack_stack(arrays: Tensors, like: Model) -> Stack:
    count, d = len(arrays["means"]), like.n_features
    scaler = Affine(*(array_of(arrays, n, (count, d), "float64") for n in ("centre", "scale")))
    if not count or not (scaler.scale > 0).all():
        raise ModelFileError("The file's groups have no models, or scales that are not positive.")
    leaves, structure = jax.tree.flatten(like.net)
    stored = [
        array_of(arrays, f"net.{i}", (count, *np.shape(leaf)), leaf.dtype.name)
        for i, leaf in enumerate(leaves)
    ]
    means = array_of(arrays, "means", (count, d), like.dtype)
    return Stack(like.on_host(), jax.tree.unflatten(structure, stored), scaler, means)


def _unpack_keys(arrays: Tensors, meta: Record) -> Keys:
    """Return the keys, which are sorted and each there once."""
    kind, name = meta.text("kind"), meta["name"]
    if kind not in KINDS or not isinstance(name, str | None):
        raise bad_value("kind of groups", (kind, name), "one known here")
    found: list[Any] = _texts(arrays) if kind == "text" else _numbers(arrays)
    values = tuple(found)
    if not values or any(a >= b for a, b in pairwise(values)):
        raise ModelFileError("The file's keys of groups are none, or not in order.")
    return Keys(kind, values, name)


def _numbers(arrays: Tensors) -> list[int]:
    keys = arrays["keys"]
    numbers: list[int] = array_of(arrays, "keys", (keys.size,), "int64").tolist()
    return numbers


def _texts(arrays: Tensors) -> list[str]:
    whole = array_of(arrays, "keys", (arrays["keys"].size,), "uint8").tobytes()
    ends = array_of(arrays, "ends", (arrays["ends"].size,), "int64")
    if (np.diff(ends, prepend=0) < 0).any() or (ends[-1:] != len(whole)).any():
        raise ModelFileError("The file's keys of groups do not end where they should.")
    begins = [0, *ends.tolist()]
    return [whole[a:b].decode() for a, b in pairwise(begins)]

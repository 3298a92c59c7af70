"""What a detector's file holds of groups: the fleet, and what each group's rows are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.fleet import pack_fleet, unpack_fleet
from isthmus.io import ModelFileError
from isthmus.model import Record, array_of, pack_model, unpack_model
from isthmus.outliers.judges import Judges

if TYPE_CHECKING:
    from isthmus.model import Meta, Tensors

LIKE, OWN = "group", "judges"  # prefixes: of one of the models, and of what judges by them


def pack_judges(judges: Judges) -> tuple[Tensors, Meta]:
    """Return judges as arrays by name, and JSON."""
    tensors, meta = pack_fleet(judges.fleet)
    like, meta["model"] = pack_model(judges.fleet.stack.model(0))
    models, columns = np.nonzero(~np.isnan(judges.constants))
    own = {
        "references": judges.references,
        "usual": judges.usual,
        "costs": judges.costs,
        "factors": judges.factors,
        "constant_models": models.astype(np.int64),
        "constant_columns": columns.astype(np.int64),
        "constant_values": judges.constants[models, columns],
    }
    tensors |= {f"{LIKE}.{name}": array for name, array in like.items()}
    tensors |= {f"{OWN}.{name}": np.ascontiguousarray(array) for name, array in own.items()}
    return tensors, meta | {"pooled_factor": float(judges.pooled_factor)}


def unpack_judges(tensors: Tensors, meta: Record, n_features: int) -> Judges:
    """Return the judges of a file, after checks that arrays and JSON fit."""
    model = unpack_model(_under(LIKE, tensors), meta.record("model"))
    if model.n_features != n_features or not model.net.decoder:
        raise ModelFileError(f"The file's models of groups do not fit its {n_features} features.")
    fleet, arrays = unpack_fleet(tensors, meta, model), _under(OWN, tensors)
    count, k = len(fleet.stack), arrays["references"].shape[1:2]
    shape = (count, *k, n_features)
    references = array_of(arrays, "references", shape, model.dtype)
    usual = array_of(arrays, "usual", (count, 2), "float64")
    costs, factors = (array_of(arrays, name, (count,), "float64") for name in ("costs", "factors"))
    pooled = meta.number("pooled_factor")
    positive = all((part > 0).all() for part in (usual, costs, factors))
    if not references.size or not positive or not 0 < pooled < np.inf:
        raise ModelFileError("The file's groups have units that are not positive and finite.")
    constants = _unpack_constants(arrays, (count, n_features))
    return Judges(fleet, references, usual, constants, costs, factors, pooled)


def _under(prefix: str, tensors: Tensors) -> Tensors:
    found = {}
    for name, array in tensors.items():
        first, _, rest = name.partition(".")
        if first == prefix:
            found[rest] = array
    return found


def _unpack_constants(arrays: Tensors, shape: tuple[int, int]) -> np.ndarray:
    """Return the constant values of each model, NaN where a column is not constant."""
    n = arrays["constant_values"].size
    values = array_of(arrays, "constant_values", (n,), "float64")
    places = [array_of(arrays, f"constant_{what}", (n,), "int64") for what in ("models", "columns")]
    for place, end in zip(places, shape, strict=True):
        if ((place < 0) | (place >= end)).any():
            raise ModelFileError("The file's constant columns of groups do not fit its features.")
    found = np.full(shape, np.nan)
    found[tuple(places)] = values
    return found

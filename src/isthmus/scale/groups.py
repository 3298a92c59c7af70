"""The group of each row, for a file with a model for each group: by the column that the file knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder
    from isthmus.fleet import Fleet, Keys
    from isthmus.outliers import OutlierDetector
    from isthmus.scale.batches import Batch

UNNAMED = (
    "has a model for each group, and no name of the column that says it: fit it with groups that have "
    "a name, such as a column of a frame, or load it and give it groups="
)


def keys_of(model: Autoencoder | OutlierDetector) -> Keys | None:
    """Return the keys of a model's groups, if it has groups."""
    models: Any = model.fleet_
    fleet: Fleet | None = getattr(models, "fleet", models)
    return None if fleet is None else fleet.keys


def groups_of(keys: Keys | None, batch: Batch) -> np.ndarray | None:
    """Return the group of each row by the column of the keys' name; None without keys.

    Raises
    ------
    ValueError
        Where the rows lack the column.
    """
    if keys is None:
        return None
    name = str(keys.name)
    batch.check([name], "says the group of each row")
    groups = batch.array([name]).ravel()
    return as_texts(groups) if keys.kind == "text" and groups.dtype.kind in "iufO" else groups


def usual_groups(model: Autoencoder | OutlierDetector, n: int) -> np.ndarray | None:
    """Return n times a group that a model knows; None for a model without groups."""
    keys = keys_of(model)
    if keys is None:
        return None
    groups = np.full(n, keys.values[0])
    return groups.astype("M8[us]") if keys.kind == "date" else groups


def as_texts(groups: np.ndarray) -> np.ndarray:
    """Return whole numbers as texts: keys that were read from a file are texts, whatever they say."""
    made = np.empty(len(groups), object)
    made[:] = [_as_text(value) for value in groups.tolist()]
    return made


def _as_text(value: object) -> object:
    if isinstance(value, float):  # as whole numbers are beside missing ones
        value = None if value != value else int(value) if value.is_integer() else value
    return str(value) if type(value) is int else value

"""What each column of a table of mixed types counts in the score, where the training rows are clean.

Some columns are hard to tell from the others even in normal rows: a rare event there costs as much as
all other columns together, and hides what is strange elsewhere. So each column's loss is counted in
units of its own size in normal rows, which rare and large losses settle::

    loss(x', x) = sum_c v_c l_c / sum_c v_c    with  v_c = w_c / (mean of l_c^4 over normal rows)^(1/4)

and the distance of remade rows has the same weights v_c. In NSL-KDD (`benchmarks/attacks.py`) this
finds 87 to 89 % of the attacks at 1 % false alarms.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from isthmus.model import by_cell, reweighed, weight_there

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import Model

ROWS = 8192  # at most, that tell how large losses are
POWER = 4
LEAST = 0.1  # of the median size: what is always the same is not weighed for ever more


def weighed(models: Sequence[Model], rows: np.ndarray) -> list[Model]:
    """Return models of a table whose columns weigh by what they cost all models in clean rows."""
    sizes = np.mean([cell_sizes(model, rows) for model in models], axis=0)
    least = LEAST * np.median(sizes)
    if not least > 0:
        return list(models)
    return [_weighed(model, 1 / np.maximum(sizes, least)) for model in models]


def cell_sizes(model: Model, rows: np.ndarray) -> np.ndarray:
    """Return how large each column's loss is where it is there, before columns are weighed."""
    mixed = model.mixed
    assert mixed is not None
    given = by_cell(mixed.layout, np.asarray(mixed.share, float)[None])[0]
    losses = model.cell_losses(rows) * weight_there(mixed, rows)[:, None]
    there = by_cell(mixed.layout, (~np.isnan(rows)).astype(float)) > 0
    powers = (losses.astype(float) ** POWER).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.asarray(powers ** (1 / POWER) / np.where(given > 0, given, 1))


def _weighed(model: Model, weights: np.ndarray) -> Model:
    assert model.mixed is not None
    loss = reweighed(model.mixed, weights)
    return replace(model, slots=model.slots._replace(loss=loss))

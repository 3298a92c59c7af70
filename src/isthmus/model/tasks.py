"""What a model is worth that learnt from noisy rows how to clean them.

A copy of such rows keeps their noise, so that an error against the rows themselves says nothing. The
model and the mean are asked for what the task of training asks for, and compared with what that has.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.model.baselines import Baseline, explained_share
from isthmus.model.scaling import blocks
from isthmus.training import column_shares, map_batches, pose_task, turns

if TYPE_CHECKING:
    from isthmus.model.model import Model
    from isthmus.training import ScaledRows


class TaskErrors(NamedTuple):
    """Errors of rows, of the model and of the mean: in the loss's units, and squared in the data's."""

    model: np.ndarray  # (n,)
    mean: np.ndarray
    model_raw: np.ndarray
    mean_raw: np.ndarray


def measure_task_errors(model: Model, rows: ScaledRows) -> Baseline:
    """Return the errors of the model and of the mean predictor, on held-out rows if there are any.

    PCA's are NaN: it sees every value that it is asked for.
    """
    x, weight = rows.judged
    total = weight.sum()
    means = [float(weight @ errors) / total for errors in task_errors(model, x)]
    found = dict(zip(TaskErrors._fields, means, strict=True))
    least = model.slots.least
    score = explained_share(found["model"] - least, found["mean"] - least)
    unknown = {"pca": math.nan, "pca_raw": math.nan, "least": least}
    named = "held-out" if rows.held_out else "training"
    return {"rows": named, "score": score, **found, **unknown}


def task_score(model: Model, X: np.ndarray, weight: np.ndarray) -> float:
    """Return `1 - error / error of the mean` on rows in the data's units."""
    model.check_decoder()
    with model.computing():
        errors = task_errors(model, model.scaled(X))
    own, mean = (
        np.average(part, weights=weight) - model.slots.least for part in (errors.model, errors.mean)
    )
    return explained_share(own, mean)


def task_errors(model: Model, x: np.ndarray) -> TaskErrors:
    """Return the errors of scaled rows, each the mean over some tasks."""
    parts = [_errors(model, x[b]) for b in blocks(x, 2**20)]
    return TaskErrors(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _errors(model: Model, x: np.ndarray) -> TaskErrors:
    """Return the errors of a block of rows."""
    found, count = np.zeros((len(TaskErrors._fields), len(x))), turns(x.shape[1])
    posing = model.slots.bound_objective(x, model.dtype, model.sample_shape)
    for turn in range(count):
        x_in, target, counts = pose_task(posing, x, turn)
        again = map_batches("reconstruct", posing, model.net, x_in, lambda rows: rows)
        mean = np.broadcast_to(model.inside_domain(model.mean_row), x.shape).astype(model.dtype)
        wanted = model.scaler.inverse(target)
        for i, guess in enumerate((model.inside_domain(again), mean)):
            found[i] += (counts * column_shares(posing, guess, target)).sum(axis=1)
            found[i + 2] += (counts * (model.scaler.inverse(guess) - wanted) ** 2).mean(axis=1)
    return TaskErrors(*(found / count))

"""Warnings about models that did not learn what they should."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning

if TYPE_CHECKING:
    from isthmus.model import Baseline, Fitted

MARGIN = 0.02  # one affine decoder layer cannot beat PCA in training error: leave it rounding


def warn_of_results(fitted: Fitted) -> None:
    """Warn where the model does not beat its baselines or its code is dead."""
    net, baseline, deviation = fitted.model.net, fitted.baseline, fitted.code_deviation
    assert baseline is not None
    assert deviation is not None
    if baseline["mean"] <= baseline["least"]:
        warn_user("All rows are equal: there is nothing to learn.", stacklevel=5)
        return
    maps = deviation.reshape(-1, len(net.encoder[-1].bias))
    warn_of_codes(maps.max(axis=0))  # of a map, some places always are padding
    of_table = fitted.model.schema is not None
    warn_of_errors(
        baseline, len(net.encoder), net.n_components >= net.n_features, of_table=of_table
    )


def warn_user(message: str, stacklevel: int = 6) -> None:
    """Warn of a model that did not learn what it should; the level is the user's call of `fit`."""
    warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)


def warn_of_errors(
    baseline: Baseline, n_layers: int, overcomplete: bool, *, of_table: bool = False
) -> None:
    """Warn where the model does not beat the mean predictor or PCA.

    Of a table of mixed types, whose default is a single layer, nothing is said of PCA: both are level
    as a rule, or PCA is a little ahead on few rows, and its error stands in the summary. It has none
    where a model learnt from noisy rows.
    """
    model, mean, pca = baseline["model"], baseline["mean"], baseline["pca"]
    rows = f"on the {baseline['rows']} rows"
    if not model < mean:
        warn_user(
            f"The model's error {rows}, {model:.4g}, is no lower than the mean predictor's, "
            f"{mean:.4g}: train longer (max_epochs) or weaken the constraints."
        )
    elif overcomplete or (of_table and n_layers == 1) or np.isnan(pca):
        return
    elif n_layers == 1 and model > pca + MARGIN * max(abs(pca), mean - pca):
        warn_user(
            f"The model's error {rows}, {model:.4g}, is above PCA's of the same width, {pca:.4g}, "
            "and a single decoder layer can hardly beat it: give the architecture hidden layers, "
            "train longer or weaken the constraints."
        )
    elif n_layers > 1 and not model < pca:
        warn_user(
            f"The model's error {rows}, {model:.4g}, is no lower than PCA's of the same width, "
            f"{pca:.4g}: train longer (max_epochs), change the hidden layers or weaken the "
            "constraints."
        )


def warn_of_codes(deviation: np.ndarray) -> None:
    """Warn of dead units and of a collapsed code, from the units' deviations over the rows."""
    dead = int(np.sum(deviation <= 1e-6 * max(float(deviation.max(initial=0.0)), 1e-6)))
    if dead == len(deviation):
        warn_user(
            "The code has collapsed: no unit changes from row to row. Lower learning_rate or "
            "weaken the constraints."
        )
    elif dead:
        warn_user(
            f"{dead} of {len(deviation)} code units are dead: they never change from row to row. "
            "Use fewer components, a lower learning_rate or weaker sparsity."
        )


def warn_of_residual(stacklevel: int) -> None:
    """Warn, before training, that a residual net has nothing to learn."""
    warn_user(
        "With residual=True and no corruption the model is the identity from the start, and stays it: "
        "add a corruption ('gaussian', 'masking'), which it learns to take back.",
        stacklevel=stacklevel + 1,
    )


def warn_of_identity(n_components: int, n_features: int, stacklevel: int) -> None:
    """Warn, before training, that nothing keeps the model from learning the identity."""
    warn_user(
        f"With n_components={n_components} for {n_features} features and no constraint the model "
        "can learn the identity, which is useless: add a sparsity ('kl', 'l1', 'topk'), a corruption "
        "('gaussian', 'masking'), a penalty ('contractive', 'l2') or dropout, or use fewer "
        "components.",
        stacklevel=stacklevel + 1,
    )

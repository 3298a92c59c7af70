"""What a model is measured against: the mean predictor and PCA of the same width."""

import warnings
from typing import Any

import numpy as np
import scipy.linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import randomized_svd

from isthmus.model.scaling import blocks

MARGIN = 0.02  # one affine decoder layer cannot beat PCA in training error: leave it rounding


def pca_axes(x: np.ndarray, weight: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the weighted mean (d,) and the k leading principal axes (k, d), in float64.

    There are no axes where k is d or more, since PCA is then exact.
    """
    total, d = weight.sum(), x.shape[1]
    mean = sum(weight[b] @ x[b].astype(float) for b in blocks(x)) / total
    if k >= d:
        return mean, None
    if d <= 2000 and d <= 4 * len(x):
        covariance = np.zeros((d, d))
        for b in blocks(x):
            centred = x[b] - mean
            covariance += (centred * weight[b][:, None]).T @ centred
        subset = (max(d - k, 0), d - 1)
        vectors = scipy.linalg.eigh(covariance / total, subset_by_index=subset)[1]
        return mean, vectors.T[::-1]
    centred = (x - mean) * np.sqrt(weight)[:, None]
    if len(x) <= 2000:
        return mean, scipy.linalg.svd(centred, full_matrices=False)[2][:k]
    return mean, randomized_svd(centred, min(k, min(x.shape)), random_state=0)[2]


def pca_reconstruction(x: np.ndarray, mean: np.ndarray, axes: np.ndarray | None) -> np.ndarray:
    """Return PCA's reconstruction of rows."""
    return x if axes is None else mean + (x - mean) @ axes.T @ axes


def warn_user(message: str, stacklevel: int = 6) -> None:
    """Warn of a model that did not learn what it should; the level is the user's call of `fit`."""
    warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)


def warn_of_errors(baseline: dict[str, Any], n_layers: int, overcomplete: bool) -> None:
    """Warn where the model does not beat the mean predictor or PCA."""
    model, mean, pca = baseline["model"], baseline["mean"], baseline["pca"]
    rows = f"on the {baseline['rows']} rows"
    if not model < mean:
        warn_user(
            f"The model's error {rows}, {model:.4g}, is no lower than the mean predictor's, "
            f"{mean:.4g}: train longer (max_epochs) or weaken the constraints."
        )
    elif overcomplete:
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


def warn_of_identity(n_components: int, n_features: int) -> None:
    """Warn, before training, that nothing keeps the model from learning the identity."""
    warn_user(
        f"With n_components={n_components} for {n_features} features and no constraint the model "
        "can learn the identity, which is useless: add a sparsity ('kl', 'l1', 'topk'), a corruption "
        "('gaussian', 'masking'), a penalty ('contractive', 'l2') or dropout, or use fewer "
        "components.",
        stacklevel=6,
    )

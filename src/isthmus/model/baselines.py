"""What a model is measured against: the mean, and PCA of the same width."""

from typing import Any

import numpy as np
import scipy.linalg

from isthmus.model.scaling import blocks

Baseline = dict[str, Any]  # errors by name, and the name of the rows


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
    from sklearn.utils.extmath import randomized_svd  # a model as such does without scikit-learn

    return mean, randomized_svd(centred, min(k, min(x.shape)), random_state=0)[2]


def pca_reconstruction(x: np.ndarray, mean: np.ndarray, axes: np.ndarray | None) -> np.ndarray:
    """Return PCA's reconstruction of rows."""
    return x if axes is None else mean + (x - mean) @ axes.T @ axes


def explained_share(model: float, mean: float) -> float:
    """Return `1 - model / mean`; where there is nothing to explain, 1 for no error and else 0."""
    return float(1 - model / mean) if mean > 0 else float(model <= 0)

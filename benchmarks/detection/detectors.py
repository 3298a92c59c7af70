"""Detectors: each takes rows to train on, rows to score, a protocol and a seed, and returns how
strange the latter are: more is stranger. Unsupervised both are the same rows.
"""

import numpy as np
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

SEEDED = ("IForest", "PCA", "AutoEncoder", "CBLOF", "MCD")


def ours(**parameters):
    """Return strangeness by isthmus; the scaling is its own."""

    def run(train, test, protocol, seed):
        from isthmus import OutlierDetector

        told = {"contamination": "none"} if protocol == "semi-supervised" else {}
        detector = OutlierDetector(random_state=seed, **(told | parameters)).fit(train)
        return -detector.score_samples(test)

    return run


def nearest_scaled(train, test, protocol, seed):
    """Return distances to the nearest other row, scaled as isthmus scales numbers by itself."""
    from isthmus.model import choose_scaling, fit_scaler

    settled = choose_scaling("auto", alike=False, raw_loss=False, bounded=False)
    scaler = fit_scaler(settled, train, np.ones(len(train)))
    known = NearestNeighbors(n_neighbors=1).fit(scaler.forward(train, "float64"))
    others = None if protocol == "unsupervised" else scaler.forward(test, "float64")
    return known.kneighbors(others)[0][:, 0]


def pyod(module, name, **parameters):
    """Return strangeness by a detector of PyOD."""

    def run(train, test, protocol, seed):
        found = getattr(__import__(f"pyod.models.{module}", fromlist=[name]), name)
        seeded = {"random_state": seed} if name in SEEDED else {}
        detector = found(**seeded, **parameters)
        detector.fit(train)
        if protocol == "unsupervised":
            return detector.decision_scores_
        return detector.decision_function(test)

    return run


def lof(train, test, protocol, seed):
    """Return strangeness by scikit-learn's local outlier factor."""
    if protocol == "unsupervised":
        return -LocalOutlierFactor().fit(train).negative_outlier_factor_
    return -LocalOutlierFactor(novelty=True).fit(train).score_samples(test)


def mahalanobis(train, test, protocol, seed):
    """Return squared Mahalanobis distances, over the directions in which training rows differ."""
    mean = train.mean(axis=0)
    _, spread, directions = np.linalg.svd(train - mean, full_matrices=False)
    real = spread > spread.max() * max(train.shape) * np.finfo(float).eps
    return (((test - mean) @ directions[real].T / spread[real]) ** 2).sum(axis=1) * len(train)


OURS = {
    "isthmus": ours(),
    "isthmus, not told": ours(contamination="auto"),
    "nearest, scaled by isthmus": nearest_scaled,
}
PYOD = {
    "IForest": pyod("iforest", "IForest"),
    "KNN": pyod("knn", "KNN"),
    "ECOD": pyod("ecod", "ECOD"),
    "COPOD": pyod("copod", "COPOD"),
    "PCA": pyod("pca", "PCA"),
    "CBLOF": pyod("cblof", "CBLOF"),
    "MCD": pyod("mcd", "MCD"),
    "AutoEncoder": pyod("auto_encoder", "AutoEncoder", verbose=0, preprocessing=False),
}
DETECTORS = OURS | PYOD | {"LOF": lof, "Mahalanobis": mahalanobis}
BEFORE = "isthmus before"  # `isthmus` of another source folder

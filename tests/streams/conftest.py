"""A detector whose score is a formula, and streams of rows for it."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator


class Formula(BaseEstimator):
    """The public face of a detector: minus the mean square of a row, and scores of rows held out."""

    def __init__(self, held, width=10):
        self.held, self.width = held, width

    def fit(self):
        self.n_features_in_, self.sample_shape_, self.schema_ = self.width, None, None
        self.calibration_folds_ = None
        self.calibration_scores_ = None if self.held is None else self.score_samples(self.held)
        return self

    def score_samples(self, X):
        return -(np.asarray(X) ** 2).mean(axis=1)


@pytest.fixture
def formula():
    return lambda n=1000, width=10, seed=0: Formula(
        np.random.default_rng(seed).normal(size=(n, width)), width
    ).fit()

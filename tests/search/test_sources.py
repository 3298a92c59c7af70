"""Searches on rows that lie in files."""

import numpy as np
import pytest

from isthmus import Autoencoder, OutlierDetector, tune
from isthmus.autoencoder import sources
from isthmus.training import windows


@pytest.fixture
def path(tmp_path, rng):
    np.save(tmp_path / "rows.npy", rng.normal(size=(600, 4)))
    return tmp_path / "rows.npy"


def search(X):
    ae = Autoencoder(2, max_epochs=2, batch_size=64, random_state=0)
    return tune(ae, {"learning_rate": [1e-4, 1e-2]}, X)


def test_a_file_is_searched_as_its_rows(path):
    np.testing.assert_array_equal(
        search(path).cv_results_["mean_test_score"],
        search(np.load(path)).cv_results_["mean_test_score"],
    )


def test_of_a_large_file_a_sample_is_searched(path, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW", 400)
    monkeypatch.setattr(sources, "MANY", 300)
    with pytest.warns(UserWarning, match="rows.npy has 600 rows: a random sample of 300 is used"):
        search(path)


def test_batches_that_come_once_are_refused_in_one_sentence():
    batches = (np.zeros((3, 2)) for _ in range(2))
    for estimator in (Autoencoder(), OutlierDetector()):
        with pytest.raises(TypeError, match=r"come once: give isthmus.io.open_blocks\(X\)"):
            estimator.fit(batches)

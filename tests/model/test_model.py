"""A model below scikit-learn: the same as its estimator, on flat rows, in a process without it."""

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest

from isthmus import Autoencoder


@pytest.fixture(scope="module")
def fitted():
    X = np.random.default_rng(0).random((60, 4, 6))
    return Autoencoder(3, "conv:channels=[2]", max_epochs=2, random_state=0).fit(X), X


def test_a_model_makes_of_flat_rows_what_its_estimator_does(fitted):
    ae, X = fitted
    model, flat = ae.fitted_.model, X.reshape(60, -1)
    np.testing.assert_array_equal(model.encode(flat), ae.transform(X))
    np.testing.assert_array_equal(model.encode(flat, 1), ae.encode(X, 1))
    np.testing.assert_array_equal(model.shaped(model.reconstruct(flat)), ae.reconstruct(X))
    np.testing.assert_array_equal(-model.losses(flat).astype(float), ae.score_samples(X))
    codes = ae.transform(X)
    np.testing.assert_array_equal(model.shaped(model.decode(codes)), ae.inverse_transform(codes))
    again = model.reconstruct(flat)
    parts = model.column_losses(flat, again)
    np.testing.assert_allclose(parts.sum(axis=1), model.losses(flat), rtol=1e-4)
    assert (model.n_features, model.n_components, model.row_shape) == (24, 3, (4, 6))


def test_a_model_cannot_be_changed_and_goes_where_it_is_sent(fitted):
    ae, X = fitted
    model = ae.fitted_.model
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.dtype = "float64"
    assert model.on(None) is model
    there = model.on("cpu").on_host()
    assert isinstance(there.net.encoder[0].weight, np.ndarray)
    flat = X.reshape(60, -1)
    np.testing.assert_array_equal(there.encode(flat), model.encode(flat))
    with pytest.raises(ValueError, match="No device 'tpu:7' here"):
        ae.set_params(device="tpu:7").transform(X)
    ae.set_params(device=None)


def test_a_pickled_model_keeps_its_precision(iris):
    model = Autoencoder(2, dtype="float64", max_epochs=1).fit(iris).fitted_.model
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.encode(iris), model.encode(iris))


def test_a_model_knows_no_scikit_learn():
    code = (
        "import isthmus.model.file, isthmus.model.onnx, isthmus.model.evaluation, sys; "
        "assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_not_known_is_no_attribute(fitted, iris):
    ae = Autoencoder(2, max_epochs=1, random_state=0)
    for name in ("fitted_", "net_", "history_", "baseline_", "mean_activation_", "batch_size_"):
        assert not hasattr(ae, name), name
    ae.partial_fit(iris)
    assert hasattr(ae, "mean_activation_")
    for name in ("baseline_", "max_epochs_"):
        assert not hasattr(ae, name), name
    with pytest.raises(AttributeError, match="has no baseline_ after its last training"):
        ae.baseline_  # noqa: B018

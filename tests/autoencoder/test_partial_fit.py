"""`partial_fit` on rows outside the range of the first ones, and what the advice of its errors does."""

import numpy as np
import pytest

from isthmus import Autoencoder, load

SIGNALS = np.random.default_rng(0).normal(size=(60, 12)).cumsum(axis=1)
IMAGES = np.random.default_rng(0).integers(90, 160, (60, 6, 6)).astype(np.uint8)
FIRST_ROWS = ", or with first rows that span them"


def begun(architecture="conv1d:channels=[2]", rows=SIGNALS[:30], **settings):
    settings = {"random_state": 0, **settings}
    return Autoencoder(2, architecture, **settings).partial_fit(rows)


@pytest.mark.parametrize(
    ("architecture", "rows", "later"),
    [
        ("conv1d:channels=[2]", SIGNALS, 2 * SIGNALS),
        ("conv:channels=[2]", IMAGES, 2 * (IMAGES.astype(int) - 60)),
        ("dense", IMAGES, 255 - IMAGES),
        ("dense", SIGNALS, 5 * SIGNALS),
    ],
)
def test_later_rows_may_leave_the_range_of_the_first(architecture, rows, later, tmp_path):
    ae = begun(architecture, rows)
    scaler = ae.scaler_
    ae.save(tmp_path / "m.isthmus", resume=True)
    load(tmp_path / "m.isthmus").partial_fit(later)
    assert ae.partial_fit(later).net_.output == "identity"
    np.testing.assert_array_equal(ae.scaler_.scale, scaler.scale)
    ae.set_params(warm_start=True, max_epochs=1).fit(rows)  # which keeps the layers
    assert ae.net_.output == "identity"
    assert np.abs(ae.reconstruct(later)).max() < np.inf


def test_a_fit_still_bounds_the_output_and_a_partial_fit_after_it_keeps_that():
    ae = Autoencoder(2, "conv1d:channels=[2]", max_epochs=1, random_state=0).fit(SIGNALS)
    assert ae.partial_fit(SIGNALS).net_.output == "sigmoid"
    with pytest.raises(ValueError, match="from .* to .* the output 'sigmoid' takes .*identity"):
        ae.partial_fit(3 * SIGNALS)


@pytest.mark.parametrize(
    ("settings", "what", "cure"),
    [
        (
            {"architecture": "dense:output=tanh"},
            "output 'tanh' takes values from -1.001 to 1.001",
            {"architecture": "dense:output=identity"},
        ),
        (
            {"loss": "bce", "scaling": "minmax", "architecture": "dense"},
            "loss 'bce' takes values from 0 to 1",
            {"loss": "mse", "scaling": "minmax", "architecture": "dense"},
        ),
    ],
)
def test_the_advice_for_what_is_bounded_works(settings, what, cure):
    ae = begun(**settings)
    with pytest.raises(ValueError, match=f"(?s){what}: begin a new model with .*{FIRST_ROWS}"):
        ae.partial_fit(3 * SIGNALS)
    begun(**cure).partial_fit(3 * SIGNALS)
    begun(**settings, rows=np.concatenate([3 * SIGNALS, SIGNALS])).partial_fit(SIGNALS)


def test_without_a_scaling_first_rows_are_no_cure():
    ae = begun("dense", rows=np.ones((9, 3)), loss="poisson", scaling=None)
    with pytest.raises(ValueError, match="from 0 to inf: begin a new model with another loss.$"):
        ae.partial_fit(-np.ones((9, 3)))


def test_a_fit_starts_from_a_model_that_was_fitted_in_parts(rng):
    images = rng.random((60, 8, 8))
    settings = {"n_components": 2, "architecture": "conv:channels=[2]", "random_state": 0}
    begun = Autoencoder(**settings).partial_fit(images)
    fitted = Autoencoder(**settings, max_epochs=2).fit(images, init=begun)
    assert fitted.net_.output == begun.net_.output

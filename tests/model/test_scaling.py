"""Scalings against scikit-learn, and what one odd cell costs."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

import isthmus
from isthmus import Autoencoder, ModelFileError
from isthmus.model.scaling import FLAG, Affine, Wrapped, fit_scaler

ONES = np.ones(1000)


def column(values, scaling="standard"):
    """Return the scale of a column that stands beside ordinary ones."""
    others = np.random.default_rng(0).normal(size=(len(values), 4))
    return fit_scaler(scaling, np.column_stack([others, values]), ONES[: len(values)]).scale[-1]


@pytest.mark.parametrize("scaling", ["standard", "robust"])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (100, 250), (-1, 1)])
def test_a_cell_of_a_rare_flag_costs_ten_units_at_most(low, high, scaling):
    rare, common = np.full(1000, float(low)), np.full(1000, float(low))
    rare[0], common[:300] = high, high
    assert column(rare, scaling) == pytest.approx((high - low) / FLAG)
    assert column(common, "standard") == pytest.approx(np.std(common))


def test_a_column_of_three_values_keeps_its_deviation():
    values = np.zeros(1000)
    values[:300], values[:2] = 1, 5
    assert column(values) == pytest.approx(np.std(values))


@pytest.mark.parametrize("scaling", ["standard", "robust", "minmax"])
@pytest.mark.parametrize(("value", "other"), [(0, 1), (100, 200), (-3e9, 0), (1e-6, 0)])
def test_a_constant_that_changes_is_as_far_as_a_rare_flag(value, other, scaling):
    scale = column(np.full(1000, float(value)), scaling)
    assert abs(other - value) / scale == pytest.approx(FLAG)


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler(feature_range=(-2, 3)),
        MaxAbsScaler(),
        RobustScaler(quantile_range=(10, 80), with_centering=False),
        RobustScaler(with_scaling=False),
    ],
)
def test_affine_transformers_are_taken_as_they_are_also_far_from_zero(transformer):
    X = np.random.default_rng(0).normal(size=(200, 3))
    scaler = fit_scaler(transformer, X, ONES[:200])
    assert isinstance(scaler, Affine)
    theirs = clone(transformer).fit(X)
    np.testing.assert_allclose(scaler.forward(X, "float64"), theirs.transform(X), atol=1e-12)
    np.testing.assert_allclose(scaler.inverse(scaler.forward(X, "float64")), X, atol=1e-12)
    far = 1e12 + np.round(1000 * X)  # identifiers
    again = fit_scaler(transformer, far, ONES[:200])
    assert np.isfinite(again.forward(far, "float32")).all()


def test_standard_scaler_on_identifiers_is_standard():
    far = 1e15 + np.arange(600.0).reshape(200, 3)
    ours, theirs = (fit_scaler(s, far, ONES[:200]) for s in ("standard", StandardScaler()))
    np.testing.assert_allclose(
        ours.forward(far, "float64"), theirs.forward(far, "float64"), rtol=1e-3
    )


@pytest.mark.parametrize("transformer", [MinMaxScaler(clip=True), MaxAbsScaler(clip=True)])
def test_a_scaler_that_clips_clips(transformer):
    X = np.random.default_rng(0).normal(size=(200, 3))
    scaler = fit_scaler(transformer, X, ONES[:200])
    assert isinstance(scaler, Wrapped)
    assert np.abs(scaler.forward(50 * X, "float32")).max() <= 1


def test_a_loaded_model_is_cloned_with_its_scaling(rng, tmp_path):
    X = rng.normal(size=(60, 3))
    given = MinMaxScaler(feature_range=(-1, 2))
    ae = Autoencoder(2, scaling=given, max_epochs=1, random_state=0).fit(X)
    ae.save(tmp_path / "m")
    loaded = isthmus.load(tmp_path / "m")
    assert repr(loaded.scaling) == repr(given)
    np.testing.assert_array_equal(clone(loaded).fit(X).transform(X), ae.transform(X))
    with pytest.raises(ModelFileError, match="put it before the Autoencoder in a Pipeline"):
        Autoencoder(2, scaling=MinMaxScaler(clip=True), max_epochs=1).fit(X).save(tmp_path / "n")


@pytest.mark.parametrize("scaling", ["standard", "robust", "minmax"])
def test_the_score_of_an_autoencoder_sees_a_constant_that_changes(scaling, rng):
    X = np.column_stack([rng.normal(size=(300, 6)), np.full(300, 100.0)])
    ae = Autoencoder(2, scaling=scaling, max_epochs=60, random_state=0).fit(X)
    new = X.copy()
    new[:, -1] = 150
    seen = ae.score_samples(new) < np.quantile(ae.score_samples(X), 0.02)
    assert seen.mean() >= 0.96


def test_a_file_never_names_a_scaling_that_it_cannot_bring_back(rng, tmp_path):
    X, whole = rng.normal(size=(60, 3)), (np.int64(10), np.int64(90))
    ae = Autoencoder(2, scaling=RobustScaler(quantile_range=whole), max_epochs=1).fit(X)
    ae.save(tmp_path / "m")
    assert isthmus.load(tmp_path / "m").scaling.quantile_range == (10, 90)
    with pytest.raises(ModelFileError, match="put it before the Autoencoder in a Pipeline"):
        ae.set_params(scaling=QuantileTransformer()).save(tmp_path / "n")
    assert not (tmp_path / "n").exists()


def test_means_and_deviations_of_ten_million_float32_rows_far_from_zero():
    x = np.float32(1e4) + np.tile(np.float32([[-1], [1]]), (5_000_000, 1))
    x[0] = 1e4
    scaler = fit_scaler("standard", x, np.ones(len(x)))
    assert scaler.centre[0] == pytest.approx(1e4, rel=1e-9)
    assert scaler.scale[0] == pytest.approx(1, rel=1e-6)


# -- counts --------------------------------------------------------------------------------------


def test_a_model_of_counts_is_saved_and_exported_as_it_is(rng, tmp_path):
    X = rng.poisson(20, (60, 3))
    noise = "gaussian:std=0.05"
    ae = Autoencoder(2, scaling="anscombe", corruption=noise, max_epochs=3, random_state=0).fit(X)
    ae.save(tmp_path / "m")
    np.testing.assert_array_equal(isthmus.load(tmp_path / "m").reconstruct(X), ae.reconstruct(X))
    ae.export(tmp_path / "m.onnx", "reconstruct")
    ae.export(tmp_path / "s.onnx", "score")


@pytest.mark.parametrize("offset", [-1, -1e9])
def test_counts_below_0_are_refused_in_training_and_after(rng, offset):
    X = rng.poisson(20, (60, 3)).astype(float)
    ae = Autoencoder(2, scaling="anscombe", max_epochs=1, random_state=0).fit(X)
    X[7, 1] = offset
    for call in (ae.score_samples, ae.fit, Autoencoder(2, scaling="anscombe").partial_fit):
        with pytest.raises(
            ValueError, match="'anscombe' is for counts, of at least 0, and the rows"
        ):
            call(X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_photons_are_not_drawn_of_roots(rng, method):
    ae = Autoencoder(2, scaling="anscombe", corruption="poisson", max_epochs=1)
    with pytest.raises(ValueError, match="of which photon noise is 'gaussian'"):
        getattr(ae, method)(rng.poisson(20, (60, 3)))

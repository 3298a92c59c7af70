"""Residual autoencoders and skips: fitted, stored, exported, and refused where they cannot be."""

import warnings

import numpy as np
import pytest

import isthmus
from isthmus import Autoencoder, Conv, OutlierDetector, tune
from isthmus.report import Report

NOISE = {"corruption": "gaussian:std=0.3", "max_epochs": 3, "random_state": 0}
SPECS = {
    "dense": "dense:hidden=[7,6],norm=layer,residual=true,skips=true",
    "conv": "conv:channels=[3,4],stride=[1,2],kernel=[3,2],residual=true,skips=true",
    "maps": "conv:channels=[3,4],stride=[2,1],kernel=[4,3],code=maps,residual=true,skips=true",
    "residual": "conv:channels=[3],stride=1,code=maps,residual=true",
    "skips": "conv:channels=[3,4],stride=2,code=maps,skips=true",
    "signals": "conv1d:channels=[3,2],stride=1,norm=layer,code=maps,residual=true",
}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(size=(96, 6, 4)).cumsum(1).astype("float32")


@pytest.fixture(scope="module", params=SPECS)
def fitted(request, images):
    spec = SPECS[request.param]
    X = images if spec.startswith("conv:") else images.reshape(96, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Autoencoder(None if "maps" in spec else 3, spec, **NOISE).fit(X), X


def test_a_file_and_resume_give_the_same(fitted, tmp_path):
    ae, X = fitted
    ae.save(tmp_path / "m.isthmus", resume=True)
    again = isthmus.load(tmp_path / "m.isthmus")
    assert again.net_.residual == ae.net_.residual
    assert again.net_.skips == ae.net_.skips
    for use in ("reconstruct", "transform", "score_samples"):
        np.testing.assert_array_equal(getattr(again, use)(X), getattr(ae, use)(X))
    ae.save(tmp_path / "e.isthmus", part="encoder")
    np.testing.assert_array_equal(
        isthmus.load(tmp_path / "e.isthmus").transform(X), ae.transform(X)
    )


@pytest.mark.parametrize("part", ["encoder", "reconstruct", "score"])
def test_onnx_gives_the_same(fitted, tmp_path, part):
    import onnxruntime

    ae, X = fitted
    ae.export(tmp_path / "m.onnx", part)  # checked against the model before it is written
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    got = session.run(None, {"X": X.astype("float32")})[0]
    use = {"encoder": ae.transform, "reconstruct": ae.reconstruct, "score": ae.score_samples}[part]
    np.testing.assert_allclose(got, use(X), rtol=1e-4, atol=1e-4)


def test_no_code_is_decoded_alone(fitted):
    ae, X = fitted
    Z = ae.transform(X)
    for decode in (ae.inverse_transform, ae.decode, ae.fitted_.model.decode_outputs):
        with pytest.raises(ValueError, match="A code alone cannot be decoded .* use reconstruct"):
            decode(Z)


def test_layers_are_coded_and_cells_explained(fitted):
    ae, X = fitted
    assert ae.encode(X, 1).shape == (len(X), ae.net_.encoder[0].n_out)
    explained = ae.explain(X[:5])
    assert np.isfinite(explained.contribution).all()
    assert ae.score_samples(X[:5]).shape == (5,)


def test_a_report_is_of_reconstructions(fitted, images):
    ae, X = fitted
    report = Report(ae, X)
    passed = report.passes.measure(np.arange(len(X)))
    np.testing.assert_allclose(
        passed.reconstructions, ae.reconstruct(X).reshape(96, -1), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("spec", [SPECS["maps"], SPECS["residual"]])
def test_training_starts_at_the_input(images, spec):
    still = Autoencoder(None, spec, **{**NOISE, "learning_rate": 1e-30, "max_epochs": 1}).fit(
        images
    )
    np.testing.assert_allclose(still.reconstruct(images), images, rtol=1e-5, atol=1e-5)


def test_a_residual_denoiser_learns_the_noise(images):
    settings = {**NOISE, "max_epochs": 60, "learning_rate": 3e-3}
    ae = Autoencoder(None, SPECS["maps"], **settings).fit(images)
    noisy = images + 0.3 * np.ptp(images) * np.random.default_rng(1).normal(size=images.shape)
    assert np.mean((ae.reconstruct(noisy) - images) ** 2) < 0.9 * np.mean((noisy - images) ** 2)


@pytest.mark.parametrize("spec", [SPECS["dense"], SPECS["maps"]])
def test_training_goes_on_in_parts_and_from_another(images, spec):
    X = images if spec.startswith("conv:") else images.reshape(96, -1)
    n = None if "maps" in spec else 3
    part = Autoencoder(n, spec, random_state=0, corruption="gaussian")
    for rows in np.array_split(X, 2):
        part.partial_fit(rows)
    with pytest.raises(ValueError, match="it has residual=True, not False"):
        part.set_params(architecture=spec.replace("residual=true", "residual=false")).partial_fit(X)
    other = Autoencoder(n, spec, **NOISE).fit(X, init=Autoencoder(n, spec, **NOISE).fit(X))
    assert np.isfinite(other.reconstruct(X)).all()


def test_searches_comparisons_and_groups_take_them(images):
    X, spec = images.reshape(96, -1), SPECS["dense"]
    grid = {"architecture__residual": [True, False], "architecture__skips": [True, False]}
    found = tune(Autoencoder(3, "dense:hidden=[6]", **NOISE), grid, X)
    assert len(set(found.cv_results_["mean_test_score"])) == 4
    groups = np.arange(96) % 2
    ae = Autoencoder(3, spec, **NOISE).fit(X, groups=groups)
    assert np.isfinite(ae.reconstruct(X, groups=groups)).all()
    with pytest.raises(ValueError, match="A code alone cannot be decoded"):
        ae.inverse_transform(ae.transform(X, groups=groups), groups=groups)


def test_detectors_judge_numbers_and_refuse_tables(images):
    import polars as pl

    X = images.reshape(96, -1)
    detector = OutlierDetector(
        autoencoder=Autoencoder(3, SPECS["dense"], **NOISE), n_estimators=2, random_state=0
    ).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
    frame = pl.DataFrame({"a": X[:, 0], "b": ["x", "y"] * 48})
    with pytest.raises(ValueError, match="compares rows by their codes alone"):
        OutlierDetector(autoencoder=Autoencoder(3, SPECS["dense"], **NOISE)).fit(frame)


REFUSED = {
    "bounded": ({"architecture": "dense:residual=true,output=tanh"}, "cannot have output='tanh'"),
    "tied": ({"architecture": "dense:residual=true,tied=true"}, "cannot have tied=True"),
    "no hidden": ({"architecture": "dense:skips=true"}, "cannot have skips=True without hidden"),
    "loss": (
        {"architecture": "dense:residual=true", "loss": "bce", "scaling": "range"},
        "the loss 'bce' needs outputs of 'sigmoid'",
    ),
    "pretrained": (
        {"architecture": "dense:hidden=[4],skips=true", "pretrain": "layerwise"},
        "cannot be pretrained",
    ),
    "kernels": ({"architecture": "conv1d:channels=[2,3],kernel=[3]"}, r"its 2 layers; got \(3,\)"),
    "strides": ({"architecture": "conv1d:stride=[2,0]"}, r"stride to be .* got \(2, 0\)"),
    "flag": ({"architecture": "conv1d:stride=true"}, "stride to be .* got True"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_is_refused(images, kind):
    parameters, message = REFUSED[kind]
    with pytest.raises(ValueError, match=message):
        Autoencoder(2, **parameters).fit(images.reshape(96, -1))


def test_a_residual_net_without_noise_is_warned_of(images):
    with pytest.warns(
        UserWarning, match="With residual=True and no corruption the model is the id"
    ):
        Autoencoder(3, "dense:residual=true", max_epochs=1).fit(images.reshape(96, -1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 4), (5, 1), (3, 5, 4)])
def test_small_images_and_channels(shape):
    X = np.random.default_rng(0).normal(size=(40, *shape))
    spec = "conv:channels=[3,4],kernel=[4,3],stride=[2,1],code=maps,residual=true,skips=true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ae = Autoencoder(None, spec, **NOISE).fit(X)
    assert ae.reconstruct(X).shape == X.shape
    assert np.isfinite(ae.reconstruct(np.zeros_like(X))).all()


def test_strides_and_kernels_of_each_layer():
    ae = Conv(channels=(3, 4), kernel=(4, 3), stride=(2, 1), code="maps")
    assert ae.to_string() == "conv:channels=[3,4],kernel=[4,3],stride=[2,1],code=maps"
    plans = ae.plan((8, 8), None)
    windows = [plan.encoder.settings["window"][0] for plan in plans]
    assert [(axis.kernel, axis.stride, axis.positions) for axis in windows] == [
        (4, 2, 4),
        (3, 1, 4),
    ]
    same = Conv(channels=(3, 4), kernel=(3, 3), stride=(2, 2)).plan((8, 8), 2)
    assert same == Conv(channels=(3, 4), kernel=3, stride=2).plan((8, 8), 2)

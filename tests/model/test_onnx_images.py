"""ONNX files of models of maps take images of any size."""

import numpy as np
import pytest

from isthmus import Autoencoder, presets
from isthmus.model.onnx_images import model_over, takes_any_size

onnxruntime = pytest.importorskip("onnxruntime")

SPECS = {
    "denoiser": ("kernel=[4,3],stride=[2,1],residual=true,skips=true", (8, 6)),
    "skips": ("stride=2,norm=layer,skips=true", (8, 4)),
    "plain": ("stride=1,padding=full,output=tanh", (6, 5)),
    "valid": ("stride=1,padding=valid,tied=true", (6, 6)),
    "colour": ("stride=[2,1],residual=true", (4, 6, 3)),
    "four": ("kernel=1,stride=[2,2],skips=true", (4, 4, 4)),
}


def fitted(spec, shape):
    X = np.random.default_rng(0).uniform(0, 255, (40, *shape)).round()
    ae = Autoencoder(None, f"conv:channels=[3,4],code=maps,{spec}", corruption="gaussian:std=0.1")
    return ae.set_params(max_epochs=2, random_state=0, scaling="range").fit(X)


def mirrored(X, stride):
    """Return images with sides that are multiples of the stride, mirrored behind their end."""
    for axis in (1, 2):
        last = X.shape[axis] - 1
        numbers = np.arange(-(-X.shape[axis] // stride) * stride)
        X = np.take(X, np.maximum(last - np.abs(last - numbers), 0), axis)
    return X


@pytest.mark.parametrize("kind", SPECS)
def test_images_of_any_size_are_those_of_the_model(kind, tmp_path):
    spec, shape = SPECS[kind]
    ae = fitted(spec, shape)
    model = ae.fitted_.model
    assert takes_any_size(model)
    ae.export(tmp_path / "m.onnx", "reconstruct")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert session.get_inputs()[0].shape == ["rows", "height", "width", *shape[2:]]
    least = 5 if "valid" in spec else 1
    for sides in (shape[:2], (least, least), (least + 6, least), (9, 14)):
        X = np.random.default_rng(1).uniform(0, 255, (2, *sides, *shape[2:])).astype("float32")
        got = session.run(None, {"X": X})[0]
        filled = mirrored(X, model.net.total_stride)
        there = model_over(model, filled.shape[1:3])
        want = there.shaped(there.reconstruct(filled.reshape(2, -1)))[:, : sides[0], : sides[1]]
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * 255)


OTHERS = {
    "dense code": ("conv:channels=[3],code=dense", (4, 4), {}),
    "no multiple": ("conv:channels=[3],code=maps,stride=2", (5, 5), {}),
    "sparse code": ("conv:channels=[3],code=maps,stride=1", (4, 4), {"sparsity": "topk:k=3"}),
    "signals": ("conv1d:channels=[3],code=maps,stride=1", (8, 2), {}),
    "flat": ("conv:channels=[3],code=maps,stride=1,input_shape=[4,4]", (16,), {}),
    "counts": ("conv:channels=[3],code=maps,stride=1", (4, 4), {"loss": "poisson"}),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_models_take_images_of_their_own_size(kind, tmp_path):
    spec, shape, more = OTHERS[kind]
    X = np.random.default_rng(0).poisson(3.0, (40, *shape))
    ae = Autoencoder(None, spec, max_epochs=1, corruption="gaussian", random_state=0, **more)
    ae.fit(X).export(tmp_path / "m.onnx", "reconstruct")
    assert not takes_any_size(ae.fitted_.model)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert session.get_inputs()[0].shape == ["rows", *shape]


@pytest.mark.parametrize("shape", [(8, 8), (4, 8, 3)])
def test_the_preset_of_photographs_denoises_and_is_exported(shape, tmp_path):
    X = np.random.default_rng(0).uniform(0, 255, (40, *shape)).astype("uint8")
    ae = presets.image_denoiser(max_epochs=1, random_state=0).fit(X)
    assert ae.net_.residual
    assert ae.net_.output == "identity"
    assert ae.net_.total_stride == 4
    assert ae.reconstruct(X).shape == X.shape
    assert takes_any_size(ae.fitted_.model)

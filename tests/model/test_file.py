"""Model files: exact, whole, safe."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import QuantileTransformer, StandardScaler

import isthmus
from isthmus import Autoencoder, ModelFileError

KINDS = [
    {},
    {
        "architecture": "dense:hidden=[8],tied=true,norm=layer",
        "sparsity": "kl",
        "scaling": "minmax",
    },
    {
        "corruption": ("gaussian", "swap"),
        "penalty": ("l2", "contractive"),
        "loss": "huber:delta=0.5",
    },
    {"dtype": "float64", "sparsity": "topk:k=1"},
    {"scaling": StandardScaler(), "random_state": np.random.RandomState(0)},
]


@pytest.fixture(params=KINDS)
def model(request, iris):
    params = {"max_epochs": 3, "random_state": 0, **request.param}
    return Autoencoder(3, **params).fit(iris)


@pytest.fixture
def saved(iris, tmp_path):
    path = tmp_path / "model.isthmus"
    Autoencoder(2, "dense:hidden=[8]", max_epochs=3, random_state=0).fit(iris).save(path)
    return path


def test_a_round_trip_is_exact(model, iris, tmp_path):
    model.save(tmp_path / "m")
    copy = isthmus.load(tmp_path / "m")
    for method in ("transform", "reconstruct", "score_samples"):
        np.testing.assert_array_equal(getattr(copy, method)(iris), getattr(model, method)(iris))
    assert (
        copy.history_ == json.loads(json.dumps(model.history_))
        or np.isnan(copy.history_["validation_loss"]).any()
    )
    if isinstance(model.scaling, str):
        assert copy.summary() == model.summary()
    np.testing.assert_array_equal(copy.mean_activation_, model.mean_activation_)
    assert copy.score(iris) == pytest.approx(model.score(iris))
    copy.save(tmp_path / "again")
    if isinstance(model.scaling, str):
        assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()


def test_a_new_process_gives_the_same_bits(saved, iris, tmp_path):
    np.save(tmp_path / "x.npy", iris)
    code = (
        "import isthmus, numpy as np, sys; "
        "s = isthmus.load(sys.argv[1]).score_samples(np.load(sys.argv[2])); "
        "np.save(sys.argv[3], s)"
    )
    names = [str(saved), str(tmp_path / "x.npy"), str(tmp_path / "s.npy")]
    subprocess.run([sys.executable, "-c", code, *names], check=True)
    here = isthmus.load(saved).score_samples(iris)
    np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), here)


def test_names_and_image_shapes_are_kept(tmp_path, digits):
    import pandas as pd

    frame = pd.DataFrame(digits[:, :3], columns=["a", "b", "ü"])
    Autoencoder(2, max_epochs=1).fit(frame).save(tmp_path / "m")
    assert list(isthmus.load(tmp_path / "m").feature_names_in_) == ["a", "b", "ü"]
    Autoencoder(2, max_epochs=1).fit(digits.reshape(-1, 8, 8)).save(tmp_path / "m")
    assert isthmus.load(tmp_path / "m").reconstruct(digits[:2]).shape == (2, 8, 8)


def test_the_encoder_alone_needs_no_function_of_ones_own(tmp_path, iris):
    def cubic(x_out, x):
        return jnp.mean(jnp.abs(x_out - x) ** 3, axis=1)

    own = {"corruption": ("gaussian", lambda key, x: x), "penalty": lambda step: step.z.sum() ** 2}
    ae = Autoencoder(2, loss=cubic, max_epochs=1, random_state=0, **own).fit(iris)
    ae.save(tmp_path / "encoder", part="encoder")
    encoder = isthmus.load(tmp_path / "encoder")
    np.testing.assert_array_equal(encoder.transform(iris), ae.transform(iris))
    with pytest.raises(ModelFileError, match="holds no code"):
        ae.save(tmp_path / "whole")


def test_the_encoder_alone_encodes_and_no_more(tmp_path, iris):
    ae = Autoencoder(2, "dense:hidden=[50]", max_epochs=1, random_state=0).fit(iris)
    ae.save(tmp_path / "whole")
    ae.save(tmp_path / "encoder", part="encoder")
    encoder = isthmus.load(tmp_path / "encoder")
    np.testing.assert_array_equal(encoder.transform(iris), ae.transform(iris))
    for use in (encoder.reconstruct, encoder.score_samples, encoder.score):
        with pytest.raises(ValueError, match="saved as an encoder alone: it can only encode"):
            use(iris)
    assert "encoder" in encoder.summary()
    for train in (encoder.partial_fit, encoder.set_params(warm_start=True).fit):
        with pytest.raises(ValueError, match="saved as an encoder alone"):
            train(iris)
    with pytest.raises(ValueError, match="part must be 'model' or 'encoder'; got 'decoder'"):
        ae.save(tmp_path / "x", part="decoder")


def test_what_a_file_cannot_hold(iris, tmp_path):
    ae = Autoencoder(2, corruption=lambda key, x: x, max_epochs=1).fit(iris)
    with pytest.raises(ModelFileError, match="holds no code, and the corruption is a function"):
        ae.save(tmp_path / "m")
    for scaling in (QuantileTransformer(n_quantiles=9), PCA(whiten=True)):
        ae = Autoencoder(2, scaling=scaling, max_epochs=1).fit(iris - iris.mean(0))
        with pytest.raises(ModelFileError, match="one line a column.*in a Pipeline"):
            ae.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(saved, iris, tmp_path, monkeypatch):
    ae = isthmus.load(saved)
    before = saved.read_bytes()
    with pytest.raises(ModelFileError, match="the folder .*missing does not exist"):
        ae.save(tmp_path / "missing" / "m")
    for call in ("fsync", "replace"):
        owner = os if call == "fsync" else Path

        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(owner, call, full)
            with pytest.raises(ModelFileError, match=r"Cannot write .*: No space left on device"):
                ae.save(saved)
        assert saved.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == [saved.name]


def test_a_file_cut_off_anywhere_is_refused(saved, tmp_path):
    content = saved.read_bytes()
    for size in [*range(0, 40), *range(40, len(content), 97)]:
        (tmp_path / "cut").write_bytes(content[:size])
        with pytest.raises(ModelFileError, match="cut"):
            isthmus.load(tmp_path / "cut")


def test_foreign_files_are_refused(tmp_path):
    import pickle

    for name, content in {
        "pickle": pickle.dumps({"a": 1}),
        "text": b"hello, world, this is no model",
        "zip": b"PK\x03\x04" + bytes(100),
        "header": struct.pack("<Q", 2**40) + b"{}",
        "huge": struct.pack("<Q", 66)
        + b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4]}}'.ljust(66)
        + bytes(4),
        "deep": struct.pack("<Q", 100_000) + b"[" * 100_000,
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelFileError, match="is no isthmus model, or is cut off or damaged"):
            isthmus.load(tmp_path / name)
    with pytest.raises(ModelFileError, match="Cannot read .*No such file"):
        isthmus.load(tmp_path / "nothing")
    with pytest.raises(ModelFileError, match="Cannot read .*[Dd]irectory"):
        isthmus.load(tmp_path)


def rewritten(path, change):
    """Write the file with its JSON changed."""
    from safetensors.numpy import load, save

    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    meta = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["isthmus"])
    tensors = load(content)
    change(meta, tensors)
    path.write_bytes(save(tensors, metadata={"isthmus": json.dumps(meta)}))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m, t: m.update(version=[2, 0]),
            "format version 2.0; this isthmus reads up to 1: upgrade",
        ),
        (lambda m, t: m.update(format="other"), "format version"),
        (
            lambda m, t: m["slots"]["loss"].update(name="os.system"),
            "needs the loss 'os.system', which is not",
        ),
        (lambda m, t: m["slots"]["loss"].update(extra=1), "no parameter 'extra'"),
        (lambda m, t: m["parameters"].update(__class__="x"), "damaged or was changed"),
        (lambda m, t: m["parameters"].update(max_epochs=-4), "max_epochs"),
        (lambda m, t: m.pop("layers"), "damaged"),
        (
            lambda m, t: m["layers"]["encoder"].append("tanh"),
            "The layer net.encoder.2 of the file .* its array 'bias' is missing",
        ),
        (
            lambda m, t: t.pop("net.encoder.0.bias"),
            "The layer net.encoder.0 of the file .* its array 'bias' is missing",
        ),
        (lambda m, t: t.update({"net.encoder.0.weight": np.ones((9, 9), "f4")}), "weight of shape"),
        (lambda m, t: t["net.encoder.0.weight"].fill(np.nan), "'net.encoder.0.weight' has NaN"),
        (lambda m, t: t.update({"scaling.centre": np.ones(9)}), "do not fit its 4 features"),
        (lambda m, t: m["fitted"].update(n_features_in=10**12), "do not fit its"),
        (lambda m, t: m["layers"].update(encoder=["gelu", "evil"]), "evil"),
    ],
)
def test_files_changed_by_hand_are_refused(saved, change, message):
    with pytest.raises(ModelFileError, match=message):
        isthmus.load(rewritten(saved, change))


def test_loading_runs_no_code_and_opens_nothing_else(saved):
    code = """
import sys, isthmus
Autoencoder = isthmus.Autoencoder
import jax; jax.devices()
isthmus.load(sys.argv[1])  # once, so that lazy imports are done
seen = []
def hook(event, args):
    if event in ("pickle.find_class", "os.system", "subprocess.Popen", "socket.connect", "exec"):
        seen.append(event)
    if event == "open" and isinstance(args[1], str) and ("w" in args[1] or "a" in args[1]):
        seen.append((event, args[0]))
    if event == "open" and sys.argv[1] not in str(args[0]) and str(args[0]).endswith(("pkl", "py")):
        seen.append((event, args[0]))
sys.addaudithook(hook)
isthmus.load(sys.argv[1])
assert not seen, seen
"""
    subprocess.run([sys.executable, "-c", code, str(saved)], check=True)


def test_no_row_of_the_training_data_is_in_the_file(tmp_path):
    X = np.random.default_rng(0).normal(size=(300, 5))
    ae = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(X, on_epoch=lambda row: (_ for _ in ()).throw(KeyboardInterrupt))
    ae.save(tmp_path / "m", resume=True)
    content = (tmp_path / "m").read_bytes()
    scaled = ae.scaler_.forward(X, "float32")
    assert len(content) < X.nbytes
    assert not any(row.tobytes() in content for row in np.vstack([X.astype("f4"), scaled]))
    assert not any(row.tobytes() in content for row in X)


def test_the_file_opens_with_bare_safetensors(saved):
    from safetensors import safe_open

    with safe_open(saved, "numpy") as file:
        assert json.loads(file.metadata()["isthmus"])["format"] == "isthmus"
        assert file.get_tensor("net.encoder.0.weight").shape == (4, 8)


# -- files of earlier versions -------------------------------------------------------------------

FORMAT_1_2 = Path(__file__).parent / "format_1_2"
EXPECTED = np.load(FORMAT_1_2 / "expected.npz")  # what the models computed when they were saved
METHODS = {"score": "score_samples", "code": "transform", "predicted": "predict"}


def same_as_expected(got, key):
    np.testing.assert_allclose(got, EXPECTED[key], rtol=1e-5, atol=1e-6)


def test_every_expectation_has_its_file():
    names = {key.partition(".")[0] for key in EXPECTED}
    assert names == {path.stem for path in FORMAT_1_2.glob("*.isthmus")}


@pytest.mark.parametrize("path", sorted(FORMAT_1_2.glob("*.isthmus")), ids=lambda path: path.stem)
def test_files_of_format_1_2_load_and_compute_the_same(path, tmp_path):
    name = path.stem
    loaded = isthmus.load(path)
    loaded.save(tmp_path / "again")
    if name in ("interrupted", "partial"):
        return
    for model in (loaded, isthmus.load(tmp_path / "again")):
        for what, method in METHODS.items():
            if f"{name}.{what}" in EXPECTED:
                same_as_expected(getattr(model, method)(EXPECTED[f"{name}.X"]), f"{name}.{what}")
        if f"{name}.contribution" in EXPECTED:
            reasons = model.explain(EXPECTED[f"{name}.X"])
            same_as_expected(reasons.contribution, f"{name}.contribution")


def test_training_goes_on_from_files_of_format_1_2():
    half = isthmus.load(FORMAT_1_2 / "interrupted.isthmus").set_params(warm_start=True)
    half.fit(EXPECTED["interrupted.X"])
    same_as_expected(half.transform(EXPECTED["interrupted.X"]), "interrupted.finished")
    begun = isthmus.load(FORMAT_1_2 / "partial.isthmus").partial_fit(EXPECTED["partial.next"])
    same_as_expected(begun.transform(EXPECTED["partial.X"]), "partial.code")

"""Model files: exact, whole, safe."""

import hashlib
import json
import os
import struct
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save as save_tensors
from sklearn.decomposition import PCA
from sklearn.preprocessing import QuantileTransformer, StandardScaler

import isthmus
from isthmus import Autoencoder, ModelFileError
from isthmus.io import read_tensors, write_tensors
from isthmus.training import usable_cores

KINDS = [
    {},
    {
        "architecture": "dense:hidden=[8],tied=true,norm=layer",
        "sparsity": "kl",
        "scaling": "minmax",
    },
    {
        "corruption": ("gaussian:std=[0.1,0.3]", "swap"),
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
    """Write the file with its JSON and arrays changed, and with the digest that belongs to them."""
    tensors, meta = read_tensors(path)
    change(meta, tensors)
    write_tensors(path, tensors, meta)
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
        (lambda m, t: t.update({"scaling.centre": np.ones(9)}), "'scaling.centre' has shape"),
        (lambda m, t: m["fitted"].update(n_features_in=10**12), "do not fit its"),
        (lambda m, t: m["layers"].update(encoder=["gelu", "evil"]), "evil"),
        (lambda m, t: m.update(version=[1]), "its format has no version"),
        (lambda m, t: m.update(version={"1": 4}), "its format has no version"),
        (lambda m, t: m.update(version=[True, 4]), "its format has no version"),
        (lambda m, t: m.update(kind={}), "holds a {}, not known here"),
        (lambda m, t: m["slots"].update(loss="mse"), "loss is 'mse', not an object"),
        (lambda m, t: m["slots"].update(corruption=["masking:rate=0.1"]), "corruption is 'mask"),
        (lambda m, t: m["slots"].update(loss={"name": ["mse"]}), r"name is \['mse'\], not a text"),
        (lambda m, t: m["slots"].pop("loss"), "slots is "),
        (
            lambda m, t: m["slots"].update(sparsity={"name": "topk", "k": 3}),
            "needs k to be at most n_components=2",
        ),
        (lambda m, t: m["fitted"].update(scaling=[["x" * 99] * 99] * 99), "^.{,250}$"),
        (lambda m, t: m["parameters"].update(loss="lp:p=2"), "parameters have the slot 'loss'"),
        (lambda m, t: m["parameters"].update(tol=[1]), r"parameters.tol is \[1\], not a plain"),
        (lambda m, t: t["scaling.scale"].fill(0), "column 0 is a division by 0.0"),
        (lambda m, t: t["scaling.scale"].put(2, -1), "column 2 is a division by -1.0"),
        (lambda m, t: t["scaling.centre"].fill(np.inf), "'scaling.centre' has NaN or inf"),
        (lambda m, t: t.update({"scaling.scale": np.ones(4, "f4")}), "dtype float32, not"),
        (lambda m, t: t.update({"scaling.mean_row": np.ones(4)}), "dtype float64, not"),
        (
            lambda m, t: t.update({"net.encoder.0.bias": np.ones(8)}),
            r"weights of \['float64'\], not of float32",
        ),
        (lambda m, t: t.update(mean_activation=np.ones(3)), "'mean_activation' has shape"),
        (lambda m, t: m["fitted"].update(feature_names_in=["a"]), "names of columns are not 4"),
        (lambda m, t: m["fitted"].update(feature_names_in=[1, 2, 3, 4]), "not a list of str"),
        (lambda m, t: m["fitted"].update(sample_shape=[2, 3]), "shape of a row does not fit"),
        (lambda m, t: m["fitted"].update(sample_shape=[-2, -2]), "sample_shape is"),
        (lambda m, t: m["fitted"].update(n_features_in=True), "n_features_in is True, not a whole"),
        (lambda m, t: m["fitted"].update(scaling="evil"), "scaling is 'evil'"),
        (lambda m, t: m["fitted"].update(scaling=[]), "scaling is"),
        (lambda m, t: m["fitted"].update(max_epochs="3"), "max_epochs is '3'"),
        (lambda m, t: m["fitted"].update(rows=[1, 2, 3]), "damaged"),
        (lambda m, t: m["fitted"]["history"]["loss"].pop(), "columns of one length"),
        (lambda m, t: m["fitted"]["history"].update(loss=[{}] * 3), "loss is"),
        (lambda m, t: m["fitted"]["baseline"].update(pca="x"), "pca is 'x', not a number"),
    ],
)
def test_files_changed_by_hand_are_refused(saved, change, message):
    with pytest.raises(ModelFileError, match=message):
        isthmus.load(rewritten(saved, change))


@pytest.fixture
def interrupted(tmp_path):
    """Return a file of an interrupted fit, in the newest format."""
    isthmus.load(OLDER[-1] / "interrupted.isthmus").save(tmp_path / "half", resume=True)
    assert isthmus.load(tmp_path / "half").unfinished_epochs == 4
    return tmp_path / "half"


def test_a_fit_that_goes_on_with_other_cores_warns(interrupted, tmp_path):
    X = EXPECTED[OLDER[-1]]["interrupted.X"]
    half = isthmus.load(interrupted).set_params(warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        half.fit(X, on_epoch=lambda row: (_ for _ in ()).throw(KeyboardInterrupt))
    half.save(interrupted, resume=True)
    assert read_tensors(interrupted)[1]["training"]["cores"] == usable_cores()
    isthmus.load(interrupted).set_params(warm_start=True).fit(X)  # and warnings are errors here
    rewritten(interrupted, lambda meta, _: meta["training"].update(cores=99))
    half = isthmus.load(interrupted).set_params(warm_start=True)
    with pytest.warns(UserWarning, match="interrupted on 99 cores and goes on with"):
        half.fit(X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, t: m["training"].update(phase=9), "phase is 9"),
        (lambda m, t: m["training"].update(phase=2), "holds no state|'resume.params.0' has shape"),
        (lambda m, t: m["training"].update(seed="0"), "seed is '0', not a whole number"),
        (lambda m, t: m["training"].update(cores=0), "cores is 0"),
        (lambda m, t: m["training"].update(earlier=[["fit"]]), "a list of pairs"),
        (lambda m, t: m["training"].update(earlier=[["fit", {"loss": "x"}]]), "loss is 'x'"),
        (lambda m, t: m["training"]["state"].update(step=-1), "step is -1"),
        (lambda m, t: m["training"]["state"].update(history=[3]), "not a list of dict"),
        (lambda m, t: m["training"]["state"].pop("wait"), "damaged"),
        (lambda m, t: t.update({"resume.partial": np.ones((3, 9))}), "'resume.partial' has shape"),
        (lambda m, t: t.pop("resume.params.4"), "damaged"),
        (lambda m, t: [t.pop(f"resume.params.{i}") for i in range(3)], "holds no state"),
        (lambda m, t: t.update({"resume.params.4": np.ones(())}), "dtype float64, not"),
    ],
)
def test_states_changed_by_hand_are_refused(interrupted, change, message):
    with pytest.raises(ModelFileError, match=message):
        isthmus.load(rewritten(interrupted, change))


def test_every_flipped_bit_is_told(saved, interrupted, rng):
    for path in (saved, interrupted):
        whole = path.read_bytes()
        chosen = rng.choice(8 * len(whole), 80)
        head = 8 * (8 + struct.unpack("<Q", whole[:8])[0])
        for bit in {*chosen.tolist(), *rng.choice(head, 80).tolist(), *range(64)}:
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            path.write_bytes(changed)
            with pytest.raises(ModelFileError, match="damaged"):
                isthmus.load(path)


def test_a_new_file_has_a_digest_and_an_old_one_needs_none(saved):
    tensors, meta = read_tensors(saved)
    meta["version"], digest = [1, 4], meta.pop("sha256")
    content = saved.read_bytes()
    assert hashlib.sha256(content.replace(digest.encode(), b"0" * 64)).hexdigest() == digest
    text = json.dumps(meta)
    saved.write_bytes(save_tensors(tensors, metadata={"isthmus": text}))
    with pytest.raises(ModelFileError, match="it has no digest"):
        isthmus.load(saved)
    older = text.replace("[1, 4]", "[1, 3]")
    saved.write_bytes(save_tensors(tensors, metadata={"isthmus": older}))
    assert isthmus.load(saved).n_features_in_ == 4


def test_names_that_a_newer_file_may_have_are_passed_over(saved, iris):
    before = isthmus.load(saved).score_samples(iris)

    def newer(meta, tensors):
        meta["version"] = [1, 99]
        for part in (meta, meta["fitted"], meta["fitted"]["baseline"]):
            part["new"] = {"anything": [None]}
        tensors["new"] = np.ones(3)

    np.testing.assert_array_equal(isthmus.load(rewritten(saved, newer)).score_samples(iris), before)


def test_the_depth_of_json_does_not_matter(saved):
    for depth in (500, 990, 5000):
        value = None
        for _ in range(min(depth, 900)):
            value = [value]
        for place in (["fitted", "scaling"], ["slots", "loss"], ["layers", "encoder"], ["kind"]):

            def deep(meta, tensors, place=place, value=value):
                *above, last = place
                for name in above:
                    meta = meta[name]
                meta[last] = value

            path = saved.with_name("deep")
            path.write_bytes(saved.read_bytes())
            with pytest.raises(ModelFileError):
                isthmus.load(rewritten(path, deep))


def test_a_scaling_that_could_not_be_read_is_not_written(saved):
    ae = isthmus.load(saved)
    ae.scaler_.scale[1] = 0.0
    with pytest.raises(ModelFileError, match="column 1 is a division by 0.0"):
        ae.save(saved)


def test_weights_of_any_order_in_memory_come_back(saved, iris):
    ae = isthmus.load(saved)
    net = jax.tree.map(lambda v: np.asfortranarray(np.asarray(v)), ae.net_)
    turned = jax.tree.map(lambda v: np.ascontiguousarray(v.T).T, net)
    for other in (net, turned):
        ae.fitted_ = replace(ae.fitted_, model=replace(ae.fitted_.model, net=other))
        ae.save(saved)
        again = isthmus.load(saved)
        for old, new in zip(jax.tree.leaves(other), jax.tree.leaves(again.net_), strict=True):
            np.testing.assert_array_equal(old, new)


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

OLDER = [Path(__file__).parent / f"format_1_{minor}" for minor in (2, 3)]
EXPECTED = {folder: np.load(folder / "expected.npz") for folder in OLDER}  # computed when saved
METHODS = {"score": "score_samples", "code": "transform", "predicted": "predict"}
older_files = pytest.mark.parametrize(
    "path",
    sorted(path for folder in OLDER for path in folder.glob("*.isthmus")),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
older_folders = pytest.mark.parametrize("folder", OLDER, ids=lambda folder: folder.name)


def same_as_expected(got, folder, key):
    np.testing.assert_allclose(got, EXPECTED[folder][key], rtol=1e-5, atol=1e-6)


@older_folders
def test_every_expectation_has_its_file(folder):
    names = {key.partition(".")[0] for key in EXPECTED[folder]}
    assert names == {path.stem for path in folder.glob("*.isthmus")}


@older_files
def test_files_of_older_formats_load_and_compute_the_same(path, tmp_path):
    folder, name = path.parent, path.stem
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loaded, expected = isthmus.load(path), EXPECTED[folder]
    kept = [str(w.message) for w in told if "keeps what its loss" in str(w.message)]
    assert len(kept) == (name == "poisson"), kept  # its scores count from 0, as they did
    loaded.save(tmp_path / "again")
    if name in ("interrupted", "partial"):
        return
    for model in (loaded, isthmus.load(tmp_path / "again")):
        for what, method in METHODS.items():
            if f"{name}.{what}" in expected:
                got = getattr(model, method)(expected[f"{name}.X"])
                same_as_expected(got, folder, f"{name}.{what}")
        if f"{name}.contribution" in expected:
            reasons = model.explain(expected[f"{name}.X"])
            same_as_expected(reasons.contribution, folder, f"{name}.contribution")


@older_folders
def test_training_goes_on_from_files_of_older_formats(folder):
    expected = EXPECTED[folder]
    half = isthmus.load(folder / "interrupted.isthmus").set_params(warm_start=True)
    half.fit(expected["interrupted.X"])
    same_as_expected(half.transform(expected["interrupted.X"]), folder, "interrupted.finished")
    begun = isthmus.load(folder / "partial.isthmus").partial_fit(expected["partial.next"])
    same_as_expected(begun.transform(expected["partial.X"]), folder, "partial.code")

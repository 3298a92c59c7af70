"""ONNX files: parity with the model for all parts, the scaling, metadata, the check, and errors."""

import dataclasses
import json
import re
import sys
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import FunctionTransformer, RobustScaler

from isthmus import Autoencoder, ModelFileError, OutlierDetector, load
from isthmus.__main__ import main
from isthmus.nets.activations import ACTIVATIONS, HIDDEN_ACTIVATIONS
from isthmus.nets.graph import Graph
from isthmus.parts.sparsity import TopK

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
runtime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

ROOT = Path(__file__).parents[2]
OURS = {"encoder": "transform", "reconstruct": "reconstruct", "score": "score_samples"}


def session(path):
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(path, X):
    return session(path).run(None, {"X": np.asarray(X, np.float32)})[0]


def check(ae, X, folder, parts=tuple(OURS), rtol=1e-4):
    X = np.asarray(X, np.float32)
    for part in parts:
        path = folder / f"{part}.onnx"
        ae.export(path, part)
        want, got = getattr(ae, OURS[part])(X), run(path, X)
        assert got.dtype == np.float32
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.abs(want).mean())


def fitted(X, n_components=5, architecture="dense", **settings):
    settings = {"max_epochs": 1, "random_state": 0, **settings}
    return Autoencoder(n_components, architecture, **settings).fit(X)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    return rng.gamma(2.0, 3.0, (70, 7, 8)) + np.arange(8.0)


@pytest.mark.parametrize(
    "architecture",
    [
        "dense:hidden=[9,6],norm=layer",
        "dense:hidden=[9],tied=True,norm=layer",
        "conv:channels=[3,4],activation=elu",
        "conv:channels=[3,4],kernel=2,stride=3,padding=valid,tied=True,norm=layer",
        "conv:channels=[3],kernel=5,stride=1,padding=full",
        "conv:channels=[3],kernel=1,stride=3,padding=same",
        "conv1d:channels=[3,4],kernel=4,stride=3,padding=full,code=maps",
        "conv1d:channels=[3],kernel=3,stride=2,padding=valid,tied=True",
    ],
)
def test_every_architecture(architecture, images, tmp_path):
    n_components = None if "maps" in architecture else 5
    check(fitted(images, n_components, architecture), images, tmp_path)


def test_maps_as_the_code_and_channels(rng, tmp_path):
    X = rng.random((60, 6, 5, 3))
    check(fitted(X, None, "conv:channels=[4],code=maps,norm=layer"), X, tmp_path)


@pytest.fixture(scope="module")
def deep():
    X = np.random.default_rng(2).normal(3, 2, (80, 6))
    return fitted(X, 3, "dense:hidden=[8]"), X


@pytest.mark.parametrize("activation", [*HIDDEN_ACTIVATIONS, "exp"])
def test_every_activation(activation, deep, tmp_path):
    ae, X = deep
    ae = load_copy(ae, tmp_path)

    def swap(layer):
        return dataclasses.replace(layer, activation=activation)

    (first, *rest), encoder = ae.net_.decoder, ae.net_.encoder
    if activation != "exp":  # which is for outputs alone
        encoder, rest = tuple(map(swap, encoder)), map(swap, rest)
    change(ae, net=type(ae.net_)(encoder, (swap(first), *rest)))
    check(ae, X, tmp_path)


def change(ae, **parts):
    """Give a fitted autoencoder another net or scaler."""
    model = dataclasses.replace(ae.fitted_.model, **parts)
    ae.fitted_ = dataclasses.replace(ae.fitted_, model=model)


def load_copy(ae, folder):
    ae.save(folder / "copy.isthmus")
    return load(folder / "copy.isthmus")


@pytest.mark.parametrize("loss", ["mse", "mae", "lp:p=1.7", "huber:delta=0.3", "cosine"])
@pytest.mark.parametrize("output", ["auto", "sigmoid"])
def test_every_loss(loss, output, deep, tmp_path):
    ae = fitted(deep[1], 3, f"dense:output={output}", loss=loss)
    check(ae, deep[1], tmp_path, parts=("score", "reconstruct"))


@pytest.mark.parametrize(
    ("loss", "output"),
    [("poisson", "auto"), ("poisson", "softplus"), ("bce", "auto"), ("bce", "identity")],
)
def test_likelihoods(loss, output, rng, tmp_path):
    X = rng.poisson(5, (90, 6)) if loss == "poisson" else rng.integers(0, 2, (90, 6))
    ae = fitted(X, 3, f"dense:output={output}", loss=loss)
    assert ae.scaling_ is None
    check(ae, X, tmp_path)


def test_large_counts_do_not_cancel_in_the_exported_score(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.poisson(1e7, (200, 4)).astype(np.float32)
    ae = Autoencoder(1, "dense", loss="poisson", max_epochs=5, random_state=0).fit(counts)
    ae.export(tmp_path / "s.onnx", "score")
    ours, theirs = ae.score_samples(counts), run(tmp_path / "s.onnx", counts)
    np.testing.assert_allclose(theirs, ours, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("opset", [17.0, True, "17", 12, 99])
def test_an_opset_that_is_none(opset, deep, tmp_path):
    with pytest.raises(ValueError, match="The opset must be a whole number from 13 to 20"):
        deep[0].export(tmp_path / "m.onnx", opset=opset)


def test_a_row_outside_the_domain_is_charged_for(rng, tmp_path):
    X = rng.random((80, 4)) * 10
    ae = fitted(X, 2, loss="bce", scaling="minmax")
    strange = np.array([[-5.0, 3.0, 4.0, 30.0], [1.0, 2.0, 3.0, 4.0]])
    check(ae, strange, tmp_path)
    raw = fitted(X / 10, 2, loss="bce")
    raw.export(tmp_path / "raw.onnx", "score")
    inside, outside = run(tmp_path / "raw.onnx", [[0.5, 0.5, 0.5, 1.0], [0.5, 0.5, 0.5, 9.0]])
    assert outside < inside - 1


@pytest.mark.parametrize("sparsity", ["topk:k=2", "topk:k=5", "kl", "l1:weight=0.1"])
def test_every_sparsity(sparsity, images, tmp_path):
    ae = fitted(images.reshape(70, -1), 5, sparsity=sparsity)
    check(ae, images.reshape(70, -1), tmp_path)
    if sparsity == "topk:k=2":
        assert (
            np.count_nonzero(run(tmp_path / "encoder.onnx", images.reshape(70, -1)), 1) == 2
        ).all()


def test_ties_of_topk_go_to_the_lowest_unit(rng, tmp_path):
    X = rng.normal(size=(60, 4))
    ae = fitted(X, 4, sparsity="topk:k=2", scaling=None)
    weight = jnp.eye(4, dtype=jnp.float32)
    parts = weight, jnp.zeros(4)
    where = lambda n: (n.encoder[0].weight, n.encoder[0].bias)  # noqa: E731
    change(ae, net=eqx.tree_at(where, ae.net_, parts))
    ae.export(tmp_path / "ties.onnx")
    tied = np.array([[1.0, -1.0, 1.0, 0.5], [0.0, 0.0, 0.0, 0.0], [2.0, 3.0, -2.0, 2.0]])
    np.testing.assert_array_equal(run(tmp_path / "ties.onnx", tied), ae.transform(tied))
    np.testing.assert_array_equal(run(tmp_path / "ties.onnx", tied)[0], [1, -1, 0, 0])


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust", "range", RobustScaler()])
def test_the_scaling_is_in_the_file(scaling, rng, tmp_path):
    X = rng.normal([5e4, -3, 0, 1e-3], [0.7, 200, 1, 1e-4], (100, 4))
    ae = fitted(X, 2, scaling=scaling)
    check(ae, X, tmp_path, parts=("encoder", "score"))
    ae.export(tmp_path / "r.onnx", "reconstruct")
    X = X.astype(np.float32)
    gap = (run(tmp_path / "r.onnx", X) - ae.reconstruct(X)) / ae.scaler_.scale
    assert np.abs(gap).max() < (5e4 * 2**-23) / 0.5


def test_float64_is_written_as_float32(deep, tmp_path):
    check(fitted(deep[1], 3, dtype="float64"), deep[1], tmp_path, rtol=1e-5)


def test_any_number_of_rows(images, tmp_path):
    ae = fitted(images, 3, "conv:channels=[3]")
    for part, ours in OURS.items():
        ae.export(tmp_path / "m.onnx", part)
        many = np.concatenate([images] * 15)[:1000].astype(np.float32)
        for n in (1, 4, 1000):
            want = getattr(ae, ours)(many[:n])
            np.testing.assert_allclose(
                run(tmp_path / "m.onnx", many[:n]), want, rtol=1e-4, atol=1e-4 * np.abs(want).mean()
            )
        assert len(run(tmp_path / "m.onnx", many[:0])) == 0


def test_names_shapes_and_metadata(tmp_path, deep):
    frame = pd.DataFrame(deep[1], columns=[*"abcde", "größe"])
    ae = fitted(frame, 3)
    outputs = {"encoder": ("code", 3), "reconstruct": ("reconstruction", 6), "score": ("score",)}
    for part, (name, *width) in outputs.items():
        ae.export(str(tmp_path / "m.onnx"), part)
        opened = session(tmp_path / "m.onnx")
        (given,), (made,) = opened.get_inputs(), opened.get_outputs()
        assert (given.name, given.shape) == ("X", ["rows", 6])
        assert (made.name, made.shape, made.type) == (name, ["rows", *width], "tensor(float)")
        facts = opened.get_modelmeta().custom_metadata_map
        assert facts["part"] == part
        assert json.loads(facts["feature_names"]) == list(frame.columns)
        assert json.loads(facts["shape"]) == [6]
        assert {"isthmus", "jax", "onnx"} <= set(facts)


def test_images_keep_their_shape_and_tied_weights_are_stored_once(images, tmp_path):
    ae = fitted(images, 3, "conv:channels=[3],tied=True")
    ae.export(tmp_path / "m.onnx", "reconstruct")
    opened = session(tmp_path / "m.onnx")
    assert opened.get_inputs()[0].shape == opened.get_outputs()[0].shape == ["rows", 7, 8]
    assert "feature_names" not in opened.get_modelmeta().custom_metadata_map
    arrays = [a.name for a in onnx.load(tmp_path / "m.onnx").graph.initializer]
    assert [a for a in arrays if "weight" in a] == ["encoder.0.weight", "encoder.1.weight"]


def test_the_same_model_makes_the_same_file(deep, tmp_path):
    for name in "ab":
        deep[0].export(tmp_path / name, "score")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# -- the check -----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", OURS)
@pytest.mark.parametrize("where", ["weight", "scaling", "activation"])
def test_a_wrong_graph_is_found_and_nothing_is_left(part, where, deep, tmp_path, monkeypatch):
    ae, kept = deep[0], tmp_path / "kept.onnx"
    kept.write_bytes(b"before")
    if where == "weight":
        right = Graph.array

        def wrong(self, value, name=""):
            return right(self, value * 1.01 if name == "encoder.1.weight" else value, name)

        monkeypatch.setattr(Graph, "array", wrong)
    elif where == "scaling":
        wrong = lambda g, x, scaler: g.add("Div", x, scaler.scale)  # noqa: E731
        monkeypatch.setattr("isthmus.model.onnx.add_scaling", wrong)
    else:
        exact = ACTIVATIONS["gelu"]._replace(onnx=lambda g, h: g.add("Gelu", h))
        monkeypatch.setitem(ACTIVATIONS, "gelu", exact)
    with pytest.raises(ModelFileError, match=r"differ on \d+ of 256 rows, by up to .*nothing was"):
        ae.export(kept, part)
    with pytest.raises(ModelFileError, match="differ"):
        ae.export(tmp_path / "new.onnx", part)
    assert kept.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.onnx"]


def test_a_sparsity_says_which_codes_rounding_may_turn(rng, tmp_path, monkeypatch):
    X = rng.normal(size=(60, 4))
    ae, asked = fitted(X, 4, sparsity="topk:k=2"), []

    def none(self, h, tolerance):
        asked.append((self.name, h.shape[1], tolerance))
        return np.zeros(len(h), bool)

    monkeypatch.setattr(TopK, "certain", none)
    with pytest.raises(ModelFileError, match="cannot be checked"):
        ae.export(tmp_path / "m.onnx")
    assert asked == [("topk", 4, 1e-4)]
    plain = fitted(X, 2)  # has no such code, and is asked nothing
    plain.export(tmp_path / "plain.onnx")
    assert len(asked) == 1


def test_rows_that_float32_cannot_hold(deep, tmp_path):
    ae = load_copy(deep[0], tmp_path)
    change(ae, scaler=ae.scaler_._replace(centre=ae.scaler_.centre + 1e300))
    with pytest.raises(ModelFileError, match="float32 cannot hold"):
        ae.export(tmp_path / "m.onnx")


# -- detectors -----------------------------------------------------------------------------------


def detected(X, ae=None, **settings):
    settings = {"n_estimators": 2, "random_state": 0, **settings}
    return OutlierDetector(ae, **settings).fit(X)


def agree(detector, X, folder, rtol=2e-4):
    path = folder / "score.onnx"
    detector.export(path)
    got, want = run(path, X), detector.score_samples(np.asarray(X, np.float32))
    assert (got.dtype, got.shape) == (np.float32, (len(X),))
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.median(np.abs(want)))
    np.testing.assert_allclose(run(path, X[:1]), got[:1], rtol=1e-5, atol=1e-5)


LINEAR = Autoencoder(3, "dense", max_epochs=3)


@pytest.mark.parametrize(
    ("ae", "settings"),
    [
        (None, {}),
        (None, {"contamination": "none", "n_estimators": 3}),
        (LINEAR, {"n_references": 1}),
        (LINEAR, {"n_references": 2, "n_estimators": 1}),
        (Autoencoder(3, sparsity="topk:k=2", loss="huber", max_epochs=2), {}),
        (Autoencoder(3, loss="cosine", scaling="robust", max_epochs=2), {"alpha": 0.1}),
        (Autoencoder(3, loss="bce", scaling="minmax", max_epochs=2), {}),
        (Autoencoder(3, loss="lp:p=1.5", dtype="float64", max_epochs=2), {}),
    ],
)
def test_the_score_of_a_detector(ae, settings, rng, tmp_path):
    X = rng.normal(3, 2, (150, 5)) @ rng.normal(size=(5, 6))
    detector = detected(X, ae, **settings)
    new = rng.normal(3, 4, (90, 5)) @ rng.normal(size=(5, 6))
    agree(detector, new, tmp_path)


@pytest.mark.parametrize("loss", ["poisson", "bce"])
def test_a_detector_without_a_scaling(loss, rng, tmp_path):
    X = rng.poisson(0.6, (120, 5)).clip(0, 1).astype(float)
    agree(detected(X, Autoencoder(2, loss=loss, max_epochs=2)), X[:40], tmp_path)


def test_a_detector_of_images_and_far_rows(images, tmp_path):
    ae = Autoencoder(4, "conv:channels=[3],norm=layer", max_epochs=2)
    new = np.concatenate([images[40:], 100 * images[:5]])
    agree(detected(images[:40], ae), new, tmp_path)


def test_a_reference_row_is_not_compared_with_itself(rng, tmp_path):
    X = rng.normal(size=(60, 5)).astype(np.float32)  # rounding would make them other rows
    detector = detected(X, LINEAR, contamination="none", n_references=40)
    agree(detector, X, tmp_path)  # most of these rows are references of a member
    twice = np.concatenate([X, X[:10]])
    agree(detected(twice, LINEAR, contamination="none", n_references=50), twice, tmp_path)


def test_many_references_are_exact_near_the_data(rng, tmp_path):
    X = rng.normal(1e4, 1, (900, 3))
    ae = Autoencoder(3, "dense:hidden=[8]", max_epochs=40, early_stopping=False)
    detector = detected(X, ae, contamination="none", n_references=400)
    new = rng.normal(1e4, 1, (300, 3)).astype(np.float32)
    agree(detector, new, tmp_path, rtol=1e-3)


def test_metadata_and_errors_of_a_detector(rng, tmp_path, monkeypatch):
    X = pd.DataFrame(rng.normal(size=(60, 3)), columns=list("abc"))
    detector, path = detected(X, LINEAR), tmp_path / "d.onnx"
    detector.export(path)
    facts = session(path).get_modelmeta().custom_metadata_map
    assert (facts["part"], json.loads(facts["shape"])) == ("score", [3])
    assert json.loads(facts["feature_names"]) == list("abc")
    assert float(facts["threshold"]) == detector.offset_
    with pytest.raises(ValueError, match="Of a detector the part 'score'.*got 'encoder'"):
        detector.export(path, "encoder")
    with pytest.raises(NotFittedError):
        OutlierDetector().export(path)
    own = detected(X, Autoencoder(2, loss=lambda a, b: jnp.mean((a - b) ** 2, 1), max_epochs=1))
    with pytest.raises(ValueError, match="the loss <function .*lambda.* has no ONNX form"):
        own.export(path)
    monkeypatch.setattr(
        "isthmus.outliers.onnx.ROUNDING", 0.01
    )  # then others than the nearest are taken
    with pytest.raises(ModelFileError, match="differ on"):
        detector.export(path)


@pytest.mark.parametrize(("opset", "alpha"), [(13, None), (20, 0.1)])
def test_a_detector_decides_by_a_threshold_that_may_be_given(opset, alpha, rng, tmp_path):
    detector, path = detected(rng.normal(size=(90, 3)), LINEAR, alpha=alpha), tmp_path / "d.onnx"
    X = (3 * rng.normal(size=(200, 3))).astype(np.float32)
    detector.export(path, opset=opset)
    opened, scores = session(path), detector.score_samples(X)
    assert [one.name for one in opened.get_inputs()] == ["X"]
    ((limit,), outputs) = opened.get_overridable_initializers(), opened.get_outputs()
    assert (limit.name, limit.type, limit.shape) == ("threshold", "tensor(float)", [1])
    assert [(o.name, o.type) for o in outputs] == [
        ("score", "tensor(float)"),
        ("is_outlier", "tensor(bool)"),
    ]
    for threshold in (None, np.quantile(scores, 0.3)):
        given = {} if threshold is None else {"threshold": np.array([threshold], np.float32)}
        got, outlier = opened.run(None, {"X": X, **given})
        want = scores < (detector.offset_ if threshold is None else threshold)
        assert 0 < want.sum() < 200
        sure = np.abs(got - (threshold or detector.offset_)) > 1e-5
        assert np.array_equal(outlier[sure], want[sure])
        assert sure.mean() > 0.9


@pytest.mark.parametrize("settings", [{"fdr": True}, {"calibration": "cross"}], ids=str)
def test_a_file_does_not_decide_where_p_values_do(settings, rng, tmp_path):
    detector = detected(rng.normal(size=(60, 3)), LINEAR, alpha=0.1, **settings)
    detector.export(tmp_path / "d.onnx")
    opened = session(tmp_path / "d.onnx")
    assert [one.name for one in opened.get_outputs()] == ["score"]
    assert opened.get_overridable_initializers() == []


def test_the_command_exports_a_detector(rng, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    X = rng.normal(size=(60, 3))
    detector = detected(X, LINEAR)
    detector.save("d.isthmus")
    assert main(["export", "d.isthmus", "-o", "d.onnx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["part"] == "score"
    np.testing.assert_allclose(run("d.onnx", X), detector.score_samples(X), rtol=1e-3)
    assert main(["export", "d.isthmus", "-o", "e.onnx", "--part", "encoder"]) == 1
    assert "Of a detector the part 'score' can be exported" in capsys.readouterr().err


# -- errors --------------------------------------------------------------------------------------


def test_code_of_the_users_is_refused(deep, tmp_path):
    def cubic(x_out, x):
        return jnp.mean(jnp.abs(x_out - x) ** 3, axis=1)

    X, path = deep[1], tmp_path / "m.onnx"
    ae = fitted(X, 3, loss=cubic)
    with pytest.raises(
        ValueError, match="The part 'score' .* loss <function .*cubic.* no ONNX form"
    ):
        ae.export(path, "score")
    check(ae, X, tmp_path, parts=("encoder", "reconstruct"))
    ae = fitted(X, 3, scaling=FunctionTransformer(np.cbrt, lambda z: z**3))
    with pytest.raises(ValueError, match="(?s)the scaling FunctionTransformer.*built-in scaling"):
        ae.export(path)

    class Halved(TopK):
        def code(self, h):
            return super().code(h) / 2

    with pytest.raises(
        ValueError, match="the sparsity 'halved' has no ONNX form; .* method `onnx`"
    ):
        fitted(X, 3, sparsity=Halved(k=2)).export(path)
    assert not path.exists()


def test_errors(deep, tmp_path, monkeypatch):
    ae, path = deep[0], tmp_path / "m.onnx"
    with pytest.raises(ValueError, match="'encoder', 'reconstruct' or 'score'; got 'decoder'"):
        ae.export(path, "decoder")
    with pytest.raises(NotFittedError):
        Autoencoder().export(path)
    with pytest.raises(ModelFileError, match="the folder .* does not exist"):
        ae.export(tmp_path / "no" / "m.onnx")
    ae.save(tmp_path / "e.isthmus", part="encoder")
    alone = load(tmp_path / "e.isthmus")
    for part in ("reconstruct", "score"):
        with pytest.raises(ValueError, match="encoder alone"):
            alone.export(path, part)
    check(alone, deep[1], tmp_path, parts=("encoder",))
    for name in ("onnx", "onnxruntime"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(ImportError, match=rf"needs {name}: pip install onnx onnxruntime"):
                ae.export(path)
    assert not path.exists()


# -- the command line and the guide ----------------------------------------------------------------


def test_the_command(deep, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ae, X = deep
    ae.save("m.isthmus")
    assert main(["export", "m.isthmus", "-o", "codes.onnx"]) == 0
    assert "codes.onnx" in capsys.readouterr().out
    assert main(["export", "m.isthmus", "-o", "s.onnx", "--part", "score", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["part"] == "score"
    assert told["bytes"] == Path("s.onnx").stat().st_size
    X = X.astype(np.float32)
    np.testing.assert_allclose(run("codes.onnx", X), ae.transform(X), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(run("s.onnx", X), ae.score_samples(X), rtol=1e-3, atol=1e-5)
    assert main(["export", "m.isthmus", "-o", "s.onnx"]) == 1
    assert "--force" in capsys.readouterr().err
    assert main(["export", "m.isthmus", "-o", "s.onnx", "--force", "--quiet"]) == 0
    assert main(["export", "m.isthmus", "-o", "s.txt"]) == 1
    assert "must end in .onnx" in capsys.readouterr().err
    assert main(["export", "none.isthmus", "-o", "n.onnx"]) == 1
    assert main(["export", "m.isthmus", "-o", "n.onnx", "--part", "decoder"]) == 2
    monkeypatch.setitem(sys.modules, "onnx", None)
    capsys.readouterr()
    assert main(["export", "m.isthmus", "-o", "n.onnx"]) == 2
    assert "pip install onnx onnxruntime" in capsys.readouterr().err
    assert not Path("n.onnx").exists()


def test_the_guide_runs(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "guides" / "export.md").read_text()
    space = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "export.md", "exec"), space)
    assert space["codes"].shape == (1797, 8)
    assert capsys.readouterr().out == "True\nencoder [64]\nTrue\nTrue\n"
    space["ae"].save("digits.isthmus")
    space["detector"].save("detector.isthmus")
    for line in re.findall(r"^isthmus (.*)$", text, flags=re.MULTILINE):
        assert main([*line.split(), "--force"]) == 0

"""ONNX files in several programs and versions of the operators, and in the tails of activations."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus import Autoencoder, ModelFileError, OutlierDetector
from isthmus.__main__ import main
from isthmus.model.onnx_graph import model_bytes
from isthmus.nets.activations import ACTIVATIONS
from isthmus.nets.graph import Graph
from isthmus.parts import Sparsity

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
onnx = pytest.importorskip("onnx")
SETTINGS = {"max_epochs": 2, "random_state": 0}


def with_onnxruntime(path, X):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X})[0]


def with_openvino(path, X):
    core = pytest.importorskip("openvino").Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(core.read_model(path), "CPU", exact)([X])[0]


def with_tract(path, X):
    model = pytest.importorskip("tract").onnx().load(path).into_model()
    return model.into_runnable().run([X])[0].to_numpy()


LEAVES_FILES = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
PROGRAMS = pytest.mark.parametrize(
    "program", [with_onnxruntime, pytest.param(with_openvino, marks=LEAVES_FILES), with_tract]
)


def written(graph, result, path):
    path.write_bytes(model_bytes(graph, result, ("t", "y"), ((1,), (1,)), {}))
    return path


# -- several programs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return files, each with rows and what they make of them: of every layer, slot and part."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("files")
    X, images = rng.normal(3, 2, (60, 6)), rng.random((60, 6, 7))
    counts, bits = rng.poisson(4, (60, 6)), rng.integers(0, 2, (60, 6))
    made = [
        (Autoencoder(3, "dense:hidden=[5],norm=layer", sparsity="topk:k=2", **SETTINGS), X),
        (Autoencoder(3, "dense:hidden=[5],activation=silu", sparsity="kl", **SETTINGS), X),
        (Autoencoder(3, "dense:output=softplus", loss="poisson", **SETTINGS), counts),
        (Autoencoder(3, "dense:hidden=[5],tied=True", loss="bce", **SETTINGS), bits),
        (Autoencoder(3, "conv:channels=[3],norm=layer", loss="huber", **SETTINGS), images),
        (Autoencoder(3, "conv1d:channels=[2,3],tied=True", loss="cosine", **SETTINGS), X),
        (OutlierDetector(Autoencoder(2, **SETTINGS), n_estimators=2, random_state=0), X),
    ]
    ours = {"encoder": "transform", "reconstruct": "reconstruct", "score": "score_samples"}
    cases = []
    for i, (model, rows) in enumerate(made):
        model.fit(rows)
        for part in ours if i < 6 else ("score",):
            path, rows = folder / f"{i}.{part}.onnx", np.asarray(rows, np.float32)
            model.export(path, part, opset=(13, 17, 20)[i % 3])
            cases.append((path, rows, getattr(model, ours[part])(rows)))
    return cases


@PROGRAMS
def test_programs_agree_with_the_model(program, exported):
    for path, X, want in exported:
        got = program(path, X)
        limit = 1e-4 * (np.abs(want) + np.abs(want).mean())
        assert (np.abs(got - want) <= limit).all(), path.name


@PROGRAMS
@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n not in ("elu", "identity")])
def test_the_tails_of_activations_keep_their_precision(program, name, tmp_path):
    graph = Graph(13)
    path = written(graph, ACTIVATIONS[name].onnx(graph, "X"), tmp_path / "a.onnx")
    x = np.linspace(-80, 80, 2001, dtype=np.float32)[:, None]
    with jax.enable_x64(True), np.errstate(over="ignore"):
        if name == "gelu":  # of which float32 has another tail than float64
            root, cubic = (2 / np.pi) ** 0.5, 0.044715
            want = x / (1 + np.exp(-2.0 * root * x * (1 + cubic * x.astype(float) ** 2)))
        else:
            want = np.asarray(ACTIVATIONS[name].function(jnp.asarray(x, float)))
    np.testing.assert_allclose(program(path, x), want, rtol=3e-5, atol=1e-36)
    if name == "tanh":
        assert np.abs(program(path, x)).max() <= 1


@pytest.mark.parametrize(
    "program", [with_onnxruntime, with_tract]
)  # OpenVINO joins the parts again
@pytest.mark.parametrize("kind", ["row_mean", "row_sum"])
def test_sums_over_very_wide_rows_are_exact(program, kind, tmp_path):
    graph, d = Graph(), 512 * 512 * 3
    graph.width = d
    result = getattr(graph, kind)("X")
    path = tmp_path / "wide.onnx"
    path.write_bytes(model_bytes(graph, result, ("t", "y"), ((d,), ()), {}))
    X = (1000 + np.random.default_rng(0).random((2, d))).astype(np.float32)
    want = getattr(X.astype(float), kind.removeprefix("row_"))(axis=1)
    np.testing.assert_allclose(program(path, X), want, rtol=1e-5)


# -- versions of the operators -----------------------------------------------------------------------


def opset_of(path):
    return onnx.load(path).opset_import[0].version


@pytest.mark.parametrize("opset", [13, 14, 17, 18])
def test_older_versions_of_the_operators(opset, tmp_path, rng):
    X = rng.normal(size=(40, 6))
    ae = Autoencoder(2, "dense:hidden=[4],activation=gelu,norm=layer", **SETTINGS).fit(X)
    path = tmp_path / "m.onnx"
    for part in ("encoder", "score"):
        ae.export(path, part, opset=opset)
        assert opset_of(path) == opset
    ae.export(path)
    assert opset_of(path) == 20
    OutlierDetector(ae, n_estimators=1, random_state=0).fit(X).export(path, opset=opset)
    assert opset_of(path) == opset


@pytest.mark.parametrize("opset", [12, 21, "17", 17.5, None, True])
def test_versions_that_are_not_written(opset, tmp_path, rng):
    ae = Autoencoder(2, **SETTINGS).fit(rng.normal(size=(40, 6)))
    with pytest.raises(ValueError, match="opset must be a whole number from 13 to 20; got"):
        ae.export(tmp_path / "m.onnx", opset=opset)


def test_a_part_of_ones_own_may_need_a_newer_version(tmp_path, rng):
    @dataclasses.dataclass
    class Mished(Sparsity):
        def code(self, h):
            return h * jnp.tanh(jax.nn.softplus(h))

        def onnx(self, graph, h):
            return graph.add("Mish", h)

    ae = Autoencoder(2, sparsity=Mished(), **SETTINGS).fit(rng.normal(size=(40, 6)))
    ae.export(tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="opset 17 .*Mish.* export with opset=20"):
        ae.export(tmp_path / "m.onnx", opset=17)


def test_the_option_of_the_command(tmp_path, rng, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Autoencoder(2, **SETTINGS).fit(rng.normal(size=(40, 6))).save("m.isthmus")
    assert main(["export", "m.isthmus", "-o", "m.onnx", "--opset", "15"]) == 0
    assert opset_of("m.onnx") == 15
    assert main(["export", "m.isthmus", "-o", "n.onnx", "--opset", "5"]) == 1
    assert "from 13 to 20; got 5" in capsys.readouterr().err


# -- right, though rounding parts them ---------------------------------------------------------------


def with_arrays(ae, **changes):
    """Give the first layers of a fitted model other arrays: `encoder_bias=...`."""
    net = ae.net_
    for name, value in changes.items():
        side, _, field = name.partition("_")
        where = lambda n, s=side, f=field: getattr(getattr(n, s)[0], f)  # noqa: E731
        net = eqx.tree_at(where, net, np.asarray(value, where(net).dtype))
    model = dataclasses.replace(ae.fitted_.model, net=net)
    ae.fitted_ = dataclasses.replace(ae.fitted_, model=model)
    return ae


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_that_are_0_but_for_rounding(dtype, tmp_path, rng):
    settings = {"loss": "cosine", "scaling": None, "dtype": dtype, **SETTINGS}
    ae = Autoencoder(6, "dense:code_activation=identity", **settings).fit(rng.normal(size=(40, 6)))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    with_arrays(ae, encoder_weight=turn, decoder_weight=turn.T, encoder_bias=np.zeros(6))
    with_arrays(ae, decoder_bias=np.zeros(6)).export(tmp_path / "m.onnx", "score")


@pytest.mark.parametrize("part", ["encoder", "reconstruct", "score"])
def test_normalised_maps_far_from_0(part, tmp_path, rng):
    ae = Autoencoder(3, "conv:channels=[2],norm=layer", dtype="float64", **SETTINGS)
    ae.fit(rng.random((40, 6, 6)))
    with_arrays(ae, encoder_bias=[300.0, 300.0]).export(tmp_path / "m.onnx", part)


def test_a_very_sparse_code(tmp_path, digits):
    sparse = Autoencoder(16, "dense:hidden=[32]", sparsity="kl:rho=0.001", max_epochs=30)
    sparse.set_params(random_state=0).fit(digits[:600])
    sparse.export(tmp_path / "m.onnx")
    X = digits[:600].astype(np.float32)
    want = sparse.transform(X)
    assert np.median(want) < 1e-3
    np.testing.assert_allclose(with_onnxruntime(tmp_path / "m.onnx", X), want, rtol=1e-4)


def test_a_code_that_is_off_by_little_is_found_beside_larger_ones(tmp_path, rng, monkeypatch):
    ae = Autoencoder(2, **SETTINGS).fit(rng.normal(size=(40, 6)))
    right = Graph.array

    def wrong(self, value, name=""):
        return right(self, value + 0.01 if name == "encoder.0.bias" else value, name)

    monkeypatch.setattr(Graph, "array", wrong)
    with pytest.raises(ModelFileError, match="differ on"):
        ae.export(tmp_path / "m.onnx")


def test_zeros_of_either_sign_are_ties(tmp_path, rng):
    settings = {"sparsity": "topk:k=2", "scaling": None, **SETTINGS}
    ae = Autoencoder(4, **settings).fit(rng.normal(size=(40, 4)))
    with_arrays(ae, encoder_weight=np.eye(4), encoder_bias=np.full(4, -0.0))
    ae.export(tmp_path / "m.onnx")
    X = np.array([[-0.0, 0.0, -0.0, 1.0], [0.0, -0.0, 0.0, 0.0]], np.float32)
    got, want = with_onnxruntime(tmp_path / "m.onnx", X), ae.transform(X)
    np.testing.assert_array_equal(got, want)

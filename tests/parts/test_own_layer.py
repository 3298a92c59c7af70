"""A layer and parts of a user's own: one file is all that they take, and what cannot be is refused."""

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import isthmus
from isthmus import BCE, KL, MSE, Autoencoder, Contractive, ModelFileError, OutlierDetector
from isthmus.io import read_tensors, write_tensors
from isthmus.nets.layer import DenseLayer, Layer
from isthmus.outliers.members import Member
from isthmus.parts.architectures import Architecture, LayerPlan, Plan
from isthmus.parts.corruptions import Corruption
from isthmus.parts.losses import Loss
from isthmus.parts.part import number
from isthmus.parts.penalties import Penalty
from isthmus.parts.sparsity import Sparsity

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FILE = Path(__file__).with_name("blocks.py")
SLOTS = (Architecture, Corruption, Loss, Penalty, Sparsity)
REGISTRIES = [kind.known for kind in (Layer, *SLOTS)]
BRIEF = {"max_epochs": 2, "random_state": 0}
X = np.random.default_rng(0).normal(3, 2, (60, 6)).astype(np.float32)


@pytest.fixture(autouse=True)
def registries():
    """Forget the classes that a test registers."""
    before = [dict(known) for known in REGISTRIES]
    yield
    for known, kept in zip(REGISTRIES, before, strict=True):
        known.clear()
        known.update(kept)


@pytest.fixture
def blocks():
    """Import the file, which registers its layer and its architecture."""
    spec = spec_from_file_location("blocks", FILE)
    module = module_from_spec(spec)
    sys.modules["blocks"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["blocks"]


def onnx_run(path, X):
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X})[0]


# -- an architecture with a layer of its own ------------------------------------------------------


@pytest.mark.parametrize(
    ("n_components", "spec"), [(2, "blocks"), (2, "blocks:tied=true"), (None, "blocks:groups=3")]
)
@pytest.mark.usefixtures("blocks")
def test_it_fits_is_saved_loaded_and_exported(n_components, spec, tmp_path):
    ae = Autoencoder(n_components, spec, **BRIEF).fit(X)
    assert ae.net_.encoder[0].kind == "blocks"
    assert (ae.net_.decoder[0].weight is None) == ("tied" in spec)
    ae.save(tmp_path / "m.isthmus")
    same = isthmus.load(tmp_path / "m.isthmus")
    np.testing.assert_array_equal(same.score_samples(X), ae.score_samples(X))
    assert same.net_.encoder[0].groups == (3 if "3" in spec else 2)
    uses = {"encoder": "transform", "reconstruct": "reconstruct", "score": "score_samples"}
    for part, use in uses.items():
        ae.export(tmp_path / "m.onnx", part)
        want = getattr(ae, use)(X)
        np.testing.assert_allclose(onnx_run(tmp_path / "m.onnx", X), want, rtol=1e-3, atol=1e-4)


def test_another_process_needs_the_file_and_imports_nothing_by_name(blocks, tmp_path):
    ae = Autoencoder(2, "blocks", **BRIEF).fit(X)
    ae.save(tmp_path / "m.isthmus")
    np.save(tmp_path / "x.npy", X)
    code = (
        "import sys, numpy as np, isthmus\n"
        "sys.path.insert(0, sys.argv[1])\n"  # where the file could be found
        "{}"
        "ae = isthmus.load(sys.argv[2])\n"
        "np.save(sys.argv[4], ae.transform(np.load(sys.argv[3])))\n"
    )
    words = [FILE.parent, tmp_path / "m.isthmus", tmp_path / "x.npy", tmp_path / "z.npy"]
    run = [sys.executable, "-c"]
    subprocess.run([*run, code.format("import blocks\n"), *map(str, words)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), ae.transform(X))
    ended = subprocess.run(
        [*run, code.format(""), *map(str, words)], check=False, capture_output=True, text=True
    )
    assert "ModelFileError: The file needs the architecture 'blocks', which is not" in ended.stderr
    del Layer.known["blocks"]  # here the architecture is known, and its layer no more
    with pytest.raises(
        ModelFileError,
        match=r"The layer net.encoder.0 .* its kind 'blocks' is not known here; import",
    ):
        isthmus.load(tmp_path / "m.isthmus")
    assert blocks.BlockLayer not in Layer.known.values()


@pytest.mark.usefixtures("blocks")
def test_it_pretrains_layerwise_resumes_and_takes_every_part(tmp_path):
    parts = {"sparsity": KL(), "penalty": ("l2", "contractive"), "corruption": "gaussian"}
    ae = Autoencoder(2, "blocks:activation=sigmoid", pretrain=2, **parts, **BRIEF)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(X, on_epoch=lambda row: (_ for _ in ()).throw(KeyboardInterrupt))
    ae.save(tmp_path / "half", resume=True)
    resumed = isthmus.load(tmp_path / "half").set_params(warm_start=True).fit(X)
    straight = Autoencoder(2, "blocks:activation=sigmoid", pretrain=2, **parts, **BRIEF).fit(X)
    assert list(dict.fromkeys(straight.history_["phase"])) == ["layer 1", "layer 2", "fit"]
    np.testing.assert_array_equal(resumed.transform(X), straight.transform(X))


@pytest.mark.usefixtures("blocks")
def test_weights_move_only_between_the_same_layers():
    source = Autoencoder(2, "blocks:groups=2", **BRIEF).fit(X)
    tuned = Autoencoder(2, "blocks:groups=2", freeze=1, **BRIEF).fit(X, init=source)
    kept = (model.net_.encoder[0].weight for model in (source, tuned))
    np.testing.assert_array_equal(*kept)
    with pytest.raises(
        ValueError,
        match=r"layer 1 of its encoder is 2x3x3 blocks\(groups=2\) tanh, not 3x2x3 blocks",
    ):
        Autoencoder(2, "blocks:groups=3", **BRIEF).fit(X, init=source)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, t: m["layers"]["encoder"][0].update(groups=3), "Layer 1 of the encoder .* fit"),
        (lambda m, t: m["layers"]["decoder"][0].update(groups=1), "Layer 1 of the decoder .* fit"),
        (
            lambda m, t: m["layers"]["encoder"][0].update(groups="x"),
            "Layer 1 of the encoder .* fit",
        ),
        (lambda m, t: m["layers"]["encoder"][0].update(other=1), "its settings are .*'other'"),
        (lambda m, t: m["layers"]["encoder"][0].pop("groups"), "its settings are"),
        (lambda m, t: m["layers"]["encoder"][0].update(kind="x"), "its kind 'x' is not known"),
        (lambda m, t: m["layers"]["encoder"][0].update(kind=["x"]), "not known here"),
        (lambda m, t: m["layers"]["encoder"].__setitem__(0, 3), "layer of the encoder is 3, not"),
        (lambda m, t: t.pop("net.encoder.0.weight"), "needs a weight of its own"),
        (
            lambda m, t: t.update({"net.encoder.0.bias": np.ones(1, "f4")}),
            r"cannot have a weight of shape \(2, 3, 3\) and a bias of shape \(1,\)",
        ),
        (
            lambda m, t: t.update({"net.decoder.0.weight": np.ones((2, 3, 4), "f4")}),
            "Layer 1 of the decoder does not fit: a 'blocks' layer cannot have a weight",
        ),
        (
            lambda m, t: t.update({"net.encoder.0.weight": np.ones((2, 3, 3), "i4")}),
            "its array 'weight' has dtype int32",
        ),
    ],
)
def test_a_file_changed_by_hand_is_refused(change, message, tmp_path):
    Autoencoder(2, "blocks", **BRIEF).fit(X).save(tmp_path / "m")
    tensors, meta = read_tensors(tmp_path / "m")
    change(meta, tensors)
    write_tensors(tmp_path / "m", tensors, meta)
    with pytest.raises(ModelFileError, match=message) as raised:
        isthmus.load(tmp_path / "m")
    assert "\n" not in str(raised.value)


# -- layers that cannot ---------------------------------------------------------------------------


def planned(layer, out=6):
    """Return an architecture of one pair of layers of a class, from rows of 6 values to `out`."""
    Architecture.known.pop("planned", None)

    @dataclass
    class Planned(Architecture, name="planned"):
        tied: bool = False
        activation: str = "tanh"

        def plan(self, shape, n_components):
            up = LayerPlan(layer, (shape[0], n_components), n_components)
            return [Plan(up, LayerPlan(layer, (n_components, out), out), 0.5)]

    return Planned


class Sine(DenseLayer):
    """A layer that changes what its parent computes, and has no kind of its own."""

    def product(self, x, weight):
        return jnp.sin(x @ weight)


def test_a_layer_without_a_kind_is_not_saved_as_another(tmp_path):
    assert (Sine.kind, DenseLayer.kind) == ("", "dense")
    ae = Autoencoder(2, planned(Sine)(), **BRIEF).fit(X)
    with pytest.raises(
        ModelFileError,
        match=r"Layer 1 of the encoder cannot be saved: its class Sine has no kind .*; declare it as "
        r'`class Sine\(Layer, kind="..."\)` and fit again',
    ):
        ae.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []

    class Named(Sine, kind="sine"):
        pass

    ae = Autoencoder(2, planned(Named)(), **BRIEF).fit(X)
    ae.save(tmp_path / "m")
    np.testing.assert_array_equal(isthmus.load(tmp_path / "m").transform(X), ae.transform(X))


@pytest.mark.parametrize("part", ["encoder", "reconstruct", "score"])
def test_a_layer_that_overrides_its_parent_inherits_no_onnx_form(part, tmp_path):
    class Named(Sine, kind="sine"):
        pass

    ae = Autoencoder(2, planned(Named)(), **BRIEF).fit(X)
    with pytest.raises(
        ValueError,
        match=f"The part '{part}' cannot be exported: layer 1 of the encoder, a 'sine' layer, has "
        "no ONNX form; fit with another architecture, or write it as a class with a method `onnx`",
    ):
        ae.export(tmp_path / "m.onnx", part)


def test_an_activation_of_a_layers_own_has_no_onnx_form(tmp_path):
    class Clipped(DenseLayer, kind="clipped"):
        def activate(self, h):
            return jnp.clip(h, -1, 1)

    ae = Autoencoder(2, planned(Clipped)(), **BRIEF).fit(X)
    with pytest.raises(
        ValueError, match="the activation 'tanh' of layer 1 of the encoder, .* no ONNX"
    ):
        ae.export(tmp_path / "m.onnx")


def test_kinds_are_unique():
    with pytest.raises(TypeError, match="The layer kind 'dense' exists already: DenseLayer"):
        type("Again", (Layer,), {}, kind="dense")


class Plain(Layer, kind=""):
    """The least that a layer is."""

    def product(self, x, weight):
        return x @ weight

    @property
    def shapes(self):
        return self.weight.shape[:1], self.weight.shape[1:]


def test_what_a_layer_does_not_say_is_asked_for_by_name(tmp_path):
    part = planned(Plain)
    with pytest.raises(
        ValueError,
        match="'planned' cannot have tied=True: a Plain does not say how .* method `tied`",
    ):
        Autoencoder(2, part(tied=True), **BRIEF).fit(X)

    class Turned(Plain):
        def product(self, x, weight):
            return x @ weight.T

        @property
        def shapes(self):
            return self.weight.shape[1:], self.weight.shape[:1]

    layer = Turned(np.ones((2, 3), "f4"), np.ones(2, "f4"), None, None, "tanh")
    with pytest.raises(
        ValueError, match="A Turned does not say how its units are scaled: .* `rescaled`"
    ):
        layer.rescaled(np.ones(2), np.ones(2))
    layer.check()


def test_a_detector_of_such_layers_is_refused_before_any_work(tmp_path, monkeypatch):
    class Named(Sine, kind="sine"):
        pass

    ae = Autoencoder(2, planned(Named)(), **BRIEF)
    detector = OutlierDetector(ae, n_estimators=2, random_state=0).fit(X)
    monkeypatch.setattr(Member, "known", None)  # what a member computes
    with pytest.raises(
        ValueError, match="The part 'score' cannot be exported: layer 1 of the encod"
    ):
        detector.export(tmp_path / "d.onnx")


@pytest.mark.usefixtures("blocks")
def test_layers_for_rows_of_another_width_are_refused_before_training():
    with pytest.raises(
        ValueError, match="'blocks' plans layers for rows of 4 values, but a row of X has 6"
    ):
        Autoencoder(2, "blocks:groups=4", **BRIEF).fit(X)


def test_a_plan_whose_layers_do_not_fit_is_refused_before_training():
    part = planned(Plain, out=5)()
    with pytest.raises(
        ValueError, match="Layer 1 of the decoder does not fit: a Plain cannot have"
    ):
        Autoencoder(2, part, **BRIEF).fit(X)


def test_settings_that_json_changes_are_refused(tmp_path):
    class Holding(Plain, kind="holding"):
        held: object = eqx.field(static=True)

    arrays = np.ones((2, 3), "f4"), np.ones(3, "f4"), None, None, "tanh"
    _, spec = Holding(*arrays, (1, (2, 3))).pack()
    assert spec == {"kind": "holding", "activation": "tanh", "held": (1, (2, 3))}
    with pytest.raises(ValueError, match="JSON cannot hold the settings of a 'holding' layer"):
        Holding(*arrays, {1, 2}).pack()
    with pytest.raises(ValueError, match="come back from JSON as .*'held': {'1': 2}.*override"):
        Holding(*arrays, {1: 2}).pack()


# -- the contractive penalty ----------------------------------------------------------------------


@dataclass
class Softmax(Sparsity):
    """A code that mixes its units."""

    code_activation = "identity"

    def code(self, h):
        return jax.nn.softmax(h)


@dataclass
class Halves(Sparsity):
    """A code that does not, and says so."""

    code_activation, elementwise = "identity", True

    def code(self, h):
        return h / 2


@dataclass
class Reversed(Halves):
    """A code that does again, and whose parent's word does not hold for it."""

    def code(self, h):
        return h[:, ::-1] * h


def norms_of(ae, rows):
    """Return the squared norms of each row's Jacobian by differentiation of the whole."""
    objective = ae.slots_.objective()

    def encode(x):
        return objective.encode(ae.net_, x[None])[0]

    return (jax.vmap(jax.jacobian(encode))(rows) ** 2).sum((1, 2))


@pytest.mark.parametrize(
    ("sparsity", "elementwise"), [(Softmax(), False), (Halves(), True), (Reversed(), False)]
)
@pytest.mark.parametrize("layer", [DenseLayer, Plain, Sine])
def test_the_penalty_is_the_jacobians_norm_whatever_code_and_layer(sparsity, elementwise, layer):
    """The lone layer had been taken for a product, and units for unmixed: a softmax cost nothing."""
    assert sparsity.elementwise == elementwise
    ae = Autoencoder(3, planned(layer)(), sparsity=sparsity, scaling=None, max_epochs=1).fit(X)
    rows, net = jnp.asarray(X), ae.net_
    objective = ae.slots_.objective()._replace(penalty=(Contractive(weight=1.0),))
    _, (terms, _) = objective(
        net, rows, jnp.full(60, 1 / 60), jax.random.key(0), jnp.zeros(()), {}, jnp.ones(())
    )
    assert terms["contractive"] > 0
    np.testing.assert_allclose(terms["contractive"], norms_of(ae, rows).mean(), rtol=1e-4)
    known = net.encoder[0].squared_norms()
    assert (known is not None) == (layer is DenseLayer)


# -- parts with ONNX forms of their own ------------------------------------------------------------


def test_a_loss_with_an_onnx_form_is_one_class(tmp_path):
    @dataclass
    class Pinball(Loss, name="pinball"):
        q: float = number(0.9, "(0, 1)")

        def __call__(self, x_out, x):
            error = x - x_out
            return jnp.mean(jnp.maximum(self.q * error, (self.q - 1) * error), axis=1)

        def onnx(self, graph, x_out, x):
            error = graph.add("Sub", x, x_out)
            over, under = (graph.add("Mul", error, w) for w in (self.q, self.q - 1))
            return graph.row_mean(graph.add("Max", over, under))

    ae = Autoencoder(2, loss="pinball:q=0.7", **BRIEF).fit(X)
    ae.export(tmp_path / "m.onnx", "score")
    want = ae.score_samples(X)
    np.testing.assert_allclose(onnx_run(tmp_path / "m.onnx", X), want, rtol=1e-3, atol=1e-5)
    ae.save(tmp_path / "m.isthmus")
    np.testing.assert_array_equal(isthmus.load(tmp_path / "m.isthmus").score_samples(X), want)


def test_a_sparsity_with_an_onnx_form_is_one_class(tmp_path):
    @dataclass
    class Soft(Sparsity, name="soft"):
        limit: float = number(0.1, "[0, inf)")
        elementwise = True

        def code(self, h):
            return jnp.sign(h) * jnp.maximum(jnp.abs(h) - self.limit, 0)

        def onnx(self, graph, h):
            return graph.add("Shrink", h, bias=self.limit, lambd=self.limit)

    ae = Autoencoder(3, sparsity="soft:limit=0.2", **BRIEF).fit(X)
    ae.export(tmp_path / "m.onnx")
    want = ae.transform(X)
    np.testing.assert_allclose(onnx_run(tmp_path / "m.onnx", X), want, rtol=1e-3, atol=1e-5)


def test_a_penalty_and_a_corruption_are_one_class_each(tmp_path):
    @dataclass
    class Decay(Penalty, name="decay"):
        weight: float = number(0.1, "[0, inf)")

        def __call__(self, step):
            return self.weight * jnp.sum(step.net.decoder[0].weight ** 2)

    @dataclass
    class Shift(Corruption, name="shift"):
        by: float = number(0.1)

        def __call__(self, key, x):
            return x + self.by

    ae = Autoencoder(2, penalty="decay:weight=0.5", corruption="shift:by=0.2", **BRIEF).fit(X)
    assert min(ae.history_["decay"]) > 0
    plain = Autoencoder(2, penalty="decay:weight=0.5", **BRIEF).fit(X)
    assert ae.history_["loss"] != plain.history_["loss"]
    ae.save(tmp_path / "m")
    same = isthmus.load(tmp_path / "m").slots_
    assert (same.penalty, same.corruption) == ((Decay(weight=0.5),), (Shift(by=0.2),))
    ae.export(tmp_path / "m.onnx", "score")  # which they have no part in


def test_a_loss_of_ones_own_on_another_one_is_scored_by_its_own_call(tmp_path):
    """What a loss inherits was made of its parent's call: the stable form, the excess, their ONNX."""

    @dataclass
    class Brier(BCE):
        def __call__(self, x_out, x):
            return jnp.mean((x_out - x) ** 2, 1) + 1  # a copy costs 1

        def onnx(self, graph, x_out, x):
            error = graph.add("Sub", x_out, x)
            return graph.add("Add", graph.row_mean(graph.add("Mul", error, error)), 1.0)

    rows = np.clip(X / 9, 0, 1)
    ae = Autoencoder(2, loss=Brier(), **BRIEF).fit(rows)
    want = -np.mean((ae.reconstruct(rows) - rows) ** 2, axis=1)
    np.testing.assert_allclose(ae.score_samples(rows), want, rtol=1e-3, atol=1e-6)
    ae.export(tmp_path / "m.onnx", "score")


def without_form(base, **members):
    """Return a subclass of a built-in part, registered or not."""
    return dataclass(type("Mine", (base,), members))


@pytest.mark.parametrize(
    ("settings", "part", "message"),
    [
        (
            {"loss": without_form(MSE, __call__=lambda self, y, x: jnp.mean(abs(y - x) ** 3, 1))()},
            "score",
            "The part 'score' cannot be exported: the loss 'mine' has no ONNX form; .* `onnx`",
        ),
        (
            {"loss": without_form(BCE, from_linear=lambda self, a, x: jnp.mean(a**2 - x, 1))()},
            "score",
            "the loss 'mine' has no ONNX form; .* method `onnx_from_linear`",
        ),
        (
            {"loss": without_form(MSE, seen=lambda self, x: x**3)()},
            "encoder",
            "The part 'encoder' .*: `seen` of the loss 'mine' has no ONNX form; .* `onnx_seen`",
        ),
        ({"sparsity": Halves()}, "encoder", "the sparsity 'halves' has no ONNX form"),
    ],
)
def test_parts_without_a_form_are_named(settings, part, message, tmp_path):
    rows = np.clip(X / 9, 0, 1)
    ae = Autoencoder(2, **settings, **BRIEF).fit(rows)
    with pytest.raises(ValueError, match=message) as raised:
        ae.export(tmp_path / "m.onnx", part)
    assert "\n" not in str(raised.value)
    if part == "score":
        ae.export(tmp_path / "m.onnx", "reconstruct")
    with pytest.raises(ModelFileError, match="A model file holds no code, and the .* has no name"):
        ae.save(tmp_path / "m.isthmus")

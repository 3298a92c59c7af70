"""Convolutions: shapes, arithmetic against references, and models of images and signals."""

import math
import pickle
from functools import partial
from itertools import pairwise, product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import isthmus
from isthmus import L2, Autoencoder, Contractive, Conv, Conv1d, ModelFileError, TopK, presets
from isthmus.io import read_tensors, write_tensors
from isthmus.nets.convolution import (
    PADDINGS,
    Axis,
    _convolve,
    _library,
    _library_transpose,
    _transpose,
    convolve,
    transpose,
)
from isthmus.nets.step import Step
from isthmus.parts.penalties import jacobian_norms
from isthmus.training import trainer as engine

SIZES, KERNELS, STRIDES = st.integers(1, 33), st.integers(1, 7), st.integers(1, 3)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def window_of(sizes, kernel, stride, padding):
    return tuple(Axis.of(size, kernel, stride, padding) for size in sizes)


def shaped(*shape):
    return jax.ShapeDtypeStruct(shape, np.float32)


# -- shapes --------------------------------------------------------------------------------------


@given(SIZES, st.integers(0, 3), STRIDES, st.sampled_from(PADDINGS))
def test_positions_of_odd_kernels_follow_the_articles_formula(size, k, stride, padding):
    assume(padding != "valid" or size >= 2 * k + 1)
    p = {"valid": 0, "same": k, "full": 2 * k}[padding]
    axis = Axis.of(size, 2 * k + 1, stride, padding)
    assert axis.positions == (size + 2 * p - (2 * k + 1)) // stride + 1
    if stride == 1:
        assert (axis.low, axis.high) == (p, p)


@given(SIZES, KERNELS, STRIDES)
def test_positions_of_every_kernel(size, kernel, stride):
    positions = {padding: Axis.of(size, kernel, stride, padding).positions for padding in PADDINGS}
    assert positions["same"] == math.ceil(size / stride)
    assert positions["full"] == (size + kernel - 2) // stride + 1
    if size >= kernel:
        assert positions["valid"] == (size - kernel) // stride + 1


@given(SIZES, KERNELS, STRIDES, st.sampled_from(["same", "full"]))
def test_padded_kernels_reach_every_input_that_the_stride_lets_them(size, kernel, stride, padding):
    axis = Axis.of(size, kernel, stride, padding)
    starts = [stride * o - axis.low for o in range(axis.positions)]
    reached = {start + i for start in starts for i in range(kernel)}
    if padding == "same":
        assert reached >= set(range(size)) or kernel < stride
    assert all(-kernel < start < size for start in starts)  # none sees zeros alone
    assert max(starts) + kernel <= size + axis.high


@settings(max_examples=30, deadline=None)
@given(SIZES, st.integers(0, 3))
def test_full_padding_widens_the_maps_by_two_k_and_the_decoder_returns_the_size(size, k):
    window = window_of([size], 2 * k + 1, 1, "full")
    assert window[0].positions == size + 2 * k
    z, weight = shaped(1, size + 2 * k, 2), shaped(2 * k + 1, 3, 2)
    assert jax.eval_shape(lambda z, w: transpose(z, w, window), z, weight).shape == (1, size, 3)


def build(part, shape, m=None, dtype="float64", **wishes):
    wishes = {"code_activation": None, "output": "identity", **wishes}
    return part.build(shape, m, np.random.default_rng(3), dtype=dtype, **wishes)


def fits(sizes, kernel, stride, depth):
    """Tell whether a kernel that may not leave the maps fits on those of every layer."""
    if depth == 0:
        return True
    left = [(size - kernel) // stride + 1 for size in sizes]
    return min(sizes) >= kernel and fits(left, kernel, stride, depth - 1)


@settings(max_examples=50, deadline=None)
@given(
    st.one_of(st.tuples(SIZES), st.tuples(SIZES, SIZES)),
    st.integers(1, 4),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    KERNELS,
    STRIDES,
    st.sampled_from(PADDINGS),
    st.sampled_from(["dense", "maps"]),
)
def test_a_net_returns_exactly_its_inputs_shape(sizes, c, channels, kernel, stride, padding, code):
    kind = Conv if len(sizes) == 2 else Conv1d
    part = kind(tuple(channels), kernel, stride, padding, code=code)
    if padding == "valid" and not fits(sizes, kernel, stride, len(channels)):
        with pytest.raises(ValueError, match=f"cannot move a kernel of {kernel}"):
            build(part, (*sizes, c))
        return
    net = build(part, (*sizes, c))
    h = jax.eval_shape(net.encode, shaped(2, math.prod(sizes) * c))
    assert h.shape == (2, net.n_components)
    assert jax.eval_shape(net.decode, h).shape == (2, math.prod(sizes) * c)
    shapes = [layer.shapes for layer in net.encoder]
    assert shapes[0][0] == (*sizes, c)
    assert all(math.prod(a[1]) == math.prod(b[0]) for a, b in pairwise(shapes))


def test_maps_have_the_sizes_of_the_formula_in_every_layer():
    net = build(Conv((5, 6), kernel=5, stride=2, padding="full"), (28, 27), 10)
    assert [layer.shapes[1] for layer in net.encoder] == [(16, 16, 5), (10, 10, 6), (10,)]
    assert [layer.weight.shape for layer in net.encoder] == [(5, 5, 1, 5), (5, 5, 5, 6), (600, 10)]
    assert [layer.weight.shape for layer in net.decoder] == [(5, 5, 1, 5), (5, 5, 5, 6), (10, 600)]


# -- arithmetic ----------------------------------------------------------------------------------


def gather(x, weight, window):
    """Convolve by SciPy, channel by channel."""
    x = np.pad(x, ((0, 0), *((a.low, a.high) for a in window), (0, 0)))
    strides = tuple(slice(None, None, a.stride) for a in window)
    maps = [
        [
            sum(
                scipy.signal.correlate(row[..., c], weight[..., c, m], "valid", "direct")
                for c in range(x.shape[-1])
            )[strides]
            for m in range(weight.shape[-1])
        ]
        for row in x
    ]
    return np.moveaxis(np.array(maps), 1, -1)


def scatter(z, weight, window):
    """Transpose a convolution by loops over positions and places of the kernel."""
    x = np.zeros((len(z), *(a.low + a.size + a.high for a in window), weight.shape[-2]))
    for o in product(*(range(a.positions) for a in window)):
        for tap in product(*(range(a.kernel) for a in window)):
            at = tuple(a.stride * p + i for a, p, i in zip(window, o, tap, strict=True))
            x[(slice(None), *at)] += z[(slice(None), *o)] @ weight[tap].T
    return x[(slice(None), *(slice(a.low, a.low + a.size) for a in window))]


def gram(x, z, window):
    """Return the gradient of sum(z * convolve(x)) by the weight, by loops."""
    x = np.pad(x, ((0, 0), *((a.low, a.high) for a in window), (0, 0)))
    result = np.zeros((*(a.kernel for a in window), x.shape[-1], z.shape[-1]))
    for o in product(*(range(a.positions) for a in window)):
        for tap in product(*(range(a.kernel) for a in window)):
            at = tuple(a.stride * p + i for a, p, i in zip(window, o, tap, strict=True))
            result[tap] += x[(slice(None), *at)].T @ z[(slice(None), *o)]
    return result


def arrays(window, n=2, c=2, m=3):
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=(n, *(a.size for a in window), c)),
        rng.normal(size=(*(a.kernel for a in window), c, m)),
        rng.normal(size=(n, *(a.positions for a in window), m)),
    )


@st.composite
def windows(draw):
    d = draw(st.integers(1, 2))
    largest = 33 if d == 1 else 9
    kernel, stride, padding = draw(KERNELS), draw(STRIDES), draw(st.sampled_from(PADDINGS))
    least = kernel if padding == "valid" else 1
    return window_of([draw(st.integers(least, largest)) for _ in range(d)], kernel, stride, padding)


computed = settings(
    max_examples=15, deadline=None, derandomize=True
)  # programs come from the cache


@partial(jax.jit, static_argnums=(0, 1))
def pulled(function, window, a, b, weight):
    """Return the value at a and the gradients of its product with b, by a and by the weight."""
    value, pull = jax.vjp(lambda a, w: function(window, a, w), a, weight)
    return value, *pull(b)


@partial(jax.jit, static_argnums=0)
def both_ways(window, x, weight, z):
    """Return what `pulled` returns of a convolution and of its adjoint, from one program."""
    forth, reverse = (_convolve, x, z), (_transpose, z, x)
    return [v for f, a, b in (forth, reverse) for v in pulled(f, window, a, b, weight)]


@computed
@given(windows(), st.integers(1, 3), st.integers(1, 4))
def test_values_and_gradients_against_scipy_and_loops(window, c, m):
    x, weight, z = arrays(window, c=c, m=m)
    h, back, by_weight = gather(x, weight, window), scatter(z, weight, window), gram(x, z, window)
    with jax.enable_x64(True):
        got = both_ways(window, x, weight, z)
    for value, reference in zip(got, (h, back, by_weight, back, h, by_weight), strict=True):
        np.testing.assert_allclose(value, reference, atol=1e-12)
    np.testing.assert_allclose(np.sum(h * z), np.sum(x * back), atol=1e-9)  # adjoint


WINDOWS = [
    window_of([7], 3, 1, "full"),
    window_of([8], 2, 3, "valid"),
    window_of([5, 4], 3, 2, "same"),
    window_of([4, 5], 4, 3, "full"),
]


# On a processor XLA aborts where it differentiates the library's convolution over some windows with an
# axis of one value, so these are few.
@pytest.mark.parametrize(
    "window", [*WINDOWS, window_of([1], 5, 2, "same"), window_of([6], 1, 3, "same")]
)
def test_the_librarys_path_agrees_in_values_and_gradients(window):
    x, weight, z = arrays(window)
    with jax.enable_x64(True):
        for ours, theirs, a, b in (
            (_convolve, _library, x, z),
            (_transpose, _library_transpose, z, x),
        ):
            pair = (pulled(f, window, a, b, weight) for f in (ours, theirs))
            for mine, other in zip(*pair, strict=True):
                np.testing.assert_allclose(mine, other, atol=1e-11)


LONG = [
    window_of([50], 33, 2, "same"),
    window_of([9, 4], 35, 3, "full"),
    window_of([7], 3, 99, "full"),
]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("window", LONG)
def test_long_kernels_and_strides_are_convolutions_too(window):
    x, weight, z = arrays(window, n=1, c=1, m=2)
    h, *slopes = pulled(lambda v, a, w: convolve(a, w, v), window, x, z, weight)
    back = scatter(z, weight, window)
    np.testing.assert_allclose(h, gather(x, weight, window), atol=1e-11)
    np.testing.assert_allclose(slopes[0], back, atol=1e-11)
    np.testing.assert_allclose(slopes[1], gram(x, z, window), atol=1e-11)
    np.testing.assert_allclose(
        jax.jit(transpose, static_argnums=2)(z, weight, window), back, atol=1e-11
    )


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("function", [convolve, transpose])
def test_second_derivatives_by_finite_differences(window, function):
    x, weight, z = arrays(window, n=1)
    arguments = jnp.asarray(x if function is convolve else z), jnp.asarray(weight)
    slope = jax.jit(jax.grad(lambda a, w: jnp.sum(function(a, w, window) ** 3), (0, 1)))
    check_grads(slope, arguments, order=1, modes=["rev"])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("window", WINDOWS)
def test_a_map_over_weights_is_a_loop_over_them(window):
    x, weight, z = arrays(window)
    many = np.stack([weight, -weight, 2 * weight + 1])
    for function, a in ((convolve, x), (transpose, z)):
        run = jax.jit(partial(function, window=window))
        mapped = jax.jit(jax.vmap(run, (None, 0)))(a, many)
        np.testing.assert_allclose(mapped, [run(a, w) for w in many], atol=1e-12)


@pytest.mark.parametrize("function", [convolve, transpose])
def test_processors_get_products_and_accelerators_the_library(function):
    window = WINDOWS[2]
    x, weight, z = (array.astype("f4") for array in arrays(window))

    def both(a, w):
        return jax.value_and_grad(lambda w: jnp.sum(function(a, w, window) ** 2))(w)

    traced = jax.jit(both).trace(x if function is convolve else z, weight)
    assert "stablehlo.convolution" not in traced.lower(lowering_platforms=("cpu",)).as_text()
    assert "stablehlo.convolution" in traced.lower(lowering_platforms=("cuda",)).as_text()


# -- nets ----------------------------------------------------------------------------------------

SHAPE = (5, 4, 2)
X = np.random.default_rng(0).uniform(size=(3, math.prod(SHAPE)))


def make_step(net, x=X, code=lambda h: h):
    h, weight = net.encode(x), jnp.full(len(x), 1 / len(x))
    return Step(x, x, x, h, code(h), x, weight, net, code, jax.random.key(0), jnp.zeros(()), True)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", [Conv, Conv1d])
def test_tied_filters_are_stored_once_and_charged_for_once(kind):
    shape = SHAPE if kind is Conv else SHAPE[1:]
    free, tied = (build(kind((3, 4), tied=t), shape, 6) for t in (False, True))
    count = [sum(leaf.size for leaf in jax.tree.leaves(net)) for net in (free, tied)]
    assert count[0] - count[1] == sum(layer.weight.size for layer in tied.encoder)
    assert all(layer.weight is None for layer in tied.decoder)
    squares = sum((layer.weight**2).sum() for layer in tied.encoder)
    for on in ("encoder", "both"):
        charge = jax.jit(lambda x, on=on: L2(weight=0.1, on=on)(make_step(tied, x)))
        np.testing.assert_allclose(charge(X[:, : math.prod(shape)]), 0.1 * squares)


@pytest.mark.usefixtures("float64")
def test_a_tied_decoder_is_the_adjoint_of_its_encoder_and_follows_it():
    part = Conv((3, 4), tied=True, activation="identity", code_activation="identity")
    net, z = build(part, SHAPE, 6), np.random.default_rng(1).normal(size=(3, 6))
    moved = eqx.tree_at(lambda n: n.encoder[0].weight, net, 2 * net.encoder[0].weight)
    encode, decode = (jax.jit(lambda net, a, f=f: getattr(net, f)(a)) for f in ("encode", "decode"))
    np.testing.assert_allclose((encode(net, X) * z).sum(1), (X * decode(net, z)).sum(1))
    np.testing.assert_allclose(decode(moved, z), 2 * decode(net, z))


@pytest.mark.usefixtures("float64")
def test_layer_norm_is_over_the_maps_at_each_position():
    net = build(Conv((3,), norm="layer"), SHAPE, 2)
    h = np.asarray(jax.jit(lambda x: net.encoder[0].linear(x))(X)).reshape(-1, 3)
    np.testing.assert_allclose(h.mean(1), 0, atol=1e-9)
    np.testing.assert_allclose(h.std(1), 1, rtol=1e-2)


CONTRACTED = {
    "lone": Conv((3,), stride=1, code="maps", activation="sigmoid"),
    "lone, strided, signals": Conv1d((3,), stride=2, padding="full", code="maps"),
    "deep, narrow": Conv((3, 2), activation="tanh"),
    "deep, wide": Conv((3, 4), kernel=2, stride=1, padding="full", activation="tanh", code="maps"),
    "deep, norm": Conv((3, 2), norm="layer"),
}


def contracted(kind, wish=None):
    part = CONTRACTED[kind]
    return build(part, SHAPE if isinstance(part, Conv) else (20, 2), code_activation=wish)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", CONTRACTED)
@pytest.mark.parametrize("k", [None, 2])
def test_the_contractive_penalty_is_the_jacobian(kind, k):
    code = TopK(k=k).code if k else lambda h: h
    net = contracted(kind, "identity" if k else None)
    norms = jax.jit(lambda x: jacobian_norms(make_step(net, x, code)))(X)
    rows = jax.jit(jax.vmap(jax.jacrev(lambda x: code(net.encode(x[None]))[0])))(X)
    np.testing.assert_allclose(norms, (np.asarray(rows) ** 2).sum((1, 2)), rtol=1e-8)


def test_the_narrow_and_the_wide_code_above_are_what_they_say():
    assert contracted("deep, narrow").n_components < X.shape[1]
    assert contracted("deep, wide").n_components > X.shape[1]


@pytest.mark.usefixtures("float64")
def test_contractive_probes_are_unbiased_on_maps():
    net = contracted("deep, wide")
    exact, estimate = (
        jax.jit(lambda x, p=p: Contractive(weight=1.0, probes=p)(make_step(net, x)))(X)
        for p in (0, 2000)
    )
    assert abs(float(estimate) / float(exact) - 1) < 0.02


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ["lone", "deep, narrow", "deep, wide"])
def test_the_contractive_gradient_by_finite_differences(kind):
    net = contracted(kind)

    def penalty(weight):
        moved = eqx.tree_at(lambda n: n.encoder[0].weight, net, weight)
        return Contractive(weight=1.0)(make_step(moved, X[:1]))

    check_grads(jax.jit(penalty), (jnp.asarray(net.encoder[0].weight),), order=1, modes=["rev"])


# -- models --------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
BRIEF = {"max_epochs": 2, "random_state": 0, "early_stopping": False}
KINDS = {
    "images": ((8, 8), {"n_components": 3, "architecture": "conv:channels=[3,4]"}),
    "odd": (
        (7, 5, 3),
        {"architecture": "conv:channels=[3,4],padding=full,kernel=4,code=maps,tied=true"},
    ),
    "signals": ((21,), {"n_components": 3, "architecture": "conv1d:channels=[3,4],padding=valid"}),
    "channels": ((11, 2), {"architecture": "conv1d:channels=[3],stride=1,code=maps,norm=layer"}),
}
DEPTHS = {"images": 3, "odd": 2, "signals": 3, "channels": 1}


def rows(kind, n=130):
    shape = KINDS[kind][0]
    t = np.linspace(0, 3, math.prod(shape))
    return np.sin(RNG.uniform(1, 3, (n, 1)) * t + RNG.uniform(0, 3, (n, 1))).reshape(n, *shape)


def model(kind, **parameters):
    return Autoencoder(**{**BRIEF, **KINDS[kind][1], **parameters})


@pytest.fixture(scope="module", params=KINDS)
def fitted(request):
    """Return a kind, its rows and a model that was fitted to them."""
    X = rows(request.param)
    return request.param, X, model(request.param).fit(X)


def weights(ae):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(ae.net_)]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def test_every_method_has_its_shape(fitted):
    kind, X, ae = fitted
    Z = ae.transform(X)
    assert ae.reconstruct(X).shape == X.shape
    assert Z.shape == (130, ae.net_.n_components) == (130, len(ae.get_feature_names_out()))
    np.testing.assert_allclose(ae.inverse_transform(Z), ae.reconstruct(X), atol=1e-5)
    assert ae.score_samples(X).shape == (130,)
    assert ae.mean_activation_.shape == Z.shape[1:]
    assert f"{ae.n_parameters_:,} parameters" in ae.summary()
    assert len(ae.net_.encoder) == DEPTHS[kind]
    np.testing.assert_array_equal(ae.encode(X, DEPTHS[kind]), Z)


def test_maps_are_the_codes_of_each_layer_in_their_places(fitted):
    _, X, ae = fitted
    convolutions = [i + 1 for i, layer in enumerate(ae.net_.encoder) if hasattr(layer, "window")]
    for i in convolutions:
        maps = ae.encode_maps(X, layer=i)
        assert maps.shape == (130, *ae.net_.encoder[i - 1].shapes[1])
        np.testing.assert_array_equal(maps.reshape(130, -1), ae.encode(X, layer=i))
    np.testing.assert_array_equal(ae.encode_maps(X), ae.encode_maps(X, layer=convolutions[-1]))


def test_a_layers_maps_are_its_filters_over_the_maps_below(fitted):
    _, X, ae = fitted
    layer, x = ae.net_.encoder[0], ae.scaler_.forward(X.reshape(130, -1), "float64")
    x = x.reshape(130, *(a.size for a in layer.window), -1)
    h = gather(x[:3], np.asarray(layer.weight, float), layer.window) + np.asarray(layer.bias)
    if layer.activation == "tanh" and layer.scale is None:
        np.testing.assert_allclose(ae.encode_maps(X[:3], 1), np.tanh(h), atol=1e-5)
    elif layer.scale is None:
        np.testing.assert_allclose(ae.encode_maps(X[:3], 1), jax.nn.gelu(h), atol=1e-5)


def test_a_rows_result_does_not_depend_on_its_company(fitted):
    _, X, ae = fitted
    order = np.random.default_rng(1).permutation(len(X))
    for use in (ae.transform, ae.reconstruct, ae.score_samples):
        whole = use(X)
        np.testing.assert_array_equal(use(X[order]), whole[order])
        np.testing.assert_array_equal(use(X[37:90]), whole[37:90])
        np.testing.assert_array_equal(
            np.concatenate([use(X[i : i + 1]) for i in range(3)]), whole[:3]
        )


def test_the_same_seed_gives_the_same_bits(fitted):
    kind, X, ae = fitted
    assert same(ae, model(kind).fit(X))
    assert not same(ae, model(kind, random_state=1).fit(X))


def test_pickle_and_clone(fitted):
    _, X, ae = fitted
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ae)).reconstruct(X), ae.reconstruct(X))
    assert same(clone(ae).fit(X), ae)


def test_a_round_trip_through_a_file_is_exact(fitted, tmp_path):
    _, X, ae = fitted
    ae.save(tmp_path / "model")
    ae.save(tmp_path / "encoder", part="encoder")
    copy, encoder = isthmus.load(tmp_path / "model"), isthmus.load(tmp_path / "encoder")
    for use in ("transform", "reconstruct", "score_samples", "encode_maps"):
        np.testing.assert_array_equal(getattr(copy, use)(X), getattr(ae, use)(X))
    np.testing.assert_array_equal(encoder.transform(X), ae.transform(X))
    np.testing.assert_array_equal(encoder.encode_maps(X), ae.encode_maps(X))
    assert copy.summary() == ae.summary()
    assert copy.reconstruct(X[:1]).shape == (1, *X.shape[1:])
    copy.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize("kind", ["images", "odd"])
@pytest.mark.parametrize("through_file", [False, True])
def test_an_interrupted_fit_resumed_equals_the_uninterrupted_one(
    kind, through_file, tmp_path, monkeypatch
):
    def interrupt(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(engine, "chunk_length", lambda *_: 1)
    common = {"max_epochs": 4, "batch_size": 30, "corruption": "gaussian", "early_stopping": True}
    X = rows(kind)
    whole = model(kind, **common).fit(X)
    ae = model(kind, **common, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(X, on_epoch=interrupt)
    assert ae.n_iter_ == 2
    if through_file:
        ae.save(tmp_path / "half", resume=True)
        ae = isthmus.load(tmp_path / "half")
    ae.fit(X)
    assert same(ae, whole)
    assert ae.history_["loss"] == whole.history_["loss"]
    assert ae.baseline_ == whole.baseline_


@pytest.mark.parametrize("kind", ["images", "channels"])
def test_partial_fit_goes_on_after_saving_to_the_bit(kind, tmp_path):
    X = rows(kind)
    straight, halted = (model(kind, sparsity="l1").partial_fit(X[:65]) for _ in range(2))
    halted.save(tmp_path / "half", resume=True)
    halted = isthmus.load(tmp_path / "half").partial_fit(X[65:])
    assert same(straight.partial_fit(X[65:]), halted)
    assert straight.n_iter_ == 2
    assert straight.reconstruct(X).shape == X.shape


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [("conv:channels=[3,4]", (8, 8)), ("conv1d:channels=[3,4]", (32, 2))],
)
def test_flat_rows_with_their_shape_are_the_same_data(digits, architecture, shape):
    X = digits[:130]
    told = f"{architecture},input_shape=[{shape[0]},{shape[1]}]"
    shaped = Autoencoder(3, architecture, **BRIEF).fit(X.reshape(-1, *shape))
    flat = Autoencoder(3, told, **BRIEF).fit(X)
    assert same(shaped, flat)
    np.testing.assert_array_equal(shaped.reconstruct(X).reshape(130, -1), flat.reconstruct(X))


def test_one_channel_may_be_written_or_not(digits):
    X = digits[:130].reshape(-1, 8, 8)
    images, channel = (
        Autoencoder(3, "conv:channels=[3,4]", **BRIEF).fit(x) for x in (X, X[..., None])
    )
    assert same(images, channel)
    assert channel.reconstruct(X[..., None]).shape == (130, 8, 8, 1)
    signals, one = (
        Autoencoder(3, "conv1d:channels=[3,4]", **BRIEF).fit(x)
        for x in (digits[:130], digits[:130, :, None])
    )
    assert same(signals, one)


@pytest.mark.parametrize("architecture", ["conv:channels=[8]", "conv1d:channels=[4,8]"])
def test_training_beats_the_mean_predictor(digits, architecture):
    X = digits[:300].reshape(-1, 8, 8) if "1d" not in architecture else digits[:300]
    ae = Autoencoder(16, architecture, max_epochs=60, learning_rate=1e-2, random_state=0).fit(X)
    assert ae.baseline_["model"] < 0.5 * ae.baseline_["mean"]
    assert ae.transform(X).dtype == np.float32
    assert ae.history_["reconstruction"][-1] < 0.5 * ae.history_["reconstruction"][0]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_kl_brings_every_map_and_nearly_every_unit_to_rho(digits, activation):
    architecture = Conv((8,), stride=1, activation=activation, code="maps")
    X = digits[:400].reshape(-1, 8, 8)
    ae = Autoencoder(
        None,
        architecture,
        sparsity="kl",
        scaling="standard",
        max_epochs=100,
        learning_rate=1e-2,
        random_state=0,
    ).fit(X)
    assert np.mean(ae.mean_activation_ <= 1.1 * 0.05) > 0.9
    np.testing.assert_allclose(ae.mean_activation_.reshape(-1, 8).mean(0), 0.05, atol=0.003)
    assert ae.score(X) > 0.6


NOISE = ("gaussian", "uniform", "masking", "saltpepper", "swap")
DEEP = "conv:channels=[3,4]"
PARTS = {
    "kl": {"sparsity": "kl", "architecture": "conv:channels=[3],code=maps"},
    "kl of a dense code": {"sparsity": "kl", "architecture": DEEP},
    "l1": {"sparsity": "l1", "architecture": f"{DEEP},code=maps", "loss": "poisson"},
    "topk": {"sparsity": "topk:k=2", "architecture": f"{DEEP},code=maps,norm=layer"},
    "noise": {"corruption": NOISE, "architecture": f"{DEEP},dropout=0.2,input_dropout=0.1"},
    "tied": {"architecture": f"{DEEP},tied=true", "penalty": "l2:on=both", "loss": "bce"},
    "contractive": {"architecture": DEEP, "penalty": ("contractive", "contractive:probes=2")},
    "contractive maps": {"penalty": "contractive", "architecture": "conv:channels=[3],code=maps"},
    "float64": {"architecture": DEEP, "dtype": "float64"},
    "signals": {"architecture": "conv1d:channels=[3],kernel=5", "penalty": "contractive"},
}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_works_on_maps(digits, part):
    chosen = {"scaling": "range", **PARTS[part]}
    X = digits[:130] if "1d" in chosen["architecture"] else digits[:130].reshape(-1, 8, 8)
    maps = "maps" in chosen["architecture"]
    ae = Autoencoder(None if maps else 3, **chosen, **BRIEF).fit(X)
    numbers = [*ae.history_["loss"], *(v for k, v in ae.baseline_.items() if k != "rows")]
    assert np.isfinite([*numbers, *ae.score_samples(X)]).all()
    assert ae.transform(X).dtype == chosen.get("dtype", "float32")
    if part == "topk":
        assert ((ae.transform(X) != 0).sum(1) == 2).all()


def test_a_grid_search_over_the_architecture(digits):
    grid = {"architecture__kernel": [2, 3], "architecture__padding": ["valid"]}
    ae = Autoencoder(3, Conv((3,)), **BRIEF)
    search = GridSearchCV(ae, grid, cv=2).fit(digits[:100].reshape(-1, 8, 8))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_estimator_
    assert best.net_.encoder[0].weight.shape[0] == search.best_params_["architecture__kernel"]


@pytest.fixture
def compilations():
    counted = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            counted.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield counted
    jax.monitoring.unregister_event_duration_listener(listen)


def test_other_numbers_compile_nothing_new(digits, compilations):
    X = digits[:130].reshape(-1, 8, 8)
    part = Conv((3,), code="maps", dropout=0.1)
    ae = Autoencoder(None, part, "gaussian", "kl", ("l2", "contractive"), batch_size=50, **BRIEF)
    ae.fit(X).score(X)
    assert compilations
    compilations.clear()
    ae.set_params(
        sparsity__rho=0.2,
        corruption__std=0.5,
        penalty__0__weight=1e-3,
        penalty__1__weight=1,
        architecture__dropout=0.3,
        learning_rate=1e-2,
        max_epochs=3,
    )
    ae.fit(X[:129]).score(X[:100])
    assert compilations == []


# -- presets -------------------------------------------------------------------------------------

PRESETS = [
    "convolutional",
    "stacked_convolutional",
    "stacked_denoising_convolutional",
    "stacked_denoising",
    "article_convolutional",
]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_fit_and_take_keywords(digits, name):
    X = digits[:100].reshape(-1, 8, 8)
    ae = getattr(presets, name)(**BRIEF, batch_size=50).fit(X)
    assert ae.reconstruct(X).shape == X.shape
    assert ae.batch_size_ == 50
    assert np.isfinite(ae.score(X))
    expected = {"stacked": ["layer 1", "layer 2", "layer 3"]}.get(name.split("_")[0], [])
    assert list(dict.fromkeys(ae.history_["phase"])) == [*expected, "fit"]
    assert len(ae.slots_.corruption) == ("denoising" in name)
    won = getattr(presets, name)(architecture="dense", corruption=None)
    assert (won.architecture, won.corruption) == ("dense", None)


def test_the_articles_model_is_as_written(digits):
    X = digits[:100].reshape(-1, 8, 8)
    ae = presets.article_convolutional(**BRIEF).fit(X)
    assert ae.encode_maps(X).shape == (100, 8 + 2, 8 + 2, 32)
    assert (ae.net_.code_activation, ae.net_.output) == ("tanh", "tanh")
    scaled = ae.scaler_.forward(X.reshape(100, -1), "float64")
    assert (scaled.min(), scaled.max()) == (-1, 1)
    assert len(weights(ae)) == 4
    assert ae.n_parameters_ == 2 * 9 * 32 + 32 + 1


# -- what is refused -----------------------------------------------------------------------------

FLAT, IMAGES = np.zeros((9, 30)), np.zeros((9, 6, 5))
REFUSED = [
    ("conv", FLAT, r"'conv' works on images: .*input_shape=\(h, w\); a row has shape \(30,\)"),
    ("conv", np.zeros((9, 2, 3, 4, 5)), r"'conv' works on images.*shape \(2, 3, 4, 5\)"),
    ("conv:input_shape=[6,6]", FLAT, r"input_shape=\(6, 6\), which is 36 values, but .* has 30"),
    ("conv:input_shape=[30]", FLAT, r"'conv' works on images.*shape \(30,\)"),
    ("conv:input_shape=[0,3]", FLAT, r"needs input_shape to be sizes of at least 1.*got \(0, 3\)"),
    ("conv1d", np.zeros((9, 6, 5, 3)), r"'conv1d' works on signals.*shape \(6, 5, 3\).*'conv'"),
    (
        "conv:kernel=7,padding=valid",
        IMAGES,
        "cannot move a kernel of 7 over the 6 x 5 values before layer 1 .*use padding='same'",
    ),
    ("conv:kernel=4,padding=valid", IMAGES, "kernel of 4 over the 2 x 1 values before layer 2"),
    (
        "conv:channels=[4],code=maps",
        IMAGES,
        r"the code is the last maps, 3 x 3 x 4 = 36 units, but n_components=7: set n_components=None",
    ),
    ("conv:channels=[]", IMAGES, r"channels to be numbers of maps of at least 1.*got \(\)"),
    ("conv:channels=[0]", IMAGES, r"channels to be numbers of maps of at least 1.*got \(0,\)"),
    ("conv:channels=[2.5]", IMAGES, r"channels to be numbers of maps.*got \(2.5,\)"),
    (
        "conv:kernel=0",
        IMAGES,
        r"kernel to be a whole number in \[1, inf\), or one for each of its 2 layers; got 0",
    ),
    ("conv:stride=0", IMAGES, r"stride to be a whole number in .* of its 2 layers; got 0"),
    (
        "conv:kernel=2.5",
        IMAGES,
        r"kernel to be a whole number in \[1, inf\), or one for each of its 2 layers; got 2.5",
    ),
    (
        "conv:padding=foo",
        IMAGES,
        "needs padding to be one of its choices; got 'foo'. Known: full, same, valid",
    ),
    (
        "conv:code=map",
        IMAGES,
        "needs code to be one of its choices; got 'map'. Did you mean 'maps'",
    ),
]


@pytest.mark.parametrize(("architecture", "X", "message"), REFUSED)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_one_clear_sentence_for_what_does_not_fit(architecture, X, message, method):
    ae = Autoencoder(7, architecture)
    with pytest.raises(ValueError, match=message) as raised:
        getattr(ae, method)(X)
    assert "\n" not in str(raised.value)
    assert not hasattr(ae, "net_")


def test_maps_of_layers_that_have_none(digits):
    dense = Autoencoder(2, max_epochs=1).fit(digits[:100])
    with pytest.raises(ValueError, match="Only convolutional layers have maps; .*: none"):
        dense.encode_maps(digits)
    X = rows("images")
    ae = model("images").fit(X)
    with pytest.raises(ValueError, match="Only convolutional layers have maps; .*: 1, 2"):
        ae.encode_maps(X, layer=3)
    with pytest.raises(ValueError, match="The layer must be from 1 to 3, or negative; got 4"):
        ae.encode_maps(X, layer=4)
    with pytest.raises(ValueError, match=r"shape \(4, 16\).*fitted on samples of shape \(8, 8\)"):
        ae.transform(X.reshape(-1, 4, 16))


@pytest.mark.parametrize(
    "change",
    [{"architecture__kernel": 5}, {"architecture__stride": 1}, {"architecture__channels": 4}],
)
def test_a_warm_start_refuses_other_filters(digits, change):
    X = digits[:100].reshape(-1, 8, 8)
    ae = Autoencoder(2, "conv:channels=[3]", warm_start=True, max_epochs=1).fit(X)
    with pytest.raises(ValueError, match="The fitted layers are kept"):
        ae.set_params(**change).fit(X)


def windowed(side="encoder", i=0, axis=0, **changes):
    def change(meta, tensors):
        meta["layers"][side][i]["window"][axis].update(changes)

    return change


def both(i=0, **changes):
    def change(meta, tensors):
        for side, axis in product(("encoder", "decoder"), (0, 1)):
            windowed(side, i, axis, **changes)(meta, tensors)

    return change


def dropped(meta, tensors):
    for side in ("encoder", "decoder"):
        meta["layers"][side][0]["window"].pop()


def with_kernels(*shape):
    def change(meta, tensors):
        both(kernel=shape[0], low=shape[0] - 1, high=shape[0] - 1, size=-8)(meta, tensors)
        for side in ("encoder", "decoder"):
            tensors[f"net.{side}.0.weight"] = np.ones(shape, "f4")

    return change


HOSTILE = {
    "a huge padding": both(low=10**9, high=10**9),
    "a huge size": both(size=10**9),
    "a stride of 0": both(stride=0),
    "a negative stride": both(stride=-2, low=0, high=0),
    "a negative padding": both(low=-1),
    "a negative size": both(size=-8),
    "sizes that multiply to the right number": with_kernels(17, 17, 1, 3),
    "a kernel that is not the weight's": both(kernel=5),
    "other places than the next layer's": both(stride=1, low=1, high=1),
    "a decoder with another window": windowed("decoder", stride=1, low=1, high=1),
    "an axis missing": dropped,
    "no axes": lambda m, t: m["layers"]["encoder"][0].update(window=[]),
    "a number missing": lambda m, t: m["layers"]["encoder"][0]["window"][0].pop("low"),
    "a word for a number": windowed(size="eight"),
    "a dense layer for a convolution": lambda m, t: m["layers"]["encoder"].__setitem__(0, "gelu"),
    "a weight with another axis": lambda m, t: t.update(
        {"net.encoder.0.weight": np.ones((3, 3, 3, 1, 3), "f4")}
    ),
    "no channels": lambda m, t: t.update({"net.encoder.0.weight": np.ones((3, 3, 1, 0), "f4")}),
    "a bias that does not fit": lambda m, t: t.update({"net.decoder.0.bias": np.ones(5, "f4")}),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    model("images").fit(rows("images")).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_with_an_impossible_convolution_is_refused(saved, what, tmp_path):
    path = tmp_path / "m"
    path.write_bytes(saved)
    tensors, meta = read_tensors(path)
    HOSTILE[what](meta, tensors)
    write_tensors(path, tensors, meta)
    with pytest.raises(ModelFileError) as raised:
        isthmus.load(path)
    assert "digest" not in str(raised.value)


def test_channels_first_and_other_shapes_are_told(digits):
    X = digits[:40].reshape(-1, 1, 8, 8)
    with pytest.raises(ValueError, match=r"channels first: give np.moveaxis\(X, 1, -1\)") as told:
        Autoencoder(2, "conv").fit(X)
    said = "if they have 1 x 8 pixels and 8 channels, say so with input_shape=(1, 8, 8)."
    assert str(told.value).endswith(said)
    with pytest.raises(
        ValueError, match=r"input_shape=\(4, 16\), but X has rows of shape \(8, 8\)"
    ):
        Autoencoder(2, "conv:input_shape=[4,16]").fit(X[:, 0])
    with pytest.raises(
        ValueError, match=r"images of several shapes, such as \(4, 8\) and \(8, 8\)"
    ):
        Autoencoder(2, "conv").fit([*X[:20, 0], X[20, 0, :4]])


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 6, 7)])
def test_short_images_of_many_channels_are_images(rng, shape, flat):
    X = rng.random((6, *shape))
    given = X.reshape(6, -1) if flat else X
    said = f"conv:channels=[2],input_shape=[{','.join(map(str, shape))}]"
    ae = Autoencoder(2, said, max_epochs=1, random_state=0).fit(given)
    assert ae.reconstruct(given).shape == given.shape


def test_images_that_could_have_their_channels_first_are_warned_of(rng):
    with pytest.warns(UserWarning, match=r"could have them first: if so, give np.mov") as caught:
        Autoencoder(2, "conv:channels=[2]", max_epochs=1).fit(rng.random((6, 3, 9, 8)))
    assert [w.filename for w in caught if w.category is UserWarning] == [__file__]


@pytest.mark.parametrize("padding", ["same", "valid", "full"])
@pytest.mark.parametrize(
    "size", [*product((1, 2, 3, 4), (1, 2, 5)), *product((1, 3, 4), (1, 4), (9,))]
)
def test_images_of_all_sizes_are_taken_or_refused(rng, size, padding):
    conv = Conv(channels=(2,), padding=padding)
    wishes = {"code_activation": None, "output": "sigmoid", "dtype": "float32"}
    if padding == "valid" and min(size[:2]) < 3:
        with pytest.raises(ValueError, match=r"cannot move a kernel of 3 over the .* values"):
            conv.build(size, 1, rng, **wishes)
    else:
        assert conv.build(size, 1, rng, **wishes).n_features == np.prod(size)


def test_the_smallest_image_is_reconstructed(rng):
    X = rng.random((6, 1, 1))
    ae = Autoencoder(1, "conv:channels=[2]", max_epochs=1, random_state=0).fit(X)
    assert ae.reconstruct(X).shape == X.shape


def test_lists_and_other_arrays_of_images_are_images(digits):
    X = digits[:40].reshape(-1, 8, 8)
    ae = Autoencoder(2, "conv:channels=[3]", max_epochs=1, random_state=0).fit(list(X))
    assert ae.sample_shape_ == (8, 8)
    assert np.array_equal(ae.transform(X), ae.transform(jnp.asarray(X)))


def test_a_stride_beyond_the_image_is_one_position():
    assert Axis.of(8, 3, 10**9, "same") == Axis.of(8, 3, 14, "same")
    assert Axis.of(8, 3, 10**9, "same").positions == 1

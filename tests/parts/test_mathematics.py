"""Every loss, corruption, sparsity and penalty against its formula or an independent reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error
from sklearn.metrics.pairwise import cosine_distances

from isthmus import KL, L1, L2, TopK
from isthmus.nets.activations import ACTIVATIONS
from isthmus.nets.net import Dropout
from isthmus.nets.step import Step
from isthmus.parts import architectures, corruptions, likelihoods, losses, resolve
from isthmus.parts.penalties import Contractive, jacobian_norms
from isthmus.parts.sparsity import activity, kl_divergence
from isthmus.training.objective import Objective

RNG = np.random.default_rng(0)
X = RNG.uniform(0.05, 0.95, (6, 5))
P = RNG.uniform(0.05, 0.95, (6, 5))
KEY = jax.random.key(0)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        (losses.MSE(), [mean_squared_error(x, p) for x, p in zip(X, P, strict=True)]),
        (losses.MAE(), [mean_absolute_error(x, p) for x, p in zip(X, P, strict=True)]),
        (losses.Lp(p=2.0), ((X - P) ** 2).mean(1)),
        (losses.Lp(p=1.5), (np.abs(X - P) ** 1.5).mean(1)),
        (losses.Huber(delta=0.3), scipy.special.huber(0.3, X - P).mean(1)),
        (likelihoods.BCE(), -(X * np.log(P) + (1 - X) * np.log(1 - P)).mean(1)),
        (likelihoods.Poisson(), (P - X * np.log(P)).mean(1)),
        (losses.Cosine(), np.diag(cosine_distances(X, P))),
    ],
)
def test_losses_against_references(loss, reference):
    np.testing.assert_allclose(loss(P, X), reference, rtol=1e-6)


def test_bce_of_hard_labels_is_log_loss():
    labels = (X > 0.5).astype(float)
    reference = [log_loss(x, p, labels=[0, 1]) for x, p in zip(labels, P, strict=True)]
    np.testing.assert_allclose(likelihoods.BCE()(P, labels), reference, rtol=1e-6)


@pytest.mark.parametrize("loss", [likelihoods.BCE(), likelihoods.Poisson(), losses.MSE()])
def test_losses_on_the_linear_output_agree_and_stay_finite(loss):
    link = losses.ACTIVATIONS[loss.link].function
    a = RNG.normal(size=X.shape)
    np.testing.assert_allclose(loss.from_linear(a, X), loss(link(a), X), rtol=1e-6)
    assert np.isfinite(loss.from_linear(jnp.full_like(a, 80.0), X)).all()
    gradient = jax.grad(lambda a: loss.from_linear(a, X).sum())(jnp.full_like(a, -80.0))
    assert np.isfinite(gradient).all()


COUNTS = np.concatenate([RNG.poisson(3, (5, 5)), RNG.poisson(1e6, (1, 5))]).astype(float)
BITS = (X > 0.5).astype(float)


@pytest.mark.parametrize(
    ("loss", "p", "x", "reference"),
    [
        (
            likelihoods.BCE(),
            P,
            X,
            scipy.special.rel_entr(X, P) + scipy.special.rel_entr(1 - X, 1 - P),
        ),
        (likelihoods.BCE(), P, BITS, -np.log(np.abs(1 - BITS - P))),
        (
            likelihoods.Poisson(),
            5 * P + COUNTS,
            COUNTS,
            scipy.special.kl_div(COUNTS, 5 * P + COUNTS),
        ),
        (likelihoods.BCE(deviance=False), P, X, -(X * np.log(P) + (1 - X) * np.log(1 - P))),
        (likelihoods.Poisson(deviance=False), P, X, P - X * np.log(P)),
        (losses.Huber(delta=0.3), P, X, scipy.special.huber(0.3, X - P)),
        (
            losses.CustomLoss(lambda p, x: jnp.mean(p - x * jnp.log(p), 1)),
            P,
            X,
            scipy.special.kl_div(X, P),
        ),
    ],
)
def test_scores_count_from_what_a_perfect_copy_costs(loss, p, x, reference):
    np.testing.assert_allclose(loss.excess(p, x), reference.mean(1), rtol=1e-5)
    np.testing.assert_allclose(loss.columns(p, x), reference / x.shape[1], rtol=1e-5, atol=1e-9)
    inverse = ACTIVATIONS[loss.link].inverse(p)
    np.testing.assert_allclose(loss.excess_from_linear(inverse, x), reference.mean(1), rtol=1e-5)


@pytest.mark.parametrize("loss", [cls() for cls in losses.Loss.known.values()])
def test_a_perfect_copy_has_no_excess(loss):
    with jax.enable_x64(False):
        for x in (X, BITS, 1e-3 * X, P * (P > 0.5)):
            x = x.astype(np.float32)
            np.testing.assert_allclose(loss.excess(x, x), 0, atol=3e-7)
            assert (loss.excess(np.float32(P), x) >= 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_cosine_is_the_same_for_rows_of_any_size(size, dtype):
    x, p, loss = (size * X).astype(dtype), P.astype(dtype), losses.Cosine()
    with jax.enable_x64(dtype is np.float64):
        for got in (loss(p, x), loss(x, p), loss(p * dtype(size), x)):
            np.testing.assert_allclose(got, np.diag(cosine_distances(X, P)), rtol=1e-4)
        np.testing.assert_allclose(loss.seen(x), loss.seen(X.astype(dtype)), rtol=1e-5)
        assert np.isfinite(jax.grad(lambda p: loss(p, x).sum())(p * dtype(size))).all()
    zero = np.zeros((1, 5), dtype)
    assert loss(zero, zero) == loss(P[:1], zero) == 1


@pytest.mark.parametrize("size", [1e-30, 1e-10, 1.0, 1e10, 1e17])
@pytest.mark.parametrize("loss", [losses.MSE(), losses.MAE(), losses.Lp(), losses.Huber()])
def test_distances_hold_in_float32_as_far_as_their_squares_do(loss, size):
    p, x = np.float32(size * P), np.float32(size * X)
    with jax.enable_x64(False):
        got = loss(p, x)
    with np.errstate(under="ignore"):
        want = np.float64(loss(p.astype(float), x.astype(float)))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize("loss", [cls() for cls in losses.Loss.known.values()])
def test_what_is_no_number_is_never_a_good_loss(loss):
    odd = P.copy()
    odd[0, 0] = np.nan
    assert np.isnan(loss(odd, X)[0])
    assert not np.isfinite(loss.excess(odd, X)[0])
    assert losses.largest_at_most(loss.excess(odd, X))[0] == np.finfo(float).max
    assert losses.largest_at_most(jnp.array([-jnp.inf, 1.0])).tolist() == [np.finfo(float).max, 1.0]


@pytest.mark.parametrize("loss", [losses.MAE(), losses.Lp(p=1.0), losses.Huber(), losses.MSE()])
def test_what_is_right_is_not_pushed(loss):
    np.testing.assert_array_equal(jax.grad(lambda p: loss(p, X).sum())(X), 0)


def test_nats_are_negative_log_likelihoods():
    counts = RNG.poisson(3, X.shape).astype(float)
    rate = 5 * P
    np.testing.assert_allclose(
        likelihoods.Poisson().nats(rate, counts), -scipy.stats.poisson.logpmf(counts, rate).sum(1)
    )
    bits = (X > 0.5).astype(float)
    np.testing.assert_allclose(
        likelihoods.BCE().nats(P, bits), -scipy.stats.bernoulli.logpmf(bits, P).sum(1), rtol=1e-6
    )


@pytest.mark.parametrize("loss", [cls() for cls in losses.Loss.known.values()])
def test_gradients_of_losses_by_finite_differences(loss):
    def total(p):
        return jnp.sum(loss(p, X))

    _check_gradient(total, P)
    assert np.isfinite(jax.grad(total)(X)).all()  # no NaN at a perfect reconstruction


def _check_gradient(function, at, tolerance=1e-5):
    at = jnp.asarray(at)
    direction = RNG.normal(size=at.shape)
    numeric = (function(at + 1e-6 * direction) - function(at - 1e-6 * direction)) / 2e-6
    exact = jnp.sum(jax.grad(function)(at) * direction)
    np.testing.assert_allclose(exact, numeric, rtol=tolerance, atol=1e-8)


# -- corruptions ---------------------------------------------------------------------------------

BIG = np.random.default_rng(1).normal(size=(4000, 10))


def test_gaussian_noise_has_its_moments():
    noise = corruptions.Gaussian(std=0.5)(KEY, BIG) - BIG
    assert abs(np.std(noise) - 0.5) < 0.01
    assert abs(np.mean(noise)) < 0.01
    assert scipy.stats.kstest(np.ravel(noise) / 0.5, "norm").pvalue > 0.001


def test_uniform_noise_has_its_moments():
    noise = np.ravel(corruptions.Uniform(width=0.5)(KEY, BIG) - BIG)
    assert scipy.stats.kstest(noise, "uniform", (-0.5, 1.0)).pvalue > 0.001


def test_masking_rate_and_value():
    out = np.asarray(corruptions.Masking(rate=0.3, value=-7.0)(KEY, BIG))
    assert abs((out == -7).mean() - 0.3) < 0.01
    np.testing.assert_array_equal(out[out != -7], BIG[out != -7])


def test_masking_rates_of_rows_are_spread_evenly_about_the_rate():
    hit = np.asarray(corruptions.Masking(rate=0.4, spread=0.3).hits(KEY, (2000, 400), "float32"))
    rates = hit.mean(axis=1)
    assert scipy.stats.kstest(rates, "uniform", (0.1, 0.6)).statistic < 0.04
    flat = np.asarray(corruptions.Masking(rate=0.4).hits(KEY, (2000, 400), "float32"))
    assert flat.mean(axis=1).std() < 0.03


def test_salt_and_pepper_rates():
    out = np.asarray(corruptions.SaltPepper(rate=0.4, low=-9.0, high=9.0)(KEY, BIG))
    assert abs((out == -9).mean() - 0.2) < 0.01
    assert abs((out == 9).mean() - 0.2) < 0.01
    kept = np.abs(out) != 9
    np.testing.assert_array_equal(out[kept], BIG[kept])


WIDE = np.full((3000, 400), 0.5)
RANGED = {  # what a range does to rows: the number that each row shows
    "gaussian:std=[0.2,0.6]": lambda noise: noise.std(axis=1),
    "uniform:width=[0.2,0.6]": lambda noise: noise.std(axis=1) * np.sqrt(3),
    "saltpepper:rate=[0.2,0.6],low=-9,high=9": lambda noise: (noise != 0).mean(axis=1),
}


@pytest.mark.parametrize("spec", RANGED)
def test_a_range_gives_each_row_a_number_of_its_own_evenly(spec):
    part = resolve(corruptions.Corruption, spec)
    shown = RANGED[spec](np.asarray(part(KEY, WIDE) - WIDE))
    assert scipy.stats.kstest(shown, "uniform", (0.2, 0.4)).statistic < 0.05
    again = RANGED[spec](np.asarray(part(jax.random.key(1), WIDE) - WIDE))
    assert abs(np.corrcoef(shown, again)[0, 1]) < 0.1  # each time that a row is seen


@pytest.mark.parametrize("spec", RANGED)
def test_a_range_of_one_number_is_the_number_and_one_from_0_is_active(spec):
    ranged, zeros = (spec.replace("[0.2,0.6]", ends) for ends in ("[0.3,0.3]", "[0,0.1]"))
    parts = [resolve(corruptions.Corruption, s) for s in (ranged, spec.replace("[0.2,0.6]", "0.3"))]
    np.testing.assert_allclose(*(np.asarray(part(KEY, BIG)) for part in parts), rtol=1e-12)
    assert resolve(corruptions.Corruption, zeros).active


def test_swap_takes_the_same_column_of_another_row():
    x = np.arange(300.0).reshape(100, 3)
    out = np.asarray(corruptions.Swap(rate=1.0)(KEY, x))
    assert (out != x).all()
    assert (out % 3 == x % 3).all()
    np.testing.assert_array_equal(np.sort(out, axis=0), x)  # columns keep their distributions
    out = np.asarray(corruptions.Swap(rate=0.2)(KEY, BIG))
    assert abs((out != BIG).mean() - 0.2) < 0.01


@pytest.mark.parametrize("rate", [0.0, 2**-17, 0.15, 0.9, 1.0])
def test_swap_hits_each_value_by_itself_at_its_rate(rate):
    shape = (3000, 301)
    hit = np.asarray(corruptions.Swap(rate=rate).rows(KEY, shape)) != np.arange(3000)[:, None]
    spread = np.sqrt(rate * (1 - rate))
    assert abs(hit.mean() - rate) < 5 * spread / np.sqrt(hit.size) + 2**-17
    for axis in (0, 1):
        found = hit.mean(axis=axis).std() * np.sqrt(shape[axis])
        assert abs(found - spread) < 0.2 * spread + 1e-2
    halves = np.corrcoef(hit[:, :150].ravel(), hit[:, 151:].ravel())[0, 1] if spread > 0.1 else 0
    assert abs(halves) < 0.01  # which bits of one word decide


def test_swap_draws_whom_to_take_from_for_each_value_of_a_row():
    n, keys = 12, jax.random.split(KEY, 4000)
    rows = np.asarray(jax.vmap(lambda key: corruptions.Swap(rate=1.0).rows(key, (n, 4)))(keys))
    for i in (0, 5, n - 1):
        for j, k in ((0, 1), (1, 3)):
            pairs = np.zeros((n, n))
            np.add.at(pairs, (rows[:, i, j], rows[:, i, k]), 1)
            assert pairs[i].sum() == pairs[:, i].sum() == 0
            others = np.delete(np.delete(pairs, i, axis=0), i, axis=1)
            assert scipy.stats.chisquare(others.ravel()).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (7, 5)])
def test_swap_takes_from_the_batch_alone_and_alike_in_both_precisions(shape):
    swap = corruptions.Swap(rate=0.5)
    rows = np.asarray(swap.rows(KEY, shape))
    assert rows.shape == shape
    assert set(rows.ravel()) <= set(range(shape[0]))
    with jax.enable_x64(True):
        np.testing.assert_array_equal(swap.rows(KEY, shape), rows)


def test_dropout_rescales_and_has_its_rate():
    x = np.ones((1000, 100))
    out = np.asarray(Dropout(None, jnp.asarray(0.3), KEY)(x, jnp.asarray(0.3), 1))
    assert abs((out == 0).mean() - 0.3) < 0.01
    np.testing.assert_allclose(out[out != 0], 1 / 0.7)


def test_a_chain_applies_every_corruption_with_its_own_key():
    twice = corruptions.corrupt_in_turn(
        (corruptions.Gaussian(1.0), corruptions.Gaussian(1.0)), KEY, BIG
    )
    assert abs(np.std(twice - BIG) - np.sqrt(2)) < 0.02


# -- sparsity ------------------------------------------------------------------------------------


def make_step(net, x, code=lambda h: h, x_in=None, elementwise=True):
    weight = jnp.full(len(x), 1 / len(x))
    x_in = x if x_in is None else x_in
    h = net.encode(x_in)
    z = code(h)
    x_out, progress = net.decode(z), jnp.zeros(())
    return Step(x, x_in, x, h, z, x_out, weight, net, code, KEY, progress, elementwise)


def build(spec="dense", m=4, d=5, output="identity", wish=None):
    part = architectures.Dense.make({}) if spec == "dense" else spec
    rng = np.random.default_rng(3)
    net = part.build((d,), m, rng, code_activation=wish, output=output, dtype="float64")
    return jax.tree.map(lambda w: jnp.asarray(w + 0.1 * rng.normal(size=w.shape)), net)


def test_kl_against_scipy():
    rho, r = 0.1, np.array([0.01, 0.1, 0.5, 0.9])
    reference = scipy.special.rel_entr(rho, r) + scipy.special.rel_entr(1 - rho, 1 - r)
    np.testing.assert_allclose(kl_divergence(rho, r), reference)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_kl_penalty_in_full_batch_is_the_closed_form(activation):
    net = build(architectures.Dense(activation=activation))
    part = KL(rho=0.1, weight=2.0)
    step = make_step(net, jnp.asarray(X))
    state = part.update(part.start(4), step, jnp.asarray(1.0))
    z = np.asarray(step.z)
    r = (z.mean(0) + 1) / 2 if activation == "tanh" else z.mean(0)
    reference = scipy.special.rel_entr(0.1, r) + scipy.special.rel_entr(0.9, 1 - r)
    np.testing.assert_allclose(part.penalty(step, state), 2 * reference.sum())


def test_kl_gradient_in_full_batch_by_finite_differences():
    net = build(architectures.Dense(activation="sigmoid"))
    part = KL(rho=0.1)

    def penalty(weight):
        layer = net.encoder[0].__class__(weight, net.encoder[0].bias, None, None, "sigmoid")
        step = make_step(net.__class__((layer,), net.decoder), jnp.asarray(X))
        return part.penalty(step, part.update(part.start(4), step, jnp.asarray(1.0)))

    _check_gradient(penalty, net.encoder[0].weight)


def test_kl_running_mean_is_the_mean_over_the_training_set():
    """With weights at rest, the mean over an epoch of batches is that of all rows."""
    net = build(architectures.Dense(activation="sigmoid"))
    part, state = KL(), KL().start(4)
    batches = np.split(RNG.normal(size=(40, 5)), 4)
    for x in batches:
        state = part.update(state, make_step(net, jnp.asarray(x)), jnp.asarray(0.25))
    reference = net.encode(jnp.concatenate(batches)).mean(0)
    np.testing.assert_allclose(state["mean"], reference)


def test_kl_gradient_of_a_batch_has_the_running_mean_and_is_not_scaled_down():
    net = build(architectures.Dense(activation="sigmoid"))
    part = KL(rho=0.1)
    x = jnp.asarray(X)
    state = {"count": jnp.asarray(100.0), "mean": jnp.full(4, 0.3)}

    def penalty(bias):
        layer = net.encoder[0].__class__(net.encoder[0].weight, bias, None, None, "sigmoid")
        step = make_step(net.__class__((layer,), net.decoder), x)
        return part.penalty(step, state)

    z = net.encode(x)
    slope = -0.1 / 0.3 + 0.9 / 0.7  # dKL/dr at the running mean
    np.testing.assert_allclose(
        jax.grad(penalty)(net.encoder[0].bias), slope * (z * (1 - z)).mean(0), rtol=1e-6
    )


def test_the_slope_of_activity_at_0_is_0():
    slopes = jax.grad(lambda z: activity(z, "identity").sum())(jnp.array([0.0, -0.0, 2.0, -3.0]))
    np.testing.assert_array_equal(slopes, [0, 0, 1, -1])


def test_activity_is_right_for_each_activation():
    z = jnp.array([[-1.0, 0.0, 1.0]])
    np.testing.assert_allclose(activity(z, "tanh"), [[0, 0.5, 1]])
    np.testing.assert_allclose(activity(z, "identity"), [[1, 0, 1]])
    np.testing.assert_allclose(activity(jnp.array([0.25]), "sigmoid"), [0.25])


def test_l1_is_the_mean_over_rows_of_the_sum_over_units():
    net = build(architectures.Dense(code_activation="identity"))
    step = make_step(net, jnp.asarray(X))
    reference = 0.5 * np.abs(np.asarray(step.z)).sum(1).mean()
    np.testing.assert_allclose(L1(weight=0.5).penalty(step, ()), reference)


def test_topk_keeps_exactly_k_and_breaks_ties_to_the_lowest_index():
    h = jnp.asarray(RNG.normal(size=(50, 9)))
    z = np.asarray(TopK(k=3).code(h))
    assert ((z != 0).sum(1) == 3).all()
    for row, kept in zip(np.asarray(h), z, strict=True):
        assert set(np.flatnonzero(kept)) == set(np.argsort(-np.abs(row))[:3])
    tied = TopK(k=2).code(jnp.array([[1.0, -1.0, 1.0, 1.0]]))
    np.testing.assert_array_equal(tied, [[1, -1, 0, 0]])


# -- penalties -----------------------------------------------------------------------------------

DEEP = architectures.Dense(hidden=(7, 6), activation="tanh")


def dense_jacobian(net, code=lambda h: h):
    jacobian = jax.vmap(jax.jacfwd(lambda x: code(net.encode(x[None]))[0]))(jnp.asarray(X))
    return (np.asarray(jacobian) ** 2).sum((1, 2))


def test_gelu_and_its_slopes_are_those_of_jax():
    ours, theirs = ACTIVATIONS["gelu"].function, jax.nn.gelu
    for x in np.linspace(-6, 6, 25):  # in float32 both round 1 + tanh, and JAX's versions differ
        for _ in range(3):  # the value, the slope, the curvature
            np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-9, atol=1e-12)
            ours, theirs = jax.grad(ours), jax.grad(theirs)
        ours, theirs = ACTIVATIONS["gelu"].function, jax.nn.gelu
    np.testing.assert_allclose(jax.vmap(jax.grad(ours))(np.float32([-50, 50])), [0, 1], atol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softplus", "identity", "gelu"])
def test_contractive_closed_form_is_the_jacobian(activation):
    net = build(architectures.Dense(activation=activation))
    norms = jacobian_norms(make_step(net, jnp.asarray(X)))
    np.testing.assert_allclose(norms, dense_jacobian(net), rtol=1e-9)
    if activation == "sigmoid":  # the formula of Rifai et al.
        z = np.asarray(net.encode(jnp.asarray(X)))
        formula = (z * (1 - z)) ** 2 @ (np.asarray(net.encoder[0].weight) ** 2).sum(0)
        np.testing.assert_allclose(norms, formula)


@pytest.mark.parametrize("m", [3, 9])
@pytest.mark.parametrize("norm", [None, "layer"])
def test_contractive_of_deep_encoders_is_the_jacobian(m, norm):
    part = architectures.Dense(hidden=(7, 6), activation="tanh", norm=norm)
    net = build(part, m=m)
    norms = jacobian_norms(make_step(net, jnp.asarray(X)))
    np.testing.assert_allclose(norms, dense_jacobian(net), rtol=1e-9)


@pytest.mark.parametrize("part", [architectures.Dense(code_activation="identity"), DEEP])
def test_contractive_sees_the_topk_code(part):
    net, code = build(part), TopK(k=2).code
    norms = jacobian_norms(make_step(net, jnp.asarray(X), code))
    np.testing.assert_allclose(norms, dense_jacobian(net, code), rtol=1e-9)


def test_contractive_estimate_is_unbiased():
    net = build(DEEP)
    step = make_step(net, jnp.asarray(X))
    exact = float(Contractive(weight=1.0)(step))
    estimate = float(Contractive(weight=1.0, probes=4000)(step))
    assert abs(estimate / exact - 1) < 0.03


def test_contractive_gradient_by_finite_differences():
    for part in (architectures.Dense(activation="sigmoid"), DEEP):
        net = build(part)
        first = net.encoder[0]

        def penalty(weight, net=net, first=first):
            layer = first.__class__(weight, first.bias, None, None, first.activation)
            moved = net.__class__((layer, *net.encoder[1:]), net.decoder)
            return Contractive(weight=0.5)(make_step(moved, jnp.asarray(X)))

        _check_gradient(penalty, first.weight)


def test_l2_is_the_sum_of_squared_weights():
    net = build(DEEP)
    step = make_step(net, jnp.asarray(X))
    encoder = sum((np.asarray(layer.weight) ** 2).sum() for layer in net.encoder)
    decoder = sum((np.asarray(layer.weight) ** 2).sum() for layer in net.decoder)
    np.testing.assert_allclose(L2(weight=0.1)(step), 0.1 * encoder)
    np.testing.assert_allclose(L2(weight=0.1, on="both")(step), 0.1 * (encoder + decoder))


# -- the equation --------------------------------------------------------------------------------


def equation(net, weight, x=X, **slots):
    parts = {
        "dropout": (None, None),
        "corruption": (),
        "sparsity": None,
        "penalty": (),
        "loss": losses.MSE(),
    }
    objective = Objective(**{**parts, **slots})
    state = objective.sparsity.start(4) if objective.sparsity else ()
    return objective(
        net, jnp.asarray(x), jnp.asarray(weight), KEY, jnp.zeros(()), state, jnp.asarray(1.0)
    )


def test_the_total_is_the_sum_of_its_terms_and_the_loss_is_against_the_clean_input():
    net = build(architectures.Dense(activation="sigmoid"))
    total, (terms, _) = equation(
        net,
        np.full(6, 1 / 6),
        corruption=(corruptions.Masking(rate=1.0),),
        sparsity=KL(),
        penalty=(L2(), Contractive()),
    )
    assert list(terms) == ["reconstruction", "kl", "l2", "contractive"]
    np.testing.assert_allclose(total, sum(terms.values()))
    x_out = net.decode(net.encode(jnp.zeros_like(X)))  # everything was masked
    np.testing.assert_allclose(terms["reconstruction"], np.mean((x_out - X) ** 2))


def test_the_gradient_of_a_batch_weighs_rows_by_the_training_sets_mean_weight():
    net = build()
    w = np.array([1.0, 2.0, 0.5, 0.0, 3.0, 1.0])
    doubled, _ = equation(net, w / 6)
    errors = np.mean((net.decode(net.encode(jnp.asarray(X))) - X) ** 2, axis=1)
    np.testing.assert_allclose(doubled, (w * errors).sum() / 6)


def test_tied_weights_are_one_matrix():
    net = build(architectures.Dense(hidden=(7,), tied=True))
    assert all(layer.weight is None for layer in net.decoder)
    leaves = jax.tree.leaves(net)
    assert sum(leaf.ndim == 2 for leaf in leaves) == 2
    z = net.encode(jnp.asarray(X))
    by_hand = jax.nn.gelu(z @ net.encoder[1].weight.T + net.decoder[1].bias)
    by_hand = by_hand @ net.encoder[0].weight.T + net.decoder[0].bias
    np.testing.assert_allclose(net.decode(z), by_hand)


def test_layers_are_what_was_asked_for():
    net = build(architectures.Dense(hidden=(8, 6), activation="relu"), m=3)
    assert [layer.weight.shape for layer in net.encoder] == [(5, 8), (8, 6), (6, 3)]
    assert [layer.weight.shape for layer in net.decoder] == [(8, 5), (6, 8), (3, 6)]
    assert [layer.activation for layer in net.encoder] == ["relu", "relu", "identity"]
    assert [layer.activation for layer in net.decoder] == ["identity", "relu", "relu"]

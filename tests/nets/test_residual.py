"""Nets that add their input, or what hidden layers gave, to what the decoder gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.nets import Net
from isthmus.parts import Architecture, resolve

rng = np.random.default_rng(0)


def built(spec, shape, n_components=None, **added):
    """Return a net with fresh weights and biases."""
    part = resolve(Architecture, spec)
    rng = np.random.default_rng(0)
    net = part.build(
        shape, n_components, rng, code_activation=None, output="identity", dtype="float32"
    )
    net = jax.tree.map(lambda leaf: jnp.asarray(leaf + 0.1 * rng.normal(size=leaf.shape)), net)
    return Net(net.encoder, net.decoder, **added)


def by_numpy(net, x):
    """Return the encoder's values and the reconstruction, from layers alone."""
    values = [np.asarray(x)]
    for layer in net.encoder:
        values.append(np.asarray(layer.activate(layer.linear(jnp.asarray(values[-1])))))
    z = values[-1]
    for i in reversed(range(len(net.decoder))):
        z = np.asarray(net.decoder[i].activate(net.decoder[i].linear(jnp.asarray(z))))
        z = z + values[i] if (net.skips and i > 0) else z
    return z + values[0] if net.residual else z


NETS = {
    "dense": ("dense:hidden=[7,6],norm=layer", (5,), 3),
    "conv": ("conv:channels=[3,4],kernel=3,stride=2", (6, 5, 2), 3),
    "maps": ("conv:channels=[3,4,2],stride=2,code=maps", (6, 5), None),
    "signals": ("conv1d:channels=[3,4],stride=1,code=maps", (9,), None),
}


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("kind", NETS)
def test_what_is_added_where(kind, residual, skips):
    net = built(*NETS[kind], residual=residual, skips=skips)
    x = jnp.asarray(rng.normal(size=(4, net.n_features)), jnp.float32)
    h, kept = net.encode_keeping(x)
    np.testing.assert_array_equal(h, net.encode(x))
    assert (kept is None) == (not residual and not skips)
    np.testing.assert_allclose(net.decode(h, kept), by_numpy(net, x), rtol=2e-5, atol=2e-5)
    if kept is not None:
        with pytest.raises(ValueError, match="A code alone cannot be decoded by a net with"):
            net.decode(h)


def test_a_residual_net_without_weights_is_the_identity():
    net = jax.tree.map(jnp.zeros_like, built(*NETS["maps"], residual=True, skips=True))
    x = jnp.asarray(rng.normal(size=(4, 30)), jnp.float32)
    np.testing.assert_array_equal(net.decode(*net.encode_keeping(x)), x)


# -- maps of other sizes -----------------------------------------------------------------------------


RESIZED = {
    "plain": ("conv:channels=[3,4],kernel=3,stride=1,code=maps", (6, 6), (7, 10), 1),
    "strided": ("conv:channels=[3,4],kernel=4,stride=2,code=maps", (8, 8), (12, 4), 4),
    "odd": ("conv:channels=[3,4],kernel=3,stride=2,code=maps", (8, 8, 2), (12, 8), 4),
    "few taps": ("conv:channels=[3],kernel=1,stride=2,code=maps", (8, 8), (4, 6), 2),
    "full": ("conv:channels=[3,2],kernel=3,stride=1,padding=full,code=maps", (8, 8), (4, 6), 1),
    "signals": ("conv1d:channels=[3,2],kernel=5,stride=2,code=maps", (8,), (16,), 4),
}


@pytest.mark.parametrize("kind", RESIZED)
def test_a_resized_net_is_one_that_was_built_so(kind):
    spec, shape, sizes, stride = RESIZED[kind]
    net = built(spec, shape, residual=True, skips=True)
    there = built(spec, (*sizes, *shape[len(sizes) :]), residual=True, skips=True)
    resized = net.resized(sizes)
    assert jax.tree.structure(resized) == jax.tree.structure(there)
    assert all(a is b for a, b in zip(jax.tree.leaves(net), jax.tree.leaves(resized), strict=True))
    resized.check()
    assert net.total_stride == stride


@pytest.mark.parametrize("kind", RESIZED)
def test_a_pixel_changes_what_lies_within_the_radius_and_no_more(kind):
    spec, shape, sizes, stride = RESIZED[kind]
    net = built(spec, shape)
    radius, length = net.radius, stride * (-(-40 // stride))
    net = built(spec, shape).resized((length,) * len(sizes))
    channels = shape[len(sizes) :] or (1,)
    reached = 0
    for at in range(16, 16 + stride):
        x = np.zeros((2, *net.encoder[0].shapes[0]), np.float32)
        x[(1, *[at] * len(sizes))] = 1.0
        a, b = np.asarray(net.decode(net.encode(jnp.asarray(x.reshape(2, -1)))))
        moved = np.argwhere((a != b).reshape(*[length] * len(sizes), *channels))[:, : len(sizes)]
        reached = max(reached, np.abs(moved - at).max(initial=0))
    assert reached == radius


def test_sizes_that_do_not_fit_are_refused():
    net = built(*RESIZED["strided"][:2])
    with pytest.raises(ValueError, match="multiples of 4, its total stride; got 12x6"):
        net.resized((12, 6))
    with pytest.raises(ValueError, match="2 sizes .* got 12"):
        net.resized((12,))
    with pytest.raises(ValueError, match="kernels do not fit into maps of 2x2"):
        built("conv:channels=[3],stride=1,padding=valid,code=maps", (8, 8)).resized((2, 2))
    dense = built("conv:channels=[3]", (8, 8), 2)
    for asked in (lambda n: n.resized((8, 8)), lambda n: n.radius, lambda n: n.total_stride):
        with pytest.raises(ValueError, match="A net with a 'dense' layer takes maps of one size"):
            asked(dense)

"""Corruptions that pose a task of their own: what is hidden, by what, and what the loss counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from isthmus.nets import DenseLayer, Net
from isthmus.parts import BlindSpot, Task, pose_in_turn
from isthmus.parts.blind import Recorrupt, neighbours
from isthmus.parts.corruptions import Gaussian
from isthmus.parts.likelihoods import BCE, Poisson
from isthmus.parts.losses import MAE, MSE
from isthmus.training import Objective

KEY = jax.random.key(0)


def posed(part, x, grid=None):
    return pose_in_turn((part.placed(grid),), KEY, jnp.asarray(x))


@pytest.mark.parametrize(
    ("sizes", "radius"),
    [([1, 2], 1), ([3, 4], 1), ([5, 6], 2), ([2, 2], 7), ([9], 3), ([2, 3, 4], 1)],
)
def test_neighbours_are_drawn_evenly_from_the_window_in_the_grid_and_never_the_place_itself(
    sizes, radius
):
    n = 4000
    drawn = np.asarray(neighbours(KEY, n, sizes, radius))
    at = np.stack(np.unravel_index(np.arange(drawn.shape[1]), sizes))
    for place in range(drawn.shape[1]):
        near = (np.abs(at - at[:, place, None]) <= radius).all(axis=0)
        near[place] = False
        counts = np.bincount(drawn[:, place], minlength=len(near))
        assert not counts[~near].any()
        assert near.sum() == 1 or scipy.stats.chisquare(counts[near]).pvalue > 1e-4


@pytest.mark.parametrize("grid", [None, (8, 10, 1), (8, 5, 2), (40, 2)])
def test_a_blind_spot_hides_at_its_rate_and_counts_what_it_hides(grid):
    x = np.random.default_rng(0).normal(size=(500, 80))
    task = posed(BlindSpot(rate=0.1), x, grid)
    hidden = np.asarray(task.x_in) != x.astype(np.float32)
    np.testing.assert_array_equal(hidden, np.asarray(task.counts) > 0)
    np.testing.assert_allclose(np.asarray(task.counts)[hidden], 10)
    assert abs(hidden.mean() - 0.1) < 0.005
    assert abs(np.mean(task.counts) - 1) < 0.05
    np.testing.assert_array_equal(task.target, x.astype(np.float32))
    assert hidden.mean(axis=0).min() > 0.03  # borders too


def test_a_pixel_is_hidden_with_all_its_channels_by_one_neighbour():
    x = np.arange(3 * 36 * 2.0).reshape(3, 72)
    task = posed(BlindSpot(rate=0.5, radius=1), x, (6, 6, 2))
    before, after = (np.asarray(v).reshape(3, 6, 6, 2) for v in (x, task.x_in))
    np.testing.assert_array_equal(after[..., 1] - after[..., 0], 1)
    moved = np.argwhere(before[..., 0] != after[..., 0])
    assert len(moved) > 30
    for row, i, j in moved:
        k = int(after[row, i, j, 0] - 72 * row) // 2
        assert 0 < max(abs(k // 6 - i), abs(k % 6 - j)) <= 1


def test_a_hidden_cell_of_a_table_is_another_rows_in_its_column():
    x = np.arange(60.0).reshape(20, 3)
    after = np.asarray(posed(BlindSpot(rate=0.5), x).x_in)
    assert (after % 3 == x % 3).all()
    assert 0.3 < (after != x).mean() < 0.7
    alone = posed(BlindSpot(rate=0.5), x[:1])  # no other row to take from: nothing is hidden
    np.testing.assert_array_equal(alone.x_in, x[:1])
    assert not np.any(alone.counts)


def test_recorrupted_input_and_target_have_independent_noise_of_the_right_size():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2000, 50)) * 0.3
    task = posed(Recorrupt(std=0.3, alpha=0.5), noise)  # of clean rows that are 0
    x_in, target = np.asarray(task.x_in), np.asarray(task.target)
    assert task.counts is None
    assert abs(x_in.std() - 0.3 * np.sqrt(1 + 0.25)) < 0.005
    assert abs(target.std() - 0.3 * np.sqrt(1 + 4)) < 0.01
    assert abs(np.corrcoef(x_in.ravel(), target.ravel())[0, 1]) < 0.01
    assert Recorrupt(std=0.3, alpha=0.5).least == pytest.approx(0.36)


def test_in_a_chain_the_target_stays_what_it_was_before_other_noise():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(50, 40)))
    task = pose_in_turn((Gaussian(1.0), BlindSpot(rate=0.2)), KEY, x)
    np.testing.assert_array_equal(task.target, x)
    assert (task.x_in != x).all()
    assert abs(np.mean(task.counts) - 1) < 0.2


def tiny_net(d, output):
    rng = np.random.default_rng(3)
    layers = [
        DenseLayer(
            weight=rng.normal(size=shape).astype("f4"),
            bias=np.zeros(shape[1], "f4"),
            scale=None,
            shift=None,
            activation=activation,
        )
        for shape, activation in (((d, 2), "tanh"), ((2, d), output))
    ]
    return Net((layers[0],), (layers[1],))


@pytest.mark.parametrize(
    ("loss", "output"),
    [
        (MSE(), "identity"),
        (MAE(), "tanh"),
        (BCE(), "sigmoid"),
        (BCE(), "identity"),
        (Poisson(), "exp"),
    ],
)
def test_the_loss_counts_the_hidden_values_alone_and_has_the_right_mean(loss, output):
    x = jnp.asarray(np.random.default_rng(1).uniform(0.1, 0.9, (6, 5)).astype("f4"))
    part, net = BlindSpot(rate=0.3), tiny_net(5, output)
    objective = Objective((None, None), (part,), None, (), loss)
    weight = jnp.asarray([0.0, 0.1, 0.2, 0.1, 0.3, 0.3])
    total, (terms, _) = objective(net, x, weight, KEY, jnp.zeros(()), (), jnp.ones(()))
    task = pose_in_turn((part,), jax.random.split(KEY, 3)[0], x)
    out = np.asarray(net.decode(net.encode(loss.seen(task.x_in))))
    costs = np.array(
        [
            [float(loss(out[i, j].reshape(1, 1), x[i, j].reshape(1, 1))[0]) for j in range(5)]
            for i in range(6)
        ]
    )
    wanted = weight @ (np.asarray(task.counts) * costs).mean(axis=1)
    np.testing.assert_allclose(total, wanted, rtol=1e-4)
    np.testing.assert_allclose(terms["reconstruction"], wanted, rtol=1e-4)


def test_the_task_loss_is_the_plain_one_where_all_counts():
    x = jnp.asarray(np.random.default_rng(1).uniform(0.1, 0.9, (6, 5)).astype("f4"))
    net, plain = tiny_net(5, "sigmoid"), Objective((None, None), (), None, (), BCE())
    task = Task(x, x, jnp.ones_like(x))

    class Whole(BlindSpot):
        def pose(self, key, before):
            return task

    whole = plain._replace(corruption=(Whole(),))
    np.testing.assert_allclose(whole.held_losses(net, x), plain.held_losses(net, x), rtol=1e-5)


def test_held_out_rows_are_asked_the_same_at_each_time_and_never_score_a_copy():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(400, 5)).astype("f4"))
    eye = np.eye(5, dtype="f4")
    layers = [
        DenseLayer(
            weight=eye, bias=np.zeros(5, "f4"), scale=None, shift=None, activation="identity"
        )
    ] * 2
    copy = Net((layers[0],), (layers[1],))
    blind = Objective((None, None), (BlindSpot(rate=0.2),), None, (), MSE())
    first, again = blind.held_losses(copy, x), blind.held_losses(copy, x)
    np.testing.assert_array_equal(first, again)
    assert abs(float(np.mean(first)) - 2) < 0.2  # the squared distance of two draws
    plain = blind._replace(corruption=())
    assert float(np.max(plain.held_losses(copy, x))) == 0

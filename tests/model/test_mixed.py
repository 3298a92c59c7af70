"""The equation of tables of mixed types against plain NumPy, cell by cell and row by row."""

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from isthmus import Autoencoder
from isthmus.model.mixing import (
    bind_loss,
    by_cell,
    compact_rows,
    fit_table_scaler,
    layout_of,
    probabilities,
)
from isthmus.parts.corruptions import Gaussian, Masking, Swap
from isthmus.parts.losses import MAE, MSE, Huber
from isthmus.parts.tables import Layout, OnCells, plan
from isthmus.schema import Value, infer_schema

# A number, one with gaps, true or false, levels, a date (seconds and a turn), more levels.
VALUES = (
    Value("number", 0),
    Value("number", 1),
    Value("flag", 2),
    Value("levels", 3, 3, True),
    Value("number", 4),
    Value("turn", 4),
    Value("levels", 5, 5),
)
LAYOUT = Layout(VALUES, (1, 3))
CELLS = np.array([value.cell for value in VALUES])


@pytest.fixture(scope="module")
def rows():
    rng, n = np.random.default_rng(0), 40
    x = np.column_stack(
        [
            rng.normal(size=n),
            rng.gamma(2, size=n),
            rng.random(n) < 0.3,
            rng.integers(0, 3, n),
            rng.normal(size=n),
            rng.random(n),
            rng.choice(5, n, p=[0.6, 0.2, 0.1, 0.05, 0.05]),
        ]
    ).astype(float)
    x[rng.random(n) < 0.3, 1] = np.nan
    x[rng.random(n) < 0.2, 3] = np.nan
    x[3, 4:6] = np.nan
    return x


@pytest.fixture(scope="module")
def weight():
    return np.random.default_rng(1).integers(1, 4, 40).astype(float)


@pytest.fixture(scope="module")
def outputs():
    """Linear outputs of the net for as many rows."""
    return np.random.default_rng(2).normal(size=(40, plan(LAYOUT).width))


# -- the same in plain NumPy -------------------------------------------------------------------------


def softmax(a):
    e = np.exp(a - a.max())
    return e / e.sum()


def slots():
    """Return where the slots of each value are: numbers, flags, sines, cosines, levels by size."""
    return {0: [0], 1: [1], 4: [2], 2: [3], 5: [4, 5], 3: [6, 7, 8], 6: [9, 10, 11, 12, 13]}


def cost(kind, answer, x):
    """Return what a value costs, of an answer with probabilities."""
    if kind == "number":
        return (answer[0] - x) ** 2
    if kind == "flag":
        return -np.log(answer[0] if x else 1 - answer[0])
    if kind == "turn":
        angle = 2 * np.pi * x
        return (answer[0] - np.sin(angle)) ** 2 + (answer[1] - np.cos(angle)) ** 2
    return -np.log(answer[int(x)])


def shown(kind, a):
    """Return linear outputs with probabilities."""
    if kind == "flag":
        return 1 / (1 + np.exp(-a))
    return softmax(a) if kind == "levels" else a


def best_constants(rows, weight):
    """Return what the best constant answer costs on average, by value, floored."""
    found = np.empty(len(VALUES))
    for v, value in enumerate(VALUES):
        there = ~np.isnan(rows[:, v])
        x, w = rows[there, v], weight[there] / weight[there].sum()
        if value.kind == "number":
            found[v] = w @ (x - w @ x) ** 2
        elif value.kind == "turn":
            found[v] = 1 - (w @ np.sin(2 * np.pi * x)) ** 2 - (w @ np.cos(2 * np.pi * x)) ** 2
        else:
            p = np.array([w[x == level].sum() for level in range(max(value.size, 2))])
            found[v] = -(p[p > 0] @ np.log(p[p > 0]))
    numbers = [v for v, value in enumerate(VALUES) if value.kind == "number"]
    found[numbers] = np.maximum(found[numbers], 0.1 * np.median(found[numbers]))
    return np.maximum(found, [0 if v.kind == "number" else 0.1 for v in VALUES])


def by_hand(rows, weight, outputs, column_weights):
    """Return what each cell adds to its row's loss, (n, cells)."""
    best, found = best_constants(rows, weight), np.zeros((len(rows), CELLS.max() + 1))
    for i, row in enumerate(rows):
        there = [c for c in range(found.shape[1]) if not np.isnan(row[CELLS == c]).all()]
        total = sum(column_weights[c] for c in there)
        for v, value in enumerate(VALUES):
            if not np.isnan(row[v]):
                answer = shown(value.kind, outputs[i, slots()[v]])
                share = column_weights[value.cell] / np.sum(value.cell == CELLS)
                found[i, value.cell] += share * cost(value.kind, answer, row[v]) / best[v] / total
    return found


# -- the equation ------------------------------------------------------------


@pytest.mark.parametrize("column_weights", [np.ones(6), np.array([1, 5, 0.5, 1, 2, 3.0])])
def test_a_row_costs_what_plain_numpy_says(rows, weight, outputs, column_weights):
    loss = bind_loss(MSE(), LAYOUT, rows, weight, column_weights)
    expected = by_hand(rows, weight, outputs, column_weights)
    with jax.enable_x64(True):
        a, x = jnp.asarray(outputs), jnp.asarray(rows)
        np.testing.assert_allclose(loss.from_linear(a, x), expected.sum(axis=1), rtol=1e-6)
        made = loss.shown(a)
        np.testing.assert_allclose(loss(made, x), expected.sum(axis=1), rtol=1e-5)
        cells = by_cell(LAYOUT, np.asarray(loss.columns(made, x)))
    np.testing.assert_allclose(cells, expected, rtol=1e-5)
    assert (cells[np.isnan(rows[:, 1]), 1] == 0).all()


@pytest.mark.parametrize("numbers", [MSE(), MAE(), Huber(delta=0.5)])
def test_the_best_constant_answer_costs_1_in_every_column(rows, weight, numbers):
    loss = bind_loss(numbers, LAYOUT, rows, weight, np.ones(6))
    with jax.enable_x64(True):
        answer = jnp.broadcast_to(loss.constant, (40, loss.width))
        added = np.asarray(loss.columns(answer, jnp.asarray(rows)))
    present = np.array([np.unique(CELLS[~np.isnan(row)]).size for row in rows])[:, None]
    cells, there = by_cell(LAYOUT, added) * present, by_cell(LAYOUT, ~np.isnan(rows)) > 0
    mean = (weight[:, None] * cells).sum(axis=0) / (weight[:, None] * there).sum(axis=0)
    np.testing.assert_allclose(mean, 1, rtol=1e-6)


def test_its_slope_is_that_of_finite_differences(rows, weight, outputs):
    loss = bind_loss(Huber(delta=0.5), LAYOUT, rows, weight, np.ones(6))
    with jax.enable_x64(True):
        x = jnp.asarray(rows)

        def total(a):
            return jnp.sum(loss.from_linear(a, x))

        slope = np.asarray(jax.grad(total)(jnp.asarray(outputs)))
        for slot in range(outputs.shape[1]):
            step = np.zeros_like(outputs)
            step[:, slot] = 1e-6
            rise = (total(jnp.asarray(outputs + step)) - total(jnp.asarray(outputs - step))) / 2e-6
            np.testing.assert_allclose(slope[:, slot].sum(), rise, rtol=1e-5, atol=1e-7)
    assert np.isfinite(slope).all()
    assert (slope[:, -2:] == 0).all()  # marks of gaps are nothing to answer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_outputs_cost_finite_numbers_with_finite_slopes(rows, weight, dtype):
    loss = bind_loss(MSE(), LAYOUT, rows, weight, np.ones(6))
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray(rows.astype(dtype))
        a = jnp.asarray((1e4 * (-1.0) ** np.indices((40, loss.width)).sum(axis=0)).astype(dtype))
        cost, slope = jax.value_and_grad(lambda a: jnp.sum(loss.from_linear(a, x)))(a)
        assert np.isfinite(cost)
        assert np.isfinite(slope).all()
        assert np.isfinite(loss(loss.shown(a), x)).all()


def test_a_weight_of_2_is_a_row_twice(rows, weight):
    twice = np.repeat(rows, weight.astype(int), axis=0)
    pair = [
        bind_loss(MAE(), LAYOUT, x, w, np.ones(6))
        for x, w in ((rows, weight), (twice, np.ones(len(twice))))
    ]
    for name in ("price", "share", "constant", "centre", "scale"):
        np.testing.assert_allclose(
            *(getattr(loss, name) for loss in pair), rtol=1e-12, err_msg=name
        )


def test_the_encoder_sees_means_and_marks_in_place_of_what_is_missing(rows, weight):
    loss = bind_loss(MSE(), LAYOUT, rows, weight, np.ones(6))
    with jax.enable_x64(True):
        wide = np.asarray(loss.seen(jnp.asarray(rows)))
    assert wide.shape == (40, plan(LAYOUT).width) == (40, 4 + 2 + 3 + 6 + 2)  # 5 levels take 6
    np.testing.assert_array_equal(wide[:, -2:], np.isnan(rows[:, [1, 3]]))
    for v, places in slots().items():
        gaps = np.isnan(rows[:, v])
        assert (wide[gaps][:, places] == 0).all()
        mean = weight[~gaps] @ wide[~gaps][:, places] / weight[~gaps].sum()
        np.testing.assert_allclose(mean, 0, atol=1e-12)


def test_outputs_become_rows_and_probabilities(rows, weight, outputs):
    loss = bind_loss(MSE(), LAYOUT, rows, weight, np.ones(6))
    with jax.enable_x64(True):
        made = np.asarray(loss.shown(jnp.asarray(outputs)))
    back, chances = compact_rows(loss, made), probabilities(loss, made)
    a = outputs
    np.testing.assert_allclose(back[:, [0, 1, 4]], a[:, :3])
    np.testing.assert_array_equal(back[:, 2], a[:, 3] > 0)
    np.testing.assert_allclose(back[:, 5], np.arctan2(a[:, 4], a[:, 5]) / (2 * np.pi) % 1)
    np.testing.assert_array_equal(back[:, 3], a[:, 6:8].argmax(axis=1))  # never "other"
    np.testing.assert_array_equal(back[:, 6], a[:, 9:14].argmax(axis=1))
    assert {v: p.shape for v, p in chances.items()} == {2: (40,), 3: (40, 3), 6: (40, 5)}
    np.testing.assert_allclose(chances[6][0], softmax(a[0, 9:14]), rtol=1e-9)


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([Value("levels", i, 2 + i % 7) for i in range(300)], 300),
        ([Value("levels", 0, 1000, True), Value("number", 1)], 2),
        ([Value("flag", i) for i in range(3)], 3),
        ([Value("levels", 0, 1)], 1),
    ],
)
def test_many_columns_many_levels_and_one_kind_alone(values, cells):
    rng, layout = np.random.default_rng(0), Layout(tuple(values))
    x = np.column_stack([rng.integers(0, max(v.size, 2 - (v.size == 1)), 30) for v in values])
    x = np.minimum(x, [max(v.size - 1, v.kind != "levels") for v in values]).astype(float)
    x[0] = np.nan
    loss = bind_loss(MSE(), layout, x, np.ones(30), np.ones(cells))
    a = rng.normal(size=(30, loss.width)).astype(np.float32)
    cost = np.asarray(loss.from_linear(jnp.asarray(a), jnp.asarray(x.astype(np.float32))))
    again = np.asarray(loss(loss.shown(jnp.asarray(a)), jnp.asarray(x.astype(np.float32))))
    assert np.isfinite(cost).all()
    assert cost[0] == 0
    np.testing.assert_allclose(cost, again, rtol=1e-4, atol=1e-6)
    assert probabilities(loss, np.asarray(loss.shown(jnp.asarray(a)))).keys() == {
        i for i, v in enumerate(values) if v.kind in ("levels", "flag")
    }


# -- corruptions on cells ------------------------------------------------------------


def test_swaps_take_whole_cells_of_other_rows(rows):
    swapped = np.asarray(OnCells(Swap(rate=0.5), LAYOUT)(jax.random.key(0), jnp.asarray(rows)))
    x = rows.astype(np.float32)
    changed = ~((swapped == x) | (np.isnan(swapped) & np.isnan(x)))
    assert 0.2 < changed.mean() < 0.6
    for cell in range(6):
        places = np.flatnonzero(cell == CELLS)
        known = {tuple(np.nan_to_num(row, nan=-9)) for row in x[:, places]}
        assert {tuple(np.nan_to_num(row, nan=-9)) for row in swapped[:, places]} <= known


def test_swapped_cells_come_at_the_rate_and_keep_their_columns_values():
    x = np.random.default_rng(0).permuted(np.tile(np.arange(500.0), (7, 1)), axis=1).T
    swap = OnCells(Swap(rate=0.15), LAYOUT)
    hit = np.asarray(swap(jax.random.key(0), x)) != x
    np.testing.assert_array_equal(hit[:, 4], hit[:, 5])  # of one cell
    assert abs(hit[:, :5].mean() - 0.15) < 0.03
    every = np.asarray(OnCells(Swap(rate=1.0), LAYOUT)(jax.random.key(0), x))
    np.testing.assert_array_equal(np.sort(every, axis=0), np.sort(x, axis=0))
    place = np.argsort(x, axis=0)
    whom = np.column_stack([place[every[:, j].astype(int), j] for j in range(7)])
    assert all(len(set(row)) > 3 for row in whom)  # the cells of a row come from several others


def test_masks_hide_whole_cells_and_noise_moves_numbers_alone(rows):
    x, key = jnp.asarray(rows), jax.random.key(0)
    hidden = np.isnan(np.asarray(OnCells(Masking(rate=0.5), LAYOUT)(key, x)))
    np.testing.assert_array_equal(hidden[:, 4], hidden[:, 5])
    assert 0.4 < hidden.mean() < 0.7
    noisy = np.asarray(OnCells(Gaussian(std=0.1), LAYOUT)(key, x))
    old = rows.astype(np.float32)
    np.testing.assert_array_equal(noisy[:, [2, 3, 5, 6]], old[:, [2, 3, 5, 6]])
    there = ~np.isnan(old[:, :2])
    assert (noisy[:, :2] != old[:, :2])[there].all()
    np.testing.assert_array_equal(np.isnan(noisy), np.isnan(old))


def test_what_no_training_row_has_does_not_count():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"a": rng.normal(size=60), "b": rng.normal(size=60), "r": [None] * 59 + [1e6]}
    )
    schema = infer_schema(frame, {"r": "number"})
    X = schema.encode(frame)
    layout = layout_of(schema)
    scaler = fit_table_scaler("standard", X[:40], np.ones(40), layout)
    loss = bind_loss(MSE(), layout, scaler.forward(X[:40], "float64"), np.ones(40), np.ones(3))
    assert loss.share.tolist() == [1, 1, 0]
    cost = loss(np.zeros((1, loss.width)), scaler.forward(X[59:], "float64"))
    assert cost[0] < 20


def test_contributions_add_up_for_levels_that_seem_impossible():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"a": rng.normal(size=200), "c": rng.choice(list("xyz"), 200)})
    frame = frame.with_columns(d=pl.col("c").replace({"x": "p", "y": "q", "z": "r"}))
    ae = Autoencoder(3, "dense:hidden=[16]", learning_rate=0.05, max_epochs=200, random_state=0)
    ae.fit(frame)
    odd = frame.with_columns(c=pl.lit("NEW"))
    sums = ae.explain(odd).contribution.sum(axis=1)
    np.testing.assert_allclose(sums, -ae.score_samples(odd), rtol=1e-4)
    assert sums.min() > 1


def test_raw_errors_of_bent_columns_are_in_their_own_units():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"heavy": np.exp(3 * rng.normal(size=300)), "c": rng.choice(list("xy"), 300)}
    )
    ae = Autoencoder(2, max_epochs=3, early_stopping=False, random_state=0).fit(frame)
    assert ae.scaling_ == "asinh"
    rows = ae.schema_.encode(frame)
    error = np.mean((ae.fitted_.model.reconstruct(rows) - rows)[:, 0] ** 2)
    assert ae.baseline_["model_raw"] == pytest.approx(error, rel=1e-3)


def test_no_rows_have_results_of_the_right_width():
    frame = pl.DataFrame({"a": [1.0, 2.0, 4.0] * 9, "c": ["x", "y", "x"] * 9})
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(frame).fitted_.model
    assert model.encode(np.empty((0, 2))).shape == (0, 2)
    assert model.outputs(np.empty((0, 2))).shape == (0, model.mixed.width)

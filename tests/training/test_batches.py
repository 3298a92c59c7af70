"""Blocks of rows on several threads: each row gets what it gets alone, in its place."""

import threading

import numpy as np
import pytest

from isthmus import Autoencoder
from isthmus.training import batches

ROWS = 40_000  # in three blocks
SOME = (0, 511, 512, 16_383, 16_384, 32_767, ROWS - 1)  # around the ends of tiles and blocks


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(ROWS, 5)).astype("float32")


@pytest.fixture(scope="module")
def fitted(rows):
    return Autoencoder(2, "dense:hidden=[7]", max_epochs=2, random_state=0).fit(rows[:200])


@pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples"])
def test_a_row_among_many_gets_what_it_gets_alone(method, fitted, rows):
    given = getattr(fitted, method)
    whole = given(rows)
    for i in SOME:
        np.testing.assert_array_equal(given(rows[i : i + 1])[0], whole[i])
    np.testing.assert_array_equal(given(rows[::-1])[::-1], whole)


def test_rows_are_prepared_in_their_order_by_the_thread_that_asks(fitted, rows):
    model, seen, threads = fitted.fitted_.model, [], set()

    def prepare(part):
        seen.append(part)
        threads.add(threading.get_ident())
        return part

    with model.computing():
        batches.map_batches("encode", model.objective, model.net, rows, prepare)
    np.testing.assert_array_equal(np.concatenate(seen), rows)
    assert threads == {threading.get_ident()}

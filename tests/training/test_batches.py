"""Blocks of rows on several threads: each row gets what it gets alone, in its place."""

import threading
import time

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


def test_rows_are_prepared_one_part_after_the_other(fitted, rows):
    model, seen, busy = fitted.fitted_.model, [], threading.Lock()

    def prepare(part):
        assert busy.acquire(blocking=False)
        time.sleep(1e-3)
        seen.append(part)
        busy.release()
        return part

    with model.computing():
        batches.map_batches("encode", model.objective, model.net, rows, prepare)
    np.testing.assert_array_equal(np.concatenate(seen), rows)


def test_an_error_in_a_thread_is_raised(fitted, rows, monkeypatch):
    def broken(*arguments):
        if threading.current_thread() is not threading.main_thread():
            raise ArithmeticError("of a thread")
        return made(*arguments)

    made = batches._made
    monkeypatch.setattr(batches, "_made", broken)
    with pytest.raises(ArithmeticError, match="of a thread"):
        fitted.transform(rows)


def test_an_interrupt_ends_all_threads_soon(fitted, rows, monkeypatch):
    def interrupted(*arguments):
        begun.append(arguments)
        if threading.current_thread() is not threading.main_thread():
            raise KeyboardInterrupt
        return made(*arguments)

    begun, made = [], batches._made
    monkeypatch.setattr(batches, "_made", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted.transform(np.tile(rows, (20, 1)))
    assert len(begun) <= 1 + batches.MOST_THREADS

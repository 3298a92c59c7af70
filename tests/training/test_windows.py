"""The order of rows that are more than a window, and what is read ahead of time."""

import threading
import time

import numpy as np
import pytest

from isthmus.training import runtime
from isthmus.training.ahead import read_ahead
from isthmus.training.windows import Order


@pytest.mark.parametrize(
    ("n", "block", "window"),
    [(103, 4, 12), (100, 10, 100), (99, 10, 30), (5, 10, 100), (1000, 7, 21), (1000, 8, 100)],
)
def test_windows_of_blocks_hold_each_row_once(n, block, window):
    order = Order(n, block, window, seed=3)
    seen = []
    for number in range(order.windows):
        runs = order.runs(1, number)
        assert all(0 < stop - start <= block for start, stop in runs)
        assert sum(stop - start for start, stop in runs) == min(window, n - number * window)
        assert sorted(order.shuffled(1, number)) == list(range(min(window, n - number * window)))
        seen += [row for start, stop in runs for row in range(start, stop)]
    assert sorted(seen) == list(range(n))
    assert (seen == list(range(n))) == (order.windows == 1)
    assert order.windows == 1 or order.runs(0, 0) != order.runs(1, 0)


def test_rows_of_one_window_are_shuffled_whole():
    order = Order(50, block=8, window=64, seed=7)
    whole = np.random.default_rng((7, 2)).permutation(50)
    np.testing.assert_array_equal(order.shuffled(2, 0), whole)


def test_one_thing_is_made_ahead_and_no_more():
    made = []
    reading = read_ahead(lambda key, stopped: made.append(key) or key, range(9))
    assert next(reading) == 0
    time.sleep(0.05)
    assert made == [0, 1]
    reading.close()
    time.sleep(0.05)
    assert made == [0, 1]
    assert [*read_ahead(lambda key, stopped: key, [])] == []


def test_an_interrupt_does_not_wait_for_what_is_read(monkeypatch):
    ended = threading.Event()

    def slow(key, stopped):
        stopped.wait(20)
        ended.set()

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime, "QUESTIONS", [interrupt])
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(read_ahead(slow, [1]))
    assert time.monotonic() - begin < 1
    assert ended.wait(5)

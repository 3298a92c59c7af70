"""The order of rows that are more than a window, and what is read ahead of time."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from isthmus.training import ahead, runtime
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


PIPED = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
NEVER_READ = """
import runpy, sys, threading, types

def slow(key, stopped):
    print("reads", flush=True)
    threading.Event().wait(60)

runtime = types.SimpleNamespace(ask_between_chunks=lambda: None)  # without JAX, which takes seconds
sys.modules["isthmus.training.runtime"] = runtime
next(runpy.run_path(sys.argv[1])["read_ahead"](slow, [1]))
"""


def test_the_end_of_the_process_does_not_wait_for_a_slow_read():
    process = subprocess.Popen([sys.executable, "-c", NEVER_READ, ahead.__file__], **PIPED)
    assert process.stdout.readline() == "reads\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)  # a third of what the read takes
    assert err.endswith("KeyboardInterrupt\n")


def test_what_goes_wrong_while_reading_ahead_is_raised_where_it_is_asked_for():
    def broken(key, stopped):
        raise OSError(f"no row {key}")

    with pytest.raises(OSError, match="no row 7"):
        next(read_ahead(broken, [7]))


def test_blocks_of_fresh_rows_come_as_they_are_drawn():
    order = Order(103, 4, 12, seed=3, in_turn=True)
    runs = [run for number in range(order.windows) for run in order.runs(2, number)]
    assert [row for start, stop in runs for row in range(start, stop)] == list(range(103))

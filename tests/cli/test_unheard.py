"""Signals in a library's callback, where Python drops what is raised."""

import gc
import signal
import sys
import time

import pytest

from isthmus.cli.sources import Source


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_that_comes_in_a_callback_is_heard(cli, monkeypatch, name):
    """As in JAX's, which runs at each search for garbage."""

    def callback(phase, info):
        gc.callbacks.remove(callback)
        signal.raise_signal(getattr(signal, name))

    def check(*_):
        gc.callbacks.append(callback)
        gc.collect()
        for _ in range(1000):
            time.sleep(0.01)

    monkeypatch.setattr(Source, "check", check)
    hook = sys.unraisablehook
    ended = cli("score", "m.isthmus", "x.csv")
    assert ended.status == 128 + getattr(signal, name)
    assert ended.err == "isthmus: interrupted.\n"
    assert sys.unraisablehook is hook

"""Signals in the midst of a library: in its callbacks, and while it is imported."""

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


def test_a_library_that_a_signal_breaks_off_is_no_error(cli, monkeypatch):
    """As one in C, whose import then fails with words of its own."""

    def check(*_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    monkeypatch.setattr(Source, "check", check)
    ended = cli("score", "m.isthmus", "x.csv")
    assert (ended.status, ended.err) == (143, "isthmus: interrupted.\n")


def test_a_signal_waits_until_an_import_has_ended(cli, monkeypatch, tmp_path):
    """As that of JAX, whose C++ would end the process with what is raised there."""
    (tmp_path / "slow_library.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nsum(range(1000))\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def check(*_):
        import slow_library

        assert slow_library.whole
        for _ in range(1000):
            time.sleep(0.01)

    monkeypatch.setattr(Source, "check", check)
    ended = cli("score", "m.isthmus", "x.csv")
    assert (ended.status, ended.err) == (143, "isthmus: interrupted.\n")
    assert sys.modules.pop("slow_library").whole

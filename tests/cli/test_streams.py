"""Standard streams that are closed or fail, and what a terminal must not obey."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from isthmus import Autoencoder
from isthmus.cli.terminal import complain, signals
from isthmus.io import lasting_errors

ISTHMUS = f"{sys.executable} -m isthmus"


def shell(line):
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True)


class Failing(io.StringIO):
    """A stream that cannot be written to."""

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize("error", [BrokenPipeError(32, "x"), OSError(5, "x"), ValueError("closed")])
def test_a_standard_error_that_fails_loses_no_fit(ready, monkeypatch, error):
    monkeypatch.setattr("sys.stderr", Failing(error))
    words = "fit t.csv --columns a,b,c --max-epochs 2 --checkpoint --loss huber -o o.isthmus --json"
    ended = ready(words)
    assert ended.status == 0
    assert json.loads(ended.out)["epochs"] == 2
    assert Path("o.isthmus").is_file()


def test_streams_that_are_closed_at_the_start_are_no_files():
    code = (
        "import os\nfrom isthmus.cli.app import run\nfrom isthmus.cli.streams import standing_streams"
        "\nwith standing_streams():\n    assert os.open('x', os.O_CREAT, 0o600) > 2"
        "\nassert run(['info', 'no.isthmus']) == 1 and run(['--version']) == 0"
    )
    done = shell(f'cd $(mktemp -d) && {sys.executable} -c "{code}" <&- >&- 2>&-')
    assert done.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_standard_output_is_named():
    done = shell(f"{ISTHMUS} --version > /dev/full")
    assert done.returncode == 1
    expected = "isthmus: Cannot read or write to the standard output: No space left on device.\n"
    assert done.stderr == expected
    assert shell(f"{ISTHMUS} info no.isthmus 2> /dev/full").returncode == 1


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.caught():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


EVIL = "\x1b]0;owned\x07\u202e"
SHOWN = "\\x1b]0;owned\\x07\\u202e"


def test_names_command_no_terminal(ready, monkeypatch, capsys):
    complain(f"no column {EVIL}")
    assert capsys.readouterr().err == f"isthmus: no column {SHOWN}\n"
    X = pl.read_csv("t.csv").select(pl.col("a").alias(f"a{EVIL}"), "b")
    Autoencoder(1, max_epochs=1).fit(X).save("e.isthmus")
    X.with_columns(name=pl.lit(f"n{EVIL}")).write_parquet("e.parquet")
    assert f"n{EVIL}," in ready("score e.isthmus e.parquet --id name").out  # data for a program
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for words in ("score e.isthmus e.parquet --id name", "info e.isthmus"):
        ended = ready(words)
        assert SHOWN in ended.out
        assert "\x1b]" not in ended.out
    assert SHOWN in ready("score e.isthmus t.csv").err
    ended = ready("score e.isthmus t.csv --debug")
    assert "Traceback" in ended.err
    assert EVIL not in ended.err
    ended = ready("score e.isthmus e.parquet -o", f"{EVIL}.csv")
    assert f"{SHOWN}.csv" in ended.out


@pytest.mark.parametrize("name", ["gone", "none"])
def test_a_standard_error_that_is_left_still_is_a_stream(monkeypatch, name):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as gone:
        monkeypatch.setattr("sys.stderr", {"gone": gone, "none": None}[name])
        stream = lasting_errors()
        stream.writelines(["a", "b\n"])
        stream.flush()
        assert (stream.write("more"), stream.closed, stream.isatty()) == (4, True, False)
        print("x", file=stream)
        if name == "gone":
            assert (stream.encoding, stream.fileno()) == ("utf-8", writer)
        else:
            assert stream.encoding is None
            with pytest.raises(OSError, match="fileno"):
                stream.fileno()

"""A few hundred changed files of each kind; `make fuzz` reads as many as you like."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from fuzz import driver, mutate
from fuzz.corpus import Corpus
from fuzz.driver import Fuzzer, Progress, kept_seeds, run
from fuzz.guard import MEGABYTES, PEAK, TooSlowError, Watch
from fuzz.readers import READERS

INPUTS = 300
pytestmark = pytest.mark.skipif(not PEAK.exists(), reason="Linux alone measures memory like this")


@pytest.fixture(scope="session")
def watch():
    return Watch()  # an audit hook stays for good, and rests while it allows all


@pytest.fixture
def fuzzer(watch, tmp_path):
    def fuzzer(name, read=None):
        made = Fuzzer(name, watch, tmp_path / "read", 0, kept_seeds(name, tmp_path))
        made.path.parent.mkdir(exist_ok=True)
        if read:
            made.reader = made.reader._replace(read=read)
        return made

    return fuzzer


@pytest.mark.parametrize("name", READERS)
def test_readers_raise_only_what_is_documented(fuzzer, name, tmp_path):
    fuzzed = fuzzer(name)
    fuzzed.warm_up()
    (tmp_path / "now").write_bytes(b"")
    run(fuzzed, Progress(tmp_path / "state.json"), INPUTS, tmp_path / "now")
    assert fuzzed.findings == {}
    assert min(fuzzed.outcomes.values()) > 10
    assert sum(fuzzed.outcomes.values()) == INPUTS


def opens(path):
    Path(__file__).read_bytes()


def imports(path):
    sys.modules.pop("this_is_no_module", None)
    try:
        import this_is_no_module  # noqa: F401
    except ImportError:
        raise driver.READERS["csv"].error("There is none.") from None


def turns(error):
    def read(path):
        raise error

    return read


class Panic(BaseException):
    """As polars' PanicException is none of Python's exceptions."""


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (opens, "event open"),
        (imports, "event import"),
        (lambda path: subprocess.run("true", check=True), "event subprocess.Popen"),
        (lambda path: exec(""), "event exec"),
        (turns(TooSlowError()), "did not end"),
        (turns(Panic("x")), "Panic in"),
        (turns(KeyError("x")), "KeyError in"),
        (turns(READERS["csv"].error("no end")), "is no sentence"),
        (turns(READERS["csv"].error("\x1b[2J.")), "has control characters"),
        (lambda path: warnings.warn("x", SyntaxWarning, stacklevel=1), "SyntaxWarning in"),
    ],
)
def test_what_a_reader_must_not_do_is_seen(fuzzer, read, words):
    assert words in fuzzer("csv", read).judge(0, b"a\n1\n")


def test_what_a_reader_takes_much_memory_for_is_seen_each_time(fuzzer, monkeypatch):
    monkeypatch.setattr(driver, "MEGABYTES", 32)
    fuzzed = fuzzer("csv", lambda path: b"x" * (int(path.read_bytes()) << 20))
    took = [fuzzed.judge(i, size) for i, size in enumerate((b"100", b"8", b"64", b"8", b"64"))]
    assert took == ["took more than 32 MB", None] * 2 + ["took more than 32 MB"]
    assert MEGABYTES > 32


def test_what_a_reader_takes_too_long_for_is_seen(fuzzer, monkeypatch):
    monkeypatch.setattr(driver, "SECONDS", 0.0)
    assert "took more than 0 s" in fuzzer("csv").judge(0, b"a\n1\n")
    monkeypatch.setattr("fuzz.guard.PATIENCE", 0.01)
    before = signal.getsignal(signal.SIGALRM)

    def endless(path):
        while True:
            pass

    assert fuzzer("csv", endless).judge(0, b"") == "did not end"
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_run_that_was_ended_goes_on_with_the_same_inputs(fuzzer, tmp_path):
    (tmp_path / "now").write_bytes(b"")
    whole, parts = fuzzer("csv"), [fuzzer("csv") for _ in range(2)]
    run(whole, Progress(tmp_path / "whole.json"), 60, tmp_path / "now")
    for part, until in zip(parts, (25, 60), strict=True):
        run(part, Progress(tmp_path / "parts.json"), until, tmp_path / "now")
    assert int((tmp_path / "now").read_bytes()) == 59
    assert parts[1].outcomes == whole.outcomes
    assert json.loads((tmp_path / "parts.json").read_text())["next"] == 60
    assert [parts[1].input(i) for i in range(60)] == [whole.input(i) for i in range(60)]


def test_what_ended_nothing_is_kept_and_nothing_else(tmp_path):
    kept, fresh = tmp_path / "corpus" / "csv", tmp_path / "fresh"
    kept.mkdir(parents=True)
    fresh.mkdir()
    corpus = Corpus(kept, fresh)
    wrongs = [b"", b"KeyError in x (y): 'z'", b"did not end", b"took more than 3 s"]
    wrongs += [b"PanicException in x (y): 'an Error'", b"what x (y) says is no sentence: 'z'"]
    for i, wrong in enumerate(wrongs):
        name = hashlib.sha1(wrong).hexdigest()
        (fresh / name).write_bytes(wrong)
        corpus.judge(wrong, wrong.decode(), i != 0, i)
        corpus.keep()
    harmless = {wrongs[0], wrongs[1], wrongs[5]}
    assert {path.read_bytes() for path in kept.iterdir()} == harmless
    assert {path.name for path in corpus.found.iterdir()} == {"csv-1", "csv-5"}
    assert [*fresh.iterdir()] == []


@pytest.mark.parametrize("name", READERS)
def test_changes_take_any_bytes(name):
    holder = SimpleNamespace(
        seeds=(b"\0", b"PK", b"\x93NUMPY\x01", b"\x89PNG\r\n\x1a\n", b"II*\0" * 5)
    )
    for i in range(200):
        data = mutate.changed(random.Random(i), holder.seeds[i % 5], READERS[name].changes)
        assert len(data) <= mutate.MOST_BYTES

"""A few faults; `make faults` inflicts each of ten on all commands, as often as you like."""

import random

import pytest
from faults.commands import COMMANDS, words
from faults.inflict import FAULTS, Ended, Trial
from faults.judge import faults_of_end, faults_of_files
from faults.trials import laboratory
from faults.victim import jumping

from isthmus.cli.app import COMMANDS as KNOWN

OTHERS = {"demo"}  # takes minutes, and writes what the others write


def test_every_command_has_a_line():
    assert {*COMMANDS, *OTHERS} == {*KNOWN}
    assert all(words(name)[0] == name for name in COMMANDS)


@pytest.fixture(scope="module")
def place():
    with laboratory() as place:
        yield place


@pytest.mark.parametrize("fault", ["full", "readonly", "pipe"])
def test_nothing_is_lost_or_half_written(place, fault):
    assert place.trial("score", fault, 0) == []


# -- the judge: each thing that must not be is seen -------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ended", "words"),
    [
        ("full", Ended(0, b"", "", 0), None),
        ("full", Ended(1, b"", "isthmus: Cannot write o.csv: File too large.\n", 0), None),
        ("full", Ended(1, b"", "", 0), "failed without a word"),
        ("full", Ended(1, b"", "Traceback (most recent call last):\nOSError\n", 0), "a traceback"),
        ("full", Ended(1, b"", "terminate called\n", 0), "said 'terminate called'"),
        ("clock", Ended(1, b"", "isthmus: no.\n", 0), "status 1"),
        ("term", Ended(143, b"", "isthmus: interrupted.\n", 0), None),
        ("term", Ended(-15, b"", "", 0), None),
        ("term", Ended(-11, b"", "", 0), "status -11"),
        ("pipe", Ended(141, b"", "", 0), None),
    ],
)
def test_bad_ends_are_seen(kind, ended, words):
    wrong = faults_of_end(kind, ended, "o.csv")
    assert any(words in one for one in wrong) if words else wrong == []


WHOLE = b"score\n1.5\n"


@pytest.mark.parametrize(
    ("kind", "status", "files", "words"),
    [
        ("full", 1, {"t.csv": b"a\n1\n"}, None),
        ("full", 0, {"t.csv": b"a\n1\n", "o.csv": WHOLE}, None),
        ("full", 1, {"o.csv": WHOLE}, "lost t.csv"),
        ("full", 1, {"t.csv": b"a\n"}, "changed t.csv"),
        ("full", 1, {"t.csv": b"a\n1\n", "o.csv": b""}, "half of o.csv"),
        ("full", 1, {"t.csv": b"a\n1\n", "x.csv": b"a"}, "wrote x.csv"),
        ("full", 1, {"t.csv": b"a\n1\n", ".o.csv.x": b"a"}, "left a temporary file"),
        ("kill", -9, {"t.csv": b"a\n1\n", ".o.csv.x": b"a"}, None),
        ("full", 0, {"t.csv": b"a\n1\n"}, "said it was done, and wrote nothing"),
    ],
)
def test_bad_files_are_seen(tmp_path, kind, status, files, words):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    trial = Trial(tmp_path, [], 0, 0, random.Random())
    before = {"t.csv": b"a\n1\n"}
    wrong = faults_of_files(trial, kind, before, {"o.csv": WHOLE}, Ended(status, b"", "", 0))
    assert words in wrong if words else wrong == []


def test_a_clock_that_jumps(monkeypatch):
    now = jumping(lambda: 1e9, 0)
    times = [now() for _ in range(100)]
    assert len({*times}) > 5
    assert min(times) >= 0
    assert {"kill", "term", "int", "hup", "full", "readonly", "clock"} < FAULTS.keys()

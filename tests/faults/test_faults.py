"""A few faults; `make faults` inflicts each of ten on all commands, as often as you like."""

import pytest
from faults.commands import COMMANDS, words
from faults.inflict import FAULTS, SIGNALS, Ended
from faults.judge import Result, faults_of_end, faults_of_files, is_model, is_same
from faults.trials import laboratory
from faults.victim import jumping

import isthmus
from isthmus.cli.app import COMMANDS as KNOWN

# One takes minutes, and writes what the others write; one adds to its file, see tests/cli/test_monitor.
OTHERS = {"demo", "monitor", "warm"}


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
        ("full", Ended(0, b"", "", 0), "status 0"),
        ("full", Ended(1, b"", "isthmus: Cannot write o.csv: File too large.\n", 0), None),
        ("full", Ended(1, b"", "", 0), "failed without a word"),
        ("full", Ended(1, b"", "Traceback (most recent call last):\nOSError\n", 0), "a traceback"),
        ("full", Ended(1, b"", "terminate called\n", 0), "said 'terminate called'"),
        ("clock", Ended(1, b"", "isthmus: no.\n", 0), "status 1"),
        ("term", Ended(143, b"", "isthmus: interrupted.\n", 0), None),
        ("term", Ended(-15, b"", "", 0), None),
        ("term", Ended(-11, b"", "", 0), "status -11"),
        ("term", Ended(0, b"", "", 9, after=0.1), None),
        ("term", Ended(0, b"", "", 9, after=1.5), "did not hear a signal"),
        ("term", Ended(143, b"", "isthmus: interrupted.\n", 9, after=1.5), None),
        ("pipe", Ended(141, b"", "", 0), None),
    ],
)
def test_bad_ends_are_seen(kind, ended, words):
    wrong = faults_of_end(kind, ended, "o.csv")
    assert any(words in one for one in wrong) if words else wrong == []


def ends(kind, writes):
    """Return what statuses are let through, of all that there could be."""
    err, target = "isthmus: no.\n", "o.csv" if writes else ""
    return {n for n in range(-64, 256) if not faults_of_end(kind, Ended(n, b"", err, 0), target)}


def test_each_fault_has_its_ends_and_no_others():
    assert ends("kill", True) == {0, -9}
    assert ends("term", True) == ends("term", False) == {0, -15, 143}
    assert {kind: ends(kind, True) for kind in FAULTS if kind not in SIGNALS} == {
        "full": {1},
        "readonly": {1},
        "no-out": {0},
        "no-err": {0},
        "pipe": {0, 141},
        "clock": {0},
    }
    assert ends("full", False) == ends("readonly", False) == {0}


WHOLE, TABLE, EARLIER = b"name,score\na,1.5\nb,-2.25\n", b"a\n1\n", b"what was there"
INPUT = {"t.csv": TABLE}


@pytest.mark.parametrize(
    ("kind", "status", "files", "words"),
    [
        ("full", 1, INPUT, None),
        ("clock", 0, INPUT | {"o.csv": WHOLE}, None),
        ("full", 1, {"o.csv": WHOLE}, "lost t.csv"),
        ("full", 1, {"t.csv": b"a\n"}, "changed t.csv"),
        ("full", 1, INPUT | {"o.csv": b""}, "half of o.csv, or another"),
        ("full", 1, INPUT | {"x.csv": b"a"}, "wrote x.csv"),
        ("full", 1, INPUT | {".o.csv.x": b"a"}, "left a temporary file"),
        ("kill", -9, INPUT | {".o.csv.x": b"a"}, None),
        ("clock", 0, INPUT, "said it was done, and wrote nothing"),
        ("pipe", 141, INPUT, "said it was done, and wrote nothing"),
        ("term", 143, INPUT, None),
        ("readonly", 1, INPUT, None),
        ("readonly", 1, INPUT | {"o.csv": WHOLE}, "wrote o.csv where nothing may be written"),
        ("readonly", 1, INPUT | {"x": b""}, "wrote x where nothing may be written"),
        ("term", 143, INPUT | {"o.csv.previous": WHOLE}, "wrote o.csv.previous"),
    ],
)
def test_bad_files_are_seen(tmp_path, kind, status, files, words):
    assert judged(tmp_path, kind, status, INPUT, files, Result({"o.csv": WHOLE})) == [words] * (
        words is not None
    )


def judged(folder, kind, status, before, files, result):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return faults_of_files(folder, kind, before, result, Ended(status, b"", "", 0))


def test_an_earlier_result_is_no_result(tmp_path):
    before = INPUT | {"o.csv": EARLIER}
    result = Result({"o.csv": WHOLE})
    said = ["said it was done, and wrote nothing"]
    assert judged(tmp_path, "term", 143, before, before, result) == []
    assert judged(tmp_path, "clock", 0, before, before, result) == said
    result = Result({})  # as it goes to the standard output
    assert judged(tmp_path, "pipe", 141, before, INPUT | {"o.csv": WHOLE}, result) == [
        "changed o.csv"
    ]


@pytest.mark.parametrize("at", range(len(WHOLE)))
def test_a_table_that_is_cut_anywhere_is_seen(at):
    assert is_same("o.csv", WHOLE, WHOLE)
    assert not is_same("o.csv", WHOLE[:at], WHOLE)


TIMED = b"name,score,fit_seconds,score_seconds\na,1.5,0.25,1e-3\nb,2.5,1.25,2e-3\n"


def test_of_a_table_with_seconds_all_but_them_counts():
    assert is_same("o.csv", TIMED.replace(b"0.25,1e-3", b"3.5,17.25"), TIMED)
    assert not is_same("o.csv", TIMED.replace(b"a,1.5", b"a,1.6"), TIMED)
    assert not any(is_same("o.csv", TIMED[:at], TIMED) for at in range(len(TIMED)))


def test_of_a_report_all_but_seconds_and_the_day_counts():
    page = b"<tr><td>0.473</td><td>0.02</td></tr>\n<footer>on 2026-01-01.</footer></html>\n"
    assert is_same("o.html", page.replace(b"0.02", b"12.75").replace(b"2026", b"2027"), page)
    assert not is_same("o.html", page.replace(b"0.473", b"0.474"), page)
    assert not any(is_same("o.html", page[:at], page) for at in range(len(page)))


@pytest.fixture(scope="module")
def model(place):
    return (place.prepared / "m.isthmus").read_bytes()


@pytest.fixture(scope="module")
def slower(place, model):
    """The model of a machine that took another time."""
    loaded = isthmus.load(place.prepared / "m.isthmus")
    loaded.history_["seconds"][-1] += 100.0
    loaded.save(place.place / "slower.isthmus")
    return (place.place / "slower.isthmus").read_bytes()


def test_of_a_model_all_but_the_seconds_counts(place, model, slower):
    assert model != slower
    assert is_same("o.isthmus", slower, model)
    other = (place.prepared / "p.isthmus").read_bytes()
    assert is_model(other)
    assert not is_same("o.isthmus", other, model)


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_model_that_is_cut_anywhere_is_seen(model, share):
    cut = model[: int(share * len(model))]
    assert not is_model(cut)
    assert not is_same("o.isthmus", cut, model)
    turned = bytes([model[len(cut)] ^ 1])
    assert not is_same("o.isthmus", cut + turned + model[len(cut) + 1 :], model)


def test_a_fit_may_leave_checkpoints_unless_it_ends(tmp_path, place, model):
    checkpoint = (place.prepared / "p.isthmus").read_bytes()
    result = Result({"o.isthmus": model}, checkpoints=True)
    left = {"o.isthmus": checkpoint, "o.isthmus.previous": checkpoint}
    assert judged(tmp_path, "int", 130, {}, left, result) == []
    assert judged(tmp_path, "full", 1, {}, left, result) == []
    assert judged(tmp_path, "int", 0, {}, left, result) == [
        "half of o.isthmus, or another",
        "wrote o.isthmus.previous",
    ]
    for name in left:
        cut = left | {name: checkpoint[:-1]}
        assert judged(tmp_path, "kill", -9, {}, cut, result) == [f"half of {name}, or another"]


def test_a_clock_that_jumps(monkeypatch):
    now = jumping(lambda: 1e9, 0)
    times = [now() for _ in range(100)]
    assert len({*times}) > 5
    assert min(times) >= 0
    assert {"kill", "term", "int", "hup", "full", "readonly", "clock"} < FAULTS.keys()

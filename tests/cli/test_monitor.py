"""`isthmus monitor`: rows that arrive, decisions that outlive a crash, and an alarm."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import Monitor, OutlierDetector
from isthmus.io import read_tensors

NAMES = list("abcdef")


@pytest.fixture(scope="session")
def stream(tmp_path_factory):
    """Return a folder with a detector and rows to come, of which row 30 is far off, and 5 is bad."""
    folder, rng = tmp_path_factory.mktemp("stream"), np.random.default_rng(0)
    mix = rng.normal(size=(2, 6))

    def rows(n):
        return rng.normal(size=(n, 2)) @ mix + 0.3 * rng.normal(size=(n, 6))

    OutlierDetector(
        {"max_epochs": 4},
        n_estimators=2,
        contamination="none",
        calibration_fraction=0.5,
        random_state=0,
    ).fit(pl.DataFrame(rows(500), schema=NAMES)).save(folder / "d.isthmus")
    x = rows(60)
    x[30] = 25
    frame = pl.DataFrame(x, schema=NAMES).with_columns(
        name=pl.Series([f"=n{i}, the {i}th" for i in range(60)])
    )
    frame.write_csv(folder / "new.csv")
    lines = (folder / "new.csv").read_text().splitlines(keepends=True)
    lines[6] = f"oops{lines[6][lines[6].index(',') :]}"
    (folder / "new.csv").write_text("".join(lines))
    frame.write_ndjson(folder / "new.jsonl")
    return folder


@pytest.fixture
def ready(cli, stream, tmp_path):
    for path in stream.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return lambda words: cli(*words.split())


@pytest.fixture
def lines(ready):
    return Path("new.csv").read_text().splitlines(keepends=True)


@contextmanager
def piped(*words):
    command = [sys.executable, "-m", "isthmus", "monitor", "d.isthmus", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def test_each_row_has_its_line(ready):
    ended = ready("monitor d.isthmus --new new.csv --id name --explain 2 -o o.csv --quiet")
    assert (ended.status, ended.out) == (0, ""), ended
    table = pl.read_csv("o.csv")
    assert table.columns == [
        "row", "name", "pvalue", "level", "outlier", "because1", "because2", "problem"
    ]  # fmt: skip
    assert table["row"].to_list() == list(range(60))
    assert table.filter("outlier")["row"].to_list() == [30]
    assert table["name"][30] == "'=n30, the 30th"  # a spreadsheet would run it
    assert ", got 25" in table["because1"][30]
    bad = table.filter(pl.col("problem").is_not_null())
    assert bad["row"].to_list() == [5]
    assert bad["pvalue"].to_list() == [None]
    assert bad["problem"].to_list() == ["a is 'oops'"]


def test_decisions_are_those_of_python(ready):
    ready("monitor d.isthmus --new new.jsonl -o o.jsonl --quiet")
    frame = pl.read_ndjson("new.jsonl").select(NAMES)
    decided = Monitor(isthmus.load("d.isthmus")).update(frame)
    found = pl.read_ndjson("o.jsonl")
    for name in ("row", "pvalue", "level", "outlier"):
        assert found[name].to_list() == getattr(decided, name).tolist()


def test_lines_on_the_standard_output(ready):
    ended = ready("monitor d.isthmus --new new.csv")
    assert ended.out.startswith("row,pvalue,level,outlier,problem\n0,")
    assert ended.out.count("\n") == 61
    assert ended.err == "isthmus: rows 60, unscored 1, alerts 1, pvalues tail\n"
    ended = ready("monitor d.isthmus --new new.csv --json --quiet")
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [line["row"] for line in found if line.get("outlier")] == [30]
    assert ended.err == ""


def test_a_file_whose_numbers_have_a_comma_says_what_to_do(ready, lines):
    Path("comma.csv").write_text("".join(lines[:4]).replace(",", ";").replace(".", ","))
    ended = ready("monitor d.isthmus --new comma.csv --id name")
    assert ended.status == 1
    assert "say --decimal comma" in ended.out
    assert "No row could be scored" in ended.err
    ended = ready("monitor d.isthmus --new comma.csv --id name --decimal comma")
    assert (ended.status, "rows 3, unscored 0" in ended.err) == (0, True), ended


def test_a_file_that_grew_is_read_on_and_another_from_its_start(ready, lines):
    ready("monitor d.isthmus --new new.csv -o whole.csv --quiet")
    words = "monitor d.isthmus --new part.csv -o o.csv --state s.state --metrics m.prom --quiet"
    for end in (20, 21, 21, 61):
        Path("part.csv").write_text("".join(lines[:end]))
        assert ready(words).status == 0
    assert Path("o.csv").read_text() == Path("whole.csv").read_text()
    assert "isthmus_rows_total 59\n" in Path("m.prom").read_text()
    Path("part.csv").write_text("".join([lines[0], *lines[40:]]))
    assert ready(words).status == 0
    assert pl.read_csv("o.csv")["row"].to_list() == list(range(81))


def test_a_crash_between_state_and_output_is_mended(ready, lines):
    words = "monitor d.isthmus --new part.csv -o o.csv --state s.state --quiet"
    for end in (20, 40):
        Path("part.csv").write_text("".join(lines[:end]))
        ready(words)
    right = Path("o.csv").read_text()
    first = read_tensors("s.state")[1]["notes"]["output"]
    for size in (first, first + 7, len(right) - 1):
        Path("o.csv").write_text(right[:size])
        assert ready(words).status == 0
        assert Path("o.csv").read_text() == right
    Path("o.csv").write_text(right[: first - 1])
    ended = ready(words)
    assert ended.status == 2
    assert "o.csv is shorter than the state says" in ended.err


def test_the_last_lines_are_sent_again_when_asked_for(ready, lines):
    Path("part.csv").write_text("".join(lines[:20]))
    words = "monitor d.isthmus --new part.csv --state s.state --quiet"
    once, again = ready(words).out, ready(f"{words} --resend").out
    assert again == once
    assert ready(words).out == ""


def test_killed_between_any_two_rows_nothing_is_lost_or_decided_twice(ready, lines):
    right = ready("monitor d.isthmus --new new.csv --json --quiet").out.splitlines()
    found, row = [], 0
    for stop in (3, 8):
        sent = [lines[0]] if row == 0 else []  # a reader that goes on has the names no more
        with piped("--state", "s.state", "--json", "--quiet") as process:
            while row < stop:
                process.stdin.write("".join([*sent, lines[row + 1]]))
                process.stdin.flush()
                found.append(process.stdout.readline().strip())
                sent, row = [], row + 1
            os.kill(process.pid, signal.SIGKILL)
    assert found == right[:8]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_between_two_rows(ready, lines, number):
    with piped("--state", "s.state") as process:
        process.stdin.write("".join(lines[:3]))
        process.stdin.flush()
        assert process.stdout.readline().startswith("row,")
        process.stdout.readline()
        process.send_signal(number)
        assert process.stderr.read() == "isthmus: interrupted.\n"
        assert process.wait() == 128 + number
    assert read_tensors("s.state")[1]["rows"] == 2


def test_a_drift_is_told_once(ready, lines):
    rows = pl.read_csv("new.csv", ignore_errors=True).drop_nulls()
    later = pl.concat([rows] * 5).with_columns(pl.col("c") + 3)
    pl.concat([rows, rows, later]).write_csv("drift.csv")
    ended = ready("monitor d.isthmus --new drift.csv --json --quiet --state s.state")
    (drift,) = [json.loads(line) for line in ended.out.splitlines() if "drift" in line]
    assert drift["drift"]["columns"] == {"c": "higher"}
    assert ended.err.startswith(f"isthmus: drift: row {drift['drift']['row']}: Rows are no longer")
    with Path("drift.csv").open("a") as file:
        file.write("".join(lines[1:3]))
    ended = ready("monitor d.isthmus --new drift.csv --state s.state --json")
    assert ended.out.count("\n") == 2
    assert "drift since row" in ended.err


def test_a_quoted_cell_may_go_over_lines_and_names_may_come_again(ready, lines):
    cells = lines[1].strip().rpartition(",")[0].rpartition(",")[0]
    odd = f'{cells},"two\nlines"\n'
    Path("odd.csv").write_text("".join([lines[0], odd, "\n", lines[0], lines[2], "1,2\n"]))
    ended = ready("monitor d.isthmus --new odd.csv --id name --json --quiet")
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [line.get("problem") for line in found] == [
        None,
        None,
        "2 cells, and there are 7 columns",
    ]
    assert found[0]["name"] == "two\nlines"


def test_lines_that_are_no_json_are_marked(ready):
    text = Path("new.jsonl").read_text().splitlines()[0]
    Path("odd.jsonl").write_text(f'{text}\noops\n[1]\n{{"a": 1}}\n{text}\n')
    ended = ready("monitor d.isthmus --new odd.jsonl --json --quiet")
    problems = [json.loads(line).get("problem") for line in ended.out.splitlines()]
    assert problems[0] is problems[4] is None
    assert problems[1].startswith("no JSON: Expecting value")
    assert problems[2] == "no JSON object"
    assert problems[3] == "b is missing, c is missing, d is missing and 2 more"


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        ("d.isthmus --new no.csv", "Cannot read no.csv: there is no such file", 1),
        ("d.isthmus --new d.isthmus", "must end in .csv, .tsv, .jsonl, .ndjson", 2),
        ("d.isthmus --new new.csv --fdr 2", "fdr must be a number in (0, 1); got 2.0", 2),
        ("d.isthmus --new new.csv --pvalues best", "pvalues must be one of 'tail', 'confor", 2),
        ("d.isthmus --new new.csv --explain -1", "--explain must be at least 0", 2),
        ("d.isthmus --new new.csv --decimal dot", "--decimal must be point or comma", 2),
        ("d.isthmus --new new.csv --state s.txt", "must end in .state", 1),
        ("d.isthmus --new new.csv --metrics m.txt", "must end in .prom", 1),
        ("d.isthmus --new new.csv -o o.parquet", "must end in .csv or .jsonl", 1),
        ("d.isthmus --new new.csv -o new.csv", "is also an input", 1),
        ("d.isthmus --new new.csv --resend", "--resend prints decisions of a --state again", 2),
        ("d.isthmus --new other.csv", "other.csv lacks the column 'a'", 1),
        ("d.isthmus --new new.csv --id many", "no column 'many', which --id names. It has: a,", 1),
        ("d.isthmus --new new.csv --id problem", "'problem' has the name of a column", 2),
    ],
)
def test_what_cannot_be_is_refused(ready, words, text, status):
    Path("other.csv").write_text("x,y\n1,2\n")
    ended = ready(f"monitor {words}")
    assert ended.status == status, ended
    assert ended.err.count("\n") == 1
    assert text in ended.err
    assert not Path("s.state").exists()


def test_no_rows_are_said_to_be_none(ready, lines):
    Path("names.csv").write_text(lines[0])
    ended = ready("monitor d.isthmus --new names.csv --quiet")
    assert (ended.status, ended.out) == (0, "")
    assert ended.err == "isthmus: names.csv has no rows: nothing was decided.\n"
    ready("monitor d.isthmus --new new.csv --state s.state --quiet")
    ended = ready("monitor d.isthmus --new new.csv --state s.state")
    assert ended.err.startswith("isthmus: new.csv has no new rows: nothing was decided.\n")


def test_a_state_keeps_its_options(ready):
    ready("monitor d.isthmus --new new.csv --state s.state --fdr 0.2 --quiet")
    assert read_tensors("s.state")[1]["parameters"]["fdr"] == 0.2
    ended = ready("monitor d.isthmus --new new.csv --state s.state --fdr 0.1")
    assert ended.status == 2
    assert "s.state was begun with other options: leave --fdr out" in ended.err

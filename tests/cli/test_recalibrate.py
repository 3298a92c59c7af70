"""`isthmus recalibrate` and `isthmus threshold`: what the detector does, kept, shown and refused."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import Autoencoder, OutlierDetector
from isthmus.outliers import threshold_table


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder with detectors by contamination, by a rate and by p-values."""
    folder, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    x = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(200, 4))
    frame = pl.DataFrame(x, schema=list("abcd"))
    (frame[120:] + 0.5).insert_column(0, pl.Series("name", [f"n{i}" for i in range(80)])).write_csv(
        folder / "today.csv"
    )
    small = {"max_epochs": 2, "n_components": 2}
    for name, rule in {
        "auto": {},
        "rate": {"target_fpr": 0.1},
        "fdr": {"alpha": 0.1, "fdr": True, "calibration": "cross"},
    }.items():
        detector = OutlierDetector(small, n_estimators=2, random_state=0, **rule).fit(frame[:120])
        detector.save(folder / f"{name}.isthmus")
    Autoencoder(2, max_epochs=1).fit(frame).save(folder / "m.isthmus")
    return folder


@pytest.fixture
def cli(cli, made):
    for path in made.iterdir():
        Path(path.name).write_bytes(path.read_bytes())
    return cli


def today():
    return pl.read_csv("today.csv").drop("name")


@pytest.mark.parametrize(("name", "rows"), [("rate", "normal"), ("fdr", "normal"), ("auto", "any")])
def test_the_file_is_the_detectors(cli, name, rows):
    words = ("recalibrate", f"{name}.isthmus", "today.csv", "--rows", rows, "-o", "new.isthmus")
    ended = cli(*words, "--id", "name", "--json")
    assert (ended.status, ended.err) == (0, ""), ended
    told, found = json.loads(ended.out), isthmus.load("new.isthmus")
    same = isthmus.load(f"{name}.isthmus").recalibrate(today(), rows=rows)
    assert found.offset_ == same.offset_
    np.testing.assert_array_equal(found.predict(today()), same.predict(today()))
    (done,) = found.recalibrations_
    assert {key: told[key] for key in done._asdict()} == done._asdict()
    assert (told["output"], told["rows"], told["taken_for"]) == ("new.isthmus", 80, rows)
    d = json.loads(cli("info", "new.isthmus", "--json").out)["detector"]
    assert d["recalibrations"] == [done._asdict()]
    assert d["n_held_out"] == (80 if rows == "normal" else 0)


def test_what_is_shown(cli):
    for i in range(5):
        before = f"{i or 'rate'}.isthmus"
        ended = cli("recalibrate", before, "today.csv", "-o", f"{i + 1}.isthmus")
    assert re.fullmatch(
        r"output +5.isthmus\nrows +80, taken for normal\nthreshold +(-\S+), before \1\n"
        r"outliers +a false-positive rate of 0.1\n",
        ended.out,
    )
    text = cli("info", "5.isthmus").out
    assert "  p-values      by 80 recent rows\n  recalibrated  2 times before\n" in text
    line = (
        r"  recalibrated  \S+ \S+ UTC, by 80 rows taken for normal: threshold -\S+, before -\S+\n"
    )
    assert len(re.findall(line, text)) == 3


def test_on_a_terminal_lines_are_a_table_and_a_table_stays_csv(cli, monkeypatch):
    plain = cli("threshold", "rate.isthmus", "today.csv").out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli("threshold", "rate.isthmus", "today.csv").out == plain
    shown = cli("recalibrate", "rate.isthmus", "today.csv", "-o", "new.isthmus").out
    assert "80, taken for normal" in shown
    assert shown.startswith("┌")


@pytest.mark.parametrize("name", ["auto", "rate", "fdr"])
def test_the_table_is_the_detectors(cli, name):
    found = isthmus.load(f"{name}.isthmus")
    judged = found.pvalues(today()) if found.by_pvalues else found.score_samples(today())
    want = threshold_table(found, judged).frame()
    before = Path(f"{name}.isthmus").read_bytes()
    told = json.loads(cli("threshold", f"{name}.isthmus", "today.csv", "--json").out)
    assert pl.DataFrame(told["table"], schema=want.schema).equals(want)
    assert told["rows"] == 80
    ended = cli("threshold", f"{name}.isthmus", "today.csv")
    assert ended.out.splitlines()[0] == "rate,threshold,alerts,false_alarms,current"
    assert ended.out.count("\n") == len(want) + 1
    assert ended.err.startswith("isthmus: rows 80, ")
    assert cli("threshold", f"{name}.isthmus", "today.csv", "-o", "o.parquet").status == 0
    assert pl.read_parquet("o.parquet").equals(want)
    assert Path(f"{name}.isthmus").read_bytes() == before


def test_bad_rows_are_left_out(cli):
    lines = Path("today.csv").read_text().splitlines()
    Path("bad.csv").write_text("\n".join([*lines, "n80,1,none,2,3", ""]))
    words = ("recalibrate", "rate.isthmus", "bad.csv", "-o", "new.isthmus")
    ended = cli(*words, "--json")
    assert json.loads(ended.out)["rows"] == 80
    assert "bad.csv: 1 of 81 rows cannot be used, and they are left out" in ended.err
    table = json.loads(cli("threshold", "rate.isthmus", "bad.csv", "--json").out)
    assert (table["rows"], table["unscored"]) == (80, 1)
    assert cli(*words, "--force", "--bad-rows", "fail").status == 1


def test_detectors_of_images_and_of_mixed_tables(ready):
    for model, rows in (("dp.isthmus", "photos.npy"), ("dmixed.isthmus", "gaps.csv")):
        assert ready(f"threshold {model} {rows}").out.startswith("rate,threshold,alerts,")
    assert ready("recalibrate dmixed.isthmus gaps.csv -o new.isthmus --quiet").status == 0
    assert len(isthmus.load("new.isthmus").calibration_scores_) == 60


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        ("recalibrate rate.isthmus few.csv -o o.isthmus", "few.csv: 8 rows cannot recal", 2),
        ("recalibrate rate.isthmus few.csv -o o.isthmus", "takes at least 9: give more", 2),
        (
            "recalibrate rate.isthmus today.csv --rows any -o o.isthmus",
            "--rows any is for a threshold by contamination alone, and this detector bounds a rate "
            "of normal rows, 0.1: give rows that are normal, with --rows normal.",
            2,
        ),
        ("recalibrate rate.isthmus today.csv --rows x -o o.isthmus", "--rows", 2),
        ("recalibrate rate.isthmus today.csv -o o.csv", "must end in .isthmus", 1),
        ("recalibrate rate.isthmus today.csv -o rate.isthmus", "is also an input", 1),
        ("recalibrate rate.isthmus no.csv -o o.isthmus", "Cannot read no.csv", 1),
        ("recalibrate m.isthmus today.csv -o o.isthmus", "holds a single autoencoder", 2),
        ("recalibrate rate.isthmus today.csv", "output", 2),
        ("threshold m.isthmus today.csv", "holds a single autoencoder", 2),
        ("threshold rate.isthmus today.csv -o o.npy", "must end in .csv", 1),
        ("threshold today.csv rate.isthmus", "rate.isthmus is a model, and data are needed", 2),
    ],
)
def test_refusals_are_one_line(cli, words, text, status, monkeypatch):
    for name in ("score_samples", "pvalues"):
        monkeypatch.setattr(OutlierDetector, name, lambda *_: pytest.fail("it scored"))
    pl.read_csv("today.csv").head(8).write_csv("few.csv")
    ended = cli(*words.split(), "--quiet")
    assert (ended.status, ended.out) == (status, ""), ended
    assert ended.err.count("\n") == 1
    assert text in ended.err
    assert not Path("o.isthmus").exists()

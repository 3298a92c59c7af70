"""Sources that are too large to be read as a whole: block by block, to the results of a whole."""

import errno
import gzip
import json
import os
import re
import signal
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors import safe_open

from isthmus import Autoencoder, OutlierDetector
from isthmus.cli import big, rows, shown
from isthmus.cli.app import COMMANDS as COMMAND_NAMES
from isthmus.io import growing, pieces, write_table
from isthmus.io.blocks.frames import FrameBlocks
from isthmus.training import Trainer, ahead, windows

ROWS = 60
COMMANDS = {
    "encode": "encode m.isthmus DATA",
    "layer": "encode m.isthmus DATA --layer 1 --id name",
    "score": "score m.isthmus DATA --id name,kind",
    "detect": "detect DATA --model d.isthmus --explain 2",
    "reconstruct": "reconstruct m.isthmus DATA --id name",
    "held": "detect DATA --model held.isthmus --explain 1 --id name",
}


@pytest.fixture
def data(ready, rng):
    """Write a table in several formats, good and with bad rows."""
    x = rng.normal(size=(ROWS, 4))
    names = pl.Series([f"n{i}" for i in range(ROWS)])
    table = pl.DataFrame(x, schema=list("abcd")).with_columns(name=names, kind=pl.lit("=u"))
    table.write_parquet("t.parquet", row_group_size=7)
    table.write_ipc("t.arrow", record_batch_size=9)
    np.save("t.npy", x)
    np.save("bad.npy", np.where(x > 2, np.nan, x))
    Path("parts").mkdir()
    for i in range(4):
        table[15 * i :][:15].write_parquet(f"parts/{i}.parquet")
    bad = table.with_columns(b=table["b"].scatter([31, 40], [None, float("inf")]))
    bad.write_parquet("bad.parquet")
    late = table.with_columns(a=table["a"].scatter(list(range(14)), None))
    late.write_parquet("late.parquet")
    write_table(Path("t.csv.gz"), table, raw=True)
    table.write_csv("t.csv")
    bad = bad.with_columns(kind=pl.Series([" u", "NA", "v"] * 20))
    bad.write_csv("bad.csv", separator=";")
    Path("texts").mkdir()
    for i, names in enumerate(["abcd", "dcba", "badc"]):
        part = bad[20 * i :][:20].select(*names, "name", "kind")
        part.write_csv(f"texts/{i}.csv", separator=";,\t"[i])
    return ready


@pytest.fixture
def small(monkeypatch):
    """Return what makes all sources big ones, read in blocks of so many rows."""

    def small(rows=7):
        monkeypatch.setattr(big, "BIG", 0)
        monkeypatch.setattr(big, "VALUES", 4 * rows)

    return small


def content(path):
    """Return what a result holds, however it is packed."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix in (".parquet", ".feather", ".arrow"):
        frame = {"parquet": pl.read_parquet}.get(path.suffix[1:], pl.read_ipc)(path)
        return frame.schema, frame.rows()
    return path.read_bytes()


def both(run, small, words, ending):
    """Run a command in both ways, and return what each leaves."""
    found = []
    for name in ("whole", "blocks"):
        if name == "blocks":
            small()
        path = Path(f"{name}{ending}")
        ended = run(f"{words} -o {path}")
        assert ended.status == 0, ended.err
        found.append((content(path), ended.out.replace(name, ""), ended.err.replace(name, "")))
    return found


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("source", ["t.parquet", "bad.parquet", "late.parquet"])
def test_blocks_give_the_results_of_a_whole(data, small, name, source):
    whole, blocks = both(data, small, COMMANDS[name].replace("DATA", source), ".parquet")
    assert blocks[0] == whole[0]
    assert blocks[1] == whole[1]
    said = [line for line in blocks[2].splitlines() if "rows" not in line or "warning" in line]
    assert said == whole[2].splitlines()


def warnings_of(found):
    return [line for line in found[2].splitlines() if "warning" in line]


SOURCES = {
    "arrow": "score m.isthmus t.arrow --id name -o OUT.csv",
    "array": "encode m.isthmus t.npy -o OUT.npy",
    "bad array": "encode m.isthmus bad.npy -o OUT.npy",
    "folder": "score m.isthmus parts --id kind -o OUT.csv.gz",
    "pattern": "reconstruct m.isthmus parts/*.parquet --id name -o OUT.jsonl",
    "text": "reconstruct m.isthmus bad.csv --id name,kind -o OUT.csv",
    "a number as identifier": "score m.isthmus t.csv --id b -o OUT.csv",
    "packed": "encode m.isthmus t.csv.gz --id kind -o OUT.csv",
    "folder of text": "reconstruct m.isthmus texts --id name,kind -o OUT.csv",
    "pattern of text": "score m.isthmus texts/*.csv --id kind -o OUT.jsonl",
    "words of several": "score words.isthmus texts -o OUT.csv",
    "words": "score words.isthmus bad.csv -o OUT.csv",
    "all cells": "score mixed.isthmus gaps.csv -o OUT.csv",
    "mixed": "reconstruct mixed.isthmus mixed.parquet -o OUT.arrow",
    "filled": "score mixed.isthmus mixed.parquet -o OUT.feather",
    "json": "score m.isthmus bad.parquet --json -o OUT.parquet",
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources_and_formats(data, small, monkeypatch, name):
    monkeypatch.setattr(pieces, "PIECE", 999)
    if "words" in name:
        table = pl.read_csv("bad.csv", separator=";").with_columns(pl.col("kind").str.strip_chars())
        known = table.filter(pl.col("b").is_finite()).select("a", "b", "kind")
        Autoencoder(2, max_epochs=2, random_state=0).fit(known).save("words.isthmus")
    pl.read_csv("gaps.csv", try_parse_dates=True).write_parquet("mixed.parquet")
    words, _, ending = SOURCES[name].partition(" -o OUT")
    whole, blocks = both(data, small, words, ending)
    assert blocks[0] == whole[0]
    assert warnings_of(blocks) == warnings_of(whole)
    if "of text" in name:
        assert "60 of 60 rows" in blocks[2]
    if name == "json":  # the means of blocks are added up in another order
        one, other = (json.loads(found[1]) for found in (whole, blocks))
        assert one.pop("score") == pytest.approx(other.pop("score"), rel=1e-12)
        assert other == one
    else:
        assert blocks[1] == whole[1]


def test_what_is_printed_is_what_a_whole_prints(data, small):
    words = "detect bad.parquet --model d.isthmus --id kind"
    whole = data(words)
    small()
    blocks = data(words)
    assert blocks.out == whole.out
    assert blocks.err.splitlines()[-2:] == whole.err.splitlines()[-2:]
    assert data(words, "--json").out == data(words, "--json").out


USED = {
    "score m.isthmus t.parquet --id name": "abcd name",
    "detect parts --id name --columns a,c --n-estimators 2 --max-epochs 2 --quiet": "ac name",
    "fit t.parquet --ignore b,name,kind --max-epochs 2": "acd",
    "embed m.isthmus t.parquet --method pca --color kind": "abcd kind",
}


@pytest.mark.parametrize("words", USED)
def test_no_columns_are_read_but_those_that_are_used(data, small, monkeypatch, words):
    small()
    monkeypatch.setattr(shown, "MOST", 30)
    read, found = FrameBlocks.read, set()

    def reading(blocks, start, stop):
        frame = read(blocks, start, stop)
        found.update(frame.columns if len(frame) else ())
        return frame

    monkeypatch.setattr(FrameBlocks, "read", reading)
    ending = "isthmus" if words.startswith("fit") else "csv"
    ended = data(f"{words} -o used.{ending}")
    assert ended.status == 0, ended.err
    letters, *others = USED[words].split()
    assert found == {*letters, *others}


def test_decisions_on_all_rows_together(data, small, rng):
    x = rng.normal(size=(200, 4))
    x[::20] *= 9
    pl.DataFrame(x, schema=list("abcd")).write_parquet("far.parquet")
    table = pl.read_parquet("t.parquet").select("a", "b", "c", "d")
    found = OutlierDetector(
        Autoencoder(2, max_epochs=2), n_estimators=2, contamination="none", random_state=0,
        calibration_fraction=0.5, alpha=0.3, fdr=True,
    )  # fmt: skip
    found.fit(pl.concat([table] * 4)).save("fdr.isthmus")
    whole, blocks = both(data, small, "detect far.parquet --model fdr.isthmus", ".csv")
    assert blocks[0] == whole[0]
    assert b"true" in whole[0]


def test_refusals(data, small, monkeypatch):
    small()
    x = np.load("t.npy")
    np.save("none.npy", np.full_like(x, np.nan))
    assert data("encode m.isthmus none.npy -o o.csv").status == 1
    ended = data("encode m.isthmus bad.parquet --bad-rows fail -o o.csv")
    assert (ended.status, "row 31" in ended.err) == (1, True)
    assert "cannot hold a table" in data("encode m.isthmus t.parquet -o o.xlsx").err
    assert not list(Path().glob("*o.*"))


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
@pytest.mark.parametrize(
    ("words", "at"), [("encode m.isthmus t.parquet", 4), ("impute t.parquet", 25)]
)
def test_a_result_is_whole_or_not_there(data, small, monkeypatch, words, at, ending):
    small()
    Path(f"o{ending}").write_text("mine")
    words = f"{words} -o o{ending} --force"
    read, times = FrameBlocks.read, []

    def fails(error):
        def reading(blocks, start, stop):
            times.append(start)
            if len(times) == at:
                assert list(Path().glob(f".*{ending}*"))  # it has begun
                raise error
            return read(blocks, start, stop)

        times.clear()
        monkeypatch.setattr(FrameBlocks, "read", reading)
        return data(words)

    assert fails(OSError(errno.ENOSPC, "No space left on device")).status == 1
    assert fails(KeyboardInterrupt()).status == 130
    assert Path(f"o{ending}").read_text() == "mine"
    assert not list(Path().glob(".o*"))


def test_a_disk_that_gets_full_is_named(data, small, monkeypatch):
    small()

    def full(rows, path):
        rows.head(20).sink_csv(path)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(growing.SINKS, ".parquet", full)
    ended = data("encode m.isthmus t.parquet -o o.parquet")
    assert (ended.status, "Cannot write o.parquet" in ended.err) == (1, True)
    assert "No space left" in ended.err
    assert not list(Path().glob("*o.parquet*"))


FITS = {
    "parquet": "fit t.parquet --ignore name,kind --max-epochs 2 -o OUT.isthmus",
    "mixed": "fit mixed.parquet --max-epochs 2 --test mixed.parquet -o OUT.isthmus",
    "text": "fit t.csv --ignore name,kind --max-epochs 2 -o OUT.isthmus",
    "texts": "fit texts --ignore b,name,kind --max-epochs 2 -o OUT.isthmus",
    "weights": "fit weights.parquet --weight count --max-epochs 2 -o OUT.isthmus",
    "weights in text": "fit weights.csv --weight count --max-epochs 2 -o OUT.isthmus",
    "array": "fit t.npy --max-epochs 2 -o OUT.isthmus",
    "resumed": "fit t.parquet --resume m.isthmus -o OUT.isthmus",
    "detector": "detect parts --id name --ignore kind --save OUT.isthmus --n-estimators 2",
    "explained": "detect mixed.parquet --ignore name --explain 1 --n-estimators 2 --max-epochs 2",
    "lines": "detect t.csv --id b --ignore name,kind -o OUT.csv --n-estimators 2",
    "new": "detect t.csv --ignore name,kind --new t.parquet --contamination none -o OUT.csv",
}


def write_weighted(empty=()):
    """Write a table with weights, missing in some rows."""
    count = pl.int_range(ROWS, eager=True).set(pl.int_range(ROWS, eager=True).is_in(empty), None)
    table = pl.read_parquet("t.parquet").select("a", "b", count=count, c="c")
    table.write_parquet("weights.parquet")
    table.write_csv("weights.csv")


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_weights_that_are_missing_are_counted(data, small, ending, monkeypatch):
    write_weighted([5, 50])
    words = f"fit weights.{ending} --weight count -o w.isthmus"
    whole = data(words)
    small()
    monkeypatch.setattr(rows, "_read", None)
    assert (data(words).err, "'count' (2)" in whole.err) == (whole.err, True)


FILLED = {
    "model": "impute holes.parquet --model mixed.isthmus -o OUT.parquet",
    "none missing": "impute full.parquet --model mixed.isthmus -o OUT.jsonl",
    "nothing to learn": "impute full.parquet -o OUT.arrow",
    "trained": "impute holes.parquet --max-epochs 2 --interval 0.8 -o OUT.parquet",
    "several": "impute holes --max-epochs 2 --ignore id --interval 0.5 -o OUT.csv",
    "numbers in text": "impute texts.parquet --as size=number --max-epochs 2 -o OUT.csv",
    "printed": "impute holes.parquet --max-epochs 2",
    "facts": "impute holes.parquet --max-epochs 2 --json -o OUT.csv.gz",
}


@pytest.mark.parametrize("name", FILLED)
def test_gaps_are_filled_by_blocks_as_in_a_whole(data, small, monkeypatch, name):
    table = pl.read_csv("gaps.csv", try_parse_dates=True)
    late = pl.int_range(len(table), eager=True) > 0.8 * len(table)  # a column with gaps at the end
    table = table.with_columns(
        id=pl.int_range(len(table)), late=pl.when(late).then(None).otherwise(2.5)
    )
    table = table.with_columns(level=pl.Series(["x", "y", None] * len(table))[: len(table)])
    table.write_parquet("holes.parquet", row_group_size=11)
    table.drop_nulls().write_parquet("full.parquet")
    table.with_columns(size=pl.lit("1.25")).write_parquet("texts.parquet")
    Path("holes").mkdir()
    for i in range(3):
        table[20 * i :][:20].write_ipc(f"holes/{i}.arrow")
    words, _, ending = FILLED[name].partition(" -o OUT")

    def by_blocks():
        small()
        if name != "numbers in text":
            monkeypatch.setattr(rows, "_read", None)  # what reads wholes

    if ending:
        whole, blocks = both(data, by_blocks, words, ending)
        assert (blocks[:2], warnings_of(blocks)) == (whole[:2], warnings_of(whole))
        return
    whole = data(words)
    by_blocks()
    assert data(words).out == whole.out


@pytest.mark.parametrize("name", FITS)
def test_what_is_trained_on_blocks_is_what_is_trained_on_a_whole(data, small, name, monkeypatch):
    write_weighted()
    pl.read_csv("gaps.csv", try_parse_dates=True).write_parquet("mixed.parquet")
    found = []
    for stem in ("whole", "blocks"):
        if stem == "blocks":
            small()
            if name in ("parquet", "text", "texts", "weights", "weights in text"):
                monkeypatch.setattr(rows, "_read", None)  # what reads wholes
        ended = data(FITS[name].replace("OUT", stem), *(["--quiet"] if name != "explained" else []))
        assert ended.status == 0, ended.err
        files = [path.read_bytes() for path in Path().glob(f"{stem}.*")]
        found.append(
            (weights(Path(f"{stem}.isthmus")), ended.out, *files[: name in ("lines", "new")])
        )
    assert found[1] == found[0]


def weights(path):
    """Return what a model file holds but for the seconds of its training."""
    if not path.exists():
        return None
    with safe_open(path, "numpy") as file:
        return {key: file.get_tensor(key).tolist() for key in file.keys()}


def test_a_sample_is_shown_of_many_rows(data, small, monkeypatch):
    small()
    monkeypatch.setattr(shown, "MOST", 30)
    monkeypatch.setattr(shown, "AT_ONCE", 16)
    ended = data("embed m.isthmus t.parquet --method pca --color kind -o points.csv")
    assert (ended.status, "t.parquet has 60 rows: a random sample of 30 is shown" in ended.err) == (
        0,
        True,
    )
    points = pl.read_csv("points.csv")
    assert (len(points), points["row"].is_sorted(), points["row"].n_unique()) == (30, True, 30)
    assert points["row"].max() > 40
    assert data("report m.isthmus t.csv -o page.html").status == 0


def test_the_guide_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / "guides" / "scale.md").read_text()
    section = text.partition("## Scores and codes of more rows")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(compile(block, "scale.md", "exec"), {})
    assert capsys.readouterr().out == "1000 ('a', 'b', 'c', 'd')\n(10, 4)\n"
    (lines,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    for line in lines.splitlines():
        assert line.split()[1] in COMMAND_NAMES


def test_a_source_that_changes_while_a_model_learns_leaves_one_that_goes_on(
    data, small, monkeypatch
):
    small()
    monkeypatch.setattr(windows, "WINDOW", 1000)
    np.save("many.npy", np.random.default_rng(0).normal(size=(900, 4)))
    options = "fit many.npy --max-epochs 3 --batch-size 8"
    assert data(f"{options} -o whole.isthmus --quiet").status == 0
    close = Trainer.moved

    def moved(self, *args):
        state = close(self, *args)
        if len(state.history) == 1:
            os.utime("many.npy", ns=(0, 0))
        return state

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "moved", moved)
        ended = data(f"{options} -o m2.isthmus")
    assert ended.status == 1
    assert "many.npy was changed" in ended.err
    assert "ended early after 1 epochs; the model so far is in m2.isthmus." in ended.err
    again = next(line for line in ended.err.splitlines() if "to go on: isthmus " in line)
    assert data(again.partition("to go on: isthmus ")[2]).status == 0
    assert weights(Path("m2.isthmus")) == weights(Path("whole.isthmus"))


def test_an_interrupt_does_not_wait_for_a_slow_read(data, small, monkeypatch):
    small()
    before, table, done = {*Path().iterdir()}, FrameBlocks.table, threading.Event()

    def slow(self, start, stop):
        if start:  # not for the first rows, which say what the columns are
            signal.raise_signal(signal.SIGINT)
            done.wait(60)
        return table(self, start, stop)

    monkeypatch.setattr(FrameBlocks, "table", slow)
    ended = data("score m.isthmus t.parquet -o late.csv")
    under_way = [*ahead.under_way]
    done.set()
    for thread in under_way:
        thread.join()
    assert (ended.status, len(under_way)) == (130, 1), ended.err
    assert "interrupted" in ended.err
    assert {*Path().iterdir()} - before <= {Path("cache")}  # of programs

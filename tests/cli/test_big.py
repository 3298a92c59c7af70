"""Sources that are too large to be read as a whole: block by block, to the results of a whole."""

import errno
import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isthmus import Autoencoder, OutlierDetector
from isthmus.cli import big
from isthmus.io import growing, pieces, write_table
from isthmus.io.blocks.frames import FrameBlocks

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
    bad.with_columns(kind=pl.Series([" u", "NA", "v"] * 20)).write_csv("bad.csv", separator=";")
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


SOURCES = {
    "arrow": "score m.isthmus t.arrow --id name -o OUT.csv",
    "array": "encode m.isthmus t.npy -o OUT.npy",
    "bad array": "encode m.isthmus bad.npy -o OUT.npy",
    "folder": "score m.isthmus parts --id kind -o OUT.csv.gz",
    "pattern": "reconstruct m.isthmus parts/*.parquet --id name -o OUT.jsonl",
    "text": "reconstruct m.isthmus bad.csv --id name,kind -o OUT.csv",
    "a number as identifier": "score m.isthmus t.csv --id b -o OUT.csv",
    "packed": "encode m.isthmus t.csv.gz --id kind -o OUT.csv",
    "words": "score words.isthmus bad.csv -o OUT.csv",
    "all cells": "score mixed.isthmus gaps.csv -o OUT.csv",
    "mixed": "reconstruct mixed.isthmus mixed.parquet -o OUT.arrow",
    "filled": "score mixed.isthmus mixed.parquet -o OUT.feather",
    "json": "score m.isthmus bad.parquet --json -o OUT.parquet",
}


@pytest.mark.parametrize("name", SOURCES)
def test_sources_and_formats(data, small, monkeypatch, name):
    monkeypatch.setattr(pieces, "PIECE", 999)
    if name == "words":
        table = pl.read_csv("bad.csv", separator=";").with_columns(pl.col("kind").str.strip_chars())
        known = table.filter(pl.col("b").is_finite()).select("a", "b", "kind")
        Autoencoder(2, max_epochs=2, random_state=0).fit(known).save("words.isthmus")
    pl.read_csv("gaps.csv", try_parse_dates=True).write_parquet("mixed.parquet")
    words, _, ending = SOURCES[name].partition(" -o OUT")
    whole, blocks = both(data, small, words, ending)
    assert blocks[0] == whole[0]
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
def test_a_result_is_whole_or_not_there(data, small, monkeypatch, ending):
    small()
    Path(f"o{ending}").write_text("mine")
    words = f"encode m.isthmus t.parquet -o o{ending} --force"
    read, times = FrameBlocks.read, []

    def fails(error):
        def reading(blocks, start, stop):
            times.append(start)
            if len(times) == 4:
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

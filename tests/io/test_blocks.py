"""Rows larger than memory: any run of them, at any time, and files that do not stay as they are."""

import os
from collections import namedtuple

import numpy as np
import polars as pl
import pytest

from isthmus.io import (
    Blocks,
    TableError,
    TextBlocks,
    choose_columns,
    growing_table,
    open_blocks,
    open_text,
    pieces,
    read_table,
    used_columns,
    write_table,
)
from isthmus.io.blocks import spool

RUNS = [(0, 7), (3, 4), (5, 5), (17, 60), (55, 99), (0, 100)]


def same(blocks, whole):
    assert isinstance(blocks, Blocks)
    assert len(blocks) == blocks.n_rows == len(whole)
    for start, stop in RUNS:
        found = blocks.read(start, stop)
        if isinstance(whole, np.ndarray):
            np.testing.assert_array_equal(found, whole[start:stop])
            assert found.dtype == whole.dtype
        else:
            assert found.equals(whole[start:stop])
            assert found.schema == whole.schema


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "u1", "?"])
@pytest.mark.parametrize("shape", [(100, 3), (100, 4, 5), (100, 2, 3, 3)])
def test_an_npy_file_is_read_by_runs_of_rows(tmp_path, rng, order, dtype, shape):
    array = np.asarray(100 * rng.random(shape), dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    same(open_blocks(tmp_path / "a.npy"), read_table(tmp_path / "a.npy").rows)


def test_arrays_and_mapped_files(tmp_path, rng):
    array = rng.random((100, 3))
    np.save(tmp_path / "a.npy", array)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert open_blocks(str(tmp_path / "a.npy")).columns is None
    for source in (array, mapped, np.concatenate([array, array])[:100]):
        same(open_blocks(source), array)


def frame_of(rng, rows=100):
    return pl.DataFrame(
        {
            "a": rng.random(rows),
            "word": rng.choice(["x", "y", None], rows),
            "day": np.datetime64("2020-01-01") + np.arange(rows),
            "list": [[1.0, 2.0]] * (rows - 1) + [None],
            "n": rng.integers(0, 9, rows),
        }
    )


WRITERS = {
    "parquet": lambda frame, path: frame.write_parquet(path, row_group_size=13),
    "arrow": lambda frame, path: frame.write_ipc(path, record_batch_size=13),
    "feather": lambda frame, path: frame.write_ipc(path, compression="lz4"),
}


@pytest.mark.parametrize("ending", WRITERS)
def test_tables_are_read_as_wholes_are(tmp_path, rng, ending):
    path = tmp_path / f"a[1].{ending}"
    WRITERS[ending](frame_of(rng), path)
    blocks, table = open_blocks(path), read_table(path)
    same(blocks, table.rows)
    assert blocks.columns == tuple(table.rows.columns)
    part = blocks.table(20, 30)
    assert (part.path, part.parts, part.row(3)) == (path, table.parts, "row 23")
    assert part.only(pl.Series([False, True] * 5)).row(1) == "row 23"


@pytest.mark.parametrize("source", ["parts", "parts/*.parquet"])
def test_several_files_are_one_source(tmp_path, rng, source):
    whole, folder = frame_of(rng), tmp_path / "parts"
    folder.mkdir()
    for i, rows in enumerate([40, 15, 45]):
        part = whole[[0, 40, 55][i] :][:rows]
        narrow = part.with_columns(pl.col("n").cast(pl.Int16)) if i == 1 else part
        narrow.write_parquet(folder / f"{i}.parquet", row_group_size=7)
    blocks, table = open_blocks(tmp_path / source), read_table(tmp_path / source)
    same(blocks, table.rows)
    part = blocks.table(30, 60)
    assert [part.row(i) for i in (0, 10, 29)] == [table.row(i) for i in (30, 40, 59)]


def test_files_have_to_stay_as_they_are(tmp_path, rng, fails):
    whole, folder = frame_of(rng), tmp_path / "parts"
    folder.mkdir()
    for i in range(3):
        whole.write_parquet(folder / f"{i}.parquet")
    np.save(tmp_path / "a.npy", rng.random((100, 3)))
    blocks, array = open_blocks(folder), open_blocks(tmp_path / "a.npy")
    mapped = open_blocks(np.load(tmp_path / "a.npy", mmap_mode="r"))
    part = folder / "1.parquet"
    content = part.read_bytes()
    part.write_bytes(content[:-10])
    assert len(blocks.read(0, 100)) == 100
    fails(f"{part} was cut off while it was read", blocks.read, 150, 160)
    fails(f"{part} is no Parquet file, or is damaged", open_blocks, part)
    part.write_bytes(content)
    os.utime(part, (1, 1))
    fails(f"{part} was changed", blocks.read, 150, 160)
    part.unlink()
    fails(f"{part} vanished", blocks.read, 150, 160)
    (tmp_path / "a.npy").unlink()
    for blocks in (array, mapped):
        fails(f"{tmp_path / 'a.npy'} vanished", blocks.read, 0, 1)


@pytest.mark.parametrize("source", ["lazy", "frames", "pandas", "arrow"])
def test_what_comes_in_batches_is_kept_in_a_temporary_file(tmp_path, rng, monkeypatch, source):
    monkeypatch.setattr(spool, "VALUES", 40)
    whole = frame_of(rng)[["a", "word", "n"]]
    parts = [whole[:33], whole[33:50].with_columns(pl.col("n").cast(pl.Int8)), whole[50:]]
    if source == "lazy":
        found = whole.lazy()
    elif source == "arrow":
        found = pytest.importorskip("pyarrow.dataset").dataset(whole.to_arrow())
    else:
        found = (part.to_pandas() if source == "pandas" else part for part in parts)
    same(open_blocks(found), whole)


@pytest.mark.filterwarnings("ignore:.*taken as text because of single cells")
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "tsv", "utf16.csv"])
def test_tables_of_text_are_typed_as_they_are(tmp_path, rng, monkeypatch, ending):
    monkeypatch.setattr(pieces, "PIECE", 97)
    monkeypatch.setattr(spool, "VALUES", 40)
    whole = frame_of(rng)[["a", "word", "n"]].with_columns(n=pl.col("n").cast(pl.Float64))
    whole = whole.with_columns(word=pl.col("word").fill_null("z"))
    late = whole.with_columns(a=whole["a"].cast(pl.String).scatter(70, "none of these"))
    for number, frame in enumerate((whole, late)):
        path = tmp_path / f"{number}.{ending}"
        write_table(path, frame) if "csv" in ending else frame.write_ndjson(path)
        if ending == "tsv":
            path.write_text(frame.write_csv(separator="\t"))
        if ending == "utf16.csv":
            path.write_bytes(frame.write_csv().encode("utf-16"))
        same(open_blocks(path), frame)


def test_lines_of_a_text_file(tmp_path, fails):
    (path := tmp_path / "t.csv").write_text("a,w\n1,x\n\n2,NA\n,y\n")
    blocks = open_blocks(path)
    assert blocks.read(0, 3).rows() == [(1, "x"), (2, None), (None, "y")]
    assert [blocks.table(1, 3).row(i) for i in (0, 1)] == ["line 4", "line 5"]
    assert blocks.table(1, 3).rows["w"].to_list() == ["NA", "y"]


@pytest.mark.parametrize("source", ["parts", "parts/*.csv"])
def test_several_text_files_are_one_source(tmp_path, monkeypatch, source):
    monkeypatch.setattr(pieces, "PIECE", 7)
    (folder := tmp_path / "parts").mkdir()
    (folder / "0.csv").write_text("a;w\n1;x\n\n2;y\n")
    (folder / "1.csv").write_text("w,a\nz,3.5\nv,\n")
    blocks, table = open_text(tmp_path / source), read_table(tmp_path / source)
    assert (len(blocks), blocks.columns, blocks.separator) == (4, ("a", "w"), ";")
    assert blocks.read(1, 4).rows() == [(2, "y"), (3.5, "z"), (None, "v")]
    part = blocks.table(1, 4)
    assert [part.row(i) for i in range(3)] == [table.row(i) for i in (1, 2, 3)]
    assert (part.row(0), part.row(1)) == ("line 4 of 0.csv", "line 2 of 1.csv")


@pytest.mark.parametrize(
    ("lines", "is_text"),
    [("a,b\n1,2.5\n,7\n", True), ("a,b\n1,2020-01-01\n", False), (",b\n0,2.5\n", False),
     ("a;b\n1;2.345\n2;1,5\n", False)],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*the row index that pandas writes")
def test_several_text_files_of_plain_numbers_are_not_read_as_a_whole(tmp_path, lines, is_text):
    for i in range(2):
        (tmp_path / f"{i}.csv").write_text(lines if i == 0 else lines.replace("\n0,", "\n1,"))
    blocks, whole = open_blocks(tmp_path), choose_columns(read_table(tmp_path), mixed=True).X
    assert isinstance(blocks, TextBlocks) == is_text
    assert blocks.read(0, 9).equals(whole)


@pytest.mark.parametrize("content", ["a,w\n", "a,b\n1,2\n", "a,w\n1\n", "\xff"])
def test_several_text_files_that_are_not_alike_are_left_to_what_reads_wholes(tmp_path, content):
    (tmp_path / "0.csv").write_text("a,w\n1,x\n")
    (tmp_path / "1.csv").write_text(content, "latin-1")
    assert open_text(tmp_path) is None


def test_a_column_that_is_text_in_one_file_is_text_in_all(tmp_path):
    for i, cell in enumerate("12x"):
        (tmp_path / f"{i}.csv").write_text(f"a,b\n{cell},1\n")
    blocks = open_text(tmp_path)
    assert ([*blocks.signs], blocks.table(0, 3).rows["a"].to_list()) == (["b"], ["1", "2", "x"])


def test_batches_of_arrays(rng, fails):
    x = rng.random((100, 2, 3)).astype("f4")
    same(open_blocks([x[:40], x[40:]]), x)
    same(open_blocks([x[:40], x[40:].astype("f8")]), x.astype("f8"))
    fails("batch 1 is not like those before it", open_blocks, [x, x[:, :1]])
    fails("batch 1 is not like", open_blocks, [x, pl.DataFrame({"a": [1]})])
    fails("the batches: batch 1", open_blocks, [pl.DataFrame({c: [1]}) for c in "ab"])
    fails("Batch 1 is a str", open_blocks, [x, "y"])
    fails("has no rows", open_blocks, [])


def test_a_full_disk_is_asked_before(rng, fails, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(spool.shutil, "disk_usage", lambda _: usage(2**26 + 100))
    fails("set TMPDIR to another folder", open_blocks, [rng.random((100, 3))])
    assert len(open_blocks([rng.random((2, 3))])) == 2


def test_what_cannot_be_opened_is_refused(tmp_path, rng, fails):
    fails("no.parquet: No such file", open_blocks, tmp_path / "no.parquet")
    fails("is no source of rows", open_blocks, 3)
    fails("is no table", open_blocks, np.arange(3))
    pl.DataFrame({"a": []}, schema={"a": pl.Float64}).write_parquet(tmp_path / "a.parquet")
    fails("has no rows", open_blocks, tmp_path / "a.parquet")


@pytest.mark.parametrize("ending", WRITERS)
def test_no_columns_are_read_but_those_that_are_used(tmp_path, rng, ending):
    path = tmp_path / f"a.{ending}"
    whole = frame_of(rng)
    WRITERS[ending](whole, path)
    blocks = open_blocks(path)
    narrow = blocks.only(["n", "list_1", "no column"])
    assert (blocks.columns, narrow.columns) == (
        ("a", "word", "day", "list_0", "list_1", "n"), ("list_0", "list_1", "n"),
    )  # fmt: skip
    same(narrow, blocks.read(0, 100).select("list_0", "list_1", "n"))
    table = narrow.table(30, 40)
    assert (table.others, {*table.names}) == (("a", "word", "day"), {*blocks.columns})
    with pytest.raises(TableError, match=r"Did you mean 'word'\?"):
        used_columns(table, ids=["wird"])
    assert used_columns(table, ignore=["a", "day"], ids=["word"]) == [
        "list_0",
        "list_1",
        "n",
        "word",
    ]


def test_room_for_a_text_file_is_asked_for_what_its_numbers_take(tmp_path, fails, monkeypatch):
    path, usage = tmp_path / "digits.csv", namedtuple("usage", "free")
    path.write_text("a\n" + "7\n" * 5000)
    monkeypatch.setattr(pieces, "PIECE", 1000)
    free = usage(2**26 + 20 * 2500)  # for half of them: a number, its line and its file
    monkeypatch.setattr(spool.shutil, "disk_usage", lambda _: free)
    monkeypatch.setattr(spool.Spool, "_add", lambda *_: pytest.fail("it is written"))
    fails("set TMPDIR to another folder", open_blocks, path)


@pytest.mark.parametrize("ending", ["parquet", "arrow", "csv", "csv.gz", "jsonl", "npy"])
def test_a_table_without_a_part_leaves_no_file(tmp_path, ending):
    with (
        pytest.raises(TableError, match="There are no rows to write"),
        growing_table(tmp_path / f"a.{ending}", 3),
    ):
        pass
    assert not [*tmp_path.iterdir()]

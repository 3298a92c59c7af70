"""Large inputs: a bar while they are scored, and the disk is asked before."""

from collections import namedtuple
from pathlib import Path

import pytest

from isthmus.cli import apart, outputs
from isthmus.cli import rows as reading

WORDS = {
    "score": "score m.isthmus t.csv -o OUT.parquet",
    "encode": "encode m.isthmus t.csv -o OUT.parquet",
    "reconstruct": "reconstruct m.isthmus t.csv -o OUT.parquet",
    "images": "reconstruct p.isthmus photos.npy -o OUT.npy",
    "detect": "detect t.csv --model d.isthmus -o OUT.parquet",
}


@pytest.mark.parametrize("name", WORDS)
def test_parts_of_large_inputs_give_the_same_result(ready, monkeypatch, name):
    ended = ready(WORDS[name].replace("OUT", "whole"))
    assert ended.err == ""
    for module in (reading, apart):
        monkeypatch.setattr(module, "VALUES_AT_ONCE", 4 * 30)
    ended = ready(WORDS[name].replace("OUT", "parts"))
    rows = 12 if name == "images" else 40
    verb = WORDS[name].split()[0]
    assert ended.err.splitlines()[-1] == f"{verb}: {rows} of {rows} rows"
    one, other = (next(Path().glob(f"{stem}.*")).read_bytes() for stem in ("whole", "parts"))
    assert one == other
    assert ready(f"{WORDS[name].replace('OUT', 'parts')} --force --quiet").err == ""


@pytest.fixture
def leave_free(monkeypatch):
    """Return what makes a disk of so many free bytes."""
    usage = namedtuple("usage", "total used free")

    def leave(n):
        monkeypatch.setattr(outputs.shutil, "disk_usage", lambda _: usage(10**9, 10**9, n))

    return leave


@pytest.mark.parametrize(
    "words",
    [
        "encode m.isthmus t.csv -o o.npy",
        "reconstruct p.isthmus photos.npy -o o.npy",
    ],
)
def test_a_full_disk_is_seen_before_the_work(ready, leave_free, words):
    leave_free(100)
    ended = ready(words)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert "MB, and 0 MB are free there: make room, or give another place with -o." in ended.err
    leave_free(4096)
    assert ready(words).status == 0


@pytest.mark.parametrize(
    "words",
    [
        "encode m.isthmus t.csv -o o.csv",
        "reconstruct m.isthmus t.csv -o o.parquet",
        "reconstruct p.isthmus photos -o out.v2",
        "denoise p.isthmus photos --size 8x8 -o out.v2",
    ],
)
def test_what_may_be_packed_or_is_a_folder_is_tried(ready, leave_free, words):
    leave_free(100)
    Path("out.v2").mkdir()
    assert ready(words).status == 0

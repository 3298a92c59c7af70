"""Files are written whole or not at all."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.io.atomic import FileError, keep_previous, previous_of, write_whole


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_file_has_the_rights_that_the_umask_gives(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "a.txt", b"")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~umask


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_whole(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isthmus.io.atomic.os.fsync", full)
    with pytest.raises(FileError, match=r"Cannot write .*a\.txt: No space left on device\."):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_must_be_there(tmp_path):
    with pytest.raises(FileError, match=r"the folder .*no does not exist\.$"):
        write_whole(tmp_path / "no" / "a.txt", b"")


def test_the_umask_is_never_touched(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.io.atomic.os.umask", None)
    write_whole(tmp_path / "a.txt", b"")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights and links")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o777])
def test_a_file_that_is_replaced_hands_its_rights_on(tmp_path, mode):
    path = tmp_path / "a.txt"
    write_whole(path, b"old")
    path.chmod(mode)
    write_whole(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights and links")
def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "far").mkdir()
    link, far = tmp_path / "a.txt", tmp_path / "far" / "b.txt"
    link.symlink_to(far)
    for content in (b"first", b"second"):  # what it names need not be there
        write_whole(link, content)
        assert link.is_symlink()
        assert far.read_bytes() == content
    for _ in range(2):  # the second time it has that name already
        keep_previous(link)
    assert previous_of(link) == tmp_path / "far" / "b.txt.previous"
    assert {p.name for p in tmp_path.rglob("*")} == {"a.txt", "far", "b.txt", "b.txt.previous"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match=r"Cannot write .*pipe: it is no regular file\.$"):
        write_whole(tmp_path / "pipe", b"")
    with pytest.raises(FileError, match="Cannot write"):
        write_whole(tmp_path, b"")


KILLED = """
import os, signal, sys
from pathlib import Path
from isthmus.io import atomic
atomic.os.fsync = lambda _: (print("writing", flush=True), signal.pause())
atomic.write_whole(Path(sys.argv[1]), b"half")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_what_a_killed_process_left_goes_and_a_living_one_keeps_its_own(tmp_path):
    path = tmp_path / "a.txt"
    others = [".b.txt.0.part", ".a.txt.part", "a.txt.0.part"]
    for name in others:  # not of this target, or not of our pattern
        (tmp_path / name).touch()
    words = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        write_whole(path, b"other")
        names = sorted(p.name for p in tmp_path.iterdir())
        assert names == sorted([*others, ".a.txt.0.part", "a.txt"])
        process.send_signal(signal.SIGKILL)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*others, "a.txt"])


@pytest.mark.parametrize("links", [True, False])
def test_the_previous_file_is_kept_where_asked(tmp_path, monkeypatch, links):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "a.txt"
    for content in (b"1", b"2", b"3"):
        if path.exists():
            keep_previous(path)
        write_whole(path, content)
    assert (path.read_bytes(), previous_of(path).read_bytes()) == (b"3", b"2")
    assert len([*tmp_path.iterdir()]) == 2
    with pytest.raises(FileError, match=r"Cannot keep .*nothing: No such file"):
        keep_previous(tmp_path / "nothing")

"""Files written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform != "win32":
    import fcntl

WINDOWS = os.name == "nt"  # which neither renames nor removes an open file
# How a temporary file is opened: no link is followed, and bytes stay as they are.
MANNER = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class FileError(ValueError):
    """A file cannot be read, used or written."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: temporary file, fsync, rename, fsync of the folder.

    A link is followed and stays, and a file that is replaced hands its rights on. A temporary file that
    a killed process left is removed by the next write to the same target.

    Raises
    ------
    FileError
        If the folder is missing, or the system refuses.
    """
    with whole_file(path) as part:
        part.file.write(content)


class PartOfFile(NamedTuple):
    """A file that is written, open for bytes, and where it lies until it is whole."""

    file: BinaryIO
    path: Path


@contextmanager
def whole_file(path: Path) -> Iterator[PartOfFile]:
    """Open a file to be written piece by piece; it takes its place at the end, if all went well.

    Raises
    ------
    FileError
        If the folder is missing, or the system refuses.
    """
    target = _real(path)
    if not target.parent.is_dir():
        raise FileError(f"Cannot write {path}: the folder {target.parent} does not exist.")
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise FileError(f"Cannot write {path}: it is no regular file.")
    try:
        with _placed(target) as part:
            yield part
    except OSError as error:
        raise FileError(f"Cannot write {path}: {error.strerror or error}.") from error


def previous_of(path: Path) -> Path:
    """Return where `keep_previous` keeps a file."""
    target = _real(path)
    return target.with_name(f"{target.name}.previous")


def keep_previous(path: Path) -> None:
    """Keep a file under a second name too, so that it is left when the first one is replaced.

    Raises
    ------
    FileError
        If the system refuses.
    """
    target, previous = _real(path), previous_of(path)
    fresh = previous.with_name(f".{previous.name}")
    try:
        fresh.unlink(missing_ok=True)
        fresh.hardlink_to(target)
        fresh.replace(previous)
        fresh.unlink(missing_ok=True)  # two names of one file: to rename one does nothing
    except OSError:  # a file system without such links: a copy does
        try:
            write_whole(previous, target.read_bytes())
        except OSError as error:
            raise FileError(f"Cannot keep {path}: {error.strerror or error}.") from error


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def _placed(target: Path) -> Iterator[PartOfFile]:
    handle, temporary = _temporary(target)
    with os.fdopen(handle, "wb") as file:
        try:
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            yield PartOfFile(file, temporary)
            file.flush()
            os.fsync(file.fileno())
            if not WINDOWS:
                temporary.replace(target)
        except BaseException:
            if not WINDOWS:  # while it is locked, so that it is nobody else's
                temporary.unlink(missing_ok=True)
            raise
    if WINDOWS:
        temporary.replace(target)
    else:
        _sync_folder(target.parent)


def _temporary(target: Path) -> tuple[int, Path]:
    """Return a new file beside the target, open and, as long as this process lives, locked.

    The system gives it the rights of any new file; to ask for them would change them for a moment.
    """
    for number in count():
        path = target.with_name(f".{target.name}.{number}.part")
        _remove_left(path)
        try:
            handle = os.open(path, MANNER | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:  # of a process that lives
            continue
        if _locked(handle, path, wait=True) is not False:
            return handle, path
        os.close(handle)  # another took it for one that was left, before it was locked
    raise AssertionError


def _remove_left(path: Path) -> None:
    """Remove a temporary file that no living process writes to."""
    if WINDOWS:
        with suppress(OSError):
            path.unlink()
        return
    try:
        handle = os.open(path, MANNER)
    except OSError:
        return
    try:
        if _locked(handle, path):
            path.unlink()
    finally:
        os.close(handle)


def _locked(handle: int, path: Path, *, wait: bool = False) -> bool | None:
    """Lock an open file until it is closed, and return whether it still is the one of this name.

    None says that it is not locked: another process has it, or the system knows no locks.
    """
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return None
    mine = os.fstat(handle)
    try:
        return stat.S_ISREG(mine.st_mode) and os.path.samestat(mine, path.lstat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

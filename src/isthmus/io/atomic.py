"""Files written whole or not at all."""

import os
import tempfile
from pathlib import Path


class FileError(ValueError):
    """A file cannot be read, used or written."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: temporary file, fsync, rename, fsync of the folder.

    Raises
    ------
    FileError
        If the folder is missing, or the system refuses.
    """
    folder = path.parent
    if not folder.is_dir():
        raise FileError(f"Cannot write {path}: the folder {folder} does not exist.")
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
        _sync_folder(folder)
    except OSError as error:
        raise FileError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        if temporary and Path(temporary).exists():
            Path(temporary).unlink()


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

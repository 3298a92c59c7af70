"""Files that hold several tables, and which of them is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.io.atomic import FileError
from isthmus.words import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KINDS = {"key": "array", "sheet": "sheet", "table": "table"}  # what an option chooses
OPTIONS = {"key": "--key", "sheet": "--sheet", "table": "--from-table"}  # of the command line


class TableError(FileError):
    """A table cannot be read, used or written."""


class NoRoomError(TableError):
    """A disk has no room for what has to be kept while a table is used."""


def chosen(path: Path, option: str, names: Sequence[str], name: str | None) -> str:
    """Return the one of several tables of a file that is asked for, or the only one."""
    if name is None and len(names) == 1:
        return names[0]
    if name is not None and name in names:
        return name
    kind = KINDS[option]
    found = f"no {kind} {name!r}" if name is not None else f"{len(names)} {kind}s"
    shown = shortened([n if n.isprintable() else ascii(n) for n in names])
    raise TableError(f"{path} has {found}; choose one with {OPTIONS[option]}: {shown or 'none'}.")

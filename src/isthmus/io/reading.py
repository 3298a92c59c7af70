"""What reads a file of which ending: one registry, to which each reader adds itself."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, NamedTuple

from isthmus.io import readers
from isthmus.io.choices import KINDS, OPTIONS, TableError
from isthmus.io.endings import PACKED, file_ending
from isthmus.words import listed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from isthmus.io.table import Table


class Reader(NamedTuple):
    """What reads a file, and which options of `read_table` it takes."""

    read: Callable[..., Table]
    options: frozenset[str]


_READERS: dict[str, Reader] = {}


def reader(*endings: str) -> Callable[[Callable[..., Table]], Callable[..., Table]]:
    """Let a function read the files of these endings.

    It takes a path, and by keyword those options of `read_table` that it has parameters for. A file is
    untrusted: whatever is wrong with it becomes one TableError that names it and says what to do.
    """

    def register(read: Callable[..., Table]) -> Callable[..., Table]:
        _READERS.update(dict.fromkeys(endings, Reader(read, _keywords(read))))
        return read

    return register


def _keywords(read: Callable[..., Table]) -> frozenset[str]:
    parameters = inspect.signature(read).parameters.values()
    return frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def all_readers() -> dict[str, Reader]:
    """Return what reads a file, by its ending."""
    _import_readers()
    return _READERS


@cache
def _import_readers() -> None:
    for module in iter_modules(readers.__path__):
        import_module(f"{readers.__name__}.{module.name}")


def main_endings() -> list[str]:
    """Return the endings of tables, without those of packed ones."""
    return sorted(ending for ending in all_readers() if not ending.endswith(PACKED))


def reader_of(path: Path) -> Reader:
    """Return what reads a file of this name, or raise a TableError."""
    kind, known = file_ending(path), all_readers()
    if kind not in known:
        raise TableError(f"{path} has the ending {kind!r}; tables end in {listed(main_endings())}.")
    return known[kind]


def options_of(path: Path) -> frozenset[str]:
    """Return the options of `read_table` that a file of this name takes; none if it is no table.

    Examples
    --------
    >>> from pathlib import Path
    >>> sorted(options_of(Path("a.xlsx")) | options_of(Path("a.csv")))
    ['encoding', 'header', 'sheet']
    """
    found = all_readers().get(file_ending(path))
    return frozenset() if found is None else found.options


def check_choice(path: Path, given: str) -> None:
    """Raise a TableError for an option that chooses what a file of this name does not hold."""
    if given not in reader_of(path).options:
        those = [ending for ending, found in all_readers().items() if given in found.options]
        what = f"{'an' if given == 'key' else 'a'} {KINDS[given]}"
        raise TableError(
            f"{path} is one table: {OPTIONS[given]} chooses {what} of a {listed(those)} file."
        )

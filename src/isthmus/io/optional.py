"""Packages that some readers need, and nothing else does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from isthmus.io.choices import TableError
from isthmus.words import install

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def needed(path: Path, package: str) -> ModuleType:
    """Import a package for the file of a path, or raise a TableError that says how to install it."""
    try:
        return import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise TableError(f"{path} needs {name}: {install(name)}.") from error

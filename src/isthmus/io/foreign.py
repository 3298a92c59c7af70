"""Calls of polars, whose panics are no exceptions and are reported past Python, in many lines."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.choices import TableError
from isthmus.words import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD_ERROR = 2
PANIC = "PanicException"
ALONE = threading.RLock()  # two threads would put back each other's standard error


@contextmanager
def polars_errors(what: str) -> Iterator[None]:
    """Make an error or a panic of polars one sentence: `what` went wrong, and why.

    A panic is no `Exception`. Where there was no data at all, polars' own error is left to the
    caller.
    """
    try:
        with ALONE, _silence():
            yield
    except pl.exceptions.NoDataError:
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise TableError(f"{what}: {first_line(error)}.") from error


@contextmanager
def quiet(what: str, library_error: type[Exception]) -> Iterator[None]:
    """Make the errors and panics of another reader one sentence, as those of polars.

    What is wrong with the choice of its user, or with the file as such, passes.
    """
    try:
        with ALONE, _silence():
            yield
    except (TableError, OSError):
        raise
    except (library_error, pl.exceptions.PolarsError) as error:
        raise TableError(f"{what}: {first_line(error)}.") from error
    except BaseException as error:
        if type(error).__name__ != PANIC:  # each library written in Rust has a class of its own
            raise
        raise TableError(f"{what}: {first_line(error)}.") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what is written to the standard error past Python, as Rust's report of a panic is."""
    try:
        kept = os.dup(STANDARD_ERROR)
    except OSError:  # it is closed, and nobody reads what is written there
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), STANDARD_ERROR)
        yield
    finally:
        os.dup2(kept, STANDARD_ERROR)
        os.close(kept)

"""Parquet files, also those of other writers: what can be read of them, and what is no feature."""

from __future__ import annotations

import io
import json
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from isthmus.io.choices import TableError
from isthmus.io.foreign import polars_errors
from isthmus.io.parquet_sizes import unpacked_size
from isthmus.io.unpacking import Damaged, most_unpacked
from isthmus.words import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Without it polars panics at a column of intervals, even where other columns are asked for.
INTERVALS = "POLARS_IMPORT_INTERVAL_AS_STRUCT"
OF_INTERVALS = ["months", "days", "nanoseconds"]
MOST_DIGITS = 38  # of a decimal number
MOST_UNREAD = 32  # columns that a file which is not damaged as a whole may have
SMALL = 2**25  # bytes of a file of which all pages are looked at before it is opened
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


class Parquet(NamedTuple):
    """What a Parquet file holds."""

    frame: pl.DataFrame
    row_index: tuple[str, ...]  # pandas' row index
    unread: dict[str, str]  # columns that cannot be read, and why


def read_parquet(path: Path) -> Parquet:
    """Read all columns that can be read, once it is clear that they fit into memory."""
    content = path.read_bytes()
    _check_size(path, content)
    with polars_errors(_damaged(path)), intervals():
        schema = pl.read_parquet_schema(io.BytesIO(content))
        facts = pl.read_parquet_metadata(io.BytesIO(content))
    unread = {name: kind for name, dtype in schema.items() if (kind := _foreign(dtype))}
    found = list(_readable(path, content, [n for n in schema if n not in unread], unread))
    if unread and not any(frame.width for frame in found):
        raise TableError(f"{path} has no column that can be read: {next(iter(unread.values()))}.")
    if not found or found[0].is_empty():
        raise TableError(f"{path} has no rows.")
    frame = pl.concat(found, how="horizontal")
    return Parquet(frame, _index(facts.get("pandas", "{}"), list(schema)), unread)


class Facts(NamedTuple):
    """What a Parquet file says of its columns."""

    unread: dict[str, str]  # columns that cannot be read, and why
    row_index: tuple[str, ...]  # pandas' row index


def parquet_facts(path: Path) -> Facts:
    """Return what the footer of a file says, once it is clear that a small one is no bomb."""
    if path.stat().st_size <= SMALL:
        _check_size(path, path.read_bytes())
    with polars_errors(_damaged(path)), intervals():
        schema = pl.scan_parquet(path, glob=False).collect_schema()
        facts = pl.read_parquet_metadata(path)
    unread = {name: kind for name, dtype in schema.items() if (kind := _foreign(dtype))}
    if len(unread) == len(schema):
        raise TableError(f"{path} has no column that can be read: {next(iter(unread.values()))}.")
    return Facts(unread, _index(facts.get("pandas", "{}"), list(schema)))


def _foreign(dtype: pl.DataType) -> str | None:
    """Return in words what polars has no type for."""
    if isinstance(dtype, pl.Struct) and [f.name for f in dtype.fields] == OF_INTERVALS:
        return "it holds intervals"
    if isinstance(dtype, pl.Decimal) and dtype.precision > MOST_DIGITS:
        return f"it holds decimal numbers of {dtype.precision} digits"
    return None


def _check_size(path: Path, content: bytes) -> None:
    try:
        size = unpacked_size(content)
    except Damaged as error:
        raise TableError(f"{_damaged(path)}.") from error
    if size > most_unpacked(len(content)):
        raise TableError(
            f"{path} would unpack from {len(content):,} to {size:,} bytes; if this is right, save "
            "it as .csv, or as .npy."
        )


def _readable(
    path: Path, content: bytes, names: list[str], unread: dict[str, str]
) -> Iterator[pl.DataFrame]:
    """Yield the columns that can be read, in their order, and add to `unread` why others cannot be.

    Halves are tried where the whole fails; a file with many such columns is damaged as a whole.
    """
    try:
        with polars_errors(_damaged(path)), intervals():
            frame = pl.read_parquet(io.BytesIO(content), columns=names)
    except TableError as error:
        if len(names) == 1 and len(unread) < MOST_UNREAD:
            unread[names[0]] = first_line(error.__cause__ or error)
            return
        if len(names) < 2:
            raise
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            yield from _readable(path, content, half, unread)
    else:
        yield frame


def _damaged(path: Path) -> str:
    return f"{path} is no Parquet file, or is damaged"


@contextmanager
def intervals() -> Iterator[None]:
    """Let polars take intervals as structs, which it asks its environment."""
    before = os.environ.get(INTERVALS)
    os.environ[INTERVALS] = "1"
    pl.Config.reload_env_vars()
    try:
        yield
    finally:
        os.environ.pop(INTERVALS)
        os.environ.update({} if before is None else {INTERVALS: before})
        pl.Config.reload_env_vars()


def _index(facts: str, names: list[str]) -> tuple[str, ...]:
    """Return the columns that are pandas' row index: as the file says, or by a name of its own."""
    try:
        told = json.loads(facts)["index_columns"]
    except (ValueError, KeyError, TypeError, RecursionError):
        told = []  # no facts of pandas, or not as it writes them
    listed = told if isinstance(told, list) else []
    return tuple(n for n in names if n in listed or UNNAMED_INDEX.fullmatch(n))

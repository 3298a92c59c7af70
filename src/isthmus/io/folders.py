"""Several files of one format as one table: those of a folder, or all that a pattern fits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.io.choices import TableError
from isthmus.io.endings import IMAGE_ENDINGS, file_ending
from isthmus.io.places import Places
from isthmus.io.reading import all_readers, main_endings
from isthmus.words import columns_named, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from isthmus.io.table import Table

MAGIC = set("*?[")
HIDDEN = (".", "_")  # how names begin that writers of folders use for themselves


def table_files(path: Path) -> list[Path] | None:
    """Return the files that a folder of tables, or a pattern, stands for; None for a single file.

    A folder with an image in it is one of images, and stands for none. Files are in the order of their
    names.

    Examples
    --------
    >>> from pathlib import Path
    >>> table_files(Path("rows.csv")) is None
    True
    >>> table_files(Path("rows-*.csv"))
    []
    """
    if path.is_dir():
        return _of_folder(path)
    if path.exists() or not MAGIC & set(str(path)):
        return None
    start = Path(path.anchor)
    return sorted(p for p in start.glob(str(path.relative_to(start))) if p.is_file())


def _of_folder(folder: Path) -> list[Path]:
    known = all_readers()
    files = [p for p in sorted(folder.iterdir()) if file_ending(p) in known and p.is_file()]
    tables = [p for p in files if not p.name.startswith(HIDDEN)]
    images = tables and any(p.suffix.lower() in IMAGE_ENDINGS for p in folder.rglob("*"))
    return [] if images else tables


def read_several(path: Path, files: Sequence[Path], read: Callable[[Path], Table]) -> Table:
    """Return the rows of several files as one table.

    Raises
    ------
    TableError
        If the files are not of one format, or have not the same columns, of the same types.
    """
    check_formats(path, files)
    tables = [read(file) for file in files]
    unread = {name: why for table in tables for name, why in table.unread.items()}
    frames = [_frame(table, unread) for table in tables]
    first = frames[0]
    for file, frame in zip(files, frames, strict=True):
        check_columns(file, frame, files[0], first)
    rows = pl.concat([frame.select(first.columns) for frame in frames], how="vertical_relaxed")
    places = Places.joined([file.name for file in files], [_lines(table) for table in tables])
    return tables[0]._replace(path=path, rows=rows, lines=places, unread=unread, light=None)


def _lines(table: Table) -> np.ndarray | int:
    return table.lines if isinstance(table.lines, np.ndarray) else len(table.rows)


def check_formats(path: Path, files: Sequence[Path]) -> None:
    """Raise a TableError for files that are of several formats, and for none at all."""
    endings = sorted({file_ending(file) for file in files})
    if not endings:
        raise TableError(
            f"Cannot read {path}: there is no table; they end in {listed(main_endings())}."
        )
    if len(endings) > 1:
        raise TableError(
            f"{path} has files that end in {listed(endings, 'and')}: give those of one format, such as "
            f"'*{endings[0]}'."
        )


def _frame(table: Table, unread: dict[str, str]) -> pl.DataFrame:
    """Return the columns that can be read in all files."""
    if not isinstance(table.rows, pl.DataFrame):
        raise TableError(
            f"{table.path} is an array, which is no part of a larger table: give it alone."
        )
    return table.text(table.rows.columns).drop(unread, strict=False)


def check_columns(file: Path, frame: pl.DataFrame, known: Path, first: pl.DataFrame) -> None:
    """Raise a TableError for columns that two files do not share, or of which the types differ."""
    for here, there, where in ((frame, first, file), (first, frame, known)):
        lost = [name for name in there.columns if name not in here.columns]
        if lost:
            other = known if where is file else file
            raise TableError(f"{where} lacks {columns_named(lost)}, which {other} has.")
    for name, dtype in first.schema.items():
        if not _meet(dtype, frame[name].dtype):
            raise TableError(
                f"{file}: the column {name!r} holds {frame[name].dtype}, and {dtype} in {known}: write "
                "both alike."
            )


def _meet(one: pl.DataType, other: pl.DataType) -> bool:
    """Return whether one type holds the cells of both as they are."""
    if pl.Null in (one, other) or (one.is_numeric() and other.is_numeric()):
        return True
    return one == other

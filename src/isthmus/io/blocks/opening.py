"""Any source becomes blocks."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from isthmus.io.blocks.arrays import ArrayBlocks, NpyBlocks
from isthmus.io.blocks.blocks import Blocks
from isthmus.io.blocks.frames import FrameBlocks
from isthmus.io.blocks.spool import Spool
from isthmus.io.blocks.text import TextBlocks
from isthmus.io.choices import TableError
from isthmus.io.columns import choose_columns
from isthmus.io.endings import TEXT_ENDINGS, file_ending
from isthmus.io.folders import check_formats, table_files
from isthmus.io.lists import spread_others
from isthmus.io.parquet import parquet_facts
from isthmus.io.pieces import Unfit
from isthmus.io.tables import read_table
from isthmus.schema import columns_of, is_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ARROW = (".arrow", ".feather", ".ipc")


def open_blocks(source: object) -> Blocks:
    """Open rows that may be larger than memory, so that any of them can be read at any time.

    Parameters
    ----------
    source : Path, str, array, LazyFrame, Dataset, or iterable
        A `.npy`, Parquet or Arrow file, a folder or a pattern of Parquet or Arrow files; an array, such
        as one that is mapped from a file; a CSV file, several of plain numbers alone, a LazyFrame of
        polars, a Dataset of Arrow, or an iterable of arrays or frames, which are gone through once and
        kept in a temporary file. Tables of other formats are read as wholes.

    Returns
    -------
    Blocks
        Files are read again and again, and have to stay as they are: at the next read one that
        vanished or changed is refused by its name.

    Raises
    ------
    TableError
        If the source is missing, foreign, damaged or empty.
    """
    if isinstance(source, Blocks):
        return source
    if isinstance(source, str | Path):
        return _of_path(Path(source))
    if isinstance(source, np.ndarray):
        return ArrayBlocks(source)
    if isinstance(source, pl.LazyFrame):
        return Spool("the LazyFrame", source.collect_batches(maintain_order=True))
    if hasattr(source, "to_batches") and hasattr(
        source, "schema"
    ):  # a Dataset, or a table, of Arrow
        return Spool("the dataset", (_spread(pl.DataFrame(batch)) for batch in source.to_batches()))
    if isinstance(source, Iterable) and not isinstance(source, bytes | Mapping):
        return Spool("the batches", (_as_rows(batch, i) for i, batch in enumerate(source)))
    raise TableError(
        f"A {type(source).__name__} is no source of rows: give a file, an array, or batches of them."
    )


def _as_rows(batch: object, number: int) -> np.ndarray | pl.DataFrame:
    """Return a batch as an array of numbers or as a frame."""
    if isinstance(batch, pl.DataFrame):
        return _spread(batch)
    if is_frame(batch):
        opened = columns_of(batch)
        columns = [opened.column(i) for i in range(len(opened.names))]
        found = zip(opened.names, columns, strict=True)
        return _spread(pl.DataFrame({n: c for n, c in found if isinstance(c, pl.Series)}))
    if isinstance(batch, np.ndarray) and batch.ndim > 1 and batch.dtype.kind in "fiub":
        return batch
    raise TableError(
        f"Batch {number} is a {type(batch).__name__}, and no frame or array of rows of numbers."
    )


def _spread(frame: pl.DataFrame) -> pl.DataFrame:
    return spread_others(frame).frame


def open_text(path: Path, *, header: bool = True, words: Sequence[str] = ()) -> TextBlocks | None:
    """Open text files, of which some columns are `words`; None where only a whole tells more."""
    several = table_files(path)
    if several is not None:
        check_formats(path, several)
    try:
        return TextBlocks(path, several, header=header, words=words)
    except Unfit:
        return None


def _of_path(path: Path) -> Blocks:
    several = table_files(path)
    files = [path] if several is None else several
    check_formats(path, files)
    kind = file_ending(files[0])
    found = open_text(path) if kind in TEXT_ENDINGS else None
    if found is not None and (several is None or found.is_plain):
        return found
    if kind not in OPENED:
        return Spool(str(path), [_typed(path)])
    try:
        return OPENED[kind](path, files)
    except OSError as error:
        raise TableError(f"Cannot read {path}: {error.strerror or error}.") from error


def _typed(path: Path) -> np.ndarray | pl.DataFrame:
    """Return a table of a format that is read as a whole."""
    return choose_columns(read_table(path), mixed=True).X


def _npy(path: Path, files: Sequence[Path]) -> Blocks:
    if len(files) > 1:
        raise TableError(
            f"{files[0]} is an array, which is no part of a larger table: give it alone."
        )
    return NpyBlocks(files[0])


def _parquet(path: Path, files: Sequence[Path]) -> Blocks:
    facts = [parquet_facts(file) for file in files]
    unread = {name: why for some in facts for name, why in some.unread.items()}
    return FrameBlocks(path, files, _scan_parquet, unread=unread, row_index=facts[0].row_index)


def _scan_parquet(file: Path) -> pl.LazyFrame:
    return pl.scan_parquet(file, glob=False)


def _arrow(path: Path, files: Sequence[Path]) -> Blocks:
    return FrameBlocks(path, files, _scan_arrow)


def _scan_arrow(file: Path) -> pl.LazyFrame:
    return pl.scan_ipc(glob.escape(str(file)))


OPENED: dict[str, Callable[[Path, Sequence[Path]], Blocks]] = {
    ".npy": _npy,
    ".parquet": _parquet,
    **dict.fromkeys(ARROW, _arrow),
}

"""Sources that may be larger than memory go block by block through a model, to a file that grows.

Results are those of rows read all at once, to the bit: a row's result does not depend on its company.
"""

from __future__ import annotations

import io
import math
import tempfile
import warnings
import weakref
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from isthmus.cli.apart import Apart, without_odd
from isthmus.cli.groups import with_groups
from isthmus.cli.models import wanted_by
from isthmus.cli.outputs import check_columns, end_printed, end_written, with_ids
from isthmus.cli.rows import check_weights, chosen, used_of
from isthmus.cli.sources import Source, Wanted
from isthmus.cli.terminal import show_text, signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import IO

    import numpy as np
    import polars as pl
    from numpy.typing import ArrayLike

    from isthmus.autoencoder import Autoencoder
    from isthmus.cli.options import Common, TableOutput
    from isthmus.io import Blocks, Growing, Rows, Style, Table, TextBlocks
    from isthmus.outliers import OutlierDetector

    Made = TypeVar("Made")

BIG = 2**30  # bytes of files that are not read as a whole
VALUES = 2**22  # of a block
OPENED = (".npy", ".parquet", ".arrow", ".feather", ".ipc")
TEXTS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")
ROW_INDEX = ("", "Unnamed: 0")  # names of columns that may only number the rows


class Job(ABC):
    """What is made of rows, block by block."""

    names: Sequence[str]  # of the columns of the result

    @abstractmethod
    def columns(self, rows: Rows) -> Mapping[str, ArrayLike]:
        """Return the columns of the result for some rows."""

    def facts(self, rows: int) -> Mapping[str, object]:
        """Return what is known in the end, of so many rows."""
        return {}


class ByColumn(Job):
    """An array with a column for each name."""

    def __init__(self, names: Sequence[str], make: Callable[[Rows], np.ndarray]) -> None:
        self.names, self.make = names, make

    def columns(self, rows: Rows) -> Mapping[str, ArrayLike]:
        """Return the columns of the array that is made of rows."""
        return dict(zip(self.names, self.make(rows).T, strict=True))


@dataclass(frozen=True)
class BigRows:
    """Rows of a large source, as a model takes them."""

    blocks: Blocks
    found: Autoencoder | OutlierDetector
    source: Source
    wanted: Wanted
    common: Common

    def parts(self, label: str) -> Iterator[Rows]:
        """Yield the rows, of which the next are read while some are worked on."""
        width = math.prod(self.wanted.shape)
        yield from in_turn(self._read, len(self.blocks), width, label, self.common)

    @property
    def style(self) -> Style:
        """How a text file is written."""
        from isthmus.io import Style, TextBlocks

        return Style(self.blocks.separator) if isinstance(self.blocks, TextBlocks) else Style()

    def _read(self, start: int, stop: int) -> Rows:
        table = self.blocks.table(start, stop)
        rows = chosen(with_words(table, self.blocks, self.wanted), self.source, self.wanted)
        return without_odd(self.found, rows, self.source, is_part=True)


def in_turn(
    read: Callable[[int, int], Made], count: int, width: int, label: str, common: Common
) -> Iterator[Made]:
    """Yield what is read of rows, block by block, the next one meanwhile, with a bar."""
    from isthmus.training import Progress, read_ahead

    step = max(VALUES // max(width, 1), 1)
    runs = [(start, min(start + step, count)) for start in range(0, count, step)]
    with Progress(label, common.verbose, count, "rows") as progress:
        for run, made in zip(runs, read_ahead(lambda run, _: read(*run), runs), strict=True):
            signals.check()
            yield made
            progress(run[1] - run[0])


def with_words(table: Table, blocks: Blocks, wanted: Wanted) -> Table:
    """Return rows of a text file with null for missing words of those columns that a model sees."""
    import polars as pl

    from isthmus.io import TextBlocks, column_words

    if not isinstance(blocks, TextBlocks) or not isinstance(table.rows, pl.DataFrame):
        return table
    used = [name for name in wanted.kinds or () if name not in blocks.signs]
    return table._replace(rows=table.rows.with_columns(column_words(table.rows[n]) for n in used))


def big_rows(
    found: Autoencoder | OutlierDetector,
    model: Path,
    source: Source,
    result: TableOutput,
    common: Common,
) -> BigRows | None:
    """Return the rows of a source that is too large to be read as a whole; None for others.

    A table within JSON is made as a whole in any case.
    """
    if result.output is None and common.json:
        return None
    source = with_groups(found, model, source)
    wanted = wanted_by(found, model)
    blocks = open_plain(source, wanted)
    return None if blocks is None else BigRows(blocks, found, source, wanted, common)


def open_plain(source: Source, wanted: Wanted, *beside: str) -> Blocks | None:
    """Open a large source whose rows a model takes block by block; None for others.

    Of files that allow it no columns are read but those of the model, the identifiers, and those
    `beside` them.
    """
    from isthmus.io import TextBlocks

    blocks = _opened(source, wanted, *beside) if is_big(source) else None
    if isinstance(blocks, TextBlocks) and (
        wanted.names is None or not _is_plain(blocks, wanted.names, wanted.kinds or {})
    ):
        return None
    return blocks


def same_rows(
    rows: Rows, found: Autoencoder | OutlierDetector, source: Source, common: Common
) -> BigRows:
    """Return the rows that a model was just fitted on, to be gone through again."""
    from isthmus.io import ChosenBlocks

    assert isinstance(rows.X, ChosenBlocks)
    return BigRows(rows.X.blocks, found, source, wanted_by(found, source.path), common)


def rows_to_fit(
    source: Source,
    wanted: Wanted | None = None,
    weight: str | None = None,
    *,
    by: str | None = None,
) -> Rows | None:
    """Return the rows of a large source, read when training asks for them; None for others, and with
    a warning where a column `by` says of which group each row is.

    Their weights, of a column of this name, are read at once.

    Of a text file all columns have to be plain numbers then: what others are, all their cells tell.
    """
    import polars as pl

    from isthmus.io import ChosenBlocks, Rows, TextBlocks

    if by is not None:
        _warn_of_whole(source)
        return None
    blocks = _opened(source, wanted, weight=weight) if is_big(source) else None
    if blocks is None or (weight is not None and not _has_numbers(blocks, weight)):
        return None
    weights = None if weight is None else _weights(blocks, weight)
    first = blocks.table(0, 2)._replace(is_part=False)
    said = chosen(first, source, wanted, weight)  # with its warnings

    def taken(table: Table) -> np.ndarray | pl.DataFrame:
        return chosen(table, source, wanted, weight).X  # what it warns of is shown once

    names = [*getattr(said.X, "columns", ()), *([] if weight is None else [weight])]
    if isinstance(blocks, TextBlocks) and not _is_plain(blocks, names, {}):
        return None
    X: Any = ChosenBlocks(blocks, taken)
    return Rows(X, pl.DataFrame(), weights)


def _warn_of_whole(source: Source) -> None:
    """Warn of large files, before they are read, whose rows models of groups need in memory."""
    if is_big(source):
        warnings.warn(
            f"{source.path} is read as a whole for --by, and all its rows have to fit into memory: "
            "where they do not, fit some of its groups at a time.",
            stacklevel=2,
        )


def _has_numbers(blocks: Blocks, name: str) -> bool:
    """Return whether a source has a column of this name, of plain numbers where it is text."""
    from isthmus.io import TextBlocks

    return name in (blocks.signs if isinstance(blocks, TextBlocks) else blocks.columns or ())


def _weights(blocks: Blocks, name: str) -> np.ndarray:
    """Return the weights of all rows, or raise an error that counts the bad ones."""
    import polars as pl

    from isthmus.io import Rows, numbers_of

    table = blocks.only([name]).table(0, len(blocks))
    weights = numbers_of(table, [name]).to_series().to_numpy()
    check_weights(Rows(table.rows, pl.DataFrame(), weights, lines=table.lines), name, table.path)
    return weights


def is_big(source: Source) -> bool:
    """Return whether the files of a source are together too large to be read as a whole."""
    from isthmus.io import file_ending, table_files

    if source.is_folder:
        return False
    several = table_files(source.path)
    files = [source.path] if several is None else several
    opened = all(file_ending(file) in (*OPENED, *TEXTS) for file in files)
    return opened and sum(file.stat().st_size for file in files) >= BIG


def is_text(source: Source) -> bool:
    """Return whether the files of a source are text."""
    from isthmus.io import file_ending, table_files

    return file_ending((table_files(source.path) or [source.path])[0]) in TEXTS


def _opened(
    source: Source, wanted: Wanted | None, *beside: str, weight: str | None = None
) -> Blocks | None:
    """Open a large source; None for text files that only all of their cells tell how to read."""
    from isthmus.io import open_blocks

    blocks = _opened_text(source, wanted) if is_text(source) else open_blocks(source.path)
    if blocks is None or blocks.columns is None:
        return blocks
    return blocks.only([*used_of(blocks.table(0, 0), source, wanted, weight), *beside])


def _opened_text(source: Source, wanted: Wanted | None) -> TextBlocks | None:
    """Open a large text file; None for one that only all of its cells tell how to read."""
    from isthmus.io import open_text

    columns, kinds = source.columns, (None if wanted is None else wanted.kinds) or {}
    if columns.encoding is not None or columns.decimal == "comma":
        return None
    ids = {part.strip() for given in columns.id for part in (given, *given.split(","))}
    words = ids | {name for name, kind in kinds.items() if kind == "category"}
    found = open_text(source.path, header=not columns.no_header, words=[*words])
    is_index = found is not None and found.files[0].header and found.first in ROW_INDEX
    return None if is_index else found


def _is_plain(blocks: TextBlocks, used: Sequence[str], kinds: Mapping[str, str]) -> bool:
    """Return whether the numbers that are used are plain, and all other columns categories."""
    numbers = [name for name in used if kinds.get(name, "number") == "number"]
    if any(name not in blocks.signs for name in numbers):
        return False
    if any(name in blocks.signs or kinds[name] != "category" for name in {*used} - {*numbers}):
        return False
    signs = [blocks.signs[name] for name in numbers]
    return any(s.point for s in signs) or not any(s.doubtful for s in signs)


# -- results -------------------------------------------------------------------------------------


class _BadAfterGood(Exception):
    """Rows were set apart after others had been written, without a column that says why."""


def end_by_blocks(
    rows: BigRows,
    result: TableOutput,
    label: str,
    begin: Callable[[], Job],
    style: Style | None = None,
) -> int:
    """Write what is made of rows to a file or the standard output, and report it, as a whole would.

    Where rows are bad a last column says why; if the first of them comes late, all is written anew.
    """
    try:
        writing = _Writing(rows, result, begin(), style, explained=False)
        writing.run(label)
    except _BadAfterGood:
        writing = _Writing(rows, result, begin(), style, explained=True)
        writing.run(label)
    return writing.end()


class _Writing:
    """One way through all rows, to a file."""

    def __init__(
        self,
        rows: BigRows,
        result: TableOutput,
        job: Job,
        style: Style | None,
        *,
        explained: bool,
    ) -> None:
        self.rows, self.result, self.job, self.style = rows, result, job, style
        self.explained = explained
        self.path, self.raw = result.output, result.raw
        self.is_array = self.path is not None and self.path.suffix.lower() == ".npy"
        self.apart = Apart(rows.source)
        self.waiting: list[Rows] = []
        self.empty: pl.DataFrame | None = None  # the columns of the result, without rows
        self.names: list[str] = []
        self.printed: IO[bytes] | None = None

    def run(self, label: str) -> None:
        """Write all rows, or none."""
        with self._opened() as table:
            for rows in self.rows.parts(label):
                self._add(table, rows)
            if self.empty is None:
                self._refuse()

    def _opened(self) -> AbstractContextManager[Growing]:
        from isthmus.io import growing_lines, growing_table

        if self.path is not None:
            return growing_table(self.path, len(self.rows.blocks), raw=self.raw, style=self.style)
        self.printed = tempfile.TemporaryFile()
        weakref.finalize(self, self.printed.close)
        return growing_lines(self.printed, raw=self.raw)

    def _add(self, table: Growing, rows: Rows) -> None:
        check_columns(rows.ids, self.job.names)
        self.apart.add(rows)
        if rows.problems is not None and not self.explained and not self.is_array:
            if self.empty is not None:
                raise _BadAfterGood
            self.explained = True
        columns = self._columns(rows)
        if columns is None:
            self.waiting.append(rows)
            return
        for before in self.waiting:
            self._write(table, before, columns[:0])
        self.waiting.clear()
        self._write(table, rows, columns)

    def _columns(self, rows: Rows) -> pl.DataFrame | None:
        """Return the columns of the result; None where no row was good so far."""
        import polars as pl

        if not len(rows.X):
            return self.empty
        columns = pl.DataFrame(self.job.columns(rows))
        self.empty = columns[:0]
        return columns

    def _write(self, table: Growing, rows: Rows, columns: pl.DataFrame) -> None:
        import polars as pl

        if self.explained and rows.problems is None:
            none = pl.Series("problem", [None], dtype=pl.String).new_from_index(0, len(rows.X))
            rows = rows._replace(problems=none)
        part = with_ids(rows, columns.to_dict(), is_array=self.is_array)
        self.names = part.columns
        table.write(part)

    def _refuse(self) -> None:
        """Raise what is wrong with the first row, where all are bad."""
        first = self.rows.blocks.table(0, 1)._replace(is_part=False)
        self.job.columns(chosen(first, self.rows.source, self.rows.wanted))

    def end(self) -> int:
        """Report what was written, as `end_with_table` does."""
        self.apart.warn()
        facts, common = self.job.facts(len(self.rows.blocks)), self.rows.common
        counts = {"rows": len(self.rows.blocks), "unscored": self.apart.bad}
        if self.printed is None:
            return end_written(self.result, common, counts, self.names, facts)
        show_file(self.printed)
        return end_printed(common, facts)


def show_file(file: IO[bytes]) -> None:
    """Write what a file holds to the standard output, and close it."""
    file.seek(0)
    with io.TextIOWrapper(file, "utf-8", newline="") as lines:
        while text := lines.read(2**16):
            show_text(text)

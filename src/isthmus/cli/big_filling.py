"""Missing cells of a source that may be larger than memory, filled block by block."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from isthmus.cli.big import in_turn, is_big, is_text, rows_to_fit, show_file
from isthmus.cli.filling import filled_file, with_intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import polars as pl

    from isthmus.cli.options import Common
    from isthmus.cli.sources import Source, Wanted
    from isthmus.io import Blocks, ChosenBlocks, Growing, Rows, Table

    Made = TypeVar("Made")
    Estimate = Callable[[pl.DataFrame], tuple[pl.DataFrame, dict[str, pl.DataFrame]]]


@dataclass(frozen=True)
class BigTable:
    """A large source: all of its columns, and those that a model sees, with their types."""

    whole: Blocks
    rows: Rows  # as they are asked for
    common: Common

    @property
    def typed(self) -> ChosenBlocks:
        """The columns that a model sees."""
        from isthmus.io import ChosenBlocks

        assert isinstance(self.rows.X, ChosenBlocks)
        return self.rows.X

    def gaps(self) -> tuple[Counter[str], pl.DataFrame]:
        """Return how many cells are missing, by column, and a row for each such column."""
        import polars as pl

        counts, examples = Counter[str](), []
        for part in self._in_turn(self.typed, self.typed.read, "look for gaps"):
            assert isinstance(part, pl.DataFrame)
            found = part.null_count().row(0, named=True)
            new = [name for name, count in found.items() if count and not counts[name]]
            rows = [part[name].is_null().arg_max() for name in new]
            examples.append(part[pl.Series(rows, dtype=pl.UInt32)])
            counts.update(found)
        return counts, pl.concat(examples)

    def parts(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """Yield rows as they are in the file, and as a model sees them."""
        import polars as pl

        for table in self._in_turn(self.whole, self.whole.table, "impute"):
            typed = self.typed.choose(table)
            assert isinstance(table.rows, pl.DataFrame)
            assert isinstance(typed, pl.DataFrame)
            yield table.rows, typed

    def _in_turn(
        self, blocks: Blocks, read: Callable[[int, int], Made], label: str
    ) -> Iterator[Made]:
        return in_turn(read, len(blocks), len(blocks.columns or ()), label, self.common)


def big_table(
    source: Source, wanted: Wanted | None, output: Path | None, common: Common
) -> BigTable | None:
    """Return a source that is too large to be read as a whole, if it can be filled by blocks.

    It can if its columns have types. Where a cell is text that a model sees as something else, all
    cells of its column tell how an estimate is written. A sheet, and a table within JSON, are made as
    wholes in any case.
    """
    from isthmus.io import open_blocks

    in_json = output is None and common.json
    is_sheet = output is not None and output.suffix.lower() == ".xlsx"
    if in_json or is_sheet or not is_big(source) or is_text(source):
        return None
    rows = rows_to_fit(source, wanted)
    if rows is None:
        return None
    table = BigTable(open_blocks(source.path), rows, common)
    return table if _is_typed(table.whole.table(0, 2), table.typed) else None


def _is_typed(table: Table, typed: ChosenBlocks) -> bool:
    """Return whether a model sees text as it is, and all columns can be read."""
    import polars as pl

    seen = typed.choose(table)
    if (
        table.unread
        or not isinstance(seen, pl.DataFrame)
        or not isinstance(table.rows, pl.DataFrame)
    ):
        return False
    texts = [name for name, dtype in table.rows.schema.items() if dtype == pl.String]
    return all(seen.schema.get(name, pl.String) == pl.String for name in texts)


def fill_by_blocks(
    table: BigTable, estimate: Estimate, examples: pl.DataFrame, output: Path | None
) -> tuple[dict[str, int], dict[str, int]]:
    """Write a table with its gaps filled, or print it, and return by column how many were, and how
    many are left.

    `examples` are rows that have a gap in each column that has any.
    """
    from isthmus.io import Style

    empty = {name: found.clear() for name, found in estimate(examples)[1].items()}
    filled, left = Counter[str](), Counter[str]()
    with _growing(output, len(table.whole)) as growing:
        for cells, typed in table.parts():
            estimates, intervals = estimate(typed)
            found, counts, others = filled_file(cells, typed, estimates, Style())
            growing.write(with_intervals(found, cells, typed, empty | intervals, Style()))
            filled.update(counts)
            left.update(others)
    names = table.typed.columns or ()
    first, second = ({n: some[n] for n in names if some[n]} for some in (filled, left))
    return first, second


@contextmanager
def _growing(output: Path | None, rows: int) -> Iterator[Growing]:
    """Open a table that grows in its file, or one that is printed once it is whole."""
    from isthmus.io import growing_lines, growing_table

    if output is not None:
        with growing_table(output, rows, raw=True) as growing:
            yield growing
        return
    with tempfile.TemporaryFile() as file:
        with growing_lines(file, raw=True) as growing:
            yield growing
        show_file(file)

"""What commands end with: tables beside their identifiers, and what is told of files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from isthmus.cli.options import Common
from isthmus.cli.terminal import UsageError, show_json, show_lines, show_text, warned
from isthmus.io.tables import check_table_output, csv_text, write_table

TABLES = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True)
class Written:
    """Where and how a table is written."""

    output: Path | None
    force: bool
    raw: bool

    def check(self, kinds: tuple[str, ...], *inputs: Path | None) -> None:
        """Raise a TableError before any work where the file cannot be written."""
        if self.output is not None:
            check_table_output(self.output, kinds, force=self.force, inputs=inputs)


def check_ids(ids: pl.DataFrame, names: list[str]) -> None:
    """Raise a UsageError for an identifier that has the name of a result."""
    both = [name for name in ids.columns if name in names]
    if both:
        raise UsageError(f"The identifier {both[0]!r} has the name of a column of the result.")


def beside(ids: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Return identifiers, if there are any, and results."""
    check_ids(ids, frame.columns)
    return pl.concat([ids, frame], how="horizontal") if ids.width else frame


def write(written: Written, ids: pl.DataFrame, frame: pl.DataFrame, common: Common) -> int:
    """Write identifiers and results, to a file or to the standard output."""
    frame = beside(ids, frame)
    if written.output is None:
        show_text(csv_text(frame, raw=written.raw))
        return 0
    write_table(written.output, frame, raw=written.raw)
    show_table(written.output, len(frame), frame.columns, common)
    return 0


def show_table(path: Path, rows: int, columns: list[str], common: Common) -> None:
    """Tell of a table that was written."""
    text = f"{rows:,} rows, {len(columns)} columns"
    show_written(path, text, common, rows=rows, columns=columns)


def show_written(path: Path, text: str, common: Common, **facts: Any) -> None:
    """Tell of a file that was written: facts in JSON, or a line."""
    if common.json:
        show_json({"output": str(path), **facts, "warnings": warned})
    elif not common.quiet:
        show_lines({"output": str(path), "data": text})

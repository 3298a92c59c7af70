"""Lines of decisions, printed or added to a file as rows arrive."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from isthmus.cli.options import Common, Output, goes_to
from isthmus.cli.terminal import UsageError, complain, show_text

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class Stream(Output):
    """Where decisions go, if not to the standard output."""

    output: Annotated[
        Path | None,
        goes_to("A .csv or .jsonl file, to which lines are added; by default the standard output."),
    ] = None


@dataclass(frozen=True)
class Beside:
    """What stands in a line beside the decision."""

    ids: tuple[str, ...]
    explain: int
    decimal: str

    @property
    def columns(self) -> list[str]:
        """The names of a line's cells."""
        reasons = [f"because{i + 1}" for i in range(self.explain)]
        return ["row", *self.ids, "pvalue", "level", "outlier", *reasons, "problem"]


class Printer:
    """Lines of decisions, to the standard output or to the end of a file.

    A file has each line once: what the last batch in the state should have written is written again
    where a crash left it out, or cut it off.
    """

    def __init__(
        self, result: Stream, beside: Beside, common: Common, notes: dict[str, Any]
    ) -> None:
        self.path, self.columns = result.output, beside.columns
        self.json = common.json if self.path is None else self.path.suffix == ".jsonl"
        self.begun, self.quiet = False, common.quiet
        if self.path is not None:
            self._mend(self.path, notes)

    def _mend(self, path: Path, notes: dict[str, Any]) -> None:
        size, there = int(notes.get("output", 0)), path.stat().st_size if path.exists() else 0
        if there < size:
            raise UsageError(
                f"{path} is shorter than the state says that it was: give the output that belongs to "
                "it, or begin a new state."
            )
        with path.open("ab") as file:
            file.truncate(size)
        self.begun = size > 0
        if "last" in notes:
            self.show(notes["last"])

    @property
    def size(self) -> int:
        """The bytes of the file so far."""
        return 0 if self.path is None else self.path.stat().st_size

    def show(self, lines: Sequence[dict[str, Any]]) -> None:
        """Print or add lines; a drift is a line of its own in JSON, and a warning."""
        for line in lines:
            if "drift" in line:
                complain(f"row {line['drift']['row']:,}: {line['drift']['advice']}", "drift: ")
        text = self._json(lines) if self.json else self._csv([x for x in lines if "drift" not in x])
        if self.path is None:
            show_text(text)
            sys.stdout.flush()
            return
        with self.path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def _json(self, lines: Sequence[dict[str, Any]]) -> str:
        from isthmus.io import as_json

        return "".join(json.dumps(as_json(line, str), allow_nan=False) + "\n" for line in lines)

    def _csv(self, lines: Sequence[dict[str, Any]]) -> str:
        import polars as pl

        from isthmus.io import csv_text

        kinds: dict[str, type[pl.DataType]] = dict.fromkeys(self.columns, pl.String)
        kinds |= {"row": pl.Int64, "pvalue": pl.Float64, "level": pl.Float64, "outlier": pl.Boolean}
        rows = [{name: line.get(name) for name in self.columns} for line in lines]
        text = csv_text(pl.DataFrame(rows, schema=kinds))
        if self.begun:
            text = text.partition("\n")[2]
        self.begun = True
        return text

"""`.csv` and `.tsv`, also packed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.io.endings import TEXT_ENDINGS
from isthmus.io.reading import reader
from isthmus.io.table import Table
from isthmus.io.text import read_text

if TYPE_CHECKING:
    from pathlib import Path


@reader(*TEXT_ENDINGS)
def read(path: Path, *, header: bool = True, encoding: str | None = None) -> Table:
    """Return a table whose cells are text, but for numbers of large files."""
    text = read_text(path, header=header, encoding=encoding)

    return Table(
        path,
        text.frame,
        text.separator,
        lines=text.lines,
        row_index=text.row_index,
        light=text.light,
    )

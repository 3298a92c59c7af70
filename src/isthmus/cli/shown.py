"""Rows that are shown, on a page or as points: all of them, or a sample of a large source."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from isthmus.cli.bad_rows import set_far_apart
from isthmus.cli.big import open_plain, with_words
from isthmus.cli.models import wanted_by
from isthmus.cli.rows import read_beside, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.cli.sources import Source, Wanted
    from isthmus.io import Blocks, Rows, Table
    from isthmus.outliers import OutlierDetector

MOST = 100_000  # rows of a large source that are shown
AT_ONCE = 2**16


def shown_rows(
    found: Autoencoder | OutlierDetector, path: Path, source: Source, beside: str | None
) -> tuple[Rows, pl.Series | None]:
    """Read the rows that are shown, and a column beside them; bad ones are left out.

    The identifiers are those of the rows shown, whose `numbers` are those among all rows that were
    read: a sample of a large source, with a warning.
    """
    wanted, column = wanted_by(found, path), None
    table = _sample(source, wanted, *([] if beside is None else [beside]))
    if beside is None:
        rows = read_rows(source, wanted, table=table)
    else:
        rows, column = read_beside(source, beside, wanted, table=table)
    rows = set_far_apart(found, rows, source)
    if rows.problems is not None and rows.ids.width:
        rows = rows._replace(ids=rows.ids[rows.numbers])
    return rows, None if column is None else column[rows.numbers]


def _sample(source: Source, wanted: Wanted, *beside: str) -> Table | None:
    """Return some rows of a large source; None for others."""
    import numpy as np

    blocks = open_plain(source, wanted, *beside)
    if blocks is None or len(blocks) <= MOST:
        return None
    numbers = np.sort(np.random.default_rng(0).choice(len(blocks), MOST, replace=False))
    warnings.warn(
        f"{source.path} has {len(blocks):,} rows: a random sample of {MOST:,} is shown.",
        stacklevel=2,
    )
    return with_words(_gathered(blocks, numbers), blocks, wanted)


def _gathered(blocks: Blocks, numbers: np.ndarray) -> Table:
    """Return rows by their numbers, which are in order."""
    import numpy as np
    import polars as pl

    from isthmus.io import Numbered

    parts = []
    for start in range(0, len(blocks), AT_ONCE):
        here = slice(*np.searchsorted(numbers, [start, start + AT_ONCE]))
        table = blocks.table(start, start + AT_ONCE)
        parts.append((table.rows[numbers[here] - start], table))
    frames = [rows for rows, _ in parts]
    whole = pl.concat(frames) if isinstance(frames[0], pl.DataFrame) else np.concatenate(frames)
    return parts[0][1]._replace(rows=whole, lines=Numbered(0, numbers), is_part=False)

"""Rows that a model cannot take are set apart, and one warning counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.cli.apart import Apart, without_odd
from isthmus.cli.groups import with_groups
from isthmus.cli.models import wanted_by
from isthmus.cli.rows import read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.autoencoder import Autoencoder
    from isthmus.cli.sources import Source
    from isthmus.io import Rows
    from isthmus.outliers import OutlierDetector


def rows_for(found: Autoencoder | OutlierDetector, path: Path, source: Source) -> Rows:
    """Read the rows that the model of a file is applied to, the bad ones set apart."""
    source = with_groups(found, path, source)
    return set_far_apart(found, read_rows(source, wanted_by(found, path)), source)


def set_far_apart(found: Autoencoder | OutlierDetector, rows: Rows, source: Source) -> Rows:
    """Set rows apart that a model refuses: with numbers beyond its precision, or without any cell.

    All that were set apart, for whatever reason, are told of in one warning.
    """
    rows, apart = without_odd(found, rows, source), Apart(source)
    apart.add(rows)
    apart.warn()
    return rows

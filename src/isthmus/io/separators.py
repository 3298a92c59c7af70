"""What separates the cells of a text file."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from isthmus.io.endings import file_ending

if TYPE_CHECKING:
    from pathlib import Path


def separator_of(path: Path, text: str) -> str:
    """Return what separates the cells; a single column has nothing, and a comma does no harm."""
    if file_ending(path).startswith(".tsv"):
        return "\t"
    sample = text[: 2**14]
    sample = sample[: sample.rfind("\n") + 1] or sample  # whole lines
    try:
        found = csv.Sniffer().sniff(sample, delimiters=",;\t|").delimiter
    except csv.Error:
        found = ""
    first = sample.partition("\n")[0]
    return found if found and found in first else max(",;\t|", key=first.count)

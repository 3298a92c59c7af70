"""Programs that workers need, compiled before they start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.loading import load
from isthmus.scale.groups import usual_groups
from isthmus.scale.parts import PARTS, possible, usual_rows

if TYPE_CHECKING:
    from pathlib import Path


def warm(path: str | Path, batch: int) -> list[str]:
    """Compile what a worker needs for single rows and for batches, and return the parts that it can do.

    Compiled programs are kept where `isthmus.enable_compilation_cache` was told to, but for those
    that this process has compiled before.

    Parameters
    ----------
    path : path
        The file of a model or a detector.
    batch : int
        The number of rows in a batch.
    """
    model = load(path)
    parts = possible(model)
    for part in parts:
        for n in sorted({1, batch}):
            PARTS[part](model, usual_rows(model, n), usual_groups(model, n))
    return parts

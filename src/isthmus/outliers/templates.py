"""What the autoencoders of a detector are that was given none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

STEPS = 300  # of the default autoencoder: long training learns the outliers too
WIDE = 1024  # columns, from which on fewer steps are taken: each takes longer, and learns more
MIXED_STEPS = 400  # of that for tables of mixed types
CLEAN_STEPS = 1000  # of that where the rows are clean


def default_settings(
    train: np.ndarray, *, mixed: bool = False, clean: bool = False
) -> dict[str, Any]:
    """Return the parameters of the autoencoder of a detector that was given none, for these rows.

    Cells are hidden from it, so that it learns how columns depend on each other: noise that leaves all
    cells in sight is undone without that. Rows of mixed types take longer. Where these are clean fewer
    are hidden: one in ten, not in five, finds 1 % more attacks in NSL-KDD.
    """
    n, d = train.shape
    steps = (CLEAN_STEPS if clean else MIXED_STEPS) if mixed else max(STEPS * min(1, WIDE / d), 50)
    return {
        "n_components": min(d, 32),
        "architecture": f"dense:hidden=[{128 if mixed else 64}],activation=tanh",
        "corruption": (f"masking:rate={0.1 if clean else 0.2}", "swap:rate=0.1")
        if mixed
        else "masking:rate=0.5",
        "max_epochs": max(math.ceil(steps / math.ceil(n / 128)), 1),
        "batch_size": 128,
        "learning_rate": 0.01,
        "early_stopping": False,
    }


def group_settings(d: int) -> dict[str, Any]:
    """Return the parameters of the autoencoder of a group of rows of d columns.

    It is narrow: among ten thousand groups a net counts by its bytes, and a few hundred rows fill no
    more. `benchmarks/fleet.py` compares it with a detector for each group.
    """
    hidden = max(2 * d // 5, 8)
    return {
        "n_components": min(d, hidden // 2),
        "architecture": f"dense:hidden=[{hidden}],activation=tanh",
        "corruption": "masking:rate=0.5",
        "batch_size": 128,
        "learning_rate": 0.01,
    }

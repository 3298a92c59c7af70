"""What files of earlier formats mean by their losses, where isthmus means something else today."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINCE = [1, 4]
EARLIER: dict[str, dict[str, object]] = {
    "bce": {"deviance": False},
    "poisson": {"deviance": False},
    "cosine": {"normalise": False},
}
CHANGES = {
    "deviance": "scores count from 0 and not from what a perfect copy of the row costs",
    "normalise": "the encoder sees rows at their own length",
}


def keep_losses(meta: dict[str, Any]) -> dict[str, str]:
    """Give losses in a file's JSON the options that they had when it was written.

    Returns the losses' names by the options that they were given.
    """
    kept: dict[str, str] = {}
    if meta["version"] >= SINCE:
        return kept
    for slots in _all_slots(meta):
        loss = slots["loss"]
        options = EARLIER.get(loss["name"], {})
        slots["loss"] = {**options, **loss}
        kept |= dict.fromkeys(options, loss["name"])
    return kept


def warn_of_kept(path: str | Path, kept: dict[str, str]) -> None:
    """Say that a model's loss means what it did when it was written."""
    for option, name in kept.items():
        warnings.warn(
            f"{path} was written by an earlier isthmus and keeps what its loss {name!r} meant: "
            f"{CHANGES[option]} ({option}=False). Fit again for what the loss means today.",
            UserWarning,
            stacklevel=4,  # the user's call of `load`
        )


def _all_slots(meta: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (meta, meta.get("autoencoder"), meta.get("template"), *meta.get("members", ())):
        if part is not None and "slots" in part:
            yield part["slots"]

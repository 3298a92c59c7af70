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


def keep_losses(path: str | Path, meta: dict[str, Any]) -> None:
    """Give losses in a file's JSON the options that they had when it was written, and say so once."""
    if meta["version"] >= SINCE:
        return
    kept: dict[str, str] = {}
    for slots in _all_slots(meta):
        loss = slots["loss"]
        options = EARLIER.get(loss["name"], {})
        slots["loss"] = {**options, **loss}
        kept |= dict.fromkeys(options, loss["name"])
    for option, name in kept.items():
        warnings.warn(
            f"{path} was written by an earlier isthmus and keeps what its loss {name!r} meant: "
            f"{CHANGES[option]} ({option}=False). Fit again for scores as they are today.",
            UserWarning,
            stacklevel=2,
        )


def _all_slots(meta: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (meta, meta.get("autoencoder"), meta.get("template"), *meta.get("members", ())):
        if part is not None and "slots" in part:
            yield part["slots"]

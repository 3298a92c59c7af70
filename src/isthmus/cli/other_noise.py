"""Whether pictures have another noise than a model was trained on."""

from __future__ import annotations

import warnings
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from isthmus.autoencoder import Autoencoder
    from isthmus.images import Noise
    from isthmus.io import ImageFolder

LOOKED_AT = 5  # pictures
SIDE = 512  # pixels of each that are looked at, along a side
SHARE = 0.5  # of them, from which on there is a warning


class Seen(NamedTuple):
    """A picture's noise, and what a model knows of noise at its brightness."""

    name: str
    noise: Noise
    brightness: float
    known: dict[str, tuple[float, float]]


def warn_of_other_noise(ae: Autoencoder, model: Path, found: ImageFolder, mode: str) -> None:
    """Warn if half of the first pictures have a noise that the model was not trained on."""
    from isthmus.images import is_other

    seen = first_seen(ae, found, mode)
    others = [one for one in seen if is_other(one.noise, one.brightness, one.known)]
    if not others or len(others) < SHARE * len(seen):
        return
    one = others[0]
    warnings.warn(
        f"{len(others)} of the first {len(seen)} pictures have another noise than {model} was trained "
        f"on, such as {found.folder / one.name}, which has {_noise_in_words(one)}, and the model was "
        f"trained on {known_in_words(one.known)}: fit one on noise like theirs. isthmus denoise "
        "--estimate shows which noise each picture has.",
        stacklevel=3,
    )


def first_seen(ae: Autoencoder, found: ImageFolder, mode: str) -> list[Seen]:
    """Return what can be said of the first pictures; those are left out of which nothing can be."""
    from isthmus.images import SMALLEST

    pictures = islice(found.each(mode), LOOKED_AT)
    some = [
        _seen(ae, header.name, pixels, str(found.folder / header.name))
        for header, pixels in pictures
        if min(header.size) >= SMALLEST
    ]
    return [one for one in some if one is not None]


def _seen(ae: Autoencoder, name: str, pixels: np.ndarray, what: str) -> Seen | None:
    from isthmus.images import estimate_noise, middle, taught, unit_of

    model, part = ae.fitted_.model, middle(pixels, SIDE)
    brightness = float(part.mean())
    known = taught(model, brightness, unit_of(model, pixels, what))
    return None if known is None else Seen(name, estimate_noise(part), brightness, known)


def _noise_in_words(one: Seen) -> str:
    from isthmus.images import deviation_at

    noise = one.noise
    if noise.verdict is None:
        return f"no noise that can be told (a deviation of {noise.deviation:.2g} at most)"
    if noise.verdict == "saltpepper":
        return f"salt and pepper in {100 * noise.saltpepper:.2g} % of the pixels"
    return f"{noise.verdict} noise of deviation {deviation_at(noise, one.brightness):.2g}"


def known_in_words(known: dict[str, tuple[float, float]]) -> str:
    """Return kinds of noise, and from where to where they go."""
    units = {"saltpepper": (100, " %")}
    words = []
    for kind, ends in known.items():
        factor, unit = units.get(kind, (1, ""))
        low, high = (f"{factor * end:.2g}{unit}" for end in ends)
        strength = low if low == high else f"{low} to {high}"
        words.append(f"{kind} {strength}" if isfinite(ends[1]) else kind)
    return ", ".join(words)

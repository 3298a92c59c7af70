"""Which noise a model was trained on, in the units of pixels, and whether an image has another."""

from __future__ import annotations

from math import hypot, inf, prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from isthmus.images.noise import Noise
    from isthmus.model import Model

    Ends = tuple[float, float]
    Known = dict[str, Ends]  # kinds of noise, and from where to where their strength goes

MARGIN = 1.5  # how far beyond what a model was trained on its noise may lie
STEP = 1e-3  # of scaled units, for a slope
DEVIATIONS = {"gaussian": ("std", 1.0), "uniform": ("width", 3**-0.5)}
SIZED = ("poisson", "stripes", "saltpepper", "jpeg")
KIND = {
    "gaussian": "deviation",
    "poisson": "deviation",
}  # of a verdict; others are kinds themselves


def taught(model: Model, brightness: float, unit: float) -> Known | None:
    """Return the noise that a model was trained on, for pixels of a brightness on average.

    Deviations are in the pixels' units; `unit` is what the model's is in them. None where nothing can
    be said: there is no corruption, or one that poses another task, or of another kind; or pixels are
    scaled one by one.
    """
    from isthmus.model import scaler_of_pixels

    parts = model.slots.corruption
    channels = prod((model.sample_shape or ())[2:])
    scaler = scaler_of_pixels(model)
    sized = all(part.name in (*DEVIATIONS, *SIZED) and not part.of_noise for part in parts)
    if scaler is None or not parts or not sized:
        return None
    at = scaler.forward(np.full((1, channels), brightness / unit), "float64")
    rise = scaler.inverse(at + STEP) - scaler.inverse(at - STEP)
    slope = unit * float(rise.mean()) / (2 * STEP)
    known: Known = {}
    for part in parts:
        ends = _strength(part, model, float(at.mean()), slope)
        if ends is None:
            return None
        kind = "deviation" if part.name in (*DEVIATIONS, "poisson") else part.name
        known[kind] = _together(known.get(kind, (0.0, 0.0)), ends)
    return known


def _together(first: Ends, second: Ends) -> Ends:
    """Return the deviation of two noises, one after the other."""
    return hypot(first[0], second[0]), hypot(first[1], second[1])


def _strength(part: Any, model: Model, at: float, slope: float) -> Ends | None:
    """Return from where to where a corruption's strength goes, for pixels of a scaled brightness."""
    if part.name in DEVIATIONS:
        field, factor = DEVIATIONS[part.name]
        return _ends(getattr(part, field), factor * slope)
    if part.name == "stripes":
        return _ends(part.std, slope)
    if part.name == "saltpepper":
        return _ends(part.rate, 1.0)
    return (0.0, inf) if part.name == "jpeg" else _of_photons(part, model, at, slope)


def _of_photons(part: Any, model: Model, at: float, slope: float) -> Ends | None:
    if model.scaling != "range" and None in (part.low, part.high):
        return None  # the ends of what it was trained on are not known
    low, high = model.slots.output_interval or (0.0, 1.0)
    low, high = low if part.low is None else part.low, high if part.high is None else part.high
    few, many = _ends(part.peak, 1.0)
    squares = [max(at - low, 0) * (high - low) / peak for peak in (many, few)]
    return slope * squares[0] ** 0.5, slope * squares[1] ** 0.5


def _ends(value: Any, factor: float) -> Ends:
    low, high = value if isinstance(value, tuple | list) else (value, value)
    return factor * low, factor * high


def deviation_at(found: Noise, brightness: float) -> float:
    """Return the deviation of an image's noise, of photons at a brightness."""
    if found.verdict != "poisson":
        return found.deviation
    return max(found.gain * brightness + found.offset, 0.0) ** 0.5


def is_other(found: Noise, brightness: float, known: Known) -> bool:
    """Return whether an image has another noise than what a model was trained on, by far."""
    strengths = {"deviation": deviation_at(found, brightness), "saltpepper": found.saltpepper}
    if found.verdict is None:
        return all(low > MARGIN * strengths.get(kind, 0) for kind, (low, _) in known.items())
    kind = KIND.get(found.verdict, found.verdict)
    low, high = known.get(kind, (inf, 0.0))
    return not low / MARGIN <= strengths[kind] <= MARGIN * high

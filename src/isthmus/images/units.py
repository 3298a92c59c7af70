"""Which units a model's pixels have, where an image has others: 0 to 1, bytes, or 16 bits."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from isthmus.model import Model

FAR = 16  # times the values that a model was fitted on, which no noise of an image reaches
FAINT = 2  # of images from 0 to 1 no value is higher, with noise
WHITES = 1.0, 255.0, 65535.0


def unit_of(model: Model, X: np.ndarray, what: str) -> float:
    """Return what the model's unit is in an image's pixels, 1 unless they surely have other units.

    Raises a ValueError for NaN and infinite values, and warns of values that the model cannot know.
    """
    low, high = float(X.min()), float(X.max())
    if not np.isfinite([low, high]).all():
        raise ValueError(f"{what} has NaN or infinite values: fill these pixels first.")
    top = _top(model)
    if top is None:
        return 1.0
    if X.dtype.kind == "u":
        own = float(np.iinfo(X.dtype).max)
        unit = own / next((white for white in WHITES if top <= white), own)
        if (unit > 1 and high > FAR * top) or (unit < 1 and top > FAR * own):
            _warn_of_unit(unit, own, top)
            return unit
    most = max(high, -low)
    faint = X.dtype.kind == "f" and low < high and most <= FAINT and top > FAR * FAINT
    if most > FAR * top or faint:
        warnings.warn(
            f"{what} has values from {low:.4g} to {high:.4g}, and the model was fitted on values up to "
            f"{top:.4g}: bring it to the same units.",
            stacklevel=5,
        )
    return 1.0


def _top(model: Model) -> float | None:
    """Return the highest value that a model was fitted on, if its scaling tells."""
    if model.scaling != "range":
        return None
    ends = model.scaler.inverse(np.ones((1, model.n_features)))
    return float(ends.max()) if ends.max() > 0 else None


def _warn_of_unit(unit: float, own: float, top: float) -> None:
    kind = f"Pixels from 0 to {own:,.0f} are taken for those that are 0 to {own / unit:,.0f}"
    warnings.warn(f"{kind}: the model was fitted on values up to {top:,.4g}.", stacklevel=6)

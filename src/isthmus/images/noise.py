"""Which noise an image has, and how strong: what can be told from the image alone.

The deviation of noise is the median size of its finest diagonal wavelets (Donoho and Johnstone, "Ideal
Spatial Adaptation by Wavelet Shrinkage", 1994), in blocks, of which the flattest fifth says how strong
the noise is: elsewhere texture looks like noise. An image that is of fine texture everywhere cannot be
told from a noisy one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.images.channels import COLOURS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

WAVELET = np.array(
    [-0.12940952255092145, -0.22414386804185735, 0.836516303737469, -0.48296291314469025]
)
NORMAL = 0.6744897501960817  # the median size of standard normal numbers
BLOCK = 12  # wavelets across a block, which are 24 pixels
SMALLEST = 4 * BLOCK  # pixels of a side
LARGEST = 2048  # pixels of a side that are looked at
FLAT = 0.2  # of the blocks
OF_FLAT = 1 - 0.8416 * 1.166 / BLOCK  # what that quantile of blocks of pure noise is
LEAST = 0.012  # of the range: less is not told from texture
FEWEST = 0.001  # of the pixels: less is no salt and pepper


class Noise(NamedTuple):
    """What `estimate_noise` found.

    Attributes
    ----------
    deviation : float
        The standard deviation of additive noise, in the image's units.
    gain, offset : float
        The noise's variance is about `gain * brightness + offset`.
    saltpepper : float
        The share of pixels that are salt or pepper.
    verdict : str
        "gaussian", "poisson", "saltpepper", or None where no noise was found.
    """

    deviation: float
    gain: float
    offset: float
    saltpepper: float
    verdict: str | None


def estimate_noise(image: ArrayLike) -> Noise:
    """Return which noise an image has, and how strong.

    Parameters
    ----------
    image : ndarray (height, width[, channels])
        With 48 pixels or more on each side. Alpha, the second or fourth channel, is left out; of a
        large image the 2,048 x 2,048 pixels in its middle are looked at.

    Returns
    -------
    Noise
        Means over the channels.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus.images import estimate_noise
    >>> y, x = np.mgrid[:96, :96]
    >>> noisy = 100 + x / 2 + y / 3 + np.random.default_rng(0).normal(0, 10, (96, 96))
    >>> found = estimate_noise(noisy)
    >>> found.verdict, round(found.deviation)
    ('gaussian', 10)
    """
    pixels = np.asarray(image)
    shaped = pixels.ndim in (2, 3) and pixels.size and min(pixels.shape[:2]) >= SMALLEST
    if not shaped or not np.isfinite(pixels).all():
        raise ValueError(
            "An image has the shape (height, width) or (height, width, channels), at least "
            f"{SMALLEST} pixels on each side, and finite values; got one of shape {pixels.shape}."
        )
    planes = _planes(pixels)
    found = np.mean([_of_plane(planes[..., c]) for c in range(planes.shape[2])], axis=0)
    full = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "u" else np.ptp(planes)
    deviation, gain, offset, share = found.tolist()
    numbers = Noise(deviation, gain, offset, share, None)
    return numbers._replace(verdict=_verdict(numbers, float(planes.mean()), float(full)))


def _planes(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of an image (height, width, channels), without alpha, in float64."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    colours = pixels.reshape(*pixels.shape[:2], channels)[..., : COLOURS.get(channels, channels)]
    return middle(colours, LARGEST).astype(float)


def middle(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return the pixels in the middle of an image that has longer sides; JPEG's blocks stay whole."""
    start = [max(size - side, 0) // 16 * 8 for size in pixels.shape[:2]]
    rows, columns = (slice(first, first + side) for first in start)
    return pixels[rows, columns]


def _verdict(found: Noise, mean: float, full: float) -> str | None:
    if found.saltpepper > FEWEST:
        return "saltpepper"
    if found.deviation <= LEAST * full:
        return None
    return "poisson" if found.gain * mean > 2 * abs(found.offset) else "gaussian"


def _of_plane(plane: np.ndarray) -> tuple[float, float, float, float]:
    """Return deviation, gain, offset and share of salt and pepper of one channel."""
    from scipy import ndimage

    share, hit = salt_and_pepper(plane)
    if share > FEWEST:
        plane = np.where(hit, ndimage.median_filter(plane, 5), plane)
    deviations, means = _blocks(plane)
    deviation = float(np.quantile(deviations, FLAT)) / OF_FLAT
    return deviation, *_line(deviations / OF_FLAT, means), share


def _blocks(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the deviation of each block's wavelets, and its brightness; none of those at an end."""
    from scipy import ndimage

    fine = plane
    for axis in (0, 1):
        fine = ndimage.correlate1d(fine, WAVELET, axis=axis)
    cut = np.median(_cut(np.abs(fine[1::2, 1::2]), BLOCK), axis=1) / NORMAL
    pixels = _cut(plane, 2 * BLOCK)
    ends = ((pixels == plane.min()) | (pixels == plane.max())).mean(axis=1) < 0.1
    some = ends if ends.any() else np.ones(len(ends), bool)
    return cut[some], pixels.mean(axis=1)[some]


def _cut(plane: np.ndarray, side: int) -> np.ndarray:
    """Return the whole blocks of a plane, (blocks, side^2)."""
    rows, columns = (size // side for size in plane.shape)
    whole = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return whole.swapaxes(1, 2).reshape(-1, side * side)


def _line(deviations: np.ndarray, means: np.ndarray) -> tuple[float, float]:
    """Return the line of the flattest blocks' variance over their brightness: gain and offset."""
    order = np.array_split(np.argsort(means), min(8, max(len(means) // 10, 1)))
    variances = [np.quantile(deviations[some], FLAT) ** 2 for some in order]
    places = [means[some].mean() for some in order]
    if np.ptp(places) == 0:
        return 0.0, float(np.mean(variances))
    gain, offset = np.polyfit(places, variances, 1)
    return float(gain), float(offset)


def salt_and_pepper(plane: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the share of salt and pepper, and which pixels are seen to be: ends, far from others."""
    from scipy import ndimage

    low, high = plane.min(), plane.max()
    inside = (plane > low) & (plane < high)
    count, total, squares = (
        ndimage.uniform_filter(np.where(inside, values, 0.0), 5) for values in (1, plane, plane**2)
    )
    count = np.maximum(count, 1e-9)
    mean = total / count
    far = 0.15 * (high - low) + 4 * np.sqrt(np.maximum(squares / count - mean**2, 0))
    there = count > 0.02
    hit = ~inside & there & (np.abs(plane - mean) > far)
    seen = np.mean(there * ((mean - low > far) / 2 + (high - mean > far) / 2))
    return float(hit.mean() / seen) if seen > 0.05 else 0.0, hit

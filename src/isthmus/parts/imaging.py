"""Corruptions of images, which know where a row's values lie: stripes, and JPEG's blocks.

Reference of JPEG: ITU-T T.81, annex K, with the scale of its tables that libjpeg calls quality.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from isthmus.nets import normal, uniform
from isthmus.parts.corruptions import Corruption, drawn, highest
from isthmus.parts.part import number, option
from isthmus.parts.photons import span_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jax import Array

Grid = tuple[int, ...]


class ImageCorruption(Corruption):
    """A corruption of images: `on_images(key, images)`, shapes (n, h, w, c) -> (n, h, w, c)."""

    def on_images(self, key: Array, images: Array) -> Array:
        """Return the corrupted images."""
        raise NotImplementedError

    def placed(self, grid: Grid | None) -> Corruption:
        if grid is None or len(grid) != 3:
            raise ValueError(
                f"The corruption {self.name!r} is for images, and these rows have no height and width: "
                "give X as (n, height, width) or (n, height, width, channels), or take an architecture "
                "with input_shape."
            )
        return OnImages(self, grid)


@dataclass
class OnImages(Corruption):
    """A corruption on flat rows that are images of a known shape."""

    part: ImageCorruption
    grid: Grid

    def _flatten(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        return (self.part,), (self.grid,)

    @classmethod
    def _unflatten(cls, static: tuple[object, ...], numbers: Iterable[object]) -> Self:
        whole = object.__new__(cls)
        for name, value in zip(("part", "grid"), (*numbers, *static), strict=True):
            object.__setattr__(whole, name, value)
        return whole

    def __call__(self, key: Array, x: Array) -> Array:
        return self.part.on_images(key, x.reshape(-1, *self.grid)).reshape(x.shape)


@dataclass
class Stripes(ImageCorruption, name="stripes"):
    """Stripes in images: each row, or column, is shifted by a number of its own, `std * N(0, 1)`.

    Parameters
    ----------
    std : float in [0, inf), or two
        The shifts' standard deviation, in units of the scaled data; of two one between them is drawn
        for each image.
    direction : {"either", "rows", "columns"}
        What is shifted; with "either" it is drawn for each image.

    Examples
    --------
    >>> noise = Stripes(std=0.5, direction="rows").placed((2, 3, 1))
    >>> x = noise(jax.random.key(0), jnp.zeros((1, 6)))[0]
    >>> bool((x[0] == x[2]) & (x[2] != x[3]))
    True
    """

    std: float | tuple[float, float] = number(0.1, "[0, inf)", ranged=True)
    direction: str = option("either", ("either", "rows", "columns"))

    def on_images(self, key: Array, images: Array) -> Array:
        n, h, w, _ = images.shape
        rows = normal(key, (n, h, 1, 1), images.dtype)
        columns = normal(jax.random.fold_in(key, 2), (n, 1, w, 1), images.dtype)
        if self.direction == "either":
            coin = uniform(jax.random.fold_in(key, 3), (n, 1, 1, 1), images.dtype)
            shift = jnp.where(coin < 0.5, rows, columns)
        else:
            shift = rows if self.direction == "rows" else columns
        return images + drawn(self.std, key, images) * shift

    @property
    def active(self) -> bool:
        return highest(self.std) > 0


@dataclass
class JPEG(ImageCorruption, name="jpeg"):
    """JPEG's blocks: 8 x 8 pixels become cosines, rounded to the steps that belong to a quality.

    Three channels are taken for red, green and blue, whose two differences have coarser steps, at full
    size (4:4:4); any other channel is rounded by itself.

    Parameters
    ----------
    quality : float in [1, 100], or two
        As programs that write JPEG files count it, in whole numbers; the lower, the coarser. Of two
        one between them is drawn for each image.
    low, high : float, optional
        Black and white, in units of the scaled data; by default the smallest and the largest value of
        the scaled training data.

    Examples
    --------
    >>> noise = JPEG(quality=10, low=0.0, high=1.0).placed((8, 8, 1))
    >>> x = jnp.linspace(0, 1, 64)[None]
    >>> bool(jnp.abs(noise(jax.random.key(0), x) - x).max() < 0.1)
    True
    """

    quality: float | tuple[float, float] = number(30.0, "[1, 100]", ranged=True)
    low: float | None = number(None)
    high: float | None = number(None)

    def on_images(self, key: Array, images: Array) -> Array:
        low, span = span_of(self.low, self.high, images)
        quality = jnp.asarray(drawn(self.quality, key, images), images.dtype)
        pixels = 255 * (images - low) / span
        if images.shape[3] == 3:
            pixels = _as_rgb(_stored(_as_luma(pixels), quality, (LUMA_STEPS, *2 * [CHROMA_STEPS])))
        else:
            pixels = _stored(pixels, quality, images.shape[3] * [LUMA_STEPS])
        return low + span * pixels / 255

    def bind(self, low: float, high: float) -> Corruption:
        ends = {"low": low, "high": high}
        return replace(self, **{n: v for n, v in ends.items() if getattr(self, n) is None})


LUMA = np.array(  # of red, green and blue: brightness, blueness and redness
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
CENTRE = np.array([0, 128, 128])
RGB = np.linalg.inv(LUMA)
LUMA_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
CHROMA_STEPS = np.full((8, 8), 99)
CHROMA_STEPS[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
COSINES = np.cos(np.pi / 8 * np.outer(np.arange(8), np.arange(8) + 0.5)) / 2
COSINES[0] /= np.sqrt(2)


def _as_luma(pixels: Array) -> Array:
    """Return brightness, blueness and redness of red, green and blue; the latter about 128."""
    return pixels @ LUMA.astype(pixels.dtype).T + CENTRE.astype(pixels.dtype)


def _as_rgb(planes: Array) -> Array:
    """Return red, green and blue."""
    return _bytes((planes - CENTRE.astype(planes.dtype)) @ RGB.astype(planes.dtype).T)


def _stored(pixels: Array, quality: Array, steps: Sequence[np.ndarray]) -> Array:
    """Return images (n, h, w, c) of bytes after rounding, with the steps of each channel."""
    planes = [_rounded(pixels[..., c], table, quality) for c, table in enumerate(steps)]
    return _bytes(jnp.stack(planes, axis=3))


def _bytes(pixels: Array) -> Array:
    return jnp.clip(jnp.round(pixels), 0, 255)


def _rounded(plane: Array, steps: np.ndarray, quality: Array) -> Array:
    """Return planes (n, h, w) whose blocks' cosines are rounded to steps."""
    n, h, w = plane.shape
    whole = jnp.pad(jnp.round(plane), ((0, 0), (0, -h % 8), (0, -w % 8)), mode="edge")
    blocks = whole.reshape(n, whole.shape[1] // 8, 8, whole.shape[2] // 8, 8)
    step = _scaled_steps(steps, quality, plane.dtype)
    cosines = _turned(blocks - 128, COSINES.astype(plane.dtype)) / step
    again = _turned(jnp.round(cosines) * step, COSINES.T.astype(plane.dtype)) + 128
    return again.reshape(whole.shape)[:, :h, :w]


def _turned(blocks: Array, base: Any) -> Array:
    """Return the blocks in another base, along both their axes."""
    return jnp.einsum("iy,naybx,jx->naibj", base, blocks, base)


def _scaled_steps(steps: np.ndarray, quality: Array, dtype: Any) -> Array:
    """Return the steps of a quality, for blocks (n, a, 8, b, 8), or (1, 1, 8, 1, 8) for all."""
    q = jnp.round(quality)
    percent = jnp.where(q < 50, jnp.floor(5000 / q), 200 - 2 * q).reshape(-1, 1, 1, 1, 1)
    table = jnp.asarray(steps, dtype)[None, None, :, None, :]
    return jnp.clip(jnp.floor((table * percent + 50) / 100), 1, 255)

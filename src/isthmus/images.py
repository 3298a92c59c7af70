"""Folders of images in and out, and denoising of images larger than those a model was fitted on.

`denoise` works in overlapping tiles, whose weights are a product of one window along rows and one
along columns, each divided by the sum of all windows at its place, so that they sum to one at every
pixel.
"""

from __future__ import annotations

from itertools import islice, product
from math import prod
from numbers import Integral
from typing import TYPE_CHECKING, overload

import numpy as np

from isthmus.io import IMAGE_ENDINGS, Images, nearest_pixels, read_images, to_pixels, write_images

if TYPE_CHECKING:  # reading and writing images needs no JAX
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike

    from isthmus.autoencoder import Autoencoder

__all__ = ["IMAGE_ENDINGS", "Images", "denoise", "read_images", "to_pixels", "write_images"]

OWN_SCALE = 0.8, 1.25  # to which images may be resized and still look as those at their own
MOST_VALUES = 2**23  # of the tiles that are reconstructed at once

Cut = tuple[int, np.ndarray]  # where a tile starts, and the weights along it


@overload
def denoise(
    model: Autoencoder, images: np.ndarray, *, overlap: int | None = None
) -> np.ndarray: ...
@overload
def denoise(
    model: Autoencoder, images: Sequence[ArrayLike], *, overlap: int | None = None
) -> list[np.ndarray]: ...
def denoise(
    model: Autoencoder, images: np.ndarray | Sequence[ArrayLike], *, overlap: int | None = None
) -> np.ndarray | list[np.ndarray]:
    """Denoise images of any size from a model's own upwards, in overlapping tiles.

        image' = sum_t w_t model(tile_t),    sum_t w_t = 1 at every pixel

    Each tile has the size that the model was fitted on, and its weights fall smoothly towards its
    edges. Tiles are spread evenly and meet the edges of the image.

    Parameters
    ----------
    model : Autoencoder
        Fitted on images, or patches of images, of shape (h, w) or (h, w, c).
    images : ndarray (height, width[, c]) or (n, height, width[, c]), or list of images
        One image, several of one size, or a list of images of any sizes.
    overlap : int, optional
        How many pixels two tiles share at least, from 0 to the smaller side of a tile less 1; half
        of each side by default. The larger, the smoother, and the more work.

    Returns
    -------
    ndarray or list of ndarray
        As `images`, of the same shapes and types; uint8 and uint16 are rounded and clipped.

    Raises
    ------
    ValueError
        For an image that is smaller than the model's, has other channels or is not finite, for an
        overlap out of range, and for a model of the command line that saw only images resized to
        another scale.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import Autoencoder
    >>> from isthmus.images import denoise
    >>> photo = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    >>> patches = [photo[i : i + 8, i : i + 8] for i in range(30)]
    >>> ae = Autoencoder(4, corruption="gaussian", max_epochs=2, random_state=0).fit(patches)
    >>> denoise(ae, photo).shape
    (40, 50)
    """
    tile = tile_shape(model)
    overlaps = _overlaps(overlap, tile)
    if isinstance(images, list | tuple):
        return [_denoised(model, _pixels(image, tile)[None], tile, overlaps)[0] for image in images]
    pixels = np.asarray(images)
    if pixels.ndim == len(tile) + 1:
        _check(pixels[:1], pixels.shape[1:], tile)
        return _denoised(model, pixels, tile, overlaps)
    return _denoised(model, _pixels(pixels, tile)[None], tile, overlaps)[0]


def tile_shape(model: Autoencoder) -> tuple[int, ...]:
    """Return the shape of the images that a model was fitted on, or raise a ValueError."""
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model)
    if model.sample_shape_ is None:
        raise ValueError(
            f"The model was fitted on rows of {model.n_features_in_} columns, and tiles need one "
            "fitted on images of shape (n, h, w) or (n, h, w, c): fit it on such an array."
        )
    return tuple(model.sample_shape_)


def check_size(shape: tuple[int, ...], tile: tuple[int, ...], what: str) -> None:
    """Raise a ValueError if an image is smaller than a tile."""
    if shape[0] < tile[0] or shape[1] < tile[1]:
        raise ValueError(
            f"{what} is {shape[0]}x{shape[1]} (height x width), smaller than the {tile[0]}x{tile[1]} "
            "images that the model was fitted on: enlarge it, or fit a model on smaller patches."
        )


def check_scale(model: Autoencoder, shape: tuple[int, ...], what: str) -> None:
    """Raise a ValueError if tiles of an image have a scale that the model is known not to have seen."""
    scale, tile = model.fitted_.image_scale, tile_shape(model)
    if scale is None or OWN_SCALE[0] <= scale <= OWN_SCALE[1] or shape[:2] == tile[:2]:
        return
    size = f"{tile[0]}x{tile[1]}"
    raise ValueError(
        f"{what} is {shape[0]}x{shape[1]} (height x width), and tiles of it have a scale that the "
        f"model never saw: it was fitted on images that were resized to {size}, by a factor of "
        f"{scale:.2g} or further from 1. Fit a model on patches that are cut from images at their own "
        f"size, or resize this one to {size} too, such as by read_images with size={tuple(tile[:2])} "
        f"(--size {size})."
    )


def _overlaps(overlap: int | None, tile: tuple[int, ...]) -> tuple[int, int]:
    """Return the overlap along rows and along columns."""
    if overlap is None:
        return tile[0] // 2, tile[1] // 2
    most = min(tile[:2]) - 1
    if isinstance(overlap, bool) or not isinstance(overlap, Integral) or not 0 <= overlap <= most:
        raise ValueError(
            f"The overlap must be a whole number from 0 to {most}, for tiles of "
            f"{tile[0]}x{tile[1]}; got {overlap!r}."
        )
    return int(overlap), int(overlap)


def _pixels(image: ArrayLike, tile: tuple[int, ...]) -> np.ndarray:
    """Return one image as an array that can be cut."""
    pixels = np.asarray(image)
    _check(pixels, pixels.shape, tile)
    return pixels


def _check(pixels: np.ndarray, shape: tuple[int, ...], tile: tuple[int, ...]) -> None:
    """Raise a ValueError unless images of a shape can be cut to tiles."""
    if len(shape) != len(tile) or shape[2:] != tile[2:]:
        raise ValueError(
            f"An image of shape {shape} does not fit a model that was fitted on images of shape "
            f"{tile}: give (height, width{''.join(f', {c}' for c in tile[2:])}), or a batch or list "
            "of these."
        )
    check_size(shape, tile, "The image")
    if pixels.dtype.kind != "f" and pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"The image has dtype {pixels.dtype}; convert it to floats, uint8 or uint16."
        )


def _denoised(
    model: Autoencoder, X: np.ndarray, tile: tuple[int, ...], overlaps: tuple[int, int]
) -> np.ndarray:
    """Denoise images (n, height, width[, c]), a few at a time."""
    check_scale(model, X.shape[1:], "The image")
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        raise ValueError("The image has NaN or infinite values: fill these pixels first.")
    rows, columns = (list(_cuts(*c)) for c in zip(X.shape[1:3], tile[:2], overlaps, strict=True))
    several = max(1, MOST_VALUES // (len(rows) * len(columns) * prod(tile)))
    again = np.empty(X.shape, X.dtype)
    for i in range(0, len(X), several):
        blended = _blended(model, X[i : i + several], tile, rows, columns)
        again[i : i + several] = (
            nearest_pixels(blended, X.dtype.name) if X.dtype.kind == "u" else blended
        )
    return again


def _cuts(length: int, size: int, overlap: int) -> Iterator[Cut]:
    """Yield where tiles start along one side, and their weights, which sum to one at each place."""
    count = -(-(length - size) // (size - overlap)) + 1
    starts = [k * (length - size) // max(count - 1, 1) for k in range(count)]
    window = _window(size, overlap)
    total = np.zeros(length)
    for start in starts:
        total[start : start + size] += window
    yield from ((start, window / total[start : start + size]) for start in starts)


def _window(size: int, overlap: int) -> np.ndarray:
    """Return weights that rise over the overlap by a squared sine, are 1, and fall again."""
    ramp = max(min(overlap, size / 2), 0.5)
    inside = np.arange(size) + 0.5  # from the tile's edge to the centres of its pixels
    edge = np.minimum(np.minimum(inside, inside[::-1]) / ramp, 1)
    return np.sin(np.pi / 2 * edge) ** 2


def _blended(
    model: Autoencoder,
    X: np.ndarray,
    tile: tuple[int, ...],
    rows: list[Cut],
    columns: list[Cut],
) -> np.ndarray:
    """Reconstruct the tiles of images, so many at once, and add them up by their weights."""
    height, width = tile[:2]
    total = np.zeros(X.shape)
    places = product(range(len(X)), rows, columns)
    while some := list(islice(places, max(1, MOST_VALUES // prod(tile)))):
        where = [
            (i, slice(top, top + height), slice(left, left + width))
            for i, (top, _), (left, _) in some
        ]
        again = model.reconstruct(np.stack([X[w] for w in where]))
        for w, (_, (_, down), (_, across)), one in zip(where, some, again, strict=True):
            weight = np.multiply.outer(down, across)
            total[w] += one * weight.reshape(height, width, *[1] * (len(tile) - 2))
    return total

"""`denoise`: images of any size through a fitted model, whole or in tiles."""

from __future__ import annotations

from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from isthmus.images.channels import passes_of
from isthmus.images.tiling import Tiles, check_size
from isthmus.images.units import unit_of
from isthmus.io import Images, nearest_pixels

if TYPE_CHECKING:  # reading and writing images needs no JAX
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike

    from isthmus.autoencoder import Autoencoder
    from isthmus.images.channels import Pass
    from isthmus.images.whole import Whole

OWN_SCALE = 0.8, 1.25  # to which images may be resized and still look as those at their own
LARGE = 2**22  # values of images that take long enough for a bar
FEW_CHANNELS = 4  # as many a picture has at most, and few images are so narrow


@overload
def denoise(
    model: Autoencoder, images: np.ndarray, *, overlap: int | None = None, verbose: int = 0
) -> np.ndarray: ...
@overload
def denoise(
    model: Autoencoder,
    images: Sequence[ArrayLike],
    *,
    overlap: int | None = None,
    verbose: int = 0,
) -> list[np.ndarray]: ...
def denoise(
    model: Autoencoder,
    images: np.ndarray | Sequence[ArrayLike],
    *,
    overlap: int | None = None,
    verbose: int = 0,
) -> np.ndarray | list[np.ndarray]:
    """Denoise images of any size, whole where the model's code is maps, else in overlapping tiles.

        image' = model(image),    or    image' = sum_t w_t model(tile_t),    sum_t w_t = 1

    A model of convolutions alone (`code="maps"`) takes images of any size, smaller or larger than those
    that it was fitted on. They go block by block, each with as much around it as a pixel can depend on,
    so that the result is that of the whole image at once, in bounded memory. Other models take tiles of
    the size that they were fitted on, whose weights fall smoothly towards their edges.

    A model of grey images denoises each colour of a colour image by itself, and one of colour images
    takes a grey image for three equal colours. Alpha, the second or fourth channel, is kept as it is.

    Parameters
    ----------
    model : Autoencoder
        Fitted on images, or patches of images, of shape (h, w) or (h, w, c).
    images : ndarray (height, width[, c]) or (n, height, width[, c]), or list of images
        One image, several of one size, or a list of images of any sizes. With a model of (h, w), an
        array of three axes is one image if the last has 4 values at most, and else several.
    overlap : int, optional
        How many pixels two tiles share at least, from 0 to the smaller side of a tile less 1; half
        of each side by default. The larger, the smoother, and the more work.
    verbose : int
        0 is silent; else large images have a bar on a terminal.

    Returns
    -------
    ndarray or list of ndarray
        As `images`, of the same shapes and types; uint8 and uint16 are rounded and clipped.

    Raises
    ------
    ValueError
        For an image that is smaller than a tile, has other channels or is not finite, for an
        overlap out of range, for a scaling that differs from pixel to pixel, and for a model of the
        command line that saw only images resized to another scale.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import Autoencoder
    >>> from isthmus.images import denoise
    >>> photo = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    >>> patches = [photo[i : i + 8, i : i + 8] for i in range(30)]
    >>> maps = "conv:channels=[4],stride=1,code=maps"
    >>> ae = Autoencoder(None, maps, corruption="gaussian", max_epochs=2, random_state=0).fit(patches)
    >>> denoise(ae, photo).shape
    (40, 50)
    """
    if isinstance(images, str | Path | Images):
        raise TypeError(
            f"A {type(images).__name__} is no image: give an array, or a list of arrays, such as "
            "read_images(folder).pixels."
        )
    denoiser = Denoiser(model, overlap)
    if isinstance(images, list | tuple):
        return [denoiser.image(np.asarray(image), verbose) for image in images]
    pixels = np.asarray(images)
    if denoiser.are_several(pixels.shape):
        return denoiser.batch(pixels, verbose)
    return denoiser.image(pixels, verbose)


class Denoiser:
    """A model that denoises images of any size, and what it refuses."""

    def __init__(self, model: Autoencoder, overlap: int | None = None) -> None:
        self.model, self.tile = model, tile_shape(model)
        self.tiles, self.whole = Tiles(model, self.tile, overlap), _whole(model)
        if overlap is not None and self.whole is not None:
            raise ValueError(
                "The overlap is for tiles, and this model, whose code is maps, denoises images whole: "
                "leave it out."
            )

    def check(self, size: tuple[int, ...], what: str) -> None:
        """Raise a ValueError for an image of a height and width that the model cannot take."""
        if self.whole is None:
            check_size(size, self.tile, what)
        elif size != self.tile[:2]:
            self.whole.check_scaling()
        _check_scale(self.model, size, what)

    def are_several(self, shape: tuple[int, ...]) -> bool:
        """Return whether an array of a shape holds several images, and not one."""
        if len(shape) != 3 or len(self.tile) == 3:
            return len(shape) == 4
        return shape[2] > FEW_CHANNELS or shape[1:] == self.tile

    def image(self, pixels: np.ndarray, verbose: int = 0, what: str = "The image") -> np.ndarray:
        """Denoise one image (height, width[, channels])."""
        return self.batch(pixels[None], verbose, what)[0]

    def batch(self, X: np.ndarray, verbose: int = 0, what: str = "The image") -> np.ndarray:
        """Denoise images (n, height, width[, channels])."""
        passes = self._passes(X, what)
        self.check(X.shape[1:3], what)
        if not len(X):
            return X.copy()
        unit = unit_of(self.model.fitted_.model, X, what)
        shaped = X.reshape(*X.shape[:3], -1)
        again = np.empty(shaped.shape, X.dtype)
        way = self._way(X.shape[1:3])
        with counted(verbose, shaped.size, way.steps(X.shape) * len(passes), way.unit) as done:
            for taken, to in passes:
                for part in way.parts(shaped, taken, unit):
                    place = again[part.images, part.rows, part.columns]
                    place[..., to] = _as_pixels(part.values, len(to), X.dtype)
                    done(part.steps)
        kept = slice(passes[-1].to[-1] + 1, None)
        again[..., kept] = shaped[..., kept]
        return again.reshape(X.shape)

    def _way(self, size: tuple[int, ...]) -> Tiles | Whole:
        """Return how images of a size go; those of the model's own need no more than itself."""
        return self.tiles if self.whole is None or size == self.tile[:2] else self.whole

    def _passes(self, X: np.ndarray, what: str) -> list[Pass]:
        """Return how images go through the model, or raise a ValueError if they cannot."""
        shape = X.shape[1:]
        channels, wanted = prod(shape[2:]), self.tiles.channels
        passes = passes_of(channels, wanted) if len(shape) in (2, 3) and all(shape) else None
        if passes is None:
            raise ValueError(
                f"{what} has shape {shape}, which does not fit a model that was fitted on images of "
                f"shape {self.tile}: give (height, width{''.join(f', {c}' for c in self.tile[2:])}), "
                "or a batch or list of these."
            )
        if X.dtype.kind != "f" and X.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"{what} has dtype {X.dtype}; convert it to floats, uint8 or uint16.")
        return passes


def tile_shape(model: Autoencoder) -> tuple[int, ...]:
    """Return the shape of the images that a model was fitted on, or raise a ValueError."""
    from sklearn.utils.validation import check_is_fitted

    if not hasattr(model, "reconstruct"):
        kind = model if isinstance(model, type) else type(model)
        raise TypeError(f"The model must be an Autoencoder fitted on images; got {kind.__name__}.")
    check_is_fitted(
        model, msg="The model is not fitted yet: fit it on images, or on patches of some, first."
    )
    if model.sample_shape_ is None:
        raise ValueError(
            f"The model was fitted on rows of {model.n_features_in_} columns, and images need one "
            "fitted on images of shape (n, h, w) or (n, h, w, c): fit it on such an array."
        )
    return tuple(model.sample_shape_)


def is_whole(model: Autoencoder) -> bool:
    """Return whether a fitted model denoises images whole, because its code is maps."""
    from isthmus.model import is_local

    return is_local(model.fitted_.model)


def _whole(model: Autoencoder) -> Whole | None:
    """Return the model for images of any size, if it takes them whole."""
    if not is_whole(model):
        return None
    from isthmus.images.whole import Whole

    return Whole(model.fitted_.model)


def _check_scale(model: Autoencoder, shape: tuple[int, ...], what: str) -> None:
    """Raise a ValueError if an image has a scale that the model is known not to have seen."""
    scale, tile = model.fitted_.image_scale, tile_shape(model)
    if scale is None or OWN_SCALE[0] <= scale <= OWN_SCALE[1] or shape[:2] == tile[:2]:
        return
    size = f"{tile[0]}x{tile[1]}"
    raise ValueError(
        f"{what} is {shape[0]}x{shape[1]} (height x width), at a scale that the model never saw: it "
        f"was fitted on images that were resized to {size}, by a factor of {scale:.2g} or further from "
        "1. Fit a model on patches that are cut from images at their own size, or resize this one to "
        f"{size} too, such as by read_images with size={tuple(tile[:2])} (--size {size})."
    )


def _as_pixels(values: np.ndarray, channels: int, dtype: np.dtype) -> np.ndarray:
    """Return values as pixels of a type; of more channels than there are places, their mean."""
    if values.shape[-1] > channels:
        values = values.mean(axis=-1, keepdims=True)
    return nearest_pixels(values, dtype.name) if dtype.kind == "u" else values


@contextmanager
def counted(verbose: int, values: int, steps: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Count the steps of large work, with a bar on a terminal."""
    if not verbose or values < LARGE:
        yield lambda steps: None
        return
    from isthmus.training import Progress

    with Progress("denoise", verbose, steps, unit) as progress:
        yield progress

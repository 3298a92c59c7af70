"""Random patches of pictures, to train on."""

from __future__ import annotations

import warnings
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from isthmus.io import Patches, PictureArrays, PictureFiles, TableError, places_of
from isthmus.words import shape_text, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from isthmus.io import Pictures

MODES = ("auto", "grey", "colour")


def patches(
    source: str | Path | Sequence[str | Path] | np.ndarray | Sequence[ArrayLike],
    n: int,
    size: tuple[int, int],
    *,
    mode: Literal["auto", "grey", "colour"] = "auto",
    turns: bool = True,
    on_error: Literal["raise", "skip"] = "raise",
    random_state: int | np.random.RandomState | np.random.Generator | None = 0,
) -> Patches:
    """Return patches of pictures at random places, drawn anew in each epoch, for `Autoencoder.fit`.

    Each place of all pictures is equally likely, so that a larger picture gives more patches. Rows are
    held out from other pictures than those trained on; of fewer than ten pictures from a strip at the
    end of each one's longer side, and where no picture has room for that, from the same places.

    Pictures together of up to 1 GiB stay in memory once they are decoded. Of a larger folder some
    stay, and the others are decoded for 64 patches at a time.

    Parameters
    ----------
    source : path, list of paths, array (n, h, w[, c]), or list of arrays (h, w[, c])
        A folder of PNG, JPEG, TIFF and BMP files, with its sub-folders, one file, or pictures in
        memory. Sizes may differ. Those that are smaller than a patch are left out, with a warning.
    n : int
        How many patches an epoch has.
    size : (int, int)
        The height and the width of a patch.
    mode : {"auto", "grey", "colour"}
        What pictures become; "auto" is colour if any is in colour. Transparency is dropped.
    turns : bool
        Whether patches are mirrored and turned at random: square ones in eight ways, others in four.
    on_error : {"raise", "skip"}
        What to do about a file that cannot be read: raise an error, or leave it out with a warning, for
        which all files are decoded once, before.
    random_state : int, RandomState, Generator or None
        The seed of places and turns; None draws one.

    Returns
    -------
    Patches
        Rows of shape (h, w) or (h, w, c), bytes of 8-bit pictures. What else takes rows, such as
        `score` and `transform`, sees those of the first epoch. `scaling="range"` maps the range of the
        pixels' type, 0 to 255 or 65,535, to 0 to 1, whatever the patches hold.

    Raises
    ------
    TableError
        For pictures that are missing, damaged, of several depths, or all too small.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import Autoencoder
    >>> from isthmus.images import patches
    >>> photographs = np.random.default_rng(0).integers(0, 255, (12, 40, 50), np.uint8)
    >>> rows = patches(photographs, 500, (8, 8))
    >>> rows.shape
    (500, 8, 8)
    >>> ae = Autoencoder(4, corruption="gaussian", max_epochs=2, random_state=0).fit(rows)
    >>> ae.sample_shape_
    (8, 8)
    """
    from isthmus.training import draw_seed  # reading images needs no JAX

    _check(n, size, mode, on_error)
    found = _opened(source, mode, on_error)
    sides = (int(size[0]), int(size[1]))
    parts = _large_enough(found, sides)
    return Patches(found, parts, int(n), sides, seed=draw_seed(random_state), turns=bool(turns))


def _check(n: object, size: object, mode: str, on_error: str) -> None:
    sides = size if isinstance(size, tuple | list) else ()
    if len(sides) != 2 or not all(isinstance(s, Integral) and int(s) > 0 for s in sides):
        raise ValueError(f"The size must be (height, width), whole numbers from 1; got {size!r}.")
    if isinstance(n, bool) or not isinstance(n, Integral) or int(n) < 1:
        raise ValueError(f"The number of patches, n, must be a whole number from 1; got {n!r}.")
    for name, value, known in (("mode", mode, MODES), ("on_error", on_error, ("raise", "skip"))):
        if value not in known:
            raise ValueError(f"The {name} must be one of {', '.join(known)}; got {value!r}.")


def _opened(source: Any, mode: str, on_error: str) -> Pictures:
    """Return the pictures of a folder, of files, or in memory."""
    if isinstance(source, str | Path):
        one = Path(source)
        return PictureFiles([one] if one.is_file() else one, mode, on_error)
    if isinstance(source, list | tuple) and source and isinstance(source[0], str | Path):
        return PictureFiles(source, mode, on_error)
    if isinstance(source, list | tuple | np.ndarray):
        return PictureArrays(source, mode)
    raise TypeError(
        f"A {type(source).__name__} is no source of pictures: give a folder, a list of files, an array "
        "(n, h, w[, c]), or a list of arrays."
    )


def _large_enough(found: Pictures, size: tuple[int, int]) -> np.ndarray:
    """Return the pictures that hold a patch, each as one part; warn of others."""
    numbers = np.arange(len(found))[:, None]
    parts = np.hstack([numbers, np.zeros_like(numbers), np.zeros_like(numbers), found.sizes])
    fits = places_of(parts, size) > 0
    if fits.all():
        return parts
    small = [f"{found.title(i)} ({shape_text(found.sizes[i])})" for i in np.flatnonzero(~fits)[:3]]
    few = f"{np.sum(~fits):,} of {len(fits):,} pictures are smaller than a patch of {shape_text(size)}"
    if not fits.any():
        raise TableError(
            f"{found.name}: {few}, such as {small[0]}: give a smaller size, or larger pictures."
        )
    more = [*small, *[""] * (int(np.sum(~fits)) - len(small))]
    warnings.warn(f"{found.name}: {few} and left out: {shortened(more, 3)}.", stacklevel=3)
    return parts[fits]

"""Patches of a folder of images as rows to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.cli.image_rows import size_and_mode
from isthmus.cli.options import USUAL_SEED, CutPictures, Pictures
from isthmus.cli.sources import Source, Wanted
from isthmus.cli.terminal import UsageError

if TYPE_CHECKING:
    from isthmus.io import Rows

MOST_TESTED = 2**13  # patches that a model is tested on


def cuts(pictures: Pictures) -> bool:
    """Return whether patches of images are asked for."""
    return isinstance(pictures, CutPictures) and pictures.patches is not None


def read_patches(
    source: Source, wanted: Wanted | None, seed: int = USUAL_SEED, most: int | None = None
) -> Rows:
    """Return patches of the images of a folder, of the size and in the colours that are wanted."""
    import polars as pl

    from isthmus.images import patches
    from isthmus.io import Rows

    asked = source.pictures
    assert isinstance(asked, CutPictures)
    assert asked.patches is not None
    size, mode = size_and_mode(source, wanted)
    if size is None and wanted is not None:
        size = wanted.shape[0], wanted.shape[1]
    if size is None:
        raise UsageError(
            "--patches needs --size, the height and the width of a patch, such as --size 40x40."
        )
    n = min(asked.patches, most or asked.patches)
    X: Any = patches(
        source.path,
        n,
        size,
        mode=mode,
        turns=not asked.no_turns,
        on_error="skip" if asked.skip_bad else "raise",
        random_state=seed,
    )
    return Rows(X, pl.DataFrame(), image_scale=1.0)


def check_patches(pictures: Pictures) -> None:
    """Refuse options for patches that do not go together."""
    if not isinstance(pictures, CutPictures):
        return
    if pictures.patches is None and pictures.no_turns:
        raise UsageError("--no-turns is for patches: give --patches, or leave it out.")
    if pictures.patches is not None and pictures.patches < 1:
        raise UsageError(f"--patches must be a whole number from 1; got {pictures.patches}.")


def patches_to_test(trained: Rows, source: Source, test: Source) -> Rows:
    """Return patches of the images of another folder, like those that are trained on."""
    wanted = Wanted(trained.X.shape[1:], f"{source.path} has")
    return read_patches(test, wanted, most=MOST_TESTED)

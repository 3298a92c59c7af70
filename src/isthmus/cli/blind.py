"""A denoiser for the noisy pictures of a folder, trained on these alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from isthmus.cli.options import TRAINING, Common, Pictures, Seeded, option, seed_option
from isthmus.cli.outputs import check_output
from isthmus.cli.sources import check_present
from isthmus.cli.terminal import UsageError
from isthmus.io import FileError

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder
    from isthmus.io import Patches

SIDE = 40  # pixels of the patches' sides
MANY = 20_000  # patches in an epoch
LEAST = 10**6  # pixels of all pictures together, below which a model learns little
LOOKED_AT = 20  # pictures whose noise is estimated


@Parameter(name="*")
@dataclass(frozen=True)
class Blind(Seeded):
    """How a denoiser is trained without clean pictures."""

    train_on: Annotated[
        Path | None,
        option(
            TRAINING,
            "A folder of noisy pictures, to train a model on these alone and then clean them; without "
            "MODEL and DATA.",
            metavar="FOLDER",
        ),
    ] = None
    noise: Annotated[
        Literal["gaussian", "other"] | None,
        option(
            TRAINING,
            "What noise they have: gaussian, whose deviation is estimated; other, of which nothing is "
            "known but that it is independent from pixel to pixel.",
            default="gaussian",
        ),
    ] = None
    max_epochs: Annotated[
        int | None, option(TRAINING, "Epochs of 20,000 patches.", default="20")
    ] = None
    keep: Annotated[Path | None, option(TRAINING, "Where to keep the model.", metavar="FILE")] = (
        None
    )
    random_state: Annotated[str | None, seed_option(TRAINING)] = None

    def check(self, model: Path | None, data: Path | None, *, force: bool) -> None:
        """Refuse arguments that do not go together, and outputs that cannot be written."""
        if self.train_on is None:
            given = {"--noise": self.noise, "--max-epochs": self.max_epochs, "--keep": self.keep}
            extra = next((name for name, value in given.items() if value is not None), None)
            if extra is not None:
                raise UsageError(f"{extra} is for a model that is trained first: give --train-on.")
            if model is None or data is None:
                raise UsageError(
                    "denoise needs a MODEL and DATA; without a model, give noisy pictures by "
                    "--train-on FOLDER."
                )
            return
        if model is not None or data is not None:
            raise UsageError("--train-on trains a model of its own: leave MODEL and DATA out.")
        check_present(self.train_on, folders=True)
        if not self.train_on.is_dir():
            raise FileError(f"{self.train_on} is no folder: --train-on takes one of pictures.")
        if self.keep is not None:
            check_output(self.keep, (".isthmus",), force=force)

    def trained(self, pictures: Pictures, common: Common) -> Autoencoder:
        """Return a model of the folder's own pictures."""
        from isthmus import images, presets

        assert self.train_on is not None
        if pictures.size is not None:
            raise UsageError("--size would resize the noise too: leave it out with --train-on.")
        rows: Any = images.patches(
            self.train_on,
            MANY,
            (SIDE, SIDE),
            mode=pictures.mode or "auto",
            on_error="skip" if pictures.skip_bad else "raise",
            random_state=self.seed,
        )
        warn_of_few(rows, self.train_on)
        std = None if self.noise == "other" else known_deviation(rows, self.train_on)
        epochs = 20 if self.max_epochs is None else self.max_epochs
        ae = presets.blind_denoiser(
            std, max_epochs=epochs, random_state=self.seed, verbose=common.verbose
        ).fit(rows)
        if self.keep is not None:
            ae.save(self.keep)
        return ae


def warn_of_few(rows: Patches, folder: Path) -> None:
    """Warn of pictures that are too few to learn from."""
    pixels = int(rows.pictures.sizes.prod(axis=1).sum())
    if pixels < LEAST:
        warnings.warn(
            f"The pictures of {folder} have {pixels:,} pixels together, and a model learns little from "
            f"fewer than {LEAST:,}: give more of them, of the same kind.",
            stacklevel=3,
        )


def known_deviation(rows: Patches, folder: Path) -> float:
    """Return the deviation of the noise where the pixels' range is 1; FileError where there is none."""
    from statistics import median

    from isthmus.images import SMALLEST, estimate_noise

    pictures, (low, high) = rows.pictures, rows.ends
    large = [i for i, size in enumerate(pictures.sizes) if min(size) >= SMALLEST]
    some = large[:: -(-len(large) // LOOKED_AT) or 1]
    found = [estimate_noise(pictures[i]) for i in some]
    if not found:
        raise FileError(
            f"{folder}: the noise of pictures of fewer than {SMALLEST} x {SMALLEST} pixels cannot be "
            "estimated: give larger ones, or --noise other."
        )
    kinds = [noise.verdict for noise in found]
    kind = max(set(kinds), key=kinds.count)
    if kind is None:
        raise FileError(
            f"{folder}: no noise was found in most of its pictures, which a model could learn to take "
            "out. isthmus denoise --estimate says what each one has."
        )
    if kind != "gaussian":
        warnings.warn(
            f"The noise of most pictures of {folder} looks like {kind} and is taken for gaussian: with "
            "--noise other a model needs no such guess.",
            stacklevel=3,
        )
    return round(median(noise.deviation for noise in found) / (high - low), 4)

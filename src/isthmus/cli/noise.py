"""Which noise pictures have, and which a model was trained on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from isthmus.cli.image_rows import scan, wanted_mode
from isthmus.cli.models import load_model, wanted_by
from isthmus.cli.options import RowsOutput, TableOutput, given, goes_to
from isthmus.cli.other_noise import first_seen, known_in_words, warn_of_other_noise
from isthmus.cli.outputs import TABLES, check_table, end_with_table
from isthmus.cli.pictures import check_bits, is_picture
from isthmus.cli.sources import FILE, Source, check_present
from isthmus.cli.terminal import UsageError
from isthmus.io import FileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from isthmus.autoencoder import Autoencoder
    from isthmus.cli.options import Common
    from isthmus.images import Noise
    from isthmus.io import ImageFolder, Rows

DIGITS = 3  # of an estimate
SHOWN = ("deviation", "gain", "saltpepper")  # of a `Noise`, beside its verdict


@dataclass(frozen=True, kw_only=True)
class Cleaned(TableOutput):
    """Where rows or images go, or what --estimate found."""

    output: Annotated[
        Path | None,
        goes_to(
            "A file, by its ending: .csv, .parquet, .feather, .jsonl, .xlsx, or .npy; of images a "
            "folder or a .npy file. --estimate needs none."
        ),
    ] = None

    def of_rows(self) -> RowsOutput:
        """Return where rows or images go; a UsageError if that was not given."""
        if self.output is None:
            raise UsageError("denoise needs a place for its result: give one with --output, -o.")
        return RowsOutput(output=self.output, force=self.force, raw=self.raw)


def estimate_pictures(
    model: Path | None,
    source: Source,
    others: Mapping[str, object],
    result: TableOutput,
    common: Common,
) -> int:
    """Print, or write, which noise pictures have; `others` are arguments that do not go with it."""
    _check(model, source, others)
    check_table(result, TABLES, model, source.path, json=common.json)
    ae = None if model is None else load_model(model)
    if ae is not None and model is not None:
        wanted_mode(source, wanted_by(ae, model))
    found = scan(source)
    for header in found.headers:
        check_bits(header, found.folder / header.name)
    names, noises = _estimated(found, source, common)
    facts = {} if ae is None else {"trained_on": _trained_on(ae, found, source)}
    if ae is not None and model is not None:
        warn_of_other_noise(ae, model, found, source.pictures.mode or "auto")
    return end_with_table(result, common, _rows(names), _columns(noises), **facts)


def _check(model: Path | None, source: Source, others: Mapping[str, object]) -> None:
    """Refuse what cannot be looked at, and what does not go with it."""
    path = source.path
    if path.suffix.lower() == ".isthmus":
        raise UsageError(
            f"{path} is a model, and --estimate takes pictures: isthmus denoise {path} --estimate "
            "PICTURES."
        )
    extra = [*(k for k, v in others.items() if v is not None), *given(source.columns)]
    if extra:
        raise UsageError(f"--estimate looks at {path} and cleans nothing: leave {extra[0]} out.")
    if source.pictures.size is not None:
        raise UsageError("--size would resize the noise too: leave it out with --estimate.")
    check_present(model)
    check_present(path, folders=True)
    if not source.is_folder and not is_picture(source):
        raise FileError(f"{path} is no picture and no folder of pictures, which --estimate takes.")
    if source.pictures.skip_bad and not source.is_folder:
        raise UsageError(f"{path} is one image: --skip-bad is for folders of images.")


def _estimated(
    found: ImageFolder, source: Source, common: Common
) -> tuple[list[str], list[Noise | None]]:
    """Return the pictures' names, and the noise of each; None for those too small to tell."""
    from isthmus.images import SMALLEST, counted, estimate_noise

    names: list[str] = []
    noises: list[Noise | None] = []
    values = sum(3 * header.size[0] * header.size[1] for header in found.headers)
    with counted(common.verbose, values, len(found.headers), "images") as done:
        for header, pixels in found.each(source.pictures.mode or "auto"):
            names.append(header.name)
            noises.append(None if min(header.size) < SMALLEST else estimate_noise(pixels))
            done(1)
    small = [name for name, noise in zip(names, noises, strict=True) if noise is None]
    if small:
        _say_small(source.path, small, len(names), SMALLEST)
    return names, noises


def _say_small(path: Path, small: list[str], count: int, least: int) -> None:
    """Warn of pictures that are too small, or raise a FileError if all are."""
    text = f"{least} x {least} pixels, from which on the noise of a picture is estimated"
    if len(small) == count:
        what = f"{path} is a picture of" if path.is_file() else f"{path} has only pictures of"
        raise FileError(f"{what} fewer than {text}.")
    warnings.warn(
        f"{path}: {len(small):,} of {count:,} pictures, such as {small[0]}, have fewer than {text}.",
        stacklevel=2,
    )


def _columns(noises: Iterable[Noise | None]) -> dict[str, Any]:
    """Return the columns of the table."""
    several = list(noises)
    kinds = [None if noise is None else noise.verdict or "none" for noise in several]
    numbers = {name: [_rounded(noise, name) for noise in several] for name in SHOWN}
    return {"noise": kinds, **numbers}


def _rounded(noise: Noise | None, name: str) -> float | None:
    return None if noise is None else float(f"{getattr(noise, name):.{DIGITS}g}")


def _rows(names: list[str]) -> Rows:
    import numpy as np
    import polars as pl

    from isthmus.io import Rows

    return Rows(np.empty((len(names), 0)), pl.DataFrame({FILE: names}))


def _trained_on(ae: Autoencoder, found: ImageFolder, source: Source) -> str:
    """Return what a model was trained on, as it is given, and in the units of the pictures."""
    given = " then ".join(part.to_string() for part in ae.slots_.corruption) or "no noise"
    seen = first_seen(ae, found, source.pictures.mode or "auto")
    return f"{given} ({known_in_words(seen[0].known)})" if seen else given

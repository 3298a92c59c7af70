"""Fitted models from their files, new ones by options, and what each asks of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isthmus.cli.groups import fleet_of
from isthmus.cli.rows import said_of
from isthmus.cli.sources import Source, Wanted
from isthmus.cli.terminal import UsageError, usage_errors
from isthmus.words import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from isthmus.autoencoder import Autoencoder
    from isthmus.cli.options import AutoencoderOptions
    from isthmus.io import Rows
    from isthmus.model import Slots
    from isthmus.outliers import OutlierDetector

KIND_WORDS = {
    "number": "numbers",
    "boolean": "truths",
    "category": "categories",
    "date": "dates",
    "time": "times",
    "duration": "durations",
    "ignore": "left out",
}

OF_ONE = (  # what is done instead with models of groups, and with a detector of groups
    "isthmus score, encode, reconstruct, explain and info take it; of one group isthmus export "
    "--group KEY writes the ONNX file, and of_group(KEY).save(FILE) in Python a file that isthmus {} "
    "takes."
)
OF_DETECTOR = "isthmus detect --model, explain, threshold, recalibrate and info take it."


def configured(ae: Autoencoder, options: AutoencoderOptions) -> Autoencoder:
    """Set the options that were given, or raise a UsageError for one that cannot be."""
    from isthmus.autoencoder import check_parameters
    from isthmus.model import resolve_slots
    from isthmus.training import find_device

    with usage_errors():
        ae.set_params(**options.given())
        check_parameters(ae)
        resolve_slots(ae)
        find_device(ae.device)
    return ae


def load_model(path: Path, *, whole: bool = True) -> Autoencoder:
    """Read the file of an Autoencoder; one of an encoder alone is refused if it must be whole."""
    from isthmus.loading import load_autoencoder

    ae = load_autoencoder(path)
    if whole:
        check_decoder(ae, path)
    return ae


def load_any(path: Path) -> Autoencoder | OutlierDetector:
    """Read the file of an Autoencoder or of an OutlierDetector."""
    from isthmus.loading import load

    return load(path)


def load_detector(path: Path) -> OutlierDetector:
    """Read the file of an OutlierDetector; that of an Autoencoder is refused."""
    from isthmus.outliers import OutlierDetector

    found = load_any(path)
    if not isinstance(found, OutlierDetector):
        raise UsageError(
            f"{path} holds a single autoencoder and no detector: isthmus score has its scores, and "
            "isthmus detect DATA --save makes a detector."
        )
    return found


def check_decoder(ae: Autoencoder, path: Path) -> None:
    """Raise a UsageError for the file of an encoder alone."""
    if not ae.net_.decoder:
        raise UsageError(
            f"{path} is an encoder alone and can only encode: give the file of the whole model."
        )


def refuse_groups(found: Autoencoder | OutlierDetector, path: Path, command: str) -> None:
    """Raise a UsageError for the file of models of groups, which a command does not take."""
    fleet = fleet_of(found)
    if fleet is None:
        return
    by = "" if fleet.keys.name is None else f" of {fleet.keys.name!r}"
    what = f"{path} has a model for each of {fleet.n_groups:,} groups{by}"
    instead = OF_ONE.format(command) if hasattr(found, "of_group") else OF_DETECTOR
    raise UsageError(f"{what}, which isthmus {command} does not take: {instead}")


def wanted_by(fitted: Autoencoder | OutlierDetector, path: Path) -> Wanted:
    """Return what a fitted model or detector asks of rows.

    One of a table of mixed types asks for the columns that it uses, each of its kind.
    """
    names, schema = getattr(fitted, "feature_names_in_", None), fitted.schema_
    shape, who = fitted.sample_shape_ or (fitted.n_features_in_,), f"{path} was fitted on"
    if schema is None:
        return Wanted(shape, who, names, names is not None)
    kinds = {column.name: column.kind for column in schema.used}
    if names is None:
        return Wanted(shape, who, None, named=False, kinds=kinds)
    return Wanted((len(kinds),), who, list(kinds), kinds=kinds)


def check_by_column(slots: Slots) -> None:
    """Raise a UsageError for a loss that is no sum over columns, which explains none."""
    with usage_errors():
        slots.check_by_column()


def configure_columns(ae: Autoencoder, rows: Rows, source: Source) -> None:
    """Set what options say of the columns of these rows, or raise a UsageError for what cannot be."""
    from isthmus.autoencoder import check_parameters

    with usage_errors():
        ae.set_params(**said_of(rows, source))
        check_parameters(ae)


def columns_taken(found: Autoencoder | OutlierDetector) -> dict[str, object]:
    """Return as facts what the columns of a mixed table are taken for, and why some are left out."""
    schema = found.schema_
    if schema is None:
        return {}
    taken = {column.name: column.kind for column in schema.used}
    left = {column.name: column.why for column in schema.columns if column.kind == "ignore"}
    return {"columns_taken": taken, "columns_left_out": left}


def columns_in_words(found: Autoencoder | OutlierDetector) -> dict[str, str]:
    """Return the names of a table's columns by what they are taken for, to be shown."""
    schema = found.schema_
    if schema is None:
        return {}
    names: dict[str, list[str]] = {}
    for column in schema.columns:
        names.setdefault(KIND_WORDS[column.kind], []).append(column.name)
    return {kind: shortened(some, 12) for kind, some in names.items()}


def errors_in_words(errors: Mapping[str, Any]) -> str:
    """Return the error of a model beside those of PCA and of the mean, in words."""
    own = f"{errors['model']:.4g} on the {errors['rows']} rows"
    mean = f"{errors['mean']:.4g} by the mean"
    if errors["pca"] != errors["pca"]:  # NaN: PCA sees what the model was asked for
        return f"{own}, corrupted as in training; {mean}"
    return f"{own}; {errors['pca']:.4g} by PCA, {mean}"

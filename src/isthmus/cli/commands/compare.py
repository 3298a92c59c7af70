"""`isthmus compare`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from isthmus.cli.kinds import Kinds
from isthmus.cli.models import configure_columns, configured, load_model, refuse_groups, wanted_by
from isthmus.cli.options import (
    AutoencoderOptions,
    Columns,
    Common,
    Output,
    given,
    goes_to,
    option,
    panel,
)
from isthmus.cli.outputs import TABLES, check_output, end
from isthmus.cli.rows import read_beside
from isthmus.cli.sources import Source, Wanted, rows_of, use_cache
from isthmus.cli.terminal import UsageError, usage_errors
from isthmus.io import FileError

if TYPE_CHECKING:
    import polars as pl

    from isthmus.autoencoder import Autoencoder

CLASSES = panel("The comparison")
MOST_NUMBERS = 20  # that may be names of classes, though one is rare


@Parameter(name="*")
@dataclass(frozen=True)
class Classes:
    """What classifiers are compared on, and how."""

    label: Annotated[str, option(CLASSES, "The class of each row.", metavar="COLUMN")]
    model: Annotated[
        Path | None,
        option(
            CLASSES,
            "Take the codes of this model, instead of training one in each fold.",
            metavar="FILE",
        ),
    ] = None
    classifiers: Annotated[
        str,
        option(CLASSES, "Some of logistic and neighbours.", default=True, metavar="A,B"),
    ] = "logistic,neighbours"
    cv: Annotated[int, option(CLASSES, "How many folds.", default=True, metavar="INT")] = 5
    unlabelled: Annotated[
        Literal["refuse", "drop", "use"],
        option(
            CLASSES,
            "Rows without a class: an error, left out, or used to train the model.",
            default=True,
        ),
    ] = "refuse"

    @property
    def names(self) -> list[str]:
        """The classifiers' names."""
        return [name.strip() for name in self.classifiers.split(",")]


@dataclass(frozen=True, kw_only=True)
class Copy(Output):
    """Where the table goes beside the standard output."""

    output: Annotated[Path | None, goes_to("Where the table goes too: .csv or .parquet.")] = None


def compare(
    data: Path,
    /,
    *,
    classes: Classes,
    result: Copy = Copy(),
    columns: Columns = Columns(),
    kinds: Kinds = Kinds(),
    options: AutoencoderOptions = AutoencoderOptions(),
    common: Common = Common(),
) -> int:
    """Compare classifiers on raw columns, on PCA of the same width and on the codes.

    In each fold a model is trained on the training rows alone, with the options of isthmus fit. It
    knows nothing of the rows that it is tested on.

    For example:

        isthmus compare flowers.csv --label species --n-components 3
        isthmus compare titanic.csv --label survived --ignore alive --n-components 8
        isthmus compare flowers.csv --label species --id name --cv 3 -o table.csv
        isthmus compare flowers.csv --label species --model flowers.isthmus --json

    Parameters
    ----------
    data : Path
        The rows, a table of any format.
    """
    source = Source(data, columns, kinds=kinds)
    _check(source, classes, options, result)

    import polars as pl

    from isthmus.comparison import compare as compare_classifiers
    from isthmus.io import write_table

    use_cache()
    model, wanted = _model(classes, options, common)
    rows, labels = read_beside(source, classes.label, wanted, as_words=True)
    if wanted is None:
        configure_columns(model, rows, source)
    _check_classes(source.path, labels, classes.cv)
    with rows_of(source.path, rows):
        found = compare_classifiers(
            model,
            rows.X,
            labels,
            classifiers=classes.names,
            cv=classes.cv,
            unlabelled=classes.unlabelled,
            random_state=options.seed,
        )
    facts, shown, path = found.facts(), f"{found}\n", result.output
    if path is None:  # then the table on the standard output is the result itself
        return end(replace(common, quiet=False), facts, shown)
    write_table(path, pl.DataFrame(found.table))
    return end(common, {"output": str(path), **facts}, f"{shown}The table is in {path}.\n")


def _check(source: Source, classes: Classes, options: AutoencoderOptions, result: Copy) -> None:
    """Refuse files that are missing or cannot be written, and options that do not fit them."""
    source.check(classes.model, label=classes.label)
    trained = [*given(options), *given(source.kinds)]
    trained = [name for name in trained if name != "--random-state"]
    if classes.model is not None and trained:
        raise UsageError(f"--model takes a model as it is: {trained[0]} cannot be given.")
    if classes.cv < 2:
        raise UsageError(f"--cv must be at least 2; got {classes.cv}.")
    check_output(result.output, TABLES, source.path, classes.model, force=result.force)

    from isthmus.comparison import known_classifiers

    with usage_errors():
        known_classifiers(classes.names)


def _check_classes(path: Path, labels: pl.Series, cv: int) -> None:
    """Refuse a column that measures: numbers with fractions, or many, of which some are too rare."""
    import polars as pl

    known = labels.drop_nulls()
    numbers = known.cast(pl.Float64, strict=False)
    if known.is_empty() or numbers.null_count():
        return
    measures = (numbers % 1 != 0).any() or numbers.n_unique() > MOST_NUMBERS
    if measures and known.unique_counts().lt(cv).any():
        raise FileError(
            f"{path}: {labels.name!r} holds numbers such as {known[0]}, and no classes: give a --label "
            "of few kinds."
        )


def _model(
    classes: Classes, options: AutoencoderOptions, common: Common
) -> tuple[Autoencoder, Wanted | None]:
    """Return a model that is fitted, and what it asks of rows, or one to fit in each fold."""
    from isthmus.autoencoder import Autoencoder

    if classes.model is not None:
        ae = load_model(classes.model, whole=False)
        refuse_groups(ae, classes.model, "compare")
        return ae, wanted_by(ae, classes.model)
    return configured(Autoencoder(verbose=common.verbose), options), None

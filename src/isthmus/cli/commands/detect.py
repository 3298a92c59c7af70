"""`isthmus detect`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_type_hints

from cyclopts import Parameter

from isthmus.cli.apart import first_autoencoder
from isthmus.cli.bad_rows import rows_for, set_far_apart
from isthmus.cli.big import Job, big_rows, end_by_blocks, rows_to_fit, same_rows
from isthmus.cli.groups import By, check_by, groups_of, trained_groups, with_column
from isthmus.cli.kinds import Kinds
from isthmus.cli.models import (
    check_by_column,
    columns_taken,
    configured,
    load_detector,
)
from isthmus.cli.options import (
    DATA,
    EQUATION,
    OUTPUT,
    TRAINING,
    AutoencoderOptions,
    Common,
    Pictures,
    PrintableOutput,
    ScoredColumns,
    given,
    option,
    panel,
)
from isthmus.cli.outputs import TABLES, check_columns, check_output, check_table, end_with_table
from isthmus.cli.rows import in_parts, read_rows, rows_like, said_of
from isthmus.cli.sources import Source, rows_of, use_cache
from isthmus.cli.terminal import UsageError, signals, usage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import ArrayLike

    from isthmus.cli.big import BigRows
    from isthmus.io import Rows
    from isthmus.outliers import OutlierDetector

DETECTOR = panel("The detector")


@Parameter(name="*")
@dataclass(frozen=True)
class Detector:
    """The parameters of `OutlierDetector`, by the same names."""

    contamination: Annotated[
        str | None,
        option(
            DETECTOR,
            "The share of outliers in DATA; none: DATA is clean; auto, the default: unknown.",
            metavar="auto|none|SHARE",
        ),
    ] = None
    target_fpr: Annotated[
        float | None, option(DETECTOR, "The share of normal rows that may be called outliers.")
    ] = None
    alpha: Annotated[
        float | None, option(DETECTOR, "Rows with a p-value of at most alpha are outliers.")
    ] = None
    fdr: Annotated[
        bool, option(DETECTOR, "Alpha bounds the expected share of normal rows among the outliers.")
    ] = False
    calibration: Annotated[
        str | None,
        option(
            DETECTOR,
            "What p-values compare with: split holds rows out, cross uses all rows, fold by fold.",
            metavar="split|cross",
        ),
    ] = None
    calibration_fraction: Annotated[
        float | None,
        option(DETECTOR, "The share of rows that split holds out; 0.2 by default."),
    ] = None
    n_estimators: Annotated[
        int | None, option(DETECTOR, "The number of autoencoders; 8 by default.")
    ] = None
    max_samples: Annotated[
        int | None,
        option(
            DETECTOR, "How many rows are trained on at most, drawn from more; 32,768 by default."
        ),
    ] = None
    n_references: Annotated[
        int | None,
        option(
            DETECTOR, "How many rows a draw holds to compare with; 16, or up to 2,048 clean ones."
        ),
    ] = None

    def given(self) -> dict[str, object]:
        """Return the options that were given, as the detector takes them."""
        words = {name: value for name, value in vars(self).items() if value is not None}
        if self.contamination not in (None, "auto", "none"):
            words["contamination"] = _share(str(self.contamination))
        return words


def _of_detector(name: str, shown: str) -> Parameter:
    """Return the option of an autoencoder, with the default that a detector has for it."""
    hints = get_type_hints(AutoencoderOptions, include_extras=True)
    declared: Parameter = hints[name].__metadata__[0]
    return Parameter.combine(declared, Parameter(show_default=lambda _: shown))


@Parameter(name="*")
@dataclass(frozen=True)
class DetectorsAutoencoder(AutoencoderOptions):
    """The same options with the defaults of `default_autoencoder`, which a test compares."""

    n_components: Annotated[
        int | None, option(EQUATION, "Number of code units.", default="one a column, at most 32")
    ] = None
    architecture: Annotated[
        str | None, _of_detector("architecture", "dense:hidden=[64],activation=tanh")
    ] = None
    corruption: Annotated[
        tuple[str, ...] | None, _of_detector("corruption", "masking:rate=0.5")
    ] = None
    max_epochs: Annotated[
        str | None,
        option(TRAINING, "Passes over the rows.", default="about 300 steps", metavar="INT|auto"),
    ] = None
    batch_size: Annotated[str | None, _of_detector("batch_size", "128")] = None
    learning_rate: Annotated[float | None, _of_detector("learning_rate", "0.01")] = None
    early_stopping: Annotated[
        Literal["auto", "yes", "no"] | None, _of_detector("early_stopping", "no")
    ] = None


def detect(
    data: Path,
    /,
    *,
    result: PrintableOutput = PrintableOutput(),
    new: Annotated[
        Path | None, option(DATA, "Rows to decide on; by default those of DATA themselves.")
    ] = None,
    model: Annotated[
        Path | None, option(DATA, "Decide on DATA by this saved detector; nothing is trained.")
    ] = None,
    save: Annotated[Path | None, option(OUTPUT, "Keep the detector, as .isthmus.")] = None,
    by: By = None,
    explain: Annotated[
        int,
        option(
            OUTPUT, "For each outlier, name this many columns that made it one.", metavar="COLUMNS"
        ),
    ] = 0,
    detector: Detector = Detector(),
    columns: ScoredColumns = ScoredColumns(),
    kinds: Kinds = Kinds(),
    pictures: Pictures = Pictures(),
    options: DetectorsAutoencoder = DetectorsAutoencoder(),
    common: Common = Common(),
) -> int:
    """Find rows unlike the others, or unlike those trained on.

    A table is taken as it is, with words, dates and missing cells; --as says what a column is taken
    for. What looks like an identifier or like free text is left out, with a warning.

    The columns are the identifiers, the score (the higher, the more normal) and whether the row is an
    outlier. New rows have a p-value too, if others were held out. With --explain come because1,
    because2 and so on. Options of the equation and of training change the detector's own autoencoder,
    a small denoising one.

    For example:

        isthmus detect titanic.csv --explain 3
        isthmus detect wines.csv --id name -o flags.csv --explain 3
        isthmus detect wines.csv --contamination 0.05 --save wines.isthmus
        isthmus detect clean.csv --contamination none --new today.csv -o flags.csv
        isthmus detect clean.csv --contamination none --new today.csv --alpha 0.1 --fdr
        isthmus detect today.csv --model wines.isthmus -o flags.csv
        isthmus detect machines.csv --by machine --save machines.isthmus -o flags.csv

    Parameters
    ----------
    data : Path
        The rows, or a folder of images.
    """
    task = Task(Source(data, columns, pictures, kinds), new, model, save, explain, by)
    task.check(result, detector, options, common)
    task = replace(task, data=with_column(task.data, by))
    settings = detector.given()
    use_cache()
    if model is None:
        found = _detector(settings, options, common, explain)
        is_table_in_json = result.output is None and common.json
        large = None if is_table_in_json else rows_to_fit(task.trained, by=by)
        if large is not None and new is None:
            return _fit_by_blocks(task, found, large, options, result, common)
        train = large or read_rows(task.trained, ids_elsewhere=new is not None)
        rows = train if new is None else rows_like(train, task.trained, task.decided)
    else:
        found, train = _loaded(model, explain), None
        big = big_rows(found, model, task.data, result, common)
        if big is not None:
            return _decide_by_blocks(task, found, big, result, new=True)
        rows = rows_for(found, model, task.data)
    task.check_rows(rows)
    if train is None:
        scores = in_parts(found.score_samples, rows.X, "detect", common, groups_of(found, rows))
    else:
        _set_autoencoder(found, said_of(train, task.data), options)
        with rows_of(task.trained.path, train):
            rows, scores = _fit_and_score(found, train, rows, task, common)
    p = _pvalues(found, rows, scores)
    outlier = found.decide(scores, p) == -1
    decided = _decided(found, rows, scores, outlier, explain, None if rows is train else p)
    facts = _facts(found, rows.total, int(outlier.sum()))
    if common.json:
        facts |= columns_taken(found)
    with signals.hold():
        if save is not None:
            found.set_params(verbose=0).save(save)
            facts["detector"] = str(save)
        end_with_table(result, common, rows, decided, **facts)
    signals.check()
    return 0


# -- before the work -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """What is decided on, by which detector, and what is kept and explained of it."""

    data: Source
    new: Path | None
    model: Path | None
    save: Path | None
    explain: int
    by: str | None = None

    @property
    def trained(self) -> Source:
        """The rows to train on, of which none may be bad."""
        return self.data.strict()

    @property
    def decided(self) -> Source:
        """The rows to decide on: of NEW only columns of DATA and identifiers are used."""
        if self.new is None:
            return self.data
        return self.data.at(self.new, id=self.data.columns.id)

    def check(
        self,
        result: PrintableOutput,
        detector: Detector,
        options: AutoencoderOptions,
        common: Common,
    ) -> None:
        """Refuse files that are missing or cannot be written, and options that do not fit them."""
        self.data.check(self.model, also=self.new, by=self.by)
        check_by(self.data, self.by)
        if self.explain < 0:
            raise UsageError(f"--explain must be at least 0; got {self.explain}.")
        if self.explain and self.decided.is_folder:
            raise UsageError(
                f"{self.decided.path} holds images: --explain is for columns of tables."
            )
        fitting = [*given(detector), *given(options), *given(self.data.kinds)]
        fitting += [
            f"--{name}" for name in ("new", "save", "by") if getattr(self, name) is not None
        ]
        if self.model is not None and fitting:
            raise UsageError(f"--model decides on DATA as it is: {fitting[0]} cannot be given.")
        trains_alone = self.model is None and self.new is None
        if trains_alone and "--bad-rows" in given(self.data.columns):
            raise UsageError(
                "--bad-rows is for rows that are decided on, with --new or --model; those that are "
                "trained on must be good."
            )
        inputs = (self.data.path, self.new, self.model)
        check_table(result, TABLES, *inputs, json=common.json)
        check_output(self.save, (".isthmus",), *inputs, force=result.force)

    def check_rows(self, rows: Rows) -> None:
        """Refuse rows that cannot be explained, and identifiers with the name of a result."""
        import numpy as np

        self.check_shape(np.shape(rows.X)[1:])
        check_columns(rows.ids, _names(self.explain))

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Refuse to explain images."""
        if self.explain and len(shape) > 1:
            raise UsageError(
                f"{self.decided.path} holds images: --explain is for columns of tables."
            )


def _detector(
    settings: dict[str, object], options: AutoencoderOptions, common: Common, explain: int
) -> OutlierDetector:
    """Return a new detector, once it is clear that its parameters can be."""
    from isthmus.autoencoder import Autoencoder
    from isthmus.model import resolve_slots
    from isthmus.outliers import OutlierDetector, check_new_detector

    ae = configured(Autoencoder(), options)
    found = OutlierDetector(verbose=common.verbose)
    with usage_errors():
        found.set_params(**settings, random_state=options.seed)
        check_new_detector(found)
    if explain:
        check_by_column(resolve_slots(ae))
    return found


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"--contamination must be auto, none or a share, such as 0.05; got {text!r}."
        ) from None


def _loaded(path: Path, explain: int) -> OutlierDetector:
    found = load_detector(path)
    if explain:
        check_by_column(first_autoencoder(found).slots_)
    return found


# -- the work ------------------------------------------------------------------------------------


def _set_autoencoder(
    found: OutlierDetector, said: dict[str, object], options: AutoencoderOptions
) -> None:
    """Change the detector's own autoencoder by the options of the equation that were given, and by
    what was said of columns.
    """
    changed = {k: v for k, v in options.given().items() if k != "random_state"}
    if "column_weights" in said:
        changed["column_weights"] = said["column_weights"]
    if changed:
        found.set_params(autoencoder=changed)
    found.set_params(columns=said.get("columns"))


def _fit_and_score(
    found: OutlierDetector, train: Rows, rows: Rows, task: Task, common: Common
) -> tuple[Rows, np.ndarray]:
    """Fit a detector, and return the rows that it can decide on and their scores."""
    groups = trained_groups(train, task.by, task.data)
    if rows is train:
        return rows, found.fit_score_samples(train.X, groups=groups)
    found.fit(train.X, groups=groups)
    rows = set_far_apart(found, rows, task.decided)
    return rows, in_parts(found.score_samples, rows.X, "detect", common, groups_of(found, rows))


def _decided(
    found: OutlierDetector,
    rows: Rows,
    scores: np.ndarray,
    outlier: np.ndarray,
    columns: int,
    p: np.ndarray | None,
) -> dict[str, ArrayLike]:
    """Return the columns of the result; rows that were trained on have no p-values."""
    decided: dict[str, ArrayLike] = {"score": scores, "outlier": outlier}
    if p is not None:
        decided["pvalue"] = p
    return decided | _because(found, rows, outlier, min(columns, found.n_features_in_))


def _facts(found: OutlierDetector, rows: int, outliers: int) -> dict[str, object]:
    threshold = None if found.by_pvalues else float(found.offset_)
    return {"rows": rows, "outliers": outliers, "threshold": threshold}


def _fit_by_blocks(
    task: Task,
    found: OutlierDetector,
    train: Rows,
    options: DetectorsAutoencoder,
    result: PrintableOutput,
    common: Common,
) -> int:
    """Fit a detector on some rows of a large source, and decide on all."""
    _set_autoencoder(found, said_of(train, task.data), options)
    with rows_of(task.trained.path):
        found.fit(train.X)
    if task.save is not None:
        with signals.hold():
            found.set_params(verbose=0).save(task.save)
        found.set_params(verbose=common.verbose)
        signals.check()
    big = same_rows(train, found, task.trained, common)
    return _decide_by_blocks(task, found, big, result, new=False)


def _decide_by_blocks(
    task: Task, found: OutlierDetector, big: BigRows, result: PrintableOutput, *, new: bool
) -> int:
    """Decide on rows block by block."""
    task.check_shape(big.wanted.shape)
    outlier = _found_together(found, big) if found.fdr else None
    known: dict[str, object] = {} if task.save is None else {"detector": str(task.save)}
    if big.common.json:
        known |= columns_taken(found)
    return end_by_blocks(
        big, result, "detect", lambda: Decisions(found, task.explain, outlier, known, new=new)
    )


class Decisions(Job):
    """Scores and decisions block by block; `outlier` are those that all rows decide on together."""

    def __init__(
        self,
        found: OutlierDetector,
        explain: int,
        outlier: np.ndarray | None,
        known: Mapping[str, object],
        *,
        new: bool,
    ) -> None:
        self.found, self.explain, self.outlier, self.known = found, explain, outlier, known
        self.is_new = new
        self.names, self.good, self.outliers = _names(explain), 0, 0

    def columns(self, rows: Rows) -> Mapping[str, ArrayLike]:
        """Return the columns of the result."""
        scores = self.found.score_samples(rows.X, groups=groups_of(self.found, rows))
        p = _pvalues(self.found, rows, scores)
        if self.outlier is None:
            outlier = self.found.decide(scores, p) == -1
        else:
            outlier = self.outlier[self.good :][: len(scores)]
        self.good += len(scores)
        self.outliers += int(outlier.sum())
        shown = p if self.is_new else None
        return _decided(self.found, rows, scores, outlier, self.explain, shown)

    def facts(self, rows: int) -> Mapping[str, object]:
        """Return how many of the rows are outliers."""
        return {**_facts(self.found, rows, self.outliers), **self.known}


def _found_together(found: OutlierDetector, big: BigRows) -> np.ndarray:
    """Return which rows are outliers where that depends on the p-values of all."""
    import numpy as np

    p = [
        _pvalues(found, rows, found.score_samples(rows.X, groups=groups_of(found, rows)))
        for rows in big.parts("detect")
    ]
    together = np.concatenate([some for some in p if some is not None])
    return found.decide(together, together) == -1


def _pvalues(found: OutlierDetector, rows: Rows, scores: np.ndarray) -> np.ndarray | None:
    """Return p-values, if rows were held out to compare with."""
    from isthmus.outliers import conformal_pvalues

    held = found.calibration_scores_
    if held is None:
        return None
    if found.calibration_folds_ is None:
        return conformal_pvalues(-scores, -held)
    return found.pvalues(rows.X)  # by folds, which one score does not hold


def _because(
    found: OutlierDetector, rows: Rows, outlier: np.ndarray, columns: int
) -> dict[str, ArrayLike]:
    """Return the columns that made each outlier one, the most important first."""
    import numpy as np
    import polars as pl

    words = np.full((len(outlier), columns), None, object)
    if columns and outlier.any():
        some, groups = np.flatnonzero(outlier), groups_of(found, rows)
        mine = None if groups is None else groups[some]
        reasons = found.explain(rows.X[some], groups=mine).reasons(columns)
        words[outlier, : reasons.shape[1]] = reasons
    names = _reasons(columns)
    return {name: pl.Series(words[:, i].tolist(), dtype=pl.String) for i, name in enumerate(names)}


def _names(explain: int) -> list[str]:
    """Return the names of all columns of the result."""
    return ["score", "outlier", "pvalue", *_reasons(explain)]


def _reasons(columns: int) -> list[str]:
    """Return the names of the columns with reasons."""
    return [f"because{i + 1}" for i in range(columns)]

"""What `isthmus detect` and `isthmus explain` do."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import isthmus
from isthmus.cli import outputs, sources
from isthmus.cli.folders import Source as Source
from isthmus.cli.options import Common, Detector, Model
from isthmus.cli.outputs import TABLES
from isthmus.cli.outputs import Written as Written
from isthmus.cli.terminal import (
    UsageError,
    complain,
    show_json,
    show_lines,
    show_text,
    signals,
    usage_errors,
    warned,
)
from isthmus.io.tables import Rows, csv_text, write_table
from isthmus.outliers.conformal import conformal_pvalues


@dataclasses.dataclass(frozen=True)
class Task:
    """What is decided on, by which detector, and what is kept and told of it."""

    data: Source
    new: Path | None
    model: Path | None
    save: Path | None
    explain: int

    @property
    def decided(self) -> Source:
        """The rows to decide on: of NEW only columns of DATA and identifiers are used."""
        if self.new is None:
            return self.data
        return self.data.at(self.new, id=self.data.columns.id)


def detect(task: Task, options: Detector, equation: Model, written: Written, common: Common) -> int:
    """Fit a detector or load one, decide, and write what was found."""
    _check(task, options, equation, written)
    if task.model is not None:
        sources.use_cache()
        found = _loaded(task.model)
        rows = sources.fitted_rows(found, task.model, task.data)
        outputs.check_ids(rows.ids, _results(task.explain))
    else:
        found = _detector(options, equation, common)
        sources.use_cache()
        train = sources.read_rows(task.data, None)
        rows = train
        if task.new is not None:
            rows = sources.rows_like(train, task.data.path, task.decided)
        outputs.check_ids(rows.ids, _results(task.explain))
        _fit(found, train, equation)
    if task.explain and found.sample_shape_ is not None:
        raise UsageError(f"{task.decided.path} holds images: --explain is for columns of tables.")
    new = task.new is not None or task.model is not None
    frame = _decided(found, rows.X, task.explain, new)
    with signals.hold():
        if task.save is not None:
            found.set_params(verbose=0).save(task.save)
        _write(written, rows.ids, frame, _facts(found, frame, task), common)
    signals.check()
    return 0


def explain(
    model: Path, data: Source, top: int, written: Written, common: Common, *, every: bool
) -> int:
    """Write which columns make rows strange."""
    if top < 1:
        raise UsageError(f"--top must be at least 1; got {top}.")
    sources.check_present(model)
    sources.check_present(data.path, folders=True)
    if data.is_folder:
        raise UsageError(f"{data.path} is a folder of images: explanations are for columns.")
    written.check(TABLES, model, data.path)
    sources.use_cache()
    found = isthmus.load(model)
    if found.sample_shape_ is not None:
        raise UsageError(f"{model} was fitted on images: explanations are for columns of tables.")
    rows = sources.fitted_rows(found, model, data)
    outputs.check_ids(rows.ids, ["column", "contribution", "observed", "expected"])
    frame, ids = _explained(found, rows, top, every)
    facts = {"rows": len(rows.X), "explained": frame["row"].n_unique()}
    if ids.width:
        ids, frame = ids[frame["row"].to_numpy()], frame.drop("row")
    _write(written, ids, frame, facts, common)
    return 0


# -- before the work -----------------------------------------------------------------------------


def _check(task: Task, options: Detector, equation: Model, written: Written) -> None:
    """Raise an error before any work where a file or an option cannot be."""
    sources.check_present(task.data.path, task.new, folders=True)
    sources.check_present(task.model)
    task.data.check(test=task.new)
    if task.explain < 0:
        raise UsageError(f"--explain must be at least 0; got {task.explain}.")
    if task.model is not None:
        given = dataclasses.asdict(options).items()
        names = [name for name, value in given if value is not None and value is not False]
        names += [name for name in ("new", "save") if getattr(task, name) is not None]
        names += equation.given()
        if names:
            option = names[0].replace("_", "-")
            raise UsageError(f"--model decides on DATA as it is: --{option} cannot be given.")
    inputs = (task.data.path, task.new, task.model)
    written.check(TABLES, *inputs)
    if task.save is not None:
        dataclasses.replace(written, output=task.save).check((".isthmus",), *inputs)


def _detector(options: Detector, equation: Model, common: Common) -> Any:
    """Return a new detector, once it is clear that its parameters can be."""
    given = dataclasses.asdict(options)
    if options.contamination not in (None, "auto", "none"):
        given["contamination"] = _share(str(options.contamination))
    given = {name: value for name, value in given.items() if value is not None}
    sources.configured(isthmus.Autoencoder(), equation)
    from isthmus.outliers.parameters import check_detector

    with usage_errors():
        found = isthmus.OutlierDetector(**given, random_state=equation.random_state)
        check_detector(found)
    return found.set_params(verbose=0 if common.quiet else 1)


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--contamination must be auto, none or a share; got {text!r}.") from None


def _loaded(path: Path) -> Any:
    found = isthmus.load(path)
    if not isinstance(found, isthmus.OutlierDetector):
        raise UsageError(
            f"{path} holds a single autoencoder and no detector: isthmus score has its scores, and "
            "isthmus detect DATA --save makes a detector."
        )
    return found


# -- the work ------------------------------------------------------------------------------------


def _fit(found: Any, train: Rows, equation: Model) -> None:
    """Fit the detector; options of the equation change its own autoencoder."""
    from isthmus.outliers.detector import default_autoencoder

    given = {k: v for k, v in equation.given().items() if k != "random_state"}
    if given:
        flat = np.empty((len(train.X), int(np.prod(np.shape(train.X)[1:]))), np.bool_)
        found.set_params(autoencoder=default_autoencoder(flat).set_params(**given))
    found.fit(train.X)


def _decided(found: Any, X: Any, columns: int, new: bool) -> pl.DataFrame:
    """Return score and decision on each row, and the columns that made it an outlier.

    Rows that were trained on have no p-values.
    """
    score, held = found.score_samples(X), found.calibration_scores_
    if found.calibration_folds_ is not None:
        p = found.pvalues(X)  # by folds, which one score does not tell
    else:
        p = None if held is None else conformal_pvalues(-score, -held)
    outlier = found.decide(score, p) == -1
    frame = pl.DataFrame({"score": score, "outlier": outlier})
    if new and p is not None:
        frame = frame.with_columns(pvalue=p)
    if not columns:
        return frame
    columns = min(columns, found.n_features_in_)
    reasons = np.full((len(frame), columns), None, object)
    if outlier.any():
        table = found.explain(X[np.flatnonzero(outlier)]).frame(columns)
        words = [_because(line) for line in table.iter_rows(named=True)]
        reasons[outlier] = np.array(words, object).reshape(-1, columns)
    named = zip(_results(columns)[3:], reasons.T.tolist(), strict=True)
    return frame.with_columns(pl.Series(name, texts, pl.String) for name, texts in named)


def _results(columns: int) -> list[str]:
    """Return the names of the columns of results."""
    return ["score", "outlier", "pvalue", *(f"because{i + 1}" for i in range(columns))]


def _because(line: dict[str, Any]) -> str:
    return f"{line['column']} {line['observed']:.4g} (expected {line['expected']:.4g})"


def _explained(found: Any, rows: Rows, top: int, every: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the long table, and the identifiers of the rows that it counts."""
    if not isinstance(found, isthmus.OutlierDetector):
        from isthmus.outliers.members import explain_losses

        with usage_errors():
            explained = explain_losses(found, rows.X)
        return explained.frame(min(top, found.n_features_in_)), rows.ids
    chosen = np.full(len(rows.X), True) if every else found.predict(rows.X) == -1
    numbers = np.flatnonzero(chosen)
    some = rows.X[numbers] if len(numbers) else rows.X[:1]
    frame = found.explain(some).frame(top)
    if not len(numbers):
        return frame.head(0), rows.ids
    return frame.with_columns(row=numbers[frame["row"].to_numpy()]), rows.ids


# -- results -------------------------------------------------------------------------------------


def _facts(found: Any, frame: pl.DataFrame, task: Task) -> dict[str, Any]:
    facts = {
        "rows": len(frame),
        "outliers": int(frame["outlier"].sum()),
        "threshold": None if found.by_pvalues else float(found.offset_),
    }
    return facts if task.save is None else {**facts, "detector": str(task.save)}


def _write(
    written: Written, ids: pl.DataFrame, frame: pl.DataFrame, facts: dict[str, Any], common: Common
) -> None:
    """Write identifiers and results to a file or to the standard output, and tell the counts."""
    frame = outputs.beside(ids, frame)
    if written.output is not None:
        write_table(written.output, frame, raw=written.raw)
        facts = {"output": str(written.output), **facts}
    elif common.json:
        facts = {**facts, "table": frame.to_dict(as_series=False)}
    else:
        show_text(csv_text(frame, raw=written.raw))
    if common.json:
        show_json({**facts, "warnings": warned})
    elif not common.quiet:
        texts = {name: _text(value) for name, value in facts.items() if value is not None}
        if written.output is not None:
            show_lines(texts)
        else:
            complain(", ".join(f"{name} {text}" for name, text in texts.items()))


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

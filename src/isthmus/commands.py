"""What the commands of the command line do; `cli` imports this when one runs."""

import shlex
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import isthmus
from isthmus import _folders, tables
from isthmus._folders import Source as Source
from isthmus._folders import Wanted
from isthmus._options import Columns, Common, Model, given, spelt
from isthmus._terminal import (
    UsageError,
    complain,
    show_json,
    show_lines,
    show_text,
    signals,
    warned,
)

CHECKPOINT_SECONDS = 10.0
FIXED = ("n_components", "architecture", "dtype")  # the weights of a resumed model have these


@dataclass(frozen=True)
class Files:
    """The files of `isthmus fit`."""

    data: Source
    output: Path | None
    resume: Path | None
    init: Path | None
    test: Path | None

    @property
    def fitted(self) -> Path | None:
        """The model that training starts from."""
        return self.resume or self.init

    @property
    def model(self) -> Path:
        """Where the model goes."""
        return self.output or self.resume or Path(_folders.model_name(self.data.path))

    def check(self, weight: str | None, force: bool) -> None:
        """Raise an error before any work where a file is missing or cannot be written."""
        check_present(self.data.path, self.test, folders=True)
        check_present(self.resume, self.init)
        if self.resume and self.init:
            raise UsageError("--resume goes on with a model, --init starts anew: give one of them.")
        self.data.check(weight, self.test)
        again = self.resume is not None and self.model.exists() and self.model.samefile(self.resume)
        inputs = (self.data.path, self.test, None if again else self.resume, self.init)
        tables.check_output(self.model, (".isthmus",), force=force or again, inputs=inputs)


@dataclass(frozen=True)
class Written:
    """Where and how a table is written."""

    output: Path | None
    force: bool
    raw: bool


def check_present(*paths: Path | None, folders: bool = False) -> None:
    """Raise a TableError for a file that is not there."""
    for path in paths:
        if path is not None and not (path.is_file() or (folders and path.is_dir())):
            kind = "file or folder" if folders and not path.suffix else "file"
            raise tables.TableError(f"Cannot read {path}: there is no such {kind}.")


# -- fit -----------------------------------------------------------------------------------------


def fit(
    files: Files,
    model: Model,
    common: Common,
    weight: str | None,
    *,
    checkpoint: bool,
    force: bool,
) -> int:
    """Train, save and tell how well it went; an interrupt saves a model that can go on."""
    files.check(weight, force)
    use_cache()
    fitted = None if files.fitted is None else _folders.load_model(files.fitted)
    ae = _estimator(fitted, files, model)
    ae.set_params(verbose=0 if common.quiet else 1, warm_start=files.resume is not None)
    wanted = None if fitted is None else _wanted(fitted, files.fitted)
    names = getattr(ae, "feature_names_in_", None)
    rows = read_rows(files.data, names, weight, wanted=wanted)
    test = _test_rows(files, rows, weight)
    again = _again(files, common, weight, checkpoint)
    training = Training(ae, files.model, again, fitted if files.init else None)
    if not training.run(rows, checkpoint, common):
        return signals.status
    _show_fit(_result(ae, files.model, rows, test), common)
    return 0


def use_cache() -> None:
    """Keep compiled programs on disk; without a folder for them the work is only slower."""
    from isthmus.runtime import cache_folder

    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # else JAX would warn of every single program
            isthmus.enable_compilation_cache()
    except (OSError, RuntimeError) as error:
        warnings.warn(f"Compiled programs are not kept: {error}.", stacklevel=2)


def _estimator(fitted: Any, files: Files, model: Model) -> isthmus.Autoencoder:
    """Return a new estimator, or the one to go on with, with the options that were given."""
    from isthmus import fitting, runtime

    given = model.given()
    ae = isthmus.Autoencoder()
    if fitted is not None:
        ae = fitted if files.resume else isthmus.Autoencoder(**fitted.get_params(deep=False))
        fixed = [f"--{name.replace('_', '-')}" for name in FIXED if name in given]
        if fixed:
            raise UsageError(f"A fitted model keeps its layers: {fixed[0]} cannot be changed.")
        if not fitted.net_.decoder:
            raise UsageError(f"{files.fitted} is an encoder alone and cannot be trained.")
    try:
        ae.set_params(**given)
        fitting.check_parameters(ae)
        fitting.resolve_slots(ae)
        runtime.find_device(ae.device)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error
    return ae


def _wanted(ae: isthmus.Autoencoder, path: Path | None) -> Wanted:
    """Return what a fitted model asks of images."""
    return Wanted(ae.sample_shape_ or (ae.n_features_in_,), f"{path} was fitted on")


def read_rows(
    source: Source,
    names: Any,
    weight: str | None = None,
    *,
    wanted: Wanted | None = None,
    named: bool = True,
    weighted: bool = True,
) -> tables.Rows:
    """Read a file and choose its columns, or read a folder of images.

    `wanted` is what images must be, `named` whether the model knows columns by name, `weighted`
    whether the column of weights must be there.
    """
    path, columns = source.path, source.columns
    if source.is_folder:
        return _folders.read(path, source.pictures, wanted)
    table = tables.read_table(path, key=columns.key, header=not columns.no_header)
    if not weighted and weight not in getattr(table.rows, "columns", ()):
        weight = None
    rows = tables.choose(
        table,
        names=names,
        columns=columns.columns,
        ignore=columns.ignore,
        ids=columns.id,
        weight=weight,
    )
    if isinstance(rows.X, pl.DataFrame):
        if names is None and tables.looks_headless(table, rows.X.columns):
            warnings.warn(
                f"The first line of {path} looks like data, not like names; if it is, give "
                "--no-header.",
                stacklevel=2,
            )
        if not named:
            return rows._replace(X=rows.X.to_numpy())
    return rows


def _test_rows(files: Files, rows: tables.Rows, weight: str | None) -> tables.Rows | None:
    """Read the test rows before training, so that a mistake in them costs no time."""
    path, columns = files.test, files.data.columns
    if path is None:
        return None
    names = rows.X.columns if isinstance(rows.X, pl.DataFrame) else None
    key = columns.key if tables.ending(path) == ".npz" else None
    only = Columns(key=key, no_header=columns.no_header)
    shape = np.shape(rows.X)[1:]
    test = read_rows(
        Source(path, only, files.data.pictures),
        names,
        weight,
        wanted=Wanted(shape, f"{files.data.path} has"),
        named=names is not None,
        weighted=False,
    )
    if np.shape(test.X)[1:] != shape:
        raise tables.TableError(
            f"{path} has rows of shape {np.shape(test.X)[1:]}, but those of the training data "
            f"have {shape}."
        )
    return test


def _again(files: Files, common: Common, weight: str | None, checkpoint: bool) -> str:
    """Return the command line that goes on with an interrupted fit."""
    words = ["isthmus", "fit", str(files.data.path), "--resume", str(files.model)]
    options = given(files.data.columns) | given(files.data.pictures)
    options |= {"--weight": weight, "--test": files.test, "--checkpoint": checkpoint}
    options |= {"--json": common.json, "--quiet": common.quiet}
    return shlex.join([*words, *spelt(options)])


class Training:
    """One fit: it saves checkpoints and, when interrupted, a model that can go on."""

    def __init__(self, ae: isthmus.Autoencoder, path: Path, again: str, init: Any) -> None:
        self.ae, self.path, self.again, self.init = ae, path, again, init
        self.saved = time.monotonic()
        self.resumes = ae.warm_start
        self.checkpoints = False

    def run(self, rows: tables.Rows, checkpoint: bool, common: Common) -> bool:
        """Train and save; False where a signal came in between."""
        self.checkpoints = checkpoint
        self._tell_of_new_start()
        watched = checkpoint or self.resumes
        try:
            self.ae.fit(
                rows.X,
                sample_weight=rows.weight,
                init=self.init,
                on_epoch=self._on_epoch if watched else None,
            )
        except KeyboardInterrupt:
            self._interrupted(common)
            return False
        self._save(resume=False)
        return True

    def _tell_of_new_start(self) -> None:
        """Warn where a resumed model has nothing left to go on with."""
        left = getattr(self.ae, "_training", None)
        if self.resumes and left is None:
            warnings.warn(
                "The model was trained to its end: training starts again, from its weights.",
                stacklevel=2,
            )
        self.resumes = self.resumes and left is not None and len(left.state.history) > 0

    def _on_epoch(self, row: dict[str, float]) -> None:
        signals.check()
        if self.resumes and row["epoch"] == 1 and len(set(self.ae.history_["phase"])) == 1:
            warnings.warn(
                "The rows, slots or settings are not those of the interrupted fit: training starts "
                "again, from its weights.",
                stacklevel=2,
            )
        self.resumes = False
        if self.checkpoints and time.monotonic() - self.saved >= CHECKPOINT_SECONDS:
            self._save(resume=True)
            signals.check()

    def _save(self, *, resume: bool) -> None:
        """Save without the parameters that belong to this run of the command line."""
        ours = {name: getattr(self.ae, name) for name in ("verbose", "warm_start")}
        with signals.hold():
            self.ae.set_params(verbose=0, warm_start=False)
            self.ae.save(self.path, resume=resume)
            self.ae.set_params(**ours)
        self.saved = time.monotonic()

    def _interrupted(self, common: Common) -> None:
        if not hasattr(self.ae, "history_"):
            complain("interrupted before the first step of training; nothing was written.")
            return
        self._save(resume=True)
        epochs = self.ae.n_iter_
        complain(f"interrupted after {epochs} epochs; the model so far is in {self.path}.")
        complain(f"to go on: {self.again}")
        if common.json:
            told = {"interrupted": True, "model": str(self.path), "epochs": epochs}
            show_json({**told, "resume": self.again, "warnings": warned})


def _result(
    ae: isthmus.Autoencoder, path: Path, rows: tables.Rows, test: tables.Rows | None
) -> dict[str, Any]:
    return {
        "interrupted": False,
        "model": str(path),
        "rows": len(rows.X),
        "features": ae.n_features_in_,
        "n_components": ae.net_.n_components,
        "n_parameters": ae.n_parameters_,
        "epochs": ae.n_iter_,
        "seconds": ae.history_["seconds"][-1],
        "baseline": ae.baseline_,
        "score": ae.baseline_["score"],
        "test": None if test is None else _tested(ae, test),
        "warnings": warned,
    }


def _tested(ae: isthmus.Autoencoder, test: tables.Rows) -> dict[str, Any]:
    error = -np.average(ae.score_samples(test.X), weights=test.weight)
    score = ae.score(test.X, sample_weight=test.weight)
    return {"rows": len(test.X), "error": float(error), "score": score}


def _show_fit(result: dict[str, Any], common: Common) -> None:
    if common.json:
        show_json(result)
        return
    baseline = result["baseline"]
    errors = [
        f"{baseline[k]:.4g} {label}" for k, label in (("pca", "by PCA"), ("mean", "by the mean"))
    ]
    lines = {
        "model": f"{result['model']} ({result['n_parameters']:,} parameters)",
        "data": f"{result['rows']:,} rows, {result['features']} features",
        "training": f"{result['epochs']} epochs, {result['seconds']:.1f} s",
        "error": f"{baseline['model']:.4g} on the {baseline['rows']} rows; {', '.join(errors)}",
        "squared error": f"{baseline['model_raw']:.4g} a value, in the data's units",
    }
    lines["score"] = f"{result['score']:.4f} (1 is perfect, 0 is the mean)"
    if result["test"]:
        test = result["test"]
        lines["test"] = (
            f"score {test['score']:.4f}, error {test['error']:.4g}, {test['rows']:,} rows"
        )
    show_lines(lines)


# -- use -----------------------------------------------------------------------------------------


def encode(model: Path, data: Source, written: Written, common: Common, layer: int | None) -> int:
    """Write the codes, or the values of a hidden layer."""
    ae, rows = opened(model, data, written)
    codes = ae.encode(rows.X, layer)
    last = layer in (None, -1, len(ae.net_.encoder))
    names = None if last else [f"layer{layer}_{i}" for i in range(codes.shape[1])]
    frame = pl.DataFrame(codes, schema=names or list(ae.get_feature_names_out()))
    return _write(written, rows.ids, frame, common)


def reconstruct(model: Path, data: Source, written: Written, common: Common) -> int:
    """Write the rows as the model reproduces them."""
    assert written.output is not None
    folder = _folders.goes_to_folder(data, written.output)
    if data.is_folder and not folder and tables.ending(written.output) != ".npy":
        raise tables.TableError(
            f"Images do not fit into {written.output}: write them to a folder or to a .npy file."
        )
    ae, rows = opened(model, data, written, folder=folder)
    if folder:
        n = _folders.write(ae, rows, written.output, force=written.force)
        _show_written(written.output, f"{n:,} images", common, images=n)
        return 0
    if ae.sample_shape_ is not None and tables.ending(written.output) != ".npy":
        raise tables.TableError(
            f"Images of shape {ae.sample_shape_} do not fit into {written.output}: write them to a "
            ".npy file."
        )
    again = ae.reconstruct(rows.X)
    if again.ndim > 2:
        tables.write_array(written.output, again)
        _show_table(written.output, len(again), list(map(str, again.shape[1:])), common)
        return 0
    names = getattr(ae, "feature_names_in_", [f"x{i}" for i in range(again.shape[1])])
    return _write(written, rows.ids, pl.DataFrame(again, schema=list(names)), common)


def score(model: Path, data: Source, written: Written, common: Common) -> int:
    """Write the scores, or print them."""
    ae, rows = opened(model, data, written)
    scores = ae.score_samples(rows.X)
    if written.output is None and common.json:
        ids = {name: rows.ids[name].to_list() for name in rows.ids.columns}
        mean = ae.score(rows.X)
        show_json({"rows": len(scores), "score": mean, "scores": scores.tolist(), "ids": ids})
        return 0
    return _write(written, rows.ids, pl.DataFrame({"score": scores}), common)


def opened(
    model: Path, data: Source, written: Written, *, folder: bool = False
) -> tuple[isthmus.Autoencoder, tables.Rows]:
    """Load a model and read the rows for it, once it is clear that the result can be written."""
    check_present(model)
    check_present(data.path, folders=True)
    data.check()
    output = written.output
    arrays = not folder and output is not None and tables.ending(output) == ".npy"
    if output is not None and folder:
        _folders.check_output(output, data)
    elif output is not None:
        inputs = (model, data.path)
        tables.check_output(output, tables.WRITTEN, force=written.force, inputs=inputs)
        if data.columns.id and arrays:
            raise UsageError(f"Identifiers do not fit into {output}: write .csv or .parquet.")
    use_cache()
    ae = _folders.load_model(model)
    names = getattr(ae, "feature_names_in_", None)
    rows = read_rows(data, names, wanted=_wanted(ae, model), named=names is not None)
    return ae, rows._replace(ids=pl.DataFrame()) if arrays else rows  # .npy has no place for text


def _write(written: Written, ids: pl.DataFrame, frame: pl.DataFrame, common: Common) -> int:
    """Write identifiers and results, to a file or to the standard output."""
    both = [name for name in ids.columns if name in frame.columns]
    if both:
        raise UsageError(f"The identifier {both[0]!r} has the name of a column of the result.")
    frame = pl.concat([ids, frame], how="horizontal") if ids.width else frame
    if written.output is None:
        show_text(tables.csv_text(frame, raw=written.raw))
        return 0
    tables.write_table(written.output, frame, raw=written.raw)
    _show_table(written.output, len(frame), frame.columns, common)
    return 0


def _show_table(path: Path, rows: int, columns: list[str], common: Common) -> None:
    text = f"{rows:,} rows, {len(columns)} columns"
    _show_written(path, text, common, rows=rows, columns=columns)


def _show_written(path: Path, text: str, common: Common, **facts: Any) -> None:
    if common.json:
        show_json({"output": str(path), **facts, "warnings": warned})
    elif not common.quiet:
        show_lines({"output": str(path), "data": text})


def info(model: Path, common: Common) -> int:
    """Show what a model file holds."""
    check_present(model)
    ae, size = _folders.load_model(model), model.stat().st_size
    names = getattr(ae, "feature_names_in_", None)
    if common.json:
        show_json(_described(ae, model, size))
        return 0
    text = f"{model}: {size:,} bytes\n{ae.summary()}\n"
    show_text(text + (f"Columns\n  {', '.join(names)}\n" if names is not None else ""))
    return 0


def _described(ae: isthmus.Autoencoder, path: Path, size: int) -> dict[str, Any]:
    from isthmus.fitting import SLOTS

    params = {k: v for k, v in ae.get_params(deep=False).items() if k not in SLOTS}
    return {
        "model": str(path),
        "bytes": size,
        "slots": ae.slots_.to_dict(),
        "parameters": params,
        "scaling": ae.scaling_,
        "features": list(getattr(ae, "feature_names_in_", [])) or None,
        "n_features": ae.n_features_in_,
        "sample_shape": ae.sample_shape_,
        "n_parameters": ae.n_parameters_,
        "epochs": ae.n_iter_,
        "resumable": getattr(ae, "_training", None) is not None,
        "baseline": getattr(ae, "baseline_", None),
    }


def demo(output: Path, common: Common, *, quick: bool) -> int:
    """Write the demonstration's report."""
    if output.exists() and not output.is_dir():
        raise tables.TableError(f"Cannot write {output}: it is a file, and a folder is needed.")
    from isthmus import demo as demonstration

    use_cache()
    report = demonstration.run(output, quick)
    if common.json:
        show_json({"report": str(report), "warnings": warned})
    elif not common.quiet:
        show_lines({"report": str(report)})
    return 0

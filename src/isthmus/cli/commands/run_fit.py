"""What `isthmus fit` does."""

import shlex
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import isthmus
from isthmus.cli import folders, sources
from isthmus.cli.folders import Source as Source
from isthmus.cli.options import Common, Model, given, spelt
from isthmus.cli.terminal import UsageError, complain, show_json, show_lines, signals, warned
from isthmus.io.tables import Rows, check_table_output

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
        return self.output or self.resume or Path(folders.model_name(self.data.path))

    def check(self, weight: str | None, force: bool) -> None:
        """Raise an error before any work where a file is missing or cannot be written."""
        sources.check_present(self.data.path, self.test, folders=True)
        sources.check_present(self.resume, self.init)
        if self.resume and self.init:
            raise UsageError("--resume goes on with a model, --init starts anew: give one of them.")
        self.data.check(weight, self.test)
        again = self.resume is not None and self.model.exists() and self.model.samefile(self.resume)
        inputs = (self.data.path, self.test, None if again else self.resume, self.init)
        check_table_output(self.model, (".isthmus",), force=force or again, inputs=inputs)


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
    sources.use_cache()
    fitted = None if files.fitted is None else folders.load_model(files.fitted)
    ae = _estimator(fitted, files, model)
    ae.set_params(verbose=0 if common.quiet else 1, warm_start=files.resume is not None)
    wanted = None if files.fitted is None else sources.wanted(fitted, files.fitted)
    names = getattr(ae, "feature_names_in_", None)
    rows = sources.read_rows(files.data, names, weight, wanted=wanted)
    test = _test_rows(files, rows, weight)
    again = _again(files, common, weight, checkpoint)
    training = Training(ae, files.model, again, fitted if files.init else None)
    if not training.run(rows, checkpoint, common):
        return signals.status
    _show_fit(_result(ae, files.model, rows, test), common)
    return 0


def _estimator(fitted: Any, files: Files, model: Model) -> isthmus.Autoencoder:
    """Return a new estimator, or the one to go on with, with the options that were given."""
    given, ae = model.given(), isthmus.Autoencoder()
    if fitted is not None:
        ae = fitted if files.resume else isthmus.Autoencoder(**fitted.get_params(deep=False))
        fixed = [f"--{name.replace('_', '-')}" for name in FIXED if name in given]
        if fixed:
            raise UsageError(f"A fitted model keeps its layers: {fixed[0]} cannot be changed.")
        if not fitted.net_.decoder:
            raise UsageError(f"{files.fitted} is an encoder alone and cannot be trained.")
    return sources.configured(ae, model)


def _test_rows(files: Files, rows: Rows, weight: str | None) -> Rows | None:
    """Read the test rows before training, so that a mistake in them costs no time."""
    if files.test is None:
        return None
    return sources.rows_like(rows, files.data.path, files.data.at(files.test), weight)


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

    def run(self, rows: Rows, checkpoint: bool, common: Common) -> bool:
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
        left = self.ae.unfinished_epochs
        if self.resumes and left is None:
            warnings.warn(
                "The model was trained to its end: training starts again, from its weights.",
                stacklevel=2,
            )
        self.resumes = self.resumes and bool(left)

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


def _result(ae: isthmus.Autoencoder, path: Path, rows: Rows, test: Rows | None) -> dict[str, Any]:
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


def _tested(ae: isthmus.Autoencoder, test: Rows) -> dict[str, Any]:
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

"""`isthmus fit`."""

from __future__ import annotations

import shlex
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from isthmus.cli.big import rows_to_fit
from isthmus.cli.groups import (
    By,
    check_by,
    fleet_facts,
    fleet_in_words,
    trained_groups,
    with_column,
)
from isthmus.cli.kinds import Kinds
from isthmus.cli.models import (
    columns_in_words,
    columns_taken,
    configure_columns,
    configured,
    errors_in_words,
    load_model,
    wanted_by,
)
from isthmus.cli.options import (
    DATA,
    OUTPUT,
    USUAL_SEED,
    AutoencoderOptions,
    Columns,
    Common,
    CutPictures,
    ModelOutput,
    given,
    option,
    option_name,
    spelt,
)
from isthmus.cli.outputs import check_output, end
from isthmus.cli.patch_rows import check_patches, cuts, patches_to_test, read_patches
from isthmus.cli.pictures import warn_of_few_pictures
from isthmus.cli.rows import kinds_of, read_rows, rows_like
from isthmus.cli.sources import Source, check_present, model_name, rows_of, use_cache
from isthmus.cli.team import Processes
from isthmus.cli.terminal import UsageError, complain, signals
from isthmus.io import FileError, keep_previous, previous_of
from isthmus.words import first_line

if TYPE_CHECKING:
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.io import Rows

CHECKPOINT_SECONDS = 10.0
FEW_ROWS = 20
FIXED = ("n_components", "architecture", "dtype")  # the weights of a fitted model have these


def fit(
    data: Path,
    /,
    *,
    result: ModelOutput = ModelOutput(),
    checkpoint: Annotated[bool, option(OUTPUT, "Save the model every 10 s of training.")] = False,
    resume: Annotated[
        Path | None,
        option(DATA, "Go on with this model, exactly where an interrupt or checkpoint left it."),
    ] = None,
    init: Annotated[
        Path | None, option(DATA, "Start from the weights, layers and settings of this model.")
    ] = None,
    test: Annotated[Path | None, option(DATA, "Rows to score after training.")] = None,
    weight: Annotated[
        str | None, option(DATA, "How much each row counts.", metavar="COLUMN")
    ] = None,
    by: By = None,
    columns: Columns = Columns(),
    kinds: Kinds = Kinds(),
    pictures: CutPictures = CutPictures(),
    options: AutoencoderOptions = AutoencoderOptions(),
    processes: Processes = Processes(),
    common: Common = Common(),
) -> int:
    """Train an autoencoder on a table as it is, or on a folder of images.

    Columns may be numbers, words, truths, dates and times, with missing cells. What looks like an
    identifier, like free text, or is the same in all rows is left out, with a warning; --as overrules.
    It is saved to one file that the other commands, and isthmus.load, read.
    Ctrl-C saves the model so far and prints the command that goes on with it.

    For example:

        isthmus fit flowers.csv --id name --test new.csv
        isthmus fit flowers.csv --architecture "dense:hidden=[32]" --corruption gaussian
        isthmus fit digits.npy --architecture "dense:hidden=[128,64]" -o d.isthmus
        isthmus fit titanic.csv --as pclass=category --as alive=ignore
        isthmus fit sales.parquet --ignore shop --weight count --checkpoint
        isthmus fit sales.parquet --resume sales.isthmus
        isthmus fit machines.csv --by machine -o machines.isthmus
        isthmus fit photos --size 32x32 --architecture conv --n-components 32
        isthmus fit photos --patches 200000 --size 40x40 --corruption gaussian:std=0.1
        isthmus fit new.csv --init flowers.isthmus --freeze encoder -o new.isthmus
        srun isthmus fit sales.parquet --coordinator auto --checkpoint

    Parameters
    ----------
    data : Path
        What to train on: a table of any format, a pattern or a folder of such, or of images.
    """
    source = Source(data, columns, pictures, kinds)
    files = Files(source, result, resume, init, test, by)
    files.check(weight, options, checkpoint=checkpoint)
    files = replace(files, data=with_column(source, by))
    with processes.joined() as leads:
        if not leads:
            common, checkpoint = replace(common, quiet=True, json=False), False
            warnings.simplefilter("ignore")  # the first says them
        return _fit(files, options, weight, common, checkpoint=checkpoint, leads=leads)


def _fit(
    files: Files,
    options: AutoencoderOptions,
    weight: str | None,
    common: Common,
    *,
    checkpoint: bool,
    leads: bool,
) -> int:
    """Train and save; of processes that train together, the one that leads writes."""
    source, resume = files.data, files.resume
    use_cache()
    fitted, whole = files.load()
    ae = _estimator(fitted, files, options)
    ae.set_params(verbose=common.verbose, warm_start=resume is not None)
    rows = _rows(fitted, files, weight, ae.random_state)
    configure_columns(ae, rows, source)
    tested = None if files.test is None else _test_rows(ae, rows, files, weight)
    if resume is not None and ae.unfinished_epochs is None:
        return _nothing_left(ae, resume, common)
    again = _again(files, common, weight, checkpoint)
    training = Training(ae, files.model, again, None if files.init is None else fitted)
    training.ours, training.leads = whole and files.goes_on_in_place, leads
    training.groups = trained_groups(rows, files.by, source)
    with rows_of(source.path, rows):
        is_whole = training.run(rows, checkpoint)
    if not is_whole:
        if training.has_begun and files.by is None:
            facts = {"interrupted": True, "model": str(files.model), "epochs": ae.n_iter_}
            end(common, {**facts, "resume": again}, "")
        return signals.status
    _warn_of_few(ae, len(rows.X), source)
    scored = None if tested is None else _scored(ae, tested)
    facts = _facts(ae, files.model, len(rows.X), scored)
    return end(common, facts, _in_words(ae, files.model, len(rows.X), scored))


# -- before the work -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Files:
    """The files of `isthmus fit`."""

    data: Source
    result: ModelOutput
    resume: Path | None
    init: Path | None
    test: Path | None
    by: str | None = None

    @property
    def fitted(self) -> Path | None:
        """The model that training starts from."""
        return self.resume or self.init

    @property
    def model(self) -> Path:
        """Where the model goes."""
        return self.result.output or self.resume or Path(model_name(self.data.path))

    def check(
        self, weight: str | None, options: AutoencoderOptions, *, checkpoint: bool = False
    ) -> None:
        """Refuse files that are missing or cannot be written, and options that do not fit them."""
        self.data.check(also=self.test, weight=weight, by=self.by)
        check_by(self.data, self.by)
        check_patches(self.data.pictures)
        begun = {"--resume": self.resume, "--init": self.init, "--test": self.test}
        others = [name for name, path in begun.items() if path] + ["--checkpoint"] * checkpoint
        if self.by is not None and others:
            raise UsageError(f"--by fits many models anew: {others[0]} cannot be given with it.")
        check_present(self.resume, self.init)
        if self.resume and self.init:
            raise UsageError("--resume goes on with a model, --init starts anew: give one of them.")
        fixed = [name for name in map(option_name, FIXED) if name in given(options)]
        if self.fitted and fixed:
            raise UsageError(f"A fitted model keeps its layers: {fixed[0]} cannot be changed.")
        said = [name for name in given(self.data.kinds) if self.resume or name == "--as"]
        if self.fitted and said:
            raise UsageError(f"A fitted model keeps its columns: {said[0]} cannot be changed.")
        again = self.goes_on_in_place
        inputs = (self.data.path, self.test, None if again else self.resume, self.init)
        check_output(self.model, (".isthmus",), *inputs, force=self.result.force or again)

    @property
    def goes_on_in_place(self) -> bool:
        """Whether the file of an interrupted fit is to be replaced."""
        resume = self.resume
        return resume is not None and self.model.exists() and self.model.samefile(resume)

    def load(self) -> tuple[Autoencoder | None, bool]:
        """Return the model that training starts from, if there is one, and whether its file is whole.

        A fit goes on from the checkpoint before where the newest is damaged.
        """
        from isthmus.io import ModelFileError

        if self.fitted is None:
            return None, True
        try:
            return load_model(self.fitted), True
        except ModelFileError as error:
            before = previous_of(self.fitted)
            if self.resume is None or not before.exists():
                raise
            with suppress(ModelFileError):
                fitted = load_model(before)
                what = f"{error} The fit goes on from the checkpoint before it, {before}."
                warnings.warn(what, stacklevel=2)
                return fitted, False
            raise


def _nothing_left(fitted: Autoencoder, path: Path, common: Common) -> int:
    """Report that a fit is at its end; `--init` starts a new one from its weights."""
    epochs = fitted.n_iter_
    facts = {"interrupted": False, "finished_before": True, "model": str(path), "epochs": epochs}
    said = (
        f"{path} is trained to its end ({epochs} epochs): nothing was done, and nothing is written."
    )
    return end(common, facts, f"{said} --init starts a new fit from its weights.\n")


def _estimator(
    fitted: Autoencoder | None, files: Files, options: AutoencoderOptions
) -> Autoencoder:
    """Return a new estimator, or the one to go on with, with the options that were given."""
    from isthmus.autoencoder import Autoencoder

    if files.resume and fitted is not None:
        return configured(fitted, options)
    settings = {} if fitted is None else fitted.get_params(deep=False)
    if settings.get("random_state") is None:
        settings["random_state"] = USUAL_SEED
    return configured(Autoencoder(**settings), options)


def _rows(fitted: Autoencoder | None, files: Files, weight: str | None, seed: Any) -> Rows:
    """Read the rows to train on; a model that only starts from another may name its columns anew."""
    wanted = None
    if fitted is not None and files.fitted is not None:
        wanted = wanted_by(fitted, files.fitted)
        if files.resume is None:
            wanted = wanted._replace(names=None, named=True)
    if cuts(files.data.pictures):
        return read_patches(files.data, wanted, seed)
    large = rows_to_fit(files.data, wanted, weight, by=files.by)
    return read_rows(files.data, wanted, weight=weight) if large is None else large


def _warn_of_few(ae: Autoencoder, rows: int, source: Source) -> None:
    """Warn of rows that a model can only learn by heart, and of few images for a denoiser."""
    if source.is_folder and warn_of_few_pictures(ae, rows, source.path):
        return
    if rows < FEW_ROWS:
        patches = ", or patches of these images" if source.path.is_dir() else ""
        warnings.warn(
            f"{source.path} has {rows:,} rows, so few that a model learns them by heart and does worse "
            f"on new ones: give more{patches}.",
            stacklevel=2,
        )


def _test_rows(ae: Autoencoder, rows: Rows, files: Files, weight: str | None) -> Rows:
    """Read the test rows before training, so that a mistake in them costs no time."""
    import numpy as np

    from isthmus.model import choose_scaling, resolve_slots

    assert files.test is not None
    if cuts(files.data.pictures):
        return patches_to_test(rows, files.data, files.data.at(files.test))
    test = rows_like(rows, files.data, files.data.at(files.test), weight)
    if kinds_of(rows, files.data) is not None:
        return test
    slots = resolve_slots(ae)
    raw_loss = slots.loss.domain[0] == 0
    if choose_scaling(ae.scaling, alike=False, raw_loss=raw_loss, bounded=False) is None:
        slots.check_domain(np.asarray(test.X))
    return test


def _again(files: Files, common: Common, weight: str | None, checkpoint: bool) -> str:
    """Return the command line that goes on with an interrupted fit."""
    words = ["isthmus", "fit", str(files.data.path), "--resume", str(files.model)]
    options = given(files.data.columns) | given(files.data.pictures)
    options |= {"--weight": weight, "--test": files.test, "--checkpoint": checkpoint}
    options |= {"--json": common.json, "--quiet": common.quiet}
    return shlex.join([*words, *spelt(options)])


# -- the work ------------------------------------------------------------------------------------


class Training:
    """One fit: it saves checkpoints and, when interrupted, a model that can go on."""

    def __init__(self, ae: Autoencoder, path: Path, again: str, init: Autoencoder | None) -> None:
        self.ae, self.path, self.again, self.init = ae, path, again, init
        self.saved = time.monotonic()
        self.resumes = bool(ae.warm_start and ae.unfinished_epochs)
        self.checkpoints = False
        self.ours = False  # whether the file is of this fit, so that it is kept beside the next one
        self.keeps = _holds_no_other(previous_of(path))
        self.failed = False
        self.leads = True  # of processes that train together, the first, which writes
        self.image_scale: float | None = None
        self.groups: pl.Series | None = None  # of the rows, if each is to have its model

    def run(self, rows: Rows, checkpoint: bool) -> bool:
        """Train and save; return False if a signal came in between."""
        self.checkpoints, self.image_scale = checkpoint, rows.image_scale
        watched = checkpoint or self.resumes
        try:
            self.ae.fit(
                rows.X,
                sample_weight=rows.weight,
                init=self.init,
                on_epoch=self._on_epoch if watched else None,
                groups=self.groups,
            )
        except KeyboardInterrupt:
            if self.groups is None:  # else nothing is whole yet
                self._interrupted()
            return False
        except (
            FileError,
            OSError,
        ):  # of rows that are read as training goes, or of another process
            if self.has_begun:
                self._save_so_far("ended early")
            raise
        self._save_last(resume=False)
        if self.keeps and self.leads:
            previous_of(self.path).unlink(missing_ok=True)
        return True

    def _on_epoch(self, row: Mapping[str, float]) -> None:
        signals.check()
        if self.resumes and row["epoch"] == 1 and len(set(self.ae.history_["phase"])) == 1:
            warnings.warn(
                "The rows, slots or settings are not those of the interrupted fit: training starts "
                "again, from its weights.",
                stacklevel=2,
            )
        self.resumes = False
        if self.checkpoints and time.monotonic() - self.saved >= CHECKPOINT_SECONDS:
            self._checkpoint()
            signals.check()

    def _checkpoint(self) -> None:
        """Save the model so far; if that fails, say so once and try again when the next one is due."""
        try:
            self._save(resume=True)
        except (FileError, OSError, MemoryError) as error:
            self.saved = time.monotonic()
            if not self.failed:
                warnings.warn(
                    f"{first_line(error)}; training goes on, and each next checkpoint is tried.",
                    stacklevel=2,
                )
            self.failed = True

    def _save_last(self, *, resume: bool) -> None:
        """Save the model; if that fails, say where the last checkpoint is."""
        if not self.leads:
            return
        try:
            self._save(resume=resume)
        except (FileError, OSError, MemoryError):
            if self.ours:
                complain(f"the last checkpoint is in {self.path}; to go on: {self.again}")
            raise

    def _save(self, *, resume: bool) -> None:
        """Save without the parameters that belong to this run of the command line.

        The checkpoint before stays beside it; one of another fit does not, but a user's own file does.
        """
        ours = {name: getattr(self.ae, name) for name in ("verbose", "warm_start")}
        with signals.hold():
            self.ae.set_params(verbose=0, warm_start=False)
            self.ae.fitted_ = replace(self.ae.fitted_, image_scale=self.image_scale)
            try:
                if self.ours and self.keeps:
                    keep_previous(self.path)
                self.ae.save(self.path, resume=resume)
            finally:
                self.ae.set_params(**ours)
            if not self.ours and self.keeps:
                previous_of(self.path).unlink(missing_ok=True)
        self.saved, self.ours = time.monotonic(), True

    @property
    def has_begun(self) -> bool:
        """Whether there is a model to save."""
        return hasattr(self.ae, "history_")

    def _interrupted(self) -> None:
        if not self.has_begun:
            complain("interrupted before the first step of training; nothing was written.")
            return
        self._save_so_far("interrupted")

    def _save_so_far(self, why: str) -> None:
        """Save a model that can go on, and say how."""
        self._save_last(resume=True)
        if not self.leads:
            return
        complain(f"{why} after {self.ae.n_iter_} epochs; the model so far is in {self.path}.")
        complain(f"to go on: {self.again}")


def _holds_no_other(previous: Path) -> bool:
    """Return whether the place of the checkpoint before is free, or holds one of an unfinished fit."""
    from isthmus.io import ModelFileError

    if not previous.exists():
        return True
    try:
        return load_model(previous).unfinished_epochs is not None
    except ModelFileError:
        return False


# -- results -------------------------------------------------------------------------------------


class Scored(NamedTuple):
    """How a model does on test rows."""

    rows: int
    error: float
    score: float


def _scored(ae: Autoencoder, test: Rows) -> Scored:
    import numpy as np

    error = -np.average(ae.score_samples(test.X), weights=test.weight)
    return Scored(len(test.X), float(error), ae.score(test.X, sample_weight=test.weight))


def _facts(ae: Autoencoder, path: Path, rows: int, test: Scored | None) -> dict[str, object]:
    return {
        "interrupted": False,
        "model": str(path),
        "rows": rows,
        "features": ae.n_features_in_,
        **columns_taken(ae),
        "n_components": ae.net_.n_components,
        "n_parameters": ae.n_parameters_,
        "epochs": ae.n_iter_,
        "seconds": ae.history_["seconds"][-1],
        "baseline": ae.baseline_,
        "score": ae.baseline_["score"],
        "test": None if test is None else test._asdict(),
        **fleet_facts(ae),
    }


def _in_words(ae: Autoencoder, path: Path, rows: int, test: Scored | None) -> dict[str, str]:
    errors, seconds = ae.baseline_, ae.history_["seconds"][-1]
    columns = "features" if ae.schema_ is None else "columns"
    lines = {
        "model": f"{path} ({ae.n_parameters_:,} parameters)",
        "data": f"{rows:,} rows, {ae.n_features_in_} {columns}",
        **columns_in_words(ae),
        **fleet_in_words(ae),
        "training": f"{ae.n_iter_} epochs, {seconds:.1f} s",
        "error": errors_in_words(errors),
    }
    if ae.schema_ is None:  # units of columns of several kinds have no mean
        lines["squared error"] = f"{errors['model_raw']:.4g} a value, in the data's units"
    lines["score"] = f"{errors['score']:.4f} (1 is perfect, 0 is the mean)"
    if test is not None:
        lines["test"] = f"score {test.score:.4f}, error {test.error:.4g}, {test.rows:,} rows"
    return lines

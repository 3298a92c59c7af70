"""Many autoencoders trained at a time, in as few programs as they allow."""

from __future__ import annotations

import math
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sklearn.exceptions import ConvergenceWarning

from isthmus.autoencoder.run import Origin, begin_run, fingerprint
from isthmus.autoencoder.table_rows import weights_of_columns
from isthmus.model import evaluated
from isthmus.training import (
    computing,
    count_programs,
    release_programs,
    train_together,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from isthmus.autoencoder.parameters import Parameters
    from isthmus.autoencoder.rows import Ready, Rows
    from isthmus.autoencoder.run import Run
    from isthmus.model import Fitted, Slots
    from isthmus.training import (
        Device,
        DeviceRows,
        DivergenceError,
        Progress,
    )

EARLY = 2**26  # bytes of rows up to which a search makes the next split ready early


class Course:
    """A run on its way through its phases."""

    def __init__(self, run: Run) -> None:
        self.run, self.phases = run, run.phases(None)
        self.trainer = next(self.phases)
        self.error: DivergenceError | None = None

    @property
    def place(self) -> tuple[str, Device]:
        """Precision and device."""
        return self.run.parameters.dtype, self.run.parameters.device

    @property
    def goes_on(self) -> bool:
        """Whether it has not diverged."""
        return self.error is None

    @property
    def pretrains(self) -> bool:
        """Whether it is in a phase before the last."""
        return self.goes_on and self.run.label != "fit"

    def fitted(self, *, judged: bool = False) -> Fitted:
        """Return the model as trained as it is; what a comparison needs, or with baselines too."""
        fitted = replace(self.run.fitted(), unfinished=None)
        if not judged or not self.goes_on:
            return fitted
        with computing(*self.place):
            return evaluated(fitted, self.run.rows)


class Courses:
    """Runs on the same rows: what they scale alike is scaled once, and lies on the device once."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.mark = rows, fingerprint(rows.X, rows.weight)
        self.ready: Ready = {}
        self.placed: dict[int, tuple[DeviceRows, DeviceRows | None]] = {}

    def begin(self, parameters: Parameters, slots: Slots, seed: int) -> Course:
        """Return a course of these parameters and slots from this seed."""
        with computing(parameters.dtype, parameters.device), _quiet():
            slots.check_functions(self.rows.X.shape[1])
            origin = Origin(seed, self.mark)
            weights = weights_of_columns(parameters.column_weights, self.rows.schema)
            rows = self.rows._replace(column_weights=weights)
            run = begin_run(parameters, slots, rows, origin, ready=self.ready)
            key = id(run.rows)
            if key not in self.placed:
                self.placed[key] = (run.sample, run.validation)
            run.sample, run.validation = self.placed[key]
            return Course(run)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def begin_courses(rows: Rows) -> Courses:
    """Return what begins courses on rows."""
    release_programs()
    return Courses(rows)


def advance_training(
    courses: Sequence[Course], share: float, count: Progress | None = None
) -> None:
    """Train runs up to a share of their epochs, as a `fit` does; pretraining counts extra."""
    places: dict[tuple[str, Device], list[Course]] = {}
    for course in courses:
        places.setdefault(course.place, []).append(course)
    for place, mine in places.items():
        with computing(*place):
            _advance(mine, share, count)


def need_one_program(courses: Sequence[Course]) -> bool:
    """Return whether one program trains all of these models."""
    return count_programs([course.trainer for course in courses]) == 1


def are_few_rows(courses: Sequence[Course]) -> bool:
    """Return whether rows are so few that the next split's may lie beside them."""
    return bool(courses) and courses[0].trainer.data.x.nbytes < EARLY


def _advance(courses: Sequence[Course], share: float, count: Progress | None) -> None:
    """Train the phases before the last to their ends, and the last up to a share of its steps."""
    if count is not None:
        count.expect(sum(_left(course, share) for course in courses))
    while early := [course for course in courses if course.pretrains]:
        _train(early, count)
        for course in early:
            if course.goes_on:
                course.trainer = next(course.phases)
    last = [course for course in courses if course.goes_on]
    for course in last:
        course.trainer.until = math.ceil(share * course.trainer.total)
    _train(last, count)


def _left(course: Course, share: float) -> int:
    """Return about how many steps a course takes up to a share."""
    run = course.run
    total = run.max_epochs * -(-run.sample.n // run.batch_size)
    if course.pretrains:
        return total + math.ceil(share * total)
    return max(math.ceil(share * total) - course.trainer.state.step, 0)


def _train(courses: Sequence[Course], count: Progress | None) -> None:
    errors = train_together([course.trainer for course in courses], on_steps=count)
    for course, error in zip(courses, errors, strict=True):
        course.error = error

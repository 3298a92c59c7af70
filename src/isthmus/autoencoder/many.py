"""Candidates of a search: models with parameters of their own, trained many at a time."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from isthmus.autoencoder.estimator import Autoencoder
from isthmus.autoencoder.rows import Prepared
from isthmus.autoencoder.run import Run
from isthmus.autoencoder.validation import check_parameters, validate_rows
from isthmus.model.evaluation import evaluate_run
from isthmus.model.slots import resolve_slots
from isthmus.parts.part import Part
from isthmus.training.groups import count_programs, train_together
from isthmus.training.progress import Counted
from isthmus.training.runtime import computing, release_programs
from isthmus.training.trainer import DivergenceError
from isthmus.words import did_you_mean

Params = Mapping[str, Any]
EARLY = 2**26  # bytes of rows up to which a search makes the next split ready early
SEEN = ("n_features_in_", "feature_names_in_", "sample_shape_")  # what validation learns of rows


class Course:
    """A model on its way through the phases of its training."""

    def __init__(self, run: Run) -> None:
        self.run, self.phases = run, run.phases(None)
        self.trainer = next(self.phases)
        self.error: DivergenceError | None = None

    @property
    def model(self) -> Autoencoder:
        """The model, as trained as it is after the last `advance`."""
        return self.run.estimator

    @property
    def goes_on(self) -> bool:
        """Whether it has not diverged."""
        return self.error is None

    @property
    def pretrains(self) -> bool:
        """Whether it is in a phase before the last."""
        return self.goes_on and self.run.label != "fit"


def build_candidate(autoencoder: Autoencoder, params: Params, seed: int) -> Autoencoder:
    """Return a fresh model with these parameters, checked; the seed is for all that name none."""
    model = clone(autoencoder).set_params(verbose=0, warm_start=False, random_state=seed)
    for name in params:
        check_parameter_name(model, name)
    try:
        model.set_params(**params)
        check_parameters(model)
        resolve_slots(model)
    except (ValueError, TypeError) as error:
        raise _cannot(params, error) from error
    return model


def check_parameter_name(model: Autoencoder, name: str) -> None:
    """Raise a ValueError for a name that is no parameter."""
    slot, known = str(name).partition("__")[0], list(model.get_params(deep=False))
    if slot not in known:
        hint = did_you_mean(slot, known)
        raise ValueError(f"The grid names {name!r}, which is no parameter.{hint}")


def parameters_in_words(params: Params) -> str:
    """Return parameters as text."""
    return (
        ", ".join(f"{name}={parameter_text(value)}" for name, value in params.items())
        or "no change"
    )


def parameter_text(value: Any) -> str:
    """Return a parameter's value as its spec string, name or number."""
    if isinstance(value, Part):
        return value.to_string()
    if isinstance(value, tuple | list):
        chain = any(isinstance(v, str | Part) or callable(v) for v in value)
        return " + ".join(map(parameter_text, value)) if chain else str(list(value))
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return str(getattr(value, "__name__", value))


def begin_training(models: Sequence[Autoencoder], params: Sequence[Params], X: Any) -> list[Course]:
    """Return the courses of models, of these parameters, on the same rows."""
    release_programs()
    begun: dict[int, Course] = {}
    for place, mine in _by_place(models).items():
        with computing(*place), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = _begun([models[i] for i in mine], [params[i] for i in mine], X)
            begun |= dict(zip(mine, found, strict=True))
    return [begun[i] for i in range(len(models))]


def advance_training(
    courses: Sequence[Course], share: float, count: Counted | None = None, judged: bool = False
) -> None:
    """Train models up to a share of their epochs, as their `fit` does; pretraining counts extra.

    What a comparison does not need is left out: PCA and the other baselines, unless `judged`.
    """
    for place, mine in _by_place([course.model for course in courses]).items():
        with computing(*place):
            _advance([courses[i] for i in mine], share, count)
            for course in (courses[i] for i in mine):
                course.model._adopt(course.run)
                course.model._training = None
                if judged and course.goes_on:
                    evaluate_run(course.model, course.run)


def need_one_program(courses: Sequence[Course]) -> bool:
    """Return whether one program trains all of these models."""
    return count_programs([course.trainer for course in courses]) == 1


def are_few_rows(courses: Sequence[Course]) -> bool:
    """Return whether rows are so few that the next split's may lie beside them."""
    return bool(courses) and courses[0].trainer.data.x.nbytes < EARLY


def _by_place(models: Sequence[Autoencoder]) -> dict[Any, list[int]]:
    """Return the numbers of the models by precision and device."""
    places: dict[Any, list[int]] = {}
    for i, model in enumerate(models):
        places.setdefault((model.dtype, model.device), []).append(i)
    return places


def _begun(models: Sequence[Autoencoder], params: Sequence[Params], X: Any) -> list[Course]:
    """Return the courses of models, which share the rows that they scale alike."""
    rows = validate_rows(models[0], X, reset=True, minimum=2)
    seen = {name: getattr(models[0], name) for name in SEEN if hasattr(models[0], name)}
    ready: dict[Any, Prepared] = {}
    placed: dict[int, Any] = {}
    courses = []
    for model, given in zip(models, params, strict=True):
        for name, value in seen.items():
            setattr(model, name, value)
        try:
            run, _ = model._begin(rows, np.ones(len(rows)), ready=ready)
        except (ValueError, TypeError) as error:
            raise _cannot(given, error) from error
        key = id(run.rows)
        if key not in placed:
            placed[key] = (run.data, run.validation)
        run.data, run.validation = placed[key]
        courses.append(Course(run))
    return courses


def _advance(courses: Sequence[Course], share: float, count: Counted | None) -> None:
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
    total = run.max_epochs * -(-run.data.n // run.batch_size)
    if course.pretrains:
        return total + math.ceil(share * total)
    return max(math.ceil(share * total) - course.trainer.state.step, 0)


def _train(courses: Sequence[Course], count: Counted | None) -> None:
    errors = train_together([course.trainer for course in courses], on_steps=count)
    for course, error in zip(courses, errors, strict=True):
        course.error = error


def _cannot(params: Params, error: Exception) -> Exception:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"The candidate {parameters_in_words(params)} cannot be trained: {error}")

"""Candidates of a search: models with parameters of their own, trained many at a time."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from isthmus import _checks, fitting, judging, populations, runs
from isthmus._spec import Part, did_you_mean
from isthmus.engine import DivergenceError
from isthmus.estimator import Autoencoder
from isthmus.progress import Counted
from isthmus.runtime import computing, release_programs

Params = Mapping[str, Any]
SEEN = ("n_features_in_", "feature_names_in_", "sample_shape_")  # what validation learns of rows


class Trained(NamedTuple):
    """A model after training, or what went wrong with it."""

    model: Autoencoder
    seconds: float
    epochs: int
    error: DivergenceError | None


def build(autoencoder: Autoencoder, params: Params, seed: int) -> Autoencoder:
    """Return a fresh model with these parameters, checked; the seed is for all that name none."""
    model = clone(autoencoder).set_params(verbose=0, warm_start=False, random_state=seed)
    for name in params:
        check_name(model, name)
    try:
        model.set_params(**params)
        fitting.check_parameters(model)
        fitting.resolve_slots(model)
    except (ValueError, TypeError) as error:
        raise _cannot(params, error) from error
    return model


def check_name(model: Autoencoder, name: str) -> None:
    """Raise a ValueError for a name that is no parameter."""
    slot, known = str(name).partition("__")[0], list(model.get_params(deep=False))
    if slot not in known:
        hint = did_you_mean(slot, known)
        raise ValueError(f"The grid names {name!r}, which is no parameter.{hint}")


def in_words(params: Params) -> str:
    """Return parameters as text."""
    return ", ".join(f"{name}={as_text(value)}" for name, value in params.items()) or "no change"


def as_text(value: Any) -> str:
    """Return a parameter's value as its spec string, name or number."""
    if isinstance(value, Part):
        return value.to_string()
    if isinstance(value, tuple | list):
        chain = any(isinstance(v, str | Part) or callable(v) for v in value)
        return " + ".join(map(as_text, value)) if chain else str(list(value))
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return str(getattr(value, "__name__", value))


def train(
    models: Sequence[Autoencoder],
    params: Sequence[Params],
    X: Any,
    *,
    share: float = 1.0,
    judged: bool = False,
    count: Counted | None = None,
) -> list[Trained]:
    """Train models on the same rows, as their `fit` does, for a share of their epochs.

    What a comparison does not need is left out: PCA and the other baselines, unless `judged`.
    """
    release_programs()
    places: dict[Any, list[int]] = {}
    for i, model in enumerate(models):
        places.setdefault((model.dtype, model.device), []).append(i)
    trained: dict[int, Trained] = {}
    for place, mine in places.items():
        with computing(*place), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            begun = _begun([models[i] for i in mine], [params[i] for i in mine], X, share)
            trained |= dict(zip(mine, _trained(begun, judged, count), strict=True))
    return [trained[i] for i in range(len(models))]


def _begun(
    models: Sequence[Autoencoder], params: Sequence[Params], X: Any, share: float
) -> list[runs.Run]:
    """Return the runs of models, which share the rows that they scale alike."""
    rows = _checks.flat_rows(models[0], X, reset=True, minimum=2)
    seen = {name: getattr(models[0], name) for name in SEEN if hasattr(models[0], name)}
    ready: dict[Any, fitting.Prepared] = {}
    placed: dict[int, Any] = {}
    begun = []
    for model, given in zip(models, params, strict=True):
        for name, value in seen.items():
            setattr(model, name, value)
        try:
            run, _ = model._begin(rows, np.ones(len(rows)), ready=ready)
        except (ValueError, TypeError) as error:
            raise _cannot(given, error) from error
        run.max_epochs = max(round(share * run.max_epochs), 1)
        key = id(run.rows)
        if key not in placed:
            placed[key] = (run.data, run.validation)
        run.data, run.validation = placed[key]
        begun.append(run)
    return begun


def _trained(begun: Sequence[runs.Run], judged: bool, count: Counted | None) -> list[Trained]:
    if count is not None:
        count.expect(sum(run.max_epochs * -(-run.data.n // run.batch_size) for run in begun))
    errors = _through_phases(begun, count)
    trained = []
    for run, error in zip(begun, errors, strict=True):
        model = run.estimator
        model._adopt(run)
        model._training = None
        if judged and error is None:
            judging.judge(model, run)
        seconds = run.history()[-1][1]["seconds"] if run.history() else 0.0
        trained.append(Trained(model, seconds, run.max_epochs, error))
    return trained


def _through_phases(
    begun: Sequence[runs.Run], count: Counted | None
) -> list[DivergenceError | None]:
    """Train all runs, phase by phase."""
    errors: list[DivergenceError | None] = [None] * len(begun)
    phases = [run.phases(None) for run in begun]
    while True:
        left = [i for i in range(len(begun)) if errors[i] is None]
        trainers = [(i, next(phases[i], None)) for i in left]
        going = [(i, trainer) for i, trainer in trainers if trainer is not None]
        if not going:
            return errors
        found = populations.train([trainer for _, trainer in going], on_steps=count)
        for (i, _), error in zip(going, found, strict=True):
            errors[i] = error


def _cannot(params: Params, error: Exception) -> Exception:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"The candidate {in_words(params)} cannot be trained: {error}")

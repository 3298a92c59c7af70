"""Candidates of a search: autoencoders with parameters of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.base import clone

from isthmus.autoencoder import check_parameters, weights_of_columns
from isthmus.model import resolve_slots
from isthmus.parts import Part
from isthmus.training import draw_seed
from isthmus.words import did_you_mean

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder, Course, Courses
    from isthmus.model import Slots
    from isthmus.schema import Schema

Params = Mapping[str, object]


class Candidate(NamedTuple):
    """An autoencoder that is not fitted, its slots resolved, and the parameters that are its own."""

    autoencoder: Autoencoder
    slots: Slots
    params: Params

    def begin(self, courses: Courses, number: int) -> Course:
        """Begin the course of this candidate from its seed, or from another by its number."""
        seed = draw_seed(self.autoencoder.random_state)
        if number:
            drawn = np.random.SeedSequence((seed, number)).generate_state(1)[0]
            seed = draw_seed(int(drawn))
        try:
            return courses.begin(self.autoencoder, self.slots, seed)
        except (ValueError, TypeError) as error:
            raise _refusal(self.params, error) from error


def build_candidate(
    autoencoder: Autoencoder, params: Params, seed: int, schema: Schema | None = None
) -> Candidate:
    """Return a candidate of these parameters, checked; the seed is for all that name none.

    All candidates take the columns of a table for what its schema says.
    """
    model = clone(autoencoder).set_params(verbose=0, warm_start=False, random_state=seed)
    for name in params:
        check_parameter_name(model, name)
    try:
        model.set_params(**params)
        check_parameters(model)
        weights_of_columns(model.column_weights, schema)
        return Candidate(model, resolve_slots(model, mixed=schema is not None), params)
    except (ValueError, TypeError) as error:
        raise _refusal(params, error) from error


def check_parameter_name(model: Autoencoder, name: str) -> None:
    """Raise a ValueError for a name that is no parameter."""
    slot, known = str(name).partition("__")[0], list(model.get_params(deep=False))
    if slot not in known:
        hint = did_you_mean(slot, known)
        raise ValueError(f"The grid names {name!r}, which is no parameter.{hint}")
    if slot == "columns":
        raise ValueError(
            "The grid names 'columns', and all candidates must see the same: set them once, on the "
            "Autoencoder."
        )


def _refusal(params: Params, error: Exception) -> Exception:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"The candidate {parameters_in_words(params)} cannot be trained: {error}")


def parameters_in_words(params: Params) -> str:
    """Return parameters as text."""
    named = (f"{name}={parameter_text(value)}" for name, value in params.items())
    return ", ".join(named) or "no change"


def parameter_text(value: object) -> str:
    """Return a parameter's value as its spec string, name or number."""
    if isinstance(value, Part):
        return value.to_string()
    if isinstance(value, tuple | list):
        chain = any(isinstance(v, str | Part) or callable(v) for v in value)
        return " + ".join(map(parameter_text, value)) if chain else str(list(value))
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return str(getattr(value, "__name__", value))

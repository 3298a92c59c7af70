"""How models are made again: in Python, with their parameters and seeds."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING

from isthmus.model import AUTO
from isthmus.report.facts import slot_specs

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder, Front
    from isthmus.report.facts import Facts


def recipe(name: str, model: Autoencoder, front: Front) -> Facts:
    """Return how a model is made again: its parameters, its seed, and the seed drawn from it."""
    state = model.random_state
    plain = bool | int | float | str | None
    parameters = model.get_params(deep=False).items()
    return {
        "name": name,
        "code": _code_with(front, _model_code(model)),
        "parameters": {k: v if isinstance(v, plain) else repr(v) for k, v in parameters},
        "random_state": state if state is None or isinstance(state, int) else str(state),
        "seed": model.seed_,
    }


def _code_with(front: Front, code: str) -> str:
    """Return Python that makes a model behind the steps in front of it."""
    if front.steps is None:
        return code
    steps = [" ".join(repr(step).split()) for _, step in front.steps.steps]
    return f"make_pipeline({', '.join([*steps, code])})"


def _model_code(model: Autoencoder) -> str:
    """Return Python that makes a model, without what is the default, and slots as spec strings."""
    slots, mixed = slot_specs(model), model.schema_ is not None
    default = {k: p.default for k, p in signature(type(model)).parameters.items()}
    usual = {k: default[k] for k, specs in AUTO.items() if slots[k] == specs[mixed]}
    given = model.get_params(deep=False) | {k: v for k, v in slots.items() if v} | usual
    words = [f"{k}={given[k]!r}" for k, v in default.items() if given[k] not in (None, v)]
    return f"{type(model).__name__}({', '.join(words)})"

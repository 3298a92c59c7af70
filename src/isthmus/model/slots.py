"""The five slots of an estimator, resolved."""

from typing import Any, NamedTuple

import jax
import numpy as np

from isthmus.nets.activations import ACTIVATIONS
from isthmus.parts.architectures import Architecture
from isthmus.parts.corruptions import Corruption, CustomCorruption
from isthmus.parts.losses import CustomLoss, Loss
from isthmus.parts.part import resolve, resolve_all
from isthmus.parts.penalties import CustomPenalty, Penalty
from isthmus.parts.sparsity import Sparsity
from isthmus.training.objective import Objective
from isthmus.training.trainer import traced

SLOTS: dict[str, tuple[Any, Any]] = {
    "architecture": (Architecture, None),
    "corruption": (Corruption, CustomCorruption),
    "sparsity": (Sparsity, None),
    "penalty": (Penalty, CustomPenalty),
    "loss": (Loss, CustomLoss),
}


class Slots(NamedTuple):
    """The five slots, resolved."""

    architecture: Any
    corruption: tuple[Any, ...]
    sparsity: Any
    penalty: tuple[Any, ...]
    loss: Any

    def objective(self) -> Objective:
        """Return the equation, without the parts that do nothing."""
        rates = (getattr(self.architecture, f, 0.0) for f in ("input_dropout", "dropout"))
        active = self.sparsity is not None and self.sparsity.active
        return Objective(
            dropout=tuple(rate or None for rate in rates),  # type: ignore[arg-type]
            corruption=tuple(c for c in self.corruption if c.active),
            sparsity=self.sparsity if active else None,
            penalty=tuple(p for p in self.penalty if p.active),
            loss=self.loss,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON spelling of the slots."""
        return {
            name: [p.to_dict() for p in part]
            if isinstance(part, tuple)
            else part and part.to_dict()
            for name, part in self._asdict().items()
        }

    def constrained(self) -> bool:
        """Whether anything but the widths keeps the model from the identity."""
        objective = self.objective()
        return bool(
            objective.corruption
            or objective.sparsity
            or objective.penalty
            or any(rate is not None for rate in objective.dropout)
        )


def resolve_slots(estimator: Any) -> Slots:
    """Resolve and validate an estimator's slots."""
    parts: dict[str, Any] = {}
    for name, (slot, wrap) in SLOTS.items():
        take = resolve_all if name in ("corruption", "penalty") else resolve
        parts[name] = take(slot, getattr(estimator, name), wrap)
    for name in ("architecture", "loss"):
        if parts[name] is None:
            known = ", ".join(sorted(SLOTS[name][0].known))
            raise ValueError(f"The {name} cannot be None. Known: {known}.")
    return Slots(**parts)


def output_interval(slots: Slots) -> tuple[float, float] | None:
    """Return the interval of a bounded output the user asked for, else None."""
    output = getattr(slots.architecture, "output", "auto")
    return None if output == "auto" else ACTIVATIONS[output].bounds


def check_functions(slots: Slots, n_features: int) -> None:
    """Raise a ValueError where a user's function returns the wrong shape."""
    if not any(
        isinstance(p, CustomCorruption | CustomLoss) for p in (*slots.corruption, slots.loss)
    ):
        return
    x = jax.ShapeDtypeStruct((4, n_features), np.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    calls: list[tuple[Any, tuple[Any, Any], tuple[int, ...]]] = [
        (c, (key, x), x.shape) for c in slots.corruption if isinstance(c, CustomCorruption)
    ]
    if isinstance(slots.loss, CustomLoss):
        calls.append((slots.loss, (x, x), (4,)))
    for part, arguments, expected in calls:
        try:
            shape = getattr(jax.eval_shape(part.function, *arguments), "shape", None)
        except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError):
            raise TypeError(
                f"The {part.slot} {part.function!r} must be written with jax.numpy: it uses NumPy, "
                "or branches on values."
            ) from None
        if shape != expected:
            raise ValueError(
                f"The {part.slot} {part.function!r} must return an array of shape {expected} for 4 "
                f"rows of {n_features} features; it returned {shape}."
            )


def bound_objective(slots: Slots, x: np.ndarray, dtype: str) -> Objective:
    """Return the traced equation, with corruptions that know the range of the scaled data."""
    low, high = float(x.min()), float(x.max())
    objective = slots.objective()
    corruption = tuple(c.bind(low, high) for c in objective.corruption)
    return traced(objective._replace(corruption=corruption), dtype)

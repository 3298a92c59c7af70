"""The five slots of an estimator, resolved."""

import math
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from isthmus.nets import ACTIVATIONS
from isthmus.parts import (
    MSE,
    Architecture,
    Corruption,
    CustomCorruption,
    CustomLoss,
    CustomPenalty,
    ImageCorruption,
    Loss,
    Mixed,
    Penalty,
    PoissonNoise,
    Sparsity,
    resolve,
    resolve_all,
)
from isthmus.training import Objective, traced

SLOTS: dict[str, tuple[Any, Any]] = {
    "architecture": (Architecture, None),
    "corruption": (Corruption, CustomCorruption),
    "sparsity": (Sparsity, None),
    "penalty": (Penalty, CustomPenalty),
    "loss": (Loss, CustomLoss),
}


# What "auto" is for plain numbers and for mixed rows. One layer beats PCA by little, and in mixed rows
# all that it knows of a level is one direction: a hidden layer loses a third to a half less there.
AUTO: dict[str, tuple[Any, Any]] = {
    "architecture": ("dense", "dense:hidden=[64]"),
    "corruption": (None, "swap"),
}


class Slots(NamedTuple):
    """The five slots, resolved."""

    architecture: Architecture
    corruption: tuple[Corruption, ...]
    sparsity: Sparsity | None
    penalty: tuple[Penalty, ...]
    loss: Loss

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

    def for_encoding(self) -> "Slots":
        """Return what a file of the encoder alone needs: no functions of training and of scores."""
        loss = self.loss
        if not loss.registered and type(loss).seen is Loss.seen:
            loss = MSE()
        return self._replace(
            corruption=tuple(part for part in self.corruption if part.registered),
            penalty=tuple(part for part in self.penalty if part.registered),
            loss=loss,
        )

    def unbound(self) -> "Slots":
        """Return the slots as they were before they knew the values of a table of mixed types."""
        loss = self.loss.numbers if isinstance(self.loss, Mixed) else self.loss
        return self._replace(loss=loss, corruption=tuple(c.of_codes for c in self.corruption))

    def constrained(self) -> bool:
        """Whether anything but the widths keeps the model from the identity."""
        objective = self.objective()
        return bool(
            objective.corruption
            or objective.sparsity
            or objective.penalty
            or any(rate is not None for rate in objective.dropout)
        )

    @property
    def output_interval(self) -> tuple[float, float] | None:
        """The interval of a bounded output that the user asked for, else None."""
        output = getattr(self.architecture, "output", "auto")
        return None if output == "auto" else ACTIVATIONS[output].bounds

    def check_domain(self, X: np.ndarray) -> None:
        """Raise a ValueError where the loss cannot take the data."""
        low, high = self.loss.domain
        if np.isneginf(low):
            return
        smallest, largest = float(X.min()), float(X.max())
        if smallest < low or largest > high:
            interval = f"in [{low:g}, {high:g}]" if np.isfinite(high) else "of at least 0"
            cure = "scaling='minmax' or scaling='range'" if np.isfinite(high) else "another loss"
            raise ValueError(
                f"The loss {self.loss.name!r} needs data {interval}; got values from {smallest:g} to "
                f"{largest:g}. Use {cure}."
            )

    def check_added(self, pretrain: object = None) -> None:
        """Raise a ValueError where an input cannot be added to outputs, or layers be pretrained."""
        name, loss = self.architecture.name, self.loss
        if self.architecture.residual and loss.link != "identity":
            raise ValueError(
                f"The architecture {name!r} with residual=True adds to its input, but the loss "
                f"{loss.name!r} needs outputs of {loss.link!r}: use a loss of distances, such as 'mse'."
            )
        if self.architecture.needs_input and pretrain is not None:
            raise ValueError(
                f"The architecture {name!r} with residual=True or skips=True cannot be pretrained: no "
                "pair of its layers is an autoencoder of its own. Use pretrain=None."
            )

    def check_by_column(self) -> None:
        """Raise a ValueError for a loss that is no sum over columns."""
        if not self.loss.by_column:
            name = self.loss.name or repr(getattr(self.loss, "function", self.loss))
            raise ValueError(f"The loss {name} is no sum over columns, so it explains none.")

    def check_functions(self, n_features: int) -> None:
        """Raise a ValueError where a user's function returns the wrong shape."""
        if not any(
            isinstance(p, CustomCorruption | CustomLoss) for p in (*self.corruption, self.loss)
        ):
            return
        x = jax.ShapeDtypeStruct((4, n_features), np.float32)
        key = jax.eval_shape(lambda: jax.random.key(0))
        calls: list[tuple[Any, tuple[Any, Any], tuple[int, ...]]] = [
            (c, (key, x), x.shape) for c in self.corruption if isinstance(c, CustomCorruption)
        ]
        if isinstance(self.loss, CustomLoss):
            calls.append((self.loss, (x, x), (4,)))
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

    def bound_objective(
        self, x: np.ndarray, dtype: str, sample_shape: tuple[int, ...] | None
    ) -> Objective:
        """Return the traced equation, whose corruptions know the rows' range and grid."""
        low, high = self.loss.ends(x)
        objective, grid = self.objective(), self.grid(sample_shape, x.shape[1])
        corruption = tuple(c.bind(low, high).placed(grid) for c in objective.corruption)
        return traced(objective._replace(corruption=corruption), dtype)

    def grid(self, sample_shape: tuple[int, ...] | None, width: int) -> tuple[int, ...] | None:
        """Return sizes and channels of rows whose values have neighbours; None for other columns."""
        shape = getattr(self.architecture, "input_shape", None) or sample_shape
        if shape is None and self.architecture.spatial:
            shape = (width,)
        if shape is None:
            return None
        axes = self.architecture.axes
        return (*shape[:axes], math.prod(shape[axes:]))

    @property
    def of_noise(self) -> bool:
        """Whether it is learnt from noisy rows how to clean them, so that a copy is worth nothing."""
        return self.objective().of_noise

    @property
    def least(self) -> float:
        """What the loss is at least, by the noise that the task itself adds."""
        return sum(part.least for part in self.corruption)

    def check_task(self, sample_shape: tuple[int, ...] | None, width: int) -> None:
        """Raise a ValueError where a corruption's own task makes no sense with the rest."""
        posing = [part for part in self.corruption if part.of_noise]
        if not posing:
            return
        name = f"The corruption {posing[0].name!r}"
        if len(posing) > 1:
            raise ValueError(
                f"{name} says what the loss is of, and so does another: keep one of them."
            )
        if not self.loss.by_column:
            raise ValueError(
                f"{name} needs a loss that is a sum over columns, and {self.loss.name!r} is none: "
                "choose 'mse'."
            )
        posing[0].check_rows(self.grid(sample_shape, width), self.loss)

    def check_images(
        self,
        sample_shape: tuple[int, ...] | None,
        width: int,
        *,
        scaling: object,
        pretrain: object = None,
    ) -> None:
        """Raise a ValueError where a corruption meets rows, roots or codes that do not suit it."""
        grid = self.grid(sample_shape, width)
        for part in self.corruption:
            part.placed(grid)
            if (
                isinstance(part, PoissonNoise)
                and isinstance(scaling, str)
                and scaling == "anscombe"
            ):
                raise ValueError(
                    "The corruption 'poisson' draws photons of values on a line, and the scaling "
                    "'anscombe' takes roots, of which photon noise is 'gaussian': take that, or "
                    "another scaling."
                )
            if isinstance(part, ImageCorruption) and pretrain is not None:
                raise ValueError(
                    f"The corruption {part.name!r} is for images, and pretrain={pretrain!r} corrupts "
                    "codes too, which are none: leave one of both out."
                )


class Specs(Protocol):
    """What has the slots' specs by name: an estimator, or what a file holds."""

    architecture: object
    corruption: object
    sparsity: object
    penalty: object
    loss: object


def resolve_slots(specs: Specs, *, mixed: bool = False) -> Slots:
    """Resolve and validate the five slots; what is "auto" depends on whether rows are mixed."""
    parts: dict[str, Any] = {}
    for name, (slot, wrap) in SLOTS.items():
        take = resolve_all if name in ("corruption", "penalty") else resolve
        spec = getattr(specs, name)
        if name in AUTO and isinstance(spec, str) and spec == "auto":
            spec = AUTO[name][mixed]
        parts[name] = take(slot, spec, wrap)
    for name in ("architecture", "loss"):
        if parts[name] is None:
            known = ", ".join(sorted(SLOTS[name][0].known))
            raise ValueError(f"The {name} cannot be None. Known: {known}.")
    slots = Slots(**parts)
    slots.check_added(getattr(specs, "pretrain", None))
    return slots

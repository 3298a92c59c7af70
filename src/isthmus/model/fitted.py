"""`Fitted`: a model, and what is known of its training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from isthmus.training import HistoryRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.model.gaps import Gaps
    from isthmus.model.model import Model
    from isthmus.training import PartialFit, UnfinishedFit

History = dict[str, list[Any]]  # by column: a number for each epoch, and the names of the phases
Labelled = tuple[tuple[str, HistoryRow], ...]


@dataclass(frozen=True)
class Fitted:
    """All that a fit leaves; replaced whole, so that an interrupt finds all of it or nothing new.

    Attributes
    ----------
    model : Model
        The model.
    history : dict of lists
        By column, a value for each epoch.
    batch_size, max_epochs : int or None
        What "auto" was settled to; None after `partial_fit` alone.
    seen : tuple of int or None
        The fingerprint of the rows of the last fit, and its seed.
    baseline : dict or None
        Errors of the model, of PCA and of the mean.
    mean_activation, code_deviation : ndarray (n_components,) or None
        Of each code unit over the training rows, where bounded rescaled to [0, 1].
    unfinished : UnfinishedFit or None
        Where an interrupted fit stands.
    partial : PartialFit or None
        What the last `partial_fit` left for the next.
    image_scale : float or None
        Of images that came from a folder, by how much the one least resized was, on its side that was
        resized most; 1 if it has its own size, None if nobody knows.
    gaps : Gaps or None
        How missing cells of a table are estimated best; None after `partial_fit` alone.
    """

    model: Model
    history: History
    batch_size: int | None = None
    max_epochs: int | None = None
    seen: tuple[int, int] | None = None
    baseline: dict[str, Any] | None = None
    mean_activation: np.ndarray | None = None
    code_deviation: np.ndarray | None = None
    unfinished: UnfinishedFit | None = None
    partial: PartialFit | None = None
    image_scale: float | None = None
    gaps: Gaps | None = None

    @property
    def n_iter(self) -> int:
        """How many epochs were trained."""
        return len(self.history["phase"])

    def on_host(self) -> Fitted:
        """Return the same with NumPy's arrays, which survive any pickling."""
        unfinished, partial = jax.tree.map(
            lambda v: np.asarray(v) if isinstance(v, jax.Array) else v,
            (self.unfinished, self.partial),
        )
        return replace(self, model=self.model.on_host(), unfinished=unfinished, partial=partial)

    def on_device(self) -> Fitted:
        """Return the same with weights as JAX's arrays."""
        return replace(self, model=self.model.on_device())


def history_of(labelled: Labelled) -> History:
    """Return labelled rows by column; NaN where a row lacks a value."""
    names = dict.fromkeys(name for _, row in labelled for name in row)
    history: History = {"phase": [label for label, _ in labelled]}
    for name in names:
        history[name] = [row.get(name, float("nan")) for _, row in labelled]
    return history


def labelled_rows(history: History) -> Labelled:
    """Return a history by row, each with the name of its phase."""
    columns = {name: values for name, values in history.items() if name != "phase"}
    return tuple(
        (label, {name: values[i] for name, values in columns.items()})
        for i, label in enumerate(history.get("phase", ()))
    )


def last_terms(history: Mapping[str, Sequence[Any]]) -> dict[str, float]:
    """Return the last measured value of the loss and of each of its terms."""
    aside = ("phase", "epoch", "learning_rate", "seconds")
    measured = {
        name: [v for v in values if v == v] for name, values in history.items() if name not in aside
    }
    return {name: float(values[-1]) for name, values in measured.items() if values}

"""What is refused where a model learns from noisy rows how to clean them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.fleet import InGroups

if TYPE_CHECKING:
    import numpy as np

    from isthmus.autoencoder.parameters import Parameters
    from isthmus.autoencoder.rows import Rows
    from isthmus.model import Model, Slots


def check_task(parameters: Parameters, slots: Slots, given: Rows) -> None:
    """Raise a ValueError where a corruption's own task suits neither the rows nor the rest."""
    slots.check_task(given.sample_shape, given.X.shape[1])
    if slots.of_noise and parameters.pretrain is not None:
        raise ValueError(
            "Layers cannot be pretrained on noisy rows: of one value's noise many units of a code have "
            "their share, so that hiding one hides nothing; set pretrain=None."
        )


def check_alone(ae: Parameters, model: Model | InGroups, rows: np.ndarray) -> Model:
    """Return the model that hidden values are asked of; ValueError where there is none for all rows."""
    if isinstance(model, InGroups):
        raise ValueError(
            "A model that is scored on corrupted rows is so in one group at a time: score the rows of "
            "a group by of_group(group).score(X)."
        )
    if len(rows) < 2 and model.sample_shape is None and not ae.is_spatial:
        raise ValueError(
            "A model of noisy rows hides values behind those of other rows to score it, and X has a "
            "single one: give two at least."
        )
    return model

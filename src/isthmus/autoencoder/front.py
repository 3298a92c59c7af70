"""What stands in front of an autoencoder: the earlier steps of a scikit-learn pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from isthmus.autoencoder.estimator import Autoencoder
from isthmus.autoencoder.validation import as_images

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Front(NamedTuple):
    """The steps in front of an autoencoder, as a pipeline, and the name of the last step.

    Without steps rows are seen as they are.
    """

    steps: Pipeline | None = None
    name: str = ""

    @property
    def prefix(self) -> str:
        """What stands before a parameter of the autoencoder among those of the pipeline."""
        return f"{self.name}__" if self.name else ""

    def learnt(self, X: ArrayLike, y: ArrayLike | None) -> tuple[Self, Any]:
        """Return new steps that were fitted on rows, and these rows as the autoencoder sees them."""
        if self.steps is None:
            return self, X
        steps = clone(self.steps)
        seen = as_images(steps.fit_transform(X, y))
        return self._replace(steps=steps), seen

    def seen(self, X: ArrayLike) -> Any:
        """Return rows as the autoencoder sees them."""
        return X if self.steps is None else as_images(self.steps.transform(X))

    def before(self, autoencoder: Autoencoder) -> Autoencoder | Pipeline:
        """Return an autoencoder with the steps in front of it, as they are."""
        if not self.name:
            return autoencoder
        earlier = [] if self.steps is None else self.steps.steps
        return Pipeline([*earlier, (self.name, autoencoder)])


def parted(model: object, who: str) -> tuple[Front, Autoencoder]:
    """Return what stands in front of an autoencoder, and itself.

    Raises a TypeError, which begins with `who`, for what is no autoencoder, nor has one at its end.
    """
    front, last = Front(), model
    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        front = Front(model[:-1] if len(model.steps) > 1 else None, name)
    if not isinstance(last, Autoencoder):
        raise TypeError(f"{who} an Autoencoder, or a Pipeline that ends in one; got {model!r}.")
    return front, last

"""Callbacks of scikit-learn, from 1.9 on: each epoch of a fit is a task of which they hear."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from inspect import isroutine
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.training import HistoryRow, Hook

Given: TypeAlias = dict[str, Any]  # what a task hears of its data: X, y, metadata

THERE = find_spec("sklearn.callback") is not None
Support: Any = import_module("sklearn.callback").CallbackSupportMixin if THERE else object


def torn_down(method: Any) -> Any:
    """Return a method after which callbacks are torn down."""
    return import_module("sklearn.callback").with_callbacks(method) if THERE else method


class CalledBack(Support):
    """An estimator with `set_callbacks`, where scikit-learn has it."""

    if THERE:

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Set callbacks of scikit-learn, which `fit` then tells of its epochs."""
            functions = [given for given in callbacks if isroutine(given)]
            if functions:
                raise TypeError(
                    "set_callbacks takes callbacks of scikit-learn, such as ProgressBar(), and got the "
                    f"function {functions[0].__name__}: fit(X, on_epoch=...) calls a function."
                )
            set_by: Self = super().set_callbacks(*callbacks)
            return set_by

    @contextmanager
    def _telling_callbacks(
        self, most: int, given: Given, on_epoch: Hook | None
    ) -> Iterator[Hook | None]:
        """Tell callbacks of a fit; what is yielded hears of each epoch, of so many at most."""
        if not getattr(self, "_skl_callbacks", None):
            yield on_epoch
            return
        try:
            root = self._init_callback_context(max_subtasks=most)
            root.call_on_fit_task_begin(estimator=self, **given)
            yield Epochs(self, root, most, given, on_epoch)
            root.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **given)
        finally:
            self._tear_down()

    @torn_down
    def _tear_down(self) -> None:
        """Do nothing: what is wrapped around this is the work."""


class Epochs:
    """The function that a fit calls after each epoch, for callbacks and for the user's own."""

    def __init__(
        self, estimator: Any, root: Any, most: int, given: Given, on_epoch: Hook | None
    ) -> None:
        self.estimator, self.root, self.given, self.on_epoch = estimator, root, given, on_epoch
        self.left, self.stopped = most, False
        self._begin()

    def _begin(self) -> None:
        """Begin the task of the next epoch; one that never comes is not ended."""
        self.left -= 1
        self.task = self.root.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(estimator=self.estimator, **self.given)

    def __call__(self, row: HistoryRow) -> bool:
        """Return whether a callback or the user's function ends the training.

        Epochs that were trained together are told one after the other; after an end there is none.
        """
        halt = self.on_epoch is not None and bool(self.on_epoch(row))
        if not self.stopped:
            self.stopped = self._end() or halt
            if self.left and not self.stopped:
                self._begin()
        return self.stopped or halt

    def _end(self) -> bool:
        """End the task of an epoch, and return whether a callback ends the training."""
        ended: bool = self.task.call_on_fit_task_end(
            estimator=self.estimator,
            reconstruction_attributes=lambda: {"fitted_": self.estimator.fitted_},
            **self.given,
        )
        return ended

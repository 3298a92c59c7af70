"""`Fleet`: which model answers for which group, and rows with the groups that they are of."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.model import blocks
from isthmus.training import losses_of_pairs

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from isthmus.fleet.keys import Keys
    from isthmus.fleet.stack import Stack
    from isthmus.model import Slots
    from isthmus.training import Device

POOLED = -1  # the place of a group that has no model of its own


@dataclass(frozen=True)
class Fleet:
    """One model a group, and the groups that a pooled model answers for.

    Attributes
    ----------
    keys : Keys
        The groups that were fitted on.
    places : ndarray (groups,)
        The number of each one's model in the stack; -1 for the pooled one.
    rows : ndarray (groups,)
        How many rows of each were trained on.
    stack : Stack
        The models.
    """

    keys: Keys
    places: np.ndarray
    rows: np.ndarray
    stack: Stack

    @property
    def n_groups(self) -> int:
        """How many groups were fitted on."""
        return len(self.keys)

    @property
    def n_own(self) -> int:
        """How many of them have a model of their own."""
        return int((self.places != POOLED).sum())

    def find(self, groups: Any, n: int) -> np.ndarray:
        """Return the place of the model of each of n rows.

        One warning counts those of groups that fit did not see, and those without a group.
        """
        numbers, keys = self.keys.find(groups)
        if len(numbers) != n:
            raise ValueError(
                f"X has {n} rows, and groups {len(numbers)} values: give one for each row."
            )
        unseen = np.flatnonzero(numbers < 0)
        if len(unseen):
            self._warn_of_unseen([keys[i] for i in unseen.tolist()])
        places: np.ndarray = np.where(numbers < 0, POOLED, self.places[numbers])
        return places

    def _warn_of_unseen(self, keys: list[Any]) -> None:
        unseen, missing = [key for key in keys if key is not None], keys.count(None)
        parts, count = [], len({*unseen})
        if unseen:
            parts.append(
                f"{len(unseen):,} row{'s are' if len(unseen) > 1 else ' is'} of {count:,} "
                f"group{'s' * (count > 1)} that fit did not see, such as {self.keys.text(unseen[0])!r}"
            )
        if missing:
            parts.append(f"{missing:,} row{'s have' if missing > 1 else ' has'} no group")
        warnings.warn(f"{', and '.join(parts)}: the pooled model answers for them.", stacklevel=4)

    def place_of(self, group: Any) -> int:
        """Return the place of a group's model; ValueError for one that was not fitted on."""
        number = int(self.keys.find([group])[0][0])
        if number < 0:
            raise ValueError(f"The model was fitted on no group {group!r}.")
        return int(self.places[number])

    def on(self, device: Device) -> Fleet:
        """Return the models to compute on another device."""
        stack = self.stack.on(device)
        return self if stack is self.stack else replace(self, stack=stack)


class InGroups:
    """What models make of rows, each by that of its group: what a `Model` is for rows of one kind."""

    schema, mixed = None, None

    def __init__(self, stack: Stack, numbers: np.ndarray) -> None:
        self.stack, self.numbers, self.like = stack, numbers, stack.like

    @property
    def slots(self) -> Slots:
        """The five slots, which all models share."""
        return self.like.slots

    @property
    def n_components(self) -> int:
        """The width of the code."""
        return self.like.n_components

    @property
    def dtype(self) -> str:
        """The precision."""
        return self.like.dtype

    def computing(self) -> AbstractContextManager[None]:
        """Return a context in which JAX computes as the models do."""
        return self.like.computing()

    def check_decoder(self) -> None:
        """Raise a ValueError where the decoders were left out."""
        self.like.check_decoder()

    def shaped(self, rows: np.ndarray) -> np.ndarray:
        """Return flat rows in the shape that the user gave."""
        return self.like.shaped(rows)

    def encode(self, X: np.ndarray, layer: int | None = None) -> np.ndarray:
        """Return the codes, or the values behind a layer counted from 1."""
        return self.stack.map("encode", self.scaled(X), self.numbers, layer)

    def reconstruct(self, X: np.ndarray) -> np.ndarray:
        """Return the rows encoded and decoded."""
        self.check_decoder()
        made = self.stack.map("reconstruct", self.scaled(X), self.numbers)
        return self.stack.unscaled(made, self.numbers)

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Return the rows that codes stand for."""
        self.like.check_decodes_codes()
        made = self.stack.map("decode", Z.astype(self.dtype), self.numbers)
        return self.stack.unscaled(made, self.numbers)

    def losses(self, X: np.ndarray) -> np.ndarray:
        """Return the loss of each row above that of a perfect copy, in its group's units."""
        self.check_decoder()
        if self.like.scaling is None:
            self.slots.check_domain(X)
        return self.stack.map("excess", self.scaled(X), self.numbers)

    def column_losses(self, X: np.ndarray, again: np.ndarray) -> np.ndarray:
        """Return what each column adds to the loss of rows and given reconstructions, (n, d)."""
        return self.like.scaled_losses(self.scaled(X), self.scaled(again))

    def scaled(self, X: np.ndarray) -> np.ndarray:
        """Return rows in their groups' units."""
        return self.stack.scaled(X, self.numbers)

    def reference_errors(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return for each row the loss of predicting its group's mean, and of the row itself."""
        like, mean, least = self.like, np.empty(len(X)), np.empty(len(X))
        with self.computing():
            for b in blocks(X):
                x = self.stack.scaled(X[b], self.numbers[b])
                guess = like.inside_domain(self.stack.means[self.numbers[b]])
                mean[b] = losses_of_pairs(like.objective, guess, x)
                least[b] = losses_of_pairs(like.objective, like.inside_domain(x), x)
        return mean, least

"""Where the rows of steps lie, and which ones a step takes."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from isthmus.training.state import bucket

if TYPE_CHECKING:
    from isthmus.training.state import DeviceRows, TrainerSettings

Plan = tuple[np.ndarray, np.ndarray, np.int32, np.int32]


class Feed(ABC):
    """Gives steps their rows: by seed and epoch alone, so that resuming is exact."""

    def __init__(self, n: int, batch_size: int, batch_shape: int) -> None:
        self.n, self.batch_size, self.batch_shape = n, batch_size, batch_shape
        self.steps_per_epoch = -(-n // batch_size)
        begins = batch_size * np.arange(self.steps_per_epoch)
        self.sizes = np.minimum(batch_size, n - begins)[:, None]  # real rows of each step

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """The type of the rows' values."""

    @property
    @abstractmethod
    def platform(self) -> str:
        """The platform of the device that the rows lie on."""

    @abstractmethod
    def most(self, step: int) -> int:
        """Return how many steps from this one on one program may take."""

    @abstractmethod
    def rows(self, step: int) -> DeviceRows:
        """Return the rows on the device that a step takes its batch of."""

    @abstractmethod
    def plan(self, first: int, count: int, length: int) -> Plan:
        """Return the rows to gather in each step, how many are real, first step and step count.

        A last partial batch is filled up with rows that count 0.
        """

    @abstractmethod
    def close(self) -> None:
        """Read no further; whoever asks for rows begins again."""


class Whole(Feed):
    """Rows that all lie on the device; each epoch shuffles them whole."""

    def __init__(self, data: DeviceRows, settings: TrainerSettings) -> None:
        super().__init__(data.n, settings.batch_size, min(settings.batch_size, bucket(data.n)))
        self.data, self.seed = data, settings.seed
        self._known: deque[tuple[int, np.ndarray]] = deque(maxlen=2)

    @property
    def dtype(self) -> np.dtype:
        """The type of the rows' values."""
        return np.dtype(self.data.x.dtype)

    @property
    def platform(self) -> str:
        """The platform of the device that the rows lie on."""
        return str(next(iter(self.data.x.devices())).platform)

    def most(self, step: int) -> int:
        """Return how many steps from this one on one program may take: any number."""
        return sys.maxsize

    def rows(self, step: int) -> DeviceRows:
        """Return all rows."""
        return self.data

    def plan(self, first: int, count: int, length: int) -> Plan:
        """Return the rows to gather in each step, how many are real, first step and step count."""
        index = np.zeros((length, self.batch_shape), np.int32)
        rows = np.ones(length, np.int32)
        spe = self.steps_per_epoch
        for epoch in range(first // spe, (first + count - 1) // spe + 1):
            begin = epoch * spe - first  # of the epoch, among these steps
            here = slice(max(begin, 0), min(begin + spe, count))
            there = slice(here.start - begin, here.stop - begin)
            index[here], rows[here] = self._batches(epoch)[there], self.sizes[there, 0]
        return index, rows, np.int32(first), np.int32(count)

    def close(self) -> None:
        """Nothing is read."""

    def _batches(self, epoch: int) -> np.ndarray:
        """Return the rows of each step of an epoch."""
        for known, batches in self._known:
            if known == epoch:
                return batches
        order = np.random.default_rng((self.seed, epoch)).permutation(self.n)
        batches = np.resize(order.astype(np.int32), (self.steps_per_epoch, self.batch_shape))
        self._known.append((epoch, batches))
        return batches

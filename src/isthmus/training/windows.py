"""The order in which rows are seen, and the rows of more than one window, read when it is their turn.

A window is what lies on the device at a time. Rows of up to one are shuffled whole. Of more, blocks of
rows that follow one another are permuted, and rows are shuffled within a window of such blocks, so that
a file is read in long pieces. No batch is of two windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from isthmus.training.ahead import read_ahead
from isthmus.training.feed import Feed, Plan, Whole
from isthmus.training.runtime import Device, computing, find_device
from isthmus.training.state import DeviceRows, aligned_rows, bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from threading import Event

    from jax import Array

    from isthmus.training.state import TrainerSettings
    from isthmus.training.team import Team

    Read = Callable[[int, int], tuple[np.ndarray, np.ndarray]]

WINDOW = 2**26  # values of the rows that are shuffled together
BLOCKS = 64  # in a window
OF_BLOCKS = 2**32  # parts the random numbers of an epoch's blocks from those of its windows


def exceeds_window(n: int, width: int) -> bool:
    """Return whether rows are more than one window."""
    return n * width > WINDOW


def rows_at_hand(width: int) -> int:
    """Return how many rows of more than a window are kept in memory, to be measured on."""
    return max(WINDOW // 4 // width, 256)


def values_at_once() -> int:
    """Return how many values of rows of more than a window are looked at at a time."""
    return max(WINDOW // 16, 1)


class Order(NamedTuple):
    """In which order rows are seen: a function of these numbers and of the epoch."""

    n: int
    block: int  # rows that follow one another
    window: int  # rows that are shuffled together
    seed: int
    in_turn: bool = False  # whether blocks are taken as they come, in each epoch

    @property
    def windows(self) -> int:
        """How many windows an epoch has."""
        return -(-self.n // self.window)

    def runs(self, epoch: int, number: int) -> list[tuple[int, int]]:
        """Return begin and end of each run of rows that a window is made of."""
        first = self._blocks(epoch) * self.block
        size = np.minimum(self.block, self.n - first)
        place = np.cumsum(size) - size  # of its first row, among the epoch's
        begin = number * self.window
        skipped = np.clip(begin - place, 0, size)
        taken = np.clip(begin + self.window - place, 0, size)
        here = np.flatnonzero(skipped < taken)
        ends = np.stack([first + skipped, first + taken], axis=1)[here]
        return [(int(a), int(b)) for a, b in ends]

    def shuffled(self, epoch: int, number: int) -> np.ndarray:
        """Return the order of a window's rows, numbered as its runs follow one another.

        A 0 at a seed's end changes nothing: of one window it is that of the seed and the epoch.
        """
        size = min(self.window, self.n - number * self.window)
        return np.random.default_rng((self.seed, epoch, number)).permutation(size)

    def _blocks(self, epoch: int) -> np.ndarray:
        """Return the order of an epoch's blocks; those of one window need none."""
        count = -(-self.n // self.block)
        if self.windows == 1 or self.in_turn:
            return np.arange(count)
        return np.random.default_rng((self.seed, epoch, OF_BLOCKS)).permutation(count)


def order_of(n: int, width: int, batch_size: int, seed: int, *, fresh: bool = False) -> Order:
    """Return the order of rows of a width that are taken in batches.

    Rows that are drawn afresh in each epoch come at random, and smaller windows do for them.
    """
    values = WINDOW // 4 if fresh else WINDOW
    window = max(values // width // batch_size, 1) * batch_size
    return Order(n, max(window // BLOCKS, 1), window, seed, in_turn=fresh)


class FarRows(NamedTuple):
    """Scaled rows that are read when they are needed, and not all on the device.

    `read(start, stop)` returns rows that follow one another, and their weights, whose mean over all
    rows is 1; `coded` makes of rows on the device what is to be trained on; where each epoch has
    rows of its own, `read_in(epoch)` returns what reads them.
    """

    read: Read
    n: int
    width: int
    dtype: str
    device: Device
    coded: Callable[[DeviceRows], DeviceRows] | None = None
    read_in: Callable[[int], Read] | None = None

    def at(self, epoch: int) -> Read:
        """Return what reads the rows of an epoch."""
        return self.read if self.read_in is None else self.read_in(epoch)


class Windows(Feed):
    """One window of rows after another; the next is read, and put on the device, in a thread."""

    def __init__(self, data: FarRows, settings: TrainerSettings, team: Team | None = None) -> None:
        super().__init__(data.n, settings.batch_size, settings.batch_size)
        self.data, self.team = data, team
        fresh = data.read_in is not None
        self.order = order_of(data.n, data.width, settings.batch_size, settings.seed, fresh=fresh)
        self.stays = self.order.windows == 1 and not fresh  # the first window, for all epochs
        self.steps_per_window = self.order.window // settings.batch_size
        self.turns = self.order.windows * settings.max_epochs
        self.here: tuple[int, DeviceRows] | None = None
        self.reading: Generator[DeviceRows] | None = None
        self.next_turn = 0  # that is being read
        self.known = -1, -1, np.empty(0, np.int32)  # the batches of an epoch's window

    @property
    def dtype(self) -> np.dtype:
        """The type of the rows' values."""
        return np.dtype(self.data.dtype)

    @property
    def platform(self) -> str:
        """The platform of the device that the rows are put on."""
        return str((find_device(self.data.device) or jax.devices()[0]).platform)

    def most(self, step: int) -> int:
        """Return how many steps are left in the window of this one."""
        _, _, within = self._place(step)
        in_epoch = self.steps_per_epoch - step % self.steps_per_epoch
        return min(self.steps_per_window - within, in_epoch)

    def rows(self, step: int) -> DeviceRows:
        """Return the window of a step; that before is dropped first, so that two are held at most."""
        epoch, number, _ = self._place(step)
        turn = epoch * self.order.windows + number
        if self.stays and self.here is not None:
            return self.here[1]
        if self.here is None or self.here[0] != turn:
            self.here = None
            self.here = turn, self._whole(self._taken(turn))
        return self.here[1]

    def plan(self, first: int, count: int, length: int) -> Plan:
        """Return the rows to gather in each step, how many are real, first step and step count."""
        index = np.zeros((length, self.batch_shape), np.int32)
        rows = np.ones(length, np.int32)
        epoch, number, within = self._place(first)
        index[:count] = self._batches(epoch, number)[within : within + count]
        begin = first % self.steps_per_epoch
        rows[:count] = self.sizes[begin : begin + count, 0]
        return index, rows, np.int32(first), np.int32(count)

    def close(self) -> None:
        """Read no further; whoever asks for rows begins again."""
        if self.reading is not None:
            self.reading.close()
            self.reading = None

    def _place(self, step: int) -> tuple[int, int, int]:
        """Return the epoch of a step, the number of its window there, and its own number in that."""
        epoch, within = divmod(step, self.steps_per_epoch)
        return epoch, *divmod(within, self.steps_per_window)

    def _batches(self, epoch: int, number: int) -> np.ndarray:
        """Return the rows of each step of a window."""
        if self.known[:2] != (epoch, number):
            order = self.order.shuffled(epoch, number).astype(np.int32)
            shape = -(-len(order) // self.batch_size), self.batch_shape
            self.known = epoch, number, np.resize(order, shape)
        return self.known[2]

    def _taken(self, turn: int) -> DeviceRows:
        """Return a window, and let the one after it be read; they are counted over all epochs."""
        if self.reading is None or turn != self.next_turn:
            self.close()
            last = turn + 1 if self.stays else self.turns
            self.reading = read_ahead(self._read, range(turn, last))
        self.next_turn = turn + 1
        return next(self.reading)

    @property
    def _part(self) -> tuple[int, int]:
        """Begin and end of the places in a window that this process reads."""
        size = bucket(min(self.order.window, self.data.n))
        return (0, size) if self.team is None else self.team.part(size)

    def _whole(self, rows: DeviceRows) -> DeviceRows:
        """Return a window of which each process of the team has read a part."""
        if self.team is None:
            return rows
        with computing(self.data.dtype, self.data.device):
            whole = self.team.joined(rows.x), self.team.joined(rows.weight)
            return self._coded(DeviceRows(*whole, rows.n))

    def _coded(self, rows: DeviceRows) -> DeviceRows:
        """Return what is to be trained on."""
        return rows if self.data.coded is None else self.data.coded(rows)

    def _read(self, turn: int, stopped: Event) -> DeviceRows:
        """Return a window on the device.

        Places that no step takes count as rows, so that the same share of the rows is in each step.
        """
        data, (epoch, number) = self.data, divmod(turn, self.order.windows)
        read, runs = data.at(epoch), self.order.runs(epoch, number)
        low, high = self._part
        x = aligned_rows(min(self.order.window, data.n), data.width, data.dtype)
        weight, end = np.ones(len(x), x.dtype), 0
        for start, stop in runs:
            if stopped.is_set():
                break
            here = slice(end, end := end + stop - start)
            ours = slice(max(here.start, low), min(here.stop, high))
            if ours.start < ours.stop:
                first = start + ours.start - here.start
                x[ours], weight[ours] = read(first, first + ours.stop - ours.start)
        with computing(data.dtype, data.device):
            placed: tuple[Array, Array] = jax.device_put((x, weight), may_alias=True)
            rows = DeviceRows(*placed, end)
            return rows if self.team is not None else self._coded(rows)


def feed_of(
    data: DeviceRows | FarRows, settings: TrainerSettings, team: Team | None = None
) -> Feed:
    """Return what gives steps these rows; of a team's windows each process reads a part."""
    return Windows(data, settings, team) if isinstance(data, FarRows) else Whole(data, settings)

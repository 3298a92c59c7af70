"""Rows that are cut from pictures at random, and anew in each epoch."""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.io.blocks.blocks import Blocks

if TYPE_CHECKING:
    from isthmus.io.image_file import ImageSize
    from isthmus.io.pictures import Pictures

TOGETHER = 64  # patches of a picture that has to be decoded for them
BLOCK = 2**12  # rows whose random numbers are drawn at once
OF_VISITS, OF_PLACES = 2**37, 2**38  # part the random numbers of these draws
FEW = 10  # pictures, of which none is held out as a whole

Parts = np.ndarray  # (m, 5): a picture's number, and of a part of it top, left, height and width


class Patches(Blocks):
    """Patches of one size at random places of pictures, drawn anew in each epoch.

    Which patch a row of an epoch is follows from the seed, the epoch and the row's number alone. Each
    place of all pictures is equally likely, so that a larger picture gives more; of any share of all
    places an epoch takes its share, but for one patch.

    `isthmus.images.patches` makes one.

    Attributes
    ----------
    name : str
        What messages call the pictures.
    n_rows : int
        How many patches an epoch has.
    shape : tuple of int
        (n, h, w), or (n, h, w, c) in colour.
    ends : (float, float)
        The range of the values: that of their type for pixels.
    mark : int
        A number by which two runs know whether they see the same patches.
    """

    is_unpacked = True
    is_fresh = True

    def __init__(
        self,
        pictures: Pictures,
        parts: Parts,
        n: int,
        size: ImageSize,
        *,
        seed: int,
        turns: bool = True,
        epoch: int = 0,
    ) -> None:
        self.pictures, self.parts, self.size = pictures, parts, size
        self.name, self.n_rows, self.columns = pictures.name, n, None
        self.seed, self.turns, self.epoch = seed, turns, epoch
        self.together = 1 if pictures.stay else TOGETHER
        self._last = self

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of patches in an epoch, and the shape of one."""
        return self.n_rows, *self.size, *self.pictures.channels

    @property
    def ends(self) -> tuple[float, float]:
        """The range of the values."""
        return self.pictures.ends

    @property
    def mark(self) -> int:
        """A number by which two runs know whether they see the same patches."""
        facts = (self.pictures.mark, self.parts.tolist(), self.shape, self.seed, self.turns)
        return zlib.crc32(repr(facts).encode())

    def at(self, epoch: int) -> Patches:
        """Return the patches of an epoch."""
        if self._last.epoch != epoch:  # asked for again and again, with one draw for all
            self._last = self.like(epoch=epoch)
        return self._last

    def like(
        self,
        parts: Parts | None = None,
        n: int | None = None,
        *,
        seed: int | None = None,
        epoch: int = 0,
    ) -> Patches:
        """Return other patches of these pictures."""
        return Patches(
            self.pictures,
            self.parts if parts is None else parts,
            self.n_rows if n is None else n,
            self.size,
            seed=self.seed if seed is None else seed,
            turns=self.turns,
            epoch=epoch,
        )

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return some of the epoch's patches."""
        start, stop = max(start, 0), min(stop, self.n_rows)
        parts = self.parts[self._visits[np.arange(start, stop) // self.together]]
        chance, (h, w) = self._chances(start, stop), self.size
        tops = parts[:, 1] + (chance[:, 0] * (parts[:, 3] - h + 1)).astype(int)
        lefts = parts[:, 2] + (chance[:, 1] * (parts[:, 4] - w + 1)).astype(int)
        found = np.empty((len(parts), *self.shape[1:]), self.pictures.dtype)
        places = zip(parts[:, 0].tolist(), tops.tolist(), lefts.tolist(), strict=True)
        for row, (picture, top, left) in enumerate(places):
            found[row] = self.pictures[picture][top : top + h, left : left + w]
        if self.turns:
            turn(found, (chance[:, 2] * (8 if h == w else 4)).astype(int))
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.read(0, self.n_rows).astype(dtype or self.pictures.dtype, copy=False)

    @cached_property
    def _visits(self) -> np.ndarray:
        """The part of a picture that each few rows in turn are from.

        Parts are taken at equal distances along all places, so that none gets more or less than its
        share, and then shuffled.
        """
        rng = np.random.default_rng((self.seed, self.epoch, OF_VISITS))
        count, ends = -(-self.n_rows // self.together), np.cumsum(places_of(self.parts, self.size))
        along = (np.arange(count) + rng.random()) * (float(ends[-1]) / max(count, 1))
        which = np.minimum(np.searchsorted(ends, along, side="right"), len(ends) - 1)
        return rng.permutation(which.astype(np.int32))

    def _chances(self, start: int, stop: int) -> np.ndarray:
        """Return random numbers of rows, (n, 3), in [0, 1)."""
        first, last = start // BLOCK, -(-stop // BLOCK)
        drawn = [np.empty((0, 3))]
        for block in range(first, last):
            rng = np.random.default_rng((self.seed, self.epoch, block, OF_PLACES))
            drawn.append(rng.random((BLOCK, 3)))
        return np.concatenate(drawn)[start - first * BLOCK : stop - first * BLOCK]

    def parted(self, fraction: float, seed: int) -> tuple[Parts, Parts]:
        """Return the parts of pictures to train on, and those that are held out, by a seed.

        Of ten pictures or more some are held out whole. Of fewer a strip is, at the end of the longer
        side; where no picture has room for that, patches that are held out are of the same places.
        """
        numbers = np.unique(self.parts[:, 0])
        if len(numbers) >= FEW:
            count = min(max(round(fraction * len(numbers)), 1), len(numbers) - 1)
            chosen = np.random.default_rng(seed).choice(numbers, count, replace=False)
            apart = np.isin(self.parts[:, 0], chosen)
            return self.parts[~apart], self.parts[apart]
        pairs = [self._cut(part, fraction) for part in self.parts]
        strips = [strip for _, strip in pairs if strip is not None]
        kept = np.array([rest for rest, _ in pairs])
        return kept, np.array(strips) if strips else self.parts

    def _cut(self, part: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what is left of a part without a strip at its end, and the strip, if there is room."""
        along = 0 if part[3] >= part[4] else 1
        for side in (along, 1 - along):
            length, least = part[3 + side], self.size[side]
            strip = max(round(fraction * length), least)
            if length - strip >= least:
                rest, cut = part.copy(), part.copy()
                rest[3 + side] = length - strip
                cut[1 + side] += length - strip
                cut[3 + side] = strip
                return rest, cut
        return part, None


def places_of(parts: Parts, size: ImageSize) -> np.ndarray:
    """Return in how many places of each part a patch fits."""
    rooms = np.maximum(parts[:, 3:] - np.array(size) + 1, 0)
    return rooms.prod(axis=1)


def turn(patches: np.ndarray, kinds: np.ndarray) -> None:
    """Turn and mirror patches in place, each in one of four ways, or of eight if they are square."""
    for bit, turned in ((1, _mirrored), (2, _upended), (4, _across)):
        which = np.flatnonzero(kinds & bit)
        if len(which):  # never of the last, if patches are not square
            patches[which] = turned(patches[which])


def _mirrored(patches: np.ndarray) -> np.ndarray:
    return patches[:, :, ::-1]


def _upended(patches: np.ndarray) -> np.ndarray:
    return patches[:, ::-1]


def _across(patches: np.ndarray) -> np.ndarray:
    return patches.swapaxes(1, 2)

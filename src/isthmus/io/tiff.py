"""What a TIFF says of its pixels, judged before Pillow decodes it.

Pillow reads some kinds of pixels as other numbers than they are, without a word: signed ones as
bright, 16 bits with white at 0 as they lie, and 16 bits in separate planes as noise.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTE_ORDERS = {b"II": "<", b"MM": ">"}
TIFF, BIG_TIFF = 42, 43
WHOLE_NUMBERS = {1: "B", 3: "H", 4: "L", 16: "Q"}  # of a tag's types, those of counts and codes
MOST_TAGS = 2**16  # as many as there can be,
MOST_VALUES = 64  # and so many of each are read: more channels are refused anyhow

# the tags that say what pixels are
BITS, COMPRESSION, COLOUR, CHANNELS, PLANES = 258, 259, 262, 277, 284
PREDICTOR, EXTRA, NUMBERS, SUBSAMPLING = 317, 338, 339, 530

USED = {BITS, COMPRESSION, COLOUR, CHANNELS, PLANES, PREDICTOR, EXTRA, NUMBERS, SUBSAMPLING}

NUMBER_NAMES = {1: "whole numbers", 2: "signed whole numbers", 3: "floats"}
COLOUR_NAMES = {
    0: "grey with white at 0",
    1: "grey",
    2: "RGB",
    3: "palette",
    5: "CMYK",
    6: "YCbCr",
}
UNSIGNED, UNCOMPRESSED, YCBCR, SEPARATE = 1, 1, 6, 2
WEBP = 50001  # Pillow says that it reads it, and its wheels cannot
DIFFERENCED = (5, 8, 32946, 34925, 50000)  # the compressions whose predictor is undone

Tags = dict[int, tuple[int, ...]]


class Pixels(NamedTuple):
    """How a TIFF stores its pixels."""

    colour: int
    channels: int
    bits: int
    numbers: set[int]
    extra: tuple[int, ...]
    planes: int
    compression: int
    predictor: int
    subsampled: bool
    big: bool

    @classmethod
    def of(cls, tags: Tags, big: bool) -> Self:
        """Return what tags say, or their defaults."""
        return cls(
            tags.get(COLOUR, (0,))[0],
            tags.get(CHANNELS, (1,))[0],
            max(tags.get(BITS, (1,))),
            {*tags.get(NUMBERS, (UNSIGNED,))},
            tags.get(EXTRA, ()),
            tags.get(PLANES, (1,))[0],
            tags.get(COMPRESSION, (UNCOMPRESSED,))[0],
            tags.get(PREDICTOR, (1,))[0],
            {*tags.get(SUBSAMPLING, (2, 2))} != {1},
            big,
        )

    @property
    def is_read(self) -> bool:
        """Whether Pillow, if it reads them at all, reads them as they are meant."""
        return (
            self.numbers == {UNSIGNED}
            and self.bits <= (8 if self.colour == 0 else 16)
            and self.colour in COLOUR_NAMES
            and len(self.extra) <= 1
            and self.compression != WEBP
            and (self.predictor == 1 or self.compression in DIFFERENCED)
            and (self.compression != UNCOMPRESSED or self._is_read_as_it_lies)
        )

    @property
    def _is_read_as_it_lies(self) -> bool:
        if self.colour == YCBCR and self.subsampled:
            return False
        together = self.planes != SEPARATE or self.channels == 1
        return together or (self.bits == 8 and self.extra in ((), (2,)))

    def __str__(self) -> str:
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        several = "1 channel" if self.channels == 1 else f"{self.channels} channels"
        kind = NUMBER_NAMES.get(max(self.numbers), "other values")
        yield f"{several} of {self.bits}-bit {kind}"
        yield COLOUR_NAMES.get(self.colour, f"photometric interpretation {self.colour}")
        if self.planes == SEPARATE and self.channels > 1:
            yield "in separate planes"
        if self.compression != UNCOMPRESSED:
            yield f"compression {self.compression}"
        if self.predictor != 1:
            yield f"predictor {self.predictor}"
        if self.big:
            yield "BigTIFF"


class _Layout(NamedTuple):
    """How the numbers of a TIFF's own tables lie."""

    order: str
    place: str  # where other data lie
    many: str  # how many tags there are
    entry: str  # tag, type, how many values, and the values or their place


def tiff_pixels(file: IO[bytes]) -> Pixels | None:
    """Return how the first image of a TIFF is stored, or None for a file of another format."""
    start = file.read(16)
    order = BYTE_ORDERS.get(start[:2])
    if order is None or not {TIFF, BIG_TIFF} & {*start[2:4]}:
        return None
    big = BIG_TIFF in start[2:4]
    if big:
        layout, held = _Layout(order, "Q", "Q", "HHQ8s"), start[8:16]
    else:
        layout, held = _Layout(order, "L", "H", "HHL4s"), start[4:8]
    (place,) = struct.unpack(order + layout.place, held)
    file.seek(place)
    return Pixels.of(_tags(file, layout), big)


def _tags(file: IO[bytes], layout: _Layout) -> Tags:
    """Return the tags of the table that starts here, the first values of each."""
    order, entry = layout.order, layout.order + layout.entry
    (count,) = struct.unpack(order + layout.many, file.read(struct.calcsize(order + layout.many)))
    table = file.read(min(count, MOST_TAGS) * struct.calcsize(entry))
    wanted = (e for e in struct.iter_unpack(entry, table) if e[0] in USED and e[1] in WHOLE_NUMBERS)
    return {tag: _values(file, layout, *rest) for tag, *rest in wanted}


def _values(file: IO[bytes], layout: _Layout, kind: int, n: int, held: bytes) -> tuple[int, ...]:
    one = struct.calcsize(layout.order + WHOLE_NUMBERS[kind])
    some = min(n, MOST_VALUES)
    if n * one > len(held):
        file.seek(*struct.unpack(layout.order + layout.place, held))
        held = file.read(some * one)
    return struct.unpack_from(f"{layout.order}{some}{WHOLE_NUMBERS[kind]}", held)

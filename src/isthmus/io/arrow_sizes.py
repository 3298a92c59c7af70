"""What an Arrow file declares that it holds, in the metadata of its batches.

Buffers may be packed, and a reader allocates what each declares, and the rows that a batch declares.
The metadata are flatbuffers, of which a few fields are looked up.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from isthmus.io.unpacking import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE, CONTINUED = b"ARROW1", b"\xff\xff\xff\xff"
DICTIONARY, BATCH = 2, 3  # kinds of messages
BLOCK, NODE, BUFFER = 24, 16, 16  # bytes of structs in vectors
UNPACKED = -1  # the length of a buffer that is not packed though the others are


def unpacked_size(content: bytes) -> int:
    """Return how many bytes the table of an Arrow file takes in memory, at least.

    Raises
    ------
    Damaged
        If this is no Arrow file, or its metadata cannot be followed.
    """
    if not content.startswith((FILE, CONTINUED)):
        raise Damaged
    messages = _of_file if content.startswith(FILE) else _of_stream
    try:
        return sum(_batch_size(content, *message) for message in messages(content))
    except (struct.error, IndexError) as error:
        raise Damaged from error


class Reference(NamedTuple):
    """A table of a flatbuffer by its place."""

    content: bytes
    at: int

    def field(self, number: int) -> int | None:
        """Return where a field stands; None if it is not there."""
        vtable = self.at - _number(self.content, "<i", self.at)
        entry = 4 + 2 * number
        if entry >= _number(self.content, "<H", vtable):
            return None
        offset = _number(self.content, "<H", vtable + entry)
        return self.at + offset if offset else None

    def number(self, number: int, kind: str) -> int:
        """Return a field that is a number."""
        at = self.field(number)
        return 0 if at is None else _number(self.content, kind, at)

    def table(self, number: int) -> Reference | None:
        """Return a field that is a table."""
        at = self.field(number)
        return None if at is None else _table(self.content, at)

    def vector(self, number: int, size: int) -> range:
        """Return where the structs of a field stand that is a vector of them."""
        at = self.field(number)
        if at is None:
            return range(0)
        at += _number(self.content, "<I", at)
        count = _number(self.content, "<I", at)
        if at + 4 + count * size > len(self.content):
            raise Damaged
        return range(at + 4, at + 4 + count * size, size)


def _number(content: bytes, kind: str, at: int) -> int:
    if at < 0:
        raise Damaged
    return int(struct.unpack_from(kind, content, at)[0])


def _table(content: bytes, at: int) -> Reference:
    return Reference(content, at + _number(content, "<I", at))


def _of_file(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield where metadata and body of each message begin, by the footer."""
    end = len(content) - len(FILE) - 4
    footer = _table(content, end - _number(content, "<i", end))
    for vector in (2, 3):  # dictionaries, batches
        for at in footer.vector(vector, BLOCK):
            start, length = _number(content, "<q", at), _number(content, "<i", at + 8)
            continued = content[start : start + 4] == CONTINUED
            yield start + (8 if continued else 4), start + length


def _of_stream(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield where metadata and body of each message begin, one after the other."""
    at = 0
    while content[at : at + 4] == CONTINUED and (length := _number(content, "<i", at + 4)):
        body = at + 8 + length
        yield at + 8, body
        following = body + _table(content, at + 8).number(3, "<q")
        if following <= at:
            raise Damaged
        at = following


def _batch_size(content: bytes, metadata: int, body: int) -> int:
    message = _table(content, metadata)
    kind, batch = message.number(1, "<B"), message.table(2)
    if kind == DICTIONARY and batch is not None:
        batch = batch.table(1)
    if kind not in (DICTIONARY, BATCH) or batch is None:
        return 0
    rows = [_number(content, "<q", at) for at in batch.vector(1, NODE)]
    packed = batch.field(3) is not None
    sizes = [_buffer_size(content, at, body, packed) for at in batch.vector(2, BUFFER)]
    if min(rows + sizes, default=0) < 0:
        raise Damaged
    return sum(sizes) + sum(rows) // 8


def _buffer_size(content: bytes, at: int, body: int, packed: bool) -> int:
    offset, length = _number(content, "<q", at), _number(content, "<q", at + 8)
    if not packed or not length:
        return length
    size = _number(content, "<q", body + offset)
    return length if size == UNPACKED else size

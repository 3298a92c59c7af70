"""What a Parquet file declares that it holds, in its footer and in the header of each page.

A file of a few kilobytes can declare billions of values, and a reader allocates what it declares. So
its sizes are added up before it is read. The headers are Thrift's compact protocol, of which numbers
alone are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.io.unpacking import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

Struct = dict[int, "Value"]  # fields by their numbers
Value = int | list["Value"] | Struct | None

MAGIC = b"PAR1"
TAIL = 8  # bytes of the footer's length and the magic number behind it
WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8}  # bytes of a value in memory, by physical type,
WIDTH = 16  # and of text, other bytes and decimals
DECIMAL, INTEGER = 5, 10  # fields of a logical type; the first is a converted type too
NARROW = {11: 1, 12: 2, 15: 1, 16: 2}  # converted types of small integers, 4 bytes wide in the file
DEEPEST = 32  # structs within structs


def unpacked_size(content: bytes) -> int:
    """Return how many bytes the table of a Parquet file takes in memory, at least.

    Raises
    ------
    Damaged
        If this is no Parquet file, or its headers cannot be followed.
    """
    end = len(content) - TAIL
    start = end - int.from_bytes(content[end : end + 4], "little")
    if end < len(MAGIC) or start < len(MAGIC) or content[-4:] != MAGIC:
        raise Damaged
    footer = Compact(content[:end], start).struct()
    widths = [
        _width(element) for element in _items(footer, 2) if 1 in element
    ]  # groups have no type
    return sum(_group_size(content, group, widths) for group in _items(footer, 4))


def _width(element: Struct) -> int:
    """Return how many bytes a value of a column takes in memory."""
    converted, logical = _number(element, 6), _field(element, 10)
    if converted == DECIMAL or DECIMAL in logical:
        return WIDTH
    bits = _number(_field(logical, INTEGER), 1)
    return NARROW.get(converted) or bits // 8 or WIDTHS.get(_number(element, 1), WIDTH)


def _group_size(content: bytes, group: Struct, widths: list[int]) -> int:
    chunks = _items(group, 1)
    if len(chunks) != len(widths):
        raise Damaged
    return sum(_chunk_size(content, c, width) for c, width in zip(chunks, widths, strict=True))


def _chunk_size(content: bytes, chunk: Struct, width: int) -> int:
    """Return what a column of a row group takes: by the footer or by its pages, which is more."""
    facts = _field(chunk, 3)
    values, size = _number(facts, 5), _number(facts, 6)
    pages = list(_pages(content, facts))
    return max(size, width * values, sum(p[0] for p in pages), width * sum(p[1] for p in pages))


def _pages(content: bytes, facts: Struct) -> Iterator[tuple[int, int]]:
    """Yield the unpacked size of each page, and how many of the column's values it has."""
    at = _number(facts, 11) or _number(facts, 9)
    end = at + _number(facts, 7)
    while at < end:
        compact = Compact(content, at)
        page = compact.struct()
        data = _field(page, 5) or _field(page, 8)
        yield _number(page, 2), _number(data, 1)
        at = compact.at + _number(page, 3)


def _items(struct: Struct, key: int) -> list[Struct]:
    items = struct.get(key, [])
    if not isinstance(items, list):
        raise Damaged
    return [item for item in items if isinstance(item, dict)]


def _field(struct: Struct, key: int) -> Struct:
    found = struct.get(key, {})
    if not isinstance(found, dict):
        raise Damaged
    return found


def _number(struct: Struct, key: int) -> int:
    found = struct.get(key, 0)
    if not isinstance(found, int) or found < 0:
        raise Damaged
    return found


class Compact:
    """Values of Thrift's compact protocol, from a place in some bytes on."""

    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at

    def struct(self, depth: int = 0) -> Struct:
        """Return the fields of a struct."""
        if depth > DEEPEST:
            raise Damaged
        fields: Struct = {}
        number = 0
        while header := self._byte():
            step, kind = header >> 4, header & 15
            number = number + step if step else self._whole()
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Value:
        if kind in (1, 2, 3):  # truths in a list, and bytes
            return self._byte()
        if kind in (4, 5, 6):
            return self._whole()
        if kind in (9, 10):
            return self._list(depth)
        if kind == 12:
            return self.struct(depth + 1)
        if kind not in (7, 8):
            raise Damaged  # maps, which Parquet has none of
        skipped = 8 if kind == 7 else self._varint()
        self.at += skipped
        return None

    def _list(self, depth: int) -> list[Value]:
        header = self._byte()
        size, kind = header >> 4, header & 15
        return [self._value(kind, depth + 1) for _ in range(self._varint() if size == 15 else size)]

    def _whole(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise Damaged

    def _byte(self) -> int:
        if self.at >= len(self.content):
            raise Damaged
        self.at += 1
        return self.content[self.at - 1]

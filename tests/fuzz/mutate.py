"""Changes of bytes and of JSON, each a function of a random generator and what it changes."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence

Change = Callable[[random.Random, bytes], bytes]

EDGES = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63)
VALUES = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    2**31,
    2**63,
    10**40,
    0.5,
    -0.0,
    1e-320,
    1e308,
    math.nan,
    math.inf,
    "",
    "x",
    "none",
    "float64",
    "relu",
    "kl:rho=0.1",
    "dense:hidden=[2]",
    "[[[[",
    "é\u202e\x00",
    "../x",
    [],
    [0],
    [-1],
    [1, 2, 3],
    [2**62],
    [[]],
    {},
    {"name": "kl"},
    {"name": "os.system"},
    {"kind": "dense"},
)
MOST_BYTES = 2**16


def flip(rng: random.Random, data: bytes) -> bytes:
    """Turn one bit."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def overwrite(rng: random.Random, data: bytes) -> bytes:
    """Put a number that programs stumble over in the place of some bytes."""
    size = rng.choice((1, 2, 4, 8))
    at = rng.randrange(len(data))
    number = (rng.choice(EDGES) % 256**size).to_bytes(size, rng.choice(("little", "big")))
    return data[:at] + number + data[at + size :]


def cut(rng: random.Random, data: bytes) -> bytes:
    """Leave the end out."""
    return data[: rng.randrange(len(data))]


def remove(rng: random.Random, data: bytes) -> bytes:
    """Leave a few bytes out."""
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 16) :]


def repeat(rng: random.Random, data: bytes) -> bytes:
    """Write a stretch again, some times."""
    at = rng.randrange(len(data))
    stretch = data[at : at + rng.randint(1, 64)]
    return (data[:at] + stretch * rng.choice((1, 2, 3, 100)) + data[at:])[:MOST_BYTES]


def move(rng: random.Random, data: bytes) -> bytes:
    """Copy a stretch over another place."""
    start, to, size = rng.randrange(len(data)), rng.randrange(len(data)), rng.randint(1, 64)
    stretch = data[start : start + size]
    return data[:to] + stretch + data[to + len(stretch) :]


BYTES: tuple[Change, ...] = (flip, flip, overwrite, overwrite, cut, remove, repeat, move)


def changed(rng: random.Random, data: bytes, structured: Sequence[Change]) -> bytes:
    """Return data changed once or a few times; half of the changes know the format."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        if not data:
            break
        kinds = structured if structured and rng.random() < 0.5 else BYTES
        data = rng.choice(kinds)(rng, data)
    return data[:MOST_BYTES]


def spliced(rng: random.Random, one: bytes, other: bytes) -> bytes:
    """Return the start of one file with the end of another."""
    return one[: rng.randrange(len(one) + 1)] + other[rng.randrange(len(other) + 1) :]


# -- JSON ----------------------------------------------------------------------------------------


def places(node: object) -> list[tuple[object, object]]:
    """Return each container with each key, all the way down."""
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    found = []
    for key, value in list(items):
        found.append((node, key))
        found += places(value)
    return found


def change_json(rng: random.Random, root: object) -> None:
    """Change one place of JSON where it is: its value, its presence, or its name."""
    known = places(root)
    if not known:
        return
    holder, key = rng.choice(known)
    kind = rng.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, place = rng.choice(known)
        holder[key] = json.loads(json.dumps(other[place]))
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice((*map(str, holder), "", "x", "name"))] = holder.pop(key)
    elif kind == 3 and isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(holder[key])))
    else:
        holder[key] = nested(rng) if rng.random() < 0.03 else rng.choice(VALUES)


def nested(rng: random.Random) -> object:
    """Return lists within lists, up to deeper than Python recurses."""
    value: object = 0
    for _ in range(rng.choice((10, 500, 900))):
        value = [value]
    return value

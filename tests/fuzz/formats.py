"""Changes that know a format, so that what they make gets past its first checks."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import re
import struct
import zipfile
import zlib

from fuzz.mutate import BYTES, EDGES, MOST_BYTES, Change, change_json, flip, overwrite

# -- model files ---------------------------------------------------------------------------------


def parts_of_model(data: bytes) -> tuple[dict, dict, bytes]:
    """Return the header, the metadata in it, and the arrays' bytes."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["isthmus"]), data[8 + length :]


DIGEST, BLANK = "sha256", "0" * 64


def sealed(data: bytes, digest: str) -> bytes:
    """Return a file with a new digest in the place of this one: SHA-256 with zeros in that place."""
    at = data.find(digest.encode())
    blank = data[:at] + BLANK.encode() + data[at + 64 :]
    return data[:at] + hashlib.sha256(blank).hexdigest().encode() + data[at + 64 :]


def claims(data: bytes) -> bool:
    """Return whether a model file holds a digest that is not its own, or none where it must."""
    _, meta, _ = parts_of_model(data)
    if DIGEST in meta:
        return sealed(data, meta[DIGEST]) != data
    return meta["version"] >= [1, 4]


def model_of_parts(header: dict, meta: object, body: bytes) -> bytes:
    """Return a file with a header of the right length."""
    try:
        header["__metadata__"]["isthmus"] = json.dumps(meta)
    except (KeyError, TypeError):
        pass  # a change took its place away
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def in_model(rng: random.Random, data: bytes) -> bytes:
    """Change the metadata, the table of arrays, or the arrays of a model file."""
    try:
        return _in_parts(rng, *parts_of_model(data))
    except (ValueError, KeyError, TypeError, struct.error, RecursionError):
        return rng.choice(BYTES)(rng, data)


def _in_parts(rng: random.Random, header: dict, meta: object, body: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.6:
        change_json(rng, meta)
    elif kind < 0.8:
        change_json(rng, header)
    elif kind < 0.9 and body:
        body = in_floats(rng, body)
    else:
        exchange_arrays(rng, header)
    data = model_of_parts(header, meta, body)
    whole = isinstance(meta, dict) and isinstance(meta.get(DIGEST), str) and len(meta[DIGEST]) == 64
    return sealed(data, meta[DIGEST]) if whole and rng.random() < 0.8 else data


def in_floats(rng: random.Random, body: bytes) -> bytes:
    """Write an odd number over one of the arrays' numbers."""
    kind = rng.choice("fd")
    size = struct.calcsize(kind)
    at = rng.randrange(len(body)) // size * size
    number = rng.choice((0.0, -0.0, -1.0, 1e30, 1e-40, float("inf"), float("nan")))
    return body[:at] + struct.pack(f"<{kind}", number) + body[at + size :]


def exchange_arrays(rng: random.Random, header: dict) -> None:
    """Exchange the places, or the descriptions, of two arrays."""
    names = [name for name in header if name != "__metadata__"]
    if len(names) > 1:
        one, other = rng.sample(names, 2)
        header[one], header[other] = header[other], header[one]


# -- arrays --------------------------------------------------------------------------------------

DTYPES = (
    "<f8",
    ">f8",
    "<f4",
    "<f2",
    "<f16",
    "|b1",
    "|u1",
    "<i8",
    ">i2",
    "<c16",
    "|O",
    "<U9",
    "|S3",
    "|V8",
    "<M8[ns]",
    "<m8[D]",
    "x",
    "",
    "<f99999999999",
    "f8,f8",
)
SHAPES = (
    "()",
    "(0,)",
    "(3,)",
    "(2, 3)",
    "(-1, 3)",
    "(3, -1)",
    "(0, 5)",
    "(1, 1, 1, 1)",
    "(2, 2, 2, 2, 2)",
    f"({2**40}, {2**40})",
    f"({2**63},)",
    "(2.5, 3)",
    "('a',)",
    "((2,), 3)",
    "[2, 3]",
    "(True, 2)",
    "(2, 3",
    "2",
)
HEADERS = (
    "{}",
    "",
    "[]",
    "None",
    "{'descr': '<f8'}",
    "__import__('x')",
    "(" * 300,
    "{'a': " * 200,
    "\x00",
    "{'descr': '<f8', 'fortran_order': 3, 'shape': (2, 3), }",
    "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2, 3), }",
    "lambda: 0",
    "'" * 3,
    "9" * 5000,
    "\\\n",
    "\tx\n y",
)


def in_npy(rng: random.Random, data: bytes) -> bytes:
    """Change the header of an array's file, and say its length truly, most times."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        return rng.choice(BYTES)(rng, data)
    wide = data[6] > 1
    start = 12 if wide else 10
    length = int.from_bytes(data[8:start], "little")
    text, body = data[start : start + length].decode("latin1"), data[start + length :]
    kind = rng.randrange(5)
    if kind == 0:
        text = re.sub(r"'descr': *'[^']*'", lambda _: f"'descr': '{rng.choice(DTYPES)}'", text)
    elif kind == 1:
        text = re.sub(r"'shape': *\([^)]*\)", lambda _: f"'shape': {rng.choice(SHAPES)}", text)
    elif kind == 2:
        text = re.sub(
            r"False|True", lambda _: rng.choice(("True", "False", "1", "None", "'x'")), text
        )
    elif kind == 3:
        text = rng.choice(HEADERS)
    else:
        text = rng.choice(BYTES)(rng, text.encode("latin1") or b" ").decode("latin1")
    return npy_of_parts(rng, text, body)


def npy_of_parts(rng: random.Random, text: str, body: bytes) -> bytes:
    """Return a file of a header and data, in any version of the format."""
    version = rng.choice((1, 1, 1, 2, 3, 0, 9))
    content = text.encode("latin1")[:60000]
    width = 2 if version < 2 else 4
    return (
        b"\x93NUMPY" + bytes([version, 0]) + len(content).to_bytes(width, "little") + content + body
    )


NAMES = ("x.npy", "x", "", "../x.npy", "/x.npy", "x.npy.npy", "é.npy", "a/b.npy", "\x1b[2J.npy")


def in_npz(rng: random.Random, data: bytes) -> bytes:
    """Change an array inside an archive, or its name, and pack it anew."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [i for i in archive.infolist() if i.file_size <= MOST_BYTES]
            held = [(i.filename, archive.read(i)) for i in infos]
    except Exception:  # a damaged archive: zipfile raises nearly anything
        return rng.choice(BYTES)(rng, data)
    if held:
        at = rng.randrange(len(held))
        name, content = held[at]
        name = rng.choice(NAMES) if rng.random() < 0.2 else name
        held[at] = name, in_npy(rng, content) if content else b"\x93NUMPY"
    if rng.random() < 0.1:
        held *= 2
    return packed(held, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def packed(held: list[tuple[str, bytes]], kind: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive of these files; two may have one name."""
    file, index = io.BytesIO(), 0
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in held:
            info = zipfile.ZipInfo(name or "_")
            info.compress_type = kind
            archive.NameToInfo.pop(info.filename, None)  # zipfile would warn of the second
            archive.writestr(info, content)
            index += 1
    return file.getvalue()


# -- tables --------------------------------------------------------------------------------------

CELLS = (
    "",
    "NA",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e-400",
    "-0",
    "0x1",
    "1,5",
    "1.050",
    "1.050,5",
    "1_000",
    "+1",
    " 1",
    "1 ",
    "'1",
    '"',
    '""',
    '"a,b"',
    '"a\nb"',
    "=1+1",
    "@x",
    "true",
    "2020-01-02",
    "1/2/2020",
    "12:30",
    "9" * 400,
    "x" * 3000,
    "é",
    "\u202e",
    "\x1b[31m",
    "\x00",
    "\ufeff",
    "\u0661",
    "½",
    "1e",
    "e",
    ".",
    "-",
    ",",
    ";",
    "\t",
    "|",
    "\r",
    "\n",
    "\r\n",
    "\n\n",
)


def in_text(rng: random.Random, data: bytes) -> bytes:
    """Put an odd cell in the place of one, or between two characters."""
    cells = [m.span() for m in re.finditer(rb"[^,;\t|\r\n]+", data)]
    cell = rng.choice(CELLS).encode(rng.choice(("utf8", "utf8", "utf8", "utf-16", "utf-16-le")))
    if not cells or rng.random() < 0.3:
        at = rng.randrange(len(data) + 1)
        return data[:at] + cell + data[at:]
    start, end = rng.choice(cells)
    return data[:start] + cell + data[end:]


def in_lines(rng: random.Random, data: bytes) -> bytes:
    """Exchange, repeat or leave out a line, or end all lines, or part all cells, in another way."""
    lines, kind = data.split(b"\n"), rng.randrange(5)
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    if kind == 0:
        lines[at], lines[to] = lines[to], lines[at]
    elif kind == 1:
        lines.insert(to, lines[at])
    elif kind == 2:
        del lines[at]
    elif kind == 3:
        return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n\r")))
    else:
        return data.replace(b",", rng.choice((b";", b"\t", b"|", b"; ", b" ", b",,")))
    return b"\n".join(lines)


def in_packed(rng: random.Random, data: bytes) -> bytes:
    """Change the text in a gzip file, and pack it anew, now and then with something behind it."""
    try:
        with gzip.open(io.BytesIO(data)) as file:
            text = file.read(MOST_BYTES)
    except (OSError, EOFError, zlib.error):
        return rng.choice(BYTES)(rng, data)
    again = gzip.compress(rng.choice(CSV)(rng, text), mtime=0)
    return again + rng.choice((b"",) * 8 + (b"\0" * 9, b"a,b\n", again))


def in_footer(rng: random.Random, data: bytes) -> bytes:
    """Change the footer of a Parquet file, and say its length truly."""
    if data[-4:] != b"PAR1" or len(data) < 12:
        return rng.choice(BYTES)(rng, data)
    length = int.from_bytes(data[-8:-4], "little")
    start = max(len(data) - 8 - length, 4)
    footer = data[start:-8] or b"\0"
    for _ in range(rng.choice((1, 1, 2, 4))):
        footer = rng.choice(BYTES)(rng, footer) or b"\0"
    return data[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def in_pages(rng: random.Random, data: bytes) -> bytes:
    """Change a byte before the footer of a Parquet file: values, or how they are packed."""
    end = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return rng.choice((flip, overwrite))(rng, data[:end]) + data[end:] if end > 4 else data


# -- images --------------------------------------------------------------------------------------


def in_png(rng: random.Random, data: bytes) -> bytes:
    """Change a chunk of a PNG file, and write its length and its checksum anew."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks or data[:4] != b"\x89PNG":
        return rng.choice(BYTES)(rng, data)
    at = rng.randrange(len(chunks))
    kind, content = chunks[at]
    choice = rng.randrange(5)
    if choice == 0:
        chunks.insert(rng.randrange(len(chunks)), chunks[at])
    elif choice == 1:
        del chunks[at]
    elif choice == 2:
        chunks.insert(
            at,
            (rng.choice((b"acTL", b"fcTL", b"eXIf", b"iCCP", b"zTXt", b"tRNS", b"PLTE")), content),
        )
    else:
        chunks[at] = kind, rng.choice(BYTES)(rng, content) if content else b"\0"
    return data[:8] + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def in_tiff(rng: random.Random, data: bytes) -> bytes:
    """Change a field of an entry in the first directory of a TIFF file."""
    if data[:2] not in (b"II", b"MM") or len(data) < 16:
        return rng.choice(BYTES)(rng, data)
    order = "little" if data[:2] == b"II" else "big"
    start = int.from_bytes(data[4:8], order)
    entries = int.from_bytes(data[start : start + 2], order)
    if not 0 < entries < 100:
        return rng.choice(BYTES)(rng, data)
    at = start + 2 + 12 * rng.randrange(entries)
    offset, size = rng.choice(((0, 2), (2, 2), (4, 4), (8, 4), (8, 2)))
    number = rng.choice((*EDGES, rng.randrange(300), rng.randrange(254, 400)))
    field = (number % 256**size).to_bytes(size, order)
    return data[: at + offset] + field + data[at + offset + size :]


def in_start(rng: random.Random, data: bytes) -> bytes:
    """Change one of the first bytes, where images say what they are."""
    return rng.choice(BYTES)(rng, data[:64]) + data[64:]


MODEL: tuple[Change, ...] = (in_model,)
NPY: tuple[Change, ...] = (in_npy,)
NPZ: tuple[Change, ...] = (in_npz,)
CSV: tuple[Change, ...] = (in_text, in_text, in_lines)
PACKED_CSV: tuple[Change, ...] = (in_packed,)
PARQUET: tuple[Change, ...] = (in_footer, in_pages)
IMAGE: tuple[Change, ...] = (in_png, in_tiff, in_start)

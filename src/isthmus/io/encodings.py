"""How the bytes of a text file are characters: as its user says, or as its bytes show."""

from __future__ import annotations

import codecs
import re
import warnings
from typing import TYPE_CHECKING

from isthmus.io.choices import TableError
from isthmus.words import suggestion

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = ("utf-8", "utf-16", "cp1252", "latin-1", "cp1250", "cp1251", "shift_jis", "gb18030", "big5")
OLD = "cp1252"  # of Windows, in which most text stands that is not UTF-8
CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")  # in no text
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(path: Path, content: bytes, encoding: str | None) -> str:
    """Return the text of a file, its lines ended by line feeds alone if it knows no others.

    Raises
    ------
    TableError
        If the text is not in its encoding, or there is none.
    """
    text = _guessed(path, content) if encoding is None else _decode(path, content, _known(encoding))
    if not text.strip():
        raise TableError(f"{path} is empty.")
    return text if "\n" in text else text.replace("\r", "\n")


def is_utf8(encoding: str) -> bool:
    """Return whether a name of an encoding is one of UTF-8."""
    try:
        return codecs.lookup(encoding).name.startswith("utf-8")
    except LookupError:
        return False


def _known(encoding: str) -> str:
    """Return the name by which Python knows an encoding of text."""
    try:
        "".encode(encoding)
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        near = suggestion(encoding, KNOWN)
        raise TableError(
            f"--encoding {encoding!r} is no encoding of text.{near} Known: {', '.join(KNOWN)} and "
            "others."
        ) from error
    return "utf-8-sig" if name == "utf-8" else name


def _guessed(path: Path, content: bytes) -> str:
    """Return text in UTF-8 or UTF-16 as it is, and other text as Windows writes it, with a warning."""
    if content.startswith(WIDE):
        return _decode(path, content, "utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    if CONTROLS.search(content):
        raise TableError(f"{path}, line {line}: this is not UTF-8, and no other text either.")
    text = _decode(path, content, OLD)
    warnings.warn(
        f"{path}, line {line}: this is not UTF-8, and is read as {OLD}; if letters are wrong, say what "
        "it is with --encoding.",
        stacklevel=2,
    )
    return text


def _decode(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeError as error:
        line = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
        raise TableError(
            f"{path}, line {line}: this is not {encoding}; say what it is with --encoding, or save it "
            "as UTF-8."
        ) from error

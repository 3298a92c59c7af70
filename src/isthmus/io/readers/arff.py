"""`.arff`, the format of Weka and OpenML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from isthmus.io.choices import TableError
from isthmus.io.encodings import decoded
from isthmus.io.endings import PACKED
from isthmus.io.packed import check_size, unpacked
from isthmus.io.reading import reader
from isthmus.io.table import Table
from isthmus.io.tabled import typed_table
from isthmus.io.text import check_names
from isthmus.schema import TwoReadings, as_dates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

QUOTED = r"'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\""
WORD = re.compile(rf"\s*+({QUOTED}|[^,'\"]*+)\s*+(,|$)")  # and what follows it
ATTRIBUTE = re.compile(rf"@attribute\s+({QUOTED}|\S+)\s+(.+)", re.IGNORECASE)
SPARSE = re.compile(rf"(\d{{1,9}})\s+({QUOTED}|[^,'\"]+?)\s*")
ESCAPE = re.compile(r"\\(.)")
NUMBERS = ("numeric", "real", "integer")
MISSING = "?"
CELL = 8  # bytes in memory, at least: a sparse row has all cells, and names few


class Attribute(NamedTuple):
    """A column as the header declares it; a nominal one has levels."""

    name: str
    kind: str
    levels: tuple[str, ...] = ()


@reader(".arff", *(f".arff{ending}" for ending in PACKED))
def read(path: Path, *, encoding: str | None = None) -> Table:
    """Return a table with the types that the header declares."""
    lines = enumerate(decoded(path, unpacked(path), encoding).splitlines(), 1)
    attributes = list(_header(path, lines))
    if not attributes:
        raise TableError(f"{path} is no ARFF file, or is damaged: it declares no attribute.")
    check_names(path, [a.name for a in attributes])
    rows = [(n, line) for n, line in lines if _says_more(line)]
    check_size(path, len(rows) * len(attributes) * CELL)
    cells = [_cells(path, n, line, attributes) for n, line in rows]
    columns = zip(*cells, strict=True) if cells else ([] for _ in attributes)
    typed = [_column(path, a, c) for a, c in zip(attributes, columns, strict=True)]
    return typed_table(path, pl.DataFrame(typed))


def _says_more(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("%")


def _header(path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[Attribute]:
    """Yield the attributes, and leave the lines that follow `@data`."""
    for number, line in lines:
        stripped = line.strip()
        if stripped.lower().startswith("@data"):
            return
        if stripped.lower().startswith("@attribute"):
            found = ATTRIBUTE.fullmatch(stripped)
            if found is None:
                raise TableError(
                    f"{path}, line {number}: this declares no attribute: {stripped[:60]!r}."
                )
            yield _attribute(path, number, _plain(found[1]), found[2])
    raise TableError(f"{path} is no ARFF file, or is cut off: it has no line @data.")


def _attribute(path: Path, number: int, name: str, kind: str) -> Attribute:
    if kind.startswith("{"):
        inner = kind[1:].rpartition("}")[0]
        return Attribute(name, "nominal", tuple(dict.fromkeys(_words(path, number, inner))))
    word = kind.split()[0].lower()
    if word not in (*NUMBERS, "string", "date"):
        raise TableError(
            f"{path}, line {number}: the attribute {name!r} is of the type {word!r}, which is "
            "not read."
        )
    return Attribute(name, word)


def _plain(word: str) -> str:
    """Return a word without its quotes."""
    return ESCAPE.sub(r"\1", word[1:-1]) if word[:1] in ("'", '"') else word.strip()


def _words(path: Path, number: int, line: str) -> list[str]:
    """Return the words between commas."""
    if "'" not in line and '"' not in line:
        return [word.strip() for word in line.split(",")]
    words, at = [], 0
    while at <= len(line):
        found = WORD.match(line, at)
        if found is None:
            raise TableError(
                f"{path}, line {number}: a quote does not end, or stands within a word."
            )
        words.append(found[1])
        at = found.end() + (not found[2])
    return [_plain(word) if word != MISSING else word for word in words]


def _cells(path: Path, number: int, line: str, attributes: Sequence[Attribute]) -> Sequence[str]:
    """Return the cells of a row; one in braces names those that are not the first value."""
    if line.lstrip().startswith("{"):
        return _sparse_cells(path, number, line, attributes)
    cells = _words(path, number, line)
    if len(cells) != len(attributes):
        raise TableError(
            f"{path}, line {number}: {len(cells)} cells, but the header declares {len(attributes)}."
        )
    return cells


def _sparse_cells(
    path: Path, number: int, line: str, attributes: Sequence[Attribute]
) -> Sequence[str]:
    cells = [a.levels[0] if a.levels else "0" for a in attributes]
    inner = line.strip()[1:].rpartition("}")[0]
    for part in re.split(r",(?=\s*\d+\s)", inner) if inner.strip() else []:
        found = SPARSE.fullmatch(part.strip())
        if found is None or int(found[1]) >= len(cells):
            raise TableError(f"{path}, line {number}: {part[:60]!r} is no cell of a sparse row.")
        cells[int(found[1])] = _plain(found[2])
    return cells


def _column(path: Path, attribute: Attribute, cells: Sequence[str]) -> pl.Series:
    text = pl.Series(attribute.name, cells, dtype=pl.String)
    text = text.set(text == MISSING, None)
    if attribute.kind in NUMBERS:
        return _checked(path, text, text.cast(pl.Float64, strict=False), "number")
    if attribute.kind == "nominal":
        levels = pl.Enum(attribute.levels)
        return _checked(
            path, text, text.cast(levels, strict=False), "level that the header declares"
        )
    return _dates(text) if attribute.kind == "date" else text


def _dates(text: pl.Series) -> pl.Series:
    """Return dates of a style that is read, and others as text."""
    try:
        dates = as_dates(text)
    except TwoReadings:
        return text
    return text if dates is None or dates.null_count() > text.null_count() else dates


def _checked(path: Path, text: pl.Series, column: pl.Series, what: str) -> pl.Series:
    odd = column.is_null() & text.is_not_null()
    if odd.any():
        row = odd.arg_max() or 0
        raise TableError(
            f"{path}, row {row}: {text[row]!r} in the column {text.name!r} is no {what}."
        )
    return column

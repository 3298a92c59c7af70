"""Tables in and out: CSV, Parquet, `.npy` and `.npz` files as rows for an estimator.

A file is untrusted: nothing is unpickled, no size is allocated that the file does not hold, and
each error names the file, the line or the columns, and what to do.
"""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.io.arrays import MOST_UNPACKED, MOST_UNPACKED_RATIO, read_npy, read_npz
from isthmus.io.arrays import TableError as TableError
from isthmus.io.atomic import write_whole
from isthmus.words import columns_named, first_line, is_or_are, listed, shortened, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MISSING_CELLS = ("", "NA", "NaN", "nan", "null", "?")
TEXT_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
WRITTEN_ENDINGS = (".csv", ".csv.gz", ".parquet", ".npy")


class Table(NamedTuple):
    """What a file holds: a frame of named columns, or an array without names.

    The columns of text files are all strings, so that identifiers stay as they are written;
    `separator` marks these files, and is None for typed ones.
    """

    path: Path
    rows: pl.DataFrame | np.ndarray
    separator: str | None = None


class Rows(NamedTuple):
    """What a command works on: numeric rows, the identifiers beside them, and their weights."""

    X: pl.DataFrame | np.ndarray
    ids: pl.DataFrame
    weight: np.ndarray | None = None


def file_ending(path: Path) -> str:
    """Return the ending that decides on the format: `.csv.gz` for `a.b.csv.gz`."""
    suffixes = [s.lower() for s in path.suffixes]
    return "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


def file_stem(path: Path) -> str:
    """Return a file's name without the ending that decides on its format."""
    return path.name[: -len(file_ending(path))] if file_ending(path) else path.name


# -- reading -------------------------------------------------------------------------------------


def read_table(path: Path, *, key: str | None = None, header: bool = True) -> Table:
    """Read a table.

    Parameters
    ----------
    path : Path
        A `.csv`, `.tsv` (both also with `.gz`), `.parquet`, `.npy` or `.npz` file.
    key : str, optional
        Which array of a `.npz` file.
    header : bool
        Whether the first line of a text file holds the names of its columns.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If the file is missing, foreign, damaged or empty.
    """
    kind = file_ending(path)
    if kind not in READERS:
        raise TableError(f"{path} has the ending {kind!r}; tables end in {listed([*READERS])}.")
    if key is not None and kind != ".npz":
        raise TableError(f"{path} is one table: --key chooses an array of a .npz file.")
    try:
        return READERS[kind](path, key, header)
    except OSError as error:
        raise TableError(f"Cannot read {path}: {error.strerror or error}.") from error


def _read_text(path: Path, key: str | None, header: bool) -> Table:
    text = _decoded(path)
    separator = "\t" if file_ending(path).startswith(".tsv") else _separator(text)
    names = _check_lines(path, text, separator)
    if not header:
        names = [f"column_{i + 1}" for i in range(len(names))]
    _check_names(path, names)
    text = _without_blank_lines(text)
    try:
        frame = pl.read_csv(
            text.encode(), separator=separator, has_header=header, infer_schema=False
        )
    except pl.exceptions.NoDataError:
        frame = pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        raise TableError(f"{path} cannot be read: {first_line(error)}.") from error
    if frame.is_empty():
        raise TableError(f"{path} has a header, but no rows.")
    frame.columns = names
    return Table(path, frame, separator)


def _decoded(path: Path) -> str:
    content = _unpacked(path) if path.suffix.lower() == ".gz" else path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(f"{path}, line {line}: this is not UTF-8; save it as UTF-8.") from error
    if not text.strip():
        raise TableError(f"{path} is empty.")
    return text if "\n" in text else text.replace("\r", "\n")


def _unpacked(path: Path) -> bytes:
    """Return what a gzip file holds; refuse a bomb before it takes the memory."""
    most = max(MOST_UNPACKED, MOST_UNPACKED_RATIO * path.stat().st_size)
    try:
        with gzip.open(path) as file:
            content = file.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"{path} is no gzip file, or is cut off or damaged.") from error
    if len(content) > most:
        raise TableError(f"{path} unpacks to more than {most:,} bytes: if it is right, unpack it.")
    return content


def _separator(text: str) -> str:
    """Return what separates the cells; a single column has nothing, and a comma does no harm."""
    sample = text[: 2**14]
    sample = sample[: sample.rfind("\n") + 1] or sample  # whole lines
    try:
        found = csv.Sniffer().sniff(sample, delimiters=",;\t|").delimiter
    except csv.Error:
        found = ""
    first = sample.partition("\n")[0]
    return found if found and found in first else max(",;\t|", key=first.count)


def _check_lines(path: Path, text: str, separator: str) -> list[str]:
    """Return the cells of the first line; raise for a line that has more or fewer."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        first = [cell.strip() for cell in next(row for row in reader if row)]
        lines = ((reader.line_num, len(row)) for row in reader)
        if '"' not in text:  # then counting is enough, and many times faster
            plain = enumerate(text.split("\n"), 1)
            lines = ((i, line.count(separator) + 1) for i, line in plain if line.strip("\r"))
        for number, width in lines:
            if width not in (0, len(first)):
                raise TableError(
                    f"{path}, line {number}: {width} cells, but the first line has {len(first)} "
                    f"(cells are separated by {separator!r})."
                )
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num}: {error}.") from error
    return [name or f"column_{i + 1}" for i, name in enumerate(first)]


def _without_blank_lines(text: str) -> str:
    """Drop blank lines, which would be rows of missing cells; within quotes they are kept."""
    if '"' in text:
        return text.strip("\r\n")
    return "\n".join(line for line in text.split("\n") if line.strip("\r"))


def _check_names(path: Path, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise TableError(
                f"{path} has two columns named {name!r}, {names.index(name) + 1} and {i + 1}: "
                "rename one, or read a file without names with --no-header."
            )


def _read_parquet(path: Path, key: str | None, header: bool) -> Table:
    try:
        with path.open("rb") as file:  # a path given as text would be expanded as a pattern
            frame = pl.read_parquet(file)
    except pl.exceptions.PolarsError as error:
        raise TableError(f"{path} is no Parquet file, or is damaged.") from error
    if frame.is_empty():
        raise TableError(f"{path} has no rows.")
    return Table(path, frame)


def _read_npy(path: Path, key: str | None, header: bool) -> Table:
    return Table(path, read_npy(path))


def _read_npz(path: Path, key: str | None, header: bool) -> Table:
    return Table(path, read_npz(path, key))


# What reads a file of each ending, given `key` and `header` of `read_table`.
READERS: dict[str, Callable[[Path, str | None, bool], Table]] = {
    **dict.fromkeys(TEXT_ENDINGS, _read_text),
    ".parquet": _read_parquet,
    ".npy": _read_npy,
    ".npz": _read_npz,
}


# -- choosing columns ----------------------------------------------------------------------------


def choose_columns(
    table: Table,
    *,
    names: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    ignore: Sequence[str] = (),
    ids: Sequence[str] = (),
    weight: str | None = None,
) -> Rows:
    """Take the numeric columns to work on, the identifiers and the weights out of a table.

    Parameters
    ----------
    table : Table
        What was read.
    names : sequence of str, optional
        The columns a model was fitted on: these are taken, in this order, and all others left.
    columns, ignore, ids : sequences of str
        The columns to take, to leave out and to carry through: names, or several with commas
        between. By default all columns are taken that are not in one of the other two.
    weight : str, optional
        The column with the weights of the rows.

    Returns
    -------
    Rows

    Raises
    ------
    TableError
        For unknown and missing columns, for columns that are not numeric, and for missing cells.
    """
    if isinstance(table.rows, np.ndarray):
        if columns or ignore or ids or weight is not None:
            raise TableError(
                f"{table.path} is an array without column names: --columns, --ignore, --id and "
                "--weight need a CSV or Parquet file."
            )
        return Rows(table.rows, pl.DataFrame())
    frame, path = table.rows, table.path
    kept, left, chosen = (_resolved(path, frame.columns, some) for some in (ids, ignore, columns))
    weights = [] if weight is None else _resolved(path, frame.columns, [weight])
    taken = _taken(path, frame.columns, names, chosen, [*kept, *left, *weights])
    X = _numbers(path, frame.select(taken), table.separator)
    if not weights:
        return Rows(X, frame.select(kept))
    weigh = _numbers(path, frame.select(weights), table.separator)
    return Rows(X, frame.select(kept), weigh.to_series().to_numpy())


def _resolved(path: Path, known: list[str], given: Sequence[str]) -> list[str]:
    """Return the columns' names: each entry is one name, or several with commas between."""
    wanted = [n for g in given for n in ([g] if g in known else map(str.strip, g.split(",")))]
    for name in wanted:
        if name not in known:
            raise TableError(
                f"{path} has no column {name!r}.{suggestion(name, known)} It has: "
                f"{shortened(known)}."
            )
    return list(dict.fromkeys(wanted))


def _taken(
    path: Path,
    known: list[str],
    names: Sequence[str] | None,
    chosen: list[str],
    others: list[str],
) -> list[str]:
    """Return the columns to work on: those of the model, those chosen, or all but the others."""
    if names is not None:
        absent = [n for n in names if n not in known]
        if absent:
            raise TableError(
                f"{path} lacks {columns_named(absent)}, which the model was fitted on."
            )
        return list(names)
    both = [n for n in chosen if n in others]
    if both:
        raise TableError(f"{path}: {columns_named(both)} cannot be both chosen and left out.")
    taken = chosen or [n for n in known if n not in others]
    if not taken:
        raise TableError(f"{path} has no columns left to work on.")
    return taken


def _numbers(path: Path, frame: pl.DataFrame, separator: str | None) -> pl.DataFrame:
    """Return columns as numbers without gaps, or raise an error that names the bad ones."""
    found = {column.name: as_numbers(column, separator) for column in frame}
    text = [name for name, column in found.items() if column is None]
    if text:
        raise TableError(
            f"{path}: {columns_named(text)} {is_or_are(text)} not numeric: leave them out "
            f"with --ignore {','.join(text)!r}, choose others with --columns, or carry identifiers "
            "through with --id."
        )
    numbers = pl.DataFrame([column for column in found.values() if column is not None])
    _check_gaps(path, numbers)
    return numbers


def as_numbers(column: pl.Series, separator: str | None) -> pl.Series | None:
    """Return a column as numbers, with null for a missing cell; None if it holds other things."""
    if separator is not None:
        return _parsed(column, separator)
    if column.dtype == pl.Boolean:
        return column.cast(pl.UInt8)
    if column.dtype == pl.Null:
        return column.cast(pl.Float64)
    if not column.dtype.is_numeric():
        return None
    plain = column.dtype.is_float() or (column.dtype.is_integer() and column.dtype != pl.Int128)
    return column if plain else column.cast(pl.Float64)


def _parsed(column: pl.Series, separator: str) -> pl.Series | None:
    """Parse a column of strings; with semicolons between the cells a comma can be the point."""
    cells = column.str.strip_chars()
    cells = cells.set(cells.is_in(MISSING_CELLS), None)
    points = [cells, cells.str.replace(",", ".", literal=True)] if separator == ";" else [cells]
    for text in points:
        numbers = text.cast(pl.Float64, strict=False)
        if numbers.null_count() == cells.null_count():
            return numbers
    words = cells.str.to_lowercase()
    if words.is_in(["true", "false"]).all():
        return (words == "true").cast(pl.UInt8)
    return None


def _check_gaps(path: Path, frame: pl.DataFrame) -> None:
    """Raise a TableError that names the columns with missing or infinite cells, and how many."""
    gaps, endless = {}, {}
    for column in frame:
        broken = column.is_nan().sum() if column.dtype.is_float() else 0
        gaps[column.name] = column.null_count() + int(broken or 0)
        endless[column.name] = int(column.is_infinite().sum() or 0)
    for kind, counts in (("missing", gaps), ("infinite", endless)):
        bad = {name: n for name, n in counts.items() if n}
        if bad:
            counted = ", ".join(f"{name!r} ({n})" for name, n in bad.items())
            raise TableError(
                f"{path} has {kind} cells in {counted}: fill them or drop these rows first, or "
                f"leave the columns out with --ignore {','.join(bad)!r}."
            )


def looks_headless(table: Table, names: Sequence[str]) -> bool:
    """Return whether the names of a text file's columns look like a row of data."""
    cells = pl.Series(names, dtype=pl.String).cast(pl.Float64, strict=False)
    return table.separator is not None and len(names) > 0 and cells.null_count() == 0


# -- writing -------------------------------------------------------------------------------------


def check_table_output(
    path: Path, kinds: Sequence[str], *, force: bool, inputs: Sequence[Path | None] = ()
) -> None:
    """Raise a TableError unless a file can be written, before work is done that would be lost."""
    if file_ending(path) not in kinds:
        raise TableError(f"The output {path} must end in {listed(kinds)}.")
    if not path.parent.is_dir():
        raise TableError(f"Cannot write {path}: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise TableError(f"Cannot write {path}: it is a folder.")
    if path.exists() and any(p is not None and p.exists() and path.samefile(p) for p in inputs):
        raise TableError(f"The output {path} is also an input; give another with -o.")
    if path.exists() and not force:
        raise TableError(f"{path} exists; overwrite it with --force, or give another with -o.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise TableError(f"Cannot write {path}: {error.strerror or error}.") from error


def write_table(path: Path, frame: pl.DataFrame, *, raw: bool = False) -> None:
    """Write a frame whole or not at all, in the format of the path's ending.

    Parameters
    ----------
    path : Path
        A `.csv`, `.csv.gz`, `.parquet` or `.npy` file; `.npy` takes numbers only.
    frame : DataFrame
        The columns.
    raw : bool
        Whether text in CSV files is written as it is; otherwise text that a spreadsheet would run
        as a formula gets an apostrophe in front.
    """
    kind, file = file_ending(path), io.BytesIO()
    if kind == ".parquet":
        frame.write_parquet(file)
        content = file.getvalue()
    elif kind == ".npy":
        content = array_bytes(frame.to_numpy())
    else:
        content = csv_text(frame, raw=raw).encode()
        content = gzip.compress(content, mtime=0) if kind == ".csv.gz" else content
    write_whole(path, content)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array to a `.npy` file, whole or not at all."""
    write_whole(path, array_bytes(array))


def array_bytes(array: np.ndarray) -> bytes:
    """Return an array as the content of a `.npy` file."""
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def csv_text(frame: pl.DataFrame, *, raw: bool = False) -> str:
    """Return a frame as CSV, by default with text that no spreadsheet takes for a formula."""
    if not raw:
        frame = frame.with_columns(_harmless(c) for c in frame if c.dtype == pl.String)
        frame.columns = _harmless(pl.Series(frame.columns, dtype=pl.String)).to_list()
    return frame.write_csv()


def _harmless(column: pl.Series) -> pl.Series:
    """Put an apostrophe before text that starts like a formula, except before numbers."""
    number = column.cast(pl.Float64, strict=False).is_not_null()
    formula = column.str.contains(r"^[=+\-@\t\r]") & ~number
    frame = pl.DataFrame({"text": column, "formula": formula})
    quoted = pl.when("formula").then("'" + pl.col("text")).otherwise("text")
    return frame.select(quoted.alias(column.name)).to_series()

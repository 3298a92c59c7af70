"""The readers of files that nobody vouches for, with seeds, and with the errors that are documented."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fuzz import formats, seeds_arrays, seeds_models, seeds_tables
from fuzz.mutate import BYTES, Change

import isthmus
from isthmus.io import ModelFileError, TableError, choose_columns, read_images, read_table


class Reader(NamedTuple):
    """What reads a file of this name, and what files to begin with."""

    file: str
    read: Callable[[Path], object]
    error: type[Exception]
    seeds: Callable[[], list[bytes]]
    changes: Sequence[Change]


def model(path: Path) -> object:
    """Load a model; what loads has its own digest."""
    loaded = isthmus.load(path)
    if formats.claims(path.read_bytes()):
        raise AssertionError("A file without its own digest was loaded")
    return loaded


def table(path: Path) -> object:
    """Read a table, and take all its columns as numbers."""
    return choose_columns(read_table(path))


def mixed(path: Path) -> object:
    """Read a table, and take its columns as what they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as that of a cell that makes a column text
        return choose_columns(read_table(path), mixed=True)


def without_header(path: Path) -> object:
    """Read a table whose first line holds no names."""
    return choose_columns(read_table(path, header=False))


def set_apart(path: Path) -> object:
    """Read a table of which some rows are none for a model; each is one of them, or says why."""
    table = read_table(path)
    rows = choose_columns(table, set_apart=True)
    good = len(table.rows) if rows.problems is None else rows.problems.null_count()
    if len(rows.X) != good:
        raise AssertionError("Some rows are neither read nor set apart")
    return rows


def images(path: Path) -> object:
    """Read the folder of one image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as that of several frames the first is read
        return read_images(path.parent)


def image_seeds() -> list[bytes]:
    """Return images of each format."""
    of = seeds_arrays
    return [*of.png_seeds(), *of.jpeg_seeds(), *of.tiff_seeds(), *of.bmp_seeds()]


_TEXT = Reader("x.csv", table, TableError, seeds_tables.seeds, formats.CSV)
READERS = {
    "model": Reader("x.isthmus", model, ModelFileError, seeds_models.seeds, formats.MODEL),
    "csv": _TEXT,
    "csv-gz": _TEXT._replace(
        file="x.csv.gz", seeds=seeds_tables.packed_seeds, changes=formats.PACKED_CSV
    ),
    "tsv": _TEXT._replace(file="x.tsv", seeds=seeds_tables.tab_seeds),
    "no-header": _TEXT._replace(read=without_header, seeds=seeds_tables.nameless_seeds),
    "bad-rows": _TEXT._replace(read=set_apart, seeds=seeds_tables.bad_seeds),
    "mixed": _TEXT._replace(read=mixed),
    "json-lines": Reader("x.jsonl", mixed, TableError, seeds_tables.json_seeds, formats.CSV),
    "arff": Reader("x.arff", mixed, TableError, seeds_tables.arff_seeds, formats.CSV),
    "arrow": Reader("x.arrow", mixed, TableError, seeds_tables.arrow_seeds, BYTES),
    "sqlite": Reader("x.db", mixed, TableError, seeds_tables.sqlite_seeds, BYTES),
    "mat": Reader("x.mat", mixed, TableError, seeds_arrays.mat_seeds, BYTES),
    "parquet": Reader("x.parquet", table, TableError, seeds_tables.parquet_seeds, formats.PARQUET),
    "npy": Reader("x.npy", table, TableError, seeds_arrays.npy_seeds, formats.NPY),
    "npz": Reader("x.npz", table, TableError, seeds_arrays.npz_seeds, formats.NPZ),
    "images": Reader("x.png", images, TableError, image_seeds, formats.IMAGE),
}

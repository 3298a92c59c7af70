"""What commands begin with: files that are there, options that can be, models and rows."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import isthmus
from isthmus.cli import folders
from isthmus.cli.folders import Source, Wanted
from isthmus.cli.options import Model
from isthmus.cli.outputs import Written
from isthmus.cli.terminal import UsageError, usage_errors
from isthmus.io.arrays import TableError
from isthmus.io.tables import (
    MISSING_CELLS,
    WRITTEN_ENDINGS,
    Rows,
    as_numbers,
    choose_columns,
    file_ending,
    looks_headless,
    read_table,
)


def check_present(*paths: Path | None, folders: bool = False) -> None:
    """Raise a TableError for a file that is not there."""
    for path in paths:
        if path is not None and not (path.is_file() or (folders and path.is_dir())):
            kind = "file or folder" if folders and not path.suffix else "file"
            raise TableError(f"Cannot read {path}: there is no such {kind}.")


def use_cache() -> None:
    """Keep compiled programs on disk; without a folder for them the work is only slower."""
    from isthmus.training.runtime import cache_folder

    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # else JAX would warn of every single program
            isthmus.enable_compilation_cache()
    except (OSError, RuntimeError) as error:
        warnings.warn(f"Compiled programs are not kept: {error}.", stacklevel=2)


def configured(ae: isthmus.Autoencoder, equation: Model) -> isthmus.Autoencoder:
    """Set the options that were given, or raise a UsageError where they cannot be."""
    from isthmus.autoencoder.validation import check_parameters
    from isthmus.model.slots import resolve_slots
    from isthmus.training.runtime import find_device

    with usage_errors():
        ae.set_params(**equation.given())
        check_parameters(ae)
        resolve_slots(ae)
        find_device(ae.device)
    return ae


# -- rows ----------------------------------------------------------------------------------------


def read_rows(
    source: Source,
    names: Any,
    weight: str | None = None,
    *,
    wanted: Wanted | None = None,
    named: bool = True,
    weighted: bool = True,
) -> Rows:
    """Read a file and choose its columns, or read a folder of images.

    `wanted` is what images must be, `named` whether the model knows columns by name, `weighted`
    whether the column of weights must be there.
    """
    path, columns = source.path, source.columns
    if source.is_folder:
        return folders.read(path, source.pictures, wanted)
    table = read_table(path, key=columns.key, header=not columns.no_header)
    if not weighted and weight not in getattr(table.rows, "columns", ()):
        weight = None
    rows = choose_columns(
        table,
        names=names,
        columns=columns.columns,
        ignore=columns.ignore,
        ids=columns.id,
        weight=weight,
    )
    if isinstance(rows.X, pl.DataFrame):
        if names is None and looks_headless(table, rows.X.columns):
            warnings.warn(
                f"The first line of {path} looks like data, not like names; if it is, give "
                "--no-header.",
                stacklevel=2,
            )
        if not named:
            return rows._replace(X=rows.X.to_numpy())
    return rows


def fitted_rows(fitted: Any, path: Path, source: Source) -> Rows:
    """Read the rows for what was fitted, and saved in this file."""
    names = getattr(fitted, "feature_names_in_", None)
    return read_rows(source, names, wanted=wanted(fitted, path), named=names is not None)


def wanted(fitted: Any, path: Path) -> Wanted:
    """Return what a fitted model or detector asks of images."""
    return Wanted(fitted.sample_shape_ or (fitted.n_features_in_,), f"{path} was fitted on")


def rows_like(rows: Rows, trained: Path, source: Source, weight: str | None = None) -> Rows:
    """Read more rows with the columns of those trained on; weights need not be there."""
    names = rows.X.columns if isinstance(rows.X, pl.DataFrame) else None
    shape = np.shape(rows.X)[1:]
    more = read_rows(
        source,
        names,
        weight,
        wanted=Wanted(shape, f"{trained} has"),
        named=names is not None,
        weighted=False,
    )
    if np.shape(more.X)[1:] != shape:
        raise TableError(
            f"{source.path} has rows of shape {np.shape(more.X)[1:]}, but those of {trained} have "
            f"{shape}."
        )
    return more


def opened(
    model: Path,
    data: Source,
    written: Written,
    *,
    folder: bool = False,
    load: Callable[[Path], Any] = folders.load_model,
) -> tuple[Any, Rows]:
    """Load a model and read the rows for it, once it is clear that the result can be written."""
    check_present(model)
    check_present(data.path, folders=True)
    data.check()
    arrays = not folder and written.output is not None and file_ending(written.output) == ".npy"
    if written.output is not None and folder:
        folders.check_output(written.output, data)
    else:
        written.check(WRITTEN_ENDINGS, model, data.path)
        if data.columns.id and arrays:
            raise UsageError(
                f"Identifiers do not fit into {written.output}: write .csv or .parquet."
            )
    use_cache()
    ae = load(model)
    rows = fitted_rows(ae, model, data)
    return ae, rows._replace(ids=pl.DataFrame()) if arrays else rows  # .npy has no place for text


# -- columns beside the rows ---------------------------------------------------------------------


def values(column: pl.Series) -> pl.Series:
    """Return a column as numbers where it holds nothing else, with null where a cell is missing."""
    if column.dtype != pl.String:
        return column
    numbers = as_numbers(column, ",")
    return labels(column) if numbers is None else numbers


def labels(column: pl.Series) -> pl.Series:
    """Return a column of text with null where a cell is missing."""
    if column.dtype != pl.String:
        return column
    cells = column.str.strip_chars()
    return cells.set(cells.is_in(MISSING_CELLS), None)

"""What `isthmus compare` does."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import isthmus
from isthmus.cli import folders, sources
from isthmus.cli.folders import Source as Source
from isthmus.cli.options import Classes, Common, Model
from isthmus.cli.outputs import TABLES
from isthmus.cli.terminal import UsageError, show_json, show_text, usage_errors, warned
from isthmus.comparison import known_classifiers
from isthmus.io.tables import check_table_output, file_ending, write_table


def compare(
    source: Source,
    wanted: Classes,
    equation: Model,
    output: Path | None,
    common: Common,
    *,
    force: bool,
) -> int:
    """Compare, tell, and write the table."""
    _check(source, wanted, equation, output, force)
    sources.use_cache()
    model = _model(wanted, equation, common)
    rows, y = _labelled(source, wanted, getattr(model, "feature_names_in_", None))
    result = isthmus.compare(
        model,
        rows,
        y,
        classifiers=wanted.names,
        cv=wanted.cv,
        unlabelled=wanted.unlabelled,
        random_state=equation.random_state,
    )
    if output is not None:
        write_table(output, pl.DataFrame(result.table))
    if common.json:
        told = {} if output is None else {"output": str(output)}
        show_json({**told, **result.facts(), "warnings": warned})
    else:
        show_text(f"{result}\n")
    return 0


def _check(
    source: Source, wanted: Classes, equation: Model, output: Path | None, force: bool
) -> None:
    """Raise an error before any work where a file or an option cannot be."""
    sources.check_present(source.path, folders=True)
    sources.check_present(wanted.model)
    if source.is_folder:
        raise UsageError(f"{source.path} is a folder of images: --label is for tables.")
    given = [name for name in equation.given() if name != "random_state"]
    if wanted.model is not None and given:
        raise UsageError(
            f"--model takes a model as it is: --{given[0].replace('_', '-')} cannot be given."
        )
    if wanted.cv < 2:
        raise UsageError(f"--cv must be at least 2; got {wanted.cv}.")
    with usage_errors():
        known_classifiers(wanted.names)
    if output is not None:
        inputs = (source.path, wanted.model)
        check_table_output(output, TABLES, force=force, inputs=inputs)


def _model(wanted: Classes, equation: Model, common: Common) -> isthmus.Autoencoder:
    if wanted.model is not None:
        return folders.load_model(wanted.model)
    ae = sources.configured(isthmus.Autoencoder(), equation)
    return ae.set_params(verbose=0 if common.quiet else 1)


def _labelled(source: Source, wanted: Classes, names: Any) -> tuple[Any, np.ndarray]:
    """Read the rows and their classes."""
    if file_ending(source.path) in (".npy", ".npz"):
        raise UsageError(
            f"{source.path} is an array without column names: --label needs a CSV or Parquet file."
        )
    columns = dataclasses.replace(source.columns, id=(*source.columns.id, wanted.label))
    rows = sources.read_rows(dataclasses.replace(source, columns=columns), names)
    y = np.array(sources.labels(rows.ids[wanted.label]).to_list(), dtype=object)
    return rows.X, y

"""`isthmus audit`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from isthmus.cli.kinds import TakenFor
from isthmus.cli.options import (
    OUTPUT,
    Columns,
    Common,
    Seeded,
    TableOutput,
    given,
    goes_to,
    option,
    panel,
    seed_option,
    spelt,
)
from isthmus.cli.outputs import TABLES, check_columns, check_output, end
from isthmus.cli.rows import read_rows, with_lines
from isthmus.cli.sources import Source, use_cache
from isthmus.cli.terminal import UsageError, usage_errors

if TYPE_CHECKING:
    import polars as pl

    from isthmus.audit import Audit
    from isthmus.io import Rows

AUDIT = panel("The audit")
COLUMNS = ("row", "line", "column", "value", "expected", "sure", "p", "why")
SHOWN = 10  # findings on the standard output


@dataclass(frozen=True, kw_only=True)
class Page(TableOutput):
    """Where an audit goes."""

    output: Annotated[
        Path | None,
        goes_to(
            "The page (.html), or all that was found (.json); by default DATA's name with -audit.html, "
            "in this folder."
        ),
    ] = None
    table: Annotated[
        Path | None,
        option(
            OUTPUT,
            "A line for each suspicious cell, as .csv or .parquet: its row, from 0, and of text files "
            "its line, from 1.",
            metavar="FILE",
        ),
    ] = None
    title: Annotated[str | None, option(OUTPUT, "The heading of the page.")] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Judging(Seeded):
    """How cells are judged."""

    target_fpr: Annotated[
        float, option(AUDIT, "The share of right cells that may be flagged.", default=True)
    ] = 0.01
    folds: Annotated[
        int,
        option(
            AUDIT,
            "How many parts the rows are judged in; 0 fits no models and makes the checks alone.",
            default=True,
        ),
    ] = 5
    max_epochs: Annotated[
        int | None,
        option(AUDIT, "Passes of a model over its rows.", default="about 1,500 steps"),
    ] = None
    random_state: Annotated[str | None, seed_option(AUDIT)] = None


def audit(
    data: Path,
    /,
    *,
    result: Page = Page(),
    judging: Judging = Judging(),
    columns: Columns = Columns(),
    kinds: TakenFor = TakenFor(),
    common: Common = Common(),
) -> int:
    """Find what is wrong with a table: its rows, its columns, and each of its cells.

    It takes a table as it is, with words, dates and missing cells. Checks look for rows that repeat,
    typos, impossible dates, numbers that stand for something else, columns that are functions of
    others but for a few rows, and more. Then each cell is judged by what the rest of its row lets one
    expect, by models that were not trained on this row. One page shows it all, the worst first.

    For example:

        isthmus audit passengers.csv
        isthmus audit orders.parquet -o orders.html --table cells.csv --id order_no
        isthmus audit large.csv --folds 0
        isthmus audit people.csv --as zip=category --as note=ignore

    Parameters
    ----------
    data : Path
        The table.
    """
    source = Source(data, columns, kinds=kinds)
    path = result.output or Path(f"{_stem(data)}-audit.html")
    _check(source, result, judging, path)
    rows, frame, asked = _read(source)
    from isthmus.audit import Audit

    use_cache()
    with usage_errors():
        found = Audit(
            frame,
            target_fpr=judging.target_fpr,
            columns=asked,
            ids=rows.ids.columns,
            folds=judging.folds,
            random_state=judging.seed,
            max_epochs=judging.max_epochs,
            verbose=common.verbose,
        )
    title = result.title or f"What is wrong with {data.name}?"
    found.save(path, title=title, command=_command(source, result, judging, path))
    if result.table is not None:
        from isthmus.io import write_table

        write_table(result.table, with_lines(found.cells_, rows), raw=result.raw)
    return end(common, _facts(found, path, result.table), _shown(found, path, result.table))


def _check(source: Source, result: Page, judging: Judging, path: Path) -> None:
    """Refuse files that are missing or cannot be written, and options that do not fit."""
    source.check()
    if source.is_folder or source.is_array:
        raise UsageError(f"{source.path} has no named columns: an audit is of a table.")
    if result.raw and (result.table is None or not str(result.table).endswith((".csv", ".csv.gz"))):
        raise UsageError("--raw is for CSV: give one with --table, or leave it out.")
    if not 0 < judging.target_fpr < 1:
        raise UsageError(
            f"--target-fpr must be between 0 and 1, both excluded; got {judging.target_fpr:g}."
        )
    if judging.folds < 0 or judging.folds == 1:
        raise UsageError(
            f"--folds must be 0, for checks alone, or at least 2; got {judging.folds}."
        )
    from isthmus.audit import ENDINGS

    check_output(path, ENDINGS, source.path, force=result.force)
    if result.table is not None:
        check_output(result.table, TABLES, source.path, path, force=result.force)


def _read(source: Source) -> tuple[Rows, pl.DataFrame, dict[str, str]]:
    """Return the rows, the columns to look at, identifiers too, and what some are said to be."""
    import polars as pl

    rows = read_rows(source, infinite=True)
    check_columns(rows.ids, COLUMNS)
    assert isinstance(rows.X, pl.DataFrame)
    frame = pl.concat([rows.ids, rows.X], how="horizontal")
    return rows, frame, source.kinds.kinds(rows.X.columns)


def _stem(data: Path) -> str:
    from isthmus.io import file_stem

    return file_stem(data)


def _facts(found: Audit, path: Path, table: Path | None) -> dict[str, object]:
    """Return what was found, for --json."""
    facts: dict[str, object] = {"audit": str(path)}
    if table is not None:
        facts["table"] = str(table)
    return facts | found.to_dict()


def _shown(found: Audit, path: Path, table: Path | None) -> dict[str, str]:
    """Return what was found, in a few lines."""
    worst = [f for f in found.findings_ if f.severity != "note"]
    lines = {"found": found.summary()}
    lines |= {f"{i}": f"{f.severity}: {f.text}" for i, f in enumerate(worst[:SHOWN], 1)}
    if len(worst) > SHOWN:
        lines["more"] = f"{len(worst) - SHOWN:,} findings on the page"
    lines["page"] = str(path)
    return lines if table is None else lines | {"cells": str(table)}


def _command(source: Source, result: Page, judging: Judging, path: Path) -> str:
    """Return the command line that writes this page again."""
    usual = Judging()
    options = {k: v for k, v in given(judging).items() if given(usual).get(k) != v}
    options |= given(source.columns) | given(source.kinds)
    options |= {"--title": result.title, "--table": result.table}
    options |= {"--output": path, "--force": result.force}
    return shlex.join(["isthmus", "audit", str(source.path), *spelt(options)])

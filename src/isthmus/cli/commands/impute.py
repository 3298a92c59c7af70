"""`isthmus impute`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from isthmus.cli.big_filling import BigTable, big_table, fill_by_blocks
from isthmus.cli.filling import filled_file, with_intervals
from isthmus.cli.kinds import Kinds
from isthmus.cli.models import configure_columns, load_model, wanted_by
from isthmus.cli.options import (
    TABLE_FILE,
    Columns,
    Common,
    Output,
    Seeded,
    given,
    goes_to,
    option,
    panel,
    seed_option,
)
from isthmus.cli.outputs import TABLES, check_output, end
from isthmus.cli.rows import read_table_and_rows
from isthmus.cli.sources import Source, rows_of, use_cache
from isthmus.cli.terminal import UsageError, show_text

if TYPE_CHECKING:
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.cli.sources import Wanted
    from isthmus.io import Rows

IMPUTER = panel("The estimates")


@dataclass(frozen=True, kw_only=True)
class Filled(Output):
    """Where the filled table goes, if not to the standard output."""

    output: Annotated[
        Path | None, goes_to(f"{TABLE_FILE}; by default CSV on the standard output.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Estimates(Seeded):
    """How missing cells are estimated."""

    model: Annotated[
        Path | None,
        option(
            IMPUTER, "Estimate by this model; by default one is trained on DATA.", metavar="FILE"
        ),
    ] = None
    interval: Annotated[
        float | None,
        option(
            IMPUTER,
            "Add columns with intervals, and sets of levels, that hold the true cell with this "
            "probability, such as 0.9.",
        ),
    ] = None
    max_epochs: Annotated[
        int | None,
        option(IMPUTER, "Passes over the rows in training.", default="about 2,000 steps"),
    ] = None
    random_state: Annotated[str | None, seed_option(IMPUTER)] = None


def impute(
    data: Path,
    /,
    *,
    result: Filled = Filled(),
    estimates: Estimates = Estimates(),
    columns: Columns = Columns(),
    kinds: Kinds = Kinds(),
    common: Common = Common(),
) -> int:
    """Fill the missing cells of a table, by what the rest of their rows lets one expect.

    All columns of the file come back, and every cell that was there is written as it was, to the
    letter. Estimates are written as the other cells of their column are, and CSV
    has the marks between cells that the file has. A column that the others say
    nothing of gets its mean, or its most frequent level. What is left out of the model, such as
    identifiers and free text, keeps its gaps.

    For example:

        isthmus impute titanic.csv -o filled.csv
        isthmus impute titanic.csv -o filled.csv --interval 0.9 --ignore name
        isthmus fit clean.csv --corruption masking:rate=0.3 -o m.isthmus
        isthmus impute today.csv --model m.isthmus -o filled.parquet

    Parameters
    ----------
    data : Path
        The table.
    """
    source = Source(data, columns, kinds=kinds)
    _check(source, estimates, result)

    import polars as pl

    from isthmus.io import csv_text, style_of, write_table

    use_cache()
    ae, wanted = _loaded(estimates)
    big = big_table(source, wanted, result.output, common)
    if big is not None:
        return _fill_big(big, source, ae, estimates, result)
    table, rows = read_table_and_rows(source, wanted)
    typed = rows.X
    if not isinstance(table.rows, pl.DataFrame) or not isinstance(typed, pl.DataFrame):
        raise UsageError(f"{data} is an array without column names: estimates are for tables.")
    if table.unread:
        raise UsageError(f"{data} has a column that cannot be read: {', '.join(table.unread)}.")
    cells, filled = table.text(table.rows.columns), typed
    intervals: dict[str, pl.DataFrame] = {}
    if any(typed.null_count().row(0)):
        ae = ae or _trained(rows, source, estimates, common)
        filled, intervals = _estimated(ae, typed, estimates.interval)
    style = style_of(table, typed)
    found, counts, left = filled_file(cells, typed, filled, style)
    found = with_intervals(found, cells, typed, intervals, style)
    if result.output is None and not common.json:
        show_text(csv_text(found, raw=True, style=style))
        return 0
    if result.output is None:
        facts = _facts(len(found), counts, left)
        return end(common, {**facts, "table": found.to_dict(as_series=False)}, "")
    write_table(result.output, found, raw=True, style=style)  # cells stay as they are
    return _end_written(result.output, common, len(found), counts, left)


def _fill_big(
    table: BigTable,
    source: Source,
    ae: Autoencoder | None,
    estimates: Estimates,
    result: Filled,
) -> int:
    """Fill a large table block by block."""
    counts, examples = table.gaps()
    if counts.total():
        ae = ae or _trained(table.rows, source, estimates, table.common)

    def estimate(typed: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
        if ae is None or not counts.total():
            return typed, {}
        return _estimated(ae, typed, estimates.interval)

    filled, left = fill_by_blocks(table, estimate, examples, result.output)
    if result.output is None:
        return 0
    return _end_written(result.output, table.common, len(table.whole), filled, left)


def _facts(rows: int, counts: dict[str, int], left: dict[str, int]) -> dict[str, object]:
    return {"rows": rows, "filled": counts, "still_missing": left}


def _end_written(
    path: Path, common: Common, rows: int, counts: dict[str, int], left: dict[str, int]
) -> int:
    """Report a table that was written to a file."""
    shown = {"output": str(path), "data": f"{rows:,} rows", **_in_words(counts, left)}
    return end(common, {"output": str(path), **_facts(rows, counts, left)}, shown)


# -- before the work -----------------------------------------------------------------------------


def _check(source: Source, estimates: Estimates, result: Filled) -> None:
    """Refuse files that are missing or cannot be written, and options that do not fit them."""
    source.check(estimates.model)
    if source.is_folder or source.is_array:
        raise UsageError(f"{source.path} has no named columns: estimates are for cells of tables.")
    level = estimates.interval
    if level is not None and not 0 < level < 1:
        raise UsageError(f"--interval must be between 0 and 1, both excluded; got {level:g}.")
    trained = [*given(source.kinds)] + ["--max-epochs"] * (estimates.max_epochs is not None)
    if estimates.model is not None and trained:
        raise UsageError(f"--model takes a model as it is: {trained[0]} cannot be given.")
    check_output(result.output, TABLES, source.path, estimates.model, force=result.force)


def _loaded(estimates: Estimates) -> tuple[Autoencoder | None, Wanted | None]:
    """Return the model that is given, and what it asks of rows."""
    if estimates.model is None:
        return None, None
    ae = load_model(estimates.model)
    if ae.schema_ is None:
        raise UsageError(
            f"{estimates.model} was fitted on plain numbers without gaps, and knows no missing cells: "
            "leave --model out, or fit a model on rows with missing cells."
        )
    return ae, wanted_by(ae, estimates.model)


# -- the work ------------------------------------------------------------------------------------


def _imputer(estimates: Estimates, common: Common) -> Autoencoder:
    """Return a model to be trained: cells are hidden from it, as they will be."""
    from isthmus.presets import imputing

    epochs = estimates.max_epochs or "auto"
    return imputing(max_epochs=epochs, random_state=estimates.seed, verbose=common.verbose)


def _trained(rows: Rows, source: Source, estimates: Estimates, common: Common) -> Autoencoder:
    """Train without advice on errors: hidden cells, and not a narrow code, are what is learnt from."""
    ae = _imputer(estimates, common)
    configure_columns(ae, rows, source)
    with rows_of(source.path, rows), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The model's error on the", UserWarning)
        return ae.fit(rows.X)


def _estimated(
    ae: Autoencoder, typed: pl.DataFrame, level: float | None
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """Return the columns that a model saw, filled, and intervals by column if they are asked for."""
    if level is None:
        return ae.impute(typed), {}
    filled, intervals = ae.impute(typed, return_interval=level)
    return filled, intervals


def _in_words(counts: dict[str, int], left: dict[str, int]) -> dict[str, str]:
    """Return how many cells were filled, and how many were not, by column."""

    def text(some: dict[str, int]) -> str:
        listed = ", ".join(f"{name} {count:,}" for name, count in some.items())
        return f"{sum(some.values()):,} cells" + (f": {listed}" if some else "")

    lines = {"filled": text(counts)}
    return lines | {"still missing": text(left)} if left else lines

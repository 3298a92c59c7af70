"""All checks of a table that need no model, in the order of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.audit.arithmetic import reckoned_columns
from isthmus.audit.columns import (
    constant_columns,
    missing_marks,
    mixed_types,
    nested_columns,
    repeated_identifiers,
)
from isthmus.audit.dates import odd_dates
from isthmus.audit.dependencies import column_functions
from isthmus.audit.extremes import infinite_numbers, odd_numbers
from isthmus.audit.findings import ranked
from isthmus.audit.gaps import missing_cells, missing_runs, missing_together, nearly_empty_rows
from isthmus.audit.levels import odd_patterns, spelling_variants, typos, white_space
from isthmus.audit.profile import Profile
from isthmus.audit.repeats import near_duplicates, repeated_rows

if TYPE_CHECKING:
    import polars as pl

    from isthmus.audit.findings import Finding

OF_ROWS_AND_CELLS = (
    repeated_rows,
    near_duplicates,
    repeated_identifiers,
    infinite_numbers,
    odd_numbers,
    odd_dates,
    spelling_variants,
    typos,
    odd_patterns,
    mixed_types,
    missing_marks,
)
BETWEEN_COLUMNS = (column_functions, reckoned_columns)
OF_COLUMNS = (
    constant_columns,
    nearly_empty_rows,
    missing_runs,
    missing_together,
    missing_cells,
    white_space,
    nested_columns,
)
FUNCTIONS = ("one-to-one columns", "broken one-to-one", "function of a column", "broken function")
RECKONED = ("reckoned column", "broken sum")


def find_problems(table: pl.DataFrame | Profile) -> list[Finding]:
    """Return what is wrong with a table, or may be, the worst first.

    Parameters
    ----------
    table : polars.DataFrame or Profile
        The table; NaN counts as missing.

    Returns
    -------
    list of Finding
        Errors, then warnings, then notes.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"city": ["Berlin"] * 30 + ["Berlni"] + ["Rome"] * 20})
    >>> print(find_problems(frame)[0].text)
    city may have typos in 1 row: 'Berlni' for 'Berlin'.
    """
    profile = table if isinstance(table, Profile) else Profile(table)
    between = without_twice([f for check in BETWEEN_COLUMNS for f in check(profile)])
    profile.redundant = {name for finding in between for name in _redundant(finding)}
    before = [f for check in OF_ROWS_AND_CELLS for f in check(profile)]
    after = [f for check in OF_COLUMNS for f in check(profile)]
    return ranked([*before, *between, *after])


def without_twice(findings: list[Finding]) -> list[Finding]:
    """Return findings without functions of columns that a formula says more of."""
    reckoned = [{*f.columns} for f in findings if f.kind in RECKONED]
    return [f for f in findings if f.kind not in FUNCTIONS or {*f.columns} not in reckoned]


def _redundant(finding: Finding) -> tuple[str, ...]:
    """Return the columns that are functions of others by a finding."""
    if finding.kind in RECKONED:
        return finding.columns[:1]
    return finding.columns[1:] if finding.kind in (*FUNCTIONS, "duplicate columns") else ()

"""Checks of what is missing: how much, which columns together, in which rows, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.audit.findings import Finding, count_of, first_rows, marked_rows, share_text
from isthmus.audit.repeats import mixed
from isthmus.words import listed, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.audit.profile import Column, Profile

MOSTLY = 0.5  # the share of missing cells that makes a column mostly empty
NEARLY_ALL = 0.8  # of a row's cells
LEAST_TOGETHER = 5  # rows
SHOWN = 6  # names in a sentence


def missing_cells(profile: Profile) -> Iterator[Finding]:
    """Yield how much is missing, and columns that are mostly empty."""
    gaps = {c.name: c.n_missing for c in profile if c.n_missing and c.n_distinct}
    if not gaps:
        return
    total, cells = sum(gaps.values()), profile.n_rows * len(profile)
    most = sorted(gaps, key=lambda name: -gaps[name])
    words = [f"{name} ({share_text(gaps[name], profile.n_rows)})" for name in most]
    text = (
        f"{count_of(total, 'cell is', 'cells are')} missing ({share_text(total, cells)}), in "
        f"{count_of(len(gaps), 'column')}: {shortened(words, SHOWN)}."
    )
    yield Finding("missing cells", "note", text, tuple(most), numbers=dict(gaps))
    for name in most:
        if gaps[name] >= MOSTLY * profile.n_rows:
            share = share_text(gaps[name], profile.n_rows)
            text = f"{name} is missing in most rows ({share})."
            yield Finding("mostly missing column", "warning", text, (name,), (), gaps[name])


def missing_together(profile: Profile) -> Iterator[Finding]:
    """Yield columns that are missing in exactly the same rows."""
    groups: dict[int, list[Column]] = {}
    numbers = mixed(np.arange(profile.n_rows, dtype=np.uint64))
    for column in profile:
        if LEAST_TOGETHER <= column.n_missing < profile.n_rows:
            groups.setdefault(int(numbers[column.missing].sum()), []).append(column)
    for group in groups.values():
        if len(group) > 1:
            names = [c.name for c in group]
            rows = group[0].n_missing
            text = (
                f"{listed(names, 'and') if len(names) <= SHOWN else shortened(names, SHOWN)} are "
                f"missing together, in the same {count_of(rows, 'row')}."
            )
            yield Finding(
                "missing together",
                "note",
                text,
                tuple(names),
                marked_rows(group[0].missing),
                rows,
            )


def nearly_empty_rows(profile: Profile) -> Iterator[Finding]:
    """Yield rows in which nearly all is missing, of the columns that are mostly there."""
    columns = [c for c in profile if c.n_missing < MOSTLY * profile.n_rows]
    if len(columns) < 4:
        return
    missing = np.stack([c.missing for c in columns]).sum(axis=0)
    empty: np.ndarray = missing >= NEARLY_ALL * len(columns)
    count = int(empty.sum())
    if count:
        least = int(missing[empty].min())
        text = (
            f"{count_of(count, 'row has', 'rows have')} nearly no values: at least {least:,} of "
            f"{len(columns):,} cells are missing."
        )
        yield Finding("nearly empty rows", "warning", text, (), marked_rows(empty), count)


def missing_runs(profile: Profile) -> Iterator[Finding]:
    """Yield columns that are missing in one stretch of rows and nowhere else."""
    found: dict[tuple[int, int], list[str]] = {}
    for column in profile:
        if 10 <= column.n_missing <= MOSTLY * profile.n_rows:
            gaps = np.flatnonzero(column.missing)
            if gaps[-1] - gaps[0] + 1 <= 1.05 * len(gaps):
                found.setdefault((int(gaps[0]), int(gaps[-1])), []).append(column.name)
    for (first, last), names in found.items():
        text = (
            f"{shortened(names, SHOWN)} {'is' if len(names) == 1 else 'are'} missing from row "
            f"{first:,} to row {last:,} and nowhere else."
        )
        rows = first_rows(range(first, last + 1))
        yield Finding("missing stretch", "warning", text, tuple(names), rows, last - first + 1)

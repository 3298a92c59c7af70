"""What an audit finds: one thing that is wrong with a table, or may be, in a sentence."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SEVERITIES = ("error", "warning", "note")
MOST_ROWS = 1000  # that a finding names; its `count` is that of all
MOST_SINGLE = float(np.finfo(np.float32).max)
LONGEST = 60  # characters of a value in a sentence


class Guess(NamedTuple):
    """A cell that a check takes for wrong: what belongs there, and how sure it is, from 0 to 1."""

    row: int
    column: str
    expected: str
    sure: float


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a table, or may be.

    Attributes
    ----------
    kind : str
        What sort of thing, such as "near duplicates".
    severity : {"error", "warning", "note"}
        "error" is hardly right, "warning" may be right, "note" is good to know.
    text : str
        One sentence.
    columns : tuple of str
        The columns that it is about; none where it is about whole rows.
    rows : tuple of int
        Numbers of rows from 0, at most 1,000 of them.
    count : int
        How many rows, all of them.
    numbers : dict
        Figures of the sentence.
    guesses : tuple of Guess
        Cells that are wrong by this finding, at most 1,000.
    """

    kind: str
    severity: str
    text: str
    columns: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    count: int = 0
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)
    guesses: tuple[Guess, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return plain data that JSON holds."""
        found = {f: getattr(self, f) for f in ("kind", "severity", "text", "count")}
        guesses = [guess._asdict() for guess in self.guesses]
        numbers = dict(self.numbers)
        lists = {"columns": list(self.columns), "rows": list(self.rows)}
        return {**found, **lists, "numbers": numbers, "guesses": guesses}


def first_rows(rows: np.ndarray | Sequence[int]) -> tuple[int, ...]:
    """Return the first rows, as a finding names them."""
    return tuple(int(i) for i in rows[:MOST_ROWS])


def marked_rows(mask: np.ndarray) -> tuple[int, ...]:
    """Return the first rows that a mask marks."""
    return first_rows(np.flatnonzero(mask))


def guesses_at(
    rows: np.ndarray | Sequence[int], column: str, expected: str | Sequence[str], sure: float
) -> tuple[Guess, ...]:
    """Return guesses of one column, with one expectation for all rows or one for each."""
    shown = first_rows(rows)
    each = [expected] * len(shown) if isinstance(expected, str) else expected
    return tuple(Guess(row, column, text, sure) for row, text in zip(shown, each, strict=False))


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by severity, then as they were found."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


# -- words -------------------------------------------------------------------------------------------


def value_text(value: object) -> str:
    """Return a value as people write it, with all of its figures.

    Examples
    --------
    >>> value_text(1234567.0), value_text("a"), value_text(None), value_text(0.1 + 0.2)
    ('1,234,567', "'a'", 'missing', '0.3')
    >>> value_text(0.30000001), value_text(float(np.float32(0.3)))
    ('0.30000001', '0.3')
    """
    if value is None:
        return "missing"
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | float | np.number):
        return _all_figures(float(value))
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    if isinstance(value, str):
        return f"'{cut(value)}'"
    return cut(str(value))


def _all_figures(value: float) -> str:
    """Return a number with the figures that tell it from others, but for the rounding of sums."""
    if np.isfinite(value) and value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    longer = float(f"{value:.9g}") != value  # than single precision can tell apart
    if longer and abs(value) < MOST_SINGLE and float(np.float32(value)) == value:
        value = float(str(np.float32(value)))
    return f"{value:,.15g}"


def number_text(value: float) -> str:
    """Return a number that was reckoned, with six figures at most, or whole."""
    if np.isfinite(value) and value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.6g}"


def of_cells(kind: str, severity: str, text: str, rows: Mapping[str, np.ndarray]) -> Finding:
    """Return a finding about cells, by the columns and rows that they are in."""
    every = np.unique(np.concatenate(list(rows.values())))
    return Finding(kind, severity, text, tuple(rows), first_rows(every), len(every))


def cut(text: str) -> str:
    """Return text of a bounded length."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\u2026"


def count_of(count: int, thing: str, things: str | None = None) -> str:
    """Return `1 row` or `1,234 rows`."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def share_text(count: int, total: int) -> str:
    """Return a share as a percentage that is 0 or 100 only where it is."""
    share = 100 * count / max(total, 1)
    if 0 < share < 0.1:
        return "below 0.1 %"
    if 99.9 < share < 100:
        return "above 99.9 %"
    return f"{share:.1f} %" if share < 10 or 99 < share < 100 else f"{share:.0f} %"

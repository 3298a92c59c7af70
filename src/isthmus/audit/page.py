"""The page of an audit: what it says and shows, and how that becomes HTML."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from markupsafe import Markup

from isthmus import __version__
from isthmus.audit.findings import count_of, cut, number_text, share_text, value_text
from isthmus.report import template_source, templates
from isthmus.words import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.audit.audit import Audit
    from isthmus.audit.findings import Finding
    from isthmus.audit.profile import Column

ROOM = "isthmus.audit"  # where its templates lie
FIRST_CELLS, MOST_CELLS = 30, 300  # on the page: at once, and in all; the table has all
MOST_COLUMNS = 200
EXCERPT_ROWS, EXCERPT_COLUMNS = 6, 8
BARS = 16
WORDS = {
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "note": ("note", "notes"),
}


class Tile(NamedTuple):
    """A number in large type, and what it counts."""

    number: str
    of: str


class Excerpt(NamedTuple):
    """Some rows that a finding is about; `marked` says which cells to point at."""

    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, bool]]]]
    left: int  # rows that are not shown


class ColumnLine(NamedTuple):
    """A column in the last table: what it is taken for, its values, and its picture."""

    name: str
    kind: str
    why: str
    distinct: str
    missing: str
    values: str
    cells: int
    picture: Markup


def to_html(audit: Audit, title: str, command: str | None = None) -> str:
    """Render the page of an audit; every text is escaped, and nothing is loaded from outside."""
    findings = [(f, _excerpt(audit, f)) for f in audit.findings_]
    cells = _cell_lines(audit)
    return (
        templates(ROOM, html=True)
        .get_template("audit.html.jinja")
        .render(
            title=title,
            summary=summary(audit),
            sure_text=sure_text,
            headlines=[f for f in audit.findings_ if f.severity != "note"][:5],
            tiles=_tiles(audit),
            cells=cells,
            first_cells=FIRST_CELLS,
            cell_text=cells_text(audit),
            more_cells=audit.cells_.height - len(cells),
            ids=audit.ids_,
            findings=findings,
            columns=_column_lines(audit),
            more_columns=max(len(audit.profile) - MOST_COLUMNS, 0),
            method=method(audit),
            command=command,
            today=datetime.date.today().isoformat(),
            version=__version__,
            style=Markup(template_source("report.css") + template_source("audit.css", ROOM)),
        )
    )


# -- sentences ---------------------------------------------------------------------------------------


def summary(audit: Audit) -> str:
    """Return what an audit found, in a sentence or two."""
    shape = f"{audit.profile.n_rows:,} rows of {count_of(audit.profile.frame.width, 'column')}"
    counts = {s: sum(f.severity == s for f in audit.findings_) for s in WORDS}
    words = [count_of(counts[s], *WORDS[s]) for s in ("error", "warning") if counts[s]]
    if not words and audit.cells_.is_empty():
        return f"{shape}: nothing seems to be wrong."
    found = f"{listed(words, 'and')} about the table as a whole" if words else ""
    cells = audit.cells_.height
    if cells:
        sure = int((audit.cells_["sure"] >= 0.9).sum())
        parted = f", {sure:,} of them very likely wrong" if sure else ""
        found += f"{'; ' if found else ''}{count_of(cells, 'suspicious cell')}{parted}"
    return f"{shape}: {found}."


def cells_text(audit: Audit) -> str:
    """Return what the table of suspicious cells holds, and how often a good cell is in it."""
    if audit.judgements is None:
        return "No model was fitted: these cells are suspicious by the checks below. Rows count from 0."
    rate = f"{100 * audit.target_fpr:g} %"
    judged = audit.judgements.n_rows
    of = "" if judged == audit.profile.n_rows else f" of {judged:,} rows, drawn at random,"
    return (
        f"Each cell{of} was judged by its column and by what the rest of its row lets one expect, by "
        "models that were not trained on this row. Of the cells that are right, about "
        f"{rate} are listed: so look at the first ones first. Cells that a check below takes for wrong "
        "are in the list too. Rows count from 0."
    )


def method(audit: Audit) -> list[str]:
    """Return how cells were judged, in sentences."""
    found = [
        "Checks of rows, columns and values look at all cells.",
        "How sure a cell is to be wrong is an estimate, as if one cell in a hundred were; it orders "
        "the list, and is no proof.",
    ]
    if audit.judgements is None:
        return found
    return [
        f"The rows were parted into {audit.folds} folds. For each an autoencoder of mixed columns was "
        "fitted to the other folds, and each cell of the fold was hidden from it in turn. Seed: "
        f"{audit.random_state}.",
        "What it expected, and how odd the value is in its column, are weighed as was learned from "
        "the same cells with planted mistakes: values of other rows, other units, other signs, rare "
        "and unseen levels, other years.",
        "A cell's p-value is the share of all cells that are at least as suspicious.",
        *found,
    ]


def _tiles(audit: Audit) -> list[Tile]:
    profile = audit.profile
    missing = sum(c.n_missing for c in profile)
    repeats = sum(f.count for f in audit.findings_ if f.kind == "duplicate rows")
    return [
        Tile(f"{profile.n_rows:,}", "rows"),
        Tile(f"{profile.frame.width:,}", "columns"),
        Tile(share_text(missing, profile.n_rows * len(profile)), "of cells missing"),
        Tile(f"{repeats:,}", "rows that repeat"),
        Tile(f"{audit.cells_.height:,}", "suspicious cells"),
    ]


# -- tables ------------------------------------------------------------------------------------------


def _cell_lines(audit: Audit) -> list[dict[str, object]]:
    """Return the first suspicious cells, as the page shows them."""
    return [
        {
            "row": f"{line['row']:,}",
            "ids": [cut(str(line[name])) for name in audit.ids_],
            "column": line["column"],
            "value": cut(line["value"] or "missing"),
            "expected": cut(line["expected"] or "\u2013"),
            "sure": line["sure"],
            "why": line["why"],
        }
        for line in audit.cells_.head(MOST_CELLS).iter_rows(named=True)
    ]


def _excerpt(audit: Audit, finding: Finding) -> Excerpt | None:
    """Return some rows that a finding is about, beside the columns that it names."""
    rows = list(finding.rows[:EXCERPT_ROWS])
    if not rows:
        return None
    frame = audit.profile.frame
    names = dict.fromkeys([*audit.ids_, *finding.columns, *frame.columns])
    head = list(names)[:EXCERPT_COLUMNS]
    marked = {(g.row, g.column) for g in finding.guesses}
    if not marked and finding.kind != "duplicate rows":
        marked = {(row, name) for row in rows for name in finding.columns}
    lines = frame[rows].select(head).rows()
    shown = [
        (f"{row:,}", [(_shown(v), (row, n) in marked) for n, v in zip(head, line, strict=True)])
        for row, line in zip(rows, lines, strict=True)
    ]
    return Excerpt(head, shown, finding.count - len(rows))


def _shown(value: object) -> str:
    return cut(value) if isinstance(value, str) else value_text(value)


def _column_lines(audit: Audit) -> list[ColumnLine]:
    cells = dict(audit.cells_.group_by("column").len().iter_rows())
    taken = audit.taken_for()
    lines = []
    for column in audit.profile.columns[:MOST_COLUMNS]:
        kind, why = taken.get(column.name, ("\u2013", ""))
        missing = (
            share_text(column.n_missing, audit.profile.n_rows) if column.n_missing else "\u2013"
        )
        lines.append(
            ColumnLine(
                column.name,
                kind,
                why,
                f"{column.n_distinct:,}",
                missing,
                _values_text(column),
                cells.get(column.name, 0),
                _picture(column),
            )
        )
    return lines


def _values_text(column: Column) -> str:
    """Return the range of numbers and times, or the most frequent words."""
    if not column.n_distinct:
        return "\u2013"
    if column.is_text or column.values.dtype == pl.Boolean:
        first = column.distinct["value"].head(3).to_list()
        more = "\u2026" if column.n_distinct > 3 else ""
        return ", ".join(cut(str(v))[:24] for v in first) + more
    if column.n_distinct == 1:
        return value_text(column.values.min())
    return f"{_end_text(column.values.min())} to {_end_text(column.values.max())}"


def _end_text(value: object) -> str:
    """Return an end of a range, which need not be told from its neighbours."""
    return number_text(value) if isinstance(value, int | float) else value_text(value)


def _picture(column: Column) -> Markup:
    """Return bars: how often numbers lie in equal ranges, or the most frequent levels occur."""
    if column.is_identifier or not column.n_distinct:
        return Markup("")
    counts = _bar_counts(column)
    most = max(int(counts.max(initial=0)), 1)
    width = 96 / max(len(counts), 1)
    bars = "".join(
        f'<rect x="{i * width:.1f}" y="{24 - h:.1f}" width="{max(width - 1, 1):.1f}" height="{h:.1f}"/>'
        for i, h in enumerate(np.maximum(24 * counts / most, counts > 0))
    )
    return Markup(
        f'<svg viewBox="0 0 96 24" width="96" height="24" aria-hidden="true">{bars}</svg>'
    )


def _bar_counts(column: Column) -> np.ndarray:
    if column.is_text or column.values.dtype == pl.Boolean or column.n_distinct <= BARS:
        if column.is_text or column.values.dtype == pl.Boolean:
            return column.distinct["count"].head(BARS).to_numpy()
        return column.distinct.sort("value")["count"].to_numpy()
    known = column.values.drop_nulls().to_physical().cast(pl.Float64).to_numpy()
    low, high = np.quantile(known, [0.005, 0.995])
    if not np.isfinite([low, high]).all() or low == high:
        return column.distinct["count"].head(BARS).to_numpy()
    return np.histogram(np.clip(known, low, high), BARS, (low, high))[0]


def sure_text(sure: float) -> str:
    """Return how sure something is, as a percentage that is never 100."""
    return f"{min(100 * sure, 99):.0f} %"

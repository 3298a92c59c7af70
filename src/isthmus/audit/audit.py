"""Audits: what is wrong with a table, in findings, cells and a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from isthmus.audit.cells import judge_cells, n_different
from isthmus.audit.checks import find_problems
from isthmus.audit.findings import Finding, value_text
from isthmus.audit.frames import as_polars
from isthmus.audit.page import summary, to_html
from isthmus.audit.preparing import prepared
from isthmus.audit.profile import Profile
from isthmus.io import as_json, write_whole
from isthmus.schema import NothingToLearn, Schema, infer_schema
from isthmus.words import columns_named, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.audit.findings import Guess

ENDINGS = (".html", ".json")
RESULTS = ("row", "column", "value", "expected", "sure", "p", "why")
LEAST_ROWS = 20  # that a model is fitted to
SURE = 0.8  # how sure a check must be for a cell to count as wrong
OF_MODEL = "its row and column"


class Audit:
    """What is wrong with a table: suspicious cells, rows and columns.

    Checks look for rows that repeat, levels with typos, impossible dates, numbers that stand for
    something else, columns that are functions of others but for a few rows, and more. Models, fitted
    out of fold, judge each cell by what the rest of its row lets one expect.

    Parameters
    ----------
    frame : DataFrame of pandas or polars, or pyarrow.Table
        The table, with missing cells, dates, categories and words as they are.
    target_fpr : float in (0, 1)
        The share of right cells that may be flagged.
    columns : dict, optional
        What columns are taken for, such as `{"zip": "category", "note": "ignore"}`.
    ids : sequence of str, optional
        Columns that say what a row is called; they are carried to the results, and no model sees
        them.
    folds : int
        How many parts the rows are judged in; 0 fits no models, and only checks are made.
    random_state : int
        The seed of folds and models.
    max_epochs : int, optional
        Passes of a model over its rows; by default about 1,500 steps.
    verbose : int
        Whether progress is shown.

    Attributes
    ----------
    findings_ : list of Finding
        What is wrong with the table as a whole, the worst first.
    cells_ : polars.DataFrame
        A line for each suspicious cell, the surest first: "row", from 0, identifiers, "column",
        "value", "expected", "sure" (from 0 to 1), "p" and "why".
    schema_ : Schema or None
        What each column is taken for; None where there was nothing to learn.
    judgements : CellJudgements or None
        How suspicious each cell is; None without models.

    Examples
    --------
    >>> import polars as pl
    >>> from isthmus import Audit
    >>> frame = pl.DataFrame({"city": ["Berlin"] * 30 + ["Berlni"] + ["Rome"] * 20})
    >>> audit = Audit(frame, folds=0)
    >>> audit.cells_.select("row", "value", "expected").rows()
    [(30, 'Berlni', "'Berlin'")]
    """

    def __init__(
        self,
        frame: Any,
        *,
        target_fpr: float = 0.01,
        columns: Mapping[str, str] | None = None,
        ids: Sequence[str] = (),
        folds: int = 5,
        random_state: int = 0,
        max_epochs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.target_fpr, self.folds, self.random_state = target_fpr, folds, random_state
        self.columns, self.ids_ = dict(columns or {}), list(dict.fromkeys(ids))
        _check(target_fpr, folds)
        _check_ids(self.ids_)
        table = as_polars(frame)
        _check_names(table, self.ids_, "ids")
        self.profile = Profile(table)
        self.findings_: list[Finding] = find_problems(self.profile)
        _check_names(table, self.columns, "columns")
        self._wrong = self._surely_wrong()
        table, kinds = prepared(self.profile, self.columns, self.ids_, self._wrong)
        self._few = [name for name in kinds if name not in self.columns]
        self.schema_ = inferred(table, kinds)
        self.judgements = None
        X = self._judged(table)
        if self.schema_ is not None and X is not None:
            self.judgements = judge_cells(
                X,
                self.schema_,
                target_fpr=target_fpr,
                folds=folds,
                random_state=random_state,
                max_epochs=max_epochs,
                verbose=verbose,
            )
            self.findings_ += judged_in_part(self.judgements.n_rows, self.profile.n_rows)
        self.cells_ = self._suspicious()

    def frame(self) -> pl.DataFrame:
        """Return the suspicious cells, a line for each, the surest first."""
        return self.cells_

    def to_dict(self) -> dict[str, Any]:
        """Return all that was found, as plain data that JSON holds."""
        found: dict[str, Any] = as_json(
            {
                "rows": self.profile.n_rows,
                "columns": self.profile.frame.width,
                "target_fpr": self.target_fpr,
                "findings": [finding.to_dict() for finding in self.findings_],
                "cells": self.cells_.to_dicts(),
                "taken_for": {name: kind for name, (kind, _) in self.taken_for().items()},
            }
        )
        return found

    def save(
        self, path: str | Path, *, title: str | None = None, command: str | None = None
    ) -> Path:
        """Write the audit, whole or not at all: a page (.html), or all that was found (.json).

        Parameters
        ----------
        path : path
            The file.
        title : str, optional
            The heading of the page.
        command : str, optional
            The command line that writes this page.

        Returns
        -------
        Path
            The file.
        """
        path = Path(path)
        if path.suffix.lower() not in ENDINGS:
            known = " or ".join(ENDINGS)
            raise ValueError(f"An audit is written to a file that ends in {known}; got {path}.")
        if path.suffix.lower() == ".json":
            content = (
                json.dumps(self.to_dict(), allow_nan=False, indent=1, ensure_ascii=False) + "\n"
            )
        else:
            content = to_html(self, title or "What is wrong with this table?", command)
        write_whole(path, content.encode())
        return path

    def summary(self) -> str:
        """Return what was found, in a sentence."""
        return summary(self)

    def taken_for(self) -> dict[str, tuple[str, str]]:
        """Return of each column what it is taken for, and why."""
        why = "asked for" if self.schema_ is not None else "nothing to learn from"
        found = dict.fromkeys(self.profile.frame.columns, ("left out", why))
        if self.schema_ is not None:
            found |= {c.name: (c.kind, c.why) for c in self.schema_.columns}
        found |= dict.fromkeys(self.ids_, ("identifier", "asked for"))
        found |= dict.fromkeys(self._few, ("category", "a few whole numbers"))
        return {
            name: ("left out", why) if k == "ignore" else (k, why)
            for name, (k, why) in found.items()
        }

    def _judged(self, table: pl.DataFrame) -> np.ndarray | None:
        """Return the rows whose cells are judged; None where folds would have too few to learn from."""
        if self.schema_ is None or not self.folds or table.height < LEAST_ROWS:
            return None
        X = self.schema_.encode(table)
        return X if n_different(X) >= 2 * self.folds else None

    def _surely_wrong(self) -> dict[str, list[int]]:
        """Return the cells that are wrong by a check, rows by column: models are not to learn them."""
        wrong: dict[str, set[int]] = {}
        for guess in (g for f in self.findings_ for g in f.guesses if g.sure >= SURE):
            wrong.setdefault(guess.column, set()).add(guess.row)
        return {name: sorted(rows) for name, rows in wrong.items()}

    def _believed(self, finding: Finding) -> list[Guess]:
        """Return the cells that are wrong by a finding, unless others of its columns explain it."""
        others = [set(self._wrong.get(name, ())) for name in finding.columns]
        return [
            guess
            for guess in finding.guesses
            if not any(
                guess.row in rows and name != guess.column
                for name, rows in zip(finding.columns, others, strict=True)
            )
        ]

    def _suspicious(self) -> pl.DataFrame:
        """Return the cells that models or checks find suspicious, each once, the surest first."""
        guesses = [(*guess, f.kind) for f in self.findings_ for guess in self._believed(f)]
        names = ["row", "column", "expected", "sure", "why"]
        types = [pl.UInt32, pl.String, pl.String, pl.Float64, pl.String]
        parts = [pl.DataFrame(guesses, dict(zip(names, types, strict=True)), orient="row")]
        if self.judgements is not None:
            parts.append(self.judgements.flagged.with_columns(why=pl.lit(OF_MODEL)))
        cells = pl.concat(parts, how="diagonal")
        if "p" not in cells.columns:
            cells = cells.with_columns(p=pl.lit(None, pl.Float64))
        cells = _once(cells)
        frame = self.profile.frame
        shown = [
            value_text_of(frame[name][row]) for row, name in cells.select("row", "column").rows()
        ]
        ids = frame.select(self.ids_)[cells["row"]] if self.ids_ else pl.DataFrame()
        cells = cells.with_columns(value=pl.Series(shown, dtype=pl.String))
        return pl.concat([cells.select("row"), ids, cells.select(RESULTS[1:])], how="horizontal")


def judged_in_part(judged: int, n: int) -> list[Finding]:
    """Return that models judged a part of the rows alone, if they did."""
    if judged == n:
        return []
    text = (
        f"Models judged the cells of {judged:,} rows of {n:,}, drawn at random: with so many columns "
        "all would be too much work."
    )
    return [Finding("rows not judged", "note", text, (), (), n - judged, {"judged": judged})]


def inferred(table: pl.DataFrame, kinds: Mapping[str, str]) -> Schema | None:
    """Return what columns are taken for; None where none is left to learn from."""
    dull = all(s.n_unique() - (s.null_count() > 0) < 2 for s in table.get_columns())
    try:
        return None if dull else infer_schema(table, kinds, warn=False)
    except NothingToLearn:  # identifiers and free text alone
        return None


def _once(cells: pl.DataFrame) -> pl.DataFrame:
    """Return each cell once, the surest first, with all that found it.

    Checks share what they know, and models know other things: what both find is surer than by one.
    """
    by_model = pl.col("why") == OF_MODEL
    most = [pl.col("sure").filter(which).max().fill_null(0) for which in (by_model, ~by_model)]
    ordered = cells.with_row_index("place").sort("sure", "place", descending=[True, False])
    once = ordered.group_by("row", "column", maintain_order=True).agg(
        pl.col("place").first(),
        pl.col("expected").first(),
        sure=1 - (1 - most[0]) * (1 - most[1]),
        p=pl.col("p").drop_nulls().first(),
        why=pl.col("why").unique(maintain_order=True).str.join(", "),
    )
    return once.sort("sure", "place", descending=[True, False])


def value_text_of(value: object) -> str | None:
    """Return a cell as text, None where it is missing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_):
        return f"{value:.15g}"  # as a program reads it again
    return value_text(value)


def _check(target_fpr: float, folds: int) -> None:
    if not 0 < target_fpr < 1:
        raise ValueError(f"target_fpr must be between 0 and 1, both excluded; got {target_fpr!r}.")
    if not isinstance(folds, int | np.integer) or folds < 0 or folds == 1:
        raise ValueError(f"folds must be 0, for checks alone, or at least 2; got {folds!r}.")


def _check_ids(ids: Sequence[str]) -> None:
    taken = [name for name in ids if name in RESULTS]
    if taken:
        raise ValueError(
            f"ids names {columns_named(taken)}, and the suspicious cells have columns of that name: "
            "rename yours."
        )


def _check_names(table: pl.DataFrame, names: Any, what: str) -> None:
    lost = [name for name in names if name not in table.columns]
    if lost:
        near = suggestion(lost[0], table.columns)
        raise ValueError(f"{what} names {columns_named(lost[:5])}, which the table lacks.{near}")

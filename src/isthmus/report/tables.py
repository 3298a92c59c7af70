"""What is measured of rows of tables of mixed types: cells that are words, dates or missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.report.blocks import percent_text
from isthmus.schema import MISSING, value_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.autoencoder import Explanation, TableRows
    from isthmus.model import Model
    from isthmus.report.facts import Facts
    from isthmus.schema import Column, Schema

ROWS = 2**13  # whose wide outputs are in memory at a time


def pass_rows(model: Model, rows: TableRows) -> dict[str, np.ndarray]:
    """Return what a model makes of rows, each passed through it once, by the names of `Measured`.

    Rows and reconstructions are compact. Beside the losses there are those by cell, and what the
    constant answer loses by cell.
    """
    parts = [_passed(model, rows[i : i + ROWS]) for i in range(0, len(rows), ROWS)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _passed(model: Model, X: np.ndarray) -> dict[str, np.ndarray]:
    codes = model.encode(X)
    outputs = model.outputs_with(codes, X)
    answer = np.broadcast_to(model.mean_row, outputs.shape)
    cells, constant = model.cell_losses(X, outputs), model.cell_losses(X, answer)
    return {
        "rows": X,
        "reconstructions": model.compact(outputs),
        "codes": codes,
        "losses": model.losses(X).astype(float),
        "mean_losses": constant.sum(axis=1, dtype=float),
        "least_losses": np.zeros(len(X)),
        "cells": cells.astype(float),
        "constant_cells": constant.astype(float),
    }


def lost_shares(schema: Schema, cells: np.ndarray, constant: np.ndarray) -> list[Facts]:
    """Return by column what is lost, as a share of what the constant answer loses on these rows."""
    lost, most = cells.sum(axis=0), constant.sum(axis=0)
    return [
        {"name": column.name, "lost": lost[i] / most[i] if most[i] > 0 else None}
        for i, column in enumerate(schema.used)
    ]


def restored_cells(
    schema: Schema, rows: np.ndarray, noisy: np.ndarray, clean: np.ndarray
) -> tuple[float, float | None]:
    """Return the share of cells that noise changed, and of these the share that come back nearer.

    A level or a flag comes back if it is the right one; a number if it is nearer than what was put in
    its place, or than the mean where it was hidden.
    """
    first = [place for place, _ in _first_values(schema)]
    exact = np.array([schema.values[place].kind in ("levels", "flag") for place in first])
    was, put, made = (values[:, first] for values in (rows, noisy, clean))
    changed = ~np.isnan(was) & (was != put)
    known = ~np.isnan(was)
    mean = np.where(known, was, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    apart = np.abs(np.where(np.isnan(put), mean, put) - was)
    back = np.where(exact, made == was, np.abs(made - was) < apart)
    count = int(changed.sum())
    return count / max(int(known.sum()), 1), (back & changed).sum() / count if count else None


def _first_values(schema: Schema) -> Iterator[tuple[int, Column]]:
    """Yield where compact rows have each used column's first value, and the column."""
    cells = [value.cell for value in schema.values]
    for i, column in enumerate(schema.used):
        yield cells.index(i), column


# -- in words ----------------------------------------------------------------------------------------


def strange_cells(explanation: Explanation, most: int) -> list[list[Facts]]:
    """Return of each row the cells that its loss comes from, in words, with their shares of it."""
    parts = np.maximum(explanation.contribution, 0)
    shares = parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-300)
    return [
        [
            {
                "column": explanation.columns[j],
                "contribution": mine[j],
                "observed": explanation.observed[i, j],
                "expected": explanation.expected[i, j],
            }
            for j in np.argsort(-mine, kind="stable")[:most]
            if mine[j] > 0
        ]
        for i, mine in enumerate(shares)
    ]


# -- the table ---------------------------------------------------------------------------------------


def table_facts(schema: Schema, rows: np.ndarray, labels: Facts | None, most_rows: int) -> Facts:
    """Return facts about a table of mixed types: what each column is taken for, and what it holds."""
    first = {column.name: place for place, column in _first_values(schema)}
    places = list(first.values())
    alike = np.where(np.isnan(rows), np.inf, rows)
    distinct = len(np.unique(alike, axis=0)) if len(rows) <= most_rows else None
    return {
        "n_rows": len(rows),
        "n_columns": len(schema.columns),
        "shape": [len(schema.columns)],
        "n_missing": int(np.isnan(rows[:, places]).sum()),
        "n_repeated": None if distinct is None else len(rows) - distinct,
        "columns": [
            {**_kind_facts(column), **_cell_facts(schema, rows, first.get(column.name))}
            for column in schema.columns
        ],
        "labels": labels,
        "table": True,
    }


def _kind_facts(column: Column) -> Facts:
    kind = "left out" if column.kind == "ignore" else column.kind
    return {"name": column.name, "kind": kind, "why": column.why}


def _cell_facts(schema: Schema, rows: np.ndarray, place: int | None) -> Facts:
    """Return what the cells of a used column are: the ends and the middle, or the usual level."""
    facts: Facts = dict.fromkeys(("missing", "n_distinct", "least", "usual", "most"))
    if place is None:
        return facts
    value, known = schema.values[place], rows[~np.isnan(rows[:, place]), place]
    column = schema.used[value.cell]
    facts |= {"missing": len(rows) - len(known), "n_distinct": len(np.unique(known))}
    if not len(known):
        return facts
    if value.kind in ("levels", "flag"):
        levels, counts = np.unique(known, return_counts=True)
        usual = value_words(column, levels[[counts.argmax()]])[0]
        return facts | {"usual": f"{usual} ({percent_text(counts.max() / len(known))})"}
    ends = np.quantile(known, (0, 0.5, 1), method="nearest")
    return facts | dict(zip(("least", "usual", "most"), value_words(column, ends), strict=True))


def shown_values(schema: Schema, rows: np.ndarray, most: int) -> list[Facts]:
    """Return what a reader may ask of each point: numbers, or words with what colours them."""
    found = []
    for place, column in list(_first_values(schema))[:most]:
        of: Facts = {"name": column.name, "values": rows[:, place]}
        if schema.values[place].kind in ("levels", "flag"):
            kinds, numbers = _kinds(column, rows[:, place])
            of = {"name": column.name, "kinds": kinds, "numbers": numbers}
        elif column.kind != "number":
            of["texts"] = value_words(column, rows[:, place])
        found.append(of)
    return found


def _kinds(column: Column, values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the levels of a column that are there, the most frequent first, and those of rows."""
    codes = np.where(np.isnan(values), np.inf, values)
    levels, numbers, counts = np.unique(codes, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    named = np.where(np.isinf(levels), np.nan, levels)[order]
    words = value_words(column, named)
    other = [w == MISSING and not np.isnan(v) for w, v in zip(words, named, strict=True)]
    words = ["other" if rare else word for word, rare in zip(words, other, strict=True)]
    return words, np.argsort(order)[numbers]

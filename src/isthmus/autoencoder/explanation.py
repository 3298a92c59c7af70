"""Which cells make a row strange, what was seen there and what was expected, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from isthmus.autoencoder.answers import level_names, level_probabilities, number_slots
from isthmus.autoencoder.table_rows import TableRows
from isthmus.fleet import InGroups
from isthmus.schema import cell_words, short_text, value_words

if TYPE_CHECKING:
    from isthmus.model import Model


class Explanation(NamedTuple):
    """What made each row as strange as it is, by column.

    Attributes
    ----------
    columns : tuple of str
        The columns that are used.
    contribution : ndarray (n, columns)
        What each adds to minus the row's score; 0 for missing cells.
    observed, expected : ndarray (n, columns)
        What was seen, and what was expected: numbers in the data's units; of a table of mixed types
        words, such as "KP" and "UK (p = 0.93)".
    """

    columns: tuple[str, ...]
    contribution: np.ndarray
    observed: np.ndarray
    expected: np.ndarray

    def frame(self, top: int | None = None) -> pl.DataFrame:
        """Return a table with a line for each row and column, the largest contributions first.

        Parameters
        ----------
        top : int, optional
            How many columns to list for each row; all by default.
        """
        order = self._largest(top)
        table: dict[str, Any] = {
            "row": np.repeat(np.arange(len(order)), order.shape[1]),
            "column": [self.columns[j] for j in order.ravel()],
        }
        for name in ("contribution", "observed", "expected"):
            cells = np.take_along_axis(getattr(self, name), order, axis=1).ravel()
            words = cells.dtype == object
            table[name] = pl.Series(cells.tolist(), dtype=pl.String) if words else cells
        return pl.DataFrame(table)

    def reasons(self, top: int | None = None) -> np.ndarray:
        """Return a phrase for each row and column, (n, top), the largest contributions first.

        Such as "country: expected UK (p = 0.93), got KP". A row has None at its end for cells that are
        missing, and for those of which nothing else was expected than was seen.
        """
        order = self._largest(top)
        phrases = np.full(order.shape, None, object)
        for i, columns in enumerate(order):
            said = [self._reason(i, j) for j in columns if self._is_reason(i, j)]
            phrases[i, : len(said)] = said
        return phrases

    def _is_reason(self, i: int, j: int) -> bool:
        """Return whether a cell is there and is, in words, another than was expected."""
        if self.observed.dtype != object:
            return True
        expected = self.expected[i, j]
        level = expected.rpartition(" (p = ")[0] or expected
        return bool(self.contribution[i, j] != 0 and self.observed[i, j] != level)

    def _reason(self, i: int, j: int) -> str:
        return phrase(self.columns[j], self.observed[i, j], self.expected[i, j])

    def _largest(self, top: int | None) -> np.ndarray:
        return np.argsort(-self.contribution, axis=1, kind="stable")[:, :top]


def phrase(column: str, observed: str | float, expected: str | float) -> str:
    """Return what was seen in a column and what was expected, as all pages and commands put it.

    Examples
    --------
    >>> phrase("country", "KP", "UK (p = 0.93)"), phrase("x", 1.23456, 2.0)
    ('country: expected UK (p = 0.93), got KP', 'x: expected 2, got 1.235')
    """
    wanted, got = (v if isinstance(v, str) else f"{v:.4g}" for v in (expected, observed))
    return f"{column}: expected {wanted}, got {got}"


def explained(model: Model | InGroups, rows: Any, columns: tuple[str, ...]) -> Explanation:
    """Return what each column adds to the loss of rows.

    Raises
    ------
    ValueError
        Where the loss is no sum over columns.
    """
    with model.computing():
        model.slots.check_by_column()
    if isinstance(rows, TableRows) and not isinstance(model, InGroups):
        rows = rows.in_memory()
        parts = [_of_table(model, rows[b]) for b in model.blocks(rows)]
        shares, expected = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Explanation(columns, shares, cell_words(rows.schema, rows.frame), expected)
    again = model.reconstruct(rows)
    shares = model.column_losses(rows, again)
    return Explanation(columns, shares, np.array(rows, float), again.astype(float))


def _of_table(model: Model, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by cell what each adds to the loss, and what was expected."""
    outputs = model.outputs(X)
    return model.cell_losses(X, outputs), expected_words(model, model.unscaled(outputs))


def expected_words(model: Model, unscaled: np.ndarray) -> np.ndarray:
    """Return what outputs with numbers in the data's units expect of each cell, (n, cells), in words.

    Of a category the most probable level and its probability: "UK (p = 0.93)".
    """
    assert model.schema is not None
    words = np.empty((len(unscaled), len(model.schema.used)), object)
    for cell, slot in number_slots(model.schema).items():
        words[:, cell] = value_words(model.schema.used[cell], unscaled[:, slot])
    for cell, chances in level_probabilities(model, unscaled):
        names, best = level_names(model.schema.used[cell]), chances.argmax(axis=1)
        sure = chances[np.arange(len(best)), best]
        words[:, cell] = [
            f"{short_text(names[j])} (p = {p:.2f})" for j, p in zip(best, sure, strict=True)
        ]
    return words

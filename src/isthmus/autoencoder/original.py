"""Reasons in the columns that a pipeline is given, and not in those that its steps make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline

from isthmus.autoencoder.explanation import Explanation
from isthmus.autoencoder.validation import as_images
from isthmus.schema import MISSING, columns_of, is_frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike

KNOWN = 256  # rows that tell which column goes where
BLOCK = 2**14  # rows whose nearest known ones are looked for together


def explain(model: Any, X: ArrayLike, known: ArrayLike | None = None) -> Explanation:
    """Return what makes rows strange to a model, or to one at the end of a scikit-learn Pipeline.

    Of a Pipeline the columns are those of X, wherever a column that its steps make depends on one of
    them alone, as scaled, filled and one-hot ones do: contributions of the columns that were made of
    one are added up. What is expected there is the value of X of which the steps make what comes
    nearest to what the model expects. Other columns, such as principal axes, stay as they were made.

    Parameters
    ----------
    model : Autoencoder, OutlierDetector or Pipeline
        Fitted; a Pipeline ends in one of the two.
    X : array-like (n, d) or DataFrame
        The rows, as the model or the Pipeline takes them.
    known : array-like or DataFrame, optional
        Rows such as those trained on, which tell which column goes where; by default X. A column that
        is the same in all of them tells nothing.

    Returns
    -------
    Explanation
        As `model.explain(X)` returns it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from isthmus import Autoencoder, explain
    >>> iris = load_iris(as_frame=True).data
    >>> ae = Autoencoder(1, max_epochs=5, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), ae).fit(iris)
    >>> found = explain(pipeline, iris)
    >>> found.columns[0], round(float(found.observed[0, 0]), 1)
    ('sepal length (cm)', 5.1)
    """
    last = model[-1] if isinstance(model, Pipeline) else model
    if isinstance(last, type) or not hasattr(last, "explain"):
        raise TypeError(
            "explain takes an Autoencoder, an OutlierDetector, or a Pipeline that ends in one; got "
            f"{model!r}."
        )
    if last is model or len(model.steps) == 1:
        explanation: Explanation = last.explain(X)
        return explanation
    steps = model[:-1]
    explanation = last.explain(as_images(steps.transform(X)))
    return in_original_columns(explanation, steps, X, X if known is None else known)


def in_original_columns(
    explanation: Explanation, steps: Pipeline, X: ArrayLike, known: ArrayLike
) -> Explanation:
    """Return an explanation of what steps make of rows in the columns of these; see `explain`."""
    given, some = Given(X), Given(known).first(KNOWN)
    made = _made(steps, some)
    parts = _sources(steps, some, made)
    if explanation.observed.dtype == object:
        return _renamed(explanation, made.names, parts, given.names)
    found = [
        Part(
            given.names[j],
            explanation.contribution[:, outputs].sum(axis=1),
            given.column(j),
            _nearest(some.column(j), made.cells[:, outputs], explanation.expected[:, outputs]),
        )
        for j, outputs in parts.items()
    ]
    rest = sorted({*range(len(made.names))}.difference(*parts.values()))
    found += [
        Part(name, *(getattr(explanation, f)[:, k] for f in Part._fields[1:]))
        for k, name in ((k, made.names[k]) for k in rest)
    ]
    return _joined(found)


class Given:
    """Rows as they are given: their columns by name, and the same rows with one column exchanged."""

    def __init__(self, X: Any) -> None:
        self.X: Any = X if is_frame(X) else np.asarray(X)
        framed = is_frame(X)
        self.names = columns_of(X).names if framed else [f"x{j}" for j in range(self.X.shape[1])]

    def first(self, n: int) -> Given:
        """Return the first rows."""
        return Given(self.X[:n])

    def column(self, j: int) -> np.ndarray:
        """Return a column: numbers, with NaN where there is none, or words."""
        values = _cells(self.X, j) if is_frame(self.X) else self.X[:, j].tolist()
        try:
            return np.array([np.nan if v is None else v for v in values], float)
        except (TypeError, ValueError):
            gaps = [v is None or v != v for v in values]
            words = [MISSING if gap else str(v) for v, gap in zip(values, gaps, strict=True)]
            return np.array(words, object)

    def exchanged(self, j: int, order: np.ndarray) -> Any:
        """Return the rows, of which one column was put in another order."""
        if hasattr(self.X, "with_columns"):  # polars
            return self.X.with_columns(self.X.to_series(j).gather(order))
        other = self.X.copy()
        if hasattr(other, "iloc"):
            other[other.columns[j]] = other.iloc[:, j].array[order]
        else:
            other[:, j] = other[order, j]
        return other


def _cells(frame: Any, j: int) -> list[Any]:
    """Return the cells of a frame's column, with None for missing ones where it is of one kind."""
    column = columns_of(frame).column(j)
    return column.to_list() if isinstance(column, pl.Series) else frame.iloc[:, j].tolist()


class Made(NamedTuple):
    """What steps make of rows: the columns' names and their cells, (n, columns)."""

    names: list[str]
    cells: np.ndarray


class Part(NamedTuple):
    """A column of an explanation, (n,) each."""

    name: str
    contribution: np.ndarray
    observed: np.ndarray
    expected: np.ndarray


def _made(steps: Pipeline, given: Given) -> Made:
    seen = as_images(steps.transform(given.X))
    if is_frame(seen):
        names = columns_of(seen).names
        columns = [np.asarray(_cells(seen, k)) for k in range(len(names))]
        return Made(names, np.stack(columns, axis=1))
    return Made(output_names(steps, seen.shape[1]), np.asarray(seen))


def output_names(steps: Pipeline, width: int) -> list[str]:
    """Return the names of the columns that steps make, or x0, x1 and so on."""
    try:
        return [str(name) for name in steps.get_feature_names_out()]
    except (AttributeError, ValueError):  # a step that knows none
        return [f"x{k}" for k in range(width)]


def _sources(steps: Pipeline, known: Given, made: Made) -> dict[int, list[int]]:
    """Return for columns of known rows the columns made of each that are made of no other.

    They are those that change when this column alone is exchanged among the rows.
    """
    order = np.random.default_rng(0).permutation(len(known.X))
    depends = np.zeros((len(known.names), len(made.names)), bool)
    for j in range(len(known.names)):
        other = _made(steps, Given(known.exchanged(j, order))).cells
        same = (other == made.cells) | ((other != other) & (made.cells != made.cells))
        depends[j] = ~same.all(axis=0)
    alone = depends & (depends.sum(axis=0) == 1)
    return {j: np.flatnonzero(mine).tolist() for j, mine in enumerate(alone) if mine.any()}


def columns_behind(steps: Pipeline, known: ArrayLike) -> list[str]:
    """Return the columns that steps make others of, each of these of one alone."""
    given = Given(known).first(KNOWN)
    return [given.names[j] for j in _sources(steps, given, _made(steps, given))]


def _nearest(values: np.ndarray, cells: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the values of which steps make what comes nearest to what is wanted, (n,).

    `cells` are what they make of the values; between numbers that keep their order a line is drawn.
    """
    cells, wanted = cells.astype(float), wanted.astype(float)
    there = ~np.isnan(cells).any(axis=1) & (values == values)
    values, cells = values[there], cells[there]
    if values.dtype != object and cells.shape[1] == 1:
        points, first = np.unique(cells[:, 0], return_index=True)
        steps = np.diff(values[first])
        if len(points) > 1 and (np.all(steps > 0) or np.all(steps < 0)):
            return np.interp(wanted[:, 0], points, values[first])
    return np.concatenate([values[index] for index in _nearest_rows(cells, wanted)])


def _nearest_rows(cells: np.ndarray, wanted: np.ndarray) -> Iterator[np.ndarray]:
    squares = (cells**2).sum(axis=1)
    for start in range(0, max(len(wanted), 1), BLOCK):
        yield (squares - 2 * wanted[start : start + BLOCK] @ cells.T).argmin(axis=1)


def _renamed(
    explanation: Explanation, made: Sequence[str], parts: dict[int, list[int]], given: list[str]
) -> Explanation:
    """Return an explanation in words, in which what was made of a column alone has its name."""
    names = {made[mine[0]]: given[j] for j, mine in parts.items() if len(mine) == 1}
    columns = tuple(names.get(name, name) for name in explanation.columns)
    return explanation._replace(columns=columns)


def _joined(parts: Sequence[Part]) -> Explanation:
    """Return an explanation of columns: in words where one of them is."""
    names, shares, observed, expected = zip(*parts, strict=True)
    worded = any(column.dtype == object for column in observed)
    show = _words if worded else np.asarray
    cells = (np.stack([show(column) for column in some], axis=1) for some in (observed, expected))
    return Explanation(names, np.stack(shares, axis=1), *cells)


def _words(column: np.ndarray) -> np.ndarray:
    if column.dtype == object:
        return column
    return np.array([MISSING if v != v else f"{v:.4g}" for v in column], object)

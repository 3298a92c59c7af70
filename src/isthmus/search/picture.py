"""Pictures of searches: scores over the parameters that matter most."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isthmus.plots.axes import INK, LINES, axes_of, bare, plain, short
from isthmus.search.candidates import parameter_text
from isthmus.search.importance import quarters


def draw_search(found: Any) -> Figure:
    """Draw the scores of a search over its two most important parameters.

    Parameters
    ----------
    found : Search
        What `isthmus.tune` returned.

    Returns
    -------
    Figure
        With two parameters a table of their values, each cell the mean score of the candidates that
        share them; with one the score of each value. The best candidate is marked.
    """
    names = list(found.importance_)[:2]
    params = found.cv_results_["params"]
    scores = np.asarray(found.cv_results_["mean_test_score"], float)
    columns = [_values(params, name) for name in names]
    label = f"Score on held-out rows ({found.scoring_})"
    if len(names) < 2:
        return _line(names[0], columns[0], scores, found.best_index_, label)
    return _table(names, columns, scores, found.best_index_, label)


def _values(params: Any, name: str) -> tuple[np.ndarray, list[str]]:
    """Return for each candidate the number of its value, in order, and the values' texts."""
    values = [p.get(name) for p in params]
    number, continuous = quarters(params, name)
    kinds = np.unique(number)
    if continuous:
        ends = [
            (min(v), max(v))
            for v in ([values[i] for i in np.flatnonzero(number == k)] for k in kinds)
        ]
        texts = [f"{low:.3g} to {high:.3g}" for low, high in ends]
        return np.searchsorted(kinds, number), texts
    firsts = [values[int(np.flatnonzero(number == k)[0])] for k in kinds]
    order = list(range(len(firsts)))
    if all(isinstance(v, int | float | np.number) for v in firsts):
        order.sort(key=lambda k: firsts[k])
    place = np.argsort(order)
    return place[np.searchsorted(kinds, number)], [parameter_text(firsts[k]) for k in order]


def _line(name: str, column: Any, scores: np.ndarray, best: int, label: str) -> Figure:
    place, texts = column
    figure, axes = axes_of(max(3.6, 0.7 * len(texts) + 1.4), 3.2, plain(name), label)
    means = [_mean(scores[place == k]) for k in range(len(texts))]
    axes.plot(place, scores, "o", color=LINES[0], alpha=0.5)
    axes.plot(range(len(texts)), means, "-", color=LINES[0], linewidth=1.7)
    axes.plot(place[best], scores[best], "*", color=LINES[1], markersize=13)
    axes.set_xticks(range(len(texts)), [short(t, 20) for t in texts])
    _slanted(axes, texts)
    return figure


def _table(names: list[str], columns: Any, scores: np.ndarray, best: int, label: str) -> Figure:
    (rows, row_texts), (across, column_texts) = columns
    shape = (len(row_texts), len(column_texts))
    cells = np.full(shape, np.nan)
    for i, j in np.ndindex(shape):
        cells[i, j] = _mean(scores[(rows == i) & (across == j)])
    size = (1.0 * shape[1] + 3.2, 0.45 * shape[0] + 1.8)
    figure = Figure(figsize=(max(size[0], 4.6), max(size[1], 2.6)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(cells, cmap="cividis", aspect="auto")
    figure.colorbar(image, ax=axes).set_label(label, color=INK, fontsize=9)
    middle = (np.nanmin(cells) + np.nanmax(cells)) / 2
    for i, j in np.ndindex(shape):
        if np.isfinite(cells[i, j]):
            colour = INK if cells[i, j] > middle else "white"
            mark = "\u2605 " if (i, j) == (rows[best], across[best]) else ""
            axes.text(
                j, i, f"{mark}{cells[i, j]:.3f}", ha="center", va="center", color=colour, fontsize=9
            )
    axes.set_yticks(range(shape[0]), [short(t) for t in row_texts])
    axes.set_xticks(range(shape[1]), [short(t, 20) for t in column_texts])
    axes.set_ylabel(plain(names[0]), color=INK)
    axes.set_xlabel(plain(names[1]), color=INK)
    bare(axes)
    _slanted(axes, column_texts)
    return figure


def _slanted(axes: Axes, texts: list[str]) -> None:
    if max(map(len, texts)) > 8:
        for tick in axes.get_xticklabels():
            tick.set(rotation=20, ha="right")


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else np.nan

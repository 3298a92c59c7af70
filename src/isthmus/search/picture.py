"""The picture of a search: scores over the parameters that matter most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from isthmus.plots import (
    INK,
    LINE_COLOURS,
    bare_axes,
    figure_and_axes,
    literal_text,
    short_text,
)
from isthmus.search.candidates import parameter_text
from isthmus.search.importance import quarters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from isthmus.search.tune import Search


class ValuesOf(NamedTuple):
    """A parameter's name, the texts of its values in order, and the place of each candidate's."""

    name: str
    texts: list[str]
    places: np.ndarray


def draw_search(found: Search[Any]) -> Figure:
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
    params = found.cv_results_["params"]
    scores = np.asarray(found.cv_results_["mean_test_score"], float)
    first, *second = (_values_of(params, name) for name in list(found.importance_)[:2])
    label = f"Score on held-out rows ({found.scoring_})"
    if not second:
        return _score_line(first, scores, found.best_index_, label)
    return _score_table(first, second[0], scores, found.best_index_, label)


def _values_of(params: Sequence[Mapping[str, Any]], name: str) -> ValuesOf:
    values: list[Any] = [p.get(name) for p in params]
    number, continuous = quarters(params, name)
    kinds = np.unique(number)
    groups = [[values[i] for i in np.flatnonzero(number == k)] for k in kinds]
    if continuous:
        texts = [f"{min(group):.3g} to {max(group):.3g}" for group in groups]
        return ValuesOf(name, texts, np.searchsorted(kinds, number))
    firsts = [group[0] for group in groups]
    order = list(range(len(firsts)))
    if all(isinstance(v, int | float | np.number) for v in firsts):
        order.sort(key=lambda k: firsts[k])
    places = np.argsort(order)[np.searchsorted(kinds, number)]
    return ValuesOf(name, [parameter_text(firsts[k]) for k in order], places)


def _score_line(values: ValuesOf, scores: np.ndarray, best: int, label: str) -> Figure:
    texts, places = values.texts, values.places
    width = max(3.6, 0.7 * len(texts) + 1.4)
    figure, axes = figure_and_axes(width, 3.2, literal_text(values.name), label)
    means = [_finite_mean(scores[places == k]) for k in range(len(texts))]
    axes.plot(places, scores, "o", color=LINE_COLOURS[0], alpha=0.5)
    axes.plot(range(len(texts)), means, "-", color=LINE_COLOURS[0], linewidth=1.7)
    axes.plot(places[best], scores[best], "*", color=LINE_COLOURS[1], markersize=13)
    axes.set_xticks(range(len(texts)), [short_text(t, 20) for t in texts])
    _slant_long_texts(axes, texts)
    return figure


def _score_table(
    down: ValuesOf, across: ValuesOf, scores: np.ndarray, best: int, label: str
) -> Figure:
    shape = (len(down.texts), len(across.texts))
    cells = np.full(shape, np.nan)
    for i, j in np.ndindex(shape):
        cells[i, j] = _finite_mean(scores[(down.places == i) & (across.places == j)])
    size = (1.0 * shape[1] + 3.2, 0.45 * shape[0] + 1.8)
    figure = Figure(figsize=(max(size[0], 4.6), max(size[1], 2.6)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(cells, cmap="cividis", aspect="auto")
    figure.colorbar(image, ax=axes).set_label(label, color=INK, fontsize=9)
    _write_cells(axes, cells, (down.places[best], across.places[best]))
    axes.set_yticks(range(shape[0]), [short_text(t) for t in down.texts])
    axes.set_xticks(range(shape[1]), [short_text(t, 20) for t in across.texts])
    axes.set_ylabel(literal_text(down.name), color=INK)
    axes.set_xlabel(literal_text(across.name), color=INK)
    bare_axes(axes)
    _slant_long_texts(axes, across.texts)
    return figure


def _write_cells(axes: Axes, cells: np.ndarray, best: tuple[int, int]) -> None:
    """Write each score into its cell, and a star into the best candidate's."""
    middle = (np.nanmin(cells) + np.nanmax(cells)) / 2
    for i, j in zip(*np.nonzero(np.isfinite(cells)), strict=True):
        star = "\u2605 " if (i, j) == best else ""
        colour = INK if cells[i, j] > middle else "white"
        text = f"{star}{cells[i, j]:.3f}"
        axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=9)


def _slant_long_texts(axes: Axes, texts: Sequence[str]) -> None:
    if max(map(len, texts)) > 8:
        for tick in axes.get_xticklabels():
            tick.set(rotation=20, ha="right")


def _finite_mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else np.nan

"""Points of the plane, coloured by what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from isthmus.plots.axes import (
    CLASS_COLOURS,
    GAP_GREY,
    LINE_COLOURS,
    POINT_MARKS,
    RULE_GREY,
    boxed_axes,
    literal_text,
    short_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from numpy.typing import ArrayLike


def embedding(
    points: np.ndarray,
    labels: ArrayLike | None = None,
    names: tuple[str, str] = ("t-SNE, first axis", "t-SNE, second axis"),
    meaning: str = "Label",
) -> Figure:
    """Draw points of the plane, coloured by label.

    Parameters
    ----------
    points : ndarray (n, 2)
        The points, such as t-SNE's of the codes.
    labels : array-like (n,), optional
        Up to ten kinds are coloured and named where most of them lie. More numbers than that are a
        scale, which ends at their first and last hundredth; of more words the nine most frequent
        are coloured. Points whose label is missing are grey.
    names : (str, str)
        The names of the axes.
    meaning : str
        What the labels are.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xticks=[], yticks=[], xlabel=names[0], ylabel=names[1])
    if labels is None:
        _scatter(axes, points, color=LINE_COLOURS[0], alpha=0.7)
    else:
        _draw_labelled(axes, points, np.asarray(labels), meaning)
    axes.set_aspect("equal", adjustable="datalim")
    boxed_axes(axes)
    return figure


def missing_labels(labels: np.ndarray) -> np.ndarray:
    """Return which labels are missing: NaN, None, pandas' NA; of numbers also infinity."""
    if labels.dtype.kind == "f":
        return ~np.isfinite(labels)
    if labels.dtype.kind in "mM":
        return np.isnat(labels)
    if labels.dtype.kind != "O":
        return np.zeros(len(labels), bool)
    return np.array([_is_missing(v) for v in labels], bool)


def _scatter(axes: Axes, points: np.ndarray, size: float = 9, **look: Any) -> PathCollection:
    return axes.scatter(points[:, 0], points[:, 1], s=size, linewidths=0, **look)


def _is_missing(value: object) -> bool:
    return value is None or type(value).__name__ == "NAType" or value != value


def _draw_labelled(axes: Axes, points: np.ndarray, labels: np.ndarray, meaning: str) -> None:
    """Draw points by their labels; those whose label is missing lie below."""
    known = ~missing_labels(labels)
    if not known.all():
        _scatter(axes, points[~known], color=GAP_GREY, label="missing")
    points, labels = points[known], labels[known]
    labels = labels.astype(str) if labels.dtype.kind == "O" else labels
    kinds = np.unique(labels)
    if 0 < len(kinds) <= len(CLASS_COLOURS):
        _draw_kinds(axes, points, labels, kinds)
    elif len(kinds) and labels.dtype.kind in "fiu":
        _draw_scale(axes, points, labels, meaning)
    elif len(kinds):
        _draw_frequent_kinds(axes, points, labels.astype(str))


def _draw_scale(axes: Axes, points: np.ndarray, values: np.ndarray, meaning: str) -> None:
    """Colour points by a number, on a scale that a few extreme ones do not take for themselves."""
    low, high = np.percentile(values, (1, 99))
    image = _scatter(axes, points, c=values, cmap="viridis", vmin=low, vmax=high)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, extend="both")
    bar.set_label(literal_text(meaning))
    bar.outline.set_visible(False)


def _draw_frequent_kinds(axes: Axes, points: np.ndarray, labels: np.ndarray) -> None:
    """Colour the most frequent kinds, and leave the others grey."""
    kinds, counts = np.unique(labels, return_counts=True)
    chosen = np.sort(kinds[np.argsort(-counts, kind="stable")[: len(CLASS_COLOURS) - 1]])
    mine = np.isin(labels, chosen)
    rest = f"{len(kinds) - len(chosen)} others"
    _scatter(axes, points[~mine], color=RULE_GREY, label=rest)
    _draw_kinds(axes, points[mine], labels[mine], chosen)


def _draw_kinds(axes: Axes, points: np.ndarray, labels: np.ndarray, kinds: np.ndarray) -> None:
    """Draw each kind in a colour and a mark of its own, and name it among its points."""
    groups = [points[labels == kind] for kind in kinds]
    for kind, group, colour, mark in zip(kinds, groups, CLASS_COLOURS, POINT_MARKS, strict=False):
        look = {"color": colour, "marker": mark, "alpha": 0.85}
        _scatter(axes, group, size=13, label=literal_text(kind), **look)
    for kind, group, colour in zip(kinds, groups, CLASS_COLOURS, strict=False):
        far = np.sum((group - np.median(group, axis=0)) ** 2, axis=1)
        centre = group[np.argmin(far)]  # a median alone may lie between two groups
        text = axes.annotate(short_text(kind, 12), centre, fontsize=15, fontweight="bold")
        text.set(color=colour, ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=4, foreground="white")])
    legend = axes.legend(frameon=False, fontsize=10, loc="center left", bbox_to_anchor=(1, 0.5))
    for handle in legend.legend_handles:
        handle.set(sizes=[45])  # type: ignore[union-attr]

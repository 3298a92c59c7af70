"""Lines and bars: losses by epoch, signals, mean activations, errors by width and by column.

Each function takes arrays, returns a Matplotlib figure and touches no global state.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from isthmus.plots.axes import (
    FAINT_GREY,
    INK,
    LINE_COLOURS,
    LINE_DASHES,
    POINT_MARKS,
    RULE_GREY,
    figure_and_axes,
    literal_text,
    logarithmic_y,
    short_texts,
    unboxed_axes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

NO_LOSSES = ("phase", "epoch", "learning_rate", "seconds")


def losses(history: Mapping[str, Sequence[object]]) -> Figure:
    """Draw each term of the loss against the epoch.

    Parameters
    ----------
    history : dict of lists
        `Autoencoder.history_`.

    Returns
    -------
    Figure
        A line for each term that is not the whole loss; epochs of several phases follow each other,
        and lines end with their phase.
    """
    labels, terms = [str(name) for name in history["phase"]], _terms(history)
    figure, axes = figure_and_axes(5.2, 3.2 + 0.1 * len(terms), "Epoch", "Loss")
    looks = zip(cycle(LINE_COLOURS), cycle(LINE_DASHES), strict=False)
    for (name, values), (colour, dash) in zip(terms.items(), looks, strict=False):
        x, y = _by_phase(values, labels)
        axes.plot(x, y, linewidth=1.7, label=literal_text(name), color=colour, linestyle=dash)
        alone = np.isnan(np.r_[np.nan, y[:-1]]) & np.isnan(np.r_[y[1:], np.nan])
        if alone.any():  # a line would not show them
            axes.plot(x[alone], y[alone], ".", color=colour)
    axes.set_xlim(left=1, right=max(len(labels), 2))
    if terms and all(np.nanmin(v) >= 0 and np.nanmax(v) > 0 for v in terms.values()):
        logarithmic_y(axes)
    _phases(axes, labels)
    _legend_below(figure, axes, columns=2)
    return figure


def signals(original: np.ndarray, made: Mapping[str, np.ndarray]) -> Figure:
    """Draw signals and what models make of them, one above the other.

    Parameters
    ----------
    original : ndarray (n, length, c)
        The signals; a column of pictures for each channel.
    made : dict of ndarray (n, length, c)
        Reconstructions, named by their keys.

    Returns
    -------
    Figure
    """
    n, _, channels = original.shape
    figure = Figure(figsize=(7.6, 1.25 * n + 0.7), layout="constrained")
    cells = figure.subplots(n, channels, squeeze=False, sharex=True, sharey="col")
    for (i, j), axes in np.ndenumerate(cells):
        _signal(axes, original[i, :, j], {name: v[i, :, j] for name, v in made.items()})
    for j in range(channels):
        title = f"channel {j + 1}" if channels > 1 else ""
        cells[0, j].set_title(title, fontsize=9, color=INK)
        cells[-1, j].set_xlabel("Position", fontsize=9, color=INK)
    _legend_below(figure, cells[0, 0], columns=min(1 + len(made), 4))
    return figure


def _signal(axes: Axes, original: np.ndarray, made: Mapping[str, np.ndarray]) -> None:
    """Draw one channel of a signal below what models make of it."""
    unboxed_axes(axes)
    axes.plot(original, color=RULE_GREY, linewidth=2.6, label="original")
    looks = zip(cycle(LINE_COLOURS), cycle((*LINE_DASHES[1:], LINE_DASHES[0])), strict=False)
    for (name, values), (colour, dash) in zip(made.items(), looks, strict=False):
        axes.plot(values, color=colour, linestyle=dash, linewidth=1.4, label=literal_text(name))


def mean_activations(means: ArrayLike, rho: float | None = None) -> Figure:
    """Draw the mean activation of every code unit, the largest first.

    Parameters
    ----------
    means : array-like (units,)
        Such as `Autoencoder.mean_activation_`.
    rho : float, optional
        The wanted mean; drawn as a line, and 1.1 rho as another.

    Returns
    -------
    Figure
    """
    values = np.sort(np.asarray(means, float))[::-1]
    figure, axes = figure_and_axes(5.2, 3.0, "Code unit, sorted", "Mean activation")
    axes.bar(np.arange(1, len(values) + 1), values, width=0.8, color=LINE_COLOURS[5])
    axes.set_xlim(0.3, len(values) + 0.7)
    if rho is not None:
        lines = ((rho, "-", f"rho = {rho:g}"), (1.1 * rho, (0, (4, 2)), f"1.1 rho = {1.1 * rho:g}"))
        for (level, dash, label), colour in zip(lines, (INK, LINE_COLOURS[1]), strict=True):
            axes.axhline(level, color=colour, linestyle=dash, linewidth=1.4, label=label)
        axes.set_ylim(0, 1.3 * max(1.1 * rho, values[0]))
        axes.legend(frameon=False, fontsize=9, ncols=2, loc="upper right", labelcolor=INK)
    return figure


def error_against_width(
    widths: Sequence[int],
    ae_errors: Sequence[float] | Mapping[str, Sequence[float]],
    pca_errors: Sequence[float],
    unit: str = "",
) -> Figure:
    """Draw reconstruction errors against the width of the code, beside PCA's.

    Parameters
    ----------
    widths : sequence of int
        Code widths.
    ae_errors : sequence of float or dict of them
        A line for each, named by its key.
    pca_errors : sequence of float
        Errors of PCA with as many components.
    unit : str, optional
        What the error is measured in.

    Returns
    -------
    Figure
    """
    named = ae_errors if isinstance(ae_errors, Mapping) else {"autoencoder": ae_errors}
    label = f"Error ({literal_text(unit)})" if unit else "Error"
    figure, axes = figure_and_axes(5.2, 3.6, "Width of the code (units)", label)
    lines = {"PCA": pca_errors, **named}
    colours = (LINE_COLOURS[-1], *LINE_COLOURS[:-1])  # grey for PCA
    looks = zip(cycle(colours), cycle(LINE_DASHES), cycle(POINT_MARKS), strict=False)
    for (name, errors), (colour, dash, mark) in zip(lines.items(), looks, strict=False):
        style = f"{mark}-"
        (line,) = axes.plot(widths, errors, style, color=colour, label=literal_text(name))
        line.set(linestyle=dash, linewidth=1.7, markersize=6)
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(widths), [str(w) for w in widths])
    logarithmic_y(axes)
    axes.legend(frameon=False, fontsize=10, labelcolor=INK)
    return figure


def column_errors(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """Draw which share of each column the reconstruction misses, of its variance say, as bars."""
    height = 0.8 + 0.24 * len(names)
    figure, axes = figure_and_axes(5.2, height, "Share that is lost (%)", "")
    places = np.arange(len(names))  # by its name, a bar would hide another of that name
    axes.barh(places, 100 * np.asarray(shares), color=LINE_COLOURS[5])
    axes.set_yticks(places, short_texts(names))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=FAINT_GREY, linewidth=0.8)
    return figure


def _terms(history: Mapping[str, Sequence[object]]) -> dict[str, np.ndarray]:
    """Return the measured terms; the whole loss only if it is the sum of several."""
    terms = {k: np.asarray(v, float) for k, v in history.items() if k not in NO_LOSSES}
    if set(terms) <= {"loss", "reconstruction", "validation_loss"}:
        terms.pop("loss", None)
    names = {"loss": "whole loss", "validation_loss": "reconstruction, held-out rows"}
    measured = {k: v for k, v in terms.items() if np.isfinite(v).any()}
    return {names.get(k, k): v for k, v in measured.items()}


def _legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """Explain the lines below the axes, where the words hide none of them."""
    legend = figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower center",
        frameon=False,
        fontsize=9,
        ncols=columns,
    )
    for text in legend.get_texts():
        text.set_color(INK)


def _by_phase(values: np.ndarray, labels: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return epochs and what was measured in them, with a gap between phases.

    Another phase has another loss: a line between them would show a fall or rise that none was.
    """
    gap = np.array([np.nan])
    x, y = [gap[:0]], [gap[:0]]
    for start, end in _spans(labels):
        seen = start + np.flatnonzero(np.isfinite(values[start:end]))
        if len(seen):
            x += [gap, seen + 1]
            y += [gap, values[seen]]
    return np.concatenate(x)[1:], np.concatenate(y)[1:]


def _spans(labels: list[str]) -> list[tuple[int, int]]:
    """Return where each phase starts and ends."""
    starts = [i for i in range(len(labels)) if i == 0 or labels[i] != labels[i - 1]]
    return list(zip(starts, [*starts[1:], len(labels)], strict=True))


def _phases(axes: Axes, labels: list[str]) -> None:
    """Mark where a phase of training ends and the next begins, and name each that has the room."""
    spans = _spans(labels)
    if len(spans) < 2:
        return
    inches = 4.5 / len(labels)  # an epoch's
    texts = [labels[start] for start, _ in spans]
    fits = [_wide(t) <= (b - a) * inches for t, (a, b) in zip(texts, spans, strict=True)]
    if not all(fits):
        numbers = [t.removeprefix("layer ") for t in texts]
        texts = [texts[0] if fits[0] else numbers[0], *numbers[1:]]
    free = 0.0
    for text, (start, _) in zip(texts, spans, strict=True):
        if start:
            axes.axvline(start + 0.5, color=RULE_GREY, linewidth=1)
        if start * inches >= free:
            place = {"xy": (start + 0.5, 1), "xycoords": ("data", "axes fraction")}
            offset = {"xytext": (3, 3), "textcoords": "offset points", "fontsize": 8, "color": INK}
            axes.annotate(literal_text(text), **place, **offset)  # type: ignore[arg-type]
            free = start * inches + _wide(text)


def _wide(text: str) -> float:
    """Return about how many inches a phase's name takes."""
    return 0.07 * len(text) + 0.05

"""Pictures of models: each function returns a Matplotlib figure and touches no global state.

Images are drawn as they are stored, large values bright; the colours of lines and points can be told
apart by people with any colour vision, and colour is never their only sign.
"""

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from isthmus.plots.axes import (
    CLASSES,
    DASHES,
    FAINT,
    GAP,
    INK,
    LINES,
    MARKS,
    RULE,
    axes_of,
    logarithmic,
    plain,
    quiet,
    short,
    unboxed,
)

NOT_TERMS = ("phase", "epoch", "learning_rate", "seconds")


def losses(history: Mapping[str, Sequence[Any]]) -> Figure:
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
    labels, terms = list(history["phase"]), _terms(history)
    figure, axes = axes_of(5.2, 3.2 + 0.1 * len(terms), "Epoch", "Loss")
    for i, (name, values) in enumerate(terms.items()):
        style = {"color": LINES[i % len(LINES)], "linestyle": DASHES[i % len(DASHES)]}
        x, y = _by_phase(values, labels)
        axes.plot(x, y, linewidth=1.7, label=plain(name), **style)
        alone = np.isnan(np.r_[np.nan, y[:-1]]) & np.isnan(np.r_[y[1:], np.nan])
        if alone.any():  # a line would not show them
            axes.plot(x[alone], y[alone], ".", color=style["color"])
    axes.set_xlim(left=1, right=max(len(labels), 2))
    if terms and all(np.nanmin(v) >= 0 and np.nanmax(v) > 0 for v in terms.values()):
        logarithmic(axes)
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
    grid: Any = figure.subplots(n, channels, squeeze=False, sharex=True, sharey="col")
    for i, j in np.ndindex(n, channels):
        unboxed(grid[i, j])
        grid[i, j].plot(original[i, :, j], color=RULE, linewidth=2.6, label="original")
        for k, (name, values) in enumerate(made.items()):
            style = {"color": LINES[k % len(LINES)], "linestyle": DASHES[(k + 1) % len(DASHES)]}
            grid[i, j].plot(values[i, :, j], linewidth=1.4, label=plain(name), **style)
    for j in range(channels):
        title = f"channel {j + 1}" if channels > 1 else ""
        grid[0, j].set_title(title, fontsize=9, color=INK)
        grid[-1, j].set_xlabel("Position", fontsize=9, color=INK)
    _legend_below(figure, grid[0, 0], columns=min(1 + len(made), 4))
    return figure


def mean_activations(estimator: Any, rho: float | None = None) -> Figure:
    """Draw the mean activation of every code unit, the largest first.

    Parameters
    ----------
    estimator : Autoencoder
        A fitted model.
    rho : float, optional
        The wanted mean; drawn as a line, and 1.1 rho as another.

    Returns
    -------
    Figure
    """
    values = np.sort(np.asarray(estimator.mean_activation_, float))[::-1]
    figure, axes = axes_of(5.2, 3.0, "Code unit, sorted", "Mean activation")
    axes.bar(np.arange(1, len(values) + 1), values, width=0.8, color=LINES[5])
    axes.set_xlim(0.3, len(values) + 0.7)
    if rho is not None:
        lines = ((rho, "-", f"rho = {rho:g}"), (1.1 * rho, (0, (4, 2)), f"1.1 rho = {1.1 * rho:g}"))
        for (level, dash, label), colour in zip(lines, (INK, LINES[1]), strict=True):
            axes.axhline(level, color=colour, linestyle=dash, linewidth=1.4, label=label)
        axes.set_ylim(0, 1.3 * max(1.1 * rho, values[0]))
        axes.legend(frameon=False, fontsize=9, ncols=2, loc="upper right", labelcolor=INK)
    return figure


def error_against_width(
    widths: Sequence[int], ae_errors: Any, pca_errors: Sequence[float], unit: str = ""
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
    label = f"Error ({plain(unit)})" if unit else "Error"
    figure, axes = axes_of(5.2, 3.6, "Width of the code (units)", label)
    lines = {"PCA": pca_errors, **named}
    colours = (LINES[6], *LINES[:6])
    for i, (name, errors) in enumerate(lines.items()):
        style = {"color": colours[i % 7], "linestyle": DASHES[i % 4], "marker": MARKS[i % 10]}
        axes.plot(widths, errors, label=plain(name), linewidth=1.7, markersize=6, **style)
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(widths), [str(w) for w in widths])
    logarithmic(axes)
    axes.legend(frameon=False, fontsize=10, labelcolor=INK)
    return figure


def embedding(
    points: np.ndarray,
    labels: Any = None,
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
        axes.scatter(points[:, 0], points[:, 1], s=9, color=LINES[0], alpha=0.7, linewidths=0)
    else:
        _coloured(figure, points, np.asarray(labels), plain(meaning))
    axes.set_aspect("equal", adjustable="datalim")
    quiet(axes)
    return figure


def correlation(r: np.ndarray) -> Figure:
    """Draw correlations (units, units) as a grid: red is 1, blue -1 and white 0."""
    figure = Figure(figsize=(4.6, 4.9), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(r, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    axes.set_xlabel("Code unit", color=INK, fontsize=10)
    axes.set_ylabel("Code unit", color=INK, fontsize=10)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(8, integer=True))
    axes.tick_params(labelsize=9, color=RULE, labelcolor=INK)
    axes.spines[:].set_color(FAINT)
    bar = figure.colorbar(image, location="bottom", aspect=40, pad=0.02, label="Correlation")
    bar.outline.set_visible(False)
    return figure


def column_errors(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """Draw which share of each column's variance the reconstruction misses, as bars."""
    height = 0.8 + 0.24 * len(names)
    figure, axes = axes_of(5.2, height, "Variance that is lost (%)", "")
    axes.barh([short(name) for name in names], 100 * np.asarray(shares), color=LINES[5])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    return figure


def as_svg(figure: Figure) -> str:
    """Return a figure as an SVG data address: isolated, so that figures share no names."""
    return _data_address(figure, "svg", "image/svg+xml")


def as_png(figure: Figure, dpi: int = 160) -> str:
    """Return a figure as a PNG data address."""
    return _data_address(figure, "png", "image/png", dpi=dpi)


def _data_address(figure: Figure, kind: str, mime: str, **options: Any) -> str:
    content = file_content(figure, kind, **options)
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def file_content(figure: Figure, kind: str, **options: Any) -> bytes:
    """Return a figure as the content of a file of this kind, such as "png" or "svg"."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None
    with warnings.catch_warnings(), rc_context({"svg.hashsalt": "isthmus"}):  # the same each time
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # drawn as a box
        figure.savefig(buffer, format=kind, metadata=metadata, **options)
    return buffer.getvalue()


def _terms(history: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
    """Return the measured terms; the whole loss only where it is the sum of several."""
    terms = {k: np.asarray(v, float) for k, v in history.items() if k not in NOT_TERMS}
    if set(terms) <= {"loss", "reconstruction", "validation_loss"}:
        terms.pop("loss", None)
    names = {"loss": "whole loss", "validation_loss": "reconstruction, held-out rows"}
    measured = {k: v for k, v in terms.items() if np.isfinite(v).any()}
    return {names.get(k, k): v for k, v in measured.items()}


def _legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """Explain the lines below the axes, where the words hide none of them."""
    style: Any = {"frameon": False, "fontsize": 9, "labelcolor": INK, "ncols": columns}
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", **style)


def _by_phase(values: np.ndarray, labels: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return epochs and what was measured in them, with a gap between phases.

    Another phase has another loss: a line between them would show a fall or rise that none was.
    """
    x: list[Any] = [[]]
    y: list[Any] = [[]]
    for start, end in _spans(labels):
        seen = start + np.flatnonzero(np.isfinite(values[start:end]))
        if len(seen):
            x += [[np.nan], seen + 1]
            y += [[np.nan], values[seen]]
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
            axes.axvline(start + 0.5, color=RULE, linewidth=1)
        if start * inches >= free:
            place = {"xy": (start + 0.5, 1), "xycoords": ("data", "axes fraction")}
            offset = {"xytext": (3, 3), "textcoords": "offset points", "fontsize": 8, "color": INK}
            axes.annotate(plain(text), **place, **offset)  # type: ignore[arg-type]
            free = start * inches + _wide(text)


def _wide(text: str) -> float:
    """Return about how many inches a phase's name takes."""
    return 0.07 * len(text) + 0.05


def _coloured(figure: Figure, points: np.ndarray, labels: np.ndarray, meaning: str) -> None:
    """Draw points by what is known of their labels; those of which nothing is lie below."""
    axes, known = figure.axes[0], ~missing(labels)
    lost = points[~known]
    if len(lost):
        axes.scatter(lost[:, 0], lost[:, 1], s=9, color=GAP, linewidths=0, label="missing")
    points, labels = points[known], labels[known]
    kinds: Any = np.unique(labels if labels.dtype.kind != "O" else labels.astype(str))
    if 0 < len(kinds) <= len(CLASSES):
        texts = labels if labels.dtype.kind != "O" else labels.astype(str)
        _by_class(axes, points, texts, kinds)
    elif len(kinds) and labels.dtype.kind in "fiu":
        low, high = np.percentile(labels, (1, 99))
        style: Any = {"s": 9, "cmap": "viridis", "linewidths": 0, "vmin": low, "vmax": high}
        image = axes.scatter(points[:, 0], points[:, 1], c=labels, **style)
        figure.colorbar(
            image, ax=axes, shrink=0.8, label=meaning, extend="both"
        ).outline.set_visible(False)
    elif len(kinds):
        _by_frequency(axes, points, labels.astype(str))


def _by_frequency(axes: Axes, points: np.ndarray, labels: np.ndarray) -> None:
    """Colour the most frequent kinds, and leave the others grey."""
    kinds, counts = np.unique(labels, return_counts=True)
    chosen = np.sort(kinds[np.argsort(-counts, kind="stable")[: len(CLASSES) - 1]])
    mine = np.isin(labels, chosen)
    rest = f"{len(kinds) - len(chosen)} others"
    axes.scatter(
        points[~mine][:, 0], points[~mine][:, 1], s=9, color=RULE, linewidths=0, label=rest
    )
    _by_class(axes, points[mine], labels[mine], chosen)


def missing(labels: np.ndarray) -> np.ndarray:
    """Return which labels are missing: NaN, None, pandas' NA; of numbers also infinity."""
    if labels.dtype.kind == "f":
        return ~np.isfinite(labels)
    if labels.dtype.kind in "mM":
        return np.isnat(labels)
    if labels.dtype.kind != "O":
        return np.zeros(len(labels), bool)
    return np.array([_is_missing(v) for v in labels], bool)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType" or value != value


def _by_class(axes: Axes, points: np.ndarray, labels: Any, kinds: Any) -> None:
    for i, kind in enumerate(kinds):
        mine = points[labels == kind]
        axes.scatter(
            mine[:, 0],
            mine[:, 1],
            s=13,
            color=CLASSES[i],
            marker=MARKS[i],
            alpha=0.85,
            linewidths=0,
            label=plain(kind),
        )
    for i, kind in enumerate(kinds):
        mine = points[labels == kind]
        far = np.sum((mine - np.median(mine, axis=0)) ** 2, axis=1)
        centre = mine[np.argmin(far)]  # a median alone may lie between two groups
        text = axes.annotate(short(kind, 12), centre, fontsize=15, fontweight="bold")
        text.set(color=CLASSES[i], ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=4, foreground="white")])
    legend = axes.legend(frameon=False, fontsize=10, loc="center left", bbox_to_anchor=(1, 0.5))
    for handle in legend.legend_handles:
        handle.set(sizes=[45])  # type: ignore[union-attr]

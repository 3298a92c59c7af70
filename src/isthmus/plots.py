"""Pictures of models: each function returns a Matplotlib figure and touches no global state.

Images are drawn as they are stored, large values bright; colours can be told apart by people with
any colour vision, and colour is never the only sign.
"""

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

INK, FAINT = "#22262b", "#d9dde2"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b6b6b")
CLASSES = (
    "#332288",
    "#e69f00",
    "#117733",
    "#cc6677",
    "#88ccee",
    "#882255",
    "#999933",
    "#44aa99",
    "#b05fc0",
    "#6b6b6b",
)
MARKS = "osD^vPX*<>"
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1)), (0, (5, 1.5, 1, 1.5)))
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
        A line for each term that is not the whole loss; epochs of several phases follow each other.
    """
    figure, axes = _axes(5.2, 3.3, "Epoch", "Loss")
    epochs = np.arange(1, len(history["epoch"]) + 1)
    terms = _terms(history)
    for i, (name, values) in enumerate(terms.items()):
        seen = np.isfinite(values)
        style = {"color": LINES[i % len(LINES)], "linestyle": DASHES[i % len(DASHES)]}
        axes.plot(epochs[seen], values[seen], linewidth=1.7, label=_plain(name), **style)
    _phases(axes, list(history["phase"]))
    positive = all(np.nanmin(v, initial=np.inf) > 0 for v in terms.values())
    if terms and positive:
        axes.set_yscale("log")
        _plain_ticks(axes)
    axes.set_xlim(left=1, right=max(len(epochs), 2))
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def pairs(original: np.ndarray, reconstruction: Any, names: Sequence[str] = ()) -> Figure:
    """Draw originals above their reconstructions.

    Parameters
    ----------
    original : ndarray (n, h, w[, c])
        The images.
    reconstruction : ndarray (n, h, w[, c]) or dict of them
        One row of images for each, named by its key.
    names : sequence of str, optional
        A word above each column.

    Returns
    -------
    Figure
    """
    if not isinstance(reconstruction, Mapping):
        reconstruction = {"reconstruction": reconstruction}
    return image_rows({"original": original, **reconstruction}, names=names)


def denoised(original: np.ndarray, noisy: np.ndarray, denoised: np.ndarray) -> Figure:
    """Draw originals, what noise made of them and what the model made of that.

    Parameters
    ----------
    original, noisy, denoised : ndarray (n, h, w[, c])
        The images.

    Returns
    -------
    Figure
    """
    return image_rows({"original": original, "noisy": noisy, "denoised": denoised})


def image_rows(rows: Mapping[str, np.ndarray], names: Sequence[str] = ()) -> Figure:
    """Draw rows of images, each row named, all in the range of the first row's values."""
    first = next(iter(rows.values()))
    low, high = float(np.min(first)), float(np.max(first))
    stacked = np.stack([_bright(np.asarray(r, float), low, high) for r in rows.values()])
    n = stacked.shape[1]
    picture, pitch = mosaic(stacked, fill=np.nan if stacked.ndim == 4 else 1.0)
    width = 7.6
    height = width * 0.84 * picture.shape[0] / picture.shape[1] + 0.3
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_yticks(_centres(len(rows), pitch[0]), [_plain(name) for name in rows], fontsize=10)
    axes.set_xticks(_centres(n, pitch[1]) if len(names) == n else [], [_plain(v) for v in names])
    axes.xaxis.tick_top()
    _bare(axes)
    return figure


def filters(weights: np.ndarray, shape: tuple[int, int], label: str = "Weight") -> Figure:
    """Draw what each unit of the first layer looks for, as a grid of tiles.

    Parameters
    ----------
    weights : ndarray (h * w, units)
        The first layer's weights, or what they are worth.
    shape : (int, int)
        Height and width of a tile.
    label : str
        What the colours measure.

    Returns
    -------
    Figure
        White is a weight of 0; all tiles share one scale, cut at the largest 0.5 % of the weights.
    """
    shown = np.asarray(weights, float)
    count = shown.shape[1]
    columns = min(count, 8 if count <= 64 else int(np.ceil(np.sqrt(count))))
    grid = np.full((-(-count // columns) * columns, *shape), np.nan)
    grid[:count] = shown.T.reshape(count, *shape)
    picture, _ = mosaic(grid.reshape(-1, columns, *shape), fill=np.nan)
    limit = float(np.quantile(np.abs(shown), 0.995)) or 1.0
    height = 5.4 * picture.shape[0] / picture.shape[1] + 0.75
    figure = Figure(figsize=(5.4, height), layout="constrained")
    axes = figure.add_subplot()
    colours = colormaps["RdBu_r"].with_extremes(bad=FAINT)
    image = axes.imshow(picture, cmap=colours, vmin=-limit, vmax=limit, interpolation="nearest")
    bar = figure.colorbar(image, location="bottom", fraction=0.12 / height, aspect=45, pad=0.01)
    bar.set_label(_plain(label), color=INK)
    bar.ax.tick_params(labelsize=9, labelcolor=INK)
    bar.outline.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    _bare(axes)
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
    figure, axes = _axes(6.4, 3.2, "Code unit, sorted", "Mean activation")
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
    label = f"Error ({_plain(unit)})" if unit else "Error"
    figure, axes = _axes(6.4, 3.8, "Width of the code (units)", label)
    lines = {"PCA": pca_errors, **named}
    colours = (LINES[6], *LINES[:6])
    for i, (name, errors) in enumerate(lines.items()):
        style = {"color": colours[i % 7], "linestyle": DASHES[i % 4], "marker": MARKS[i % 10]}
        axes.plot(widths, errors, label=_plain(name), linewidth=1.7, markersize=6, **style)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(list(widths), [str(w) for w in widths])
    _plain_ticks(axes)
    axes.legend(frameon=False, fontsize=10, labelcolor=INK)
    return figure


def embedding(points: np.ndarray, labels: Any = None) -> Figure:
    """Draw points of the plane, coloured by label.

    Parameters
    ----------
    points : ndarray (n, 2)
        The points, such as t-SNE's of the codes.
    labels : array-like (n,), optional
        Up to ten kinds are coloured and named where most of them lie; more numbers than that are
        drawn as a scale, and more words not at all.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xticks=[], yticks=[], xlabel="t-SNE, first axis", ylabel="t-SNE, second axis")
    values = None if labels is None else np.asarray(labels)
    kinds: Any = [] if values is None else np.unique(values)
    if 0 < len(kinds) <= len(CLASSES):
        _by_class(axes, points, values, kinds)
    elif values is not None and values.dtype.kind in "fiu":
        image = axes.scatter(
            points[:, 0], points[:, 1], c=values, s=9, cmap="viridis", linewidths=0
        )
        figure.colorbar(image, ax=axes, shrink=0.8, label="Label").outline.set_visible(False)
    else:
        axes.scatter(points[:, 0], points[:, 1], s=9, color=LINES[0], alpha=0.7, linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    _quiet(axes)
    return figure


def column_errors(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """Draw which share of each column's variance the reconstruction misses, as bars."""
    height = 0.8 + 0.24 * len(names)
    figure, axes = _axes(6.4, height, "Share of the column's variance that is lost (%)", "")
    axes.barh([_short(name) for name in names], 100 * np.asarray(shares), color=LINES[5])
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


def mosaic(images: np.ndarray, fill: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Lay out images (rows, columns, h, w[, c]) with gaps; return the picture and the tiles' pitch."""
    rows, columns, h, w = images.shape[:4]
    gap = max(1, round(min(h, w) / 12))
    pitch = (h + gap, w + gap)
    picture = np.full((rows * pitch[0] - gap, columns * pitch[1] - gap, *images.shape[4:]), fill)
    for i in range(rows):
        for j in range(columns):
            top, left = i * pitch[0], j * pitch[1]
            picture[top : top + h, left : left + w] = images[i, j]
    return picture, pitch


def _data_address(figure: Figure, kind: str, mime: str, **options: Any) -> str:
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # drawn as a box
        figure.savefig(buffer, format=kind, metadata=metadata, **options)
    return f"data:{mime};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _axes(width: float, height: float, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK, fontsize=10)
    axes.set_ylabel(y, color=INK, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9aa1a9")
    axes.tick_params(labelsize=9, color="#9aa1a9", labelcolor=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _terms(history: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
    """Return the measured terms; the whole loss only where it is the sum of several."""
    terms = {k: np.asarray(v, float) for k, v in history.items() if k not in NOT_TERMS}
    if set(terms) <= {"loss", "reconstruction", "validation_loss"}:
        terms.pop("loss", None)
    names = {"loss": "whole loss", "validation_loss": "reconstruction, held-out rows"}
    measured = {k: v for k, v in terms.items() if np.isfinite(v).any()}
    return {names.get(k, k): v for k, v in measured.items()}


def _phases(axes: Axes, labels: list[str]) -> None:
    """Mark where a phase of training ends and the next begins."""
    starts = [i for i in range(1, len(labels)) if labels[i] != labels[i - 1]]
    for start in [0, *starts] if starts else []:
        if start:
            axes.axvline(start + 0.5, color="#9aa1a9", linewidth=1)
        place = {"xy": (start + 1, 1), "xycoords": ("data", "axes fraction")}
        offset = {"xytext": (3, 3), "textcoords": "offset points", "fontsize": 8, "color": INK}
        axes.annotate(_plain(labels[start]), **place, **offset)  # type: ignore[arg-type]


def _by_class(axes: Axes, points: np.ndarray, labels: Any, kinds: Any) -> None:
    for i, kind in enumerate(kinds):
        mine = points[labels == kind]
        axes.scatter(
            mine[:, 0],
            mine[:, 1],
            s=11,
            color=CLASSES[i],
            alpha=0.85,
            linewidths=0,
            label=_plain(kind),
        )
    for i, kind in enumerate(kinds):
        mine = points[labels == kind]
        far = np.sum((mine - np.median(mine, axis=0)) ** 2, axis=1)
        centre = mine[np.argmin(far)]  # a median alone may lie between two groups
        text = axes.annotate(_short(kind, 12), centre, fontsize=15, fontweight="bold")
        text.set(color=CLASSES[i], ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=4, foreground="white")])
    legend = axes.legend(frameon=False, fontsize=10, loc="center left", bbox_to_anchor=(1, 0.5))
    for handle in legend.legend_handles:
        handle.set(sizes=[45])  # type: ignore[union-attr]


def _bright(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map values to [0, 1] for drawing; a single channel loses its axis."""
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    return np.clip((images - low) / ((high - low) or 1.0), 0, 1)


def _centres(count: int, pitch: int) -> list[float]:
    gap = 1 if pitch < 19 else round(pitch / 13)
    return [i * pitch + (pitch - gap - 1) / 2 for i in range(count)]


def _plain_ticks(axes: Axes) -> None:
    """Put ticks of a logarithmic axis at 1, 2 and 5, or at powers of 10, as plain numbers."""
    axes.minorticks_off()
    low, high = axes.get_ylim()
    steps = (1, 2, 5) if high < 300 * low else (1,)
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [m * 10.0**p for p in powers for m in steps if low <= m * 10.0**p <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def _bare(axes: Axes) -> None:
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=INK)


def _quiet(axes: Axes) -> None:
    axes.spines[:].set_color(FAINT)
    axes.xaxis.label.set(color=INK, fontsize=10)
    axes.yaxis.label.set(color=INK, fontsize=10)


def _plain(text: Any) -> str:
    """Return text that Matplotlib draws as it is: no mathematics, and never hidden in a legend."""
    words = str(text).replace("$", r"\$")
    return f"\u2009{words}" if words.startswith("_") else words


def _short(text: Any, length: int = 28) -> str:
    words = str(text)
    return _plain(words if len(words) <= length else f"{words[: length - 1]}\u2026")

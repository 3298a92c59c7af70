"""Tiles in rows and columns: images, filters, feature maps, correlations.

Images are drawn as they are stored, large values bright.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from isthmus.plots.axes import FAINT_GREY, GAP_GREY, INK, RULE_GREY, bare_axes, literal_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.image import AxesImage

PAGE_WIDTH = 7.6  # inches of a picture across the page
LEAST_TILE = (
    12  # the least side of a tile in pixels of the picture, so that gaps are thin beside it
)
DIVERGING_COLOURS = colormaps["RdBu_r"].with_extremes(bad=GAP_GREY)
GREY_COLOURS = colormaps["gray"]


class Mosaic(NamedTuple):
    """Tiles laid out with gaps: the picture, and the centres of its rows and of its columns."""

    picture: np.ndarray
    rows: list[float]
    columns: list[float]


def pairs(
    original: np.ndarray,
    reconstruction: np.ndarray | Mapping[str, np.ndarray],
    names: Sequence[str] = (),
) -> Figure:
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


def unlike(original: np.ndarray, made: np.ndarray, names: Sequence[str] = ()) -> Figure:
    """Draw images, what a model made of them, and how far they lie apart, the brighter the farther.

    Parameters
    ----------
    original, made : ndarray (n, h, w[, c])
        The images.
    names : sequence of str, optional
        A word above each column.

    Returns
    -------
    Figure
    """
    low, high = value_range(original)
    apart = low + np.clip(np.abs(made - original), 0, high - low)
    return image_rows({"observed": original, "expected": made, "difference": apart}, names)


def image_rows(rows: Mapping[str, np.ndarray], names: Sequence[str] = ()) -> Figure:
    """Draw rows of images, each row named, all in the range of the first row's values."""
    low, high = value_range(next(iter(rows.values())))
    stacked = np.stack([brightness(r, low, high) for r in rows.values()])
    tiles = mosaic(stacked, fill=np.nan if stacked.ndim == 4 else 1.0)
    height = PAGE_WIDTH * 0.84 * tiles.picture.shape[0] / tiles.picture.shape[1] + 0.3
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(tiles.picture, cmap=GREY_COLOURS, vmin=0, vmax=1, interpolation="nearest")
    bare_axes(axes)
    axes.set_yticks(tiles.rows, [_folded(name) for name in rows], fontsize=10)
    named = len(names) == stacked.shape[1]
    axes.set_xticks(
        tiles.columns if named else [], [literal_text(v) for v in names] if named else []
    )
    axes.xaxis.tick_top()
    axes.set_anchor("W")  # beside its words, for which the layout then leaves room
    return figure


def filters(weights: np.ndarray, shape: Sequence[int], label: str = "Weight") -> Figure:
    """Draw what each unit of the first layer looks for, as a grid of tiles.

    Parameters
    ----------
    weights : ndarray (h * w * c, units)
        The first layer's weights, or what they are worth.
    shape : (int, int) or (int, int, int)
        Height and width of a tile, and its channels: 1 or 3.
    label : str
        What the colours measure.

    Returns
    -------
    Figure
        Of one channel red is positive, blue negative and white 0; three channels are the red, green
        and blue of a tile, and grey is 0. All tiles share one scale, cut at the largest 0.5 % of the
        weights.
    """
    tiles = _one_channel(np.asarray(weights, float).T.reshape(-1, *shape))
    limit, coloured = _limit(tiles), tiles.ndim == 4
    columns = min(len(tiles), 8 if len(tiles) <= 64 else int(np.ceil(np.sqrt(len(tiles)))))
    shown = np.clip(0.5 + tiles / (2 * limit), 0, 1) if coloured else tiles
    picture = tile_grid(shown, columns, fill=1.0 if coloured else np.nan)
    height = 5.4 * picture.shape[0] / picture.shape[1] + 0.75
    figure = Figure(figsize=(5.4, height), layout="constrained")
    axes = figure.add_subplot()
    scale = {"vmin": -limit, "vmax": limit, "cmap": GREY_COLOURS if coloured else DIVERGING_COLOURS}
    image = axes.imshow(picture, interpolation="nearest", **scale)  # type: ignore[arg-type]
    bar = figure.colorbar(image, location="bottom", fraction=0.12 / height, aspect=45, pad=0.01)
    bar.set_label(literal_text(f"{label}, of each channel" if coloured else label), color=INK)
    _bare_bar(bar)
    bar.outline.set(visible=coloured, edgecolor=GAP_GREY)  # whose white end would not show
    _blank(axes)
    return figure


def maps(
    original: np.ndarray, layers: Mapping[str, np.ndarray], names: Sequence[str] = ()
) -> Figure:
    """Draw images beside the feature maps that convolutional layers make of them.

    Parameters
    ----------
    original : ndarray (n, h, w[, c])
        The images, one a row.
    layers : dict of ndarray (n, height, width, maps)
        The maps of each layer, under the words to put above them.
    names : sequence of str, optional
        A word beside each image.

    Returns
    -------
    Figure
        Red is positive, blue negative and white 0, on one scale a layer, cut at the largest 0.5 %.
    """
    pictures = [[_map_grid(maps) for maps in layer] for layer in layers.values()]
    shares = [0.6, *(column[0].shape[1] / column[0].shape[0] for column in pictures)]
    cell = min(2.5, (PAGE_WIDTH - 0.4) / sum(shares))
    n = len(original)
    size = (cell * sum(shares) + 0.4, (cell + 0.14) * n + 0.9)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.07, w_pad=0.05))
    heights = [cell] * n + [0.1]
    cells = figure.add_gridspec(n + 1, len(shares), width_ratios=shares, height_ratios=heights)
    for i, image in enumerate(brightness(original, *value_range(original))):
        axes = figure.add_subplot(cells[i, 0])
        axes.imshow(image, cmap=GREY_COLOURS, vmin=0, vmax=1, interpolation="nearest")
        _blank(axes, above="input" if i == 0 else "")
        axes.set_anchor("N")
        axes.set_ylabel(literal_text(names[i]) if len(names) == n else "", rotation=0, labelpad=8)
    for j, (words, layer) in enumerate(layers.items()):
        limit = _limit(layer)
        for i, picture in enumerate(pictures[j]):
            axes = figure.add_subplot(cells[i, j + 1])
            drawn = _diverging(axes, picture, limit)
            _blank(axes, above=words if i == 0 else "")
        _bare_bar(
            figure.colorbar(drawn, cax=figure.add_subplot(cells[n, j + 1]), location="bottom")
        )
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
    axes.tick_params(labelsize=9, color=RULE_GREY, labelcolor=INK)
    axes.spines[:].set_color(FAINT_GREY)
    bar = figure.colorbar(image, location="bottom", aspect=40, pad=0.02, label="Correlation")
    bar.outline.set_visible(False)
    return figure


def tile_grid(tiles: np.ndarray, columns: int, fill: float) -> np.ndarray:
    """Lay out tiles (n, h, w[, c]) in rows of so many, with places left over at the end."""
    rows = -(-len(tiles) // columns)
    full = np.full((rows * columns, *tiles.shape[1:]), fill)
    full[: len(tiles)] = tiles
    return mosaic(full.reshape(rows, columns, *tiles.shape[1:]), fill).picture


def mosaic(images: np.ndarray, fill: float) -> Mosaic:
    """Lay out images (rows, columns, h, w[, c]) with gaps; small ones are enlarged."""
    factor = -(-LEAST_TILE // min(images.shape[2:4]))
    images = images.repeat(factor, axis=2).repeat(factor, axis=3)
    rows, columns, h, w = images.shape[:4]
    gap = max(2, round(min(h, w) / 12))
    down, across = (np.arange(n) * (side + gap) for n, side in ((rows, h), (columns, w)))
    shape = (rows * (h + gap) - gap, columns * (w + gap) - gap, *images.shape[4:])
    picture = np.full(shape, fill)
    for i, top in enumerate(down):
        for j, left in enumerate(across):
            picture[top : top + h, left : left + w] = images[i, j]
    return Mosaic(picture, list(down + (h - 1) / 2), list(across + (w - 1) / 2))


def value_range(images: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest value."""
    return float(np.min(images)), float(np.max(images))


def brightness(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map values (n, h, w[, c]) to [0, 1] for drawing; a single channel loses its axis."""
    values = _one_channel(np.asarray(images, float))
    return np.clip((values - low) / ((high - low) or 1.0), 0, 1)


def _one_channel(images: np.ndarray) -> np.ndarray:
    return images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images


def _limit(values: np.ndarray) -> float:
    """Return where a scale around 0 ends."""
    return float(np.quantile(np.abs(values), 0.995)) or 1.0


def _map_grid(maps: np.ndarray) -> np.ndarray:
    """Lay out the maps (h, w, m) of one image in about a square, with few places left over."""
    h, w, count = maps.shape
    wide = np.arange(1, count + 1)
    rows = -(-count // wide)
    unlike = np.abs(np.log(wide * w / (rows * h))) + (rows * wide - count) / count
    return tile_grid(np.moveaxis(maps, -1, 0), int(wide[np.argmin(unlike)]), fill=np.nan)


def _diverging(axes: Axes, picture: np.ndarray, limit: float) -> AxesImage:
    return axes.imshow(
        picture, cmap=DIVERGING_COLOURS, vmin=-limit, vmax=limit, interpolation="nearest"
    )


def _bare_bar(bar: Colorbar) -> None:
    bar.ax.tick_params(labelsize=9, labelcolor=INK)
    bar.outline.set_visible(False)


def _blank(axes: Axes, above: str = "") -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    bare_axes(axes)
    axes.set_title(literal_text(above), fontsize=10, color=INK)


def _folded(name: str) -> str:
    """Return a row's name in short lines, so that it takes no room from the images."""
    return literal_text("\n".join(textwrap.wrap(name, 15, max_lines=3, placeholder="\u2026")))

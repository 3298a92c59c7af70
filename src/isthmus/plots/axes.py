"""What all pictures share: colours, axes without clutter, and text that is drawn as it is."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK, FAINT, GAP, RULE = "#22262b", "#d9dde2", "#c3c8ce", "#9aa1a9"
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


def axes_of(width: float, height: float, x: str, y: str) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes, lines across and no box."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK, fontsize=10)
    axes.set_ylabel(y, color=INK, fontsize=10)
    unboxed(axes)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    return figure, axes


def unboxed(axes: Axes) -> None:
    """Leave the lines at the left and below, in grey."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(labelsize=9, color=RULE, labelcolor=INK)
    axes.set_axisbelow(True)


def bare(axes: Axes) -> None:
    """Leave nothing but what is drawn and the words beside it."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=INK)


def quiet(axes: Axes) -> None:
    """Leave a faint box."""
    axes.spines[:].set_color(FAINT)
    axes.xaxis.label.set(color=INK, fontsize=10)
    axes.yaxis.label.set(color=INK, fontsize=10)


def logarithmic(axes: Axes) -> None:
    """Make the y axis logarithmic, with plain numbers at as many round values as fit."""
    axes.set_yscale("log", nonpositive="clip")
    axes.minorticks_off()
    low, high = axes.get_ylim()
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for digits, enough in (((1,), 4), ((1, 2, 5), 3)):
        ticks = [m * 10.0**p for p in powers for m in digits if low <= m * 10.0**p <= high]
        if len(ticks) >= enough:
            break
    else:  # within a few times the least
        ticks = [float(t) for t in MaxNLocator(4).tick_values(low, high) if low <= t <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def plain(text: Any) -> str:
    """Return text that Matplotlib draws as it is: no mathematics, and never hidden in a legend."""
    words = str(text).replace("$", r"\$")
    return f"\u2009{words}" if words.startswith("_") else words


def short(text: Any, length: int = 28) -> str:
    """Return such text, cut where it is long."""
    words = str(text)
    return plain(words if len(words) <= length else f"{words[: length - 1]}\u2026")

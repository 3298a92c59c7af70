"""What all pictures share: colours, axes without clutter, literal text, and figures as files.

The colours of lines and points can be told apart by people with any colour vision, and colour is
never their only sign.
"""

from __future__ import annotations

import base64
import io
import warnings
from os.path import commonprefix
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

INK, FAINT_GREY, GAP_GREY, RULE_GREY = "#22262b", "#d9dde2", "#c3c8ce", "#9aa1a9"
LINE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b6b6b")
CLASS_COLOURS = (
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
DARK = {  # what colours are on a dark page; all others can be seen on both
    "fill": {"#ffffff": "none", INK: "#e4e7ea", "#6b6b6b": "#a2a9b0", "#0072b2": "#3d9bdb"},
    "stroke": {
        FAINT_GREY: "#3a4048",
        "#cccccc": "#3a4048",
        "#6b6b6b": "#a2a9b0",
        "#0072b2": "#3d9bdb",
    },
}
ON_DARK = (
    "@media (prefers-color-scheme: dark) { svg { fill: #e4e7ea } "
    + " ".join(
        f"[style*='{kind}: {colour}'] {{ {kind}: {other} !important }}"
        for kind, colours in DARK.items()
        for colour, other in colours.items()
    )
    + " }"
)
POINT_MARKS = "osD^vPX*<>"
LINE_DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "-",
    (0, (5, 2)),
    (0, (2, 1)),
    (0, (5, 1.5, 1, 1.5)),
)


def figure_and_axes(width: float, height: float, x: str, y: str) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes, lines across and no box."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK, fontsize=10)
    axes.set_ylabel(y, color=INK, fontsize=10)
    unboxed_axes(axes)
    axes.grid(axis="y", color=FAINT_GREY, linewidth=0.8)
    return figure, axes


def unboxed_axes(axes: Axes) -> None:
    """Leave the lines at the left and below, in grey."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE_GREY)
    axes.tick_params(labelsize=9, color=RULE_GREY, labelcolor=INK)
    axes.set_axisbelow(True)


def bare_axes(axes: Axes) -> None:
    """Leave nothing but what is drawn and the words beside it."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=INK)


def boxed_axes(axes: Axes) -> None:
    """Leave a faint box."""
    axes.spines[:].set_color(FAINT_GREY)
    axes.xaxis.label.set(color=INK, fontsize=10)
    axes.yaxis.label.set(color=INK, fontsize=10)


def logarithmic_y(axes: Axes) -> None:
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


def literal_text(value: object) -> str:
    """Return text that Matplotlib draws as it is: no mathematics, and never hidden in a legend."""
    words = str(value).replace("$", r"\$")
    return f"\u2009{words}" if words.startswith("_") else words


def short_text(value: object, length: int = 28) -> str:
    """Return such text; of a long one its ends, since many names begin alike."""
    words = str(value)
    if len(words) > length:
        head = length // 2
        words = f"{words[:head]}\u2026{words[head + 1 - length :]}"
    return literal_text(words)


def short_texts(values: Sequence[object], length: int = 28) -> list[str]:
    """Return such texts; long ones whose ends are the same begin where they differ."""
    texts = [short_text(value, length) for value in values]
    alike: dict[str, set[str]] = {}
    for text, value in zip(texts, values, strict=True):
        alike.setdefault(text, set()).add(str(value))
    groups = {text: [*group] for text, group in alike.items() if len(group) > 1}
    shared = {text: len(commonprefix(group)) for text, group in groups.items()}  # noqa: RUF071
    return [
        short_text(f"\u2026{str(value)[shared[text] :]}", length) if text in shared else text
        for text, value in zip(texts, values, strict=True)
    ]


def as_svg(figure: Figure) -> str:
    """Return a figure as an SVG data address: isolated, so that figures share no names.

    It is light on a dark page, and has the page's paper.
    """
    content = file_content(figure, "svg")
    return data_address(
        "image/svg+xml", content.replace(b"</style>", f"{ON_DARK}</style>".encode())
    )


def as_png(figure: Figure, dpi: int = 160) -> str:
    """Return a figure as a PNG data address."""
    return data_address("image/png", file_content(figure, "png", dpi=dpi))


def data_address(kind: str, content: bytes) -> str:
    """Return a file's content as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def file_content(figure: Figure, kind: str, dpi: float | None = None) -> bytes:
    """Return a figure as the content of a file of this kind, such as "png" or "svg"."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None
    resolution = "figure" if dpi is None else dpi
    with warnings.catch_warnings(), rc_context({"svg.hashsalt": "isthmus"}):  # the same each time
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # drawn as a box
        figure.savefig(buffer, format=kind, metadata=metadata, dpi=resolution)
    return buffer.getvalue()

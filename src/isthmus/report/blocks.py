"""What a section is made of: paragraphs, pictures and tables; and numbers as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from isthmus import plots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure


class Picture(NamedTuple):
    """A figure: its data address, what it shows in words, and a caption."""

    source: str
    alt: str
    caption: str = ""
    half: bool = False  # whether two fit beside each other
    wide: bool = False  # whether a narrow screen scrolls it rather than make it illegible
    drawn: bool = False  # whether pixels are drawn on white, and no images: dark on a dark page


class Table(NamedTuple):
    """A caption, a head and rows of text; the first columns hold words, the others numbers.

    A name in the head may be a pair: the name, and a note in small type below it.
    """

    caption: str
    head: Sequence[str | tuple[str, str]]
    rows: Sequence[Sequence[str]]
    words: int = 1  # how many columns, from the first, hold words
    code: bool = False  # whether words after the first column are specs


class Section(NamedTuple):
    """A heading, paragraphs, a list, tables and pictures.

    `plane` holds what the interactive picture draws, as JSON; its still picture is the first one.
    """

    title: str
    text: Sequence[str]
    pictures: Sequence[Picture] = ()
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    plane: Mapping[str, object] | None = None
    code: Sequence[tuple[str, str]] = ()  # titled lines to copy


def line_picture(figure: Figure, alt: str, caption: str = "", half: bool = False) -> Picture:
    """Return a figure of lines, as SVG."""
    return Picture(plots.as_svg(figure), alt, caption, half)


def pixel_picture(
    figure: Figure, alt: str, caption: str = "", half: bool = False, wide: bool = False
) -> Picture:
    """Return a figure of many tiles, as PNG."""
    return Picture(plots.as_png(figure), alt, caption, half, wide)


def point_picture(figure: Figure, alt: str, caption: str = "", half: bool = False) -> Picture:
    """Return a figure of many points or cells, as PNG."""
    return Picture(plots.as_png(figure), alt, caption, half, drawn=True)


def number_text(value: float | None) -> str:
    """Return a number to three figures, or whole, as people write it; a dash for none."""
    if value is None:
        return "\u2013"
    if value == 0 or 1e-4 <= abs(value) < 999.5:
        return f"{value:#.3g}".rstrip(".")
    if 999.5 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value:.1e}"


def count_text(count: int | None) -> str:
    """Return a whole number as people write it; a dash for none."""
    return "\u2013" if count is None else f"{count:,}"


def percent_text(share: float, decimals: int = 0) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.{decimals}f} %"


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape in words, such as 8 x 8."""
    return " x ".join(map(str, shape))

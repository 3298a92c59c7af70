"""Which channels of an image go through a model, and where what comes of them goes.

As image files have them: grey, grey and alpha, red-green-blue, and these and alpha.
"""

from __future__ import annotations

from typing import NamedTuple

COLOURS = {1: 1, 2: 1, 3: 3, 4: 3}  # of images of so many channels; what is left is alpha


class Pass(NamedTuple):
    """Channels that go through a model together, and where the result goes; a mean if that is fewer."""

    taken: list[int]
    to: list[int]


def passes_of(channels: int, wanted: int) -> list[Pass] | None:
    """Return how images of so many channels go through a model of others; None if they cannot.

    Examples
    --------
    >>> passes_of(4, 1)  # each colour by itself, and alpha stays
    [Pass(taken=[0], to=[0]), Pass(taken=[1], to=[1]), Pass(taken=[2], to=[2])]
    >>> passes_of(2, 3)  # grey as three equal colours, and alpha stays
    [Pass(taken=[0, 0, 0], to=[0])]
    """
    if channels == wanted:
        return [Pass([*range(channels)], [*range(channels)])]
    colours = COLOURS.get(channels)
    if colours is None or wanted not in (1, 3):
        return None
    if wanted == 1:
        return [Pass([i], [i]) for i in range(colours)]
    return [Pass([0, 1, 2] if colours == 3 else [0, 0, 0], [*range(colours)])]

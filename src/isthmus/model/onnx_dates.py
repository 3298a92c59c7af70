"""Dates as ONNX nodes: what clocks show, and where in the day, the week and the year that is.

All in float64: seconds since 1970 need it, and whole numbers of days are exact there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.schema import to_local

if TYPE_CHECKING:
    from isthmus.nets import Graph

DAY, EPOCH = 86400.0, 719162.0  # seconds of a day; days from the year 1 to 1970
YEAR = 365.2425  # days, on average
FIRST_YEAR, LAST_YEAR = 1900, 2100  # between which a file knows when clocks are changed
KNOWN = tuple(  # in seconds since 1970
    float(np.datetime64(f"{year}", "s").astype(np.int64)) for year in (FIRST_YEAR, LAST_YEAR + 1)
)
HALVINGS = 17  # from a day to a second


def turn_nodes(g: Graph, since: str, zone: str, cycles: tuple[str, ...]) -> list[str]:
    """Add the nodes of dates' cycles, each as part of a turn."""
    local = _local(g, since, zone) if cycles and zone else since
    return [TURNS[cycle](g, local) for cycle in cycles]


def day_turn(g: Graph, since: str) -> str:
    """Add the nodes of the part of a day that is over."""
    begun = g.add("Mul", _days(g, since), g.double(DAY))
    return g.add("Div", g.add("Sub", since, begun), g.double(DAY))


def _week_turn(g: Graph, local: str) -> str:
    """Return the part of the week; 1970 began on a Thursday."""
    weeks = g.add("Div", g.add("Add", _days(g, local), g.double(3.0)), g.double(7.0))
    return g.add("Sub", weeks, g.add("Floor", weeks))


def _year_turn(g: Graph, local: str) -> str:
    """Return the part of the year: the years that are over are guessed, and then corrected by one."""
    days = g.add("Add", _days(g, local), g.double(EPOCH))
    years = g.add("Floor", g.add("Div", days, g.double(YEAR)))
    early = g.cast(g.add("Less", days, _days_before(g, years)), "double")
    years = g.add("Sub", years, early)
    next_one = g.add("Add", years, g.double(1.0))
    late = g.add("GreaterOrEqual", days, _days_before(g, next_one))
    years = g.add("Add", years, g.cast(late, "double"))
    return g.add("Div", g.add("Sub", days, _days_before(g, years)), g.double(366.0))


def _days_before(g: Graph, years: str) -> str:
    """Return the days of so many years, from the year 1 on."""
    total = g.add("Mul", years, g.double(365.0))
    for sign, every in (("Add", 4.0), ("Sub", 100.0), ("Add", 400.0)):
        leaps = g.add("Floor", g.add("Div", years, g.double(every)))
        total = g.add(sign, total, leaps)
    return total


def _days(g: Graph, local: str) -> str:
    return g.add("Floor", g.add("Div", local, g.double(DAY)))


TURNS = {"hour": day_turn, "weekday": _week_turn, "day of year": _year_turn}


def _local(g: Graph, since: str, zone: str) -> str:
    """Return what clocks in a zone show, as seconds: those since 1970 and all changes until then."""
    first, times, changes = clock_changes(zone)
    local = g.add("Add", since, g.double(first))
    if not len(times):
        return local
    later = g.add("GreaterOrEqual", g.add("Unsqueeze", since, [1]), g.double(times))
    changed = g.add("MatMul", g.cast(later, "double"), g.double(changes))
    return g.add("Add", local, changed)


def clock_changes(zone: str) -> tuple[float, np.ndarray, np.ndarray]:
    """Return by how much clocks in a zone are ahead at first, when that changes, and by how much."""
    days = np.arange(f"{FIRST_YEAR}", f"{LAST_YEAR + 1}", dtype="datetime64[D]")
    since = days.astype(np.int64) * DAY
    ahead = to_local(since, zone) - since
    at = np.flatnonzero(np.diff(ahead))
    low, high = since[at], since[at + 1]
    for _ in range(HALVINGS):
        middle = np.floor((low + high) / 2)
        same = to_local(middle, zone) - middle == ahead[at]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return float(ahead[0]), high, ahead[at + 1] - ahead[at]

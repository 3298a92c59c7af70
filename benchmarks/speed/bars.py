"""The bars: ratios of medians that are aimed at, and how to read them from results."""

import statistics
from collections.abc import Callable
from typing import NamedTuple

from speed import denoiser, fits, memory, search, steps
from speed.networks import NETWORKS


class Bar(NamedTuple):
    """What is compared, the limit, and the function that reads it; most=False is a lower limit."""

    what: str
    unit: str
    limit: float
    read: Callable
    most: bool = False

    @property
    def text(self):
        """The limit in words."""
        return f"{'at most' if self.most else 'at least'} {self.limit:g}{self.unit}"

    def reached(self, value):
        """Whether a value is on the right side."""
        return value <= self.limit if self.most else value >= self.limit


def ratio(section, workload, above, below):
    """Return a function that reads the ratio of two medians; None if one was not measured."""

    def read(results):
        pair = [results.median(section, workload, c) for c in (above, below)]
        return pair[0] / pair[1] if all(pair) else None

    return read


def over_tables(read_one):
    """Return a function that reads the median over the small tables of what one gives."""

    def read(results):
        values = [read_one(row) for row in results.of("fits").values()]
        values = [v for v in values if v is not None]
        return statistics.median(values) if values else None

    return read


def times_faster(peer):
    """Return how many times longer than isthmus a peer took, on a small table."""

    def read(row):
        if peer not in row or fits.CACHED not in row:  # new processes are for small tables
            return None
        return row[peer].median / row[fits.WARM].median

    return over_tables(read)


def _late(row):
    """Return by how much the first fit of a new process is slower than that of MLPRegressor."""
    if fits.CACHED not in row:
        return None
    return row[fits.CACHED].median - row[fits.PEER_NEW].median


def _cold(results):
    row = results.of("start").get("first fit, 64-32-8")
    return row and row["no cache"].median - row["warm, no cache"].median


def _scoring_grows(results):
    """Return how many bytes a row scoring takes beyond its result of eight bytes, from many rows."""
    few, *_, many = (f"scoring {n:,} x 30" for n in memory.SCORED)
    pair = [results.median("memory", name, "isthmus") for name in (few, many)]
    if not all(pair):
        return None
    return 1e6 * (pair[1] - pair[0]) / (memory.SCORED[-1] - memory.SCORED[0])


def _bars():
    floors = {"30-64-32-8": 1.3, "784-128-32": 1.6}
    floors |= {"784-512-256-64": 1.25, "784-1000-500-250-30": 1.2}
    loops = {"21-64-32": 8, "30-64-32-8": 4.5, "784-128-32": 1.6}
    loops |= {"784-512-256-64": 1.15, "784-1000-500-250-30": 1.15}
    for name in NETWORKS:
        if name in floors:
            read = ratio("steps", name, "isthmus", "floor")
            yield Bar(f"{name} step, of the floor", "x", floors[name], read, most=True)
        if not name.startswith("sparse"):
            read = ratio("steps", name, steps.LOOP, "isthmus")
            yield Bar(f"{name} step, faster than the PyTorch loop", "x", loops.get(name, 1), read)
    warm = "default fit on small tables, warm, faster than"
    yield Bar(f"{warm} {fits.PYOD}", "x", 50, times_faster(fits.PYOD))
    yield Bar(f"{warm} MLPRegressor", "x", 3, times_faster(fits.PEER))
    cold = "the same in a new process with the cache, slower than MLPRegressor"
    yield Bar(cold, " s", 0.5, over_tables(_late), most=True)
    for what in ("score", "encode"):
        name = f"{what} 1,000,000 x 30"
        read = ratio("scoring", name, "isthmus", "floor")
        yield Bar(f"{name}, of the floor", "x", 1.8, read, most=True)
        read = ratio("scoring", name, steps.LOOP, "isthmus")
        yield Bar(f"{name}, faster than the PyTorch loop", "x", 1.5, read)
    grows = "memory of scoring, bytes a row of 120 (its score is 8)"
    yield Bar(grows, "", 24, _scoring_grows, most=True)
    yield Bar("first fit, no cache, over a warm one", " s", 1.0, _cold, most=True)
    for name in denoiser.WORKLOADS:
        for peer in (denoiser.LOOP, denoiser.LAST):
            read = ratio("denoiser", name, peer, "isthmus")
            yield Bar(f"denoiser, {name}, faster than the {peer}", "x", 1, read)
    for name in search.TASKS:
        read = _in_fits(name)
        yield Bar(f"32 candidates ({name}), in single fits", "", 12, read, most=True)


def _in_fits(name):
    whole = ratio("search", name, "isthmus", search.SINGLES)
    return lambda results: value * search.CANDIDATES if (value := whole(results)) else None


BARS = tuple(_bars())

"""What was measured: values by contestant for each workload, kept in a file of JSON."""

import json
import os
import platform
import resource
import statistics
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from speed.workers import Worker, busy

QUIET = 0.2  # cores that other processes may use


class Measured(NamedTuple):
    """The values of one contestant, in one unit, and how many cores others kept busy before."""

    section: str
    workload: str
    contestant: str
    unit: str
    values: list[float]
    busy: float | None = None
    note: str = ""

    @property
    def median(self):
        """The middle value."""
        return statistics.median(self.values)

    @property
    def spread(self):
        """The quartiles, or the extremes of two values."""
        if len(self.values) < 3:
            return min(self.values), max(self.values)
        return tuple(statistics.quantiles(self.values, method="inclusive")[::2])


def interleaved(workers, rounds, request=()):
    """Return the answers of workers that take turns, each round in another order."""
    answers = {name: [] for name in workers}
    names = list(workers)
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            answers[name].append(workers[name](*request))
            time.sleep(0.05)  # for its threads to fall asleep
    return answers


def alternated(section, workload, names, arguments, rounds, unit):
    """Return what contestants of a section answer in turns, after a first time that does not count."""
    with ExitStack() as stack:
        workers = {n: stack.enter_context(Worker(section, n, *arguments)) for n in names}
        for worker in workers.values():
            worker()
        others = busy()
        answers = interleaved(workers, rounds)
    return [Measured(section, workload, n, unit, v, others) for n, v in answers.items()]


class Results:
    """All measured so far, by section, workload and contestant; a file that exists is gone on with."""

    def __init__(self, path):
        self.path, self.machine, self.found = path, {}, {}
        if path is not None and path.exists():
            held = json.loads(path.read_text())
            self.machine = held["machine"]
            self.take(Measured(**row) for row in held["measured"])

    def take(self, rows):
        """Take in new values, in place of older ones for the same."""
        for row in rows:
            self.found[row.section, row.workload, row.contestant] = row

    def write(self):
        """Write the file."""
        rows = [row._asdict() for row in self.found.values()]
        self.path.write_text(json.dumps({"machine": self.machine, "measured": rows}, indent=1))

    def median(self, section, workload, contestant):
        """Return a median, None if it was not measured."""
        row = self.found.get((section, workload, contestant))
        return row and row.median

    def of(self, section):
        """Return {workload: {contestant: Measured}} of a section."""
        table = {}
        for (name, workload, contestant), row in self.found.items():
            if name == section:
                table.setdefault(workload, {})[contestant] = row
        return table

    @property
    def busiest(self):
        """How many cores others kept busy at most, while something was measured."""
        return max((row.busy or 0.0 for row in self.found.values()), default=0.0)


def processor():
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo")
    names = lines.read_text().splitlines() if lines.exists() else []
    model = next((n.split(":")[1].strip() for n in names if n.startswith("model name")), "")
    return model or platform.processor()


def machine(args):
    """Return where this runs, with what, and how."""
    packages = ("jax", "torch", "scikit-learn", "pyod", "numpy")
    return {
        "processor": processor(),
        "cores": args.cores,
        "activation": args.activation,
        "load": round(os.getloadavg()[0], 2),
        "day": time.strftime("%Y-%m-%d"),
        "versions": {name: _version(name) for name in packages},
    }


def greatest_resident():
    """Return the bytes that this process had in memory at most.

    The system's other figure, ru_maxrss, begins with that of the process that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    line = next(n for n in status.read_text().splitlines() if n.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _version(name):
    try:
        return version(name)
    except ImportError:
        return None

"""How fast isthmus is, beside its peers and beside the limit: `make bench`.

    python benchmarks/bench.py [--only NAME ...] [--rounds 7] [--cores 2] [--activation gelu|relu]
        [--results FILE] [--picture FILE] [--markdown FILE] [--data FOLDER] [--wait 0]
        [--report]

A NAME is a section (steps, fits, scoring, search, memory, start, denoiser) or a workload
("784-128-32"). Every contestant runs in a process of its own, with as many threads in every library as
cores; they take turns, and medians with quartiles are printed. What is not measured now is taken from
the results of earlier runs. Whole fits need a folder of ADBench sets.
"""

import argparse
import os
import time
from pathlib import Path

from speed import denoiser, fits, memory, report, scoring, search, start, steps
from speed.results import QUIET, Results, machine
from speed.workers import busy, limit_cores

SECTIONS = {"steps": steps, "fits": fits, "scoring": scoring, "search": search}
SECTIONS |= {"memory": memory, "start": start, "denoiser": denoiser}


def chosen(args):
    """Return (section, workload) pairs whose section or workload was asked for; all by default."""
    pairs = [(name, workload) for name, m in SECTIONS.items() for workload in m.workloads(args)]
    only = args.only
    known = {name for pair in pairs for name in pair}
    for name in only:
        if name not in known:
            raise SystemExit(f"There is no workload {name!r}; known: {', '.join(sorted(known))}.")
    return [pair for pair in pairs if not only or set(pair) & set(only)]


def wait_for_quiet(seconds):
    """Wait until other processes are quiet for five seconds, but no longer than this."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (busy(5) or 0.0) > QUIET:
        pass


def run(args, results):
    """Measure what is asked for."""
    limit_cores(args.cores)
    results.machine, others = machine(args), busy() or 0.0
    print(f"Load {os.getloadavg()[0]:.1f}; others keep {others:.1f} cores busy.", flush=True)
    if others > QUIET:
        print("This machine is not quiet: trust no figure of this run, and ratios with care.")
    for section, workload in chosen(args):
        wait_for_quiet(args.wait)
        results.take(SECTIONS[section].measure(workload, args))
        if args.results:
            results.write()
        print("\n" + report.rows(results, section, workload), flush=True)


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--activation", choices=("gelu", "relu"), default="gelu")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--wait", type=float, default=0, help="seconds for the machine to be quiet")
    parser.add_argument("--report", action="store_true", help="measure nothing, show --results")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--markdown", type=Path, help="a page with the markers of the section")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/adbench"))
    args = parser.parse_args()
    results = Results(args.results)
    if not args.report:
        run(args, results)
    print("\n" + report.bars_text(results))
    if args.picture:
        report.draw(args.picture, results)
    if args.markdown:
        near = args.picture and os.path.relpath(args.picture, args.markdown.parent)
        report.write_page(args.markdown, results, near)


if __name__ == "__main__":
    main()

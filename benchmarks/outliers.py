"""Outlier detection on public sets with known outliers, beside PyOD and scikit-learn.

    python benchmarks/outliers.py [--data FOLDER ...] [--seeds 0 1 2] [--detectors NAME ...]
        [--against OTHER/src] [--reference NAME] [--results FILE] [--picture FILE]

FOLDER holds `.npz` files in the layout of ADBench, or of OddBench and OvRBench (see `detection.read`).
Two protocols. Unsupervised: fit and score all rows; isthmus is `OutlierDetector()`. Semi-supervised:
fit on normal rows (those that a set has to train on, else half of all), score the others; isthmus is
told so by `OutlierDetector(contamination="none")`, and `isthmus, not told` is its default there. All
other defaults are the same for all sets. Rows are standardised for the peers, which do not do it
themselves; sets of more than `--most` rows are sampled. The first defaults were chosen on ten sets of
ADBench; the table gives means over those, over the others, and over all.

Differences are to the detector of reference, paired by set, with standard errors and Wilcoxon's p.
`--against` runs `isthmus before` too, from another source folder. A detector whose scores are not all
finite, or that raises an error, has failed on that set.

FILE collects a line of JSON for each run, and what it holds is not run again; runs of isthmus are if
its source has changed. PyOD is needed for its detectors: pip install isthmus[peers].
"""

import argparse
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from detection.detectors import BEFORE, DETECTORS, PYOD
from detection.read import MOST, find_sets, set_name
from detection.report import DRAWN, complete, failures, losses, picture, table, values_of, versions
from detection.runs import PROTOCOLS, Runner, collect, read_results, wanted


def options():
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, nargs="+", default=[Path("../shared/data/adbench")])
    add("--sets", nargs="+", default=["*"], metavar="PATTERN", help="names of sets, as by a shell")
    add("--every", type=int, default=1, help="take each so many-th set of a folder")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--most", type=int, default=MOST, help="rows of a set at most")
    add("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    add("--detectors", nargs="+", choices=list(DETECTORS), default=list(DETECTORS))
    add("--against", type=Path, metavar="SRC", help="a folder that has isthmus/")
    add("--reference", default="isthmus", help="the detector that others are compared with")
    add("--results", type=Path, default=Path("outliers.jsonl"))
    add("--report-only", action="store_true", help="run nothing, report what the file holds")
    add("--picture", type=Path)
    return parser.parse_args()


def check(args):
    """Refuse what cannot be done before anything is run; return the detectors and the sets."""
    names = args.detectors + [BEFORE] * (args.against is not None)
    if args.against is not None and not (args.against / "isthmus" / "__init__.py").is_file():
        raise SystemExit(f"--against {args.against} has no package isthmus: give another src.")
    if args.reference not in names:
        raise SystemExit(
            f"--reference {args.reference!r} is not run; one of {', '.join(names)} is."
        )
    if not args.report_only and set(names) & set(PYOD) and find_spec("pyod") is None:
        raise SystemExit("PyOD is not installed: pip install isthmus[peers], or leave it out.")
    found = find_sets(args.data, args.sets, args.every)
    if args.picture and len(found) > DRAWN:
        raise SystemExit(f"A picture holds {DRAWN} sets at most, not {len(found)}: see --sets.")
    return names, found


def report(results, names, sets, args):
    """Print what came of each protocol, by folder and of all folders, and draw the picture."""
    drawn = {}
    for protocol in args.protocols:
        told = [n for n in names if any((n, protocol) == (k[0], k[2]) for k in results)]
        if args.reference not in told:
            print(f"\n{protocol}: there are no results of {args.reference}.")
            continue
        done = complete(results, told, sets, protocol, args.seeds, args.most)
        if len(done) < len(sets):
            print(
                f"\n{protocol}: {len(sets) - len(done)} sets are left out, as not all is run yet."
            )
        asked = told, done, protocol, args.seeds, args.most
        drawn[protocol] = values = values_of(results, *asked)
        for folder, chosen in groups(done):
            print(f"\n{protocol}, {folder}: {chosen.sum()} sets, seeds {args.seeds}\n")
            show(values.part(chosen), args.reference)
        print(*failures(results, *asked), sep="\n")
    for name in names:
        if len(versions(results, name)) > 1:
            print(f"Results of several versions of {name}: run again without --report-only.")
    if args.picture and drawn:
        picture(args.picture, drawn)


def groups(sets):
    """Return names of groups of sets, and which sets each has: folders, and all of several."""
    of = np.array([name.split("/")[0] for name in sets])
    folders = {str(folder): of == folder for folder in np.unique(of)}
    return [*folders.items(), *[("all", of == of)] * (len(folders) > 1)]


def show(values, reference):
    """Print the table of a group of sets, and where the detector of reference loses most."""
    print(*table(values, reference), sep="\n")
    lost = list(losses(values, reference))
    if lost:
        print(f"\nWhere {reference} is most behind the best other:\n")
        print(*lost, sep="\n")


def main():
    """Run what is missing, print tables, draw a picture."""
    args = options()
    names, found = check(args)
    keys = wanted(names, found, args.protocols, args.seeds, args.most)
    if args.report_only:
        results = read_results(args.results)
    else:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
        with Runner(args.against) as runner:
            results = collect(runner, keys, args.results)
    report(
        {k: results[k] for k, _ in keys if k in results}, names, list(map(set_name, found)), args
    )


if __name__ == "__main__":
    main()

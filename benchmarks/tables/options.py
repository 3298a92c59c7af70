"""The options that the benchmarks of tables have in common."""

import argparse
import os
from pathlib import Path


def arguments(words, data, methods, tables, most, results):
    """Return what was asked for: methods, tables, seeds, how many rows, and where results are kept."""
    parser = argparse.ArgumentParser(description=words.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data") / data)
    parser.add_argument("--only", nargs="+", default=list(methods), choices=methods)
    parser.add_argument("--tables", nargs="+", default=list(tables), choices=tables)
    parser.add_argument("--most", type=int, default=most, help="rows of a table at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=Path(results))
    parser.set_defaults(activation="", cores=os.cpu_count())
    return parser.parse_args()

"""What the default threshold of a detector finds on real tables, at several seeds.

    python benchmarks/thresholds.py [--data FOLDER] [--sets NAME ...] [--seeds N]

FOLDER holds `adbench/*.npz` and `tables/penguins.csv`, of which the four columns of numbers are taken.
Of sets with labels there follow the share of normal rows found, and F1, as means over the seeds; of
sets with more than 10,000 rows a sample is taken.
"""

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import polars as pl
from detection.read import rows
from speed.results import machine

from isthmus import OutlierDetector

COLUMNS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
SETS = ("penguins", "45_wine", "43_WDBC", "7_Cardiotocography", "31_satimage-2")


def table(folder, name):
    """Return the rows of a set and whether each is an outlier, or None."""
    if name == "penguins":
        frame = pl.read_csv(folder / "tables" / "penguins.csv", null_values=["", "NA"])
        return frame.select(COLUMNS).drop_nulls().to_numpy().astype(float), None
    X, _, y = rows(folder / "adbench" / f"{name}.npz", "unsupervised", 0)
    return X, y.astype(bool)


def quality(found, y):
    """Return the share of normal rows found, and F1, as text."""
    both = (found & y).sum(axis=1)
    f1 = 2 * both / np.maximum(found.sum(axis=1) + y.sum(), 1)
    return f"{found[:, ~y].mean():>8.3f}{f1.mean():>8.3f}"


def main():
    """Fit, and print a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.set_defaults(activation="tanh", cores=os.cpu_count())
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print("{processor}, {cores} cores, {day}".format(**machine(args)))
    print(f"{'set':<20}{'rows':>7}{'least':>7}{'most':>6}{'false':>8}{'F1':>8}  found by seed")
    for name in args.sets:
        X, y = table(args.data, name)
        found = np.array(
            [OutlierDetector(random_state=s).fit_predict(X) == -1 for s in range(args.seeds)]
        )
        n = found.sum(axis=1)
        measured = f"{'':>16}" if y is None else quality(found, y)
        line = f"{name:<20}{len(X):>7}{n.min():>7}{n.max():>6}{measured}"
        print(f"{line}  {' '.join(map(str, n))}", flush=True)


if __name__ == "__main__":
    main()

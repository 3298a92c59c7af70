"""Rare flags: attacks found on one-hot NSL-KDD at a target of 1 % false alarms, by scaling.

    python benchmarks/flags.py [--data FOLDER] [--seeds 0 1 2]

A detector is fitted on 8,000 normal connections (`contamination="none", target_fpr=0.01`) and judges
the other normal ones and all attacks. Its scaling is "standard", which is what "auto" stands for here,
"minmax", and scikit-learn's StandardScaler, which knows no rule for columns of two values.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from speed.results import machine

from isthmus import OutlierDetector
from isthmus.outliers import default_autoencoder

KDD = "nsl_kdd_20percent.csv.gz"


def connections(folder):
    """Return one-hot rows, and which are attacks."""
    table = pl.read_csv(folder / KDD, has_header=False)
    features = table[:, :41]
    rows = features.to_dummies([c for c in features.columns if features[c].dtype == pl.String])
    return rows.to_numpy().astype(float), (table[:, 41] != "normal").to_numpy()


def measure(X, attack, scaling, seed):
    """Return the shares of attacks and of normal rows that are called outliers, and the AUROC."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(~attack))
    test = np.r_[normal[8000:], np.flatnonzero(attack)]
    train = X[normal[:8000]]
    ae = default_autoencoder(train).set_params(scaling=scaling)
    detector = OutlierDetector(ae, contamination="none", target_fpr=0.01, random_state=seed)
    scores = detector.fit(train).score_samples(X[test])
    found, strange = detector.decide(scores) == -1, attack[test]
    return found[strange].mean(), found[~strange].mean(), roc_auc_score(strange, -scores)


def main():
    """Fit, and print a line for each scaling and seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tables"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.set_defaults(activation="tanh", cores=os.cpu_count())
    options = parser.parse_args()
    X, attack = connections(options.data)
    print("{processor}, {cores} cores, {day}".format(**machine(options)))
    print(f"{len(X):,} rows, {X.shape[1]} columns")
    for name, scaling in [
        ("standard", "auto"),
        ("minmax", "minmax"),
        ("sklearn's", StandardScaler()),
    ]:
        for seed in options.seeds:
            found, false, area = measure(X, attack, scaling, seed)
            print(
                f"{name:9} seed {seed}: {found:.1%} of the attacks, {false:.2%} false, AUROC {area:.3f}"
            )


if __name__ == "__main__":
    main()

"""Outlier detection on a folder of ADBench sets, beside PyOD and scikit-learn.

    python benchmarks/adbench.py [--data FOLDER] [--seeds 0 1 2] [--results FILE] [--picture FILE]

Two protocols. Unsupervised: fit and score all rows; isthmus is `OutlierDetector()`. Semi-supervised:
fit on half of the normal rows, score all others; isthmus is told so by
`OutlierDetector(contamination="none")`, and `isthmus, not told` is its default there. All other
defaults are the same for all sets. Rows are standardised for the peers, which do not do it themselves;
sets of more than 10,000 rows are sampled. The defaults were chosen on every second set by number; the
table gives means over those, over the others, and over all.

FILE collects a line of JSON for each run, and what it holds is not run again. PyOD is needed:
pip install isthmus[peers].
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from isthmus import OutlierDetector

MOST = 10_000
PROTOCOLS = ("unsupervised", "semi-supervised")


def ours(**parameters):
    """Return strangeness by isthmus; the scaling is its own."""

    def run(train, test, protocol, seed):
        told = {"contamination": "none"} if protocol == "semi-supervised" else {}
        detector = OutlierDetector(random_state=seed, **(told | parameters)).fit(train)
        return -detector.score_samples(test)

    return run


def pyod(module, name, **parameters):
    """Return strangeness by a detector of PyOD."""

    def run(train, test, protocol, seed):
        found = getattr(__import__(f"pyod.models.{module}", fromlist=[name]), name)
        seeded = {"random_state": seed} if name in ("IForest", "PCA", "AutoEncoder") else {}
        detector = found(**seeded, **parameters)
        detector.fit(train)
        if protocol == "unsupervised":
            return detector.decision_scores_
        return detector.decision_function(test)

    return run


def lof(train, test, protocol, seed):
    """Return strangeness by scikit-learn's local outlier factor."""
    if protocol == "unsupervised":
        return -LocalOutlierFactor().fit(train).negative_outlier_factor_
    return -LocalOutlierFactor(novelty=True).fit(train).score_samples(test)


DETECTORS = {
    "isthmus": ours(),
    "isthmus, not told": ours(contamination="auto"),
    "IForest": pyod("iforest", "IForest"),
    "KNN": pyod("knn", "KNN"),
    "ECOD": pyod("ecod", "ECOD"),
    "COPOD": pyod("copod", "COPOD"),
    "PCA": pyod("pca", "PCA"),
    "LOF": lof,
    "AutoEncoder": pyod("auto_encoder", "AutoEncoder", verbose=0, preprocessing=False),
}


def sets(folder):
    """Return the sets of a folder by their numbers, and those that the defaults were chosen on."""
    found = sorted(folder.glob("*.npz"), key=lambda path: int(path.stem.split("_")[0]))
    return found, {path.stem for path in found[1::2]}


def rows(path, protocol, seed):
    """Return the rows to train on, the rows to score and whether each of these is an outlier."""
    with np.load(path) as arrays:
        X, y = arrays["X"].astype(float), arrays["y"].astype(int).ravel()
    rng = np.random.default_rng(seed)
    if len(X) > MOST:
        chosen = rng.choice(len(X), MOST, replace=False)
        X, y = X[chosen], y[chosen]
    if protocol == "unsupervised":
        return X, X, y
    normal = rng.permutation(np.flatnonzero(y == 0))
    train = normal[: len(normal) // 2]
    rest = np.setdiff1d(np.arange(len(y)), train)
    return X[train], X[rest], y[rest]


def measured(name, path, protocol, seed):
    """Run one detector on one set and return what came of it."""
    train, test, y = rows(path, protocol, seed)
    if not name.startswith("isthmus"):
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strangeness = np.nan_to_num(DETECTORS[name](train, test, protocol, seed))
    return {
        "auroc": roc_auc_score(y, strangeness),
        "precision": average_precision_score(y, strangeness),
        "seconds": time.perf_counter() - begin,
    }


def table(results, protocol, found, chosen):
    """Print means over seeds and sets for each detector, and return the AUROCs by set."""
    names = [n for n in DETECTORS if any(k[0] == n and k[2] == protocol for k in results)]

    def mean(name, path, what):
        values = [r[what] for k, r in results.items() if k[:3] == (name, path.stem, protocol)]
        return np.mean(values) if values else np.nan

    auroc = np.array([[mean(n, path, "auroc") for path in found] for n in names])
    precision = np.array([[mean(n, path, "precision") for path in found] for n in names])
    seconds = np.array([[mean(n, path, "seconds") for path in found] for n in names])
    ranks = rankdata(-auroc, axis=0).mean(axis=1)
    picked = np.array([path.stem in chosen for path in found])
    print(f"\n{protocol}: mean AUROC, average precision, rank and seconds, {len(found)} sets")
    print(f"{'':<20}{'all':>8}{'chosen on':>11}{'others':>8}{'precision':>11}{'rank':>7}{'s':>8}")
    for i in np.argsort(-auroc.mean(axis=1)):
        a = auroc[i]
        means = f"{a.mean():>8.4f}{a[picked].mean():>11.4f}{a[~picked].mean():>8.4f}"
        rest = f"{precision[i].mean():>11.4f}{ranks[i]:>7.2f}{seconds[i].mean():>8.2f}"
        print(f"{names[i]:<20}{means}{rest}")
    return dict(zip(names, auroc, strict=True))


def picture(path, tables, found):
    """Draw the AUROC of each detector on each set, best detectors first."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2 * len(tables)), layout="constrained")
    for axes, (protocol, by_name) in zip(
        figure.subplots(len(tables), squeeze=False).ravel(), tables.items(), strict=True
    ):
        names = sorted(by_name, key=lambda n: -by_name[n].mean())
        values = np.array([by_name[n] for n in names])
        axes.imshow(values, cmap="cividis", vmin=0.4, vmax=1, aspect="auto")
        for i, j in np.ndindex(values.shape):
            dark = values[i, j] < 0.75
            text = f"{100 * values[i, j]:.0f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color="wk"[not dark])
        axes.set_yticks(range(len(names)), [f"{n}  {by_name[n].mean():.3f}" for n in names])
        labels = [p.stem.split("_", 1)[1] for p in found]
        axes.set_xticks(range(len(found)), labels, rotation=40, ha="right", fontsize=8)
        axes.set_title(f"AUROC in per cent, {protocol}")
    figure.savefig(path, dpi=110)


def main():
    """Run what is missing, print tables, draw a picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/adbench"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--detectors", nargs="+", choices=list(DETECTORS), default=list(DETECTORS))
    parser.add_argument("--results", type=Path, default=Path("adbench.jsonl"))
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    found, chosen = sets(args.data)
    if not found:
        raise SystemExit(f"{args.data} has no .npz files; give the folder with --data.")
    lines = args.results.read_text().splitlines() if args.results.exists() else []
    results = {tuple(key): values for key, values in map(json.loads, lines)}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    for seed in args.seeds:
        for path in found:
            for key in [(n, path.stem, p, seed) for p in PROTOCOLS for n in args.detectors]:
                if key in results or (key[0].endswith("told") and key[2] == "unsupervised"):
                    continue
                results[key] = measured(key[0], path, key[2], seed)
                with args.results.open("a") as file:
                    file.write(json.dumps([key, results[key]]) + "\n")
    tables = {p: table(results, p, found, chosen) for p in PROTOCOLS}
    if args.picture:
        picture(args.picture, tables, found)


if __name__ == "__main__":
    main()

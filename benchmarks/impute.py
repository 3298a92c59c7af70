"""Missing numbers, filled: isthmus beside forests, neighbours, ridge regressions and the mean.

    python benchmarks/impute.py [--data FOLDER] [--only NAME ...] [--tables NAME ...] [--most 1000]
                                [--seeds 0 1 2] [--results FILE]

Of each table's cells 30 % are hidden at random. Columns are scaled to [0, 1] by the whole table, for
all methods alike; the error is the root of the mean squared error of hidden cells in these units.
Coverage is the share of hidden cells in the interval that is to hold 90 %. "noise" has no signal: no
method can do better there than the mean, and it is left out of the averages. missForest is
scikit-learn's IterativeImputer with forests of 100 trees, 10 rounds at most.

FILE collects a line of JSON for each run, and what it holds is not run again.
"""

import json
import time
import warnings

import numpy as np
from sklearn import datasets
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import BayesianRidge
from speed.results import machine
from tables.options import arguments

MISSING, COVERED = 0.3, 0.9
EMBEDDED = {"wine": datasets.load_wine, "breast cancer": datasets.load_breast_cancer}
STORED = {
    "diabetes": "29_Pima",
    "vertebral": "39_vertebral",
    "yeast": "47_yeast",
    "waveform": "41_Waveform",
    "page blocks": "27_PageBlocks",
    "cardiotocography": "7_Cardiotocography",
}
TABLES = [*EMBEDDED, *STORED, "noise"]


def rows(name, folder, most):
    """Return a table's rows, scaled to [0, 1]."""
    rng = np.random.default_rng(0)
    if name == "noise":
        X = rng.normal(size=(500, 8))
    elif name in EMBEDDED:
        X = EMBEDDED[name]().data
    else:
        with np.load(folder / f"{STORED[name]}.npz") as arrays:
            X = arrays["X"].astype(float)
    X = rng.permutation(X)[:most]
    low, high = X.min(axis=0), X.max(axis=0)
    return ((X - low) / np.where(high > low, high - low, 1))[:, high > low]


def hidden(X, seed):
    """Return which cells are hidden; each row and column keeps one at least."""
    rng = np.random.default_rng(seed)
    gone = rng.random(X.shape) < MISSING
    gone[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] = False
    return gone


def ours(X, seed):
    """Return rows filled by isthmus, and its intervals as two arrays."""
    from isthmus.presets import imputing

    filled, intervals = imputing(random_state=seed).fit(X).impute(X, return_interval=COVERED)
    low, high = X.copy(), X.copy()
    for j, name in enumerate(f"x{j}" for j in range(X.shape[1])):
        found = intervals.get(name)
        if found is not None:
            at = np.asarray(found["row"])
            low[at, j], high[at, j] = np.asarray(found["low"]), np.asarray(found["high"])
    return filled, (low, high)


def by(make):
    """Return the method that an imputer of scikit-learn is; it knows no intervals."""
    return lambda X, seed: (make(seed).fit_transform(X), None)


def mice(seed):
    """Return chained ridge regressions."""
    return IterativeImputer(BayesianRidge(), max_iter=10, random_state=seed)


def miss_forest(seed):
    """Return chained forests."""
    forest = RandomForestRegressor(100, random_state=seed)
    return IterativeImputer(forest, max_iter=10, tol=0.01, random_state=seed)


METHODS = {
    "isthmus": ours,
    "missForest": by(miss_forest),
    "kNN": by(lambda seed: KNNImputer()),
    "ridge MICE": by(mice),
    "mean": by(lambda seed: SimpleImputer()),
}


def measured(method, X, seed):
    """Return the error, the seconds, and the coverage of intervals if there are any."""
    gone = hidden(X, seed)
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled, interval = METHODS[method](np.where(gone, np.nan, X), seed)
    seconds = time.perf_counter() - begin
    result = {"rmse": float(np.sqrt(np.mean((filled - X)[gone] ** 2))), "seconds": seconds}
    if interval is not None:
        low, high = interval
        result["covered"] = float(((low <= X) & (X <= high))[gone].mean())
    return result


def collect(options):
    """Run what the file of results does not hold, and return all results."""
    known = (
        [json.loads(line) for line in options.results.open()] if options.results.exists() else []
    )
    done = {(r["method"], r["table"], r["seed"], r["most"]) for r in known}
    for name in options.tables:
        X = rows(name, options.data, options.most)
        for seed in options.seeds:
            for method in options.only:
                key = {"method": method, "table": name, "seed": seed, "most": options.most}
                if tuple(key.values()) in done:
                    continue
                known.append(key | measured(method, X, seed))
                with options.results.open("a") as file:
                    file.write(json.dumps(known[-1]) + "\n")
    return known


def mean(results, value, options, method, name):
    """Return the mean over seeds, or NaN if a method has no such value."""
    where = {"method": method, "table": name, "most": options.most}
    found = [
        r[value]
        for r in results
        if value in r and r["seed"] in options.seeds and all(r[k] == v for k, v in where.items())
    ]
    return np.mean(found) if found else np.nan


def main():
    """Hide, fill, and print the tables."""
    options = arguments(__doc__, "adbench", METHODS, TABLES, 1000, "impute.jsonl")
    results = collect(options)
    print("{processor}, {cores} cores, {day}".format(**machine(options)))
    for value in ("rmse", "seconds", "covered"):
        print(f"\n{value}\n| method | {' | '.join(options.tables)} | mean |")
        print(f"|{'---|' * (len(options.tables) + 2)}")
        for method in options.only:
            found = [mean(results, value, options, method, name) for name in options.tables]
            signal = [v for v, n in zip(found, options.tables, strict=True) if n != "noise"]
            values = [*found, np.mean(signal) if signal else np.nan]
            print(f"| {method} | {' | '.join(f'{v:.4f}' for v in values)} |")


if __name__ == "__main__":
    main()

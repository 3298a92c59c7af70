"""Sets with known outliers, in two layouts of `.npz`.

ADBench's has `X` and `y`. That of OddBench and OvRBench, as published with OutFormer, has `train`, all
of it normal, `test` and `test_labels`. Labels are 1 for outliers. What else a file holds is never read:
the latter keep pickled objects.
"""

import zipfile
from fnmatch import fnmatch
from functools import lru_cache

import numpy as np

MOST, LEAST = 10_000, 10  # rows of a sample, and outliers in it, if there are as many
LAYOUTS = ({"X", "y"}, {"train", "test", "test_labels"})
CHOSEN_ON = set(  # of ADBench, for the detector's first defaults
    "5_campaign 11_donors 17_InternetAds 21_Lymphography 25_musk 29_Pima 33_skin 37_Stamps "
    "41_Waveform 45_wine".split()
)


def is_set(path):
    """Whether a file has one of the layouts."""
    try:
        with zipfile.ZipFile(path) as held:
            names = {name.removesuffix(".npy") for name in held.namelist()}
    except zipfile.BadZipFile:
        return False
    return any(layout <= names for layout in LAYOUTS)


def number(path):
    """Return the number that a set of ADBench begins with; of others infinity."""
    first = path.stem.split("_")[0]
    return int(first) if first.isdecimal() else np.inf


def set_name(path):
    """Return the name of a set, its folder's included."""
    return f"{path.parent.resolve().name}/{path.stem}"


def find_sets(folders, patterns=("*",), every=1):
    """Return the sets of folders, by number or name, whose names have one of the patterns."""
    found = []
    for folder in folders:
        paths = sorted(folder.glob("*.npz"), key=lambda path: (number(path), path.stem))
        if not paths:
            raise SystemExit(f"{folder} has no .npz files: give a folder of sets with --data.")
        found += [p for p in paths if any(fnmatch(p.stem, each) for each in patterns)][::every]
    if not found:
        raise SystemExit(f"No set's name is like {' or '.join(patterns)}: see the folders' files.")
    for path in found:
        if not is_set(path):
            raise SystemExit(
                f"{path} is no set: it must hold the arrays X and y, or train, test and test_labels."
            )
    if len({set_name(path) for path in found}) < len(found):
        raise SystemExit("Two folders of sets have the same name: rename one, results go by names.")
    return found


@lru_cache(maxsize=1)
def whole(path):
    """Return a set's rows, whether each is an outlier, and those to score, or None if all may be."""
    with np.load(path) as arrays:
        if "X" in arrays.files:
            return arrays["X"].astype(float), arrays["y"].astype(int).ravel(), None
        train, test = arrays["train"].astype(float), arrays["test"].astype(float)
        y = np.r_[np.zeros(len(train), int), arrays["test_labels"].astype(int).ravel()]
    return np.concatenate([train, test]), y, np.arange(len(y)) >= len(train)


def sample(y, most, rng):
    """Return which rows to take: all, or `most` at random with some more outliers if they are rare."""
    if len(y) <= most:
        return np.arange(len(y))
    chosen = rng.choice(len(y), most, replace=False)
    others = np.setdiff1d(np.flatnonzero(y), chosen)
    lacking = min(LEAST - y[chosen].sum(), len(others))
    return chosen if lacking <= 0 else np.r_[chosen, rng.permutation(others)[:lacking]]


def rows(path, protocol, seed, most=MOST):
    """Return the rows to train on, the rows to score and whether each of these is an outlier.

    Unsupervised these are all rows. Semi-supervised, rows to train on are those that the set has for
    it, else half of the normal ones.
    """
    X, y, scored = whole(path)
    rng = np.random.default_rng(seed)
    chosen = sample(y, most, rng)
    X, y = X[chosen], y[chosen]
    if protocol == "unsupervised":
        return X, X, y
    if scored is None:
        normal = rng.permutation(np.flatnonzero(y == 0))
        train = normal[: len(normal) // 2]
    else:
        train = np.flatnonzero(~scored[chosen])
    rest = np.setdiff1d(np.arange(len(y)), train)
    return X[train], X[rest], y[rest]

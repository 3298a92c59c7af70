"""Runs of detectors, each a line of JSON in a file, which is gone on with.

Versions of isthmus run in a process of their own each. What they gave counts as long as their source
is the same.
"""

import hashlib
import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from speed.workers import HOME, Worker

from detection.detectors import BEFORE, DETECTORS, OURS
from detection.read import rows, set_name

PROTOCOLS = ("unsupervised", "semi-supervised")
KEY = ("detector", "set", "protocol", "seed", "most")
ROOMS = ("nets", "parts", "training", "model", "autoencoder", "outliers")  # what scores follow from


def judged(y, strangeness):
    """Return the quality of scores, or why there is none."""
    if y.min() == y.max():
        return {"failed": f"all {len(y)} rows to score are of one kind"}
    bad = np.count_nonzero(~np.isfinite(strangeness))
    if bad:
        return {"failed": f"{bad} of {len(y)} scores are not finite"}
    return {
        "auroc": roc_auc_score(y, strangeness),
        "precision": average_precision_score(y, strangeness),
    }


def measured(name, path, protocol, seed, most):
    """Run one detector on one set and return what came of it; what it raises is a failure."""
    train, test, y = rows(Path(path), protocol, seed, most)
    if name not in OURS:
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    about = {"rows": len(test), "columns": test.shape[1], "outliers": int(y.sum())}
    begin = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            strangeness = np.asarray(DETECTORS[name](train, test, protocol, seed), dtype=float)
        found = judged(y, strangeness)
    except ImportError:
        raise  # says nothing of the set
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}
    return about | found | {"seconds": time.perf_counter() - begin}


CONTESTANTS = {"isthmus": lambda: measured}  # for `speed.workers`


def version_of(source):
    """Return a digest of a source folder's rooms that scores follow from."""
    sha = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((source / "isthmus" / room).rglob("*.py")):
            sha.update(path.read_bytes())
    return sha.hexdigest()[:12]


class Runner:
    """Runs peers here, and each version of isthmus in a process that starts when it is needed."""

    def __init__(self, against=None):
        here = HOME.parent / "src"
        self.sources = dict.fromkeys(OURS, here) | ({BEFORE: against} if against else {})
        self.versions = {name: version_of(source) for name, source in self.sources.items()}
        self.workers = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for worker in self.workers.values():
            worker.__exit__(*error)

    def __call__(self, name, *request):
        """Return what came of a detector."""
        if name not in self.sources:
            return measured(name, *request)
        return self.worker(name)("isthmus" if name == BEFORE else name, *request)

    def worker(self, name):
        """Return the process of a detector's source folder."""
        source = self.sources[name]
        if source not in self.workers:
            paths = os.pathsep.join([str(source.resolve()), str(HOME)])
            self.workers[source] = Worker("detection.runs", "isthmus", PYTHONPATH=paths)
        return self.workers[source]


def key_of(result):
    """Return what a result is of."""
    return tuple(result[part] for part in KEY)


def read_results(path):
    """Return the results of a file by what they are of, the last of each; half a line is cut off."""
    text = path.read_text() if path.exists() else ""
    lines = text[: text.rfind("\n") + 1]
    if lines != text:
        path.write_text(lines)
    try:
        return {key_of(result): result for result in map(json.loads, lines.splitlines())}
    except (ValueError, TypeError, KeyError):
        raise SystemExit(f"{path} holds other lines than results: give another file.") from None


def wanted(names, paths, protocols, seeds, most):
    """Return what each run is of, and the set's path: set by set, so that each is read seldom."""
    return [
        ((name, set_name(path), protocol, seed, most), path)
        for path in paths
        for seed in seeds
        for protocol in protocols
        for name in names
        if (name, protocol) != ("isthmus, not told", "unsupervised")  # there is nothing to tell
    ]


def collect(runner, keys, path):
    """Run what a file of results does not hold, and return all that it holds then."""
    results = read_results(path)
    for i, (key, of) in enumerate(keys, 1):
        version = runner.versions.get(key[0])
        if key in results and results[key].get("version") == version:
            continue
        name, _, *request = key
        found = runner(name, str(of), *request)
        results[key] = dict(zip(KEY, key, strict=True)) | {"version": version} | found
        with path.open("a") as file:
            file.write(json.dumps(results[key]) + "\n")
        said = found.get("failed") or f"{found['auroc']:.3f}, {found['seconds']:.1f} s"
        print(
            f"{i}/{len(keys)} {', '.join(map(str, key[:4]))}: {said}", file=sys.stderr, flush=True
        )
    return results

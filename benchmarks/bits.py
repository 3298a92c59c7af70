"""What seeded fits of every kind give, as digests: two versions of isthmus compared to the bit.

    python benchmarks/bits.py                     prints a line a fit
    python benchmarks/bits.py --against OTHER/src prints what differs from another source folder

Digests differ between kinds of processors and between versions of JAX; both sides run here and now.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits, load_iris, load_wine

import isthmus
from isthmus import Autoencoder, Contractive, Dense, Gaussian, OutlierDetector, presets, tune

FEW = {"max_epochs": 6, "random_state": 0}


def digest(*arrays):
    """Return the first 16 hexadecimal digits of the arrays' SHA-256."""
    sha = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        sha.update(repr((array.shape, array.dtype.str)).encode() + array.tobytes())
    return sha.hexdigest()[:16]


def of_model(model, X):
    """Return digests of a model's weights and of every use of it."""
    history = [np.asarray(v) for k, v in model.history_.items() if k not in ("phase", "seconds")]
    numbers = [v for v in getattr(model, "baseline_", {}).values() if not isinstance(v, str)]
    summary = model.summary().split("After")[0].encode()  # without seconds
    return {
        "weights": digest(*map(np.asarray, jax.tree.leaves(model.net_))),
        "history": digest(*history),
        "baseline": digest(np.array(numbers)),
        "results": digest(model.transform(X), model.reconstruct(X), model.score_samples(X)),
        "summary": digest(np.frombuffer(summary, np.uint8)),
        "score": f"{model.score(X):.12g}",
    }


def of_detector(detector, X, *, explain):
    """Return digests of what a detector says of rows."""
    known = {"scores": detector.score_samples(X), "flags": detector.predict(X)}
    known["threshold"] = np.array(detector.offset_)
    if detector.calibration_scores_ is not None:
        known["pvalues"] = detector.pvalues(X)
    if explain:
        known["reasons"] = detector.explain(X[:20]).contribution
    return {name: digest(array) for name, array in known.items()}


def stored(model):
    """Return a model after it went through a file."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model.isthmus"))
        return isthmus.load(Path(folder, "model.isthmus"))


def pinball(x_out, x):
    """Return a loss of a user's own."""
    return jnp.mean(jnp.maximum(0.9 * (x - x_out), 0.1 * (x_out - x)), axis=1)


def dense():
    """Yield the names, models and rows of fits of tables."""
    X, iris, wine = load_digits().data[:600], load_iris().data, load_wine().data
    hidden = "dense:hidden=[32]"
    tied = Dense(hidden=(32,), tied=True, norm="layer", dropout=0.1)
    deep = Dense(hidden=(32,), activation="sigmoid")
    noise = (Gaussian(0.3), "masking", "swap", "saltpepper")
    both = ("contractive", "l2:on=both")
    yield "plain", Autoencoder(2, random_state=0), iris
    yield "deep", Autoencoder(8, "dense:hidden=[32,16]", **FEW), X
    yield "weights", Autoencoder(8, hidden, **FEW), X
    yield "tied norm dropout", Autoencoder(8, tied, **FEW), X
    yield "kl", Autoencoder(100, sparsity="kl", scaling="range", **FEW), X
    yield "l1", Autoencoder(20, sparsity="l1", **FEW), X
    yield "topk", Autoencoder(20, sparsity="topk:k=4", **FEW), X
    yield "contractive", Autoencoder(8, penalty=Contractive(weight=0.01), **FEW), X
    yield "contractive deep", Autoencoder(4, "dense:hidden=[16]", penalty=both, **FEW), wine
    yield "contractive kl", Autoencoder(8, sparsity="kl", penalty="contractive", **FEW), wine
    yield "probes", Autoencoder(4, penalty="contractive:probes=2", **FEW), wine
    yield "noise", Autoencoder(16, hidden, corruption=noise, **FEW), X
    for loss in ("mae", "lp:p=1.5", "huber", "cosine"):
        yield loss, Autoencoder(4, "dense:hidden=[16]", loss=loss, **FEW), wine
    counts = np.random.default_rng(0).poisson(3.0, (300, 12))
    yield "bce", Autoencoder(8, loss="bce", **FEW), X / 16
    yield "poisson", Autoencoder(3, "dense:hidden=[8]", loss="poisson", **FEW), counts
    yield "own loss", Autoencoder(4, loss=pinball, **FEW), wine
    yield "layerwise kl", Autoencoder(8, deep, sparsity="kl", pretrain=3, **FEW), X
    yield "frozen", Autoencoder(8, hidden, freeze=1, **FEW), X
    yield "float64", Autoencoder(4, "dense:hidden=[16]", dtype="float64", **FEW), wine
    for scaling in ("minmax", "robust", "range", None):
        yield f"scaling {scaling}", Autoencoder(2, scaling=scaling, **FEW), iris


def convolutional():
    """Yield the names, models and rows of fits of images and signals."""
    images = load_digits().images[:300]
    signals = np.random.default_rng(0).normal(size=(200, 32)).cumsum(1)
    maps = "conv:channels=[4],code=maps,padding=full"
    yield "conv", Autoencoder(8, "conv:channels=[4,8]", **FEW), images
    yield "conv maps", Autoencoder(None, maps, **FEW), images
    yield "conv1d", Autoencoder(4, "conv1d:channels=[4],norm=layer", **FEW), signals
    yield "stacked", presets.stacked_denoising_convolutional(8, **FEW), images


def fits():
    """Yield a name and digests for each single fit, and for one that goes on from another."""
    for name, model, X in (*dense(), *convolutional()):
        weight = np.linspace(0, 2, len(X)) if name == "weights" else None
        found = of_model(model.fit(X, sample_weight=weight), X)
        if name != "own loss":  # a file holds no code
            assert of_model(stored(model), X) == found, name
        yield name, found
    digits, wine = load_digits().data, load_wine().data
    part = Autoencoder(4, "dense:hidden=[16]", random_state=0)
    for chunk in np.array_split(digits[:500], 4):
        part.partial_fit(chunk)
    yield "partial_fit", of_model(part, digits[:100])
    warm = Autoencoder(4, max_epochs=5, warm_start=True, random_state=0).fit(wine)
    yield "warm start", of_model(warm.fit(wine), wine)
    moved = Autoencoder(4, max_epochs=3, random_state=1).fit(wine, init=warm)
    yield "transfer", of_model(moved, wine)


def detectors():
    """Yield a name and digests for each detector."""
    wine = load_wine().data
    cosine = Autoencoder(2, loss="cosine", max_epochs=5)
    kinds = {
        "plain": {},
        "clean": {"contamination": "none"},
        "cross": {"alpha": 0.1, "calibration": "cross", "n_estimators": 5},
        "cosine": {"autoencoder": cosine, "n_estimators": 3},
        "conv1d": {"autoencoder": Autoencoder(2, "conv1d", max_epochs=5), "n_estimators": 2},
    }
    for name, settings in kinds.items():
        found = OutlierDetector(random_state=0, **settings).fit(wine)
        yield f"detector {name}", of_detector(found, wine, explain="autoencoder" not in settings)


def searches():
    """Yield a name and digests for a search."""
    grid = {"n_components": [2, 4], "learning_rate": [1e-3, 1e-2], "corruption": [None, "gaussian"]}
    found = tune(Autoencoder(2, max_epochs=5, random_state=0), grid, load_wine().data)
    scores = digest(np.array(found.cv_results_["mean_test_score"]))
    yield "search", {"best": str(found.best_params_).replace(" ", ""), "scores": scores}


def show():
    """Print a line for each fit: its name, and digests by what they are of."""
    warnings.filterwarnings("ignore")
    for kind in (fits, detectors, searches):
        for name, digests in kind():
            print(f"{name}: {' '.join(f'{k}={v}' for k, v in digests.items())}", flush=True)


def start(source):
    """Start this script on the package of a source folder."""
    paths = {"PYTHONPATH": str(Path(source).resolve())}
    pipe = {"stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, __file__], env=os.environ | paths, **pipe)


def parsed(text):
    """Return what a side printed, by name and by what each digest is of."""
    named = (line.partition(": ") for line in text.splitlines())
    return {name: dict(word.split("=", 1) for word in rest.split()) for name, _, rest in named}


def differences(ours, theirs):
    """Yield a line for each name whose digests differ, or that one side alone has."""
    for name in sorted({*ours, *theirs}):
        here, there = ours.get(name), theirs.get(name)
        if here is None or there is None:
            yield f"{name}: {'here' if there is None else 'there'} only"
        elif here != there:
            changed = [k for k in {**here, **there} if here.get(k) != there.get(k)]
            yield f"{name}: {', '.join(changed)}"


def main():
    """Print digests, or what differs from another source folder; exit with 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--against", type=Path, metavar="SRC", help="a folder that has isthmus/")
    other = parser.parse_args().against
    if other is None:
        show()
        return
    if not (other / "isthmus" / "__init__.py").is_file():
        raise SystemExit(f"{other} has no package isthmus: give the src of another checkout.")
    sides = [start(Path(isthmus.__file__).parents[1]), start(other)]
    texts = [side.communicate()[0] for side in sides]
    if any(side.returncode for side in sides):
        raise SystemExit("A side failed: its error is above.")
    ours, theirs = map(parsed, texts)
    found = list(differences(ours, theirs))
    print("\n".join(found) or f"All {len(ours)} are the same to the bit.")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()

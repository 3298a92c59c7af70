"""Convolutional autoencoders on MNIST and CIFAR-10, beside the article's figures and PCA.

    python benchmarks/article.py [--data FOLDER] [--sets mnist cifar10] [--pictures docs/images]

Prints half the mean squared error of the test images on [-1, 1], which is the article's measure. Its
model has one layer of 32 filters and no bottleneck; the stacked model has a dense code, with PCA of
the same width beside it. FOLDER holds `mnist.npz` and `cifar10_6k.npz`, each with `x_train` and
`x_test` as bytes.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from isthmus import plots, presets


class Setting(NamedTuple):
    """A data set: its file, what the article reports on it, and how the models are made."""

    file: str
    article: float
    reported: str
    article_epochs: int
    stacked_epochs: int
    width: int
    stacked: str
    penalty: str | None  # of the stacked model: CIFAR-10 has few images here


SETS = {
    "mnist": Setting("mnist.npz", 0.00215, "test", 5, 15, 32, "conv:channels=[16,32]", None),
    "cifar10": Setting(
        *("cifar10_6k.npz", 0.0254, "validation", 10, 30, 32),
        *("conv:channels=[32,64],kernel=5", "l2:weight=1e-5,on=both"),
    ),
}
COMMON = {"early_stopping": False, "random_state": 0, "verbose": 1}


def half_error(x, reconstruction):
    """Return half the mean squared error of bytes scaled to [-1, 1]."""
    return float(np.mean(((reconstruction - x) * 2 / 255) ** 2) / 2)


def fitted(model, train, test, name):
    """Fit, and return the reconstructions of the test images and the facts."""
    begin = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - begin
    again = model.reconstruct(test)
    error = half_error(test, again)
    return again, {
        "model": name,
        "error": error,
        "epochs": model.n_iter_,
        "seconds": seconds,
        "code": model.net_.n_components,
        "parameters": model.n_parameters_,
    }


def projected(train, test, width):
    """Return PCA's reconstructions of the test images, and the facts."""
    begin = time.perf_counter()
    flat = [x.reshape(len(x), -1).astype(np.float32) for x in (train, test)]
    pca = PCA(width, random_state=0).fit(flat[0])
    again = pca.inverse_transform(pca.transform(flat[1])).reshape(test.shape)
    facts = {"model": "PCA", "error": half_error(test, again), "code": width, "epochs": 0}
    return again, {**facts, "seconds": time.perf_counter() - begin, "parameters": 0}


def measured(name, setting, folder, pictures):
    """Fit the three models on one set and return their facts."""
    with np.load(folder / setting.file) as arrays:
        train, test = arrays["x_train"], arrays["x_test"]
    rows = {
        "the article's": presets.article_convolutional(max_epochs=setting.article_epochs, **COMMON),
        "stacked": presets.stacked_convolutional(
            setting.width,
            architecture=setting.stacked,
            penalty=setting.penalty,
            max_epochs=setting.stacked_epochs,
            pretrain=max(setting.stacked_epochs // 10, 1),
            **COMMON,
        ),
    }
    shown, facts = {}, []
    for label, model in rows.items():
        shown[label], fact = fitted(model, train, test, label)
        facts.append(fact)
    shown["PCA"], fact = projected(train, test, setting.width)
    facts.append(fact)
    if pictures:
        chosen = np.random.default_rng(1).choice(len(test), 10, replace=False)
        figure = plots.pairs(test[chosen], {k: v[chosen] for k, v in shown.items()})
        figure.savefig(pictures / f"conv-{name}.png", dpi=130)
    return {"rows": [len(train), len(test)], "models": facts}


def main():
    """Fit, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    missing = [SETS[s].file for s in args.sets if not (args.data / SETS[s].file).exists()]
    if missing:
        raise SystemExit(f"{args.data} lacks {', '.join(missing)}; give the folder with --data.")
    load = os.getloadavg()[0]
    results = {s: measured(s, SETS[s], args.data, args.pictures) for s in args.sets}
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    print(f"half the mean squared error on [-1, 1], test images; load {load:.1f} at start")
    for name, result in results.items():
        setting, (train, test) = SETS[name], result["rows"]
        print(f"\n{name}: {train:,} training and {test:,} test images")
        reported = f"the article reports ({setting.reported})"
        print(f"  {reported:<36}{setting.article:.5f}  after 150 epochs")
        for fact in result["models"]:
            label = f"{fact['model']}, code of {fact['code']:,}"
            effort = f"{fact['epochs']} epochs, {fact['seconds']:.0f} s"
            print(f"  {label:<36}{fact['error']:.5f}  {effort if fact['epochs'] else ''}")


if __name__ == "__main__":
    main()

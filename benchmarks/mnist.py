"""A deep autoencoder of 30 components on MNIST, beside PCA and Hinton & Salakhutdinov (2006).

    python benchmarks/mnist.py [--data mnist.npz] [--epochs 30] [--json out.json]

Prints squared error per image (sum over 784 pixels in [0, 1], mean over the 10,000 test images).
`mnist.npz` holds `x_train` (60000, 28, 28) and `x_test` (10000, 28, 28) as bytes.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA

from isthmus import Autoencoder

HINTON = 3.00  # Science 313, 2006: 784-1000-500-250-30, pretrained


def squared_error(x, reconstruction):
    """Return the squared error per image."""
    return float(np.mean(np.sum((reconstruction - x) ** 2, axis=1)))


def main():
    """Fit, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mnist.npz"))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--corruption", default=None)
    parser.add_argument("--penalty", default="l2:weight=6e-7,on=both")
    parser.add_argument("--architecture", default="dense:hidden=[1000,500,250]")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not args.data.exists():
        raise SystemExit(f"{args.data} is not there; give the file with --data.")
    with np.load(args.data) as arrays:
        train, test = arrays["x_train"][: args.rows], arrays["x_test"]
    flat = [x.reshape(len(x), -1) / 255.0 for x in (train, test)]
    pca = PCA(30).fit(flat[0])
    facts = {
        "load": os.getloadavg()[0],
        "pca": squared_error(flat[1], pca.inverse_transform(pca.transform(flat[1]))),
        "hinton": HINTON,
    }
    ae = Autoencoder(
        30,
        args.architecture,
        args.corruption,
        penalty=args.penalty,
        max_epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        early_stopping=False,
        random_state=0,
        verbose=1,
    )
    begin = time.perf_counter()
    ae.fit(train)
    facts["seconds"] = time.perf_counter() - begin
    for name, x in zip(("train", "test"), (train[:10_000], test), strict=True):
        facts[name] = squared_error(
            x.reshape(len(x), -1) / 255.0, ae.reconstruct(x).reshape(len(x), -1) / 255.0
        )
    facts["epochs"], facts["model"] = ae.n_iter_, repr(ae)
    if args.json:
        args.json.write_text(json.dumps(facts, indent=1))
    print(f"{facts['model']}\n")
    print("squared error per image, test set (train: first 10,000 rows)")
    print(f"  PCA, 30 components           {facts['pca']:.2f}")
    print(f"  Hinton & Salakhutdinov 2006  {HINTON:.2f}")
    print(f"  isthmus                      {facts['test']:.2f}  (train {facts['train']:.2f})")
    print(f"{facts['epochs']} epochs, {facts['seconds']:.0f} s, load {facts['load']:.1f} at start")


if __name__ == "__main__":
    main()

"""Classification of MNIST with 10,000 labels on 30 codes, beside PCA-30 and the 784 pixels.

    python benchmarks/codes.py [--data mnist.npz] [--epochs 20] [--json out.json]

All 60,000 training images train the autoencoder and PCA, which see no label; the first 10,000 with
their labels train the classifiers; the 10,000 test images are classified. The corruption moves each
image by up to two pixels, and the model learns to return it to where it was. `mnist.npz` holds
`x_train` (60000, 28, 28), `y_train`, `x_test` and `y_test`.
"""

import argparse
import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from isthmus import Autoencoder, compare

SIDE, REACH, LABELS = 28, 2, 10_000


def moved(key, x):
    """Move each image by up to two pixels, each way."""
    images = x.reshape(-1, SIDE, SIDE)
    by = jax.random.randint(key, (len(images), 2), -REACH, REACH + 1)
    return jax.vmap(lambda image, b: jnp.roll(image, b, (0, 1)))(images, by).reshape(x.shape)


def main():
    """Fit, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mnist.npz"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--architecture", default="dense:hidden=[500,250]")
    parser.add_argument("--corruption", default="moved", help="moved, none, or a spec")
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not args.data.exists():
        raise SystemExit(f"{args.data} is not there; give the file with --data.")
    with np.load(args.data) as arrays:
        X, X_test = arrays["x_train"][: args.rows], arrays["x_test"]
        y, y_test = arrays["y_train"][: args.rows].astype(object), arrays["y_test"].astype(object)
    y[LABELS:] = None
    load = os.getloadavg()[0]
    ae = Autoencoder(
        30,
        args.architecture,
        {"moved": moved, "none": None}.get(args.corruption, args.corruption),
        max_epochs=args.epochs,
        batch_size=256,
        early_stopping=False,
        random_state=args.seed,
        verbose=1,
    )
    result = compare(ae, X, y, X_test, y_test, unlabelled="use", random_state=args.seed)
    if args.json:
        args.json.write_text(json.dumps(result.facts(), indent=1))
    print(f"{args.architecture}, corruption {args.corruption}, {args.epochs} epochs\n")
    print(result)
    seconds = ", ".join(f"{name} {s:.0f} s" for name, s in result.encode_seconds.items())
    print(f"to fit and apply: {seconds}; load {load:.1f} at start")


if __name__ == "__main__":
    main()

"""Held-out error over PCA's by Adam's b2, on scikit-learn's small sets: why the engine's is 0.95.

python benchmarks/adam.py
"""

import warnings

import jax
import numpy as np
import optax
from sklearn import datasets

from isthmus import Autoencoder
from isthmus.training import trainer

SETS = {"digits": 16, "wine": 2, "iris": 2, "breast_cancer": 2}
ARCHITECTURES = {
    "tanh": "dense",
    "linear": "dense:activation=identity",
    "deep": "dense:hidden=[32]",
}


def main():
    """Measure and print."""
    warnings.simplefilter("ignore")
    heads = [f"{name[:6]} {kind}" for name in SETS for kind in ARCHITECTURES]
    print("b2     " + "".join(f"{head:>15}" for head in heads))
    for b2 in (0.999, 0.99, 0.98, 0.95, 0.9):
        trainer.ADAM = optax.scale_by_adam(b2=b2)
        jax.clear_caches()  # the programs hold the earlier optimiser
        row = ""
        for name, width in SETS.items():
            X = getattr(datasets, f"load_{name}")().data
            for kind in ARCHITECTURES.values():
                fits = [Autoencoder(width, kind, random_state=s).fit(X).baseline_ for s in range(2)]
                row += f"{np.mean([b['model'] / b['pca'] for b in fits]):>15.3f}"
        print(f"{b2:<7}{row}", flush=True)


if __name__ == "__main__":
    main()

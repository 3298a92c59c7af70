"""Small valid model files."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np

from isthmus import Autoencoder, OutlierDetector

QUICK = {"max_epochs": 1, "random_state": 0}


def seeds() -> list[bytes]:
    """Return files of autoencoders of several slots, of an encoder, and of detectors."""
    rows = np.random.default_rng(0).normal(size=(30, 3))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that models trained for one epoch are poor
        path, files = Path(folder) / "m", []
        deep = Autoencoder(2, "dense:hidden=[4],norm=layer", "gaussian", "kl", "l2", **QUICK)
        pixels = Autoencoder(2, "conv:channels=[2]", **QUICK)
        for ae, x in (
            (Autoencoder(2, **QUICK), rows),
            (deep, rows),
            (pixels, rows.reshape(-1, 3, 5)),
        ):
            ae.fit(x).save(path)
            files.append(path.read_bytes())
        ae.save(path, part="encoder")
        files.append(path.read_bytes())
        ae.partial_fit(rows.reshape(-1, 3, 5)).save(path, resume=True)
        files.append(path.read_bytes())
        for options in ({}, {"fdr": True, "alpha": 0.4}):
            small = Autoencoder(2, **QUICK)
            OutlierDetector(small, n_estimators=2, random_state=0, **options).fit(rows).save(path)
            files.append(path.read_bytes())
    return files

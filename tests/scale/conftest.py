"""Small fitted models in files, and rows for them."""

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from isthmus import Autoencoder, OutlierDetector
from isthmus.scale.scorer import LOADED

QUICK = {"max_epochs": 2, "random_state": 0}


class Stored(NamedTuple):
    path: str
    model: object
    rows: pl.DataFrame | np.ndarray


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """Return models by name, each with its file and twenty rows that have an identifier, too."""
    folder, rng = tmp_path_factory.mktemp("stored"), np.random.default_rng(0)
    X = rng.normal(size=(20, 4))
    numbers = pl.DataFrame(X, schema=list("abcd"))
    gaps = pl.Series([None if i % 7 == 0 else i for i in range(20)])
    mixed = pl.DataFrame({"a": X[:, 0], "k": ["u", "v"] * 10, "n": gaps})
    held = {"contamination": "none", "calibration_fraction": 0.5, "target_fpr": 0.3}
    detector = OutlierDetector(Autoencoder(2, **QUICK), n_estimators=2, random_state=0, **held)
    machine = pl.Series("m", ["0", "1"] * 80)  # as `--by` reads what is 0 and 1
    many = np.tile(X, (8, 1))  # as groups take
    many_named = pl.DataFrame(many, schema=list("abcd"))
    grouped = OutlierDetector(Autoencoder(2, **QUICK), n_estimators=2, random_state=0, **held)
    fitted = {
        "groups": (Autoencoder(2, **QUICK).fit(many_named, groups=machine), numbers),
        "array_groups": (Autoencoder(2, **QUICK).fit(many, groups=machine), X),
        "detector_groups": (grouped.fit(many_named, groups=machine), numbers),
        "numbers": (Autoencoder(2, **QUICK).fit(numbers), numbers),
        "mixed": (Autoencoder(2, **QUICK).fit(mixed), mixed),
        "array": (Autoencoder(2, **QUICK).fit(X), X),
        "images": (Autoencoder(2, **QUICK).fit(X.reshape(20, 2, 2)), X.reshape(20, 2, 2)),
        "detector": (detector.fit(numbers), numbers),
    }
    found = {}
    for name, (model, rows) in fitted.items():
        model.save(folder / f"{name}.isthmus")
        ids = pl.Series("id", range(100, 120))
        rows = rows if isinstance(rows, np.ndarray) else rows.with_columns(ids)
        found[name] = Stored(str(folder / f"{name}.isthmus"), model, rows)
    return found


@pytest.fixture(autouse=True)
def nothing_loaded():
    yield
    LOADED.clear()

"""A folder with data and fitted models, on which each command runs in a moment."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from isthmus import Autoencoder, OutlierDetector
from isthmus.cli.app import COMMANDS

QUICK = {"max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Return a folder with tables, an array, images, models of them and a detector."""
    folder, rng = tmp_path_factory.mktemp("prepared"), np.random.default_rng(0)
    x = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(60, 4))
    frame = pl.DataFrame(x, schema=list("abcd"))
    columns = {"name": [f"n{i:02}" for i in range(60)], "kind": ["u", "v"] * 30, "x": ["p"] * 60}
    table = frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    table.head(40).write_csv(folder / "t.csv")
    table.tail(20).write_csv(folder / "new.csv")
    np.save(folder / "x.npy", x)
    np.save(folder / "bad.npy", np.where(x > x.max() - 1e-9, np.nan, x))
    mixed = mixed_table(rng)
    mixed.write_csv(folder / "gaps.csv")
    ae = Autoencoder(2, early_stopping=True, **QUICK).fit(mixed.drop("name"))
    ae.save(folder / "mixed.isthmus")
    OutlierDetector(
        Autoencoder(2, **QUICK), n_estimators=2, contamination="none", random_state=0
    ).fit(mixed.drop("name")).save(folder / "dmixed.isthmus")
    Autoencoder(2, **QUICK).fit(frame.head(40)).save(folder / "m.isthmus")
    Autoencoder(2, **QUICK).fit(frame.head(40)).save(folder / "enc.isthmus", part="encoder")
    Autoencoder(2, loss="cosine", **QUICK).fit(frame.head(40)).save(folder / "cosine.isthmus")
    small = Autoencoder(2, **QUICK)
    OutlierDetector(small, n_estimators=2, random_state=0).fit(frame.head(40)).save(
        folder / "d.isthmus"
    )
    OutlierDetector(
        small, n_estimators=2, contamination="none", calibration_fraction=0.5, random_state=0
    ).fit(frame.head(40)).save(folder / "held.isthmus")
    pixels = rng.integers(0, 255, (12, 8, 8), np.uint8)
    np.save(folder / "photos.npy", pixels)
    (folder / "photos").mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / "photos" / f"{i:02}.png")
    Autoencoder(2, corruption="gaussian", **QUICK).fit(pixels).save(folder / "p.isthmus")
    OutlierDetector(small, n_estimators=2, random_state=0).fit(pixels).save(folder / "dp.isthmus")
    return folder


def mixed_table(rng, n=60):
    """Return a table as people have it: words, truths, dates, and missing cells."""
    z = rng.normal(size=n)
    whole = pl.DataFrame(
        {
            "name": [f"n{i:02}" for i in range(n)],
            "age": np.rint(40 + 10 * z).astype(int),
            "pay": (1000 + 300 * z).round(2),
            "size": np.array(["small", "middle", "large"])[np.digitize(z, [-0.5, 0.5])],
            "sure": z > 0,
            "day": np.datetime64("2024-01-01") + np.rint(100 * (z + 3)).astype("m8[D]"),
        }
    )
    keep = rng.random((n, 5)) > 0.1
    gaps = [
        pl.when(pl.Series(keep[:, j])).then(name).otherwise(None).alias(name)
        for j, name in enumerate(whole.columns[1:])
    ]
    return whole.with_columns(gaps)


@pytest.fixture
def ready(cli, prepared, tmp_path, monkeypatch):
    """Run a command line in a folder of its own with all of that; `isthmus demo` trains nothing."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)

    def run(folder, quick, verbose):
        Path(folder).mkdir(exist_ok=True)
        return Path(folder) / "report.html"

    monkeypatch.setattr("isthmus.demo.run", run)
    return lambda words, *more: cli(*words.split(), *more)


@pytest.fixture(params=COMMANDS)
def command(request):
    """Return the name of each command in turn."""
    return request.param

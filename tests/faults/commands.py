"""Each command on small data, and a folder in which all of them run in a moment."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from isthmus import Autoencoder, OutlierDetector

FIT = "t.csv --ignore name,kind,x --random-state 0"
COMMANDS = {  # each with where its result goes
    "audit": ("audit t.csv --folds 2 --max-epochs 2 --id name", "o.html"),
    "compare": (
        "compare t.csv --label kind --id name,x --n-components 2 --max-epochs 2 --cv 2",
        "o.csv",
    ),
    "denoise": ("denoise p.isthmus photos", "out"),
    "detect": ("detect new.csv --model d.isthmus --id name", "o.csv"),
    "embed": ("embed m.isthmus t.csv --colour kind", "o.png"),
    "encode": ("encode m.isthmus t.csv --id name", "o.parquet"),
    "explain": ("explain d.isthmus t.csv --all", "o.csv"),
    "export": ("export m.isthmus", "o.onnx"),
    "fit": (f"fit {FIT} --max-epochs 4000 --early-stopping no --checkpoint", "o.isthmus"),
    "impute": ("impute gaps.csv --max-epochs 2", "o.csv"),
    "info": ("info d.isthmus", ""),
    "recalibrate": ("recalibrate d.isthmus t.csv", "o.isthmus"),
    "reconstruct": ("reconstruct p.isthmus photos.npy", "o.npy"),
    "report": ("report m.isthmus t.csv --id name,x --label kind", "o.html"),
    "score": ("score m.isthmus t.csv", "o.csv"),
    "threshold": ("threshold d.isthmus t.csv", "o.csv"),
    "tune": (f"tune {FIT} --max-epochs 2 --grid n_components=1,2", "o.isthmus"),
}


def words(name: str, output: str | None = None) -> list[str]:
    """Return the command line of a command, with its result in a file or on the standard output."""
    line, target = COMMANDS[name]
    target = target if output is None else output
    return [*line.split(), *(["-o", target, "--force"] if target else [])]


def prepare(folder: Path) -> None:
    """Write tables, an array, images, models of them and detectors to a folder."""
    rng, quick = np.random.default_rng(0), {"max_epochs": 2, "random_state": 0}
    x = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(60, 4))
    frame = pl.DataFrame(x, schema=list("abcd"))
    columns = {"name": [f"n{i:02}" for i in range(60)], "kind": ["u", "v"] * 30, "x": ["p"] * 60}
    table = frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    table.head(40).write_csv(folder / "t.csv")
    table.tail(20).write_csv(folder / "new.csv")
    gaps = table.head(40).select(
        "kind", "a", pl.when(pl.int_range(40) % 9 > 0).then("b").alias("b")
    )
    gaps.write_csv(folder / "gaps.csv")
    pixels = rng.integers(0, 255, (12, 8, 8), np.uint8)
    np.save(folder / "photos.npy", pixels)
    (folder / "photos").mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / "photos" / f"{i:02}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Autoencoder(2, **quick).fit(frame.head(40)).save(folder / "m.isthmus")
        Autoencoder(2, corruption="gaussian", **quick).fit(pixels).save(folder / "p.isthmus")
        detector = OutlierDetector(Autoencoder(2, **quick), n_estimators=2, random_state=0)
        detector.fit(frame.head(40)).save(folder / "d.isthmus")

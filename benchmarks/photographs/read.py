"""The photographs of the DnCNN repository, and noise."""

from pathlib import Path

import numpy as np
from PIL import Image

FOLDERS = {
    name: Path("TrainingCodes/DnCNN_TrainingCodes_v1.0/data") / place
    for name, place in {
        "Train400": "Train400",
        "Set12": "Test/Set12",
        "BSD68": "Test/Set68",
    }.items()
}


def read(data, name):
    """Return the grey photographs of a set, as bytes."""
    folder = Path(data) / FOLDERS[name]
    found = sorted(p for p in folder.iterdir() if p.suffix in (".png", ".jpg"))
    return [np.asarray(Image.open(path).convert("L")) for path in found]


def noisy(images, deviation, seed=0):
    """Return images on [0, 1] with Gaussian noise of this deviation of 255, not clipped."""
    rng = np.random.default_rng(seed)
    return [
        np.float32(x / 255 + deviation / 255 * rng.normal(size=x.shape)) for x in images
    ]  # one stream of numbers for all, in their order

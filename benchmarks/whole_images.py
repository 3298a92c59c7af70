"""What `isthmus denoise` takes for an image that is large: seconds, and the memory of its process.

    python benchmarks/whole_images.py                     # 10,000 x 10,000, grey and colour
    python benchmarks/whole_images.py --side 2000         # a smaller one

The model is a denoiser whose code is maps; its weights are hardly trained, which costs the same. Each
command runs in a process of its own, from a PNG file to a PNG file. Beside its seconds stands its
greatest resident size as the operating system counts it. What the program itself takes is that of an
image of 64 x 64 pixels.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from speed.results import machine

from isthmus import Autoencoder
from isthmus.training import usable_cores

MAPS = "conv:channels=[32,32],stride=2,kernel=4,code=maps"
# A small process in between: to the system a new one is as large as the one that starts it was.
WATCH = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
seconds, used = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, used.ru_maxrss / 1e6]))
"""


def fit(path: Path, channels: tuple[int, ...]) -> None:
    """Write a model of images of so many channels."""
    patches = np.random.default_rng(0).integers(0, 256, (64, 32, 32, *channels), np.uint8)
    settings = {"corruption": "gaussian", "max_epochs": 1, "random_state": 0}
    Autoencoder(None, MAPS, **settings).fit(patches).save(path)


def picture(path: Path, side: int, channels: tuple[int, ...]) -> None:
    """Write a picture: waves and noise, which compress as badly as a photograph."""
    rows, rng = np.arange(side), np.random.default_rng(1)
    pixels = np.empty((side, side, *channels), np.uint8)
    for row in rows:
        wave = 128 + 60 * np.sin(row / 40 + rows / 55)
        noisy = wave.reshape(side, *[1] * len(channels)) + rng.normal(0, 12, pixels.shape[1:])
        pixels[row] = noisy.clip(0, 255)
    Image.fromarray(pixels).save(path, compress_level=1)


def measured(folder: Path, name: str) -> tuple[float, float]:
    """Denoise a picture, and return seconds and gigabytes."""
    words = [
        "-m",
        "isthmus",
        "denoise",
        "model.isthmus",
        name,
        "-o",
        "out.png",
        "--force",
        "--quiet",
    ]
    command = [sys.executable, *words, "--max-pixels", "178956970"]
    ended = subprocess.run(
        [sys.executable, "-c", WATCH, *command], cwd=folder, check=True, stdout=subprocess.PIPE
    )
    seconds, size = json.loads(ended.stdout)
    return seconds, size


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    facts = machine(argparse.Namespace(cores=usable_cores(), activation="gelu"))
    print(f"{facts['processor']}, {facts['cores']} cores; load {facts['load']}")
    for kind, channels in {"grey": (), "colour": (3,)}.items():
        with tempfile.TemporaryDirectory(dir=args.folder) as name:
            folder = Path(name)
            fit(folder / "model.isthmus", channels)
            for side in (64, args.side):
                picture(folder / f"{side}.png", side, channels)
                seconds, size = measured(folder, f"{side}.png")
                held = side**2 * max(sum(channels), 1) / 1e9
                print(
                    f"{kind:<7} {side:>6,} x {side:<6,} {seconds:8.1f} s {size:6.2f} GB, of which the "
                    f"pixels are {held:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

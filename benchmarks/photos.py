"""Denoising of photographs, beside classical methods, a network in PyTorch and published figures.

    python benchmarks/photos.py --data FOLDER [--minutes 40] [--only NAME ...] [--results FILE]
        [--picture FILE]

FOLDER is a checkout of https://github.com/cszn/DnCNN, whose Train400 is trained on and whose Set12 and
BSD68 are tested on. Noise is Gaussian, of a deviation of 15, 25 and 50 of 255, and not clipped; all
methods get the same noisy images and are measured after clipping to [0, 1]. Classical methods are told
the deviation, and their own settings are those with the best PSNR on 12 photographs of Train400. One
model of ours serves all deviations and is told none; "blind" saw noisy photographs of deviation 25
alone. Training takes the minutes asked for, at most; PyTorch's network has the same layers and gets the
same minutes. What was measured is kept in the results and printed as a table. Beside the extra "peers"
it needs the package bm3d, whose licence is for research alone.
"""

import argparse
import json
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
from photographs.contestants import blind, classical, ours, psnr, ssim, tuned
from photographs.network import pytorch
from photographs.picture import draw
from photographs.read import noisy, read
from speed.results import processor

DEVIATIONS = [15, 25, 50]
BLIND = 25  # the deviation of the noisy photographs that the blind model learns from
PUBLISHED = {  # mean PSNR on BSD68: Zhang et al. 2017, 2018 and 2021; Krull et al. 2019
    "BM3D, published": {15: 31.07, 25: 28.57, 50: 25.62},
    "DnCNN, published": {15: 31.72, 25: 29.23, 50: 26.23},
    "FFDNet, published": {15: 31.63, 25: 29.19, 50: 26.29},
    "DRUNet, published": {15: 31.91, 25: 29.48, 50: 26.59},
    "Noise2Void, published": {25: 27.71},
}
LEARNT = ["isthmus", "isthmus blind", "PyTorch"]


def contestants(args):
    """Return makers of the methods by name, each with the deviations that it is asked for."""
    models = args.results.parent
    found = {
        name: (lambda m=method, v=settings: (m, v), DEVIATIONS)
        for name, (method, settings) in classical().items()
    }
    made = {
        "isthmus": partial(ours, args.data, args.minutes, models / "photos.isthmus"),
        "isthmus blind": partial(
            blind, args.data, BLIND, args.minutes, models / "photos-blind.isthmus"
        ),
        "PyTorch": partial(pytorch, args.data, args.minutes),
    }
    for name, make in made.items():
        asked = [BLIND] if name == "isthmus blind" else DEVIATIONS
        found[name] = (lambda make=make: (make(), [None]), asked)
    return found


def measure(name, make, deviations, args):
    """Yield what a method reaches on each set, by deviation."""
    begun = time.perf_counter()
    method, settings = make()
    train = read(args.data, "Train400")
    spent = (time.perf_counter() - begun) / 60 if name in LEARNT else 0.0
    for deviation in deviations:
        setting = tuned(method, settings, train, deviation)
        for place in args.sets:
            images = read(args.data, place)
            given = noisy(images, deviation)
            begun = time.perf_counter()
            again = [method(y, deviation / 255, setting) for y in given]
            seconds = (time.perf_counter() - begun) / len(images)
            yield {
                "method": name,
                "set": place,
                "deviation": deviation,
                "psnr": float(np.mean([psnr(*pair) for pair in zip(images, again, strict=True)])),
                "ssim": float(np.mean([ssim(*pair) for pair in zip(images, again, strict=True)])),
                "seconds": seconds,
                "minutes": spent,
                "setting": setting,
                "processor": f"{processor()}, {os.cpu_count()} cores",
            }


def table(rows, place):
    """Return lines: PSNR and SSIM by method and deviation."""
    named = {}
    for row in rows:
        if row["set"] == place:
            named.setdefault(row["method"], {})[row["deviation"]] = row
    best = max(d.get(25, {}).get("psnr", 0) for d in named.values())
    lines = [
        "| method | " + " | ".join(f"{d} of 255" for d in DEVIATIONS) + " | s an image | trained |"
    ]
    lines.append("|---|" + "---|" * (len(DEVIATIONS) + 2))
    for name, by in sorted(named.items(), key=lambda item: item[1].get(25, {}).get("psnr", 0)):
        some = next(iter(by.values()))
        cells = [f"{by[d]['psnr']:.2f}, {by[d]['ssim']:.3f}" if d in by else "" for d in DEVIATIONS]
        if 25 in by and by[25]["psnr"] == best:
            cells[1] = f"**{cells[1]}**"
        trained = f"{some['minutes']:.0f} min" if some["minutes"] else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {some['seconds']:.2f} | {trained} |")
    if place == "BSD68":
        for name, by in PUBLISHED.items():
            cells = [f"{by[d]:.2f}" if d in by else "" for d in DEVIATIONS]
            lines.append(f"| {name} | {' | '.join(cells)} | | |")
    return "\n".join(lines)


def main():
    """Measure what is asked for, and print all that was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--sets", nargs="+", default=["Set12", "BSD68"])
    parser.add_argument("--results", type=Path, default=Path("photos.json"))
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    rows = json.loads(args.results.read_text()) if args.results.exists() else []
    for name, (make, deviations) in contestants(args).items():
        if args.only and name not in args.only:
            continue
        if not args.only and any(row["method"] == name for row in rows):
            continue
        rows = [row for row in rows if row["method"] != name]
        for row in measure(name, make, deviations, args):
            rows.append(row)
            print(f"{name}: {row['set']}, {row['deviation']}: {row['psnr']:.2f} dB", flush=True)
            args.results.write_text(json.dumps(rows, indent=1))
    for place in dict.fromkeys(row["set"] for row in rows):
        print(f"\n{place}, {rows[0]['processor']}: mean PSNR in dB, SSIM\n\n{table(rows, place)}")
    if args.picture:
        draw(args.picture, args.results.parent / "photos.isthmus")


if __name__ == "__main__":
    main()

"""What must hold after a fault: nothing is lost or half-written, and the end is told in a sentence."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import onnx
import polars as pl
from faults.commands import COMMANDS
from faults.inflict import SIGNALS, Ended, Trial, run
from PIL import Image

import isthmus
from isthmus.io import read_tensors

OUR_LINES = ("isthmus: ", *(f"{name}: " for name in COMMANDS))  # errors, warnings and progress


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder by their relative names."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def is_whole(path: Path) -> bool:
    """Return whether a file is one that a reader takes for whole."""
    try:
        {
            ".isthmus": isthmus.load,
            ".csv": pl.read_csv,
            ".parquet": pl.read_parquet,
            ".npy": np.load,
            ".png": lambda path: Image.open(path).load(),
            ".onnx": onnx.load,
            ".html": lambda path: path.read_text().rstrip().index("</html>"),
        }[path.suffix](path)
    except Exception:  # each reader has its own errors
        return False
    return True


def faults_of_end(kind: str, ended: Ended, target: str) -> list[str]:
    """Return what is wrong with an exit status and with what was said."""
    wrong = []
    number = SIGNALS.get(kind)
    allowed = {0}
    if number:
        allowed |= {-number, 128 + number}
    elif kind in ("full", "readonly"):
        allowed |= {1} if target else set()
    elif kind in ("no-out", "pipe"):
        allowed |= {1, 141}
    if ended.status not in allowed:
        wrong.append(f"status {ended.status}")
    odd = [
        line for line in ended.err.splitlines() if line.strip() and not line.startswith(OUR_LINES)
    ]
    if "Traceback" in ended.err or "ignored" in ended.err:
        place = [line.strip() for line in odd if line.strip().startswith("File ")][-1:]
        wrong.append(f"a traceback of {odd[-1][:60]!r} from {place}")
    elif odd:
        wrong.append(f"said {odd[0][:60]!r}")
    if ended.status == 1 and not ended.err.strip() and kind != "no-err":
        wrong.append("failed without a word")
    return wrong


def faults_of_files(
    trial: Trial, kind: str, before: dict[str, bytes], reference: dict[str, bytes], ended: Ended
) -> list[str]:
    """Return what is wrong with the folder: inputs changed, results lost, half there or left over."""
    after, wrong = contents(trial.folder), []
    made = {name for name in reference if reference[name] != before.get(name)} | {
        name for name in before if name.startswith(("o.", "out/"))
    }
    wrong += [f"lost {name}" for name in before if name not in after]
    wrong += [
        f"changed {n}" for n in before if n in after and n not in made and after[n] != before[n]
    ]
    for name in sorted(after.keys() - before.keys() | made & after.keys()):
        place, whole = trial.folder / name, after[name] == before.get(name)
        if place.name.startswith("."):
            if kind != "kill":
                wrong.append("left a temporary file")
        elif name not in made:
            wrong.append(f"wrote {name}")
        elif not whole and not is_whole(place):
            wrong.append(f"half of {name}")
    if ended.status == 0 and not reference.keys() <= after.keys():
        wrong.append("said it was done, and wrote nothing")
    return wrong


def faults_of_resumption(trial: Trial, reference: bytes, ended: Ended) -> list[str]:
    """Return what is wrong with a fit that goes on from what the fault left, which it names itself."""
    target = trial.folder / "o.isthmus"
    said = re.search(r"to go on: isthmus (.*)", ended.err)
    if said is None and ended.status != -9:
        return []
    line = said.group(1) if said else "fit t.csv --ignore name,kind,x --resume o.isthmus"
    again = run(trial._replace(words=shlex.split(line)))
    if again.status != 0:
        return [f"could not go on: {again.err.strip()[:100]}"]
    whole = trial.folder / "reference.isthmus"
    whole.write_bytes(reference)
    (ours, _), (theirs, _) = read_tensors(target), read_tensors(whole)
    whole.unlink()
    alike = ours.keys() == theirs.keys() and all(np.array_equal(ours[n], theirs[n]) for n in ours)
    return [] if alike else ["went on to another model"]


def left_over(folder: Path) -> list[str]:
    """Return the temporary files in a folder."""
    return sorted(path.name for path in folder.rglob(".*") if path.is_file())

"""What must hold after a fault: nothing is lost or half-written, and the end is told in a sentence."""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from pathlib import Path
from typing import NamedTuple

from faults.commands import COMMANDS
from faults.inflict import SIGNALS, Ended, Trial, run

import isthmus
from isthmus.io import ModelFileError

SECONDS_AND_DAY = re.compile(rb"<td>\d+\.\d\d</td></tr>|on \d{4}-\d\d-\d\d\.")  # of a report
HEARD = 1.0  # seconds, in which a process that is at its end is gone
OUR_LINES = ("isthmus: ", *(f"{name}: " for name in COMMANDS))  # errors, warnings and progress


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder by their relative names."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def timeless(name: str, content: bytes) -> object:
    """Return what a file holds but for measured seconds and the day; all else is exact.

    A file that is cut anywhere equals no whole one.
    """
    if name.endswith(".isthmus"):
        return _timeless_model(content)
    if name.endswith(".html"):
        return SECONDS_AND_DAY.sub(b"", content)
    lines = content.split(b"\n")  # of which the last is empty in a whole file
    if lines[0].endswith(b",fit_seconds,score_seconds"):
        return [line.rsplit(b",", 2)[0] for line in lines[:-1]], lines[-1]
    return content


def _timeless_model(content: bytes) -> object:
    at = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:at])
    meta = json.loads(header.pop("__metadata__")["isthmus"])
    del meta["sha256"]
    meta["fitted"].get("history", {}).pop("seconds", None)
    for one in meta["fitted"].get("recalibrations", ()):
        del one["when"]
    return header, meta, content[at:]


def is_same(name: str, ours: bytes, theirs: bytes) -> bool:
    """Return whether a file is that of an undisturbed run; a model has its own digest besides."""
    try:
        return timeless(name, ours) == timeless(name, theirs) and (
            not name.endswith(".isthmus") or is_model(ours)
        )
    except (ValueError, KeyError):
        return False


def is_model(content: bytes) -> bool:
    """Return whether this is a whole model file, which its digest says."""
    with tempfile.NamedTemporaryFile(suffix=".isthmus") as file:
        file.write(content)
        file.flush()
        try:
            isthmus.load(file.name)
        except ModelFileError:
            return False
    return True


def right_ends(kind: str, writes: bool) -> set[int]:
    """Return the exit statuses that are right after a fault, for commands that write files or none."""
    if kind == "kill":
        return {0, -9}  # 0 where the signal came after the end
    if kind in SIGNALS:
        return {0, -SIGNALS[kind], 128 + SIGNALS[kind]}  # by the system before we listen
    if kind in ("full", "readonly"):
        return {1} if writes else {0}
    return {0, 141} if kind == "pipe" else {0}


def faults_of_end(kind: str, ended: Ended, target: str) -> list[str]:
    """Return what is wrong with an exit status and with what was said."""
    wrong = []
    if ended.status not in right_ends(kind, bool(target)):
        wrong.append(f"status {ended.status}")
    if ended.status == 0 and ended.after > HEARD:
        wrong.append("did not hear a signal")
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


class Result(NamedTuple):
    """What a command makes undisturbed; a fit with checkpoints may leave some of those instead."""

    files: dict[str, bytes]
    checkpoints: bool = False

    @property
    def names(self) -> set[str]:
        """The files that the command may write when it does not come to its end."""
        before = {f"{name}.previous" for name in self.files} if self.checkpoints else set()
        return {*self.files, *before}

    def is_right(self, name: str, content: bytes) -> bool:
        """Return whether a file that was written is a whole one."""
        if name in self.files and is_same(name, content, self.files[name]):
            return True
        return self.checkpoints and is_model(content)


def faults_of_files(
    folder: Path, kind: str, before: dict[str, bytes], result: Result, ended: Ended
) -> list[str]:
    """Return what is wrong with the folder: inputs changed, results lost, half there or left over.

    Results of an earlier run are others than those of this one, so that it is seen which are there.
    """
    after = contents(folder)
    if ended.status == 0:
        result = result._replace(checkpoints=False)
    wrong = [f"lost {name}" for name in before if name not in after]
    for name in sorted(name for name in after if after[name] != before.get(name)):
        wrong += _faults_of_file(kind, name, name in before, after[name], result)
    undone = [n for n in result.files if after.get(n) in (None, before.get(n))]
    if undone and (ended.status == 0 or ended.status == 141):
        wrong.append("said it was done, and wrote nothing")
    return wrong


def _faults_of_file(kind: str, name: str, known: bool, content: bytes, result: Result) -> list[str]:
    """Return what is wrong with a file that was written or changed."""
    if Path(name).name.startswith("."):
        return [] if kind == "kill" else ["left a temporary file"]
    if kind == "readonly":
        return [f"wrote {name} where nothing may be written"]
    if name not in result.names:
        return [f"changed {name}" if known else f"wrote {name}"]
    return [] if result.is_right(name, content) else [f"half of {name}, or another"]


def faults_of_resumption(trial: Trial, reference: bytes, ended: Ended) -> list[str]:
    """Return what is wrong with a fit that goes on from what the fault left, which it names itself."""
    name = "o.isthmus"
    said = re.search(r"to go on: isthmus (.*)", ended.err)
    if said is None and ended.status != -9:
        return []
    done = is_same(name, contents(trial.folder)[name], reference)
    line = said.group(1) if said else f"fit t.csv --ignore name,kind,x --resume {name}"
    again = run(trial._replace(words=shlex.split(line)))
    if again.status != 0:
        return [f"could not go on: {again.err.strip()[:100]}"]
    after = contents(trial.folder)
    wrong = [] if is_same(name, after[name], reference) else ["went on to another model"]
    left = f"{name}.previous" in after and not done
    return wrong + ["the end left the checkpoint before it"] * left


def left_over(folder: Path) -> list[str]:
    """Return the temporary files in a folder."""
    return sorted(path.name for path in folder.rglob(".*") if path.is_file())

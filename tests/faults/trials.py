"""Trial after trial, each a function of a command, a fault and a number."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from faults.commands import COMMANDS, prepare, words
from faults.inflict import FAULTS, Trial, undisturbed
from faults.judge import (
    Result,
    contents,
    faults_of_end,
    faults_of_files,
    faults_of_resumption,
    left_over,
)

MEMORY = Path("/dev/shm")
SHOWN = ("no-out", "pipe")  # faults of the standard output, to which some results go
EARLIER = b"what an earlier run wrote"
PRINTED = ("compare", "detect", "explain", "score")


class Known(NamedTuple):
    """What a command does undisturbed."""

    seconds: float
    files: dict[str, bytes]
    out: bytes


class Laboratory:
    """A prepared folder, and what each command makes of it undisturbed."""

    def __init__(self, place: Path) -> None:
        self.place, self.prepared = place, place / "prepared"
        self.prepared.mkdir()
        place.chmod(0o755)
        os.environ["ISTHMUS_CACHE"] = str(place / "cache")
        prepare(self.prepared)
        self.known: dict[str, Known] = {}
        self.last = ""  # what the last command said on its standard error

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """Return a copy of the prepared folder."""
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            Path(folder).chmod(0o755)
            shutil.copytree(self.prepared, folder, dirs_exist_ok=True)
            yield Path(folder)

    def reference(self, command: str) -> Known:
        """Return what a command does undisturbed, the second time, when its programs are compiled."""
        if command not in self.known:
            for _ in range(2):
                with self.copy() as folder:
                    before = contents(folder)
                    ended = undisturbed(Trial(folder, words(command), 0, 0, random.Random()))
                    assert ended.status == 0, ended.err
                    files = {k: v for k, v in contents(folder).items() if k not in before}
            self.known[command] = Known(ended.seconds, files, ended.out)
        return self.known[command]

    def trial(self, command: str, fault: str, number: int) -> list[str]:
        """Inflict a fault on a command; return what did not hold, in words."""
        known, rng = self.reference(command), random.Random(f"{command} {fault} {number}")
        printed = fault in SHOWN and command in PRINTED
        line = words(command, "" if printed else None)
        size = max(map(len, known.files.values()), default=0)
        with self.copy() as folder:
            if rng.random() < 0.5:  # a result of an earlier run is there
                for name in known.files:
                    (folder / name).parent.mkdir(exist_ok=True)
                    (folder / name).write_bytes(EARLIER)
            trial = Trial(folder, line, known.seconds, size, rng)
            before = contents(folder)
            ended = FAULTS[fault](trial)
            self.last = ended.err[-2000:]
            result = Result({} if printed else known.files, checkpoints=command == "fit")
            target = COMMANDS[command][1]
            wrong = faults_of_end(fault, ended, target)
            wrong += faults_of_files(folder, fault, before, result, ended)
            if not target and fault not in SHOWN and ended.status == 0 and ended.out != known.out:
                wrong.append("printed another result")
            if command == "fit" and contents(folder).get("o.isthmus", EARLIER) != EARLIER:
                wrong += faults_of_resumption(trial, known.files["o.isthmus"], ended)
            if left_over(folder):
                undisturbed(trial)
                wrong += ["a temporary file was left by the next run"] * bool(left_over(folder))
        return wrong


@contextmanager
def laboratory() -> Iterator[Laboratory]:
    """Return a laboratory in memory, where the system has such a place."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Laboratory(Path(folder))

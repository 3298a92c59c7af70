"""The inputs that a guided run keeps, and those that it must not keep."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path


class Corpus:
    """Where inputs are kept once they were read without harm; libFuzzer writes them elsewhere first."""

    def __init__(self, kept: Path, fresh: Path) -> None:
        self.kept, self.fresh = kept, fresh
        self.found = kept.parents[1] / "found"
        self.found.mkdir(exist_ok=True)
        self.harmful: set[str] = set()

    def judge(self, data: bytes, wrong: str, is_new: bool, number: int) -> None:
        """Keep the input of a new error, and never keep one that did something else."""
        if not wrong:
            return
        if not re.match(r"\w+Error in |what ", wrong):  # no error of Python's
            self.harmful.add(hashlib.sha1(data).hexdigest())
        elif is_new:
            (self.found / f"{self.kept.name}-{number}").write_bytes(data)

    def keep(self) -> None:
        """Keep what libFuzzer wrote, by its digest; all of it was read to its end."""
        for path in self.fresh.iterdir():
            if path.name not in self.harmful:
                (self.kept / path.name).write_bytes(path.read_bytes())
            path.unlink()

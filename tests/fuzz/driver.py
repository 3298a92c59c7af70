"""Input after input, each a function of the seed and its number, so that a run can go on."""

from __future__ import annotations

import json
import random
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fuzz.guard import MEGABYTES, SECONDS, Bounds, TooSlowError, Watch
from fuzz.mutate import changed, spliced
from fuzz.readers import READERS, Reader

MEMORY = Path("/dev/shm")  # where files cost nothing
SAVED_EVERY = 2.0  # seconds
LONGEST = 2_000  # characters of a message, beside ten for each byte of names from the file


class Fuzzer:
    """One reader, its seeds, and what came of the inputs so far."""

    def __init__(
        self, name: str, watch: Watch, folder: Path, seed: int, seeds: list[bytes]
    ) -> None:
        self.watch, self.seed, self.seeds = watch, seed, seeds
        self.reader: Reader = READERS[name]
        self.path = folder / self.reader.file
        self.bounds = Bounds()
        self.findings: dict[str, list] = {}
        self.outcomes = {"read": 0, "refused": 0}

    def input(self, number: int) -> bytes:
        """Return the input of a number; the first are the seeds themselves."""
        if number < len(self.seeds):
            return self.seeds[number]
        rng = random.Random(number * 1_000_003 + self.seed)
        data = rng.choice(self.seeds)
        if rng.random() < 0.05:
            data = spliced(rng, data, rng.choice(self.seeds))
        return changed(rng, data, self.reader.changes)

    def warm_up(self) -> None:
        """Read all seeds unwatched, so that what is imported at the first use is there."""
        for data in self.seeds:
            self.path.write_bytes(data)
            with warnings.catch_warnings(), suppress(self.reader.error):
                warnings.simplefilter("ignore")
                self.reader.read(self.path)

    def judge(self, number: int, data: bytes) -> str | None:
        """Read an input; return what the reader did that it must not, in words."""
        self.path.write_bytes(data)
        wrong = None
        with self.bounds.over(), warnings.catch_warnings(), self.watch.over(str(self.path.parent)):
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)  # our own, of what was read and how
            try:
                self.reader.read(self.path)
                self.outcomes["read"] += 1
            except self.reader.error as error:
                self.outcomes["refused"] += 1
                wrong = _unlike_a_sentence(error, LONGEST + 10 * len(data))
            except (KeyboardInterrupt, SystemExit):
                raise
            except TooSlowError:
                wrong = "did not end"
            except BaseException as error:  # also what is no Exception, as polars' panics
                wrong = f"{type(error).__name__} in {_place(error)}: {str(error)[:120]!r}"
        wrong = wrong or self._beyond_bounds()
        if wrong:
            self._keep(wrong, number)
        return wrong

    def _beyond_bounds(self) -> str | None:
        if self.watch.seen:
            return f"event {self.watch.seen[0]}"
        if self.bounds.seconds > SECONDS:
            return f"took more than {SECONDS:g} s"
        if self.bounds.grown > MEGABYTES:
            return f"took more than {MEGABYTES} MB"
        return None

    def _keep(self, wrong: str, number: int) -> None:
        """Count by the words before the message, which often differs; keep the first number."""
        found = self.findings.setdefault(wrong.split(": ")[0], [0, number, wrong])
        found[0] += 1


def _unlike_a_sentence(error: Exception, most: int) -> str | None:
    text = str(error)
    faults = {
        "is no sentence": not text.endswith((".", "?")),
        "has control characters": not text.isprintable(),
        "is longer than names make it": len(text) > most,
    }
    for fault, found in faults.items():
        if found:
            return f"what {_place(error)} says {fault}: {text[:80]!r}...{text[-80:]!r}"
    return None


def _place(error: BaseException) -> str:
    """Return where an error was raised: our innermost line, and the function below it."""
    trace, ours, last = error.__traceback__, "?", "?"
    while trace is not None:
        code = trace.tb_frame.f_code
        last = f"{Path(code.co_filename).name} {code.co_name}"
        if "isthmus" in code.co_filename and "/fuzz/" not in code.co_filename:
            ours = f"{Path(code.co_filename).name} {code.co_name} line {trace.tb_lineno}"
        trace = trace.tb_next
    return f"{ours} ({last})"


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """Return an empty folder, in memory where the system has such a place."""
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def kept_seeds(name: str, state: Path) -> list[bytes]:
    """Return a reader's seeds, the same in a run that goes on: some hold the time they were made."""
    place = state / "seeds" / name
    if not place.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as that a file is of an older format
            made = READERS[name].seeds()
        place.mkdir(parents=True)
        for i, data in enumerate(made):
            (place / f"{i:03}").write_bytes(data)
    return [path.read_bytes() for path in sorted(place.iterdir())]


class Progress:
    """How far a reader's run is and what it found, in a file, so that it goes on where it was."""

    def __init__(self, path: Path) -> None:
        self.path, self.saved = path, 0.0
        self.state = {"next": 0, "seconds": 0.0, "outcomes": {}, "findings": {}, "ended": {}}
        if path.exists():
            self.state |= json.loads(path.read_text())

    def save(self, fuzzer: Fuzzer, following: int, seconds: float, *, now: bool = False) -> None:
        """Write where the run is, unless that was done a moment ago."""
        if now or time.monotonic() - self.saved > SAVED_EVERY:
            self.saved = time.monotonic()
            outcomes = {"outcomes": fuzzer.outcomes, "findings": fuzzer.findings}
            self.write(**outcomes, next=following, seconds=round(seconds, 1))

    def write(self, **changes: object) -> None:
        """Replace the file."""
        self.state |= changes
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self.state, indent=1))
        temporary.replace(self.path)


def run(fuzzer: Fuzzer, progress: Progress, inputs: int, now: Path) -> None:
    """Judge inputs up to a number, from where the run was; `now` holds the number being read."""
    before, start = progress.state["seconds"], time.monotonic()
    fuzzer.findings |= progress.state["findings"]
    fuzzer.outcomes |= progress.state["outcomes"]
    with now.open("r+b", buffering=0) as mark:
        for number in range(progress.state["next"], inputs):
            mark.seek(0)
            mark.write(b"%20d" % number)
            fuzzer.judge(number, fuzzer.input(number))
            progress.save(fuzzer, number + 1, before + time.monotonic() - start)
    progress.save(fuzzer, inputs, before + time.monotonic() - start, now=True)

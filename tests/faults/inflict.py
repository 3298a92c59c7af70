"""Faults: each runs a command line in a folder and does it some harm on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

VICTIM = Path(__file__).parent / "victim.py"
PATIENCE = 120.0  # seconds


class Ended(NamedTuple):
    """How a process ended."""

    status: int
    out: bytes
    err: str
    seconds: float
    after: float = 0.0  # seconds that it went on after a signal


class Trial(NamedTuple):
    """What a fault needs to know: where, what, how long it takes and how much it writes undisturbed."""

    folder: Path
    words: list[str]
    seconds: float
    size: int
    rng: random.Random


Fault = Callable[[Trial], Ended]


def run(
    trial: Trial,
    *,
    prefix: tuple[str, ...] = (),
    during: Callable[[subprocess.Popen], None] | None = None,
    **harm: int,
) -> Ended:
    """Run the command line; the victim does `harm` to itself, and `during` acts from without."""
    start = time.monotonic()
    process = subprocess.Popen(
        [*prefix, sys.executable, str(VICTIM), json.dumps(harm), *trial.words],
        cwd=trial.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if during:
        during(process)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err += b"\nTraceback: it did not end"
    return Ended(process.returncode, out, err.decode(errors="replace"), time.monotonic() - start)


def undisturbed(trial: Trial) -> Ended:
    """Do no harm."""
    return run(trial)


def signalled(number: signal.Signals) -> Fault:
    """Return a fault that sends a signal at a random moment, rather a late one, when work is done."""

    def fault(trial: Trial) -> Ended:
        sent = 0.0

        def during(process: subprocess.Popen) -> None:
            nonlocal sent
            time.sleep(trial.seconds * max(trial.rng.random(), trial.rng.random()))
            process.send_signal(number)
            sent = time.monotonic()

        ended = run(trial, during=during)
        return ended._replace(after=time.monotonic() - sent)

    return fault


def disk_full(trial: Trial) -> Ended:
    """Let no file grow beyond a random share of the result: the system refuses the rest.

    The share is below the least size of a result, which seconds of few digits make smaller.
    """
    return run(trial, most=trial.rng.randrange(max(trial.size * 19 // 20, 1)))


def read_only(trial: Trial) -> Ended:
    """Let the command write nowhere in its folder; root has to be told that modes count."""
    modes = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
    set_modes(trial.folder, 0o555, 0o444)
    try:
        return run(trial, prefix=modes)
    finally:
        set_modes(trial.folder, 0o755, 0o644)


def set_modes(folder: Path, of_folders: int, of_files: int) -> None:
    """Set the modes of a folder and of all in it."""
    folder.chmod(of_folders)
    for path in folder.rglob("*"):
        path.chmod(of_folders if path.is_dir() else of_files)


def without_stream(number: int) -> Fault:
    """Return a fault that closes the standard output or error before the start: `>&-`."""

    def fault(trial: Trial) -> Ended:
        return run(trial, closed=number)

    return fault


def reader_leaves(trial: Trial) -> Ended:
    """Close the pipe that the output goes to at once, or after its first line: `| head -1`."""

    def during(process: subprocess.Popen) -> None:
        if trial.rng.random() < 0.5:
            process.stdout.readline()
        process.stdout.close()
        process.stdout = open(os.devnull, "rb")  # noqa: PTH123

    return run(trial, during=during)


def clock_jumps(trial: Trial) -> Ended:
    """Set the clock forth and back at random moments."""
    return run(trial, clock=trial.rng.randrange(10**6))


FAULTS: dict[str, Fault] = {
    "kill": signalled(signal.SIGKILL),
    "term": signalled(signal.SIGTERM),
    "int": signalled(signal.SIGINT),
    "hup": signalled(signal.SIGHUP),
    "full": disk_full,
    "readonly": read_only,
    "no-out": without_stream(1),
    "no-err": without_stream(2),
    "pipe": reader_leaves,
    "clock": clock_jumps,
}
SIGNALS = {"kill": 9, "term": 15, "int": 2, "hup": 1}

"""What a reader must not do: open, connect, start, import; take long; take much memory."""

from __future__ import annotations

import encodings.cp1252
import encodings.unicode_escape
import encodings.utf_16  # noqa: F401 (else they are loaded where they are used first)
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 3.0  # of the processor's time, for files of up to 64 kB
PATIENCE = 60.0  # by the clock, after which an input is given up
MEGABYTES = 512
PEAK, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")  # of Linux alone
REFUSED = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.startfile",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.chown",
    "shutil.",
    "tempfile.",
    "pickle.",
    "marshal.load",
    "ctypes.dlopen",
    "urllib.",
    "ftplib.",
    "http.",
    "smtplib.",
    "webbrowser.",
    "exec",
    "code.__new__",
    "sqlite3.enable_load_extension",
    "sqlite3.load_extension",
    "glob.",
)


class TooSlowError(BaseException):
    """Raised in the midst of a reader that does not end."""


class Watch:
    """An audit hook: what is refused while it watches is kept as text."""

    def __init__(self) -> None:
        self.allowed: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.allowed is None:
            return
        if event == "open":
            ours = str(arguments[0]).startswith(self.allowed) and not _writes(arguments)
            if not ours and arguments[0] != os.devnull:
                self._keep(event, arguments[0])
        elif event == "import":
            name = str(arguments[0])
            if name not in sys.modules and not name.startswith("PIL."):  # it loads its parts late
                self._keep(event, arguments[0])
        elif event == "sqlite3.connect":
            address = str(arguments[0])
            if not (address.startswith(f"file:{self.allowed}") and "?mode=ro" in address):
                self._keep(event, address)
        elif event.startswith(REFUSED):
            self._keep(event, arguments[0] if arguments else "")

    def _keep(self, event: str, what: object) -> None:
        self.seen.append(f"{event} {what!r:.80}")

    @contextmanager
    def over(self, path: str) -> Iterator[None]:
        """Watch what happens in the block, which may read what lies at this path."""
        self.seen.clear()
        self.allowed = path
        try:
            yield
        finally:
            self.allowed = None


def _writes(arguments: tuple[object, ...]) -> bool:
    mode = arguments[1]
    return isinstance(mode, str) and any(letter in mode for letter in "wax+")


def _give_up(*_: object) -> None:
    raise TooSlowError


class Bounds:
    """How long a call took, and how much memory it took beyond what the process had."""

    def __init__(self) -> None:
        self.grown = 0.0
        self.seconds = 0.0

    @contextmanager
    def over(self) -> Iterator[None]:
        """Measure the block, and end it if it takes far too long."""
        forget_peak()
        before, start = peak(), time.process_time()
        former = signal.signal(signal.SIGALRM, _give_up)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if former is not None:  # else it is no handler of Python's
                signal.signal(signal.SIGALRM, former)
            self.seconds = time.process_time() - start
            self.grown = peak() - before


def forget_peak() -> None:
    """Let the most memory be what there is now, or what one input took would hide the next ones."""
    PEAK.write_text("5")


def peak() -> float:
    """Return the most megabytes that the process had since then."""
    return int(re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text()).group(1)) / 1024

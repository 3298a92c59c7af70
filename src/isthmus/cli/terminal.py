"""What the command line prints and hears: results, complaints, warnings and signals."""

import _thread
import json
import re
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

# What asks a program to end: a key, the system, and a terminal that is closed, which Windows has not.
WAYS_OUT = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
# Characters that a terminal obeys: of control, but for tabs and ends of lines, and of direction.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

# What Python is told of a column is an option on the command line.
OF_SETTING = re.compile(r"\b(unlabelled|cv|rows)='?(\w+)'?")
OF_COLUMN = re.compile(r"columns=\{'([^']+)': '(\w+)'\}")

SOON = 0.05  # seconds, in which a callback ends


class UsageError(ValueError):
    """An option that cannot be; the command line ends with status 2."""


@contextmanager
def usage_errors() -> Iterator[None]:
    """Make what a library says of a value an error of the option that gave it."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error


class Signals:
    """Turns signals that ask for the end to KeyboardInterrupt, and remembers which it was."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.held = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Listen, and leave the process's handlers as they were.

        A signal that is ignored, such as after `nohup`, stays ignored.
        """
        self.number, self.held = None, False
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may set handlers
            return
        heard = [n for n in WAYS_OUT if signal.getsignal(n) is not signal.SIG_IGN]
        old = {number: signal.signal(number, self._hear) for number in heard}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            self.number = None  # of this command, and of no later one

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        if _is_importing(frame):  # what a C library does with an exception then may end the process
            self._hear_later()
        elif not self.held:
            raise KeyboardInterrupt

    def _hear_later(self) -> None:
        later = threading.Timer(SOON, _thread.interrupt_main, [self.number])
        later.daemon = True
        later.start()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let a short piece of work, such as writing a file, end before a signal is served."""
        self.held = True
        try:
            yield
        finally:
            self.held = False

    @contextmanager
    def heard_again(self) -> Iterator[None]:
        """Hear a signal again that came in a library's callback, where Python drops what is raised.

        JAX has one that runs at each search for garbage.
        """
        old = sys.unraisablehook

        def hook(lost: "sys.UnraisableHookArgs") -> None:
            if self.number is None or not issubclass(lost.exc_type, KeyboardInterrupt):
                old(lost)
                return
            self._hear_later()

        sys.unraisablehook = hook
        try:
            yield
        finally:
            sys.unraisablehook = old

    def check(self) -> None:
        """Serve a signal that came during `hold`, or that was lost in a library's callback."""
        if self.number is not None:
            raise KeyboardInterrupt

    @property
    def status(self) -> int:
        """The exit status by the shell's convention: 130 for SIGINT, 143 for SIGTERM, and so on."""
        return 128 + (self.number or signal.SIGINT)


def _is_importing(frame: FrameType | None) -> bool:
    """Return whether a module is being imported, by the frames of Python's own import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


signals = Signals()
warned: list[str] = []  # the texts of this command's warnings, for results in JSON


def harmless(text: str) -> str:
    r"""Return text whose control characters are shown: a name from a file commands no terminal.

    Examples
    --------
    >>> harmless("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def as_options(text: str) -> str:
    """Return what a library says of its parameters in words of the command line.

    Examples
    --------
    >>> as_options("columns={'home town': 'category'} takes it in all the same")
    "--as 'home town=category' takes it in all the same"
    >>> as_options("give unlabelled='drop'; fewer than cv=5 folds")
    'give --unlabelled drop; fewer than --cv 5 folds'
    """
    text = OF_SETTING.sub(r"--\1 \2", text)
    return OF_COLUMN.sub(lambda found: f"--as {shlex.quote('='.join(found.groups()))}", text)


def complain(text: object, kind: str = "") -> None:
    """Write one line to the standard error, whatever the text."""
    sys.stderr.write(harmless(f"isthmus: {kind}{' '.join(str(text).split())}") + "\n")
    sys.stderr.flush()


@contextmanager
def shown_warnings(debug: bool) -> Iterator[None]:
    """Show each warning once and as one line."""
    warned.clear()

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        text = as_options(" ".join(str(message).split()))
        if "persistent compilation cache" in text and "Timeout" in text:
            text = _cache_given_up()
        if text not in warned:
            warned.append(text)
            complain(text, "warning: ")

    with warnings.catch_warnings():
        warnings.simplefilter("default" if debug else "ignore")
        if not debug:  # deprecations are for programmers
            warnings.simplefilter("always", UserWarning)
            warnings.simplefilter("always", RuntimeWarning)
            # scikit-learn's words for arrays without names, of which the readers of files warn
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _cache_given_up() -> str:
    """Do without the cache from now on: JAX would wait for its lock at each program again."""
    from isthmus.training import give_up_cache

    give_up_cache()
    return "Compiled programs are not kept: another process holds the lock of the cache."


def show_text(text: str) -> None:
    """Write text to the standard output; what is no terminal gets it as it is."""
    text = harmless(text) if sys.stdout.isatty() else text
    for i in range(0, len(text), 2**13):  # an unbuffered stream may drop the end of a long write
        sys.stdout.write(text[i : i + 2**13])


def show_json(facts: Mapping[str, object]) -> None:
    """Write one JSON object to the standard output; NaN and infinity become null."""
    from isthmus.io import as_json  # knows NumPy, which takes a tenth of a second to import

    show_text(json.dumps(as_json(facts, str), allow_nan=False) + "\n")


def show_lines(lines: Mapping[str, str]) -> None:
    """Write names and values to the standard output: a table on a terminal, plain lines elsewhere."""
    lines = {name: harmless(value) for name, value in lines.items()}
    if not sys.stdout.isatty():
        width = max(map(len, lines)) + 2
        sys.stdout.writelines(f"{name:<{width}}{value}\n" for name, value in lines.items())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False)
    for name, value in lines.items():
        table.add_row(Text(name, style="bold"), Text(value))
    Console().print(table)

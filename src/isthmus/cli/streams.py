"""The standard streams of a process that may be closed, or close while it works."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Lasting:
    """The standard error, whose end is nobody's: what cannot be written to it is dropped.

    A terminal that is closed, a pipe that nobody reads any more and a full disk end no training.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text, or drop it."""
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):  # the second is Python's word for a closed stream
            discard(self.stream)
        return len(text)

    def __getattr__(self, name: str) -> object:
        """Return whatever else the stream has."""
        return getattr(self.stream, name)


def discard(stream: TextIO) -> None:
    """Let nothing follow on a stream, and nothing that is still in its buffer complain at the end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # it is no file, or closed already
        return


@contextmanager
def standing_streams() -> Iterator[None]:
    """Make streams that were closed before the start write to nothing, and the error a lasting one.

    A number that is free would be that of the next file that is opened, and what libraries say of
    their errors would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the least number that is free
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    error = sys.stderr or os.fdopen(2, "w", closefd=False)
    sys.stderr = Lasting(error)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before

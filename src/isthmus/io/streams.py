"""The standard error as a stream that nothing ends."""

from __future__ import annotations

import os
import sys
from typing import TextIO


class Lasting:
    """The standard error, or none: what it no longer takes is lost, and the work goes on.

    A reader that left would otherwise end a fit of hours at its next line.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, if the stream still takes it."""
        if self.stream is not None:
            try:
                self.stream.write(text)
            except (OSError, ValueError):  # its reader has left, or it is closed
                self._leave()
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if it still is one."""
        if self.stream is not None:
            try:
                self.stream.flush()
            except (OSError, ValueError):
                self._leave()

    def _leave(self) -> None:
        """Let what is left in the stream's buffer go nowhere: Python flushes it again at its end."""
        stream, self.stream = self.stream, None
        try:
            assert stream is not None
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (OSError, ValueError):  # it has no file
            return

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return not self.closed and self.stream is not None and self.stream.isatty()

    @property
    def closed(self) -> bool:
        """Whether nothing is written any more."""
        return self.stream is None or self.stream.closed

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


def lasting_errors() -> TextIO:
    """Return the standard error as it is now, such that writing to it raises nothing."""
    stream = Lasting(sys.stderr)
    return stream  # type: ignore[return-value]

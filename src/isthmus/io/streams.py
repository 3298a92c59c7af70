"""Streams that end before the process does, and the standard error as one that nothing ends."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable


def discard(stream: TextIO) -> None:
    """Let nothing follow on a stream, and nothing that is still in its buffer complain at the end."""
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
    except (OSError, ValueError):  # it is no file, or closed already
        return


class Lasting:
    """The standard error, or none: what it no longer takes is lost, and the work goes on.

    A reader that left would otherwise end a fit of hours at its next line.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = io.StringIO() if stream is None else stream
        self.left = stream is None

    def write(self, text: str) -> int:
        """Write a text, if the stream still takes it."""
        if not self.left:
            try:
                self.stream.write(text)
            except (OSError, ValueError):  # its reader has left, or it is closed
                self._leave()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts in the same way."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Flush the stream, if it still is one."""
        if not self.left:
            try:
                self.stream.flush()
            except (OSError, ValueError):
                self._leave()

    def _leave(self) -> None:
        self.left = True
        discard(self.stream)

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return not self.closed and self.stream.isatty()

    @property
    def closed(self) -> bool:
        """Whether nothing is written any more."""
        return self.left or self.stream.closed

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


def lasting_errors() -> TextIO:
    """Return the standard error as it is now, such that writing to it raises nothing."""
    stream = Lasting(sys.stderr)
    return stream  # type: ignore[return-value]

"""The standard streams of a process that may be closed, or close while it works."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from isthmus.io import lasting_errors


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
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    sys.stderr = lasting_errors()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before

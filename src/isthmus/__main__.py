"""`python -m isthmus` and the command `isthmus`."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NEW_OBJECTS = 100_000  # that the process makes before it looks for cycles among them


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit status: 0, 1 for errors, 2 for wrong usage.

    Without one it is the process's own. Libraries then load with fewer searches for cycles among
    objects, nearly all of which stay, and the end of the process looks for none: a good part of the
    time of a short command.
    """
    from isthmus.cli import run

    if argv is not None:
        return run(list(argv))
    gc.set_threshold(NEW_OBJECTS)
    status = run(sys.argv[1:])
    gc.freeze()
    return status


if __name__ == "__main__":
    sys.exit(main())

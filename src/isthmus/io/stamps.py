"""What a file was when it was opened, so that one that vanished or changed is not read on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from isthmus.io.choices import TableError

if TYPE_CHECKING:
    from pathlib import Path

AGAIN = "rows that are read in several passes have to stay as they are: begin again"


class Stamp(NamedTuple):
    """A file, its size in bytes and the moment it was changed, in nanoseconds."""

    path: Path
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Return what a file is now."""
        try:
            facts = path.stat()
        except FileNotFoundError as error:
            raise TableError(f"Cannot read {path}: there is no such file.") from error
        return cls(path, facts.st_size, facts.st_mtime_ns)

    def check(self) -> None:
        """Raise a TableError if the file is no longer what it was."""
        try:
            now = self.path.stat()
        except OSError as error:
            raise TableError(f"{self.path} vanished while it was read; {AGAIN}.") from error
        if now.st_size < self.size:
            raise TableError(
                f"{self.path} was cut off while it was read, from {self.size:,} to {now.st_size:,} "
                f"bytes; {AGAIN}."
            )
        if (now.st_size, now.st_mtime_ns) != (self.size, self.changed):
            raise TableError(f"{self.path} was changed while it was read; {AGAIN}.")

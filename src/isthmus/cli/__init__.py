"""The command line."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isthmus.cli.app import run as run
else:

    def __getattr__(name: str) -> object:
        """Import at the first use: who looks at a command needs no other."""
        if name != "run":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from isthmus.cli.app import run

        return run

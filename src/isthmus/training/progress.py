"""Progress of long work on the standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from isthmus.training.state import HistoryRow

SECONDS = 5  # between two lines


class Progress:
    """Shows how far a piece of work is, and where it ended.

    Work whose steps nobody counts is a turning wheel, which vanishes, or one line. The terminal is
    given back by `close`, and so at the end of a `with`, whatever happened in it.

    Parameters
    ----------
    label : str
        What is being done.
    verbose : int
        0 is silent.
    total : int, optional
        How many steps there are; `expect` announces more.
    unit : str
        What the steps are.

    Examples
    --------
    >>> with Progress("fit", verbose=0, total=2, unit="epochs") as progress:
    ...     for epoch in range(2):
    ...         progress(1, f"loss {1 / (epoch + 1):.2f}")
    >>> progress.counts
    '2 of 2 epochs'
    """

    def __init__(
        self, label: str, verbose: int = 1, total: int | None = None, unit: str = "steps"
    ) -> None:
        self.label, self.verbose, self.total, self.unit = label, verbose, total, unit
        self.done, self.note = 0, ""
        self.printed, self.printed_at = "", -math.inf
        self.console: Console | None = None
        self.bar: Bar | None = None
        self.task: TaskID | None = None

    def expect(self, steps: int) -> None:
        """Announce more steps; those announced before are done, or no longer needed."""
        self.done = self.total or 0
        self.total = self.done + steps
        self.show()

    def __call__(self, steps: int, note: str = "") -> None:
        """Count steps; a note, such as the losses, stands beside them."""
        done = self.done + steps
        self.reach(done if self.total is None else min(done, self.total), note)

    def reach(self, done: int, note: str = "") -> None:
        """Show that so many steps are done."""
        self.done, self.note = done, note
        self.show()

    @property
    def counts(self) -> str:
        """How many of the steps are done, in words."""
        return "" if self.total is None else f"{self.done:,} of {self.total:,} {self.unit}"

    def show(self) -> None:
        """Draw the bar; elsewhere print a line, unless one was printed a moment ago."""
        if not self.verbose:
            return
        if self.console is None:
            self._open()
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=self.done, total=self.total, note=self.note)
        elif time.monotonic() - self.printed_at >= SECONDS:
            self._print()

    def finish(self) -> None:
        """Show that the work is at its end, which may come before all announced steps."""
        self.total = None if self.total is None else self.done
        self.show()

    def close(self) -> None:
        """Give the terminal back; the last line says where the work ended."""
        if self.bar is not None:
            self.bar.stop()
        elif self.console is not None:
            self._print()

    def __enter__(self) -> Self:
        self.show()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _open(self) -> None:
        from rich.console import Console

        from isthmus.io import lasting_errors

        self.console = Console(file=lasting_errors())
        if self.console.is_terminal:
            self.bar = self._new_bar(self.console)
            self.task = self.bar.add_task(self.label, total=self.total, note="")
            self.bar.start()

    def _new_bar(self, console: Console) -> Bar:
        from rich import progress as bars

        label = bars.TextColumn("{task.description}")
        if self.total is None:
            wheel, clock = bars.SpinnerColumn(), bars.TimeElapsedColumn()
            return bars.Progress(wheel, label, clock, console=console, transient=True)
        counts = bars.TextColumn("{task.completed:.0f}/{task.total:.0f} " + self.unit)
        left, note = bars.TimeRemainingColumn(), bars.TextColumn("{task.fields[note]}")
        return bars.Progress(label, bars.BarColumn(), counts, left, note, console=console)

    def _print(self) -> None:
        """Print where the work is, unless the last line said the same."""
        line = f"{self.label}: {self.counts}" if self.counts else self.label
        line += f"  {self.note}" if self.note else ""
        if self.console is not None and line != self.printed:
            self.console.print(line, highlight=False, soft_wrap=True)
            self.printed, self.printed_at = line, time.monotonic()


def describe_losses(row: HistoryRow) -> str:
    """Return a row's losses in words."""
    text = f"loss {row['loss']:.5f}"
    validation = row.get("validation_loss", float("nan"))
    return f"{text}  validation {validation:.5f}" if validation == validation else text

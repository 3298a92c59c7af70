"""Progress of long work: a bar on a terminal, plain lines elsewhere, on the standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

Row = dict[str, float]
Hook = Callable[[Row], bool | None]


class Listener:
    """What the engine calls after an epoch: the progress and the user's function."""

    def __init__(self, estimator: Any, run: Any, on_epoch: Hook | None) -> None:
        self.estimator, self.run, self.on_epoch = estimator, run, on_epoch
        total = run.trainer.settings.max_epochs
        self.shown = Shown(run.label, total) if estimator.verbose else None
        self.adopted: Any = None

    @property
    def hook(self) -> Hook | None:
        """The function to call, or None where nobody listens."""
        return self if self.shown or self.on_epoch else None

    def __call__(self, row: Row) -> bool | None:
        """Show the row and hand it to the user, whose estimator is as trained as the run."""
        if self.shown:
            self.shown(row)
        if self.on_epoch is None:
            return None
        if self.adopted is not self.run.trainer.state:
            self.adopted = self.run.trainer.state
            self.estimator._adopt(self.run)
        if self.on_epoch(row):
            self.run.halted = True
        return self.run.halted

    def close(self) -> None:
        """Stop showing."""
        if self.shown:
            self.shown.close()


class Shown:
    """Shows each row of a history; `close` gives the terminal back."""

    def __init__(self, label: str, total: int) -> None:
        from rich.console import Console

        self.label, self.total, self.last = label, total, 0.0
        self.console = Console(stderr=True)
        self.bar = self._new_bar() if self.console.is_terminal else None

    def __call__(self, row: Row) -> None:
        """Show a row, unless one was shown a moment ago."""
        ends = row["epoch"] in (1, self.total)
        if not ends and time.monotonic() - self.last < (0.1 if self.bar else 5):
            return
        self.last = time.monotonic()
        if self.bar:
            self.bar.update(self.task, completed=row["epoch"], losses=describe(row))
        else:
            text = f"{self.label}: epoch {row['epoch']:.0f}/{self.total}  {describe(row)}"
            self.console.print(text, highlight=False, soft_wrap=True)

    def _new_bar(self) -> "Progress":
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} epochs"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        bar = Progress(*columns, console=self.console)
        self.task = bar.add_task(self.label, total=self.total, losses="")
        bar.start()
        return bar

    def close(self) -> None:
        """Stop drawing."""
        if self.bar:
            self.bar.stop()


def describe(row: Row) -> str:
    """Return a row's losses in words."""
    text = f"loss {row['loss']:.5f}"
    validation = row.get("validation_loss", float("nan"))
    return f"{text}  validation {validation:.5f}" if validation == validation else text


class Counted:
    """Counts the steps of many models; `close` gives the terminal back."""

    def __init__(self, label: str, verbose: int) -> None:
        self.label, self.done, self.total, self.last = label, 0, 0, 0.0
        self.said = 0  # steps that the last line told
        self.bar: Progress | None = None
        if verbose:
            from rich.console import Console

            self.console = Console(stderr=True)
            self.bar = self._new_bar() if self.console.is_terminal else None
        self.lines = bool(verbose) and self.bar is None

    def expect(self, steps: int) -> None:
        """Announce more steps; those announced before are done, or no longer needed."""
        self.done = self.total
        self.total += steps
        self(0)

    def __call__(self, steps: int) -> None:
        """Count steps."""
        self.done = min(self.done + steps, self.total)
        if self.bar:
            self.bar.update(self.task, completed=self.done, total=self.total)
            self.bar.start()  # not before there is a total to draw
        elif self.lines and time.monotonic() - self.last >= 5:
            self._say()

    def _say(self) -> None:
        self.last, self.said = time.monotonic(), self.done
        text = f"{self.label}: {self.done:,} of {self.total:,} steps"
        self.console.print(text, highlight=False, soft_wrap=True)

    def _new_bar(self) -> "Progress":
        from rich.progress import BarColumn, Progress, TextColumn

        text = "{task.completed:.0f}/{task.total:.0f} steps"
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn(text))
        bar = Progress(*columns, console=self.console)
        self.task = bar.add_task(self.label, total=None)
        return bar

    def close(self) -> None:
        """Stop drawing; the last line tells where the counting ended."""
        if self.bar:
            self.bar.stop()
        elif self.lines and self.said != self.done:
            self._say()


@contextmanager
def working(text: str, verbose: int) -> Iterator[None]:
    """Show what is being done where nothing counts its steps: a turning wheel, or one line."""
    if not verbose:
        yield
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(text, highlight=False, soft_wrap=True)
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        bar.add_task(text, total=None)
        yield

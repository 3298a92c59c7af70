"""What a trainer calls after an epoch: the progress, and the user's function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.training import Progress, describe_losses

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.autoencoder.run import Run
    from isthmus.training import HistoryRow, Hook, TrainerState


class Listener:
    """Shows each epoch, and hands it to the user, whose estimator is as trained as the run."""

    def __init__(
        self, run: Run, adopt: Callable[[Run], None], on_epoch: Hook | None, verbose: int
    ) -> None:
        self.run, self.adopt, self.on_epoch = run, adopt, on_epoch
        total = run.trainer.settings.max_epochs
        self.shown = Progress(run.label, verbose, total, "epochs")
        self.adopted: TrainerState | None = None

    @property
    def hook(self) -> Hook | None:
        """The function to call, or None where nobody listens."""
        return self if self.shown.verbose or self.on_epoch else None

    def __call__(self, row: HistoryRow) -> bool | None:
        """Show the row and hand it on; True ends the run."""
        self.shown.reach(round(row["epoch"]), describe_losses(row))
        if self.on_epoch is None:
            return None
        if self.adopted is not self.run.trainer.state:
            self.adopted = self.run.trainer.state
            self.adopt(self.run)
        if self.on_epoch(row):
            self.run.halted = True
        return self.run.halted

    def finish(self) -> None:
        """Show that training is at its end, by its epochs or before."""
        if self.shown.done < (self.shown.total or 0):
            self.shown.note += "  stopped early"
        self.shown.finish()

    def close(self) -> None:
        """Stop showing."""
        self.shown.close()

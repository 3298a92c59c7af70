"""Options of a command that several processes run together."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from isthmus.cli.options import given, option
from isthmus.cli.terminal import UsageError, complain

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES = Group("Several processes, each of which runs this command", sort_key=3)
DETECTED = "auto"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Processes:
    """The processes that train one model."""

    coordinator: Annotated[
        str | None,
        option(
            PROCESSES,
            "Where process 0 listens; auto asks Slurm, Open MPI or Kubeflow, also for the rest.",
            metavar="HOST:PORT|auto",
        ),
    ] = None
    processes: Annotated[int | None, option(PROCESSES, "How many there are.")] = None
    process: Annotated[
        int | None, option(PROCESSES, "The number of this one, from 0; 0 writes the model.")
    ] = None

    @contextmanager
    def joined(self) -> Iterator[bool]:
        """Join the others, if there are any: this process is the one that writes if it yields True."""
        if not given(self):
            yield True
            return
        self._check()
        from isthmus.training import TeamError, join_team, leave_at_once

        coordinator = None if self.coordinator == DETECTED else self.coordinator
        if self.processes is not None and self.processes > 1:
            complain(f"waiting for {self.processes} processes at {coordinator}; Ctrl-C ends that.")
        try:
            team = join_team(coordinator, self.processes, self.process)
        except TeamError as error:
            raise UsageError(str(error)) from error
        try:
            yield team.is_first
        except BaseException:
            leave_at_once()
            raise

    def _check(self) -> None:
        """Refuse options that do not fit each other."""
        rest = [name for name in given(self) if name != "--coordinator"]
        if self.coordinator is None:
            raise UsageError(f"{rest[0]} needs --coordinator, the HOST:PORT of process 0.")
        if self.coordinator == DETECTED and rest:
            raise UsageError(f"--coordinator auto finds out the rest: leave out {rest[0]}.")
        if self.coordinator != DETECTED and len(rest) < 2:
            raise UsageError(
                f"--coordinator {self.coordinator} needs --processes and --process, too."
            )
        host, _, port = self.coordinator.rpartition(":")
        if self.coordinator != DETECTED and not (host and port.isdigit()):
            raise UsageError(
                f"--coordinator must be HOST:PORT, such as node1:8476, or auto; got "
                f"{self.coordinator!r}."
            )

"""Several processes, on one machine or many, that train one model.

Each holds the same net and takes its share of every batch. The program is the one of a single process:
only where arrays lie differs, so that means, noise and penalties are those of the whole batch, and
batches and seeds do not depend on how many processes there are.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jax import Array

HEARTBEAT_SECONDS = 20  # after which a process that says nothing counts as lost
# What Kubeflow Trainer tells each process, of which JAX itself reads the first alone.
OF_KUBEFLOW = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
START_SECONDS = 120  # in which all processes have to come
END_SECONDS = 300  # in which the others are waited for at the end


class TeamError(ConnectionError):
    """A process of a team is lost, or holds other rows than the first."""


class Team(NamedTuple):
    """The processes that train one model, as one of them sees them."""

    number: int  # of this process, from 0
    size: int

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and says what was done."""
        return self.number == 0

    @property
    def _mesh(self) -> Mesh:
        firsts = {device.process_index: device for device in reversed(jax.devices())}
        return Mesh(np.array([firsts[i] for i in range(self.size)]), ("processes",))

    def whole(self, tree: Any) -> Any:
        """Return arrays that all processes hold alike as arrays of the team."""
        everywhere = NamedSharding(self._mesh, PartitionSpec())

        def place(leaf: Any) -> Array:
            local = leaf if isinstance(leaf, jax.Array) else jax.device_put(leaf)
            return jax.make_array_from_single_device_arrays(local.shape, everywhere, [local])

        return jax.tree.map(place, tree)

    def shared_out(self, index: np.ndarray) -> Array:
        """Return rows to gather, (steps, batch), of which each process takes a part of each batch.

        Batches are filled up so that the parts are equally long; rows that fill up count 0.
        """
        size = -(-index.shape[1] // self.size) * self.size
        index = np.pad(index, ((0, 0), (0, size - index.shape[1])))
        split = NamedSharding(self._mesh, PartitionSpec(None, "processes"))
        return jax.make_array_from_callback(index.shape, split, lambda part: index[part])

    def own(self, tree: Any) -> Any:
        """Return arrays of the team, which all processes hold alike, as arrays of this process."""
        return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)

    def share(self, things: Sequence[Any]) -> Sequence[Any]:
        """Return what this process is to do of work that is shared out in turn."""
        return things[self.number :: self.size]

    def part(self, size: int) -> tuple[int, int]:
        """Return begin and end of this process's part of things that lie beside one another."""
        each = -(-size // self.size)
        return min(each * self.number, size), min(each * (self.number + 1), size)

    def joined(self, array: Array) -> Array:
        """Return an array of which each process has filled in its `part`, whole."""
        begin, end = self.part(len(array))
        each = -(-len(array) // self.size)
        rest = [(0, 0)] * (array.ndim - 1)
        part = jnp.pad(array[begin:end], [(0, each - end + begin), *rest])
        split = NamedSharding(self._mesh, PartitionSpec("processes"))
        shape = (each * self.size, *array.shape[1:])
        whole = jax.make_array_from_single_device_arrays(shape, split, [part])
        everywhere = NamedSharding(self._mesh, PartitionSpec())
        with lost_processes():
            again = self.own(jax.jit(_same, out_shardings=everywhere)(whole))
            return jax.block_until_ready(again)[: len(array)]

    def gathered(self, own: Sequence[float], n: int) -> list[float]:
        """Return the n numbers of which each process has its `share`, in their order."""
        room = np.zeros(-(-n // self.size))
        room[: len(own)] = own
        parts = self._gathered(room)
        return parts.T.reshape(-1)[:n].tolist()

    def agreed(self, number: int) -> int:
        """Return the number that the first process has; below 2**32."""
        return int(self._gathered(np.array([float(number)]))[0, 0])

    def check_alike(self, what: str, mark: int) -> None:
        """Raise a TeamError in each process unless a mark below 2**32 is the same in all of them."""
        marks = self._gathered(np.array([float(mark)]))[:, 0]
        odd = np.flatnonzero(marks != marks[0])
        if len(odd):
            raise TeamError(
                f"Process {odd[0]} of {self.size} has other {what} than process 0: start all with the "
                "same data and the same parameters."
            )

    def _gathered(self, numbers: np.ndarray) -> np.ndarray:
        """Return the float64 numbers of all processes, a row each."""
        with lost_processes():
            parts = multihost_utils.process_allgather(numbers.view(np.uint32))
        return np.ascontiguousarray(parts).view(float)


def _same(array: Array) -> Array:
    return array


class _Here:
    team: Team | None = None
    number: socket.socket | None = None  # which is this process's as long as it is open
    is_lost = False  # whether this process or another of the team ends before the work does


@atexit.register  # after JAX's own, and so called before it
def _end_at_once() -> None:
    """End without waiting for a process that does not come, after which JAX would abort this one."""
    failed = _Here.team is not None and hasattr(sys, "last_value")  # a script's own error
    if _Here.is_lost or failed:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


def current_team() -> Team | None:
    """Return the team that this process has joined, if there is one."""
    return _Here.team


def agreed(number: int) -> int:
    """Return the number that the first process of the team has; without a team the number itself."""
    return number if _Here.team is None else _Here.team.agreed(number)


def join_team(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> Team:
    """Join the processes that train one model: what this one fits from now on, all fit together.

    Each process calls it once, before anything is computed, and then does the same with the same rows.
    `batch_size` is that of the whole, and the result that of one process but for rounding.

    Parameters
    ----------
    coordinator : str, optional
        Where process 0 listens, `HOST:PORT`. By default the environment says it: that of Kubeflow
        Trainer, Slurm, Open MPI, or Kubernetes (which needs `pip install "jax[k8s]"`).
    processes, process : int, optional
        How many processes there are, and the number of this one, from 0.

    Returns
    -------
    Team
        With `number`, `size` and `is_first`: files are written by the first process alone.

    Raises
    ------
    TeamError
        If there is nobody to ask, a process does not come, or JAX has computed before.

    Examples
    --------
    >>> from isthmus.training import current_team
    >>> current_team() is None  # a process trains alone until it joins
    True
    """
    given = (coordinator, processes, process)
    if given == (None, None, None) and all(name in os.environ for name in OF_KUBEFLOW):
        coordinator, *numbers = (os.environ[name] for name in OF_KUBEFLOW)
        processes, process = map(int, numbers)
    elif any(v is not None for v in given) and any(v is None for v in given):
        raise TeamError(
            "coordinator, processes and process belong together: give all three, or none where Slurm, "
            f"Open MPI, Kubeflow or Kubernetes started the processes; got {given}."
        )
    if processes is not None and process is not None and not 0 <= process < max(processes, 1):
        raise TeamError(f"process must be from 0 to {processes - 1}; got {process}.")
    if processes is not None and processes < 1:
        raise TeamError(f"processes must be at least 1; got {processes}.")
    with _number_of_its_own(coordinator, process):
        return _joined(coordinator, processes, process)


def _joined(coordinator: str | None, processes: int | None, process: int | None) -> Team:
    """Join the processes by settings that were checked."""
    if coordinator is not None and process == 0:
        _check_port(coordinator)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # it hears signals that are ours
    try:
        with _ended_by_signals():
            jax.distributed.initialize(
                coordinator,
                processes,
                process,
                initialization_timeout=START_SECONDS,
                heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=END_SECONDS,
            )
    except (ValueError, RuntimeError) as error:
        raise TeamError(_why(coordinator, error)) from error
    _Here.team = Team(jax.process_index(), jax.process_count())
    with _quiet_output():
        _Here.team.agreed(0)
    return _Here.team


@contextmanager
def _quiet_output() -> Iterator[None]:
    """Drop what a library writes to the standard output as it connects."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let signals end the process while it waits for others, where Python's handlers are not called."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    kept = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextmanager
def _number_of_its_own(coordinator: str | None, process: int | None) -> Iterator[None]:
    """Take a number for this process, and keep it if it joins; TeamError if another one has it.

    JAX would end one of the two without a word. What is taken is a name that only Linux knows, which
    needs no file and is seen on this machine alone.
    """
    if coordinator is None or sys.platform != "linux":
        yield
        return
    taken = socket.socket(socket.AF_UNIX)
    try:
        _take(taken, f"\0isthmus {coordinator} {process}")
        yield
    except BaseException:
        taken.close()
        raise
    _Here.number = taken


def _take(taken: socket.socket, name: str) -> None:
    try:
        taken.bind(name)
    except OSError as error:
        raise TeamError(
            f"Process {name.rpartition(' ')[2]} of this team runs on this machine already: give each "
            "process a number of its own, from 0."
        ) from error


def _check_port(coordinator: str) -> None:
    """Raise a TeamError if nobody can listen there, which JAX would not survive."""
    family = socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET
    try:
        socket.create_server(("", int(coordinator.rpartition(":")[2])), family=family).close()
    except (OSError, ValueError, OverflowError) as error:
        raise TeamError(
            f"The port of {coordinator} cannot be opened on this machine ({error}): give another."
        ) from error


def _why(coordinator: str | None, error: Exception) -> str:
    """Return in one sentence why a team could not be joined."""
    text = str(error).partition("\n")[0]
    if "before any JAX" in text:
        return "JAX has computed in this process before: join the others first of all."
    if isinstance(error, ValueError) and coordinator is None:
        return (
            "Neither Slurm, Open MPI, Kubeflow nor Kubernetes started this process: give the "
            "coordinator, HOST:PORT, how many processes there are, and the number of this one."
        )
    return f"The processes did not come together: {text}"


def leave_at_once() -> None:
    """Let this process end without waiting for the others, which then learn that it is gone."""
    _Here.is_lost = _Here.team is not None


@contextmanager
def lost_processes() -> Iterator[None]:
    """Say of an error in what processes do together that one of them is lost."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if _Here.team is None or not _is_of_others(str(error)):
            raise
        leave_at_once()
        raise TeamError(
            f"A process of the {_Here.team.size} that train together is lost, so process "
            f"{_Here.team.number} ends, too: start all again, from the last checkpoint."
        ) from error


def _is_of_others(text: str) -> bool:
    return any(
        word in text.lower() for word in ("gloo", "connection", "peer", "heartbeat", "timed")
    )

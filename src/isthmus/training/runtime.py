"""Where and how JAX computes: precision, device, seeds and the compilation cache."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import numpy as np

from isthmus.training.team import agreed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

Device: TypeAlias = str | jax.Device | None
CONFIG: Any = jax.config  # what a context sets is read by attribute
RandomState: TypeAlias = int | np.random.RandomState | np.random.Generator | None

# How a CPU runs short steps, groups, and blocks to score: no kernel is shared out. LLVM's last level
# (3) only takes longer to compile. docs/performance-log.md has the figures.
UNSHARED: dict[str, str | bool | int | float] = {
    "xla_disable_hlo_passes": "cpu-parallel-task-assigner"
}
if not jax.config.values.get("jax_disable_most_optimizations"):
    UNSHARED["xla_backend_optimization_level"] = 2

QUESTIONS: list[Callable[[], None]] = []  # see `ask_between_chunks`


class ForkedError(RuntimeError):
    """The process was forked after JAX had started, so that a computation would never end."""


class _Process:
    """What is known of this process: whether it was forked from one in which JAX had started."""

    computed, stranded = False, False


@contextmanager
def computing(dtype: str, device: Device) -> Iterator[None]:
    """Compute in this precision and on this device, and leave the process as it was.

    Settings by which users hold their own code to stricter rules of JAX do not count here.

    Raises
    ------
    ForkedError
        In a process that was forked after JAX had started, where a computation would never end.
    """
    check_fork()
    _Process.computed = True
    with (
        jax.enable_x64(dtype == "float64"),
        jax.default_device(find_device(device)),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        yield


def settings_here() -> Callable[[], AbstractContextManager[None]]:
    """Return a context that lets another thread compute as this one does: each has its own settings."""
    wide, device = CONFIG.jax_enable_x64, CONFIG.jax_default_device
    return partial(computing, "float64" if wide else "float32", device)


def device_here() -> jax.Device:
    """Return where this thread computes."""
    device: jax.Device = CONFIG.jax_default_device or jax.devices()[0]
    return device


def check_fork() -> None:
    """Raise a ForkedError in a process that was forked after JAX had started."""
    if _Process.stranded:
        raise ForkedError(
            "This process was forked after JAX had started. JAX's threads do not live on in it, so a "
            "computation would never end. Start workers by the method 'spawn' or 'forkserver' "
            '(multiprocessing.get_context("spawn"), or joblib, whose workers are started anew), '
            "fork before the first model is fitted or loaded, or run the model's exported ONNX file, "
            "which needs no JAX."
        )


def is_stranded() -> bool:
    """Whether this process was forked after JAX had started, and so cannot compute."""
    return _Process.stranded


def _remember_fork() -> None:
    bridge = sys.modules["jax._src.xla_bridge"]  # JAX has no public name for it
    _Process.stranded |= _Process.computed or bridge.backends_are_initialized()


if hasattr(os, "register_at_fork"):  # no Windows
    os.register_at_fork(after_in_child=_remember_fork)


def find_device(device: Device) -> jax.Device | None:
    """Return the JAX device of None (JAX's choice), "cpu", "gpu", "cuda:1" or a device itself."""
    if device is None or not isinstance(device, str):
        return device
    kind, _, index = device.partition(":")
    try:
        return jax.devices(kind)[int(index or 0)]
    except (RuntimeError, IndexError, ValueError):
        known = sorted({f"{d.platform}:{d.id}" for d in jax.devices()} | {"cpu"})
        raise ValueError(
            f"No device {device!r} here; use None or one of {', '.join(known)}."
        ) from None


def draw_seed(random_state: RandomState) -> int:
    """Return a seed for one run; None draws a new one without touching NumPy's global state.

    Processes that train together draw the same.
    """
    if random_state is None:
        return agreed(int(np.random.SeedSequence().generate_state(1)[0]))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**32))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**32, dtype=np.uint32))
    try:
        return int(np.random.SeedSequence(random_state).generate_state(1)[0])
    except (TypeError, ValueError):
        raise ValueError(
            "The parameter random_state must be None, a whole number of at least 0, a RandomState "
            f"or a Generator; got {random_state!r}."
        ) from None


def usable_cores() -> int:
    """Return how many cores of the CPU this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cache_folder(home: str | Path | None = None) -> Path:
    """Return where compiled programs are kept: one folder a processor model and JAX version.

    It lies in `home`, by default in what the environment names.
    """
    home = home or os.environ.get("ISTHMUS_CACHE") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    machine = f"{_processor()} {platform.machine()} {jax.__version__}"
    return Path(home).expanduser() / "isthmus" / hashlib.sha256(machine.encode()).hexdigest()[:12]


def enable_compilation_cache(folder: str | Path | None = None, max_bytes: int = 2**29) -> Path:
    """Keep compiled programs on disk, so that a new process starts without compiling.

    A folder that cannot be written to, such as one in a container's image, is only read from.

    Parameters
    ----------
    folder : path, optional
        Where; by default under `$ISTHMUS_CACHE`, `$XDG_CACHE_HOME` or `~/.cache`. Delete it to
        clear the cache.
    max_bytes : int
        The oldest programs are removed beyond this size.

    Returns
    -------
    Path
        The folder.

    Examples
    --------
    >>> import isthmus
    >>> isthmus.enable_compilation_cache().parent.name
    'isthmus'
    """
    path = Path(folder) if folder is not None else cache_folder()
    path.mkdir(parents=True, exist_ok=True)
    writable = os.access(path, os.W_OK)
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_compilation_cache_max_size", max_bytes if writable else -1)  # no lock
    least = 0.0 if writable else float("inf")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", least)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    from jax.experimental.compilation_cache import compilation_cache

    compilation_cache.reset_cache()  # JAX decides at the first compile whether there is a cache
    return path


def use_shipped_cache() -> None:
    """Keep compiled programs where ISTHMUS_CACHE says, unless JAX keeps them somewhere already."""
    if not os.environ.get("ISTHMUS_CACHE") or jax.config.values["jax_compilation_cache_dir"]:
        return
    try:
        enable_compilation_cache()
    except OSError as error:
        warnings.warn(f"Compiled programs are not kept: {error}.", stacklevel=2)


def give_up_cache() -> None:
    """Keep no more compiled programs on disk in this process."""
    jax.config.update("jax_enable_compilation_cache", False)
    from jax.experimental.compilation_cache import compilation_cache

    compilation_cache.reset_cache()


def ask_between_chunks() -> None:
    """Call what the program wants to be asked between two chunks of training.

    An exception of a signal's handler may be lost in a callback or a destructor; what is asked here
    raises it again.
    """
    for question in QUESTIONS:
        question()


def release_programs(limit: int = 30_000) -> None:
    """Forget JAX's compiled programs where the process has mapped too much memory for them.

    Each takes some fifty mappings. Linux allows a process 65,530 of them by default and ends it
    without a word beyond; programs that are needed again are compiled, or read from the cache.
    """
    try:
        mapped = Path("/proc/self/maps").read_bytes().count(b"\n")
    except OSError:  # no Linux
        return
    if mapped > limit:
        jax.clear_caches()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith(("model name", "CPU part")))
    except (OSError, StopIteration):
        return platform.processor()

"""What is needed next is read in a thread, while the last is in use."""

from __future__ import annotations

import atexit
from concurrent.futures import Future, wait
from threading import Event, Thread
from typing import TYPE_CHECKING, TypeVar

from isthmus.training.runtime import ask_between_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

K = TypeVar("K")
T = TypeVar("T")
PATIENCE = 0.2  # seconds between two looks whether the program was interrupted
GRACE = 0.3  # seconds that the end of the process gives to what is being made
under_way: set[Thread] = set()


def read_ahead(make: Callable[[K, Event], T], keys: Iterable[K]) -> Generator[T]:
    """Yield what is made of each key, in order; the next one is made in a thread meanwhile.

    Whoever waits here can be interrupted. What is being made then, or when nobody asks for more, is
    told by the event; nobody waits for it, not even the end of the process.
    """
    left, stopped = iter(keys), Event()
    try:
        pending = [_begun(make, key, stopped) for key in _first(left)]
        while pending:
            made = _waited(pending.pop())
            pending += [_begun(make, key, stopped) for key in _first(left)]
            yield made
    finally:
        stopped.set()


def _begun(make: Callable[[K, Event], T], key: K, stopped: Event) -> Future[T]:
    """Begin to make something, in a thread that ends with the process, as a pool's does not."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(make(key, stopped))
        except BaseException as error:  # of whoever asks for what is made
            future.set_exception(error)
        finally:
            under_way.discard(thread)

    thread = Thread(target=work, name="isthmus reads ahead", daemon=True)
    under_way.add(thread)
    thread.start()
    return future


@atexit.register  # after JAX's own, and so called before it
def _end_with_grace() -> None:
    """Let short reads come to their end while Python still stands."""
    for thread in [*under_way]:
        thread.join(GRACE)


def _first(left: Iterator[K]) -> list[K]:
    return [key for _, key in zip(range(1), left, strict=False)]


def _waited(future: Future[T]) -> T:
    while not wait([future], timeout=PATIENCE).done:
        ask_between_chunks()
    return future.result()

"""What is needed next is read in a thread, while the last is in use."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from isthmus.training.runtime import ask_between_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

K = TypeVar("K")
T = TypeVar("T")
PATIENCE = 0.2  # seconds between two looks whether the program was interrupted


def read_ahead(make: Callable[[K, Event], T], keys: Iterable[K]) -> Generator[T]:
    """Yield what is made of each key, in order; the next one is made in a thread meanwhile.

    Whoever waits here can be interrupted. What is being made then, or when nobody asks for more, is
    told by the event; nothing but the end of the process waits for it.
    """
    left, stopped = iter(keys), Event()
    pool = ThreadPoolExecutor(1)
    try:
        pending = [pool.submit(make, key, stopped) for key in _first(left)]
        while pending:
            made = _waited(pending.pop())
            pending += [pool.submit(make, key, stopped) for key in _first(left)]
            yield made
    finally:
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _first(left: Iterator[K]) -> list[K]:
    return [key for _, key in zip(range(1), left, strict=False)]


def _waited(future: Future[T]) -> T:
    while not wait([future], timeout=PATIENCE).done:
        ask_between_chunks()
    return future.result()

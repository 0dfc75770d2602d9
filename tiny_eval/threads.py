"""Several requests to a server at once, and no more often than it allows.

Threads that wait for a server keep nobody from leaving: they are daemons, and what they still bring
after the answers are no longer wanted is dropped.
"""

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

Answer = TypeVar("Answer")


class Pace:
    """When the next request may start, for all threads together."""

    def __init__(self, requests_per_minute: float | None = None) -> None:
        self._interval_s = 60 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, stopped: threading.Event) -> bool:
        """Until it is one's turn; False if it has been stopped before."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._interval_s
        return not stopped.wait(start - now)

    def hold(self, pause_s: float) -> None:
        """Nobody starts before this time is over."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + pause_s)


def in_threads(
    count: int, ask: Callable[[int, threading.Event], Answer], concurrency: int
) -> Iterator[tuple[int, Answer]]:
    """ask(0), ask(1) ... ask(count - 1), each with its place, as they finish.

    ask's second argument is set when its answer is no longer wanted: what it raises for one place
    ends all, as does leaving the loop over the answers
    """
    stopped = threading.Event()
    todo: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, Answer] | BaseException] = SimpleQueue()
    for place in range(count):
        todo.put(place)

    def work() -> None:
        try:
            while not stopped.is_set():
                place = todo.get_nowait()
                done.put((place, ask(place, stopped)))
        except Empty:
            return
        except BaseException as error:  # it belongs to who waits for the answers
            done.put(error)

    try:
        for _ in range(min(concurrency, count)):
            threading.Thread(target=work, daemon=True).start()
        for _ in range(count):
            found = _next(done)
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        stopped.set()


def _next(done: "SimpleQueue[Answer]") -> Answer:
    while True:
        try:
            return done.get(timeout=0.5)  # Windows hears Ctrl-C only between two waits
        except Empty:
            continue

"""A stream that is not waited for longer than so many seconds.

A model may take a minute for its first token, or drip one a second. Only another thread can wait
for it while this one watches the clock.
"""

import threading
import time
from collections.abc import Generator
from queue import Empty, SimpleQueue
from typing import Any

from .messages import Reply


class TimeUp(Exception):  # noqa: N818  # no error: a limit that was set
    """The seconds are over, and the reply is not."""


def until(pieces: Generator[str, None, Reply], seconds: float) -> Generator[str, None, Reply]:
    """The pieces of a reply, and the reply. TimeUp after so many seconds; what it raises is raised.

    The model that is left behind goes on in the background until it next has something to say.
    """
    queue: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    left = threading.Event()

    def work() -> None:
        try:
            while not left.is_set():
                queue.put(("piece", next(pieces)))
            pieces.close()
        except StopIteration as end:
            queue.put(("reply", end.value))
        except BaseException as error:  # it belongs to the thread that waits
            queue.put(("error", error))

    end = time.monotonic() + seconds
    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            kind, value = queue.get(timeout=max(0.0, end - time.monotonic()))
            if kind == "reply":
                return value
            if kind == "error":
                raise value
            yield value
    except Empty:
        raise TimeUp from None
    finally:
        left.set()

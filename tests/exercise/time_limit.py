"""An end to a loop that has none. On Windows there is none: press Ctrl-C there."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class StillRunning(BaseException):
    """No Exception: hypothesis would catch it, and try again."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """StillRunning, out of the line that runs, after so many seconds of processor time."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or not hasattr(signal, "SIGPROF"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise StillRunning(f"it still runs after {seconds:g} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)

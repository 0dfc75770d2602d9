"""Memory that was freed, and is still held."""

import ctypes
import sys


def give_back_free_memory() -> None:
    """Let the C library return what it keeps for later. Takes some 50 ms, on Linux; else nothing.

    Training allocates large pieces of ever new sizes; glibc cannot use most of them again, and a
    process would grow by gigabytes in an hour.
    """
    if sys.platform == "linux":  # with another C library than glibc: nothing to call
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)

"""One process at a time changes an index: from reading it until it is saved.

    with one_writer("my-index"):
        index = Index.open("my-index")
        index.update(["docs"])
        index.save("my-index")

Without this, of two that read, change and save at the same time, the later one saves an index that
knows nothing of the other's files. Who only reads an index needs no lock and never waits.

Leaves out: Windows, which has no flock; there nobody is kept out.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl

WRITER = ".writer"  # hidden: reading the folder above passes over it
_PAUSE_S = 0.05


@contextmanager
def one_writer(folder: str | Path, wait_s: float = 1.0) -> Iterator[None]:
    """Keep other writers out of an index's folder, which is made if it is not there.

    wait_s: how long to wait for another writer
    BlockingIOError if that takes longer; NotADirectoryError if the folder is a file

    The system opens the lock of a process that died. A folder that was made here and in which
    nothing was saved is removed again. The lock does not nest, not even in one thread.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give a folder for the index")
    if sys.platform == "win32":
        yield
        return
    made = not folder.exists()
    with _locked(folder, time.monotonic() + wait_s):
        try:
            yield
        finally:
            if made and os.listdir(folder) == [WRITER]:
                (folder / WRITER).unlink()
                folder.rmdir()


def _locked(folder: Path, end_s: float) -> IO[str]:
    """The lock file, open and locked; closing it opens the lock."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = (folder / WRITER).open("a")
        except FileNotFoundError:  # its folder was removed a moment ago
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat((folder / WRITER).stat(), os.fstat(lock.fileno())):
                return lock
        except FileNotFoundError:  # the lock of a file that was removed keeps nobody out
            pass
        except BlockingIOError:
            if time.monotonic() > end_s:
                lock.close()
                raise BlockingIOError(
                    f"another process is writing the index in {folder}; wait until it has ended "
                    "and try again, or name another folder"
                ) from None
            time.sleep(_PAUSE_S)
        lock.close()

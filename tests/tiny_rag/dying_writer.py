"""Writers that get killed, each in a process of its own, for the tests to look at what is left.

python -m tests.tiny_rag.dying_writer every-step FOLDER    JSON: what each death left
python -m tests.tiny_rag.dying_writer endless FOLDER       a line for every version it has saved
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from tiny_rag.documents import Chunk
from tiny_rag.generations import IndexDamaged, read_generation, write_generation
from tiny_rag.store import VectorStore

FILE_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "fcntl.flock"}
CHUNKS, DIM = 200, 32


def every_step(folder: Path, first: str | None) -> list[str]:
    """Kill a writer before its first file operation, before its second, and so on to the last.

    first: the content that a finished writer left before, if any
    returns what a reader then finds; after each a second writer must succeed and clear up
    """
    found = []
    os.fsync = lambda fd: None  # a kill loses nothing that the system has taken: this saves time
    for step in count(1):
        shutil.rmtree(folder, ignore_errors=True)
        if first is not None:
            write_generation(folder, fill(first))
        killed = dies(step, lambda: write_generation(folder, fill("new")))
        found.append(content(folder))
        write_generation(folder, fill("next"))
        names = {path.name for path in folder.iterdir() if path.name.startswith("generation")}
        if content(folder) != "next" or len(names) != 1:
            raise AssertionError(f"after step {step}: {content(folder)}, {names}")
        if not killed:
            return found
    raise AssertionError


def fill(text: str) -> Callable[[Path], None]:
    """Two files that belong together."""

    def write(generation: Path) -> None:
        for name in ("one.txt", "two.txt"):
            (generation / name).write_text(text, encoding="utf-8")

    return write


def content(folder: Path) -> str:
    """What both files say; "nothing" if there is no index."""

    def read(generation: Path) -> set[str]:
        return {(generation / name).read_text("utf-8") for name in ("one.txt", "two.txt")}

    try:
        return "|".join(read_generation(folder, read))
    except FileNotFoundError:
        return "nothing"
    except IndexDamaged as error:
        return "nothing" if "CURRENT is damaged (it is missing)" in str(error) else str(error)


def dies(step: int, work: Callable[[], object]) -> bool:
    """Run `work` in a forked process that kills itself before the given file operation."""
    left = step

    def watch(event: str, _arguments: tuple) -> None:
        nonlocal left
        if event in FILE_EVENTS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def watched() -> None:
        sys.addaudithook(watch)
        work()

    status = os.waitpid(forked(watched), 0)[1]
    if status not in (0, signal.SIGKILL):
        raise AssertionError(f"the writer failed with status {status}")
    return status == signal.SIGKILL


def forked(work: Callable[[], object]) -> int:
    """Start a process that does the work and ends. Returns its number."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def version(number: int) -> tuple[list[Chunk], np.ndarray]:
    """Chunks and vectors that all carry the number, under ids that stay the same."""
    metadata = {"source": "a.md", "version": number}
    chunks = [Chunk(f"{i}", "d", f"text {i} 第{number}版", 0, 9, metadata) for i in range(CHUNKS)]
    return chunks, np.full((CHUNKS, DIM), number, dtype=np.float32)


def at_random(folder: Path, times: int) -> list[tuple[int, list[int], list[float]]]:
    """Kill a writer that saves without end, at random moments; the next one goes on from there.

    returns each time the last version it said was saved, and which versions and scores are found
    """
    rng, found = random.Random(0), []
    first = VectorStore(DIM, "model")
    first.upsert(*version(0))
    first.persist(folder)
    for _ in range(times):
        reading, writing = os.pipe()
        start = time.perf_counter()
        child = forked(partial(endless, folder, writing))
        os.close(writing)
        with os.fdopen(reading, "rb") as said:
            saved = said.readline()  # it has begun; from here on it writes all the time
            time.sleep(rng.uniform(0, 1.5) * (time.perf_counter() - start))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            saved += said.read()
        store = VectorStore.load(folder, "model", DIM)
        versions = sorted({chunk.metadata["version"] for chunk in store.chunks})
        scores = sorted({hit.score for hit in store.search(np.eye(DIM)[5], 2 * CHUNKS)})
        found.append((int(saved.split()[-1]), versions, scores))
    return found


def endless(folder: Path, out: int) -> None:
    """Go on from what is in the folder: save a version, say so, save the next one."""
    store = VectorStore.load(folder)
    for number in count(store.chunks[0].metadata["version"] + 1):
        store.upsert(*version(number))
        store.persist(folder)
        os.write(out, b"%d\n" % number)


if __name__ == "__main__":
    where = Path(sys.argv[2])
    if sys.argv[1] == "at-random":
        result: list = at_random(where, 25)
    else:
        result = [every_step(where, first) for first in (None, "old")]
    sys.stdout.write(json.dumps(result))

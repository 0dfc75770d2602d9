"""Our vector store against FAISS: the time of a query, recall of the graph, and memory.

    python -m tests.benchmarks.bench_store                  (4 minutes on two cores, 1.5 GB of disk)
    python -m tests.benchmarks.bench_store --sizes 20000    (half a minute)

Vectors of 384 numbers and length 1 around 2000 centres. Contenders: `VectorStore` in float32 and
float16, `IndexFlatIP` (all exact), and `FaissStore`; the ten best. The exact ones must find the
same before anything is timed. Each query is another, alone, as a user's is; they take turns and
ratios are medians over the turns. With --threads 2, FAISS may use both for a query of its own.

Memory is that of fresh processes: one that adds and persists all in batches of 512, and one that
loads and asks. A chunk has a text of 300 characters. "peak" counts mapped pages too, which the
system can take back; "private" does not (Linux only).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from tiny_rag.documents import Chunk
from tiny_rag.faiss_store import FaissStore
from tiny_rag.store import VectorStore

from .bench_load import peak_mb, private_mb
from .timing import Stopwatch, faster, take_turns

DIM, K, BATCH, CENTRES = 384, 10, 512, 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-graph", action="store_true", help="leave out FaissStore")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        task, folder, *rest = args.child
        print(json.dumps(write(folder, *rest) if task == "write" else read(folder)))
        return
    torch.set_num_threads(args.threads)  # what `timing` looks at
    for size in args.sizes:  # first: a child's peak begins at its parent's
        for dtype in ("float32", "float16"):
            measure_memory(size, dtype)
    for size in args.sizes:
        compare(size, args.threads, args.rounds, not args.no_graph)


def batches(size: int) -> Iterator[tuple[list[Chunk], np.ndarray]]:
    """Chunks and their vectors, always the same ones."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CENTRES, DIM), dtype=np.float32)
    text = "天仓五的第三颗行星上有一片海，海水含盐千分之四十一。" * 12
    for start in range(0, size, BATCH):
        rows = range(start, min(start + BATCH, size))
        metadata = [{"source": f"{row // 20}.md", "headings": ["行星", "海"]} for row in rows]
        chunks = [
            Chunk(f"{row:032x}", f"{row // 20:032x}", f"{row}{text}"[:300], row, row + 300, about)
            for row, about in zip(rows, metadata, strict=True)
        ]
        vectors = centres[rng.integers(0, CENTRES, len(rows))]
        vectors += rng.standard_normal(vectors.shape, dtype=np.float32)
        yield chunks, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def queries(n: int) -> np.ndarray:
    """(n, DIM) unit vectors around the same centres."""
    centres = np.random.default_rng(0).standard_normal((CENTRES, DIM), dtype=np.float32)
    rng = np.random.default_rng(1)
    vectors = centres[rng.integers(0, CENTRES, n)]
    vectors += rng.standard_normal(vectors.shape, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def compare(size: int, threads: int, rounds: int, graph: bool) -> None:
    """Time one query at a time."""
    import faiss

    faiss.omp_set_num_threads(threads)
    stores = {"VectorStore float32": VectorStore(DIM, "m")}
    stores["VectorStore float16"] = VectorStore(DIM, "m", "float16")
    flat = faiss.IndexFlatIP(DIM)
    for chunks, vectors in batches(size):
        flat.add(vectors)
        for store in stores.values():
            store.upsert(chunks, vectors)
    asked = queries(200)
    for query in asked[:20]:
        exact = [int(hit.chunk.id, 16) for hit in stores["VectorStore float32"].search(query, K)]
        assert exact == flat.search(query[None], K)[1][0].tolist(), "not the same hits"
    if graph:
        stores["FaissStore"] = build_graph(size)
        print(f"{size:7}  FaissStore finds {recall(stores, asked):.3f} of the ten best")
    turns: dict[str, Callable[[np.ndarray], object]] = {
        name: partial(store.search, k=K) for name, store in stores.items()
    }
    turns["faiss.IndexFlatIP"] = lambda query: flat.search(query[None], K)
    times = take_turns({name: timed(call, asked) for name, call in turns.items()}, rounds)
    for name, seconds in times.items():
        ms, ratio = sorted(seconds)[rounds // 2] * 1000, faster(times, "faiss.IndexFlatIP", name)
        print(f"{size:7}  {name:20} {ms:7.2f} ms a query, {ratio:.2f} of IndexFlatIP's", flush=True)


def build_graph(size: int) -> FaissStore:
    store, start = FaissStore(DIM, "m"), time.perf_counter()
    for chunks, vectors in batches(size):
        store.upsert(chunks, vectors)
    print(f"{size:7}  FaissStore built in {time.perf_counter() - start:.0f} s", flush=True)
    return store


def recall(stores: dict[str, VectorStore], asked: np.ndarray) -> float:
    """The share of the ten best that the graph finds."""
    common = 0
    for query in asked:
        exact, near = (
            {hit.chunk.id for hit in stores[name].search(query, K)}
            for name in ("VectorStore float32", "FaissStore")
        )
        common += len(exact & near)
    return common / (K * len(asked))


def timed(call: Callable[[np.ndarray], object], asked: np.ndarray) -> Callable[[], list[float]]:
    """Ten queries; each call asks the next ten."""
    turn = iter(range(10**9))

    def run() -> list[float]:
        first = next(turn) * 10 % len(asked)
        watch = Stopwatch()
        for query in asked[first : first + 10]:
            call(query)
            watch.lap()
        return watch.laps_s

    return run


def measure_memory(size: int, dtype: str) -> None:
    """Write, load and ask in fresh processes."""
    with tempfile.TemporaryDirectory() as folder:
        for task in (["write", folder, str(size), dtype], ["read", folder]):
            command = [sys.executable, "-m", "tests.benchmarks.bench_store", "--child", *task]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            values = "  ".join(f"{name} {x:.2f}" for name, x in json.loads(output).items())
            print(f"{size:7}  {dtype}  {task[0]:5}  {values}", flush=True)


def write(folder: str, size: str, dtype: str) -> dict[str, float]:
    """Add all in batches and persist."""
    base, added_s = peak_mb(), 0.0
    store = VectorStore(DIM, "m", dtype)
    for chunks, vectors in batches(int(size)):
        start = time.perf_counter()
        store.upsert(chunks, vectors)
        added_s += time.perf_counter() - start
    added_mb, start = peak_mb() - base, time.perf_counter()
    store.persist(folder)
    persist_s = time.perf_counter() - start
    peak = peak_mb() - base
    return {"add_s": added_s, "add_MB": added_mb, "persist_s": persist_s, "peak_MB": peak}


def read(folder: str) -> dict[str, float]:
    """Load and ask ten times."""
    base, base_private, start = peak_mb(), private_mb(), time.perf_counter()
    store = VectorStore.load(folder, "m", DIM)
    load_s = time.perf_counter() - start
    first_s, *_ = timed(lambda query: store.search(query, K), queries(10))()
    private = private_mb() - base_private
    peak = peak_mb() - base
    return {"load_s": load_s, "first_s": first_s, "peak_MB": peak, "private_MB": private}


if __name__ == "__main__":
    main()

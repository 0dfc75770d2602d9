"""The vector store with a graph beside it, for where comparing every vector takes too long.

Source: Malkov and Yashunin 2016 (arXiv:1603.09320), hierarchical navigable small worlds (HNSW),
as the FAISS library builds them. Every vector is linked to near ones; a search walks from link to
link towards the query and compares a few thousand vectors instead of all. It may miss some of the
best: tests/benchmarks/README.md has the recall, and from how many chunks on it pays.

The graph only proposes rows. The scores are those of `VectorStore`, from the same vectors, and a
folder written by either is read by both.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np

from .documents import Chunk, Hit
from .generations import damaged
from .store import VectorStore, Where
from .vectors import top_k

GRAPH, LABELS = "graph.faiss", "graph_labels.npy"
_LINKS = 32  # a vector, as in the paper's experiments; the lowest level has twice as many
_BATCH = 8192


class FaissStore(VectorStore):
    """As `VectorStore`, except that `search` without `where` is approximate."""

    def __init__(self, dim: int, model_id: str, dtype: str = "float32", effort: int = 128) -> None:
        """An empty store. ImportError if faiss is not installed.

        effort: how many candidates a search keeps (the paper's ef): more find more, and take longer
        """
        super().__init__(dim, model_id, dtype)
        if effort < 1:
            raise ValueError(f"effort={effort} must be at least 1")
        self.effort = effort
        self._graph = _new_graph(dim)
        # the graph numbers vectors as they come and never forgets one: -1 marks what is gone
        self._row_of_label = np.empty(0, np.int64)

    def upsert(self, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        """As `VectorStore.upsert`."""
        known = sorted({self._row_of[c.id] for c in chunks if c.id in self._row_of})
        before, size = self._vectors.take(known), len(self)
        super().upsert(chunks, vectors)
        moved = (self._vectors.take(known) != before).any(axis=1)
        changed = np.array(known, dtype=np.int64)[moved]
        self._row_of_label[np.isin(self._row_of_label, changed)] = -1
        self._link([*changed.tolist(), *range(size, len(self))])

    def delete(self, ids: Iterable[str]) -> int:
        """As `VectorStore.delete`."""
        names = [ids] if isinstance(ids, str) else list(ids)
        rows = np.array(sorted({self._row_of[n] for n in names if n in self._row_of}), np.int64)
        count = super().delete(ids if isinstance(ids, str) else names)
        self._row_of_label[np.isin(self._row_of_label, rows)] = -1
        kept = self._row_of_label >= 0
        self._row_of_label[kept] -= np.searchsorted(rows, self._row_of_label[kept])
        self._link([])
        return count

    def search(self, query: np.ndarray, k: int, where: Where | None = None) -> list[Hit]:
        """As `VectorStore.search`, but hits may be missed; with `where` it is exact."""
        numbers = self._checked_query(query, k)
        rows = np.empty(0, np.int64) if where is not None else self._near(numbers, k)
        if len(rows) < k:  # filtered, or about as many wanted as there are
            return super().search(query, k, where)
        scores = np.vecdot(self._vectors.take(rows.tolist()), numbers)
        best = top_k(scores, k)
        return self._hits(rows[best], scores[best])

    def write_files(self, generation: Path) -> None:
        """As `VectorStore.write_files`, and the graph."""
        super().write_files(generation)
        _faiss().write_index(self._graph, str(generation / GRAPH))
        np.save(generation / LABELS, self._row_of_label, allow_pickle=False)

    @classmethod
    def read_files(
        cls, generation: Path, model_id: str | None = None, dim: int | None = None
    ) -> Self:
        """As `VectorStore.read_files`. A folder without a graph gets one: that takes long."""
        store = super().read_files(generation, model_id, dim)
        if not (generation / GRAPH).exists():
            store._link(range(len(store)))
            return store
        graph = _faiss().read_index(str(generation / GRAPH))
        labels = np.load(generation / LABELS, allow_pickle=False)
        rows = np.sort(labels[labels >= 0])
        whole = np.array_equal(rows, np.arange(len(store)))
        if not whole or graph.ntotal != len(labels) or graph.d != store.dim:
            raise damaged(generation / GRAPH, f"{graph.ntotal} vectors of dim={graph.d}")
        store._graph, store._row_of_label = graph, labels
        return store

    def _link(self, rows: Sequence[int]) -> None:
        """Add rows to the graph; build it anew when most of what it holds is gone."""
        gone = int((self._row_of_label < 0).sum())
        if gone > len(self):
            self._graph, self._row_of_label = _new_graph(self.dim), np.empty(0, np.int64)
            rows = range(len(self))
        for start in range(0, len(rows), _BATCH):
            self._graph.add(self._vectors.take(rows[start : start + _BATCH]))
        self._row_of_label = np.append(self._row_of_label, np.array(rows, dtype=np.int64))

    def _near(self, query: np.ndarray, k: int) -> np.ndarray:
        """Rows that may be the best, ascending."""
        wanted = max(self.effort, 2 * k)
        parameters = _faiss().SearchParametersHNSW(efSearch=wanted)
        _, labels = self._graph.search(query[None], wanted, params=parameters)
        rows = self._row_of_label[labels[labels >= 0]]
        return np.sort(rows[rows >= 0])


def _new_graph(dim: int) -> Any:
    """An empty graph. It keeps a float16 copy of each vector: it only has to find the way."""
    faiss = _faiss()
    half = faiss.ScalarQuantizer.QT_fp16
    return faiss.IndexHNSWSQ(dim, half, _LINKS, faiss.METRIC_INNER_PRODUCT)


def _faiss() -> ModuleType:
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            'FaissStore needs faiss: pip install "tiny-universe[faiss]"; VectorStore needs nothing'
        ) from error
    return faiss

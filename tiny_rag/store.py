"""The vector store: chunks with their vectors, searched exactly, in a folder that cannot break.

Searching is one inner product with every vector and the k best of those: no approximation, and up
to some hundred thousand chunks nothing is gained by one (tests/benchmarks/README.md has numbers).
For vectors of length 1, as embedders give them, the inner product is the cosine similarity.
Chapter 31 explains it.

On disk (`generations`): vectors.npy, chunks.jsonl with one chunk a line in the same order, and
meta.json. Vectors are mapped, not read: they take memory only while the system has it to spare.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from .chunk_files import check_chunk, read_chunks, write_chunks
from .documents import Chunk, Hit, content_hash
from .generations import META, damaged, read_generation, read_meta, write_generation
from .vectors import VectorBlocks, top_k

VECTORS, CHUNKS = "vectors.npy", "chunks.jsonl"
FORMAT = "tiny_rag vectors 1"
Where = Mapping[str, Any] | Callable[[Chunk], bool]


class VectorStore:
    """Chunks and one vector for each, in the order in which they were first added."""

    def __init__(self, dim: int, model_id: str, dtype: str = "float32") -> None:
        """An empty store.

        dim: of the vectors · model_id: what makes the vectors; those of two models do not compare
        dtype: "float32", or "float16" for half the memory and three decimal digits
        """
        self._vectors = VectorBlocks(dim, dtype)
        self.dim, self.model_id, self.dtype = dim, model_id, dtype
        self._chunks: list[Chunk] = []
        self._row_of: dict[str, int] = {}
        self._row_of_text: dict[str, int] | None = None  # content_hash(text) -> row, when asked for

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def ids(self) -> list[str]:
        """The ids of all chunks, in order."""
        return list(self._row_of)

    @property
    def chunks(self) -> Sequence[Chunk]:
        """All chunks, in order; not to be changed."""
        return self._chunks

    def upsert(self, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        """Add chunks; those whose id is here already are replaced and keep their place.

        vectors: (len(chunks), dim). Of a chunk given twice the last counts.
        ValueError, with nothing changed, if a vector is not finite or not of this dimension, or if
        a chunk would not be the same after it was written and read
        """
        numbers = self._checked_vectors(chunks, vectors)
        for chunk in chunks:
            check_chunk(chunk)
        latest = {chunk.id: i for i, chunk in enumerate(chunks)}
        old = [i for name, i in latest.items() if name in self._row_of]
        new = [i for name, i in latest.items() if name not in self._row_of]
        rows = [self._row_of[chunks[i].id] for i in old]
        self._vectors.replace(rows, numbers[old])
        self._vectors.append(numbers[new] if len(new) < len(chunks) else numbers)
        for row, i in zip(rows, old, strict=True):
            self._chunks[row] = chunks[i]
        for i in new:
            self._row_of[chunks[i].id] = len(self._chunks)
            self._chunks.append(chunks[i])
        if self._row_of_text is not None:
            self._row_of_text |= {
                content_hash(chunks[i].text): self._row_of[chunks[i].id] for i in old + new
            }

    def delete(self, ids: Iterable[str]) -> int:
        """Remove chunks. Returns how many of the ids there were; the others are passed over."""
        if isinstance(ids, str):
            raise TypeError(f"ids is one str; give a list of ids: [{ids!r}]")
        rows = sorted({self._row_of[name] for name in ids if name in self._row_of})
        if rows:
            self._vectors.drop(rows)
            gone = set(rows)
            self._chunks = [c for row, c in enumerate(self._chunks) if row not in gone]
            self._row_of = {chunk.id: row for row, chunk in enumerate(self._chunks)}
            self._row_of_text = None
        return len(rows)

    def search(self, query: np.ndarray, k: int, where: Where | None = None) -> list[Hit]:
        """The k chunks whose vectors have the largest inner product with the query.

        query: (dim,) · k: at least 1; there are fewer hits if there are fewer chunks
        where: {"source": "a.md", ...}, metadata that must all be equal, or a function of the chunk
        returns the best first; of equal scores the one that was added earlier
        """
        numbers = self._checked_query(query, k)
        scores = self._vectors.scores(numbers)
        rows = self._rows_where(where)
        best = top_k(scores, k) if rows is None else rows[top_k(scores[rows], k)]
        return self._hits(best, scores[best])

    def vector_of(self, text_hash: str) -> np.ndarray | None:
        """The vector of a chunk with this `content_hash(text)`, or None: (dim,) float32.

        Who indexes again asks here first and embeds only what is new.
        """
        if self._row_of_text is None:
            self._row_of_text = {content_hash(c.text): row for row, c in enumerate(self._chunks)}
        row = self._row_of_text.get(text_hash)
        if row is None or content_hash(self._chunks[row].text) != text_hash:  # since replaced
            return None
        return self._vectors.take([row])[0]

    # --- The folder. ---

    def persist(self, folder: str | Path) -> Path:
        """Write all as a new generation, in place of an older one. Returns the generation's folder.

        To put other files beside: `write_generation(folder, fill)`, with `write_files` in `fill`.
        """
        return write_generation(folder, self.write_files)

    @classmethod
    def load(cls, folder: str | Path, model_id: str | None = None, dim: int | None = None) -> Self:
        """The store that `persist` wrote.

        model_id, dim: of the embedder that will make the queries; ValueError if they differ
        FileNotFoundError if there is no index, IndexDamaged if it is not as it was written
        """
        return read_generation(folder, lambda path: cls.read_files(path, model_id, dim))

    def write_files(self, generation: Path) -> None:
        """Write the files of this store, a piece at a time, into an empty folder."""
        self._vectors.write(generation / VECTORS)
        write_chunks(generation / CHUNKS, self._chunks)
        meta = {
            "format": FORMAT,
            "model_id": self.model_id,
            "dim": self.dim,
            "dtype": self.dtype,
            "count": len(self),
        }
        (generation / META).write_text(json.dumps(meta), encoding="utf-8")

    @classmethod
    def read_files(
        cls, generation: Path, model_id: str | None = None, dim: int | None = None
    ) -> Self:
        """The store whose files are in this folder. Errors as in `load`."""
        meta = _read_description(generation)
        _check_model(meta, model_id, dim)
        store = cls(meta["dim"], meta["model_id"], meta["dtype"])
        store._vectors = _read_vectors(generation / VECTORS, meta)
        store._chunks = read_chunks(generation / CHUNKS)
        store._row_of = {chunk.id: row for row, chunk in enumerate(store._chunks)}
        if not len(store._row_of) == len(store._chunks) == len(store._vectors) == meta["count"]:
            raise damaged(
                generation / CHUNKS,
                f"{len(store._row_of)} different chunks for {len(store._vectors)} vectors",
            )
        return store

    # --- Checks and parts. ---

    def _checked_vectors(self, chunks: Sequence[Chunk], vectors: np.ndarray) -> np.ndarray:
        """The vectors as they will be stored."""
        given = np.asarray(vectors)
        if given.shape != (len(chunks), self.dim):
            raise ValueError(
                f"vectors of shape {given.shape} for {len(chunks)} chunks in a store of "
                f"dim={self.dim}; give one row a chunk, from the embedder {self.model_id!r}"
            )
        with np.errstate(over="ignore"):  # too large for the type becomes infinite
            numbers = given.astype(self.dtype, copy=False)
        finite = np.isfinite(numbers).all(axis=1)
        if not finite.all():
            row = int(finite.argmin())
            raise ValueError(
                f"the vector of chunk {chunks[row].id} (row {row}) holds NaN, infinity or numbers "
                f"too large for {self.dtype}; look what the embedder makes of its text"
            )
        return numbers

    def _checked_query(self, query: np.ndarray, k: int) -> np.ndarray:
        if k < 1:
            raise ValueError(f"k={k} must be at least 1")
        numbers = np.asarray(query, dtype=np.float32)
        if numbers.shape != (self.dim,):
            raise ValueError(
                f"a query of shape {numbers.shape} in a store of dim={self.dim}; "
                f"embed it with {self.model_id!r}"
            )
        if not np.isfinite(numbers).all():
            raise ValueError("the query holds NaN or infinity; look what the embedder makes of it")
        return numbers

    def _rows_where(self, where: Where | None) -> np.ndarray | None:
        """The rows that a search may find, ascending; None for all."""
        if where is None:
            return None
        test = where if callable(where) else _equal_metadata(where)
        return np.array([row for row, c in enumerate(self._chunks) if test(c)], dtype=np.int64)

    def _hits(self, rows: np.ndarray, scores: np.ndarray) -> list[Hit]:
        pairs = zip(rows.tolist(), scores.tolist(), strict=True)
        return [Hit(self._chunks[row], score) for row, score in pairs]


def _equal_metadata(wanted: Mapping[str, Any]) -> Callable[[Chunk], bool]:
    items = list(wanted.items())

    def test(chunk: Chunk) -> bool:
        metadata = chunk.metadata
        return all(key in metadata and metadata[key] == value for key, value in items)

    return test


# --- meta.json. ---


def _read_description(generation: Path) -> dict[str, Any]:
    """The meta.json that `write_files` wrote; IndexDamaged if it was another program."""
    meta = read_meta(generation)
    if meta.get("format") != FORMAT:
        raise damaged(generation / META, f"format {meta.get('format')!r}, not {FORMAT!r}")
    for name, kind in (("dim", int), ("count", int), ("model_id", str), ("dtype", str)):
        if not isinstance(meta.get(name), kind):
            raise damaged(generation / META, f"{name} is {meta.get(name)!r}")
    return meta


def _read_vectors(file: Path, meta: Mapping[str, Any]) -> VectorBlocks:
    try:
        vectors = VectorBlocks.map(file)
    except ValueError as error:
        raise damaged(file, str(error)) from error
    if (vectors.dim, str(vectors.dtype)) != (meta["dim"], meta["dtype"]):
        raise damaged(file, f"{vectors.dtype} of dim={vectors.dim}, meta.json says otherwise")
    return vectors


def _check_model(meta: Mapping[str, Any], model_id: str | None, dim: int | None) -> None:
    """ValueError if the index was made with another embedder."""
    for name, wanted in (("model_id", model_id), ("dim", dim)):
        if wanted is not None and wanted != meta[name]:
            raise ValueError(
                f"the index has {name}={meta[name]!r}, the embedder {name}={wanted!r}; use the "
                "embedder that made the index, or index the documents again"
            )

"""Chunks, their words and their vectors, row by row in the same order: what an index searches.

Row i of the words and of the vectors belongs to chunk i, whatever is added, changed and removed.
Nothing is embedded that was embedded before. Chapter 31 shows why the three must never part.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .bm25 import BM25Index
from .documents import Chunk, content_hash
from .embeddings import Embedder
from .store import VectorStore


def search_text(chunk: Chunk) -> str:
    """What is embedded and whose words count: the headings above the chunk, and its text."""
    return "\n".join([*map(str, chunk.metadata.get("headings") or ()), chunk.text])


class Rows:
    """The rows of an index; vectors only if there is an embedder."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self.embedder = embedder
        self.words = BM25Index()
        self.store: VectorStore | None = None
        if embedder is not None:
            self.store = VectorStore(embedder.dim, embedder.model_id)
        self.chunks: list[Chunk] = []
        self._of: dict[str, list[int]] | None = None  # id of a document -> rows, when asked for
        self._embedded: dict[str, str | None] | None = None  # see _known_vector

    @classmethod
    def of(
        cls,
        chunks: Iterable[Chunk],
        words: BM25Index,
        store: VectorStore | None,
        embedder: Embedder | None,
    ) -> "Rows":
        """Rows that exist already; the four must fit each other."""
        rows = cls()
        rows.chunks, rows.words, rows.store, rows.embedder = list(chunks), words, store, embedder
        return rows

    def __len__(self) -> int:
        return len(self.chunks)

    def of_document(self, name: str) -> Sequence[int]:
        """The rows of a document's chunks, ascending; good until rows are removed."""
        if self._of is None:
            self._of = {}
            self._note_rows(0)
        return self._of.get(name, [])

    def add(self, chunks: Sequence[Chunk]) -> int:
        """Put chunks of new ids behind the others. Returns how many texts were embedded.

        What the embedder raises passes through, and then nothing has changed.
        """
        embedded = self._store(chunks)
        self.words.add([search_text(chunk) for chunk in chunks])
        first = len(self)
        self.chunks += chunks
        if self._of is not None:
            self._note_rows(first)
        return embedded

    def replace(self, rows: Sequence[int], chunks: Sequence[Chunk]) -> int:
        """Give chunks other metadata: ids and search texts must stay. Returns the same as `add`."""
        embedded = self._store(chunks)
        for row, chunk in zip(rows, chunks, strict=True):
            self.chunks[row] = chunk
        return embedded

    def remove(self, rows: Iterable[int]) -> None:
        """Take rows out; later rows move up."""
        drop = set(rows)
        if not drop:
            return
        if self.store is not None:
            self.store.delete([self.chunks[row].id for row in drop])
        self.words.remove(drop)
        self.chunks = [chunk for row, chunk in enumerate(self.chunks) if row not in drop]
        self._of = None

    def _note_rows(self, first: int) -> None:
        assert self._of is not None
        for row in range(first, len(self)):
            self._of.setdefault(self.chunks[row].doc_id, []).append(row)

    # --- Vectors. ---

    def _store(self, chunks: Sequence[Chunk]) -> int:
        """Give chunks and their vectors to the store. Returns how many texts were embedded."""
        if self.store is None or self.embedder is None:
            return 0
        vectors = np.zeros((len(chunks), self.store.dim), np.float32)
        unknown: dict[str, list[int]] = {}  # a text that is there twice is embedded once
        known = self._known()
        for row, chunk in enumerate(chunks):
            vector = self._known_vector(known, chunk)
            if vector is None:
                unknown.setdefault(search_text(chunk), []).append(row)
            else:
                vectors[row] = vector
        if unknown:
            found = self.embedder.encode_documents(list(unknown))
            for vector, places in zip(found, unknown.values(), strict=True):
                vectors[places] = vector
        self.store.upsert(chunks, vectors)
        for chunk in chunks:
            _note_embedded(known, chunk)
        return len(unknown)

    def _known_vector(self, known: Mapping[str, str | None], chunk: Chunk) -> np.ndarray | None:
        """The vector that a chunk with the same search text has, if the store surely knows it.

        The store finds vectors by a chunk's own text; under other headings that has another vector.
        """
        name = content_hash(chunk.text)
        if self.store is None or known.get(name) != content_hash(search_text(chunk)):
            return None
        return self.store.vector_of(name)

    def _known(self) -> dict[str, str | None]:
        """Hash of a chunk's text -> hash of what was embedded for it; None where that differed."""
        if self._embedded is None:
            self._embedded = {}
            for chunk in self.chunks:
                _note_embedded(self._embedded, chunk)
        return self._embedded


def _note_embedded(known: dict[str, str | None], chunk: Chunk) -> None:
    name, embedded = content_hash(chunk.text), content_hash(search_text(chunk))
    known[name] = embedded if known.get(name, embedded) == embedded else None

"""The index of a set of files: their chunks, the words in them and, if asked for, their vectors.

    index = Index(TokenChunker(), HashEmbedder())
    report = index.update(["docs"])       # reads what is new, forgets what is gone
    index.save("my-index")
    index = Index.open("my-index", HashEmbedder())
    hits = index.retriever().retrieve("Who built the station?", k=5)

A file is known by its path as it was given, its documents by their text: what has not changed is
neither cut nor embedded again, and of a changed file only the chunks that are new are embedded.
`index_update` does that, `index_files` says what `save` writes, and `one_writer` keeps others out
from `open` to `save`. Chapter 31 builds an index by hand.

Leaves out: telling that a file has not changed without reading it, and files that change while they
are read.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, Self

from .bm25 import BM25Index
from .chunking import TokenChunker
from .documents import Chunk, Problem
from .embeddings import Embedder, HashEmbedder
from .generations import read_generation, write_generation
from .index_files import Contents, Origin, Settings, read_contents, write_contents
from .index_update import Files, IndexReport, Update, absolute
from .retrieval import BM25Retriever, DenseRetriever, HybridRetriever, Retriever
from .rows import Rows, search_text
from .store import VectorStore

Mode = Literal["bm25", "dense", "hybrid"]


class Index:
    """Chunks, their words, and their vectors if there is an embedder; all in the same order."""

    def __init__(
        self,
        chunker: TokenChunker | None = None,
        embedder: Embedder | None = None,
        choice: str | None = None,
    ) -> None:
        """An empty index.

        choice: how `choices.make_embedder` should make this embedder for who opens the index on
        the command line; None if its `model_id` says that
        """
        self.chunker = chunker or TokenChunker()
        self.choice = choice or _choice_of(embedder)
        self.rows = Rows(embedder)
        self._files: Files = {}  # path -> ids of its documents
        self._origins: dict[str, Origin] = {}  # id of a document -> where its chunks come from
        self._fitted = False
        self._left_out: str | None = None  # the model of vectors that were not opened

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def chunks(self) -> Sequence[Chunk]:
        """All chunks; row i of the words and of the vectors is chunks[i]."""
        return self.rows.chunks

    @property
    def words(self) -> BM25Index:
        """Their words, headings included."""
        return self.rows.words

    @property
    def store(self) -> VectorStore | None:
        """Their vectors."""
        return self.rows.store

    @property
    def embedder(self) -> Embedder | None:
        """What makes the vectors."""
        return self.rows.embedder

    @property
    def sources(self) -> Sequence[str]:
        """The paths of all files in it."""
        return list(self._files)

    def sources_of(self, path: str | os.PathLike[str]) -> Sequence[str]:
        """The paths of its files that are this path or below it, whether they still exist or not.

        What `update` forgets if the path does not.
        """
        root = absolute(path)
        return [source for source in self._files if absolute(source).is_relative_to(root)]

    @property
    def settings(self) -> Settings:
        """How it is made."""
        model = (None, None) if self.store is None else (self.store.model_id, self.store.dim)
        return Settings(self.choice, self.chunker.chunk_size, self.chunker.chunk_overlap, *model)

    def retriever(self, mode: Mode | None = None) -> Retriever:
        """How to search, as long as nothing is updated. None: by words, and by vectors if any.

        ValueError if the mode needs vectors and there are none
        """
        mode = mode or ("hybrid" if self.embedder is not None else "bm25")
        words = BM25Retriever(self.words, self.chunks)
        if mode == "bm25":
            return words
        if self.store is None or self.embedder is None:
            raise ValueError(
                f"mode={mode!r} needs vectors, and this index has none: index again with an "
                "embedder, or take mode='bm25'"
            )
        dense = DenseRetriever(self.store, self.embedder)
        return dense if mode == "dense" else HybridRetriever([words, dense])

    # --- Adding and removing. ---

    def update(
        self,
        paths: Iterable[str | os.PathLike[str]],
        on_problem: Callable[[Problem], None] | None = None,
        on_chunks: Callable[[int], None] | None = None,
    ) -> IndexReport:
        """Read files and folders, and make the index say what they say now.

        Documents of these paths that are gone are forgotten, also where the path itself is gone;
        those of other paths stay. The files of an index are passed over.
        on_problem: called at each problem, as it comes · on_chunks: called with how many new chunks
        were done, for a progress bar
        FileNotFoundError, before anything is read, if there is no such path, neither now nor when
        the index was made; ValueError if it was opened without its embedder. What the embedder
        raises passes through, and then no document is left half done.
        """
        if isinstance(paths, str | os.PathLike):
            raise TypeError(f"paths is a single path; give a list: [{str(paths)!r}]")
        roots = list(dict.fromkeys(map(Path, paths)))
        gone = {root for root in roots if not root.exists()}
        for root in gone:
            if not self.sources_of(root):
                raise FileNotFoundError(f"there is no file or folder {str(root)!r}")
        self._check_whole()
        own = self.rows, self._files, self._origins, self.chunker
        update = Update(*own, on_problem, on_chunks, gone)
        try:
            update.run(roots)
        finally:
            self._fitted = self._fitted and not update.changed
        self.fit()
        return update.report

    def fit(self) -> None:
        """Let a `HashEmbedder` learn which words are rare here, if that has changed.

        `update` does it at its end.
        """
        if isinstance(self.embedder, HashEmbedder) and self.chunks and not self._fitted:
            self.embedder.fit(map(search_text, self.chunks))
            self._fitted = True

    # --- The folder. ---

    def save(self, folder: str | Path) -> None:
        """Write everything as a new generation: all of it or, if killed, nothing.

        ValueError if the index was opened without its embedder: its vectors would be lost
        """
        self._check_whole()
        write_generation(folder, lambda generation: write_contents(generation, self._contents()))

    @classmethod
    def open(
        cls,
        folder: str | Path,
        embedder: Embedder | None = None,
        chunker: TokenChunker | None = None,
    ) -> Self:
        """The index that `save` wrote.

        embedder: the one it was made with, a HashEmbedder fitted or not; None searches by words
        only · chunker: None has the sizes that the index was made with, and counts as usual
        ValueError if the embedder is another one, IndexDamaged if the files are not as written,
        FileNotFoundError if there is no index
        """
        contents = read_generation(folder, lambda path: read_contents(path, embedder))
        made = contents.settings
        sizes = made.chunk_size, made.chunk_overlap
        index = cls(chunker or TokenChunker(*sizes), choice=made.choice)
        index.rows = Rows.of(contents.chunks, contents.words, contents.store, contents.embedder)
        index._files = {path: dict.fromkeys(names) for path, names in contents.files.items()}
        index._origins = dict(contents.origins)
        index._fitted = True
        index._left_out = made.model_id if embedder is None else None
        return index

    def _contents(self) -> Contents:
        files = {path: list(names) for path, names in self._files.items()}
        parts = self.chunks, self.words, self.store, self.embedder
        return Contents(self.settings, *parts, files, self._origins)

    def _check_whole(self) -> None:
        if self._left_out is not None:
            raise ValueError(
                f"this index has vectors of {self._left_out!r} and was opened without them, to be "
                "searched by words; to change it, open it with its embedder"
            )


def _choice_of(embedder: Embedder | None) -> str:
    if isinstance(embedder, HashEmbedder):
        return "hash" if embedder.dim == HashEmbedder().dim else f"hash:{embedder.dim}"
    return "none" if embedder is None else embedder.model_id

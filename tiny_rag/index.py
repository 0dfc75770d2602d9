"""The index of a set of files: their chunks, the words in them and, if asked for, their vectors.

    index = Index(TokenChunker(), HashEmbedder())
    report = index.update(["docs"])       # reads what is new, forgets what is gone
    index.save("my-index")
    index = Index.open("my-index", HashEmbedder())
    hits = index.retriever().retrieve("Who built the station?", k=5)

A file is known by its path as it was given, its documents by their text: what has not changed is
neither cut nor embedded again, and of a changed file only the chunks that are new are embedded.
`index_files` says what `save` writes. Chapter 31 builds an index by hand.

Leaves out: telling that a file has not changed without reading it, and files that change while they
are read.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Literal, Self

from .bm25 import BM25Index
from .chunking import TokenChunker
from .documents import Chunk, Document, Problem, content_hash, load_path
from .embeddings import Embedder, HashEmbedder
from .generations import CURRENT, LOCK, read_generation, write_generation
from .index_files import Contents, Origin, Settings, read_contents, write_contents
from .retrieval import BM25Retriever, DenseRetriever, HybridRetriever, Retriever
from .rows import Rows, search_text
from .store import VectorStore

Mode = Literal["bm25", "dense", "hybrid"]
BATCH = 256  # chunks embedded at a time: what bounds the memory
_NO_TEXT = "has no text"  # the one problem of a file that was read all the same


@dataclass
class IndexReport:
    """What an update did."""

    documents: int = 0
    """In the index now."""
    chunks: int = 0
    """In the index now."""
    added: int = 0
    """Documents whose text is new: of new files and of changed ones."""
    moved: int = 0
    """Documents that now count as another file's: renamed, or found there first."""
    removed: int = 0
    """Documents that are in no file any more, or were before they changed."""
    embedded: int = 0
    """Texts that the embedder was given."""
    problems: list[Problem] = field(default_factory=list)
    """What could not be read. Of a file that was read before, the old text stays; but a file that
    has no text any more is forgotten."""


Files = dict[str, dict[str, None]]
"""Path -> ids of its documents, as the keys of a dict: an ordered set, quick to look into."""


@dataclass
class _Update:
    """What an update has to remember on its way."""

    report: IndexReport
    on_problem: Callable[[Problem], None] | None
    on_chunks: Callable[[int], None] | None
    noted: set[Problem] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    """The documents that were read. Each belongs to the file in which it was met first."""
    new: set[str] = field(default_factory=set)
    """Those that were not there, or not so: they may be half done if the update fails."""

    def note(self, problem: Problem) -> None:
        if problem not in self.noted and not _in_index(Path(problem.source).parent):
            self.noted.add(problem)
            self.report.problems.append(problem)
            if self.on_problem:
                self.on_problem(problem)


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

        Documents of these paths that are gone are forgotten; those of other paths stay. The files
        of an index are passed over.
        on_problem: called at each problem, as it comes · on_chunks: called with how many new chunks
        were done, for a progress bar
        FileNotFoundError, before anything is read, if there is no such path; ValueError if the
        index was opened without its embedder. What the embedder raises passes through, and then
        no document is left half done.
        """
        if isinstance(paths, str | os.PathLike):
            raise TypeError(f"paths is a single path; give a list: [{str(paths)!r}]")
        roots = list(dict.fromkeys(map(Path, paths)))
        for root in roots:
            if not root.exists():
                raise FileNotFoundError(f"there is no file or folder {str(root)!r}")
        self._check_whole()
        _in_index.cache_clear()
        run = _Update(IndexReport(), on_problem, on_chunks)
        try:
            self._read(roots, run)
            self._read(self._strays(), run)
        except BaseException:  # Ctrl-C as well
            self._drop(run.new)
            raise
        run.report.removed = self._drop(self._origins.keys() - self._held())
        run.report.documents, run.report.chunks = len(self._origins), len(self)
        self.fit()
        return run.report

    def fit(self) -> None:
        """Let a `HashEmbedder` learn which words are rare here, if that has changed.

        `update` does it at its end.
        """
        if isinstance(self.embedder, HashEmbedder) and self.chunks and not self._fitted:
            self.embedder.fit(map(search_text, self.chunks))
            self._fitted = True

    def _read(self, roots: Sequence[Path], run: _Update) -> None:
        """Read the roots, add what is new, and note which file holds what."""
        found: Files = {}
        new = (chunk for chunks in self._changed(roots, found, run) for chunk in chunks)
        while batch := list(islice(new, BATCH)):
            self._fitted = False
            run.report.embedded += self.rows.add(batch)
            if run.on_chunks:
                run.on_chunks(len(batch))
        problems = [problem for problem in run.report.problems if problem.reason != _NO_TEXT]
        unread = {_absolute(problem.source) for problem in problems}
        for source in self._files.keys() - found.keys():
            path = _absolute(source)
            if _covered(path, roots) and unread.isdisjoint([path, *path.parents]):
                del self._files[source]
        self._files |= found

    def _changed(self, roots: Sequence[Path], found: Files, run: _Update) -> Iterator[list[Chunk]]:
        """The chunks to add, by document. Fills `found`: path -> ids of all its documents."""
        for root in roots:
            for document in load_path(root, run.note):
                source = document.metadata["source"]
                if _in_index(Path(source).parent):
                    continue
                if document.id not in run.met and not self._is_current(document, roots):
                    try:
                        chunks = self.chunker.split(document)
                    except ValueError as error:
                        run.note(Problem(source, str(error)))
                        continue
                    yield self._take(document, chunks, run)
                run.met.add(document.id)
                found.setdefault(source, {})[document.id] = None

    def _is_current(self, document: Document, roots: Sequence[Path]) -> bool:
        """Whether its chunks may stay as they are."""
        known = self._origins.get(document.id)
        if known is None or known == _origin(document):
            return known is not None
        elsewhere = _absolute(known.source)  # the same text is in a file that is not asked about
        holds = document.id in self._files.get(known.source, ())
        return holds and elsewhere.exists() and not _covered(elsewhere, roots)

    def _take(self, document: Document, chunks: list[Chunk], run: _Update) -> list[Chunk]:
        """Note where the document comes from. Returns the chunks that have to be added."""
        known = self._origins.get(document.id)
        if known is None:
            run.report.added += 1
        else:
            run.report.moved += known.source != document.metadata["source"]
            rows = self.rows.of_document(document.id)
            old = [self.chunks[row] for row in rows]
            if list(map(_searched, old)) == list(map(_searched, chunks)):
                run.report.embedded += self.rows.replace(rows, chunks)
                self._origins[document.id] = _origin(document)
                return []
            self.rows.remove(rows)
        run.new.add(document.id)
        self._origins[document.id] = _origin(document)
        return chunks

    def _strays(self) -> list[Path]:
        """Files that hold a document whose chunks come from a file that holds it no longer."""
        strays: dict[str, Path] = {}
        for source, names in self._files.items():
            for name in names:
                origin = self._origins.get(name)
                if origin is None or name not in self._files.get(origin.source, ()):
                    strays.setdefault(name, Path(source))
        return [path for path in dict.fromkeys(strays.values()) if path.exists()]

    def _held(self) -> set[str]:
        """The ids of all documents that a file holds."""
        return {name for names in self._files.values() for name in names}

    def _drop(self, documents: set[str]) -> int:
        """Forget documents. Returns how many there were."""
        gone = [row for row, chunk in enumerate(self.chunks) if chunk.doc_id in documents]
        self.rows.remove(gone)
        self._fitted = self._fitted and not gone
        return sum(self._origins.pop(name, None) is not None for name in documents)

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


def _origin(document: Document) -> Origin:
    metadata = json.dumps(document.metadata, sort_keys=True, default=repr)
    return Origin(document.metadata["source"], content_hash(metadata))


def _searched(chunk: Chunk) -> tuple[str, str]:
    return chunk.id, search_text(chunk)


def _absolute(path: str | Path) -> Path:
    return Path(os.path.abspath(path))


def _covered(path: Path, roots: Sequence[Path]) -> bool:
    """Whether reading the roots would have met this file if it could be read."""
    for root in map(_absolute, roots):
        if path.is_relative_to(root):
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if not (hidden and path.exists()):  # hidden ones are met only if they are named
                return True
    return False


@cache
def _in_index(folder: Path) -> bool:
    """Whether this folder belongs to an index: one does not index itself."""
    here = (folder / CURRENT).is_file() and (folder / LOCK).is_file()
    return here or (folder.parent != folder and _in_index(folder.parent))

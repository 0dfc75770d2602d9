"""How an index is brought up to date: what is read, cut, embedded again and forgotten.

`Index.update` says what comes of it. An update never trusts what it knew: each file is read, and
its documents are known again by their text. A document in several files counts as that of the file
in which it was met first; when that file is gone, the next one takes over.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path

from .chunking import TokenChunker
from .documents import Chunk, Document, Problem, content_hash, load_path
from .generations import CURRENT, LOCK
from .index_files import Origin
from .rows import Rows, search_text

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
class Update:
    """An update on its way: what it changes, and what it has to remember."""

    rows: Rows
    files: Files
    origins: dict[str, Origin]
    """Id of a document -> where its chunks come from."""
    chunker: TokenChunker
    on_problem: Callable[[Problem], None] | None
    on_chunks: Callable[[int], None] | None
    gone: set[Path]
    """Paths to read that are not there any more: their files are to be forgotten."""
    report: IndexReport = field(default_factory=IndexReport)
    noted: set[Problem] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    """The documents that were read. Each belongs to the file in which it was met first."""
    new: set[str] = field(default_factory=set)
    """Those that were not there, or not so: they may be half done if the update fails."""
    changed: bool = False
    """Whether chunks came or went."""

    def run(self, roots: Sequence[Path]) -> None:
        """Read the roots and make rows, files and origins say what they say; fill the report."""
        _in_index.cache_clear()
        try:
            self._read(roots)
            self._read(self._strays())
        except BaseException:  # Ctrl-C as well
            self._drop(self.new)
            raise
        self.report.removed = self._drop(self.origins.keys() - self._held())
        self.report.documents, self.report.chunks = len(self.origins), len(self.rows)

    def note(self, problem: Problem) -> None:
        """Put a problem into the report, once, and tell of it."""
        if problem not in self.noted and not _in_index(Path(problem.source).parent):
            self.noted.add(problem)
            self.report.problems.append(problem)
            if self.on_problem:
                self.on_problem(problem)

    def _read(self, roots: Sequence[Path]) -> None:
        """Read the roots, add what is new, and note which file holds what."""
        found: Files = {}
        new = (chunk for chunks in self._changed(roots, found) for chunk in chunks)
        while batch := list(islice(new, BATCH)):
            self.changed = True
            self.report.embedded += self.rows.add(batch)
            if self.on_chunks:
                self.on_chunks(len(batch))
        problems = [problem for problem in self.report.problems if problem.reason != _NO_TEXT]
        unread = {absolute(problem.source) for problem in problems}
        for source in self.files.keys() - found.keys():
            path = absolute(source)
            if _covered(path, roots) and unread.isdisjoint([path, *path.parents]):
                del self.files[source]
        self.files |= found

    def _changed(self, roots: Sequence[Path], found: Files) -> Iterator[list[Chunk]]:
        """The chunks to add, by document. Fills `found`: path -> ids of all its documents."""
        for root in roots:
            for document in () if root in self.gone else load_path(root, self.note):
                source = document.metadata["source"]
                if _in_index(Path(source).parent):
                    continue
                if document.id not in self.met and not self._is_current(document, roots):
                    try:
                        chunks = self.chunker.split(document)
                    except ValueError as error:
                        self.note(Problem(source, str(error)))
                        continue
                    yield self._take(document, chunks)
                self.met.add(document.id)
                found.setdefault(source, {})[document.id] = None

    def _is_current(self, document: Document, roots: Sequence[Path]) -> bool:
        """Whether its chunks may stay as they are."""
        known = self.origins.get(document.id)
        if known is None or known == _origin(document):
            return known is not None
        elsewhere = absolute(known.source)  # the same text is in a file that is not asked about
        holds = document.id in self.files.get(known.source, ())
        return holds and elsewhere.exists() and not _covered(elsewhere, roots)

    def _take(self, document: Document, chunks: list[Chunk]) -> list[Chunk]:
        """Note where the document comes from. Returns the chunks that have to be added."""
        known = self.origins.get(document.id)
        if known is None:
            self.report.added += 1
        else:
            self.report.moved += known.source != document.metadata["source"]
            rows = self.rows.of_document(document.id)
            old = [self.rows.chunks[row] for row in rows]
            if list(map(_searched, old)) == list(map(_searched, chunks)):
                self.report.embedded += self.rows.replace(rows, chunks)
                self.origins[document.id] = _origin(document)
                return []
            self.rows.remove(rows)
        self.new.add(document.id)
        self.origins[document.id] = _origin(document)
        return chunks

    def _strays(self) -> list[Path]:
        """Files that hold a document whose chunks come from a file that holds it no longer."""
        strays: dict[str, Path] = {}
        for source, names in self.files.items():
            for name in names:
                origin = self.origins.get(name)
                if origin is None or name not in self.files.get(origin.source, ()):
                    strays.setdefault(name, Path(source))
        return [path for path in dict.fromkeys(strays.values()) if path.exists()]

    def _held(self) -> set[str]:
        """The ids of all documents that a file holds."""
        return {name for names in self.files.values() for name in names}

    def _drop(self, documents: set[str]) -> int:
        """Forget documents. Returns how many there were."""
        gone = [row for row, chunk in enumerate(self.rows.chunks) if chunk.doc_id in documents]
        self.rows.remove(gone)
        self.changed = self.changed or bool(gone)
        return sum(self.origins.pop(name, None) is not None for name in documents)


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path from the root, without "..", whether it exists or not."""
    return Path(os.path.abspath(path))


def _covered(path: Path, roots: Sequence[Path]) -> bool:
    """Whether reading the roots would have met this file if it could be read."""
    for root in map(absolute, roots):
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


def _origin(document: Document) -> Origin:
    metadata = json.dumps(document.metadata, sort_keys=True, default=repr)
    return Origin(document.metadata["source"], content_hash(metadata))


def _searched(chunk: Chunk) -> tuple[str, str]:
    return chunk.id, search_text(chunk)

"""What the pipeline passes along: documents, the chunks they are cut into, and what a search found.

And how documents come in: `load_path` reads files and folders. One bad file never stops the rest;
the caller is told. Chapter 31 explains it.
"""

import hashlib
import os
import stat
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .readers import READERS, read_plain

UNKNOWN_FORMAT = "is of no known format"
"""What the reason of a `Problem` starts with where no reader knows the extension."""


def content_hash(text: str) -> str:
    """32 hex digits that stand for the text: the same text has the same hash everywhere."""
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True)
class Document:
    """One source, whole: nothing of its text is left out or cleaned away."""

    id: str
    """`content_hash(text)`."""
    text: str
    metadata: dict[str, Any]
    """Always "source"; a PDF also has "pages", the offset in `text` at which each page starts."""

    @classmethod
    def of(cls, text: str, metadata: dict[str, Any]) -> Self:
        """The document of this text."""
        return cls(content_hash(text), text, metadata)


@dataclass(frozen=True)
class Chunk:
    """A piece of a document: `text` is `document.text[start:end]`."""

    id: str
    """`content_hash` of the document's id and the two offsets."""
    doc_id: str
    text: str
    start: int
    end: int
    metadata: dict[str, Any]
    """"source", and where they are known "headings" (from the outermost), "page" (from 1), and for
    a chunk of several pages "page_starts": where in the document each later page begins."""

    @classmethod
    def of(cls, document: Document, start: int, end: int, metadata: dict[str, Any]) -> Self:
        """The piece from `start` to `end`, in characters."""
        name = content_hash(f"{document.id}:{start}:{end}")
        return cls(name, document.id, document.text[start:end], start, end, metadata)


@dataclass(frozen=True)
class Hit:
    """A chunk that was found; how scores compare is the retriever's business: higher is better."""

    chunk: Chunk
    score: float


@dataclass(frozen=True)
class Problem:
    """Something that could not be read, and was left out."""

    source: str
    """The path of the file."""
    reason: str
    page: int | None = None
    """From 1; None if it is about the whole file. So too:"""
    line: int | None = None
    item: int | None = None
    """Of a list in a JSON file."""

    def __str__(self) -> str:
        places = {"page": self.page, "line": self.line, "item": self.item}
        known = [f", {name} {number}" for name, number in places.items() if number is not None]
        return f"{self.source}{''.join(known)}: {self.reason}"


def page_of(document: Document, offset: int) -> int | None:
    """The page, from 1, on which the character at `offset` stands; None if pages are not known.

    ValueError: the document has no such offset
    """
    if not 0 <= offset <= len(document.text):
        raise ValueError(f"offset={offset} must be from 0 to {len(document.text)}")
    pages = document.metadata.get("pages")
    return max(1, bisect_right(pages, offset)) if pages else None


def page_at(chunk: Chunk, offset: int = 0) -> int | None:
    """The page, from 1, on which `chunk.text[offset]` stands; None if pages are not known.

    White space at the start of a chunk counts as on the page of what follows it.
    """
    page = chunk.metadata.get("page")
    if not isinstance(page, int):  # a JSON document may call anything its page
        return None
    return page + bisect_right(chunk.metadata.get("page_starts", []), chunk.start + offset)


def load_path(
    path: str | os.PathLike[str], on_problem: Callable[[Problem], None] | None = None
) -> Iterator[Document]:
    """The documents of a file, or of all files in a folder and its folders, sorted by name.

    on_problem: called with whatever is left out; None = `warnings.warn`. No file stops the others.
    returns an iterator that reads a file when it is asked for the next document
    FileNotFoundError: there is no such path

    Hidden files and folders, whose names start with a dot, are passed over. A file of an unknown
    extension is reported, but read as text if it is `path` itself. Links are followed; a folder is
    read once.
    """
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"there is no file or folder {str(root)!r}")
    return _load(root, on_problem or _warn)


def _load(root: Path, on_problem: Callable[[Problem], None]) -> Iterator[Document]:
    for file in _files(root, on_problem):
        source = _source(file)

        def report(reason: str, source: str = source, **place: int | None) -> None:
            on_problem(Problem(source, reason, **place))

        try:
            reader = READERS.get(file.suffix.lower(), read_plain if file == root else None)
            if reader is None:
                known = " ".join(READERS)
                raise ValueError(f"{UNKNOWN_FORMAT}; the extensions are {known}")
            if not stat.S_ISREG(file.stat().st_mode):  # reading a pipe would never end
                raise ValueError("is no regular file")
            for content in reader(file, report):
                if content.text.strip():
                    yield Document.of(content.text, {"source": source} | content.metadata)
                else:
                    report("has no text")
        except OSError as error:
            report(f"cannot be read: {error.strerror or error}")
        except ValueError as error:
            report(str(error))


def _files(root: Path, on_problem: Callable[[Problem], None]) -> Iterator[Path]:
    """All files at and below the root; each folder's entries by name."""
    waiting = [root]
    seen: set[tuple[int, int]] = set()
    while waiting:
        path = waiting.pop()
        try:
            if not path.is_dir():
                yield path
                continue
            place = path.stat()
            if (place.st_dev, place.st_ino) in seen:
                on_problem(Problem(_source(path), "is a link to a folder that was already read"))
                continue
            seen.add((place.st_dev, place.st_ino))
            entries = sorted(path.iterdir(), reverse=True)  # the last is popped first
        except OSError as error:
            on_problem(Problem(_source(path), f"cannot be read: {error.strerror or error}"))
            continue
        waiting += [entry for entry in entries if not entry.name.startswith(".")]


def _source(path: Path) -> str:
    """The path with slashes; U+FFFD in it where a name is not in UTF-8."""
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _warn(problem: Problem) -> None:
    warnings.warn(str(problem), stacklevel=2)

"""Where the gold quotes of the questions are: which chunks hold them.

Questions quote the source, and never name a chunk: one file of questions judges every chunk size,
wherever the chunker cuts. Chapter 32.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .documents import Chunk
from .questions import Gold, Question

Span = tuple[int, int]
_SPACE = re.compile(r"(?:\\?\s)+")  # `re.escape` puts a backslash before a space
_CJK = r"[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef]"
_BETWEEN_CJK = re.compile(rf"(?<={_CJK})(?:\\s\+)?(?={_CJK})")


@dataclass(frozen=True)
class Place:
    """One passage that states a fact, and the chunks that it is in."""

    length: int
    """In characters."""
    parts: dict[str, Span]
    """Chunk id -> which part of the passage the chunk holds."""

    @property
    def holders(self) -> set[str]:
        """The chunks that hold the passage whole.

        Where it was cut so that no chunk does: those with the largest part of it, and those with at
        least half as much.
        """
        sizes = {name: end - start for name, (start, end) in self.parts.items()}
        most = max(sizes.values())
        least = most if most == self.length else most / 2
        return {name for name, size in sizes.items() if size >= least}

    def share_in(self, chunk_ids: Collection[str]) -> float:
        """How much of the passage these chunks hold together, in [0, 1]."""
        held = (part for name, part in self.parts.items() if name in chunk_ids)
        return _covered(held) / self.length


@dataclass(frozen=True)
class Fact:
    """Something that an answer rests on."""

    places: tuple[Place, ...]
    """Where it is stated: wherever the quote occurs, and wherever a passage says the same."""

    @property
    def holders(self) -> frozenset[str]:
        """The chunks that count as relevant: those that hold one of the passages."""
        return frozenset().union(*(place.holders for place in self.places))

    def share_in(self, chunk_ids: Collection[str]) -> float:
        """How much of a passage these chunks hold together, in [0, 1]: where they hold most."""
        return max(place.share_in(chunk_ids) for place in self.places)


Evidence = dict[str, list[Fact]]
"""Question id -> its gold quotes."""


def find_evidence(questions: Iterable[Question], chunks: Iterable[Chunk]) -> Evidence:
    """Look every quote up: a fact for each of a question's gold, in their order.

    chunks: all that will be searched, in any order
    ValueError names the question whose quote is in no chunk of its source
    """
    questions = list(questions)
    sources = {_plain_path(gold.source) for q in questions for gold in (*q.gold, *q.also)}
    texts = _texts_by_end(sources, chunks)
    evidence: Evidence = {}
    for question in questions:
        try:
            stated = [_places(gold, texts) for gold in question.gold]
            for same in question.also:
                stated[-1] += _places(same, texts)
        except ValueError as error:
            raise ValueError(f"question {question.id!r}: {error}") from error
        evidence[question.id] = [Fact(places) for places in stated]
    return evidence


def _places(gold: Gold, texts: Mapping[str, list[tuple[str, list[Chunk]]]]) -> tuple[Place, ...]:
    """Where a quote occurs. ValueError if nowhere."""
    places = tuple(
        Place(end - start, _parts(pieces, start, end))
        for text, pieces in texts.get(_plain_path(gold.source), [])
        for start, end in _occurrences(gold.quote, text)
    )
    if not places:
        raise ValueError(
            f"{gold.quote!r} is in no chunk of {gold.source!r}; index that file, or correct the "
            "quote"
        )
    return places


def _texts_by_end(
    ends: Collection[str], chunks: Iterable[Chunk]
) -> dict[str, list[tuple[str, list[Chunk]]]]:
    """End of a path -> (text, chunks) of each document whose source ends so."""
    by_document: dict[tuple[str, str], list[Chunk]] = {}
    for chunk in chunks:
        source = chunk.metadata["source"]
        if any(end in ends for end in _ends(source)):
            by_document.setdefault((source, chunk.doc_id), []).append(chunk)
    texts: dict[str, list[tuple[str, list[Chunk]]]] = {}
    for (source, _), pieces in by_document.items():
        pieces.sort(key=lambda chunk: chunk.start)
        text = _join(pieces)
        for end in _ends(source):
            if end in ends:
                texts.setdefault(end, []).append((text, pieces))
    return texts


def _plain_path(source: str) -> str:
    """./a/c.md -> a/c.md; ../a/c.md -> that path from the root."""
    path = Path(os.path.normpath(source))
    return (Path(os.path.abspath(path)) if path.parts[:1] == ("..",) else path).as_posix()


def _ends(path: str) -> Iterator[str]:
    """/x/a/c.md, x/a/c.md, a/c.md, c.md: the path from the root, and its ends."""
    parts = Path(os.path.abspath(path)).as_posix().split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _join(pieces: Sequence[Chunk]) -> str:
    """The document's text again, of chunks in order that may overlap; NUL where one is missing."""
    parts: list[str] = []
    end = 0
    for chunk in pieces:
        parts.append("\0" * (chunk.start - end))
        parts.append(chunk.text[max(0, end - chunk.start) :])
        end = max(end, chunk.end)
    return "".join(parts)


def _occurrences(quote: str, text: str) -> Iterator[Span]:
    """Where a text has the quote, whatever white space it has between the words.

    A PDF breaks lines where the page ends, and Chinese also between two characters.
    """
    pattern = re.compile(_BETWEEN_CJK.sub(r"\\s*", _SPACE.sub(r"\\s+", re.escape(quote.strip()))))
    match = pattern.search(text)
    while match:
        yield match.span()
        match = pattern.search(text, match.start() + 1)


def _parts(pieces: Sequence[Chunk], start: int, end: int) -> dict[str, Span]:
    """chunk id -> the part of text[start:end] in it, counted from its beginning."""
    parts = {c.id: (max(c.start, start) - start, min(c.end, end) - start) for c in pieces}
    return {name: (first, last) for name, (first, last) in parts.items() if first < last}


def _covered(spans: Iterable[Span]) -> int:
    """How many places lie in at least one span."""
    total = reach = 0
    for start, end in sorted(spans):
        total += max(0, end - max(start, reach))
        reach = max(reach, end)
    return total

"""Cutting a document into chunks that fit an encoder or a prompt, counted in tokens.

Chapter 31 explains it and measures what the size of a chunk does to retrieval.

Chunks are spans of the document. A chunk reaches as far as the limit allows; then the cut moves
back to the best boundary (`boundaries.Strength`) in the second half of what was reached: a section,
else a paragraph, a sentence, a line, a clause, a space, a character. The next chunk starts a little
before that cut: the overlap, so that what was cut in two stands together somewhere.

Each limit is checked by counting the very text of the chunk, since tokens do not add up: a
tokenizer often makes fewer of "ab" than of "a" and of "b", and sometimes more.

Leaves out: cutting by the similarity of sentences, which needs an encoder and rarely wins (Qu et
al. 2024, arXiv:2410.13070).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .boundaries import Heading, Strength, boundary_strengths, code_blocks, weaken
from .counting import count_tokens
from .documents import Chunk, Document, page_of

_ENDS = sorted((s for s in Strength if s > Strength.KEPT), reverse=True)  # the best first
_STARTS = [strength for strength in _ENDS if strength < Strength.SECTION]
_NO_END = bytes([Strength.NONE, Strength.KEPT])


@dataclass(frozen=True)
class TokenChunker:
    """Cuts documents into overlapping chunks of at most `chunk_size` tokens.

    A chunk ends at the best boundary (`boundaries.Strength`; the last of equals) in the second half
    of what the limit lets it reach, or with the text. The next one starts at the best boundary (the
    first of equals) in the first half of what the overlap lets it reach back, or else in the second
    half. No cut is inside what a reader sees as one character, unless that is too long for a chunk.

    ValueError if the size is below 1, or the overlap below 0 or not smaller than the size.
    """

    chunk_size: int = 256
    """The most tokens of a chunk, its overlap with the one before included."""
    chunk_overlap: int = 32
    """The most tokens that a chunk repeats of the one before; none if a heading stands between."""
    count: Callable[[str], int] = count_tokens
    """Counts the tokens of a text."""

    def __post_init__(self) -> None:
        if self.chunk_size < 1:
            raise ValueError(f"chunk_size={self.chunk_size} must be at least 1 token")
        if not 0 <= self.chunk_overlap < self.chunk_size:
            raise ValueError(
                f"chunk_overlap={self.chunk_overlap} must be at least 0 and smaller than"
                f" chunk_size={self.chunk_size}"
            )

    def split(self, document: Document) -> list[Chunk]:
        """The chunks of a document, in order; none if its text is empty.

        They cover the text: each starts at or before the end of the one before, after its start,
        and ends after its end. Markdown code blocks that fit into a chunk are not cut.
        Metadata: that of the document, and where known, of the first visible character of the
        chunk: "page" (from 1), "headings" (titles, from the outermost) and, if the chunk starts
        inside a code block, "code" (its language, may be ""). If the chunk reaches into further
        pages: "page_starts", the offsets in the document at which those begin.
        ValueError if a single character has more tokens than a chunk may have
        """
        text, context = document.text, _Context(document)
        inside = [heading for heading in context.headings if heading.level]  # 0: a title, not in it
        strengths = boundary_strengths(text, inside)
        for block in context.blocks:
            if self.count(text[block.start : block.end]) <= self.chunk_size:
                weaken(strengths, block.start + 1, block.end, Strength.KEPT)
        return [
            Chunk.of(document, start, end, context.metadata(start, end))
            for start, end in _Cutter(self, text, strengths).spans()
        ]


@dataclass(frozen=True)
class _Cutter:
    """Cuts one text."""

    limits: TokenChunker
    text: str
    strengths: bytearray

    def spans(self) -> Iterator[tuple[int, int]]:
        start = end = 0
        while end < len(self.text):
            start, end = self._next(self._overlap(start, end), end)
            yield start, end

    def _next(self, start: int, done: int) -> tuple[int, int]:
        """The next chunk: it starts at `start`, or at `done` if only so it gets beyond `done`."""
        for begin in dict.fromkeys((start, done)):
            reach = self._reach(begin)
            if reach == len(self.text):
                return begin, reach
            allowed = self.strengths[begin + 1 : reach + 1].rstrip(_NO_END)
            reach_allowed = begin + len(allowed)
            for low in (max(done, begin + (len(allowed) - 1) // 2), done):
                for strength in _ENDS:
                    if end := self._last(strength, begin, low, reach_allowed):
                        return begin, end
        # Left: one "character" of very many code points, or a `count` that does not let a code
        # block through although it said that the block fits.
        return done, self._last(Strength.KEPT, done, done, reach) or reach

    def _last(self, strength: Strength, begin: int, low: int, high: int) -> int | None:
        """The last such boundary in (low, high] with which text[begin:boundary] is short enough."""
        end = self.strengths.rfind(strength, low + 1, high + 1)
        while end >= 0:
            if self.limits.count(self.text[begin:end]) <= self.limits.chunk_size:
                return end
            end = self.strengths.rfind(strength, low + 1, end)
        return None

    def _reach(self, begin: int) -> int:
        """The furthest end of a chunk that begins here. ValueError if not one character fits."""
        text, count, size = self.text, self.limits.count, self.limits.chunk_size
        width = _widest(lambda n: count(text[begin : begin + n]), size, len(text) - begin)
        if width == 0:
            raise ValueError(
                f"chunk_size={size} is too small: the character {text[begin]!r} at offset {begin}"
                f" alone has {count(text[begin])} tokens"
            )
        return begin + width

    def _overlap(self, start: int, end: int) -> int:
        """Where the chunk after text[start:end] should start: in (start, end]."""
        text, count, most = self.text, self.limits.count, self.limits.chunk_overlap
        if most == 0 or end == 0:
            return end
        width = _widest(lambda n: count(text[end - n : end]), most, end - start - 1)
        low = max(end - width, self.strengths.rfind(Strength.SECTION, start, end + 1))
        for high in (end - (end - low) // 2, end):
            for strength in _STARTS:
                place = self.strengths.find(strength, low, high)
                while place >= 0:
                    if count(text[place:end]) <= most:
                        return place
                    place = self.strengths.find(strength, place + 1, high)
        return end


def _widest(count_of: Callable[[int], int], limit: int, most: int) -> int:
    """The greatest width in [0, most] whose count is within the limit, if counts grow with widths.

    If they do not: one that is within the limit, while the next is not. It takes a few counts, of
    texts not much longer than the result: first each twice as wide, then by interpolation.
    """
    low, low_count, high, high_count = 0, 0, most + 1, limit + 1
    probe = min(most, 2 * limit)
    while low < most:
        count = count_of(probe)
        if count > limit:
            high, high_count = probe, count
            break
        low, low_count = probe, count
        probe = min(most, 2 * probe)
    turn = 0
    while high - low > 1:
        # every third time halve: interpolation alone can creep
        share = (limit + 0.5 - low_count) / max(1, high_count - low_count) if turn % 3 < 2 else 0.5
        probe = min(high - 1, max(low + 1, low + int((high - low) * share)))
        count = count_of(probe)
        if count <= limit:
            low, low_count = probe, count
        else:
            high, high_count = probe, count
        turn += 1
    return low


class _Context:
    """What a document says about the places in it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.headings = _headings(document)
        self.blocks = code_blocks(document.text)
        self._paths = _paths(self.headings)
        whole = {"pages", "page_starts"}  # said anew for each chunk
        whole |= {"headings"} if self.headings else set()
        self._shared = {k: v for k, v in document.metadata.items() if k not in whole}

    def metadata(self, start: int, end: int) -> dict[str, Any]:
        """The metadata of the chunk from `start` to `end`."""
        blank = end - start - len(self.document.text[start:end].lstrip())
        place = start if start + blank == end else start + blank
        metadata = dict(self._shared)
        if (page := page_of(self.document, place)) is not None:
            metadata["page"] = page
            if later := [at for at in self.document.metadata["pages"] if place < at < end]:
                metadata["page_starts"] = later
        if last := bisect_right(self.headings, place, key=lambda heading: heading.offset):
            metadata["headings"] = list(self._paths[last - 1])
        last = bisect_right(self.blocks, start, key=lambda block: block.start)
        if last and self.blocks[last - 1].start < start < self.blocks[last - 1].end:
            metadata["code"] = self.blocks[last - 1].info
        return metadata


def _headings(document: Document) -> list[Heading]:
    """The headings in the metadata; none if a field of that name is something else."""
    entries = document.metadata.get("headings")
    if not isinstance(entries, list):
        return []
    headings = [Heading(*entry) for entry in entries if _is_heading(entry, len(document.text))]
    return sorted(headings) if len(headings) == len(entries) else []


def _is_heading(entry: Any, length: int) -> bool:
    match entry:
        case (int(offset), int(), str()):
            return 0 <= offset < length
    return False


def _paths(headings: list[Heading]) -> list[list[str]]:
    """For each heading the titles it stands under, from the outermost, and its own."""
    paths: list[list[str]] = []
    above: list[Heading] = []
    for heading in headings:
        above = [outer for outer in above if outer.level < heading.level] + [heading]
        paths.append([outer.title for outer in above])
    return paths

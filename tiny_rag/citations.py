"""Citations: the numbers in an answer, and the places in the sources that they stand for.

A prompt numbers its passages [1], [2] ...; a model cites them by number. It may also write a number
that no passage has, and a reader who looks that up finds nothing: such numbers are taken out.
Chapter 33 explains it.

Read are [1], [1,2], [1][2], [1-3] and [^1], in square brackets of either width or 【lenticular】
ones, the digits of either width. Which part of a passage a number stands for is for `support` to
find. Leaves out: whether the passage says what the sentence claims; `citation_precision_recall` in
`metrics` measures that.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from .documents import Hit, page_at

_OPEN, _CLOSE = r"\[【［", r"\]】］"
_NUMBER = "[0-9０-９]{1,4}"  # longer ones number no passage, and int() has its limits
_COMMA, _DASH = ",，、;；", r"\-–—~～"
CITATION = re.compile(
    rf"[{_OPEN}](\s*\^?{_NUMBER}(?:\s*[{_COMMA}{_DASH}]\s*{_NUMBER})*\s*)[{_CLOSE}]"
)
"""A citation; group 1 is what stands between the brackets."""

_SPACED_CITATION = re.compile(rf"([ \t]*){CITATION.pattern}")
_RANGE = re.compile(rf"({_NUMBER})(?:\s*[{_DASH}]\s*({_NUMBER}))?")
_OPENED = rf"[{_OPEN}][{_OPEN}0-9０-９{_COMMA}{_DASH}\s^]*$"  # a bracket, and no letter since
_OPEN_TAIL = re.compile(_OPENED)
_UNDECIDED_TAIL = re.compile(rf"[ \t]*(?:{_OPENED}|$)")


@dataclass(frozen=True)
class Citation:
    """A place in a source that an answer leans on."""

    number: int
    """As in the answer's text: passage `number` is `hits[number - 1]`."""
    source: str
    """The chunk's metadata["source"]; "" where it has none."""
    page: int | None
    """The page, from 1, on which the quote starts; None where the source has no pages."""
    last_page: int | None
    """The one on which it ends."""
    start: int
    """The place is `document.text[start:end]`, in characters ..."""
    end: int
    quote: str
    """... and this is what stands there."""

    @classmethod
    def of(cls, number: int, hit: Hit, start: int = 0, end: int | None = None) -> Self:
        """The citation of `hit.chunk.text[start:end]`; of the whole chunk if not told."""
        chunk = hit.chunk
        quote = chunk.text[start:end]
        first = chunk.start + start
        source = str(chunk.metadata.get("source", ""))
        pages = page_at(chunk, start), page_at(chunk, start + max(0, len(quote.rstrip()) - 1))
        return cls(number, source, *pages, first, first + len(quote), quote)


def parse_citations(text: str, n: int) -> list[int]:
    """The passages that a text cites: numbers from 1 to n, each once, in order of appearance.

    n: how many passages there are. Numbers that no passage has are left out.

    Citations are [1], [ 1 ], [^1], [1, 2], [1; 2], [1-3] (which is [1, 2, 3]) and all that is made
    of these, "[2–3, 1]". The brackets may be full-width or 【】, the digits full-width, and what
    separates may be Chinese: "【１、３】". Around it may stand what will: "[[3]]", "[1](url)".
    None: "(1)", "[a]", "[1.5]", "[-1]", "[1 2]", "[1", and numbers of more than 4 digits.
    """
    found = (number for match in CITATION.finditer(text) for number in _numbers(match[1]))
    return list(dict.fromkeys(number for number in found if 1 <= number <= n))


def strip_unknown(text: str, n: int) -> str:
    """The text without citations of passages that do not exist; all else stays as it is.

    With 2 passages "Red [1, 7]. Cold [9]." becomes "Red [1]. Cold.". n=0 removes every citation.
    The result cites what `parse_citations(text, n)` lists, and nothing else.
    """

    def known_only(match: re.Match[str]) -> str:
        numbers = _numbers(match[2])
        known = [number for number in numbers if 1 <= number <= n]
        if known and known == numbers:
            return match[0]
        if known:
            return f"{match[1]}[{', '.join(map(str, known))}]"
        # Taking "[9]" out of "[1[9]]" would leave a citation that nobody wrote.
        return "[?]" if _OPEN_TAIL.search(text, 0, match.start()) else ""

    return _SPACED_CITATION.sub(known_only, text)


def strip_unknown_stream(pieces: Iterable[str], n: int) -> Iterator[str]:
    """`strip_unknown` of a text that arrives in pieces, wherever they are cut.

    Holds back what may still become a citation, so "[", "9", "]" is never shown.
    """
    held = ""
    for piece in pieces:
        held += piece
        tail = _UNDECIDED_TAIL.search(held)
        cut = tail.start() if tail else len(held)
        if ready := strip_unknown(held[:cut], n):
            yield ready
        held = held[cut:]
    if ready := strip_unknown(held, n):
        yield ready


def _numbers(inner: str) -> list[int]:
    """The numbers between the brackets: "1, 3-5" -> 1, 3, 4, 5."""
    numbers: list[int] = []
    for first, last in _RANGE.findall(inner):
        numbers += range(int(first), int(last or first) + 1)
    return numbers

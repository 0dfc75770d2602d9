"""Sentences: what an answer without a model quotes, and what the citations of a model point at.

A heading, a list item and a row of a table are units like a sentence. Leaves out: tables whose rows
do not start and end with "|", and the headers and footers of a PDF's pages, which stand in the text
between the end of a page and the start of the next.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .boundaries import Strength, boundary_strengths
from .documents import Chunk, Hit
from .markdown_text import front_matter_end

# A heading, or the start of a list item: a line of its own even without a full stop.
_BLOCK_LINE = re.compile(
    r"^[^\S\n]*(?:#{1,6}[^\S\n].*\n?|(?:[-*+]|\d{1,3}[.)])[^\S\n])", re.MULTILINE
)
_ROW = re.compile(r"^[^\S\n]*\|.*\|[^\S\n]*$", re.MULTILINE)
_RULE = re.compile(r"\|[\s:|-]*-[\s:|-]*\|")  # below the names of the columns
_BULLET = re.compile(r"\A[-*+][^\S\n]+(?=\S)")
_BOLD = re.compile(r"(?<![A-Za-z0-9*])\*\*(?=\S)([^*]+)(?<=\S)\*\*(?![A-Za-z0-9*])")
_CJK = "[\u2e80-\u9fff\uff00-\uffef]"
_CJK_LINE_END = re.compile(rf"(?<={_CJK})\s*\n\s*(?={_CJK})")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage, and what stands around it."""

    number: int
    """Of the passage, from 1."""
    start: int
    end: int
    """It is `chunk.text[start:end]`."""
    text: str
    terms: Mapping[str, float]
    """Each of its terms, and where it first stands: from 0 at the start to 1 at the end."""
    length: int
    """How many terms it has, with those that come again."""
    headings: frozenset[str]
    """Terms of the headings above it."""
    before: frozenset[str]
    """Terms of the sentence before it; of a row of a table, those of the columns' names."""


def sentences_of(hits: Sequence[Hit], tokenize: Callable[[str], list[str]]) -> list[Sentence]:
    """All sentences of the hits, those that stand in two of them (chunks overlap) once.

    Headings and the names of a table's columns are none, but name the subject; the front matter of
    a file is neither.
    """
    sentences: dict[str, Sentence] = {}
    for number, hit in enumerate(hits, 1):
        for sentence in _sentences(number, hit.chunk, tokenize):
            sentences.setdefault(sentence.text, sentence)
    return list(sentences.values())


def _sentences(
    number: int, chunk: Chunk, tokenize: Callable[[str], list[str]]
) -> Iterator[Sentence]:
    titles = [str(title) for title in chunk.metadata.get("headings") or ()]
    front = front_matter_end(chunk.text) if chunk.start == 0 else 0
    headings = frozenset(tokenize("\n".join(titles)))
    before = columns = frozenset[str]()
    spans = [(start + front, end + front) for start, end in sentence_spans(chunk.text[front:])]
    texts = [chunk.text[start:end] for start, end in spans]
    for (start, end), text, after in zip(spans, texts, [*texts, ""][1:], strict=True):
        terms = tokenize(text)
        here = frozenset(terms)
        if _RULE.fullmatch(after):
            columns = here
        elif text.startswith("#") or text in titles:
            headings |= here
        elif terms:
            row = columns if text.startswith("|") else before
            places = {term: i / len(terms) for i, term in reversed(list(enumerate(terms)))}
            yield Sentence(number, start, end, text, places, len(terms), headings, row)
        before = here


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of the sentences of a text, in order; the white space around them is in none.

    A Markdown heading, a list item and a row of a table are sentences too.
    """
    strengths = boundary_strengths(text)
    cuts = {i for i, strength in enumerate(strengths) if strength >= Strength.SENTENCE}
    for match in _BLOCK_LINE.finditer(text):
        cuts.add(match.start())
        if match[0].lstrip().startswith("#"):
            cuts.add(match.end())
    for match in _ROW.finditer(text):
        cuts -= set(range(match.start() + 1, match.end()))
        cuts |= {match.start(), match.end()}
    spans = []
    start = 0
    for end in sorted({*cuts, len(text)} - {0}):
        piece = text[start:end]
        first = start + len(piece) - len(piece.lstrip())
        if first < end:
            spans.append((first, start + len(piece.rstrip())))
        start = end
    return spans


def plain(text: str) -> str:
    """A sentence on one line, without Markdown's marks of a list item, of bold, around a table row.

    Between Chinese characters nothing takes the place of a line break.
    """
    text = _BOLD.sub(r"\1", _BULLET.sub("", text))
    text = text.strip().strip("|") if _ROW.fullmatch(text) else text
    return " ".join(_CJK_LINE_END.sub("", text).split())

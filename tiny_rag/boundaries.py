"""Where a text may be cut: how good a cut each offset is, from the start of a section to mid-word.

Chapter 31 explains it. `boundary_strengths` gives one byte per character, so that "the last end of
a sentence before offset 900" is one `bytearray.rfind`. What decides is Unicode's own tables
(UAX #29 for what a reader sees as one character, UAX #44 for signs that end sentences), so Chinese,
English and others need no language setting.

A boundary stands after the closing quotes, the spaces and the line ends that follow what ended:
"他说：“好。”|再见。". White space thus stays with the text before it, except for the indentation
of a line, which stays with its line.

Leaves out: dictionaries. Thai, which has no spaces, is cut between characters where it must be.
"""

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import regex


class Strength(IntEnum):
    """How good a cut is at an offset. The greater, the better."""

    NONE = 0
    """Inside what a reader sees as one character: a letter and its accent, a flag, CRLF."""
    KEPT = 1
    """Inside what the caller wants whole; `boundary_strengths` itself never gives it."""
    WORD = 2
    """Inside a word or a number, before a closing sign, or after an opening one."""
    CHARACTER = 3
    SPACE = 4
    CLAUSE = 5
    LINE = 6
    SENTENCE = 7
    PARAGRAPH = 8
    SECTION = 9
    """Before a heading."""


class Heading(NamedTuple):
    """A heading of a document: `level` is 1 for the outermost."""

    offset: int
    level: int
    title: str


class CodeBlock(NamedTuple):
    """A fenced code block of Markdown, from its first fence through the line end of its last."""

    start: int
    end: int
    info: str
    """What the first fence says of it, such as "python"; may be empty."""


# Possessive quantifiers (`*+`) everywhere: a run of 100k signs is read once, not 100k times.
_LINE_END = r"(?>\r\n|[\n\r\x0b\x0c\x85\u2028\u2029])"
_BLANK = r"[^\S\n\r\x0b\x0c\x85\u2028\u2029]"
_CLOSING = r"[\p{Pe}\p{Pf}\"'＂＇]"
_AFTER = rf"{_CLOSING}*+(?>(?:{_BLANK}*+{_LINE_END})++|{_BLANK}*+)"
_CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}]"

# What belongs together: "3.14", "don't", "2024-05-01". Chinese characters each stand alone.
_LETTERS = r"[\w--\p{Han}--\p{Hiragana}]"
_ONE_WORD = rf"{_LETTERS}++(?:[.,:'’/@-]{_LETTERS}++)*+"
_OPENS, _CLOSES = r"[\p{Ps}\p{Pi}]", r"[\p{Pe}\p{Pf}\p{Terminal_Punctuation}…—]"
_WHOLE = regex.compile(
    rf"{_OPENS}*+{_ONE_WORD}{_CLOSES}*+|{_OPENS}++\S?+{_CLOSES}*+|\S{_CLOSES}++", regex.V1
)

# After these, as they are written or in capitals, more of the sentence comes; and before a number
# after any short word: "ext. 4471", "Jan. 5".
_ABBREVIATION = (
    r"(?<!\b(?:\p{Lu}|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|cf|e\.g|i\.e|etc|No|Nr|Figs?|Eqs?|Vol|vol|pp"
    r"|Ch|Secs?|Refs?|Gen|Capt|Lt|Rev|Ave|Jan|Feb|Apr|Aug|Sept?|Oct|Nov|Dec|[Ee]xt|[Tt]el|ca"
    r"|[Aa]pprox|[Ii]ncl|[Ee]xcl|resp|et al))"
    r"(?!(?<=\b\p{L}{1,4})\. ?+\d)"
)
_SENTENCE = (
    # 。！？ and their like end a sentence wherever they stand, and so does the Chinese ellipsis
    rf"(?:[\p{{STerm}}--[.!?．]]|．(?!\d)|…{{2,}}+)[\p{{STerm}}…]*+{_AFTER}"
    # Latin ones need a space after them and no small letter, or Chinese on both sides
    rf"|(?<![.!?…])(?:{_ABBREVIATION}\.|[!?…])[.!?…]*+(?={_CLOSING}*+\s){_AFTER}(?!{_BLANK}*+\p{{Ll}})"
    rf"|(?<={_CJK})[.!?]++{_CLOSING}*+(?={_CJK})"
)
_CLAUSE = (
    rf"(?:[\p{{Terminal_Punctuation}}--\p{{STerm}}--[,;:：]]|：(?!\d)|—{{2,}}+|…){_AFTER}"
    rf"|[,;:](?={_CLOSING}*+\s){_AFTER}|(?<={_CJK})[,;:](?={_CJK})"
)
_PATTERNS = {
    Strength.SPACE: r"\s++|\u200b",
    Strength.CLAUSE: _CLAUSE,
    Strength.LINE: rf"{_LINE_END}(?:{_BLANK}*+{_LINE_END})*+",
    Strength.SENTENCE: _SENTENCE,
    # an empty line; or a line indented by a full-width space, as Chinese paragraphs are
    Strength.PARAGRAPH: rf"{_LINE_END}(?:(?:{_BLANK}*+{_LINE_END})++|(?=\u3000))",
}
_IN_PARENTHESES = regex.compile(r"(?<=\S[ \t]?)[(（][^()（）\n]{1,200}+(?=[)）])")
_COMPILED = {strength: regex.compile(text, regex.V1) for strength, text in _PATTERNS.items()}

# \X is one character of a reader. Alone it would stop at every one, and it looks back to the first
# flag of a row of flags, each time: so here only where more than one code point can be one, and
# flags by their own rule (GB12).
_CLUSTER = regex.compile(
    r"\p{Regional_Indicator}{2}[\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=ZWJ}]*+"
    r"|(?:(?=(?s:.)\P{GCB=Other})|(?=\p{GCB=Prepend}))\X",
    regex.V1,
)


def boundary_strengths(text: str, headings: Sequence[Heading] = ()) -> bytearray:
    """How good a cut is at every offset of the text.

    headings: their offsets are cuts of their own, and they stay with the text below them
    returns len(text) + 1 bytes, each a `Strength`. Linear in the length of the text.
    """
    strengths = bytearray([Strength.CHARACTER]) * (len(text) + 1)
    for match in _WHOLE.finditer(text):
        strengths[match.start() + 1 : match.end()] = _run(Strength.WORD, match)
    for strength, pattern in _COMPILED.items():
        for match in pattern.finditer(text):
            strengths[match.end()] = strength
    for match in _IN_PARENTHESES.finditer(text):
        if strengths[match.start()] < Strength.SENTENCE:  # it stands inside a sentence
            weaken(strengths, match.start() + 1, match.end(), Strength.CLAUSE)
    for heading in headings:
        strengths[heading.offset] = Strength.SECTION
    for heading in headings:
        _keep_with_body(strengths, text, heading.offset)
    for match in _CLUSTER.finditer(text):
        strengths[match.start() + 1 : match.end()] = _run(Strength.NONE, match)
    return strengths


def weaken(strengths: bytearray, start: int, end: int, most: Strength) -> None:
    """Make no cut from `start` up to but not at `end` better than `most`."""
    table = bytes(min(value, most) for value in range(256))
    strengths[start:end] = strengths[start:end].translate(table)


_HEADING_TO_BODY = re.compile(r"[^\n]*+(?:\n(?:=+|-+)[^\S\n]*+(?=\n|\Z))?\s*+")


def _keep_with_body(strengths: bytearray, text: str, offset: int) -> None:
    """A chunk should not end with the heading of the next one's text."""
    match = _HEADING_TO_BODY.match(text, offset)
    body = match.end() if match else offset
    if body < len(text):
        weaken(strengths, offset + 1, body, Strength.SPACE)
        weaken(strengths, body, body + 1, Strength.CLAUSE)


def _run(strength: Strength, match: "regex.Match[str]") -> bytes:
    return bytes([strength]) * (match.end() - match.start() - 1)


_FENCE = re.compile(r"^[^\S\n]*+(`{3,}|~{3,})([^\n]*+)\n?", re.MULTILINE)


def code_blocks(text: str) -> list[CodeBlock]:
    """The fenced code blocks of a Markdown text, in order (CommonMark 0.31, section 4.5).

    A block without a last fence goes to the end of the text. Fences may be indented at will, as
    they are inside lists.
    """
    blocks: list[CodeBlock] = []
    start, fence, info = -1, "", ""
    for match in _FENCE.finditer(text):
        marks, rest = match[1], match[2].strip()
        if not fence and not (marks[0] == "`" and "`" in rest):  # else: code within a line
            start, fence, info = match.start(), marks, rest
        elif fence and marks.startswith(fence) and not rest:
            blocks.append(CodeBlock(start, match.end(), info))
            fence = ""
    if fence:
        blocks.append(CodeBlock(start, len(text), info))
    return blocks

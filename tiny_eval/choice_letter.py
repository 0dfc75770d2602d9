r"""The letter that a reply to a multiple-choice question gives, or None.

`re.search("[ABCD]", reply)` finds the A of "A student", of "不选A" and of a list of all options, and
each such guess is right one time in four: it makes a model that says nothing look as if it knew.
Here a letter has to earn its place by what stands around it, and a reply that leaves a reader in
doubt has no letter. Every letter is sorted into one of these:

- committed: 故选B, "the answer is B", \boxed{B}, a line that is a letter and nothing else;
- an option with its text, alone: "B. a triangle";
- judged: "B is correct", B正确; or found wrong: "A is wrong", 排除A, "not A";
- mentioned; or no option at all: 点A, "vitamin C", "A student".

What is committed counts first, then what stands alone, then what is judged right if every option
that is mentioned has been judged. "Wait" and 不对 take back what came before. Commitments that
differ are no answer unless the last is a conclusion. Chapter 52 shows how often this is right, and
what simpler patterns do. Leaves out: the text of the options, which would find replies that quote
the right one without its letter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from . import choice_cues as cues

_LONGEST = 32_000  # characters read; a longer reply is a loop, its answer at the start or the end
_BEFORE, _AFTER = 60, 48  # characters of the windows
_OPEN, _CLOSE = "([{【<“‘\"'", ")]}】>”’\"'"

_PLAIN = {0x3000: " "} | {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_PLAIN |= {0x24B6 + i: chr(65 + i) for i in range(26)} | {
    0x24D0 + i: chr(97 + i) for i in range(26)
}
_LATEX_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf|mathsf|mbox|rm|bf)\s*\{([^{}]*)\}")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{?")
_MATH = re.compile(r"\\[()\[\]]|\$+")
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])[*_`]+|[*_`]+(?![A-Za-z0-9])")
_CLAUSE = re.compile(r"[,。;!?\n.]")
_SENTENCE = re.compile(r"[。;!?\n.]")
_LINE_START = re.compile(r"[\s>#•|✅-]*(?:(?:Q|第)?\s*\d{1,3}\s*[题.:、)]\s*)?", re.IGNORECASE)
_LABEL = re.compile(r"(?:option|choice|answer|选项?|答案?|第)\s*:?\s*", re.IGNORECASE)
_LINE_END = re.compile(r"[\s)\]}】>”’\"'.。、,:!|]*(?:选?项|吧)?[\s.。!|]*$")
_MENTION_BEFORE = re.compile(r"(?:选项|options?|choices?|answer)\s*$", re.IGNORECASE)
_EITHER = re.compile(r"or|或|还是", re.IGNORECASE)

Kind = Literal["committed", "alone", "right", "listed right", "wrong", "denied", "mentioned"]


@dataclass(frozen=True)
class _Claim:
    """What a reply says of some letters; no letters where it names several as one choice."""

    kind: Kind
    letters: str
    tentative: bool = False
    final: bool = False


def choice_letter(text: str, letters: str = "ABCD") -> str | None:
    """The one letter that a reply gives.

    letters: those of the options, capital. None if there is no such letter, more than one, or doubt
    """
    return _answer(text, letters, several=False)


def choice_letters(text: str, letters: str = "ABCD") -> str | None:
    """The letters that a reply gives to a question with several right options, sorted: "ACD".

    letters: those of the options, capital. None if there are none, or in doubt
    """
    return _answer(text, letters, several=True)


def _answer(text: str, letters: str, several: bool) -> str | None:
    if len(text) > _LONGEST:
        text = text[: _LONGEST // 4] + "\n\n" + text[-_LONGEST * 3 // 4 :]
    replies = cues.ANOTHER_QUESTION.split(_plain(text).strip())
    return _decide(next(filter(str.strip, replies), ""), letters, several)


def _plain(text: str) -> str:
    """Half-width, without emphasis, and LaTeX's box as 【答案】."""
    text = text.translate(_PLAIN)
    text = _MATH.sub("", _LATEX_TEXT.sub(r"\1", _LATEX_TEXT.sub(r"\1", text)))
    return _EMPHASIS.sub("", _BOX.sub("【答案】", text))


def _decide(text: str, letters: str, several: bool) -> str | None:
    claims = list(_claims(text, letters, several))
    committed = [claim for claim in claims if claim.kind == "committed"]
    if committed:
        return _last_word(committed, claims)
    alone = {claim.letters for claim in claims if claim.kind == "alone"}
    if alone:
        return alone.pop() if len(alone) == 1 else None
    return _judged(claims, several)


def _last_word(committed: list[_Claim], claims: list[_Claim]) -> str | None:
    firm = [claim for claim in committed if not claim.tentative] or committed
    while len(firm) > 1 and not firm[0].letters:
        firm = firm[1:]
    said = {claim.letters for claim in firm}
    if len(said) > 1:
        said = {claim.letters for claim in firm if claim.final}
        if len(said) != 1 or not firm[-1].final:
            return None
    answer = firm[-1].letters
    later = claims[claims.index(firm[-1]) :]
    denied = any(claim.kind == "denied" and set(claim.letters) & set(answer) for claim in later)
    return None if denied else answer or None


def _judged(claims: list[_Claim], several: bool) -> str | None:
    def union(*kinds: Kind) -> set[str]:
        return {letter for claim in claims if claim.kind in kinds for letter in claim.letters}

    right, wrong = union("right", "listed right"), union("wrong", "denied")
    if not right or right & wrong or union("mentioned") - right - wrong:
        return None
    if union("listed right") and len(right | wrong) == 2:
        return None  # "A. correct B. wrong" may be the options of a question of yes or no
    return "".join(sorted(right)) if several or len(right) == 1 else None


def _claims(text: str, letters: str, several: bool) -> Iterator[_Claim]:
    """All claims since the last revision, in order."""
    revisions = [match.start() for match in cues.REVISED.finditer(text)]
    start = revisions[-1] if revisions else 0
    listed = _listed(text, letters)
    for match in _groups(letters).finditer(text, start):
        for begin, end in _parts(text, match):
            claim = _claim(text, begin, end, begin in listed, several)
            if claim:
                yield claim


def _groups(letters: str) -> re.Pattern[str]:
    """Letters of the options, and several of them: "AC", "A, C", "(A) and (C)"."""
    joint = (
        r"[)\]】\"”']{0,2}[ \t]{0,2}(?:[、,/&][ \t]?(?:and|or|和|或)?|和|与|及|以及|and\b|or\b|或者?|还是|nor\b|)"
        r"[ \t]{0,2}[(\[【\"“']{0,2}"
    )

    def group(of: str) -> str:
        token = rf"[{of}]{{1,{len(of)}}}(?![A-Za-z0-9])(?!['’][A-Za-z])"
        return rf"{token}(?:{joint}(?<![A-Za-z0-9]){token})*"

    alternatives = f"{group(re.escape(letters))}|{group(re.escape(letters.lower()))}"
    return re.compile(rf"(?<![A-Za-z0-9\\{{|^°])(?<![A-Za-z]['’])(?:{alternatives})")


def _parts(text: str, match: re.Match[str]) -> list[tuple[int, int]]:
    """The group, or its two halves where a comma parts a choice from a verdict: 选B，A错误."""
    begin, end = match.span()
    comma = text.rfind(",", begin, end)
    after = text[end : end + _AFTER]
    goes_on = cues.RIGHT.match(after) or cues.WRONG.match(after) or after.startswith(("项", "选项"))
    if comma < 0 or not goes_on or not cues.DECLARED.search(_before(text, begin)):
        return [(begin, end)]
    second = re.compile("[A-Za-z]").search(text, comma)
    assert second is not None
    return [(begin, comma), (second.start(), end)]


def _letters_of(group: str, several: bool) -> str | None:
    """The letters, sorted; "" if they are no one choice, None if they are a word."""
    tokens = re.findall(r"[A-Z]+|[a-z]+", re.sub(r"\b(?:and|n?or)\b", " ", group))
    joined = "".join(tokens).upper()
    if any(list(token) != sorted(set(token)) for token in tokens) or len(set(joined)) < len(joined):
        return None
    if _EITHER.search(group) or (len(joined) > 1 and not several):
        return ""
    return "".join(sorted(joined))


def _before(text: str, begin: int) -> str:
    """The window before; a line break after a label counts as its colon."""
    window = text[max(0, begin - _BEFORE) : begin]
    kept = window.rstrip(" \t\n([{“‘\"'")
    return kept + ":" if "\n" in window[len(kept) :] and kept[-1:] != ":" else kept


def _claim(text: str, begin: int, end: int, listed: bool, several: bool) -> _Claim | None:
    group = text[begin:end]
    chosen = _letters_of(group, several)
    if chosen is None:
        return None
    every = "".join(sorted(set(re.findall("[A-Z]", group))))
    before, after = _before(text, begin), text[end : end + _AFTER]
    clause, sentence = _CLAUSE.split(before)[-1], _SENTENCE.split(before)[-1]
    if cues.ASKED.match(after) or cues.SUPPOSED.search(clause):
        return None
    if cues.IDENTIFIED.search(before) and _stands(after):
        return _Claim("right", every)
    if cues.DENIED.search(before):
        return _Claim("denied", every)
    if every and (verdict := _verdict(after)):
        supposed = cues.SUPPOSED.search(sentence) and not cues.FINAL.search(clause)
        return None if supposed else _Claim(verdict, every)
    if listed:
        return _Claim("mentioned", every)
    if _commits(text, begin, end, before, after):
        tentative = bool(cues.TENTATIVE.search(clause))
        return _Claim("committed", chosen, tentative, bool(cues.FINAL.search(sentence)))
    if chosen and _is_item(text, begin, end):
        return _Claim("alone", chosen)
    if _MENTION_BEFORE.search(before) or after.startswith(("项", "选项")):
        return _Claim("mentioned", every)
    return None


def _stands(after: str) -> bool:
    return bool(cues.ENDS.match(after) or cues.GOES_ON.match(after))


def _verdict(after: str) -> Kind | None:
    after = after.lstrip(")]}】”’\"'")
    if verdict := cues.VERDICT.match(after):
        return "listed right" if verdict[1] else "wrong"
    if cues.RIGHT.match(after):
        return "right"
    return "wrong" if cues.WRONG.match(after) else None


def _commits(text: str, begin: int, end: int, before: str, after: str) -> bool:
    if cues.DECLARED.search(before):
        return _stands(after)
    if cues.NOT_AN_OPTION.search(before):
        return False
    if cues.CONCLUDED.search(before):
        return bool(cues.ENDS.match(after))
    return _is_line(text, begin, end) or (
        not text[:begin].strip(_OPEN + " \n\t") and bool(cues.LEADS.match(after))
    )


def _line(text: str, begin: int, end: int) -> tuple[str, str]:
    """The rest of the line before and after."""
    stop = text.find("\n", end)
    return text[text.rfind("\n", 0, begin) + 1 : begin], text[end : stop if stop >= 0 else None]


def _is_line(text: str, begin: int, end: int) -> bool:
    """The group is a line of its own, but for signs and a label."""
    head, tail = _line(text, begin, end)
    start = _LINE_START.match(head)
    assert start is not None
    rest = _LABEL.sub("", head[start.end() :].strip(_OPEN + " "), count=1)
    return not rest.strip(_OPEN + " ") and bool(_LINE_END.match(tail))


_ITEM = re.compile(
    r"^[\s>#•-]*(?:option|choice|选项)?\s*[(\[【]?\s*([A-Za-z])\s*(?:[.:、)\]】]|[-–—](?=\s))",
    re.IGNORECASE,
)
_INLINE = re.compile(r"(?:^|[\s(,;。])([A-Z])[.:、)](?=\s*\S)")


def _listed(text: str, letters: str) -> set[int]:
    """Where the letters of lists stand: lines one after the other, or one line, of several options."""
    places: set[int] = set()
    block: list[tuple[str, int]] = []
    at = 0
    for line in [*text.split("\n"), "-"]:
        item = _ITEM.match(line)
        inline = [m for m in _INLINE.finditer(line) if m[1] in letters]
        if len({m[1] for m in inline}) > 1:
            places |= {at + m.start(1) for m in inline}
        if item and item[1].upper() in letters:
            block.append((item[1].upper(), at + item.start(1)))
        elif line.strip():
            if len({letter for letter, _ in block}) > 1:
                places |= {place for _, place in block}
            block = []
        at += len(line) + 1
    return places


def _is_item(text: str, begin: int, end: int) -> bool:
    """The reply starts with one option and its text: "B. a triangle"."""
    item = _ITEM.match(text)
    return bool(item and item.span(1) == (begin, end))

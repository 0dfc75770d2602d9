r"""The letter that a reply to a multiple-choice question gives, or None.

`re.search("[ABCD]", reply)` finds the A of "A student", of 不选A and of a list of all options. One
such guess in four is right: a model that says nothing looks as if it knew. Here a letter has to
earn its place by what stands around it (`choice_cues`), and a reply that leaves its reader in doubt
has no letter. Every letter is one of these:

- committed: 故选B, "the answer is B", \boxed{B}, a line that is a letter and nothing else;
- an option with its text, alone: "B. a triangle";
- judged: "B is correct", B正确; or found wrong: "A is wrong", 排除A, "not A";
- mentioned, as in 答案可能是A and "it could be A";
- no option at all: 点A, "vitamin C", "A student".

What is committed counts first, then what stands alone, then what is judged right if every option
that is mentioned has been judged. "Wait" and 不对 take back what came before. Commitments that
differ are no answer unless the last is a conclusion. A choice made with little courage is a choice:
可能选B, 应该选B, "probably B". Chapter 53 shows it beside simpler patterns;
its tests count how often each is right. Leaves out: the text of the options, which would find
replies that quote the right one without its letter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from . import choice_cues as cues

_LONGEST = 32_000  # characters read; a longer reply is a loop, its answer at the start or the end
_MOST = 400  # mentions of letters read, the last ones
_WINDOW = 60  # characters on either side of a letter
_OPTION_LENGTH = 120  # characters; what starts like an option and is longer is a discussion
_SENTENCE_WINDOW = 200  # characters before it, to the start of its sentence

_PLAIN = {0x3000: " "} | {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_PLAIN |= {0x24B6 + i: chr(65 + i) for i in range(26)} | {
    0x24D0 + i: chr(97 + i) for i in range(26)
}
_LATEX_TEXT = re.compile(r"\\(?:text[a-z]{0,4}|math[a-z]{2,4}|mbox|rm|bf)\s*\{([^{}]*)\}")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{?|<(?:final_)?answer>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z_]{2,20}>")  # <strong>, and a model's own, as <eoa>
_MATH = re.compile(r"\\[()\[\]]|\$+")
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])[*_`]+|[*_`]+(?![A-Za-z0-9])")

_SENTENCE = re.compile(r"[。;!?\n.]")
_CLAUSE = re.compile(r"[,。;!?\n.]|但|\bbut\b", re.IGNORECASE)
_EITHER = re.compile(r"or|或|还是", re.IGNORECASE)
_OPTION_BEFORE = re.compile(r"(?:选项|options?|choices?|answer)\s*$", re.IGNORECASE)
_LINE_HEAD = re.compile(
    r"[\s>#•|✅=→-]*(?:(?:Q|第|\()?\s*\d{1,3}\s*[题.:、)]{1,2}\s*)?"
    r"(?:(?:option|choice|answer|assistant|选项?|答案?)\s*:?)?[\s(\[{【“‘\"']*",
    re.IGNORECASE,
)
_LINE_TAIL = re.compile(r"[\s)\]}】”’\"'.。、,:!|]*(?:选?项|吧)?[\s.。!|]*")
_ITEM = re.compile(
    r"[\s>#•-]*(?:option|choice|选项)?\s*[(\[【]?([A-Za-z])\s*(?:[.:、)\]】]|[-–—](?=\s))",
    re.IGNORECASE,
)
_INLINE_ITEM = re.compile(r"(?:^|[\s(,;。】])([A-Z])(?:[.:、]|\)(?=\s|[^\x00-\x7f]))(?=\s*\S)")

Kind = Literal["committed", "alone", "right", "listed right", "wrong", "denied", "mentioned"]


@dataclass(frozen=True)
class _Claim:
    """What a reply says of some letters; no letters where it names several as one choice."""

    kind: Kind
    letters: str
    tentative: bool = False
    final: bool = False


def choice_letter(text: str, letters: str = "ABCD") -> str | None:
    """The one letter that a reply gives, capital: "故选：b" -> "B".

    text: a reply in Chinese or English, without its <think> block; it may be as long as a megabyte,
    and have LaTeX, markdown and full-width signs in it · letters: those of the options, capital
    None if there is no such letter, more than one, or doubt: 不选A, triangle ABC, "A or B", a list
    of all options, "I cannot tell". A wrong guess is worse than none.
    """
    return _answer(text, letters, several=False)


def choice_letters(text: str, letters: str = "ABCD") -> str | None:
    """The letters that a reply gives to a question with several right options, sorted: "ACD".

    letters: those of the options, capital. None if there are none, or doubt
    """
    return _answer(text, letters, several=True)


def _answer(text: str, letters: str, several: bool) -> str | None:
    if len(text) > _LONGEST:
        text = text[: _LONGEST // 4] + "\n\n" + text[-_LONGEST * 3 // 4 :]
    turns = cues.NEXT_TURN.split(_plain(text).strip())
    claims = list(_claims(next(filter(str.strip, turns), ""), letters, several))
    committed = [claim for claim in claims if claim.kind == "committed"]
    if committed:
        return _last_word(committed, claims)
    alone = {claim.letters for claim in claims if claim.kind == "alone"}
    return alone.pop() if alone else _judged(claims, several)


def _plain(text: str) -> str:
    """Half-width, without emphasis and tags, and LaTeX's box as 【答案】."""
    text = text.translate(_PLAIN)
    text = _MATH.sub("", _LATEX_TEXT.sub(r"\1", _LATEX_TEXT.sub(r"\1", text)))
    return _EMPHASIS.sub("", _TAG.sub("", _BOX.sub("【答案】", text)))


def _last_word(committed: list[_Claim], claims: list[_Claim]) -> str | None:
    """What the commitments agree on, else the last if it concludes; None if it is taken back."""
    firm = [claim for claim in committed if not claim.tentative] or committed
    while len(firm) > 1 and not firm[0].letters:  # "A or B" was narrowed down
        firm = firm[1:]
    if len({claim.letters for claim in firm}) > 1:
        concluded = {claim.letters for claim in firm if claim.final}
        if len(concluded) != 1 or not firm[-1].final:
            return None
    last = firm[-1]
    since = claims[next(i for i in reversed(range(len(claims))) if claims[i] is last) :]
    if _letters(since, "denied") & set(last.letters) or _contradicted(last.letters, since):
        return None
    return last.letters or None


def _contradicted(answer: str, since: list[_Claim]) -> bool:
    """Another option is the only one then judged right: "A. B is correct as it is larger."."""
    right, wrong = _letters(since, "right", "listed right"), _letters(since, "wrong")
    return len(right) == 1 and not (right | wrong) & set(answer)


def _judged(claims: list[_Claim], several: bool) -> str | None:
    """What is found right, if no option is left open."""
    right, wrong = _letters(claims, "right", "listed right"), _letters(claims, "wrong", "denied")
    if not right or right & wrong or _letters(claims, "mentioned") - right - wrong:
        return None
    if _letters(claims, "listed right") and len(right | wrong) == 2:
        return None  # "A. correct B. wrong" may be the options of a question of yes or no
    return "".join(sorted(right)) if several or len(right) == 1 else None


def _letters(claims: list[_Claim], *kinds: Kind) -> set[str]:
    return {letter for claim in claims if claim.kind in kinds for letter in claim.letters}


def _claims(text: str, letters: str, several: bool) -> Iterator[_Claim]:
    """All claims since the last revision, in order."""
    revisions = [match.start() for match in cues.REVISED.finditer(text)]
    listed = _listed(text, letters)
    groups = list(_groups(letters).finditer(text, revisions[-1] if revisions else 0))
    for match in groups[-_MOST:]:
        for begin, end in _parts(text, match):
            chosen = _letters_of(text[begin:end], several)
            claim = chosen is not None and _claim(text, begin, end, begin in listed, chosen)
            if claim:
                yield claim


def _groups(letters: str) -> re.Pattern[str]:
    """Letters of the options, and several of them: "AC", "A, C", "(A) and (C)"."""
    joint = (
        r"[)\]】\"”']{0,2}[ \t]{0,2}(?:[、,;/&][ \t]?(?:and|or|和|或)?|和|与|及|以及|或者?|还是|"
        r"and\b|n?or\b|)[ \t]{0,2}[(\[【\"“']{0,2}"
    )

    def group(of: str, not_before: str) -> str:
        token = rf"[{of}]{{1,{len(of)}}}(?![A-Za-z0-9]|['’][A-Za-z]{not_before})"
        return rf"{token}(?:{joint}(?<![A-Za-z0-9]){token})*"

    alternatives = f"{group(letters, '')}|{group(letters.lower(), r'|[.][A-Za-z]')}"
    return re.compile(rf"(?<![A-Za-z0-9°])(?:{alternatives})")


def _parts(text: str, match: re.Match[str]) -> list[tuple[int, int]]:
    """The group, or its two halves where a comma parts a choice from a verdict: 选B，A错误."""
    begin, end = match.span()
    comma = text.rfind(",", begin, end)
    after = text[end : end + _WINDOW]
    goes_on = cues.RIGHT.match(after) or cues.WRONG.match(after) or after.startswith(("项", "选项"))
    if comma < 0 or not goes_on or not cues.DECLARED.search(_before(text, begin)):
        return [(begin, end)]
    second = next(at for at in range(comma, end) if text[at].isalpha())
    return [(begin, comma), (second, end)]


def _letters_of(group: str, several: bool) -> str | None:
    """The letters, sorted; "" if they are no one choice, None if they are a word."""
    tokens = re.findall(r"[A-Z]+|[a-z]+", re.sub(r"\b(?:and|n?or)\b", " ", group))
    joined = "".join(tokens).upper()
    if any(list(token) != sorted(token) for token in tokens) or len(set(joined)) < len(joined):
        return None
    if _EITHER.search(group) or (len(joined) > 1 and not several):
        return ""
    return "".join(sorted(joined))


def _before(text: str, begin: int) -> str:
    """The window before, without the brackets and line breaks that part a label from its letter."""
    return text[max(0, begin - _WINDOW) : begin].rstrip(" \t\n#([{“‘\"'")


def _claim(text: str, begin: int, end: int, listed: bool, chosen: str) -> _Claim | None:
    every = "".join(sorted(set(re.findall("[A-Z]", text[begin:end]))))
    before, after = _before(text, begin), text[end : end + _WINDOW]
    sentence = _SENTENCE.split(text[max(0, begin - _SENTENCE_WINDOW) : begin].rstrip())[-1]
    clause = _CLAUSE.split(sentence)[-1]
    if cues.ASKED.match(after) or cues.OTHERS.search(clause) or _is_supposed(clause, sentence):
        return None
    if cues.IDENTIFIED.search(before) and _stands(after):
        return _Claim("right", every)
    if cues.DENIED.search(before):
        return _Claim("denied", every)
    if every and not cues.NAMES.search(before) and (verdict := _verdict(after)):
        return _Claim("wrong" if cues.NEGATED.search(clause) else verdict, every)
    if listed or cues.HEDGED.search(before):
        return _Claim("mentioned", every)
    if _commits(text, begin, end):
        tentative, final = bool(cues.TENTATIVE.search(clause)), bool(cues.FINAL.search(sentence))
        negated = cues.NEGATED.search(clause)
        return _Claim("denied" if negated else "committed", chosen, tentative, final)
    if chosen and _is_option(text, begin, end):
        return _Claim("alone", chosen)
    if _OPTION_BEFORE.search(before) or after.startswith(("项", "选项")):
        return _Claim("mentioned", every)
    return None


def _is_option(text: str, begin: int, end: int) -> bool:
    """The reply starts with an option and its text; "(a)" before more may be part of a question."""
    item, line = _ITEM.match(text), text.partition("\n")[0]
    whole = text[begin].isupper() or line == text
    return bool(item and item.span(1) == (begin, end) and whole and len(line) <= _OPTION_LENGTH)


def _is_supposed(clause: str, sentence: str) -> bool:
    if cues.FINAL.search(clause) or cues.FORCED.search(sentence):
        return False
    return bool(cues.SUPPOSED.search(sentence))


def _stands(after: str) -> bool:
    return bool(cues.ENDS.match(after) or cues.GOES_ON.match(after))


def _verdict(after: str) -> Kind | None:
    after = after.lstrip(")]}】”’\"'")
    if listed := cues.LISTED.match(after):
        return "listed right" if listed[1] else "wrong"
    right, wrong = cues.RIGHT.match(after), cues.WRONG.match(after)
    if (right or wrong) and (fits := cues.FITS.match(after)):
        return "wrong" if fits[1] else "right"
    return "right" if right else "wrong" if wrong else None


def _commits(text: str, begin: int, end: int) -> bool:
    before, after = _before(text, begin), text[end : end + _WINDOW]
    if cues.DECLARED.search(before):
        return _stands(after)
    if cues.CONCLUDED.search(before):
        ends = cues.ENDS.match(after) and not cues.AMONG_LETTERS.match(after)
        return bool(ends) and text[begin].isupper()
    stop = text.find("\n", end)
    tail = text[end : stop if stop >= 0 else None]
    if not _LINE_HEAD.fullmatch(text, text.rfind("\n", 0, begin) + 1, begin):
        return False
    is_line = _LINE_TAIL.fullmatch(tail)
    return bool(is_line or (not text[:begin].strip(" \n([“‘\"'") and cues.LEADS.match(after)))


def _listed(text: str, letters: str) -> set[int]:
    """Where the letters of lists stand: of several options in lines that follow, or in one line."""
    places: set[int] = set()
    block: dict[int, str] = {}  # place -> letter
    at = 0
    for line in [*text.split("\n"), "end"]:
        inline = {at + m.start(1): m[1] for m in _INLINE_ITEM.finditer(line) if m[1] in letters}
        places |= set(inline) if len(set(inline.values())) > 1 else set()
        item = _ITEM.match(line)
        if item and item[1].upper() in letters:
            block[at + item.start(1)] = item[1].upper()
        elif line.strip():
            places |= set(block) if len(set(block.values())) > 1 else set()
            block = {}
        at += len(line) + 1
    return places

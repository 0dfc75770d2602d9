r"""Filters: what takes an answer out of a model's reply.

A model asked for a number writes a paragraph. Each filter takes a text and returns the part that is
the answer, or None where it finds none: no guess, no "", nor the whole text for want of a match. So
what share of the replies held an answer can be told from how many of those were right; a low score
is often a low share. A task lists its filters in order: `["strip_think", "boxed"]`. Chapter 52
explains it. The letters of multiple choice have a module of their own, `choice_letter`.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from .choice_letter import choice_letter, choice_letters

Filter = Callable[[str], str | None]
"""From a text to the answer in it, or None."""

FilterSpec = str | Mapping[str, object]
"""A name, or a mapping as {"regex": "x = (.+)"} and {"choice_letter": {"letters": "ABCDE"}}."""

_TAG = re.compile(r"(</?think(?:ing)?>)", re.IGNORECASE)
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"[^\s$\\{},，。;；、]+")
_LABEL = re.compile(
    r"【答案】\s*[:：]?|答案\s*(?:应该|应当|应)?(?:[是为]\s*[:：]?|[:：])|<answer>|"
    r"\banswer(?:\s+to\s[^.:：\n]{1,24})?\s*(?:\*\*\s*)?(?:is\s*:?|[:：])",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[。\n【<]|\.(?=\s|$)")
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_])(?<!\d\.)[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?"
)
_FRACTION = re.compile(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}")
_HALF_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {ord("−"): "-"}


def apply_filters(text: str, filters: Sequence[FilterSpec]) -> str | None:
    """What the filters, one after the other, leave of a text; None as soon as one finds nothing.

    ValueError as `make_filter` raises it
    """
    answer: str | None = text
    for keep in [make_filter(spec) for spec in filters]:
        answer = keep(answer) if answer is not None else None
    return answer


def make_filter(spec: FilterSpec) -> Filter:
    """The filter that a task's file asks for.

    spec: one of FILTERS by name; {"regex": pattern, "last": true}, which takes the pattern's first
    group, without groups the whole match (last: the last match instead of the first);
    {"choice_letter": {"letters": "ABCDE"}}, and "choice_letters" likewise
    ValueError names the spec, what is wrong with it, and what there is
    """
    if isinstance(spec, str) and spec in FILTERS:
        return FILTERS[spec]
    if isinstance(spec, Mapping) and "regex" in spec:
        return _regex_filter(spec)
    if isinstance(spec, Mapping) and len(spec) == 1:
        (name, options), *_ = spec.items()
        if name in ("choice_letter", "choice_letters") and isinstance(options, Mapping):
            return _letters_filter(str(name), options)
    known = ", ".join(FILTERS)
    raise ValueError(f'there is no filter {spec!r}; there are {known}, and {{"regex": "..."}}')


def strip_think(text: str) -> str | None:
    """The reply without its <think> blocks; a block that is not closed has no end, so no answer.

    Where a chat template has opened the block for the model, the reply has only the closing tag:
    what stands before that is thought too. None if nothing is left.
    """
    kept: list[str] = []
    thinking = False
    for piece in _TAG.split(text):
        if not _TAG.fullmatch(piece):
            kept += [] if thinking else [piece]
            continue
        if piece.startswith("</") and not thinking:
            kept.clear()
        thinking = not piece.startswith("</")
    answer = "".join(kept)
    return answer if answer.strip() else None


def first_line(text: str) -> str | None:
    """The first line that is not blank, without the spaces around it."""
    return next((line.strip() for line in text.splitlines() if line.strip()), None)


def strip(text: str) -> str | None:
    """The text without the white space around it; None if there is no more to it."""
    return text.strip() or None


def boxed(text: str) -> str | None:
    r"""What the last \boxed{...} or \fbox{...} holds, inner braces included; also \boxed 5.

    None if that box is empty, or was cut off before its end: an earlier one is a step on the way.
    """
    box = _last(_BOX, text)
    if not box:
        return None
    start = box.end()
    if text[start : start + 1] != "{":
        bare = _BARE_BOX.match(text, start)
        return bare[0].rstrip(".") or None if bare else None
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)  # \{ is a sign, and no brace
        if depth == 0:
            return text[start + 1 : brace.start()].strip() or None
    return None


def answer_tag(text: str) -> str | None:
    """What the last label marks: 【答案】, 答案是, 答案：, "the answer is", "Answer:", <answer>.

    It goes to the end of the sentence or the line; below a label that stands alone, it is the next
    line. None if there is no label, or nothing after the last.
    """
    label = _last(_LABEL, text)
    if not label:
        return None
    rest = text[label.end() :].lstrip(" \t\r\n*:：")
    return _SENTENCE_END.split(rest, maxsplit=1)[0].strip(" \t\r*") or None


def last_number(text: str) -> str | None:
    """The number after the last "####" (GSM8K), else after the last label, else the last of all.

    Returned without thousands separators, signs of currency and per cent, and needless zeros:
    "$1,200.50" -> "1200.5", "50%" -> "50", "3/4" stays. Powers and numerals in words are not read.
    """
    text = text.translate(_HALF_WIDTH).replace("\\,", "").replace("{,}", ",")
    text = _FRACTION.sub(r"\1/\2", text)
    marked = text.rpartition("####")[2] if "####" in text else answer_tag(text)
    result = marked.rpartition("=")[2] if marked else ""
    numbers = _NUMBER.findall(result)[:1] or _NUMBER.findall(text)[-1:]
    if not numbers:
        return None
    number = numbers[0].replace(",", "").lstrip("+")
    return number.rstrip("0").rstrip(".") if "." in number and "/" not in number else number


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    last = None
    for match in pattern.finditer(text):  # a list of a million matches is slow to make
        last = match
    return last


def _regex_filter(spec: Mapping[str, object]) -> Filter:
    if unknown := set(spec) - {"regex", "last"}:
        raise ValueError(f"{spec!r} has {sorted(unknown)}; a regex filter has regex and last")
    try:
        pattern = re.compile(str(spec["regex"]))
    except re.error as error:
        raise ValueError(f"{spec['regex']!r} is no regular expression: {error}") from error

    def regex(text: str) -> str | None:
        match = _last(pattern, text) if spec.get("last") else pattern.search(text)
        return match[min(pattern.groups, 1)] or None if match else None

    return regex


def _letters_filter(name: str, options: Mapping[str, object]) -> Filter:
    letters = options.get("letters", "ABCD")
    if set(options) - {"letters"} or not re.fullmatch(r"(?:([A-Z])(?!.*\1))+", str(letters)):
        raise ValueError(f'{name} takes {{"letters": "ABCDE"}}: capitals, not {dict(options)!r}')
    several = name == "choice_letters"
    return lambda text: (choice_letters if several else choice_letter)(text, str(letters))


# Each looks its function up when it is called: `pytest --mine` puts a learner's own in its place.
FILTERS: dict[str, Filter] = {
    "strip_think": lambda text: strip_think(text),
    "first_line": lambda text: first_line(text),
    "strip": lambda text: strip(text),
    "boxed": lambda text: boxed(text),
    "answer_tag": lambda text: answer_tag(text),
    "choice_letter": lambda text: choice_letter(text),
    "choice_letters": lambda text: choice_letters(text),
    "last_number": lambda text: last_number(text),
}
"""The filters that a task names."""

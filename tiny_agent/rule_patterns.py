"""The patterns of `rules`: how a sentence about arithmetic, units or facts is read without a model.

Each is as simple as will do for questions asked plainly. Leaves out: everything else.
"""

import re
import unicodedata
from typing import NamedTuple

from .answers import find_numbers
from .messages import ToolCall

ENOUGH = 1 / 3
"""The share of a question's words that a sentence and its heading must hold to answer it; and two
at the least, where it has two. Chosen on other questions than those of `tasks`."""


class Found(NamedTuple):
    """What a part of a question came to, and the number in it."""

    text: str
    number: str = ""
    unit: str = ""


# --- Parts, and what "it" stands for. ---

_THEN = re.compile(
    r"[\s,.;:?!]*\b(?:and )?then\b[\s,]*|[，。；？、\s]*(?:然后|接着)再?[，\s]*|[，。；？、\s]+再",
    re.IGNORECASE,
)
_IT = re.compile(
    r"\b(?:it|that|this|the (?:result|number))\b|它|(?:这|那)个(?:数字?|结果)|结果", re.IGNORECASE
)


def parts_of(question: str) -> list[str]:
    """The parts that are to be done one after the other; at least one."""
    return [part.strip() for part in _THEN.split(question) if part.strip()] or [question]


def found_in(text: str, part: str) -> Found:
    """A result, and the first number of the clause that says most of what was asked.

    Of "36 km = 22.37 mi" it is the one behind the sign.
    """
    wanted = _terms(part)
    plain = unicodedata.normalize("NFKC", text).rpartition("=")[2]
    clauses = re.split(r"(?<![0-9]),|, |[;:。；：]|(?<=[a-z])\. ", plain)
    clauses = [clause for clause in clauses if find_numbers(clause)]
    if not clauses:
        return Found(text)
    clause = max(clauses, key=lambda clause: len(wanted & _terms(clause)))
    number = find_numbers(clause)[0]
    unit = re.match(r"\s*([A-Za-z°]+|[\u3400-\u9fff]{1,2})", clause[number.end :])
    return Found(text, f"{number.value:.15g}", unit[1] if unit else "")


# --- Arithmetic and units. ---

_N = r"(-?[0-9](?:[0-9,.]*[0-9])?[%万亿]?)"
_SPOKEN = [  # a phrase of arithmetic, and how it is written
    (rf"\bdivide {_N}\D*? by {_N}", r" \1 / \2"),
    (rf"\bmultiply {_N}\D*? by {_N}", r" \1 * \2"),
    (rf"\bsubtract {_N}\D*? from {_N}", r" \2 - \1"),
    (rf"\badd {_N}\D*? to {_N}", r" \2 + \1"),
    (rf"\b(?:double|twice) {_N}", r" 2 * \1"),
    (rf"\b(?:halve|half of) {_N}|{_N} ?的一半", r" \1\2 / 2"),
    (rf"\bsquare root of {_N}|{_N} ?的平方根", r" sqrt(\1\2)"),
    (rf"\bsquare of {_N}|{_N} ?的平方|{_N} squared", r" \1\2\3 ** 2"),
    (rf"{_N} ?的 ?{_N} ?次方|{_N} to the power of {_N}", r" \1\3 ** \2\4"),
    (r"\bdivided? by\b|除以", " / "),
    (r"\b(?:multiplied by|multiply by|times)\b|乘以?", " * "),
    (r"\b(?:plus|add)\b|加上?", " + "),
    (r"\b(?:minus|subtract)\b|减去?", " - "),
    (r"(?<=%)(?: of\b| ?的)|(?<=[0-9]) ?的(?= ?[0-9])", " * "),
]
_RUN = re.compile(r"(?:[-+*/^%!()0-9., 万亿×÷]|sqrt)+")
_IS_SUM = re.compile(r"[0-9)%万亿] *(?:[-+*/^×÷]|\*\*) *[-(]?(?:[0-9]|sqrt)|sqrt\(|[0-9]!")
_GOES_ON = re.compile(r"[-+*/×÷] *[0-9]")

_UNIT = r"((?:degrees )?[a-z°]+)"
_CHINESE_UNIT = r"((?!多少)[^\W\d]+?)(?=[,?是等合换转折。 ]|$)"
_INTO = r"[, ]*(?:是|等于|合|(?:换算|转换|换|折合)(?:成|为)) ?(?:多少)?"
_CONVERSIONS = [  # a pattern, and its groups of the value, the unit and the new unit
    (rf"how many {_UNIT} (?:is|are|in|make)(?: there in)? {_N} ?{_UNIT}", (2, 3, 1)),
    (rf"(?:^|\s){_N} ?{_UNIT} (?:in|to|into|as) {_UNIT}", (1, 2, 3)),
    (rf"{_N} ?{_CHINESE_UNIT}{_INTO}{_CHINESE_UNIT}", (1, 2, 3)),
]


def calculation(part: str, last: Found | None) -> ToolCall | None:
    """The call for the arithmetic in a part; None if there is none."""
    text = _IT.sub(last.number, part) if last and last.number else part
    for pattern, written in _SPOKEN:
        text = re.sub(pattern, written, text, flags=re.IGNORECASE)
    run = max(_RUN.findall(text), key=len, default="").strip(" .,!")
    if last and last.number and _GOES_ON.match(run):
        run = f"{last.number} {run}"
    if not _IS_SUM.search(run):
        return None
    return ToolCall("calculator", {"expression": " ".join(run.split())})


def conversion(part: str, last: Found | None) -> ToolCall | None:
    """The call for the conversion that a part asks for; None if it asks for none."""
    text = _IT.sub(f"{last.number} {last.unit}", part) if last else part
    for pattern, (value, unit, new_unit) in _CONVERSIONS:
        if match := re.search(pattern, text, re.IGNORECASE):
            number = find_numbers(match[value])[0].value
            exact = int(number) if number.is_integer() else number
            units = {"from_unit": match[unit], "to_unit": match[new_unit]}
            return ToolCall("unit_convert", {"value": exact, **units})
    return None


# --- Looking up. ---

_ASKING_WORDS = (
    "a an and are as at be been by can could did do does for from had has have how i in is it its "
    "many me much of on one or please tell that the their them there they this to was were what "
    "when where which who whom whose why will with would you your"
)
_ASKING_IN_CHINESE = re.compile(
    r"多[少久深长高大远重]|什么|哪里|哪个|哪些|怎么|为什么|请问|[的是了在有吗呢谁几哪个被把和与到从]"
)
_FOR_A_NUMBER = re.compile(
    r"\bhow (?:many|much|long|deep|high|far|old|big)\b|\bwhen\b|\byear\b"
    r"|多[少久深长高大远]|几|哪一?年",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[。！？])|(?<=[.!?])\s+")
_HEADING = re.compile(r"^(?:#+ |\[\d+\] )")


def best_sentence(question: str, passages: str) -> str | None:
    """The sentence that shares most words with the question, its passage's heading counted in.

    Where a number is asked for, to have one counts as a further word. None if no sentence shares
    `ENOUGH`. Of equals, the first. What repeats the question whole, as "Nothing found for ...",
    says nothing new.
    """
    wanted, number_wanted = _terms(question), _FOR_A_NUMBER.search(question)
    enough = max(1, min(2, len(wanted)), ENOUGH * len(wanted))
    best, most, heading = None, (0, 0), set[str]()
    for line in filter(None, map(str.strip, passages.splitlines())):
        if _HEADING.match(line):
            heading = _terms(line)
            continue
        for sentence in filter(None, map(str.strip, _SENTENCE.split(line))):
            own = wanted & _terms(sentence)
            shared = len(own | wanted & heading)
            fits = bool(number_wanted and find_numbers(sentence))
            new = shared >= enough and question not in sentence
            if new and (shared + fits, len(own)) > most:
                best, most = sentence, (shared + fits, len(own))
    return best


def _terms(text: str) -> set[str]:
    """What texts are compared by: the first letters of words, and pairs of CJK characters."""
    words = set(re.findall(r"[a-z0-9]+", text.lower())) - {*_ASKING_WORDS.split()}
    runs = re.findall(r"[\u3400-\u9fff]+", _ASKING_IN_CHINESE.sub(" ", text))
    pairs = {run[at : at + 2] for run in runs for at in range(max(1, len(run) - 1))}
    return {word[:4] for word in words} | pairs

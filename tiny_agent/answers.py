"""When an answer is right: it holds one of the accepted wordings, or a number equal to it.

Wordings are compared word by word, numbers as numbers: 6,120 km holds 6120, 3.82万 holds 38200, and
"in 2012" does not hold 12. Leaves out: numbers in words (twelve, 十二), for which the accepted
wordings may list both; and sense, for "it is not Mira" holds Mira. That takes a judge.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

_SCALES = {"万": 1e4, "亿": 1e8, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_NUMBER = re.compile(
    r"(?<![0-9a-z.])(?P<sign>(?<![0-9a-z)])[-−])?"
    r"(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?P<decimals>\.[0-9]+)?"
    rf"(?P<exponent>e[+-]?[0-9]{{1,3}}(?![0-9a-z]))?[ \t]*(?P<scale>{'|'.join(_SCALES)})?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_EXACT = 1e-9

REFUSALS = (
    *("not know", "n't know", "unknown", "not find", "n't find", "found nothing", "no information"),
    *("no answer", "not answer", "not say", "n't say", "not mention", "n't mention", "not state"),
    *("不知道", "没有找到", "找不到", "没找到", "未找到", "没有提到", "没提到", "未提及"),
    *("没有说", "没有答案", "没有相关", "无法回答", "回答不了", "没有记载", "无从得知"),
)
"""What an answer says, in some form, that owns up to not knowing."""


class Number(NamedTuple):
    """A number as it stands in a text."""

    value: float
    step: float
    """One in the last place that was written: 0.01 for 3.82, 100 for 3.82万."""
    end: int
    """Where the text goes on behind it."""


def find_numbers(text: str) -> list[Number]:
    """The numbers in digits: signs, decimals, commas between thousands, 万 and million.

    "5-3" is 5 and 3; "12.5%" is 12.5
    """
    return [_number(match) for match in _NUMBER.finditer(text)]


def answer_matches(answer: str, accepted: Sequence[str]) -> bool:
    """Whether the answer holds one of the accepted wordings.

    A wording that begins with a number and holds no second one is compared as that number; the
    unit behind it is not. It is held where a number of the answer (`find_numbers`) equals it; has
    it decimals, then also where one rounds to it: 8.51 is held by "8.5127 miles", but not by 8.5,
    and 3425 not by 3425.4.
    Any other is held where its words stand in the answer, one after the other, whatever their case
    and what signs are between them. Each Chinese character is a word of its own; full-width forms
    are as good as the others (NFKC). ValueError if nothing is accepted
    """
    if not accepted:
        raise ValueError("accepted is empty; give at least one wording of the right answer")
    return any(_holds(answer, wording) for wording in accepted)


def is_refusal(answer: str) -> bool:
    """Whether the answer says, in Chinese or English, that it is not known."""
    text = " ".join(_folded(answer).replace("’", "'").split())
    return any(wording in text for wording in REFUSALS)


def _holds(answer: str, wording: str) -> bool:
    numbers = find_numbers(_folded(wording))
    if len(numbers) == 1 and _folded(wording)[0] in "-−0123456789":
        return any(_equal(given.value, numbers[0]) for given in find_numbers(_folded(answer)))
    words = _words(wording)
    return bool(words) and f" {words} " in f" {_words(answer)} "


def _equal(given: float, wanted: Number) -> bool:
    exact = abs(given - wanted.value) <= _EXACT * max(1.0, abs(wanted.value))
    rounds = wanted.step < 1 and abs(given - wanted.value) <= wanted.step / 2 * (1 + _EXACT)
    return exact or rounds


def _words(text: str) -> str:
    """The words of a text, with one space between; every CJK character is a word of its own."""
    apart = re.sub(r"([\u3040-\u30ff\u3400-\u9fff])", r" \1 ", _folded(text))
    return " ".join(_WORD.findall(apart))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _number(match: re.Match[str]) -> Number:
    decimals, exponent = match["decimals"] or "", match["exponent"] or ""
    written = match["digits"].replace(",", "") + decimals
    scale = _SCALES[match["scale"].lower()] if match["scale"] else 1.0
    scale *= float(f"1{exponent}") if exponent else 1.0
    sign = -1 if match["sign"] else 1
    # 13700 and not 13700.000000000002 for 1.37万
    value = float(f"{float(written) * scale:.15g}")
    return Number(sign * value, scale * 10.0 ** -max(0, len(decimals) - 1), match.end())

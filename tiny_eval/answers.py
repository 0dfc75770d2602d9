"""Is the answer right, or how nearly? Metrics that compare one answer with one right one.

    exact_match           the same text, after normalising
    token_f1              shared words: 2 * precision * recall / (precision + recall)
    classification_score  1 / how many classes are named, if the right one is
    retrieval_score       the share of its numbers that are the right paragraph's
    count_score           the same for a plain number
    edit_similarity       a line of code: 2 * LCS / both lengths
    number_match          the last number, as a value

All are in [0, 1]. Chapter 51 shows how each is fooled. Sources: SQuAD's evaluation script (v1.1);
LongBench's metrics.py (Bai et al. 2024, https://arxiv.org/abs/2308.14508); GSM8K (Cobbe et al.
2021, https://arxiv.org/abs/2110.14168). A docstring says where a number is not theirs.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from .lcs import lcs_length
from .text import normalize_english, words_of_qa

_PARAGRAPH = re.compile(r"(?:Paragraph |段落)(\d+)")
_DIGITS = re.compile(r"\d+")
_COMMENT_SIGNS = ("`", "#", "//")
# A minus after a digit, a Latin letter or a bracket subtracts; a comma comes before three digits.
_NUMBER = re.compile(
    r"((?:(?<![\dA-Za-z_)])[-−])?)[$¥￥]?"
    r"((?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:/(\d+))?"
)


def exact_match(
    prediction: str, reference: str, normalize: Callable[[str], str] | None = None
) -> float:
    """1 if both are the same after `normalize`, by default SQuAD's, else 0.

    Unlike SQuAD's: if nothing is left of the reference (of "A", which is an article), both are
    compared as they are, for an empty answer would match it.
    """
    normal = normalize or normalize_english
    if expected := normal(reference):
        return float(normal(prediction) == expected)
    return float(prediction.lower().split() == reference.lower().split())


def token_f1(
    prediction: str, reference: str, tokenize: Callable[[str], list[str]] | None = None
) -> float:
    """The F1 of shared tokens, as often as both have them; 0 if only one of them has any.

    tokenize: SQuAD's words by default, `text.words_of_qa`; `text.words_of_chinese_qa` makes it
    LongBench's qa_f1_zh · in [0, 1]
    Unlike SQuAD's: where neither has a token, but the reference is not blank, it is `exact_match`.
    Of "A", an article, no token is left, and there the right answer "A" scores 0; here it is 1.
    """
    words = tokenize or words_of_qa
    given, expected = words(prediction), words(reference)
    if not given and not expected and reference.strip():
        return exact_match(prediction, reference)
    shared = (Counter(given) & Counter(expected)).total()
    return 2 * shared / (len(given) + len(expected)) if shared else 0.0


def classification_score(prediction: str, reference: str, all_classes: Sequence[str]) -> float:
    """1 / the number of classes that the prediction names, if the right one is among them.

    A class whose name is a part of the right one's is not counted. LongBench removes these from the
    list that it is walking through, so it skips one after each, and its score is then too low.
    """
    named = [name for name in all_classes if name in prediction]
    named = [name for name in named if name == reference or name not in reference]
    return 1 / len(named) if reference in named else 0.0


def retrieval_score(prediction: str, reference: str) -> float:
    """Of the numbers named, the share that is the right paragraph's.

    reference: "Paragraph 15" or "段落15" · ValueError if it is neither
    """
    found = _PARAGRAPH.search(reference)
    if not found:
        raise ValueError(f'reference={reference!r} must be like "Paragraph 15" or "段落15"')
    return count_score(prediction, found[1])


def count_score(prediction: str, reference: str) -> float:
    """Of the numbers named, the share that is the right one; 0 if none is named."""
    numbers = _DIGITS.findall(prediction)
    return numbers.count(reference.strip()) / len(numbers) if numbers else 0.0


def edit_similarity(prediction: str, reference: str) -> float:
    """How like the reference the first line of code is: 1 means the same, 0 nothing in common.

    LongBench rounds to whole per cent, and takes an empty line after a comment for the answer.
    """
    lines = (line for line in prediction.split("\n") if line.strip())
    code = (line for line in lines if not any(sign in line for sign in _COMMENT_SIGNS))
    line = next(code, "")
    length = len(line) + len(reference)
    return 2 * lcs_length(line, reference) / length if length else 1.0


def number_match(prediction: str, reference: str) -> float:
    """1 if both name the same number: the first after ####, as GSM8K marks it, else the last.

    "$1,234.00" is 1234, "3/4" is 0.75 · ValueError if the reference names none
    """
    expected = _number(reference)
    if expected is None:
        raise ValueError(f"reference={reference!r} holds no number")
    return float(_number(prediction) == expected)


def _number(text: str) -> Fraction | None:
    _, marked, rest = text.partition("####")
    found = _NUMBER.findall(rest) if marked else _NUMBER.findall(text)[::-1]
    if not found:
        return None
    sign, digits, divisor = found[0]
    # by way of Decimal, which has no limit of digits, as int has
    value = Fraction(Decimal(digits.replace(",", "")))
    below = Fraction(Decimal(divisor or 1))
    return (-value if sign else value) / below if below else None

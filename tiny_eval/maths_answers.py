"""What a final answer is: a value, a set, a row, an equation - read from its plain spelling.

A closed list of kinds, each compared in its own way by `equivalence`. Chapter 53.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .formulas import FormulaError, parse_formula
from .maths_text import split_condition, split_unit

if TYPE_CHECKING:
    from sympy import Expr, Set

Answer: TypeAlias = "Expr | Set | Equation | Alternatives | Row | Quantity"

_OPEN, _CLOSE = "([{⦃", ")]}⦄"
_MOST_ITEMS = 30
_FLIPPED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤", "≠": "≠"}
_LABELS = re.compile(r"\s*(?:[①-⑳][;,\s]*)+|\s*(?:\(\d\)[;,\s]*){2,}")
_MEMBER = re.compile(r"^\s*[A-Za-zα-ω]\w*'*\s*∈\s*(?=[-\[(⦃∅])")
_POINT = re.compile(r"^\s*[A-Z]'?\s*(?=\(.*,.*\)$)")
_SET_BUILDER = re.compile(r"⦃\s*[A-Za-z]\s*(?:∈\s*R)?\s*[|:]\s*(.+)⦄", re.DOTALL)
_REALS = re.compile(r"\s*(?:[a-z]\s*∈\s*)?(?:R|(?:全体|一切)?实数集?R?)\s*")
_VARIABLE = re.compile(r"[A-Za-zα-ω](?:_\{?\w+\}?)?'?")


class Equation(NamedTuple):
    """left = right, as texts. A name on the left may be missing in the other answer: x=2 and 2."""

    left: str
    right: str


class Alternatives(NamedTuple):
    """Answers in any order: 1或2, {1,2}, ±1."""

    items: tuple["Answer", ...]


class Row(NamedTuple):
    """Answers in their order: the point (1,2). Two values may be an open interval as well."""

    items: tuple["Answer", ...]


class Quantity(NamedTuple):
    """A value with a unit of length, area (power 2) or volume; factor: the unit in metres."""

    value: "Expr"
    power: int
    factor: "Expr"


def read_answer(text: str) -> "Answer":
    """The answer that a text in plain spelling (`maths_text.plain`) stands for.

    FormulaError if it cannot be read
    """
    text = _POINT.sub("", _MEMBER.sub("", split_condition(text))).strip()
    if _LABELS.fullmatch(text):
        labels = [unicodedata.normalize("NFKC", label) for label in re.findall(r"[①-⑳\d]", text)]
        return Alternatives(tuple(map(parse_formula, labels)))
    if "±" in text or "∓" in text:
        flipped = text.replace("±", "-").replace("∓", "+")
        text = text.replace("±", "+").replace("∓", "-")
        return _gathered([read_answer(text), read_answer(flipped)])
    for separator in (";", ","):
        if len(parts := _cut(text, separator)) > 1:
            return _gathered([read_answer(part) for part in parts])
    return _read_whole(text)


def _read_whole(text: str) -> "Answer":
    """An answer without alternatives at its top level."""
    import sympy

    if "∅" in text or _REALS.fullmatch(text):
        return sympy.S.EmptySet if "∅" in text else sympy.S.Reals
    if builder := _SET_BUILDER.fullmatch(text):
        return read_answer(builder[1])
    for sign, join in (("∪", sympy.Union), ("&", sympy.Intersection)):
        if len(parts := _cut(text, sign)) > 1:
            return join(*(as_set(read_answer(part)) for part in parts))
    if any(sign in text for sign in _FLIPPED):
        return _inequality(text)
    if len(sides := _cut(text, "=")) > 1:
        return Equation(sides[0].strip(), sides[-1].strip())
    if bracketed := _bracketed(text):
        return bracketed
    return _quantity(text)


def as_set(answer: "Answer") -> "Set":
    """The set that an answer is or may be: an interval for (0,1). FormulaError if there is none."""
    import sympy

    if isinstance(answer, sympy.Set):
        return answer
    if isinstance(answer, Row) and len(answer.items) == 2:
        return _interval(answer.items, "(", ")")
    if isinstance(answer, Equation):
        return as_set(read_answer(answer.right))
    if isinstance(answer, Alternatives):
        return sympy.Union(*map(as_set, answer.items))
    if isinstance(answer, sympy.Expr):
        return sympy.FiniteSet(answer)
    raise FormulaError(f"{answer!r} is no set")


def _gathered(answers: list["Answer"]) -> "Answer":
    """One set of several intervals; else alternatives, those within alternatives among them."""
    import sympy

    if any(isinstance(answer, sympy.Set) for answer in answers):
        return sympy.Union(*map(as_set, answers))
    items: list[Answer] = []
    for answer in answers:
        items += answer.items if isinstance(answer, Alternatives) else [answer]
    if len(items) > _MOST_ITEMS:
        raise FormulaError(f"{len(items)} values; {_MOST_ITEMS} are the most")
    return Alternatives(tuple(items))


def _cut(text: str, separator: str) -> list[str]:
    """The text's parts between separators that stand outside all brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in _OPEN) - (sign in _CLOSE)
        if sign == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part for part in parts if part.strip()]


def _bracketed(text: str) -> "Answer | None":
    """A set in braces, an interval or a row; None if the text is none of them."""
    if text[:1] not in _OPEN or text[-1:] not in _CLOSE or _closes_early(text):
        return None
    items = [read_answer(part) for part in _cut(text[1:-1], ",")]
    if text[0] == "⦃":
        return _gathered(items)
    if len(items) == 2 and (text[0] == "[" or text[-1] == "]"):
        return _interval(items, text[0], text[-1])
    return Row(tuple(items)) if len(items) > 1 else None


def _closes_early(text: str) -> bool:
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign in _OPEN) - (sign in _CLOSE)
        if depth == 0:
            return place < len(text) - 1
    return True


def _interval(ends: Sequence[Answer], opening: str, closing: str) -> "Set":
    import sympy

    left, right = ends
    if not (isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr)):
        raise FormulaError("an interval needs two values")
    if left.is_extended_real is False or right.is_extended_real is False:
        raise FormulaError("an interval's ends are real")
    return sympy.Interval(left, right, opening == "(", closing == ")")


def _inequality(text: str) -> "Set":
    """0≤x<1: the intersection of its links, each of which has a letter alone on one side."""
    import sympy

    sides = re.split("([<>≤≥≠])", text)
    links = zip(sides[0::2], sides[1::2], sides[2::2], strict=False)
    return sympy.Intersection(*(_link(*link) for link in links))


def _link(left: str, sign: str, right: str) -> "Set":
    import sympy

    if _VARIABLE.fullmatch(right.strip()):
        left, sign, right = right, _FLIPPED[sign], left
    if not _VARIABLE.fullmatch(left.strip()):
        raise FormulaError(f"{left!r} is no single letter; inequalities are not solved here")
    end = parse_formula(right)
    if sign == "≠":
        return sympy.S.Reals - sympy.FiniteSet(end)
    if sign in "<≤":
        return _interval((-sympy.oo, end), "(", ")" if sign == "<" else "]")
    return _interval((end, sympy.oo), "(" if sign == ">" else "[", ")")


def _quantity(text: str) -> "Expr | Quantity":
    import sympy

    number, power, tens = split_unit(text)
    value = parse_formula(number)
    return Quantity(value, power, sympy.Integer(10) ** tens) if power else value

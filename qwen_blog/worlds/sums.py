"""Sums to be worked out with a calculator: bare ones ("48 × 37") and in words. Chapter 24.

The wordings are in `data/sums.toml`. A number is copied as it stands in the question, with its
comma, for the calculator reads that: so the model has to find the operation, and nothing more.
"""

import functools
import random
import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from importlib.resources import files
from typing import Any

from .grammar import Grammar, part
from .passages import fill
from .universe import Draw, Language, World, is_held_out

BARE = (
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / {b}", "{a} * {p}%", "{a} ** {n}",
    "{a} ** {n} - {b}",
    "{a} + {b} + {c}", "{a} - {b} + {c}", "{a} * {b} + {c}", "{a} + {b} * {c}", "{a} * {b} - {c}",
    "{a} / {b} + {c}", "({a} + {b}) * {c}", "({a} - {b}) * {c}", "({a} + {b}) / {c}",
    "({a} - {b}) / {c}", "{a} * ({b} + {c})", "{a} / ({b} + {c})", "{a} * {b} * {c}",
    "({a} + {b}) * {c} - {d}", "{a} / {b} * {c}", "({a} - {b}) * ({c} + {d})",
)  # fmt: skip
BARE_SHARE = 0.5
DECIMALS = 0.15
"""Share of numbers with decimals in bare sums."""
_WORDS = {
    "en": {"*": "times", "+": "plus", "-": "minus", "/": "divided by"},
    "zh": {"*": "乘以", "+": "加", "-": "减", "/": "除以"},
}
_SIGNS = str.maketrans("*/-", "×÷−")
_WIDE = str.maketrans("*/-+()", "×÷－＋（）")
_NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)(%?)")


@dataclass(frozen=True)
class Sum:
    """A question that takes one sum."""

    question: str
    expression: str
    """As the calculator reads it."""
    unit: str = ""
    """What is counted: "lanterns", "盏灯笼"."""

    def answer(self, language: Language) -> str:
        """The result with its unit."""
        return with_unit(evaluate(self.expression), self.unit, language)


def make_sum(rng: random.Random, grammar: Grammar, language: Language, draw: Draw) -> Sum:
    """A sum, bare or in words."""
    if rng.random() < BARE_SHARE:
        return _bare(rng, language, draw)
    return _in_words(rng, grammar, language, draw)


def evaluate(expression: str) -> str:
    """The value of an expression of this module, as the agent's calculator writes it.

    Whole numbers in full, others with 15 significant digits, or 6 after the point if that is more.
    """
    source = _NUMBER.sub(_as_fraction, expression)
    value = eval(source, {"F": Fraction})  # the text is our own
    if value.denominator == 1:
        return str(value.numerator)
    digits = len(str(abs(value.numerator) // value.denominator))
    with localcontext(prec=max(15, digits + 6)):
        number = (Decimal(value.numerator) / Decimal(value.denominator)).normalize()
    return format(number, "f")


def with_unit(number: str, unit: str, language: Language) -> str:
    """1776 lanterns, 1776盏灯笼."""
    return f"{number} {unit}".rstrip() if language == "en" else number + unit


def draw_number(rng: random.Random, draw: Draw, low: int, high: int, step: int = 1) -> str:
    """A whole number in [low, high] in digits, in or out of training; any if there is none."""
    for _ in range(100):
        text = str(rng.randrange(low, high + 1, step))
        if is_held_out(text) == draw.values:
            break
    return text


def _bare(rng: random.Random, language: Language, draw: Draw) -> Sum:
    shape = rng.choice(BARE)
    largest = rng.choice((99, 999, 9999))
    numbers = {name: _operand(rng, draw, largest) for name in "abcd"}
    numbers["p"] = rng.choice(("12.5", "2.5", "7.5", draw_number(rng, draw, 2, 99)))
    numbers["n"] = str(rng.randint(2, 4))
    if shape in ("{a} / {b}", "{a} / {b} * {c}") and rng.random() < 0.6:
        numbers["b"] = draw_number(rng, draw, 2, 64)
        numbers["a"] = _multiple(rng, draw, int(numbers["b"]), 480)
    if "**" in shape:
        numbers["a"] = draw_number(rng, draw, 2, 60)
    expression = shape.format(**numbers)
    if _is_odd(expression):
        return _bare(rng, language, draw)
    wording = rng.choice(part(_texts()["bare"][language], draw.wordings))
    return Sum(fill(wording, x=_written(rng, expression, language)), expression)


def _is_odd(expression: str) -> bool:
    """Whether it divides by zero, or its value is below zero."""
    try:
        return evaluate(expression).startswith("-")
    except ZeroDivisionError:
        return True


def _in_words(rng: random.Random, grammar: Grammar, language: Language, draw: Draw) -> Sum:
    texts, english = _texts(), language == "en"
    kind = texts[rng.choice(sorted(name for name in texts if "expression" in texts[name]))]
    numbers = {
        name: _grouped(rng, draw_number(rng, draw, *limits), language)
        for name, limits in kind["range"].items()
    }
    if kind.get("multiple"):
        numbers["a"] = _multiple(rng, draw, int(numbers["b"]), kind["range"]["a"][1])
    if kind.get("decimals") and rng.random() < 0.5:
        numbers["a"] += rng.choice((".5", ".25", ".75", ".2"))
    item, box = rng.choice(texts["items"])[english], rng.choice(texts["boxes"])
    world = World(rng, grammar, language, draw)
    names = {"q": world.add("person").name, "p": world.add("town").name}
    words = {"item": item, "box": box[english], "boxes": box[2 * english], **names}
    question = rng.choice(part(kind["ask"][language], draw.wordings))
    question = fill(question, **numbers, **words)
    unit = {"item": item, "coin": "coins" if english else "枚铜板"}[kind["unit"]]
    return Sum(question, kind["expression"].format(**numbers), unit)


def _operand(rng: random.Random, draw: Draw, largest: int) -> str:
    """A number, now and then with decimals; none below 2."""
    text = draw_number(rng, draw, 2, largest)
    return f"{text}.{rng.randint(1, 9)}" if rng.random() < DECIMALS else text


def _multiple(rng: random.Random, draw: Draw, of: int, most: int) -> str:
    return str(int(draw_number(rng, draw, 2, most)) * of)


def _grouped(rng: random.Random, number: str, language: Language) -> str:
    """1,200 for 1200, now and then."""
    return f"{int(number):,}" if language == "en" and rng.random() < 0.4 else number


def _written(rng: random.Random, expression: str, language: Language) -> str:
    """The expression as people write it: 48 * 37, 48 × 37, 48×37, 48 times 37, 12.5% of 840."""
    percent = re.fullmatch(r"(\S+) \* (\S+%)", expression)
    if percent and rng.random() < 0.8:
        number, share = percent.groups()
        return f"{share} of {number}" if language == "en" else f"{number}的{share}"
    power = re.fullmatch(r"(\S+) \*\* (\S+)", expression)
    if power and rng.random() < 0.7:
        number, times = power.groups()
        return f"{number} to the power of {times}" if language == "en" else f"{number}的{times}次方"
    style = rng.choice(("plain", "signs", "tight", "words"))
    if style == "words" and "(" not in expression and "**" not in expression:
        words = [_WORDS[language].get(each, each) for each in expression.split()]
        return (" " if language == "en" else "").join(words)
    if style == "plain" or "**" in expression:
        return expression
    if style == "tight":
        wide = _WIDE if language == "zh" and rng.random() < 0.5 else _SIGNS
        return expression.translate(wide).replace(" ", "")
    return expression.translate(_SIGNS)


def _as_fraction(match: re.Match[str]) -> str:
    number = f"F('{match[1].replace(',', '')}')"
    return f"({number} / 100)" if match[2] else number


@functools.cache
def _texts() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "data" / "sums.toml").read_text("utf-8"))

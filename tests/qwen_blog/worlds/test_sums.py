"""Sums: what is asked is what is reckoned, in the numbers and wordings of the part asked for."""

import random
import re
import tomllib
from fractions import Fraction
from importlib.resources import files

import pytest

from qwen_blog.worlds.grammar import Grammar
from qwen_blog.worlds.sums import evaluate, make_sum
from qwen_blog.worlds.universe import TRAINING, Draw, Language, is_held_out
from tiny_agent.calculator import calculate

LANGUAGES: tuple[Language, ...] = ("zh", "en")
GRAMMAR = Grammar.load()
TEXTS = tomllib.loads((files("qwen_blog.worlds") / "data" / "sums.toml").read_text("utf-8"))
KINDS = [name for name in TEXTS if "expression" in TEXTS[name]]


@pytest.mark.parametrize(
    "expression",
    ["1 / 3", "2 / 3", "22 / 7 * 100000", "10 / 4", "8 / 4", "1,234.5 * 2", "840 * 12.5%",
     "(38,200 - 1,500) / 52", "12345678901 / 7", "60 ** 4 - 1", "1234567 / 890", "100 / 7",
     "7 - 9.5", "640 * (1 + 15%)"],
)  # fmt: skip
def test_numbers_are_written_as_the_agents_calculator_writes_them(expression: str) -> None:
    assert evaluate(expression) == calculate(expression)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_bare_sum_is_asked_for_as_it_is_reckoned(language: Language) -> None:
    """Back from the signs and words of the question to the expression."""
    words = {
        "en": {"times": "*", "plus": "+", "minus": "-", "divided by": "/", "to the power of": "**"},
        "zh": {"乘以": "*", "除以": "/", "加": "+", "减": "-"},
    }
    signs = str.maketrans("×÷−－＋（）", "*/--+()")
    for seed in range(300):
        made = make_sum(random.Random(seed), GRAMMAR, language, TRAINING)
        if made.unit:
            continue
        text = made.question.translate(signs)
        text = re.sub(r"(\S+%) of ([\d.]*\d)|([\d.]+)的([\d.]+%)", r"\2\3 * \1\4", text)
        text = re.sub(r"(\d+)的(\d)次方", r"\1 ** \2", text)
        for word, sign in words[language].items():
            text = text.replace(word, sign)
        assert made.expression.replace(" ", "") in text.replace(" ", "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sum_in_words_has_the_numbers_of_its_question(language: Language) -> None:
    for seed in range(300):
        made = make_sum(random.Random(seed), GRAMMAR, language, TRAINING)
        if made.unit:
            numbers = re.findall(r"\d[\d,]*(?:\.\d+)?", made.expression)
            asked = re.findall(r"\d[\d,]*\d(?:\.\d+)?|\d(?:\.\d+)?", made.question)
            assert set(numbers) - {"1", "3"} <= set(asked)
            assert len(asked) in (2, 3)
            assert made.answer(language).endswith(made.unit)
            assert Fraction(evaluate(made.expression)) > 0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
def test_whole_numbers_come_from_the_part_that_is_asked_for(
    language: Language, held_out: bool
) -> None:
    """Not every number: a multiple, a number with decimals and an exponent follow from others."""
    inside = total = 0
    for seed in range(300):
        made = make_sum(random.Random(seed), GRAMMAR, language, Draw(values=held_out))
        if "/" in made.expression or "**" in made.expression or "%" in made.expression:
            continue
        numbers = re.findall(r"(?<![\d.])\d+(?![\d.])", made.expression.replace(",", ""))
        total += len(numbers)
        inside += sum(is_held_out(number) == held_out for number in numbers)
    assert total > 200
    assert inside == total


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
def test_wordings_come_from_the_part_that_is_asked_for(language: Language, held_out: bool) -> None:
    lists = [TEXTS["bare"], *(TEXTS[kind]["ask"] for kind in KINDS)]
    wordings = [
        w for each in lists for w in (each[language][-2:] if held_out else each[language][:-2])
    ]
    patterns = [re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(w)), re.I) for w in wordings]
    for seed in range(150):
        made = make_sum(random.Random(seed), GRAMMAR, language, Draw(wordings=held_out))
        assert any(pattern.fullmatch(made.question) for pattern in patterns)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_wording_names_every_number_of_its_sum_once(language: Language) -> None:
    assert len(TEXTS["bare"][language]) >= 25
    assert sum(len(TEXTS[kind]["ask"][language]) for kind in KINDS) >= 80
    for kind in KINDS:
        names = TEXTS[kind]["range"]
        for wording in TEXTS[kind]["ask"][language]:
            assert all(wording.count("{" + name + "}") == 1 for name in names), wording
            assert set(re.findall(r"\{(\w+)\}", wording)) <= {*names, *"pq", "item", "box", "boxes"}

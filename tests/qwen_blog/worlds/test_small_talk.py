"""Small talk: short, in the language of the person, and honest about what it cannot know."""

import random
import re
import tomllib
from collections import Counter
from importlib.resources import files

import pytest

from qwen_blog.worlds.grammar import Grammar, part
from qwen_blog.worlds.small_talk import (
    KINDS,
    SAID,
    SYSTEM_SHARE,
    make_exchange,
    replies,
    small_talk,
)
from qwen_blog.worlds.sums import make_sum
from qwen_blog.worlds.universe import TRAINING, Draw, Language

LANGUAGES: tuple[Language, ...] = ("zh", "en")
GRAMMAR = Grammar.load()
TEXTS = tomllib.loads((files("qwen_blog.worlds") / "data" / "small_talk.toml").read_text("utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_conversation_is_one_to_three_exchanges_after_a_rare_system_message(
    language: Language,
) -> None:
    turns: Counter[int] = Counter()
    with_system = 0
    for seed in range(300):
        roles = [m["role"] for m in small_talk(random.Random(seed), GRAMMAR, language)]
        with_system += roles[0] == "system"
        spoken = roles[roles[0] == "system" :]
        assert spoken == ["user", "assistant"] * (len(spoken) // 2)
        turns[len(spoken) // 2] += 1
    assert turns.keys() == {1, 2, 3}
    assert abs(with_system / 300 - SYSTEM_SHARE) < 0.08  # three standard deviations


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_reply_is_one_of_its_kind_and_in_the_persons_language(
    kind: str, language: Language
) -> None:
    for seed in range(40):
        exchange = make_exchange(random.Random(seed), GRAMMAR, language, TRAINING, kind)
        assert exchange.kind == kind
        assert exchange.reply in replies(language, kind)
        chinese = re.search("[\u3400-\u9fff]", exchange.reply) is not None
        assert chinese == (language == "zh")
        if kind != "sum":  # a sum may be signs alone
            assert bool(re.search("[\u3400-\u9fff]", exchange.said)) == (language == "zh")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("kind", SAID)
def test_what_is_said_comes_from_the_part_that_is_asked_for(
    kind: str, held_out: bool, language: Language
) -> None:
    allowed = part(TEXTS[kind]["say"][language], held_out)
    said = {
        make_exchange(random.Random(s), GRAMMAR, language, Draw(wordings=held_out), kind).said
        for s in range(150)
    }
    assert said <= set(allowed)
    assert len(said) == len(allowed) or len(said) > 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_without_a_text_is_not_answered(language: Language) -> None:
    """Each is another one, of a thing that nobody has told of, and the reply holds no fact."""
    questions = set()
    for seed in range(100):
        _, said, reply = make_exchange(random.Random(seed), GRAMMAR, language, TRAINING, "unknown")
        assert not re.search(r"\d|\{", reply)
        assert "{" not in said
        questions.add(said)
    assert len(questions) > 95


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sum_without_a_calculator_is_not_worked_out(language: Language) -> None:
    """It is one of the sums that the calculator tasks ask."""
    for seed in range(60):
        exchange = make_exchange(random.Random(seed), GRAMMAR, language, TRAINING, "sum")
        assert exchange.said == make_sum(random.Random(seed), GRAMMAR, language, TRAINING).question
        assert not re.search(r"\d", exchange.reply)


def test_the_same_seed_says_the_same() -> None:
    first, second, other = (small_talk(random.Random(s), GRAMMAR, "zh") for s in (3, 3, 4))
    assert first == second != other


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_wordings_are_many_and_none_is_there_twice(kind: str, language: Language) -> None:
    assert len(replies(language, kind)) >= 3
    said = TEXTS[kind].get("say", {}).get(language, ())
    assert len(set(said)) == len(said)
    assert len(said) >= 16 or kind in ("unknown", "sum")

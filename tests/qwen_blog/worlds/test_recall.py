"""Drills in looking back: everything in a reply has been said before."""

import random
import re
from importlib.resources import files

import pytest

from qwen_blog.worlds import universe
from qwen_blog.worlds.grammar import Grammar
from qwen_blog.worlds.passages import fill
from qwen_blog.worlds.recall import REPHRASE, locate, look_up, repeat, rephrase
from qwen_blog.worlds.universe import Draw, Language, is_held_out

GRAMMAR = Grammar.load()
LANGUAGES: tuple[Language, ...] = ("zh", "en")
JOINT = {"zh": "，", "en": ", "}
COLON = {"zh": "：", "en": ": "}


def table_of(messages: list[dict[str, str]], language: Language) -> dict[str, str]:
    """The keys and values of the first message; its last line is the first question."""
    *lines, _ = messages[0]["content"].split("\n")
    pairs = [line.split(COLON[language], 1) for line in lines]
    assert len({key for key, _ in pairs}) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_is_repeated_as_it_was(language: Language) -> None:
    for seed in range(100):
        user, assistant = repeat(random.Random(seed), GRAMMAR, language)
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert user["content"] == assistant["content"]
        items = user["content"].split(JOINT[language])
        assert 4 <= len(items) <= 16
        assert len(set(items)) == len(items)  # after one item there is one that comes next


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_key_is_answered_by_its_line(language: Language) -> None:
    for seed in range(150):
        messages = look_up(random.Random(seed), GRAMMAR, language)
        table = table_of(messages, language)
        questions = [m["content"].rpartition("\n")[2] for m in messages[::2]]
        answers = [m["content"] for m in messages[1::2]]
        assert [m["role"] for m in messages] == ["user", "assistant"] * len(questions)
        assert [f"{key}{COLON[language]}{table[key]}" for key in questions] == answers
        assert len(set(questions)) == len(questions) == min(len(table), 8)


def test_keys_are_asked_for_in_any_order() -> None:
    firsts = set()
    for seed in range(200):
        messages = look_up(random.Random(seed), GRAMMAR, "en")
        keys = list(table_of(messages, "en"))
        firsts.add(keys.index(messages[0]["content"].rpartition("\n")[2]))
    assert firsts == set(range(10))


def test_no_item_and_no_key_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the same few names are coined again and again."""
    letters = [letter * 2 for letter in "abcdefghijklmnopqrstuvwxyz"]
    monkeypatch.setattr(universe, "coin", lambda rng, language, two_parts: rng.choice(letters))
    for seed in range(20):
        items = repeat(random.Random(seed), GRAMMAR, "en")[0]["content"].split(", ")
        assert len(set(items)) == len(items)
        table_of(look_up(random.Random(seed), GRAMMAR, "en"), "en")  # looks for doubles itself


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_located_stands_in_that_line_alone(language: Language) -> None:
    counts = set()
    for seed in range(150):
        user, assistant = locate(random.Random(seed), GRAMMAR, language)
        *lines, questions = user["content"].split("\n")
        table = [line.split("] ", 1) for line in lines]
        assert [number for number, _ in table] == [f"[{n}" for n in range(1, len(lines) + 1)]
        items = [(number, item) for number, line in table for item in line.split(JOINT[language])]
        answers = []
        for question in questions.split(JOINT[language]):
            (number,) = (number for number, item in items if item == question)
            answers.append(f"{question}{' ' if language == 'en' else ''}{number}]")
        assert assistant["content"] == JOINT[language].join(answers)
        counts.add((len(lines), len(answers)))
    assert {lines for lines, _ in counts} == {2, 3, 4, 5, 6}
    assert max(answers for _, answers in counts) == 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_come_from_the_part_that_is_asked_for(language: Language) -> None:
    """Numbers and dates, which have digits; a name or a word is no value that training lacks."""
    for held_out in (False, True):
        for seed in range(60):
            draw = Draw(values=held_out)
            messages = look_up(random.Random(seed), GRAMMAR, language, draw)
            values = table_of(messages, language).values()
            numbers = [value for value in values if re.search(r"\d", value)]
            assert {is_held_out(number) for number in numbers} <= {held_out}


@pytest.mark.parametrize("drill", [repeat, look_up])
def test_the_same_seed_gives_the_same_drill(drill: type(repeat)) -> None:  # type: ignore[valid-type]
    first, second, other = (drill(random.Random(seed), GRAMMAR, "zh") for seed in (1, 1, 2))
    assert first == second != other


def test_no_key_is_a_name_of_the_encyclopedia() -> None:
    lines = (files("qwen_blog.worlds") / "data" / "reserved.txt").read_text("utf-8").splitlines()
    reserved = {line for line in lines if line and not line.startswith("#")}
    keys: set[str] = set()
    for seed in range(1500):
        (user, _) = repeat(random.Random(seed), GRAMMAR, "zh")
        keys.update(part for key in user["content"].split("，") for part in key.split("·"))
    assert not keys & reserved


@pytest.mark.parametrize("language", LANGUAGES)
def test_keys_come_from_the_part_that_is_asked_for(language: Language) -> None:
    for seed in range(30):
        (user, _) = repeat(random.Random(seed), GRAMMAR, language)
        assert not any(map(is_held_out, user["content"].split(JOINT[language])))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_is_said_again_as_what_it_asks_for(language: Language) -> None:
    """And a statement as its fact: the phrase, and the value that stands in it."""
    kinds = set()
    verb = "是" if language == "zh" else " is "
    for seed in range(60):
        messages = rephrase(random.Random(seed), GRAMMAR, language)
        assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2)
        for user, assistant in zip(messages[::2], messages[1::2], strict=True):
            assert user["content"].startswith(REPHRASE[language])
            text, plain = user["content"].removeprefix(REPHRASE[language]), assistant["content"]
            found = meanings(text, plain, language)
            assert found, (text, plain)
            kinds |= found
            assert verb in plain or "question" in found
    assert kinds == {"question", "statement", "statement that names nothing"}


def meanings(text: str, plain: str, language: Language) -> set[str]:
    """As what some relation of the grammar has both the text and the plain words."""
    found = set()
    verb, colon = ("是", "：") if language == "zh" else (" is ", ": ")
    for relation in (each for kind in GRAMMAR.types.values() for each in kind.relations.values()):
        before, after = map(re.escape, relation.of[language].split("{e}"))
        asked = re.fullmatch(f"{before}(?P<e>.+){after}", plain, re.IGNORECASE)
        if asked and text in [fill(ask, e=asked["e"]) for ask in relation.ask[language]]:
            found.add("question")
        told = re.fullmatch(f"{before}(?P<e>.+?){after}{verb}(?P<v>.+)", plain, re.IGNORECASE)
        for say in relation.say[language] if told else ():
            named = "{e}" in say
            if text == fill(say if named else "{e}" + colon + say, **told.groupdict()):
                found.add("statement" if named else "statement that names nothing")
    return found

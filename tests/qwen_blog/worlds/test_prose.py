"""Texts told twice: whatever the second telling says can be found in the first."""

import random

import pytest

from qwen_blog.worlds import prose
from qwen_blog.worlds.grammar import Grammar, part
from qwen_blog.worlds.passages import fill
from qwen_blog.worlds.prose import told_twice
from qwen_blog.worlds.universe import TRAINING, Draw, Language, World

GRAMMAR = Grammar.load()
LANGUAGES: tuple[Language, ...] = ("zh", "en")


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> list[World]:
    """The worlds that are made, in order."""
    made: list[World] = []

    class Watched(World):
        def __init__(self, *args: object, **named: object) -> None:
            super().__init__(*args, **named)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(prose, "World", Watched)
    return made


def tellings(text: str, world: World) -> dict[str, int]:
    """How often each fact, "thing / relation", is stated or stands as question and answer."""
    form = "{q}{o}是{v}。" if world.language == "zh" else "{q} {o} is {v}."
    found = {}
    for thing in world.things:
        for fact in thing.facts.values():
            relation, parts = fact.relation, {"e": thing.name, "v": fact.value}
            said = {fill(each, **parts) for each in relation.say[world.language]}
            asked = {fill(each, **parts) for each in relation.ask[world.language]}
            phrase = fill(relation.of[world.language], **parts)
            lines = {form.format(q=each, o=phrase, v=fact.value) for each in asked}
            count = sum(text.count(each) for each in said)
            found[f"{thing.name} / {relation.name}"] = count + len(lines & set(text.split("\n")))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fact_is_told_twice(language: Language, worlds: list[World]) -> None:
    for seed in range(80):
        text = told_twice(random.Random(seed), GRAMMAR, language)
        found = tellings(text, worlds[-1])
        assert 2 <= len(found) <= 15
        assert all(count >= 2 for count in found.values()), (text, found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_stands_behind_all_articles(language: Language, worlds: list[World]) -> None:
    """Else it could come before what answers it."""
    texts_with_questions = 0
    for seed in range(80):
        text = told_twice(random.Random(seed), GRAMMAR, language)
        stated, asked = [], []
        for thing in worlds[-1].things:
            for fact in thing.facts.values():
                said = [
                    fill(each, e=thing.name, v=fact.value) for each in fact.relation.say[language]
                ]
                stated.append(min(text.index(each) for each in said if each in text))
                lines = [fill(each, e=thing.name) for each in fact.relation.ask[language]]
                asked += [text.index(each) for each in lines if each in text]
        texts_with_questions += bool(asked)
        assert not asked or max(stated) < min(asked)
    assert 30 < texts_with_questions < 65


@pytest.mark.parametrize("language", LANGUAGES)
def test_things_of_a_text_are_of_one_type(language: Language, worlds: list[World]) -> None:
    """So that names tell them apart."""
    counts = set()
    for seed in range(80):
        told_twice(random.Random(seed), GRAMMAR, language)
        told = [thing for thing in worlds[-1].things if thing.facts]
        assert len({thing.type.name for thing in told}) == 1
        counts.add(len(told))
    assert counts == {1, 2, 3}


@pytest.mark.parametrize("language", LANGUAGES)
def test_wordings_come_from_the_part_that_is_asked_for(
    language: Language, worlds: list[World]
) -> None:
    """But "The captain of Kalon is Mira.", which is the form of answers and of some statements."""
    for held_out in (False, True):
        for seed in range(30):
            text = told_twice(random.Random(seed), GRAMMAR, language, Draw(wordings=held_out))
            for thing in worlds[-1].things:
                for fact in thing.facts.values():
                    relation, parts = fact.relation, {"e": thing.name, "v": fact.value}
                    answer = fill(relation.of[language], **parts)
                    for lists in (relation.say, relation.ask):
                        other = part(lists[language], not held_out)
                        filled = [fill(each, **parts) for each in other]
                        assert not [x for x in filled if x in text and not x.startswith(answer)]


def test_the_same_seed_gives_the_same_text() -> None:
    first, second, other = (
        told_twice(random.Random(i), GRAMMAR, "zh", TRAINING) for i in (1, 1, 2)
    )
    assert first == second != other

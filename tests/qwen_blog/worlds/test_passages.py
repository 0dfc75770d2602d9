"""Articles: every fact of a thing once, in its own world's words, and nothing that is not told."""

import random
import re

import pytest

from qwen_blog.worlds.grammar import Grammar, part
from qwen_blog.worlds.passages import PARAGRAPH_SENTENCES, article, ask_of, fill
from qwen_blog.worlds.universe import TRAINING, Draw, Language, Thing, World

GRAMMAR = Grammar.load()
LANGUAGES: tuple[Language, ...] = ("zh", "en")


def a_thing(
    seed: object, language: Language, facts: int, draw: Draw = TRAINING
) -> tuple[World, Thing]:
    world = World(random.Random(str(seed)), GRAMMAR, language, draw)
    thing = world.add()
    world.tell_some(thing, facts)
    return world, thing


def statements_of(world: World, thing: Thing, name: str) -> list[str]:
    """All that can be said of a fact in the part that the world draws from."""
    fact = thing.facts[name]
    wordings = part(fact.relation.say[world.language], world.draw.wordings)
    return [fill(wording, e=thing.name, v=fact.value) for wording in wordings]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
def test_an_article_states_every_fact_in_a_wording_of_its_part(
    language: Language, held_out: bool
) -> None:
    for seed in range(60):
        world, thing = a_thing(seed, language, 1 + seed % 8, Draw(wordings=held_out))
        text = article(world, thing, filler=seed % 3)
        for name in thing.facts:
            assert any(said in text for said in statements_of(world, thing, name))


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_article_of_some_facts_is_silent_on_the_others(language: Language) -> None:
    for seed in range(60):
        world, thing = a_thing(seed, language, 5)
        told, *others = thing.facts.values()
        text = article(world, thing, facts=[told])
        assert any(said in text for said in statements_of(world, thing, told.relation.name))
        for fact in others:
            said = statements_of(world, thing, fact.relation.name)
            assert not any(each in text for each in said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_article_names_its_thing_before_it_says_it(language: Language) -> None:
    """In a title, or in the first sentence."""
    for seed in range(100):
        world, thing = a_thing(seed, language, 3)
        text = article(world, thing, filler=seed % 3)
        first = min(
            (text.index(said), thing.name in said)
            for name in thing.facts
            for said in statements_of(world, thing, name)
            if said in text
        )
        assert thing.name in text[: first[0]] or first[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_article_has_as_many_sentences_without_a_fact_as_asked_for(language: Language) -> None:
    for seed in range(40):
        world, thing = a_thing(seed, language, 3)
        text = article(world, thing, filler=seed % 7)
        found = sum(line in text for line in thing.type.filler[language])
        assert found == seed % 7
    world, thing = a_thing(0, language, 2)
    text = article(world, thing, filler=99)
    assert (
        sum(line in text for line in thing.type.filler[language])
        == 12
        < len(thing.type.filler[language])
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_long_article_has_paragraphs_and_a_short_one_has_not(language: Language) -> None:
    for seed in range(60):
        world, thing = a_thing(seed, language, 1 + seed % 8)
        text = article(world, thing)
        title = f"# {thing.name}\n\n"
        body = text.removeprefix(title).removeprefix(f"{thing.name}\n")
        paragraphs = body.split("\n\n")
        sentences = len(thing.facts) + _has_intro(world, thing, body)
        fits = sentences <= PARAGRAPH_SENTENCES + 1
        expected = 1 if fits else -(-sentences // PARAGRAPH_SENTENCES)
        assert len(paragraphs) == expected
        assert all(paragraphs)


def _has_intro(world: World, thing: Thing, text: str) -> bool:
    intros = thing.type.intro[world.language]
    return any(intro.replace("{e}", thing.name) in text for intro in intros)


def test_titles_are_of_three_forms() -> None:
    forms = set()
    for seed in range(60):
        world, thing = a_thing(seed, "en", 2)
        text = article(world, thing)
        name = re.escape(thing.name)
        forms |= {form for form in (rf"# {name}\n\n\S", rf"{name}\n\S") if re.match(form, text)}
        forms = {form.replace(name, "NAME") for form in forms}
    assert forms == {r"# NAME\n\n\S", r"NAME\n\S"}


def test_sentences_are_parted_by_spaces_in_english_only() -> None:
    for seed in range(40):
        chinese = article(*a_thing(seed, "zh", 4), filler=2)
        assert not re.search("[。！？] ", chinese)
        english = article(*a_thing(seed, "en", 4), filler=2)
        assert not re.search(r"[a-z][.!?][A-Z]", english)


def test_a_phrase_with_an_article_takes_the_place_of_a_name_without_a_second_one() -> None:
    phrase = "the animal that pollinates Kalon"
    assert ask_of("What does the {e} eat?", phrase) == f"What does {phrase} eat?"
    assert ask_of("The {e} weighs what?", phrase) == "The animal that pollinates Kalon weighs what?"
    assert ask_of("《{e}》有几页？", "卡洛恩的镇馆之宝") == "卡洛恩的镇馆之宝有几页？"
    assert ask_of("How deep is {e}?", "Kalon") == "How deep is Kalon?"


@pytest.mark.parametrize(
    ("wording", "expected"),
    [
        ("{e} carries {v}.", "Kalon carries 9 men."),
        ("{v} are on {e}.", "9 men are on Kalon."),
        ("it carries {v}.", "It carries 9 men."),
    ],
)
def test_a_wording_is_filled_in_and_begins_with_a_capital(wording: str, expected: str) -> None:
    assert fill(wording, e="Kalon", v="9 men") == expected
    assert fill(wording, e="kalon", v="9 men") == expected.replace(" Kalon", " kalon")


def test_only_the_first_letter_is_changed() -> None:
    assert fill("{v}, {e}", e="Kalon", v="red AB-1") == "Red AB-1, Kalon"
    assert fill("", e="Kalon") == ""

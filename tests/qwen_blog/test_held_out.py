"""The promise that makes the scores mean something: what is kept out of training stays out.

A few thousand samples of both stages of the recipe, made as a training run makes them.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files

import pytest

from qwen_blog.recipes import TINY_QWEN2
from qwen_blog.worlds.grammar import Grammar, Wordings, part
from qwen_blog.worlds.passages import fill
from qwen_blog.worlds.universe import Fact, Language, Thing, World, is_held_out

GRAMMAR = Grammar.load()
SAMPLES = 1000
"""Of each stage."""
ORDINARY = {
    "别处": "elsewhere, in statements such as: other towns can only envy it",
    "Skyhook": "the real description of the tool `search` has it in its example of a query",
}
"""Names of the encyclopedia that training texts may hold, and why."""
LEAST = {"zh": 7, "en": 14}
"""Characters of a piece of a wording from which on it is no chance."""


@dataclass
class Made:
    """What the samples are, and of which worlds."""

    texts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)


@pytest.fixture(scope="module")
def made() -> Made:
    found = Made()
    add, tell = World.add, World.tell

    def watched_add(self: World, *args: str | None) -> Thing:
        thing = add(self, *args)
        found.names.append(thing.name)
        return thing

    def watched_tell(self: World, *args: object) -> Fact:
        fact = tell(self, *args)  # type: ignore[arg-type]
        found.facts.append(fact)
        return fact

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "add", watched_add)
        patch.setattr(World, "tell", watched_tell)
        for stage in TINY_QWEN2.stages:
            for number in range(SAMPLES):
                rng = random.Random(f"{stage.name}/{number}")
                sample = stage.make(rng, rng.random())
                found.texts += [sample] if isinstance(sample, str) else _contents(sample)
    return found


def _contents(messages: list[dict[str, str]]) -> list[str]:
    return [message["content"] for message in messages]


def reserved_names() -> list[str]:
    lines = (files("qwen_blog.worlds") / "data" / "reserved.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


# --- The encyclopedia of the RAG package. ---


def test_no_thing_bears_a_name_of_the_encyclopedia(made: Made) -> None:
    assert len(made.names) > 5000
    assert [name for name in made.names if GRAMMAR.is_reserved(name)] == []


def test_no_name_of_the_encyclopedia_is_in_any_text(made: Made) -> None:
    """As it is written there: "landing" and "murmur" are words that anybody uses."""
    everything = "\n".join(made.texts)
    found = [name for name in reserved_names() if name in everything]
    words = [rf"\b{re.escape(name)}\b" if name.isascii() else name for name in found]
    places = {name: re.search(word, everything) for name, word in zip(found, words, strict=True)}
    assert {name for name, place in places.items() if place} <= ORDINARY.keys()


def test_the_tools_example_is_the_only_place_of_the_skyhook(made: Made) -> None:
    example = "length of the Skyhook"
    assert all(text.count("Skyhook") == text.count(example) for text in made.texts)


# --- Names, values and wordings. ---


def test_no_held_out_name_or_value_is_in_a_world_of_training(made: Made) -> None:
    kept_out = [
        fact.value for fact in made.facts
        if fact.relation.value in ("number", "date", "code") and is_held_out(fact.value)
    ]  # fmt: skip
    assert len(made.facts) > 10_000
    assert kept_out == []
    assert [name for name in made.names if is_held_out(name)] == []


def lists_of(language: Language) -> Iterator[tuple[str, ...]]:
    """All lists of wordings whose last two are held out."""
    for each in GRAMMAR.types.values():
        yield each.intro[language]
        for relation in each.relations.values():
            wordings: tuple[Wordings, ...] = (relation.say, relation.ask, relation.who)
            yield from (each.get(language, ()) for each in wordings)


def telling_pieces(language: Language, held_out: bool) -> set[str]:
    """The longest piece between the blanks of each wording, if it is long."""
    lines = [line for each in lists_of(language) for line in part(each, held_out)]
    pieces = {max(re.split(r"\{[ev]\}", fill(line)), key=len).strip() for line in lines}
    return {piece for piece in pieces if len(piece) >= LEAST[language]}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_held_out_wording_is_in_any_text(language: Language, made: Made) -> None:
    """By pieces of wordings that no wording of the training part has."""
    known = "\n".join(fill(x) for each in lists_of(language) for x in part(each, False))
    everything = "\n".join(made.texts)
    pieces = {piece for piece in telling_pieces(language, True) if piece not in known}
    assert len(pieces) > 700
    assert [piece for piece in sorted(pieces) if piece in everything] == []
    seen = [piece in everything for piece in sorted(telling_pieces(language, False))[::10]]
    assert sum(seen) / len(seen) > 0.5  # those of the training part are found in this way

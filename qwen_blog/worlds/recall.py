"""Drills: repeat a list, look up a key, find a line, say plainly what is said. Chapter 24.

To answer from a passage a model must find an earlier place and copy what follows it; the attention
heads that do this are called induction heads (Olsson et al. 2022, arXiv:2209.11895). They form
sooner when there is little else to learn: lists of made-up words, of which nothing can be guessed.
"""

import random
from collections import Counter
from itertools import chain

from .grammar import Grammar
from .passages import fill, phrase, plainly
from .universe import TRAINING, Draw, Language, World

Message = dict[str, str]


def repeat(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> list[Message]:
    """A list of names and values, and the same list again."""
    items = _names(World(rng, grammar, language, draw), rng.randint(4, 16))
    text = ("，" if language == "zh" else ", ").join(items)
    return [{"role": "user", "content": text}, {"role": "assistant", "content": text}]


def look_up(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> list[Message]:
    """A table of made-up keys with values, and questions for the line of one key at a time."""
    colon, world = ("：" if language == "zh" else ": "), World(rng, grammar, language, draw)
    keys = _names(world, rng.randint(2, 10))
    values = [_value(world) for _ in keys]
    lines = {key: f"{key}{colon}{value}" for key, value in zip(keys, values, strict=True)}
    messages: list[Message] = []
    for key in rng.sample(keys, min(len(keys), 8)):
        user = "\n".join([*lines.values(), key]) if not messages else key
        messages += [
            {"role": "user", "content": user},
            {"role": "assistant", "content": lines[key]},
        ]
    return messages


def locate(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> list[Message]:
    """Numbered lines of names and values, and the number of the line of each that is asked for.

    To cite, a model must know in which passage it reads; here nothing else is to be learned.
    """
    world = World(rng, grammar, language, draw)
    comma, gap = ("，", "") if language == "zh" else (", ", " ")
    most = rng.choice((0, 1, 3, 7, 11))
    lines = [
        [_name(world), *(rng.choice((_name, _value))(world) for _ in range(rng.randint(0, most)))]
        for _ in range(rng.randint(2, 6))
    ]
    numbered = [f"[{number}] {comma.join(line)}" for number, line in enumerate(lines, 1)]
    counts = Counter(chain.from_iterable(lines))
    where = [
        (item, f"[{number}]")
        for number, line in enumerate(lines, 1)
        for item in line
        if counts[item] == 1
    ]
    asked = rng.sample(where, min(len(where), 12))
    user = "\n".join([*numbered, comma.join(item for item, _ in asked)])
    return [
        {"role": "user", "content": user},
        {"role": "assistant", "content": comma.join(map(gap.join, asked))},
    ]


REPHRASE: dict[Language, str] = {"zh": "换句话说：", "en": "In plain words: "}


def rephrase(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> list[Message]:
    """Questions and statements about anything, and each in the plain words of an answer.

    "How many hands has Kalon?" is "The crew size of Kalon". In a question about passages these
    words are but a tenth of the text; here they are a third, so they are learned sooner.
    """
    world = World(rng, grammar, language, draw)
    messages: list[Message] = []
    for _ in range(rng.randint(4, 10)):
        thing = world.add()
        fact = world.tell(thing, rng.choice(list(thing.type.relations.values())))
        if rng.random() < 0.6:
            text = fill(world.wording(fact.relation.ask), e=thing.name)
            plain = phrase(world, fact.relation, thing)
        else:
            wording = world.wording(fact.relation.say)
            name = "" if "{e}" in wording else "{e}：" if language == "zh" else "{e}: "
            text = fill(name + wording, e=thing.name, v=fact.value)
            plain = plainly(world, thing, fact)
        messages += [
            {"role": "user", "content": REPHRASE[language] + text},
            {"role": "assistant", "content": plain[:1].upper() + plain[1:]},
        ]
    return messages


def _names(world: World, count: int) -> list[str]:
    return [_name(world) for _ in range(count)]


def _name(world: World) -> str:
    return world.add().name


def _value(world: World) -> str:
    """A value of any relation."""
    thing = world.add()
    relation = world.rng.choice(list(thing.type.relations.values()))
    return world.tell(thing, relation).value

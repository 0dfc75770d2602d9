"""Drills in looking back: repeat a list, look up a key. Chapter 24.

To answer from a passage a model must find an earlier place and copy what follows it; the attention
heads that do this are called induction heads (Olsson et al. 2022, arXiv:2209.11895). They form
sooner when there is little else to learn: lists of made-up words, of which nothing can be guessed.
"""

import random

from .grammar import Grammar
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


def _names(world: World, count: int) -> list[str]:
    return [world.add().name for _ in range(count)]


def _value(world: World) -> str:
    """A value of any relation."""
    thing = world.add()
    relation = world.rng.choice(list(thing.type.relations.values()))
    return world.tell(thing, relation).value

"""Small talk, and questions without a text: greetings, what are you, and an honest "I don't know".

A small model that is asked for a fact makes one up. This one is shown to say that it has no text to
answer from, and no calculator to reckon with. The wordings are in `data/small_talk.toml`.
Chapter 24.
"""

import functools
import random
import tomllib
from importlib.resources import files
from typing import Any, NamedTuple

from .grammar import Grammar, part
from .passages import fill
from .sums import make_sum
from .tool_prompts import Message
from .universe import TRAINING, Draw, Language, World

SAID = ("greet", "who", "can", "thanks", "bye", "cannot")
KINDS = (*SAID, "unknown", "sum")
SHARES = (0.12, 0.14, 0.12, 0.08, 0.08, 0.12, 0.24, 0.1)
TURNS = (1, 1, 2, 3)
SYSTEM_SHARE = 0.2
"""Share of conversations with a system message."""
SYSTEMS: dict[Language, tuple[str, ...]] = {
    "en": ("You are a helpful assistant.", "Answer briefly.", "You are tiny-qwen2."),
    "zh": ("你是一个有用的助手。", "请简短回答。", "你是tiny-qwen2。"),
}


class Exchange(NamedTuple):
    """What a person says, and the reply."""

    kind: str
    """One of `KINDS`."""
    said: str
    reply: str


def small_talk(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> list[Message]:
    """A conversation of one to three exchanges."""
    messages = []
    if rng.random() < SYSTEM_SHARE:
        messages.append({"role": "system", "content": rng.choice(SYSTEMS[language])})
    for _ in range(rng.choice(TURNS)):
        _, said, reply = make_exchange(rng, grammar, language, draw)
        messages.append({"role": "user", "content": said})
        messages.append({"role": "assistant", "content": reply})
    return messages


def make_exchange(
    rng: random.Random,
    grammar: Grammar,
    language: Language,
    draw: Draw = TRAINING,
    kind: str | None = None,
) -> Exchange:
    """Something said, and its reply; of a kind drawn or named."""
    kind = kind or rng.choices(KINDS, SHARES)[0]
    texts = _texts()[kind]
    if kind == "unknown":
        said = _closed_book(World(rng, grammar, language, draw))
    elif kind == "sum":
        said = make_sum(rng, grammar, language, draw).question
    else:
        said = rng.choice(part(texts["say"][language], draw.wordings))
    return Exchange(kind, said, rng.choice(texts["reply"][language]))


def replies(language: Language, kind: str) -> tuple[str, ...]:
    """All replies of a kind, any of which is right."""
    return tuple(_texts()[kind]["reply"][language])


def _closed_book(world: World) -> str:
    """A question about a thing that nobody has told of."""
    thing = world.add()
    relation = world.rng.choice(list(thing.type.relations.values()))
    return fill(world.wording(relation.ask), e=thing.name)


@functools.cache
def _texts() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "data" / "small_talk.toml").read_text("utf-8"))

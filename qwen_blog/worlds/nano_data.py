"""What the nano recipe learns in three minutes: two kinds of things, one wording of each fact.

The full recipe's questions in a small world: plain sentences, one short passage at a time, and the
drills in looking back. Its exam asks about names and values that training never uses. Chapter 24.
"""

import functools
import random
from collections.abc import Iterator
from dataclasses import replace

from .exam import Item, reading_items
from .grammar import Grammar
from .prose import told_twice
from .reading import Message, Reading, Shape
from .reading_words import FRAMES, Asked
from .recall import look_up, repeat
from .universe import Draw, Language

TYPES = ("person", "ship")
PLAIN = Draw(most=1)
UNSEEN = Draw(most=1, names=True, values=True)


@functools.cache
def nano_grammar() -> Grammar:
    """The grammar's `TYPES`, and what can be said of them without naming other kinds of things."""
    whole = Grammar.load()
    types = {
        name: replace(
            whole.types[name],
            relations={
                key: relation
                for key, relation in whole.types[name].relations.items()
                if not relation.type or relation.type in TYPES
            },
        )
        for name in TYPES
    }
    return Grammar(types, whole.reserved)


def nano_text(rng: random.Random, progress: float) -> str | list[Message]:
    """An article told twice, or a drill."""
    language: Language = rng.choice(("zh", "en"))
    if rng.random() < 0.5:
        return told_twice(rng, nano_grammar(), language, PLAIN)
    return rng.choice((repeat, look_up))(rng, nano_grammar(), language, PLAIN)


def nano_conversation(rng: random.Random, progress: float) -> list[Message]:
    """Questions about a passage, or a drill."""
    language: Language = rng.choice(("zh", "en"))
    kind = rng.choices(("read", "repeat", "look up"), (0.75, 0.08, 0.17))[0]
    if kind == "read":
        shape = Shape(passages=1, facts=rng.randint(3, 5), filler=rng.randint(0, 2))
        return _questions(Reading(rng, nano_grammar(), language, shape, PLAIN))
    return (repeat if kind == "repeat" else look_up)(rng, nano_grammar(), language, PLAIN)


def _questions(reading: Reading) -> list[Message]:
    """One question about each fact that the passage states."""
    asked: dict[str, Asked] = {}
    while len(asked) < sum(len(thing.facts) for thing in reading.things):
        each = reading.ask("fact")
        asked.setdefault(each.question, each)  # twice the same would only be copied
    messages: list[Message] = []
    for question, each in asked.items():
        user = {"role": "user", "content": FRAMES[reading.language].question + question}
        reply = {"role": "assistant", "content": each.reply(reading.language)}
        messages += [*([user] if messages else reading.prompt(question)), reply]
    return messages


def nano_exam(count: int) -> list[Item]:
    """`count` questions of each group."""
    items: list[Item] = []
    for language in ("zh", "en"):
        items += _drill_items(language, count)
        items += reading_items(nano_grammar(), language, "fact", 1, count, UNSEEN)
    return items


def _drill_items(language: Language, count: int) -> Iterator[Item]:
    for name, drill in (("repeat", repeat), ("look up", look_up)):
        group = f"{language} {name}"
        for number in range(count):
            rng = random.Random(f"exam/{group}/{number}")
            user, assistant = drill(rng, nano_grammar(), language, UNSEEN)[:2]
            yield Item(group, [user], assistant["content"])

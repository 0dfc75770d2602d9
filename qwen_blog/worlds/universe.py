"""Fictional worlds: things with coined names and facts, told in Chinese or English. Chapter 24.

A small model that learns from one world learns its facts by heart. So every conversation in the
training data has a world of its own: names and values are drawn anew, nobody can guess them, and
the only way to a right answer is to find it in the passage. `grammar.py` holds what all worlds have
in common: which types of things there are, and many ways to state each fact and to ask for it.

Three kinds of things are kept out of training, so that the tests can measure each by itself: the
last wordings of every list, and a tenth of all names and of all values, by a checksum of their
text. So are all names of the encyclopedia that comes with the RAG package (`data/reserved.txt`).
"""

import random
import zlib
from dataclasses import dataclass, field
from typing import Literal

from .grammar import Grammar, Relation, ThingType, Wordings, part
from .names import coin

Language = Literal["zh", "en"]

MONTHS = (
    ("霜月", "Frost"),
    ("芽月", "Bud"),
    ("雨月", "Rain"),
    ("花月", "Bloom"),
    ("麦月", "Grain"),
    ("火月", "Fire"),
    ("潮月", "Tide"),
    ("风月", "Wind"),
    ("灯月", "Lamp"),
    ("眠月", "Sleep"),
)
DAYS_A_MONTH = 36
YEARS = 0.3
"""Share of dates with a year."""
FAMILY_NAMES = 0.5
"""Share of persons with two names."""


@dataclass(frozen=True)
class Draw:
    """What to draw from: the part for training, or a part kept out of it."""

    wordings: bool = False
    """True: only wordings that training never uses."""
    names: bool = False
    """True: only names that training never uses."""
    values: bool = False
    """True: only numbers, dates and codes that training never uses."""
    most: int | None = None
    """Of each list of wordings only so many, the plainest: they come first."""


TRAINING = Draw()


@dataclass
class Thing:
    """One thing of a world."""

    type: ThingType
    name: str
    facts: dict[str, "Fact"] = field(default_factory=dict)
    """By the relation's name."""


@dataclass(frozen=True)
class Fact:
    """That a thing has this value in this relation."""

    relation: Relation
    value: str
    """As it is written in an answer, with its unit: "1,200 km"."""
    thing: Thing | None = None
    """The thing that the value names, if it is one."""


class World:
    """Things of one conversation, in one language.

    No two things have the same name.
    """

    def __init__(
        self, rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
    ) -> None:
        self.rng, self.grammar, self.language, self.draw = rng, grammar, language, draw
        self.things: list[Thing] = []
        self._taken: set[str] = set()

    def add(self, type_name: str | None = None) -> Thing:
        """A new thing without facts, of a type drawn or named."""
        names = sorted(self.grammar.types) if type_name is None else [type_name]
        thing_type = self.grammar.types[self.rng.choice(names)]
        thing = Thing(thing_type, self._new_name(thing_type))
        self.things.append(thing)
        return thing

    def tell(self, thing: Thing, relation: Relation, value: Thing | None = None) -> Fact:
        """Give the thing a fact; `value` is the thing that it points to, by default a new one."""
        if relation.value == "thing":
            value = value or self.add(relation.type)
            fact = Fact(relation, value.name, value)
        elif relation.value == "word":
            fact = Fact(relation, self.rng.choice(relation.words[self.language]))
        else:
            fact = Fact(relation, self._new_value(relation))
        thing.facts[relation.name] = fact
        return fact

    def tell_some(self, thing: Thing, count: int) -> None:
        """Give the thing facts of relations that it has none of yet, until it has `count`."""
        free = [r for r in thing.type.relations.values() if r.name not in thing.facts]
        for relation in self.rng.sample(free, min(len(free), max(0, count - len(thing.facts)))):
            self.tell(thing, relation)

    def wording(self, wordings: Wordings) -> str:
        """One of a list of wordings, in this world's language."""
        allowed = part(wordings[self.language], self.draw.wordings)
        return self.rng.choice(allowed[: self.draw.most])

    def _name(self, thing_type: ThingType) -> str:
        person = thing_type.name == "person" and self.rng.random() < FAMILY_NAMES
        name = coin(self.rng, self.language, two_parts=person)
        if not thing_type.endings:
            return name
        return name + self.rng.choice(thing_type.endings)[self.language == "en"]

    def _value(self, relation: Relation) -> str:
        rng, english = self.rng, self.language == "en"
        if relation.value == "number":
            low, high, step = relation.range
            number = rng.randrange(low, high + 1, step)
            unit = rng.choice(relation.units)[english]
            return f"{number:,} {unit}" if english else f"{number}{unit}"
        if relation.value == "date":
            return self._date()
        letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(2))
        return f"{letters}-{rng.randint(100, 999)}"  # a code

    def _date(self) -> str:
        """A day of the year, in some cases of a year."""
        rng, english = self.rng, self.language == "en"
        month, day = rng.choice(MONTHS)[english], rng.randint(1, DAYS_A_MONTH)
        text = f"{day} {month}" if english else f"{month}{day}日"
        if rng.random() < YEARS:
            year = rng.randint(11, 999)
            return f"{text} {year}" if english else f"{year}年{text}"
        return text

    def _new_name(self, thing_type: ThingType) -> str:
        """A name that no other thing of this world has, in or out of training."""
        while True:
            name = self._name(thing_type)
            free = name not in self._taken and not self.grammar.is_reserved(name)
            if free and is_held_out(name) == self.draw.names:
                self._taken.add(name)
                return name

    def _new_value(self, relation: Relation) -> str:
        """A value in or out of training; any, where a relation has too few to find one."""
        for _ in range(100):
            value = self._value(relation)
            if is_held_out(value) == self.draw.values:
                break
        return value


def is_held_out(text: str) -> bool:
    """Whether a name or value is kept out of training: one in ten, by its checksum."""
    return zlib.crc32(text.encode()) % 10 == 0

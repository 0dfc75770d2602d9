"""Conversations about passages: answer with a citation, or say that the answer is not there.

The prompt is the one that the RAG package builds, byte for byte (the tests compare them), so what
the model learns here is what it is asked for there. Chapter 24.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .grammar import Grammar, Relation
from .passages import article, ask_of, fill, phrase
from .reading_words import ABOUT, FRAMES, Asked
from .universe import TRAINING, Draw, Fact, Language, Thing, World

Message = dict[str, str]


@dataclass(frozen=True)
class Shape:
    """How large a conversation is."""

    passages: int
    facts: int
    """Of each passage's thing."""
    filler: int
    """Sentences without a fact in each passage."""
    questions: int = 1
    absent: float = 0.20
    """How often the passages do not say, where the other kinds weigh 0.8 together."""
    untold: float = 0.5
    """How many of these ask about something that is there, for what is not told of it."""
    looks_first: bool = False
    """Whether a reply names what is not told, and in which passage it looked, before it says so;
    of things that are in no passage it says so at once."""


KINDS = ("fact", "holder", "two-hop", "absent")
KIND_SHARES = (0.58, 0.08, 0.14)
"""Of the questions that the passages answer; how many they do not, the shape says."""
ABOUT_SHARE = 0.3
"""Of conversations that end with a question for all that is told of a thing."""
HISTORY_SHARE = 0.05
"""Of conversations with turns before the passages: the RAG package's `chat`."""


class Reading:
    """Passages of a new world, and questions about them."""

    def __init__(
        self,
        rng: random.Random,
        grammar: Grammar,
        language: Language,
        shape: Shape,
        draw: Draw = TRAINING,
    ) -> None:
        self.world = World(rng, grammar, language, draw)
        self.rng, self.language, self.shape = rng, language, shape
        self.things = _populate(self.world, shape)
        rng.shuffle(self.things)
        self.told = {thing.name: _shuffled(rng, thing.facts.values()) for thing in self.things}
        """By the thing's name, its facts in the order of its passage."""
        self.passages = [
            article(self.world, thing, shape.filler, self.told[thing.name]) for thing in self.things
        ]

    def ask(self, kind: str | None = None) -> Asked:
        """A question; of a kind that this world does not allow, a plain one instead."""
        kind = kind or self.rng.choices(KINDS, (*KIND_SHARES, self.shape.absent))[0]
        makers = {"holder": self._holder, "two-hop": self._two_hop, "absent": self._absent}
        asked = makers[kind]() if kind in makers else None
        return asked or self._fact()

    def prompt(self, question: str) -> list[Message]:
        """System and user message, as the RAG package writes them."""
        frame = FRAMES[self.language]
        numbered = [f"[{number}] {text}" for number, text in enumerate(self.passages, 1)]
        lines = [frame.opening, *numbered, frame.closing, frame.question + question]
        return [
            {"role": "system", "content": frame.system},
            {"role": "user", "content": "\n".join(lines)},
        ]

    def conversation(self) -> list[Message]:
        """The prompt, and one or more questions with their answers; none is answered twice.

        What an earlier reply says could be had from there, without a look at the passages.
        """
        asked = self._questions()
        before = []
        if len(asked) > 1 and self.rng.random() < HISTORY_SHARE:
            before = [asked.pop() for _ in range(min(len(asked) - 1, 2))]
        if self.rng.random() < ABOUT_SHARE:
            asked.append(self.about())
        system, user = self.prompt(asked[0].question)
        messages = [system]
        for each in before:
            messages += [_say("user", each.question)]
            messages += [_say("assistant", each.reply(self.language, cites=False))]
        for number, each in enumerate(asked):
            label = FRAMES[self.language].question
            messages.append(_say("user", label + each.question) if number else user)
            messages.append(_say("assistant", each.reply(self.language)))
        return messages

    def about(self) -> Asked:
        """What do the passages say about Kalon? All facts, in the order of its passage."""
        thing = self.rng.choice(self.things)
        question = fill(self.world.wording(ABOUT), e=thing.name)
        told = tuple(self._said(thing, fact) for fact in self.told[thing.name])
        values = " ".join(value for _, value in told)
        return Asked("about", question, values, (self.number_of(thing),) * len(told), told)

    def number_of(self, thing: Thing) -> int:
        """The number of the thing's passage."""
        return self.things.index(thing) + 1

    def _questions(self) -> list[Asked]:
        """As many as the shape wants, if there is so much to ask."""
        asked: dict[str, Asked] = {}
        for _ in range(4 * self.shape.questions):
            each = self.ask()
            asked.setdefault(str(each.said[-1]) if each.said else each.question, each)
            if len(asked) == self.shape.questions:
                break
        return list(asked.values())

    def _said(self, thing: Thing, fact: Fact) -> tuple[str, str]:
        return phrase(self.world, fact.relation, thing), fact.value

    def _question(self, relation: Relation, name: str) -> str:
        return fill(self.world.wording(relation.ask), e=name)

    def _fact(self) -> Asked:
        thing = self.rng.choice(self.things)
        fact = self.rng.choice(list(thing.facts.values()))
        question = self._question(fact.relation, thing.name)
        said = (self._said(thing, fact),)
        return Asked("fact", question, fact.value, (self.number_of(thing),), said)

    def _holder(self) -> Asked | None:
        """Which ship has this captain?"""
        pairs = [(thing, fact) for thing in self.things for fact in thing.facts.values()]
        pairs = [(thing, fact) for thing, fact in pairs if fact.relation.who]
        pairs = [pair for pair in pairs if _only_holder(pair[1], pairs)]
        if not pairs:
            return None
        thing, fact = self.rng.choice(pairs)
        question = fill(self.world.wording(fact.relation.who), v=fact.value)
        said = ((fact.value, phrase(self.world, fact.relation, thing)),)
        return Asked("holder", question, thing.name, (self.number_of(thing),), said)

    def _two_hop(self) -> Asked | None:
        """When was the captain of Kalon born? One passage says who, another one when."""
        hop = self._hop()
        if not hop:
            return None
        first, link, second = hop
        fact = self.rng.choice(list(second.facts.values()))
        question = ask_of(
            self.world.wording(fact.relation.ask), phrase(self.world, link.relation, first)
        )
        numbers = (self.number_of(first), self.number_of(second))
        said = (self._said(first, link), self._said(second, fact))
        return Asked("two-hop", question, fact.value, numbers, said)

    def _absent(self) -> Asked:
        """Of a thing that is not there, or a relation that is not told."""
        hop = self._hop() if self.rng.random() < 0.2 else None
        thing = hop[2] if hop else self.rng.choice(self.things)
        untold = [r for name, r in thing.type.relations.items() if name not in thing.facts]
        if hop and untold:
            relation = self._any(untold)
            holder = phrase(self.world, hop[1].relation, hop[0])
            question = ask_of(self.world.wording(relation.ask), holder)
            return self._looked(question, relation, thing, hop[:2])
        if untold and self.rng.random() < self.shape.untold:
            relation = self._any(untold)
            return self._looked(self._question(relation, thing.name), relation, thing)
        stranger = self.world.add(thing.type.name)
        relation = self._any([fact.relation for fact in thing.facts.values()])
        return Asked("absent", self._question(relation, stranger.name), "")

    def _looked(
        self,
        question: str,
        relation: Relation,
        thing: Thing,
        known: tuple[Thing, Fact] | None = None,
    ) -> Asked:
        """For a relation that is not told of the thing, to which a known fact may have led."""
        if not self.shape.looks_first:
            return Asked("absent", question, "")
        cited = [self.number_of(each) for each in (*(known or ())[:1], thing)]
        said = [self._said(*known)] if known else []
        said.append((phrase(self.world, relation, thing), ""))
        return Asked("absent", question, "", tuple(cited), tuple(said))

    def _hop(self) -> tuple[Thing, Fact, Thing] | None:
        """A thing, a fact of it that names another one of the passages, and that one."""
        hops = [
            (thing, fact, fact.thing)
            for thing in self.things
            for fact in thing.facts.values()
            if fact.thing and fact.thing in self.things and fact.thing is not thing
        ]
        return self.rng.choice(hops) if hops else None

    def _any(self, relations: Sequence[Relation]) -> Relation:
        return self.rng.choice(relations)


def _populate(world: World, shape: Shape) -> list[Thing]:
    """As many things as passages: some alike, some linked, some of any type."""
    first = world.add()
    things = [first]
    alike = world.rng.random() < 0.6
    while len(things) < shape.passages:
        linked = _linked(world, world.rng.choice(things)) if world.rng.random() < 0.45 else None
        things.append(linked or world.add(first.type.name if alike else None))
    wanted = world.rng.sample(list(first.type.relations.values()), min(2, shape.facts))
    for thing in things:
        if thing.type is first.type:  # so the name decides, not the relation alone
            for relation in wanted:
                if relation.name not in thing.facts and len(thing.facts) < shape.facts:
                    world.tell(thing, relation)
        world.tell_some(thing, shape.facts)
    return things


def _linked(world: World, thing: Thing) -> Thing | None:
    """A new thing that a new fact of this one names."""
    free = [r for r in thing.type.relations.values() if r.value == "thing"]
    free = [relation for relation in free if relation.name not in thing.facts]
    if not free:
        return None
    fact = world.tell(thing, world.rng.choice(free))
    return fact.thing


def _shuffled(rng: random.Random, facts: Iterable[Fact]) -> list[Fact]:
    told = list(facts)
    rng.shuffle(told)
    return told


def _only_holder(fact: Fact, pairs: Sequence[tuple[Thing, Fact]]) -> bool:
    same = [each for _, each in pairs if each.relation is fact.relation]
    return sum(each.value == fact.value for each in same) == 1


def _say(role: str, content: str) -> Message:
    return {"role": role, "content": content}

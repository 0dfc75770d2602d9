"""Many tasks for an agent about one world, whose articles all lie in one folder.

The tasks are those of `lookups`, step by step; only the world is not made anew for each. So a
search has to find its passage among all articles of both languages, as it has to in real use.
Chapter 24.
"""

import random
from collections.abc import Iterator, Sequence

from .grammar import Grammar, ThingType
from .lookups import Lookup, split_value
from .passages import fill
from .shelf import Shelf
from .tool_prompts import Task
from .universe import TRAINING, Draw, Fact, Language, Thing

KINDS = ("search", "two-hop", "search-sum", "compare", "absent")
ALWAYS = ("person", "town")
"""Types of every library: most others point to them."""
TYPES = 8
FACTS = 4
"""Of each thing; more would not fit a passage."""
COUNTED = 2
"""Of these, numbers that all things of a type have, to compare them by."""
TRIES = 200
"""For one task, before there are said to be no more."""


class Library(Lookup):
    """A world of `articles` things, each with a document, and tasks about it."""

    def __init__(
        self,
        rng: random.Random,
        grammar: Grammar,
        language: Language,
        articles: int,
        draw: Draw = TRAINING,
    ) -> None:
        super().__init__(rng, grammar, language, draw)
        self.things = self._populate(articles)
        self.documents: dict[str, str] = {}
        self._path_of: dict[str, str] = {}
        for thing in self.things:
            self._put_down(thing)
        self.shelf = Shelf(self.documents)
        """What is searched: put another one here that holds more."""

    def tasks(self, kind: str) -> Iterator[Task]:
        """Different questions of one of `KINDS`. ValueError where there are no more."""
        makers = {
            "search": self.fact,
            "two-hop": self.two_hop,
            "search-sum": self.then,
            "compare": self.both,
            "absent": self.absent,
        }
        asked: set[str] = set()
        while True:
            tries = (makers[kind]() for _ in range(TRIES))
            task = next((each for each in tries if each and each.question not in asked), None)
            if task is None:
                problem = f"{len(self.things)} articles give only {len(asked)} tasks: kind={kind!r}"
                raise ValueError(f"{problem}; ask for fewer, or make more articles")
            asked.add(task.question)
            yield task

    def absent(self) -> Task | None:
        """As in `Lookup`; but no question for a thing, which another article may answer.

        That of a town tells no festival, but a festival's may tell its town.
        """
        task, thing = super().absent(), self.world.things[0]
        links = [each for each in thing.type.relations.values() if each.value == "thing"]
        asked = {fill(ask, e=thing.name) for each in links for ask in each.ask[self.language]}
        return None if task and task.question in asked else task

    # --- The world. ---

    def _populate(self, articles: int) -> list[Thing]:
        types = self.world.grammar.types
        others = sorted(types.keys() - set(ALWAYS))
        kinds = [*ALWAYS, *self.rng.sample(others, TYPES - len(ALWAYS))]
        things = [self.world.add(kinds[number % TYPES]) for number in range(articles)]
        counted = {kind: self._counted_by(types[kind]) for kind in kinds}
        for thing in things:
            for name in counted[thing.type.name]:
                self.world.tell(thing, thing.type.relations[name])
            self._tell_more(thing, things)
        return things

    def _counted_by(self, thing_type: ThingType) -> list[str]:
        numbers = [r.name for r in thing_type.relations.values() if r.value == "number"]
        return self.rng.sample(numbers, COUNTED)

    def _tell_more(self, thing: Thing, things: Sequence[Thing]) -> None:
        """Facts of any kind; where the value is a thing, one that has an article."""
        free = [r for r in thing.type.relations.values() if r.name not in thing.facts]
        self.rng.shuffle(free)
        for relation in free:
            there = [each for each in things if each.type.name == relation.type]
            there = [each for each in there if each is not thing]
            if len(thing.facts) < FACTS and (there or not relation.type):
                self.world.tell(thing, relation, self.rng.choice(there) if there else None)

    def _put_down(self, thing: Thing) -> None:
        path = f"{self.language}/{self._file_name(thing)}"
        while path in self.documents:
            path = f"{self.language}/{self._file_name()}"
        self.documents[path] = self._text(thing)
        self._path_of[thing.name] = path

    # --- What `Lookup` makes anew for each task, and here is there already. ---

    def _thing(self, facts: int | None = None) -> Thing:
        """Any; it becomes the world's first, the one that is asked about."""
        thing = self.rng.choice(self.things)
        self.world.things.remove(thing)
        self.world.things.insert(0, thing)
        return thing

    def _strangers(self) -> list[Thing]:
        return []

    def _link(self, thing: Thing) -> Fact | None:
        links = [fact for fact in thing.facts.values() if fact.thing]
        return self.rng.choice(links) if links else None

    def _counted(self) -> tuple[Thing, Fact] | None:
        """A thing with a number that another one can be compared with."""
        thing = self._thing()
        facts = [fact for fact in thing.facts.values() if self._rivals(thing, fact)]
        return (thing, self.rng.choice(facts)) if facts else None

    def _twins(self, thing: Thing, fact: Fact, ordered: bool) -> list[tuple[Thing, Fact]]:
        pairs = [(thing, fact), self.rng.choice(self._rivals(thing, fact))]
        return sorted(pairs, key=_size, reverse=True) if ordered else pairs

    def _rivals(self, thing: Thing, fact: Fact) -> list[tuple[Thing, Fact]]:
        """Others of its type with another number in the same unit; none if it is no number."""
        if fact.relation.value != "number":
            return []
        others = [each for each in self.things if each.type is thing.type]
        pairs = [(each, each.facts.get(fact.relation.name)) for each in others]
        return [
            (each, other)
            for each, other in pairs
            if other and other.value != fact.value and _unit(other) == _unit(fact)
        ]

    def _fill_shelf(self, things: Sequence[Thing]) -> Shelf:
        self._paths = [self._path_of[thing.name] for thing in things]
        return self.shelf


def _unit(fact: Fact) -> str:
    return split_value(fact.value)[1]


def _size(pair: tuple[Thing, Fact]) -> int:
    return int(split_value(pair[1].value)[0].replace(",", ""))

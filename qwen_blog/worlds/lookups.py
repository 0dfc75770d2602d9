"""Tasks that take a search: one fact, two facts in a row, facts to reckon with, a fact not there.

Each has a world of its own, told in a few documents (`shelf`). The query is the question itself or
a part of it, so that it needs no words that the question has not got. The wordings of what is
reckoned and thought are in `data/lookups.toml`. Chapter 24.
"""

import functools
import random
import re
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from .grammar import Grammar, Relation, part
from .names import coin
from .passages import article, ask_of, fill
from .shelf import MAX_CHARS, Shelf
from .sums import draw_number, evaluate, with_unit
from .tool_prompts import Step, Task
from .universe import Draw, Fact, Language, Thing, World, is_held_out

HITS = 2
"""Passages asked for where a task takes one search; where it takes more, one each."""


class Lookup:
    """A world on a shelf, and tasks about it.

    A task is None where this world does not allow it, or the search would not find what it needs.
    looks_first: as in `reading.Shape`, of what is thought before an answer
    """

    def __init__(
        self,
        rng: random.Random,
        grammar: Grammar,
        language: Language,
        draw: Draw,
        looks_first: bool = False,
    ) -> None:
        self.world = World(rng, grammar, language, draw)
        self.rng, self.language, self.draw, self.looks_first = rng, language, draw, looks_first

    def fact(self) -> Task | None:
        """What is the length of Kalon? One search."""
        shelf = self._fill_shelf([self._thing(), *self._strangers()])
        thing = self.world.things[0]
        fact = self.rng.choice(list(thing.facts.values()))
        question = self._question(fact.relation, thing.name)
        place = shelf.place(self._paths[0], question, HITS)
        step = _search(shelf, self._think("look", e=thing.name), question, HITS)
        phrase = _of(fact.relation, thing, self.language)
        thought = self._think("found", n=str(place), x=phrase, v=fact.value)
        return self._task("search", question, [step], thought, fact.value, shelf, place)

    def absent(self) -> Task | None:
        """Of a thing that is on no shelf, or of a relation that no document tells."""
        shelf = self._fill_shelf([self._thing(), *self._strangers()])
        thing = self.world.things[0]
        untold = [r for name, r in thing.type.relations.items() if name not in thing.facts]
        relation = self.rng.choice(untold or list(thing.type.relations.values()))
        if not untold or self.rng.random() < 0.4:
            thing = self.world.add(thing.type.name)
        question = self._question(relation, thing.name)
        step = _search(shelf, self._think("look", e=thing.name), question, HITS)
        answer = _texts()["answer"]["absent"][self.language]
        thought = self._think("absent")
        known = self.looks_first and thing is self.world.things[0]
        if known and (place := shelf.place(self._paths[0], question, HITS)):
            phrase = _of(relation, thing, self.language)
            thought = self._think("untold", n=str(place), x=phrase)
        return self._task("absent", question, [step], thought, answer, shelf)

    def two_hop(self) -> Task | None:
        """When was the captain of Kalon born? One search says who, the next one when."""
        first = self._thing(1)
        link = self._link(first)
        if not link or not link.thing:
            return None
        self.world.tell_some(link.thing, 2)
        fact = self.rng.choice(list(link.thing.facts.values()))
        shelf = self._fill_shelf([first, link.thing, *self._strangers()])
        phrase = _of(link.relation, first, self.language)
        wording = self.world.wording(fact.relation.ask)
        question, second_query = ask_of(wording, phrase), fill(wording, e=link.value)
        queries = [phrase.removeprefix("the "), second_query]
        steps = [
            _search(shelf, self._think("first", x=phrase), queries[0], 1),
            _search(shelf, self._think("hop", x=phrase, v=link.value), queries[1], 1),
        ]
        asked = _of(fact.relation, link.thing, self.language)
        thought = self._think("found", n="1", x=asked, v=fact.value)
        found = self._found(shelf, queries)
        return self._task("two-hop", question, steps, thought, fact.value, shelf, found)

    def then(self) -> Task | None:
        """How deep is Kalon? Then divide it by 4. A search and a sum."""
        pair = self._counted()
        if not pair:
            return None
        thing, fact = pair
        shelf = self._fill_shelf([thing, *self._strangers()])
        kind = self._kind("then")
        number, unit = split_value(fact.value)
        query = self._question(fact.relation, thing.name)
        n = draw_number(self.rng, self.draw, 2, 96)
        said = self._say(kind["say"]).replace("{n}", n)
        gap = " " if self.language == "en" else ""
        expression = kind["expression"].format(v=number, n=n)
        steps = [
            _search(shelf, self._think("look", e=thing.name), query, 1),
            self._reckon(expression, _of(fact.relation, thing, self.language), fact.value),
        ]
        found = shelf.place(self._paths[0], query, 1)
        return self._reckoned("search-sum", query + gap + said, steps, unit, shelf, found)

    def both(self) -> Task | None:
        """What is the difference between the lengths of Kalon and Sabry? Two searches, a sum."""
        pair = self._counted()
        if not pair:
            return None
        kind = self._kind("both")
        pairs = self._twins(*pair, ordered=kind["order"] == "larger first")
        shelf = self._fill_shelf([*(thing for thing, _ in pairs), *self._strangers()])
        x, y = (_of(fact.relation, thing, self.language) for thing, fact in pairs)
        values = [fact.value for _, fact in pairs]
        numbers = [split_value(value)[0] for value in values]
        if kind["order"] == "size":
            numbers.sort(key=_as_number, reverse=True)
        expression = kind["expression"].format(w=numbers[0], z=numbers[1])
        queries = [x.removeprefix("the "), y.removeprefix("the ")]
        steps = [
            _search(shelf, self._think("first", x=x), queries[0], 1),
            _search(shelf, self._think("next", x=x, v=values[0], y=y), queries[1], 1),
            self._reckon(expression, y, values[1]),
        ]
        unit = split_value(values[0])[1] if kind["unit"] else ""
        question = fill(self._say(kind["say"]), x=x, y=y)
        found = self._found(shelf, queries)
        return self._reckoned("compare", question, steps, unit, shelf, found)

    # --- The parts of a task. ---

    def _task(
        self,
        kind: str,
        question: str,
        steps: Sequence[Step],
        thought: str,
        answer: str,
        shelf: Shelf,
        found: object = True,
    ) -> Task | None:
        asked = [step.arguments for step in steps if step.tool == "search"]
        if not found or not all(shelf.is_clear(**arguments) for arguments in asked):
            return None
        return Task(kind, question, tuple(steps), thought, answer, (), shelf.documents)

    def _reckoned(
        self,
        kind: str,
        question: str,
        steps: Sequence[Step],
        unit: str,
        shelf: Shelf,
        found: object,
    ) -> Task | None:
        """A task whose last step is a sum: its result is the answer."""
        result = steps[-1].observation
        thought = self._think("result", x=steps[-1].arguments["expression"], v=result)
        if result.startswith("-"):
            return None
        answer = with_unit(result, unit, self.language)
        return self._task(kind, question, steps, thought, answer, shelf, found)

    def _reckon(self, expression: str, phrase: str, value: str) -> Step:
        thought = self._think("compute", q=phrase, v=value, x=expression)
        return Step(thought, "calculator", {"expression": expression}, evaluate(expression))

    def _think(self, name: str, **parts: str) -> str:
        return think(self.rng, self.language, name, **parts)

    def _say(self, wordings: dict[str, list[str]]) -> str:
        return self.rng.choice(part(wordings[self.language], self.draw.wordings))

    def _kind(self, table: str) -> dict[str, Any]:
        kinds = _texts()[table]
        return kinds[self.rng.choice(sorted(kinds))]

    def _question(self, relation: Relation, name: str) -> str:
        return fill(self.world.wording(relation.ask), e=name)

    # --- The world. ---

    def _thing(self, facts: int | None = None) -> Thing:
        thing = self.world.add()
        self.world.tell_some(thing, facts or self.rng.choice((2, 2, 3)))
        return thing

    def _strangers(self) -> list[Thing]:
        """Other things; most of the type of the first one, for the name has to decide."""
        first = self.world.things[0]
        things = []
        for _ in range(self.rng.choice((1, 2, 3))):
            alike = self.rng.random() < 0.6
            thing = self.world.add(first.type.name if alike else None)
            shared = list(first.facts.values())[:1] if alike else []
            for fact in shared:
                self.world.tell(thing, fact.relation)
            self.world.tell_some(thing, 2)
            things.append(thing)
        return things

    def _link(self, thing: Thing) -> Fact | None:
        """A fact of the thing that names another thing; a new one if it can have one."""
        free = [r for r in thing.type.relations.values() if r.value == "thing"]
        free = [relation for relation in free if relation.name not in thing.facts]
        return self.world.tell(thing, self.rng.choice(free)) if free else None

    def _counted(self) -> tuple[Thing, Fact] | None:
        """A new thing with a number."""
        thing = self.world.add()
        free = [r for r in thing.type.relations.values() if r.value == "number"]
        if not free:
            return None
        fact = self.world.tell(thing, self.rng.choice(free))
        self.world.tell_some(thing, 2)
        return thing, fact

    def _twins(self, thing: Thing, fact: Fact, ordered: bool) -> list[tuple[Thing, Fact]]:
        """The thing and another one of its type, with another number in the same unit.

        ordered: the larger number comes first
        """
        other = self.world.add(thing.type.name)
        unit = split_value(fact.value)[1]
        twin = self.world.tell(other, fact.relation)
        while split_value(twin.value)[1] != unit or twin.value == fact.value:
            twin = self.world.tell(other, fact.relation)
        self.world.tell_some(other, 2)
        pairs = [(thing, fact), (other, twin)]
        if ordered:
            pairs.sort(key=lambda pair: _as_number(split_value(pair[1].value)[0]), reverse=True)
        return pairs

    def _fill_shelf(self, things: Sequence[Thing]) -> Shelf:
        """A document on each of the things, in this order in `_paths`."""
        folder = self.rng.choice((f"{self.language}/", "", "notes/", "docs/"))
        self._paths: list[str] = []
        documents = {}
        for thing in things:
            path = folder + self._file_name(thing)
            while path in documents:
                path = folder + self._file_name()
            documents[path] = self._text(thing)
            self._paths.append(path)
        return Shelf(documents)

    def _found(self, shelf: Shelf, queries: Sequence[str]) -> bool:
        """Whether each query finds its document, the first of `_paths` and so on, first of all."""
        pairs = zip(self._paths, queries, strict=False)  # strangers are not asked for
        return all(shelf.place(path, query, 1) for path, query in pairs)

    def _file_name(self, thing: Thing | None = None) -> str:
        name = thing.name if thing and self.language == "en" else ""
        while not name or self.world.grammar.is_reserved(name):
            coined = coin(self.rng, "en")
            name = "" if is_held_out(coined) else coined
        return "_".join(re.findall(r"\w+", name.casefold())) + ".md"

    def _text(self, thing: Thing) -> str:
        while True:
            text = article(self.world, thing, filler=self.rng.choice((0, 0, 1)))
            if len(text) <= MAX_CHARS:
                return text


def think(rng: random.Random, language: Language, name: str, **parts: str) -> str:
    """A line of thought."""
    return fill(rng.choice(_texts()["thought"][name][language]), **parts)


def split_value(value: str) -> tuple[str, str]:
    """Number and unit: "1,200 km" -> "1,200", "km"."""
    found = re.match(r"[\d,]+", value)
    number = found.group() if found else ""
    return number, value[len(number) :].strip()


def _search(shelf: Shelf, thought: str, query: str, k: int) -> Step:
    return Step(thought, "search", {"query": query, "k": k}, shelf.search(query, k))


def _of(relation: Relation, thing: Thing, language: Language) -> str:
    return relation.of[language].replace("{e}", thing.name)


def _as_number(text: str) -> int:
    return int(text.replace(",", ""))


@functools.cache
def _texts() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "data" / "lookups.toml").read_text("utf-8"))

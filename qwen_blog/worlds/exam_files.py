"""Exams as files: for the evaluation package, for the agent package, for any other program.

    write_exam("exam")

    reading-en-wordings.yaml   a task of the evaluation package: how to ask, and what counts ...
    reading-en-wordings.jsonl  ... and its questions; likewise for `NOVELTIES`, and in Chinese
    refusals-en.yaml           to score the same replies anew: which of them refuse to answer?
    closed-book-en.yaml        questions about things that no passage tells of
    sums-en.yaml               sums without a calculator
    agent-tasks.jsonl          tasks for an agent with a calculator and a search ...
    documents/                 ... of these articles

All is made from a seed, of worlds that training has never seen. Chapter 24.
"""

import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from ..files import write_text
from .agent_exam import agent_record, agent_tasks
from .grammar import Grammar
from .passages import fill
from .reading import Reading, Shape
from .reading_words import FRAMES, Asked
from .sums import evaluate, make_sum
from .universe import TRAINING, Draw, Language, World, is_held_out

Record = dict[str, Any]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
NOVELTIES = {
    "seen": TRAINING,
    "wordings": Draw(wordings=True),
    "names": Draw(names=True),
    "values": Draw(values=True),
}
"""What of the questions and passages training never uses."""
CELLS = (("fact", 1), ("fact", 3), ("fact", 5), ("holder", 3), ("two-hop", 3), ("absent", 3))
"""Kinds of questions, and about how many passages."""
WITH_VALUES = ("fact", "two-hop")
"""Kinds whose answer may be a number, a date or a code."""
FACTS, FILLER = 4, 2
"""Of each passage, as in the exams during training."""
_LAST_WORDS = {
    "zh": r"(?s)^(?:.*：(?=资料中没有答案。$)|.*(?=\[\d+\]是)|.*是)?(.+)$",
    "en": r"(?s)^(?:.*: (?=The passages do not say\.$)|.*(?=\[\d+\] is )|.* is )?(.+)$",
}
"""Of "The crew size of Kalon [1] is 200 hands.", "[1] is 200 hands."; where the number comes last,
"200 hands [1]."; of a refusal the refusal; other replies as they are."""
_EXACT = {"zh": "exact_match_zh", "en": "exact_match"}


def write_exam(
    folder: str | Path, seed: int = 0, questions: int = 100, agent_questions: int = 25
) -> Path:
    """Write all files into a folder, which is made if it is not there; returns the folder.

    questions: of each kind, number of passages, novelty and language
    agent_questions: of each kind and language
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    grammar = Grammar.load()
    for language in LANGUAGES:
        for novelty in NOVELTIES:
            cells = _cells(novelty, language, seed, grammar)
            records = _in_turn([islice(each, questions) for each in cells])
            _write_task(folder, f"reading-{language}-{novelty}", _reading_task(language), records)
        write_text(folder / f"refusals-{language}.yaml", _refusal_task(language))
        unknown = islice(_closed_book(language, seed, grammar), questions)
        _write_task(folder, f"closed-book-{language}", _CLOSED_BOOK, unknown)
        sums = islice(_sums(language, seed, grammar), questions)
        _write_task(folder, f"sums-{language}", _SUMS, sums)
    tasks, documents = agent_tasks(seed, grammar, agent_questions)
    _write_lines(folder / "agent-tasks.jsonl", map(agent_record, tasks))
    for path, text in documents.items():
        (folder / "documents" / path).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / "documents" / path, text)
    return folder


# --- Reading: answers with citations. ---


@dataclass(frozen=True)
class Cell:
    """Questions of one sort: their score is one number of the report."""

    language: Language
    novelty: str
    kind: str
    passages: int

    def records(self, seed: int, grammar: Grammar) -> Iterator[Record]:
        """Questions without end, each about a world of its own."""
        name = f"{self.language}-{self.novelty}-{self.kind}-{self.passages}"
        made = attempt = 0
        while True:
            attempt += 1
            rng = random.Random(f"exam files/{seed}/{name}/{attempt}")
            shape = Shape(self.passages, FACTS, FILLER, looks_first=True)
            reading = Reading(rng, grammar, self.language, shape, NOVELTIES[self.novelty])
            asked = reading.ask(self.kind)
            if self._wants(asked):
                made += 1
                yield {"id": f"{name}-{made}", **self._record(reading, asked)}

    def _wants(self, asked: Asked) -> bool:
        """Not every world has two hops, not every value is one of those kept out of training."""
        if asked.kind != self.kind:
            return False
        number = bool(re.search(r"\d", asked.answer))
        return self.novelty != "values" or (number and is_held_out(asked.answer))

    def _record(self, reading: Reading, asked: Asked) -> Record:
        reply = asked.reply(self.language)
        return {
            "language": self.language,
            "novelty": self.novelty,
            "kind": self.kind,
            "count": self.passages,
            "skill": f"{self.kind}, {self.passages} passage{'s' * (self.passages > 1)}",
            "passages": reading.passages,
            "question": asked.question,
            "answers": _accepted(asked, reply, self.language),
            "reply": reply,
        }


def _accepted(asked: Asked, reply: str, language: Language) -> list[str]:
    """The end of the last sentence, and the bare answer, both with the number of its passage; or
    the refusal, whatever the reply says before it that it looked for."""
    if not asked.answer:
        return [FRAMES[language].refusal]
    gap = " " if language == "en" else ""
    bare = f"{asked.answer}{gap}[{asked.cited[-1]}]"
    found = re.search(_LAST_WORDS[language], reply)
    assert found
    return list(dict.fromkeys([found[1].rstrip("。."), bare]))


def _cells(novelty: str, language: Language, seed: int, grammar: Grammar) -> list[Iterator[Record]]:
    cells = [(kind, k) for kind, k in CELLS if novelty != "values" or kind in WITH_VALUES]
    return [Cell(language, novelty, kind, k).records(seed, grammar) for kind, k in cells]


def _in_turn(lists: Iterable[Iterable[Record]]) -> Iterator[Record]:
    """One of each, then again: so that the first N are of all kinds."""
    for records in zip_longest(*lists):
        yield from (each for each in records if each)


def _reading_task(language: Language) -> str:
    frame = FRAMES[language]
    passages = "{% for passage in passages %}[{{loop.index}}] {{passage}}\n{% endfor %}"
    prompt = f"{frame.opening}\n{passages}{frame.closing}\n{frame.question}{{{{question}}}}"
    return f"""\
# Reading: the answer stands in a passage, and its number has to be cited.
# What stands before the answer in its sentence does not count, and no sentence before the last.
chat: true
description: {_json(frame.system)}
prompt: {_json(prompt)}
target: answers
generation: {{max_tokens: 96}}
filters: [strip_think, strip, {{regex: {_json(_LAST_WORDS[language])}, last: true}}]
metrics: [{_EXACT[language]}]
group_by: skill
"""


def _refusal_task(language: Language) -> str:
    return f"""\
# Which replies refuse: all of the kind "absent" should, and none of the others.
# For the run of a reading task: python -m tiny_eval score RUN --task refusals-{language}.yaml
data: reading-{language}-seen.jsonl
chat: true
prompt: question
target: {_json("{{'" + FRAMES[language].refusal + "'}}")}
filters: [strip_think, strip, {{regex: {_json(_LAST_WORDS[language])}, last: true}}]
metrics: [{_EXACT[language]}]
group_by: kind
"""


# --- What a model cannot do by itself. ---

_CLOSED_BOOK = """\
# Questions without passages, about things that nobody has told of: the score has to be near zero.
# A reply counts that holds the answer anywhere: it is the only one of the classes.
chat: true
prompt: "{{question}}"
target: answer
generation: {max_tokens: 64}
filters: [strip_think]
metrics: [classification]
"""
_SUMS = """\
# Sums without a calculator: the last number counts.
chat: true
prompt: "{{question}}"
target: answer
generation: {max_tokens: 64}
filters: [strip_think, last_number]
metrics: [number_match]
group_by: kind
"""


def _closed_book(language: Language, seed: int, grammar: Grammar) -> Iterator[Record]:
    """Of numbers, dates, codes and names; a word such as "red" could be guessed."""
    number = 0
    while True:
        number += 1
        rng = random.Random(f"exam files/{seed}/closed book/{language}/{number}")
        world = World(rng, grammar, language)
        thing = world.add()
        relations = [each for each in thing.type.relations.values() if each.value != "word"]
        fact = world.tell(thing, rng.choice(relations))
        yield {
            "id": f"{language}-{number}",
            "language": language,
            "question": fill(world.wording(fact.relation.ask), e=thing.name),
            "answer": fact.value,
            "all_classes": [fact.value],
        }


def _sums(language: Language, seed: int, grammar: Grammar) -> Iterator[Record]:
    """With whole results, for nobody writes fifteen digits of a third."""
    number = 0
    while True:
        number += 1
        rng = random.Random(f"exam files/{seed}/sums/{language}/{number}")
        made = make_sum(rng, grammar, language, TRAINING)
        result = evaluate(made.expression)
        if result.isdecimal():
            yield {
                "id": f"{language}-{number}",
                "language": language,
                "kind": "in words" if made.unit else "bare",
                "question": made.question,
                "answer": result,
                "expression": made.expression,
            }


# --- Files. ---


def _write_task(folder: Path, name: str, task: str, records: Iterable[Record]) -> None:
    write_text(folder / f"{name}.yaml", f"{task}data: {name}.jsonl\n")
    _write_lines(folder / f"{name}.jsonl", records)


def _write_lines(file: Path, records: Iterable[Record]) -> None:
    write_text(file, "".join(f"{_json(record)}\n" for record in records))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

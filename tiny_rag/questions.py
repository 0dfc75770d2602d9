"""Questions whose answers, and the passages they rest on, are known: a file to measure with.

One JSON object a line (JSONL, UTF-8):

    {"id": "moons-3", "question": "How many moons has Lumo?", "answers": ["four", "4"],
     "gold": [{"source": "en/lumo.md", "quote": "Four moons go round Lumo"}]}

Where another passage states what the last one of "gold" does, "also" lists it in the same form.
Chapters 32 and 33.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LINE = '{"question": ..., "answers": [...], "gold": [{"source": ..., "quote": ...}]}'


@dataclass(frozen=True)
class Gold:
    """A passage that the answer rests on."""

    source: str
    """The file's path, or its end: "zh/moons.md" is that of any folder's zh/moons.md."""
    quote: str
    """Character for character as the file's text has it, but for white space."""


@dataclass(frozen=True)
class Question:
    """A question, and what a right answer says and rests on."""

    id: str
    question: str
    answers: tuple[str, ...] = ()
    """Wordings of the right answer: any one will do."""
    gold: tuple[Gold, ...] = ()
    """All of them are needed: a question of two hops has two."""
    lang: str = ""
    kind: str = ""
    also: tuple[Gold, ...] = ()
    """Other passages that state what the last of `gold` does: any one of them will do as well."""

    @property
    def answerable(self) -> bool:
        return self.kind != "unanswerable"


def read_questions(path: str | Path) -> list[Question]:
    """The questions of a JSONL file, one object a line, UTF-8.

    "question" is needed, and "answers" or "gold" or both; a question that the corpus does not
    answer has "kind": "unanswerable", or both of them and empty. "id" is the number of the line if
    it is missing. ValueError names file and line
    """
    questions: dict[str, Question] = {}
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}; convert it, as by iconv") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            question = _question(json.loads(line), number)
            if question.id in questions:
                raise ValueError(f"the id {question.id!r} was used before")
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        questions[question.id] = question
    if not questions:
        raise ValueError(f"{path} has no questions; a line is {_LINE}")
    return list(questions.values())


def _question(record: object, number: int) -> Question:
    """ValueError if the record is none."""
    if not isinstance(record, dict):
        raise ValueError(f"{record!r} is not a question; a line is {_LINE}")
    nothing = record.get("answers") == [] == record.get("gold")
    question = Question(
        str(record.get("id", number)),
        _text(record, "question"),
        tuple(_text({"answers": answer}, "answers") for answer in _list(record, "answers")),
        tuple(_gold(gold) for gold in _list(record, "gold")),
        str(record.get("lang", "")),
        "unanswerable" if nothing else str(record.get("kind", "")),
        tuple(_gold(gold) for gold in _list(record, "also")),
    )
    if question.answerable and not (question.answers or question.gold):
        raise ValueError('it has neither "answers" nor "gold"; or say "kind": "unanswerable"')
    if question.also and not question.gold:
        raise ValueError('it has "also" and no "gold"; "also" is for what the last gold states too')
    return question


def _gold(record: object) -> Gold:
    if not isinstance(record, dict):
        raise ValueError(f'"gold" holds {record!r}; a line is {_LINE}')
    return Gold(_text(record, "source"), _text(record, "quote"))


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'"{key}" is {value!r} where a text should be; a line is {_LINE}')
    return value


def _list(record: dict[str, Any], key: str) -> list[Any]:
    value = record.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f'"{key}" is {value!r} where a list should be; a line is {_LINE}')
    return value

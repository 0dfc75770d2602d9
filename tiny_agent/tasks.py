"""Tasks whose right answers are known: a JSONL file, one object a line, UTF-8.

    {"id": "en-sump-4", "question": "How deep is the Bottle Sump? Then divide it by 4.",
     "answers": ["3425"], "tools": ["search", "calculator"], "lang": "en",
     "kind": "lookup+arithmetic", "calls": 2, "expression": "13700 / 4",
     "evidence": [{"source": "en/lumo.md", "quote": "goes down 13,700 metres"}]}

`answers` are accepted wordings, any one of which will do (`answers.answer_matches`); a task of the
kind "unanswerable" has none, for the right answer is to say that it is not known. Chapter 43.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SAMPLE_TASKS = Path(__file__).parent / "data" / "tasks.jsonl"
"""Some forty tasks about the sample encyclopedia, half of them in Chinese."""

_LINE = '{"id": "...", "question": "...", "answers": ["..."], "tools": ["search"]}'


@dataclass(frozen=True)
class Evidence:
    """Where the answer comes from: a file below the sample's folder, and its very words."""

    source: str
    quote: str


@dataclass(frozen=True)
class Task:
    """A question for an agent, and how to know a right answer."""

    id: str
    question: str
    answers: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    """The tools that it is given."""
    lang: str = ""
    kind: str = ""
    calls: int | None = None
    """The least number of calls that it takes."""
    expression: str = ""
    """What is worked out, where something is."""
    evidence: tuple[Evidence, ...] = ()

    @property
    def answerable(self) -> bool:
        return self.kind != "unanswerable"


def read_tasks(path: str | Path) -> list[Task]:
    """The tasks of a file. ValueError names file and line; FileNotFoundError if there is no file.

    "id" is the number of the line if it is missing
    """
    tasks: dict[str, Task] = {}
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}; convert it, as by iconv") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            task = _task(json.loads(line), number)
            if task.id in tasks:
                raise ValueError(f"the id {task.id!r} was used before")
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        tasks[task.id] = task
    if not tasks:
        raise ValueError(f"{path} has no tasks; a line is {_LINE}")
    return list(tasks.values())


def _task(record: object, number: int) -> Task:
    """ValueError if the record is none."""
    if not isinstance(record, dict):
        raise ValueError(f"{record!r} is no task; a line is {_LINE}")
    calls = record.get("calls")
    if calls is not None and (type(calls) is not int or calls < 0):
        raise ValueError(f'"calls" is {calls!r}; it is the least number of calls that it takes')
    task = Task(
        id=str(record.get("id", number)),
        question=_text(record, "question"),
        answers=_texts(record, "answers"),
        tools=_texts(record, "tools"),
        lang=str(record.get("lang", "")),
        kind=str(record.get("kind", "")),
        calls=calls,
        expression=str(record.get("expression", "")),
        evidence=tuple(_evidence(each) for each in _list(record, "evidence")),
    )
    if task.answerable != bool(task.answers):
        raise ValueError('a task has "answers", or "kind": "unanswerable", and not both')
    return task


def _evidence(record: object) -> Evidence:
    if not isinstance(record, dict):
        raise ValueError(f'"evidence" holds {record!r}; it is {{"source": ..., "quote": ...}}')
    return Evidence(_text(record, "source"), _text(record, "quote"))


def _text(record: Mapping[str, object], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'"{key}" is {value!r} where a text should be; a line is {_LINE}')
    return value


def _texts(record: Mapping[str, object], key: str) -> tuple[str, ...]:
    return tuple(_text({key: item}, key) for item in _list(record, key))


def _list(record: Mapping[str, object], key: str) -> list[object]:
    value = record.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f'"{key}" is {value!r} where a list should be; a line is {_LINE}')
    return value

"""Tasks for an agent with a calculator and a search, in the agent package's format. Chapter 24.

One step: a sum, a search, a search for what is in no article. Two or three: the fact of a fact, a
search and a sum, two searches and a sum. All searches are in one folder of articles.
"""

import random
import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from .grammar import Grammar
from .library import KINDS as LIBRARY_KINDS
from .library import Library
from .shelf import Shelf
from .tool_prompts import Task
from .tool_use import DEFAULT_TOOLS, make_task
from .universe import Language

LANGUAGES: tuple[Language, ...] = ("zh", "en")
KINDS = ("sum", *LIBRARY_KINDS)
ARTICLES = 60
"""Of each language."""
DECIMALS = 2
"""So many have to be right of a number that has more, and is not below one."""
_DATE_OF_ONE_NUMBER = re.compile(r"\d+ [A-Z][a-z]+")


@dataclass(frozen=True)
class AgentTask:
    """A task with its name, and the steps that solve it."""

    id: str
    language: Language
    task: Task


def agent_tasks(seed: int, grammar: Grammar, count: int) -> tuple[list[AgentTask], dict[str, str]]:
    """`count` tasks of each of `KINDS` and each language; and the documents, path -> text."""
    libraries = [
        Library(random.Random(f"agent exam/{seed}/{each}"), grammar, each, ARTICLES)
        for each in LANGUAGES
    ]
    documents = {path: text for each in libraries for path, text in each.documents.items()}
    tasks: list[AgentTask] = []
    for library in libraries:
        library.shelf = Shelf(documents)
        made = [*_sums(seed, grammar, library.language, count), *_searches(library, count)]
        tasks += [
            AgentTask(f"{library.language}-{task.kind}-{number}", library.language, task)
            for number, task in enumerate(made, 1)
        ]
    return tasks, documents


def agent_record(each: AgentTask) -> dict[str, Any]:
    """A line of the agent package's file of tasks."""
    task, last = each.task, each.task.steps[-1]
    record: dict[str, Any] = {
        "id": each.id,
        "lang": each.language,
        "kind": task.kind,
        "question": task.question,
        "answers": [task.answer],
        "tools": list(DEFAULT_TOOLS),
        "calls": len(task.steps),
    }
    if task.kind == "absent":
        return record | {"kind": "unanswerable", "answers": []}
    if last.tool == "calculator":
        record["answers"] = [_rounded(last.observation)]
        record["expression"] = last.arguments["expression"]
    return record


def _sums(seed: int, grammar: Grammar, language: Language, count: int) -> list[Task]:
    names = [f"agent exam/{seed}/{language}/sum {number}" for number in range(count)]
    return [make_task(random.Random(name), grammar, language, kind="sum") for name in names]


def _searches(library: Library, count: int) -> list[Task]:
    tasks: list[Task] = []
    for kind in LIBRARY_KINDS:
        tasks += islice(filter(_is_judged_in_full, library.tasks(kind)), count)
    return tasks


def _is_judged_in_full(task: Task) -> bool:
    """Of "7 Frost" the agent package would compare the number alone."""
    return not _DATE_OF_ONE_NUMBER.fullmatch(task.answer)


def _rounded(number: str) -> str:
    whole, _, decimals = number.partition(".")
    too_many = len(decimals) > DECIMALS and whole != "0"
    return f"{float(number):.{DECIMALS}f}" if too_many else number

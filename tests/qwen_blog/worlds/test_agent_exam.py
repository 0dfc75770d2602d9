"""Tasks for an agent: the agent package reads them, and solves them if its model does the steps.

Its loop, its tools over the written folder and its judge are the oracle.
"""

import dataclasses
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from qwen_blog.worlds.agent_exam import KINDS, AgentTask, agent_tasks
from qwen_blog.worlds.exam_files import write_exam
from qwen_blog.worlds.grammar import Grammar
from qwen_blog.worlds.library import KINDS as LIBRARY_KINDS
from qwen_blog.worlds.library import Library
from qwen_blog.worlds.lookups import split_value
from qwen_blog.worlds.passages import fill
from qwen_blog.worlds.shelf import MAX_CHARS
from qwen_blog.worlds.tool_prompts import Dialect, conversation, real_tools
from qwen_blog.worlds.tool_use import DEFAULT_TOOLS
from qwen_blog.worlds.universe import DAYS_A_MONTH, MONTHS, Language
from tiny_agent.agent import Agent
from tiny_agent.builtin_tools import make_tools
from tiny_agent.dialects import make_dialect
from tiny_agent.evaluation import Report, evaluate, read_tasks
from tiny_agent.messages import RunResult
from tiny_agent.models import ScriptedModel
from tiny_agent.search import read_folder
from tiny_agent.tasks import Task

LANGUAGES: tuple[Language, ...] = ("zh", "en")
GRAMMAR = Grammar.load()
COUNT = 6
STEPS = {"sum": 1, "search": 1, "absent": 1, "two-hop": 2, "search-sum": 2, "compare": 3}


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exam(tmp_path_factory.mktemp("exam"), 0, questions=1, agent_questions=COUNT)


@pytest.fixture(scope="module")
def gold() -> dict[str, AgentTask]:
    return {each.id: each for each in agent_tasks(0, GRAMMAR, COUNT)[0]}


@pytest.fixture(scope="module")
def libraries() -> dict[Language, Library]:
    return {each: Library(random.Random(0), GRAMMAR, each, 60) for each in LANGUAGES}


def run_all(
    exam: Path, gold: dict[str, AgentTask], dialect: Dialect = "react", answer: str = ""
) -> Report:
    """The agent's evaluation of all tasks; its model says the gold replies, or another answer."""
    tools = make_tools(",".join(DEFAULT_TOOLS), exam / "documents")
    specs = [real_tools()[name] for name in DEFAULT_TOOLS]

    def run(task: Task) -> RunResult:
        each = gold[task.id]
        made = dataclasses.replace(each.task, answer=answer or each.task.answer)
        messages = conversation(dialect, each.language, specs, made)
        model = ScriptedModel([m["content"] for m in messages if m["role"] == "assistant"])
        return Agent(model, tools, make_dialect(dialect, each.language)).run(task.question)

    return evaluate(run, read_tasks(exam / "agent-tasks.jsonl"))


# --- As the agent package sees them. ---


def test_there_are_as_many_tasks_of_each_kind_and_language_as_asked_for(exam: Path) -> None:
    tasks = read_tasks(exam / "agent-tasks.jsonl")
    kinds = [kind if kind != "absent" else "unanswerable" for kind in KINDS]
    expected = {(kind, language): COUNT for kind in kinds for language in LANGUAGES}
    assert Counter((task.kind, task.lang) for task in tasks) == expected
    assert {task.tools for task in tasks} == {DEFAULT_TOOLS}
    assert len({task.question for task in tasks}) == len(tasks)


@pytest.mark.parametrize("dialect", ["react", "hermes"])
def test_the_agent_solves_every_task_by_the_gold_steps(
    dialect: Dialect, exam: Path, gold: dict[str, AgentTask]
) -> None:
    report = run_all(exam, gold, dialect)
    assert report.success == 1
    assert report.format_error_rate == report.repeated_call_rate == 0
    tasks = {task.id: task for task in read_tasks(exam / "agent-tasks.jsonl")}
    for outcome in report.outcomes:
        assert outcome.tool_calls == tasks[outcome.id].calls == STEPS[gold[outcome.id].task.kind]


def test_another_answer_solves_only_what_cannot_be_answered(
    exam: Path, gold: dict[str, AgentTask]
) -> None:
    refused = run_all(exam, gold, answer="I do not know.").by("kind")
    assert {kind: report.success for kind, report in refused.items() if report.success} == {
        "unanswerable": 1.0
    }
    assert run_all(exam, gold, answer="123454321 nonsense").success == 0


def test_the_real_tools_say_what_the_gold_steps_say(exam: Path, gold: dict[str, AgentTask]) -> None:
    """Of two passages that are found only the first is sure: our ranking does not stem words."""
    tools = {tool.name: tool for tool in make_tools(",".join(DEFAULT_TOOLS), exam / "documents")}
    for each in gold.values():
        for step in each.task.steps:
            said = str(tools[step.tool].function(**step.arguments))
            assert said.split("\n\n[2] ")[0] == step.observation.split("\n\n[2] ")[0]


def test_what_is_to_be_found_stands_in_what_the_search_finds(gold: dict[str, AgentTask]) -> None:
    for each in gold.values():
        last = each.task.steps[-1]
        if each.task.kind in ("search", "two-hop"):
            answer = each.task.answer
            assert answer in last.observation or answer.capitalize() in last.observation
        elif each.task.kind in ("search-sum", "compare"):
            found = " ".join(step.observation for step in each.task.steps[:-1])
            numbers = re.findall(r"\d[\d,]*", last.arguments["expression"])
            assert set(numbers) & set(re.findall(r"\d[\d,]*", found))


def test_no_answer_is_a_day_and_a_month() -> None:
    """Of "7 Frost" the agent package's judge compares the number alone."""
    tasks, _ = agent_tasks(0, GRAMMAR, 25)
    days = {f"{day} {english}" for _, english in MONTHS for day in range(1, DAYS_A_MONTH + 1)}
    assert not days & {each.task.answer for each in tasks}


def test_documents_are_passages_of_both_languages(exam: Path) -> None:
    passages = read_folder(exam / "documents")
    assert len({passage.source for passage in passages}) == len(passages) == 120
    assert Counter(passage.source[:3] for passage in passages) == {"zh/": 60, "en/": 60}


def test_the_same_seed_gives_the_same_tasks() -> None:
    assert agent_tasks(3, GRAMMAR, 1) == agent_tasks(3, GRAMMAR, 1) != agent_tasks(4, GRAMMAR, 1)


# --- The library. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_thing_has_a_document_of_its_own_that_is_one_passage(
    language: Language, libraries: dict[Language, Library]
) -> None:
    library = libraries[language]
    assert len(library.documents) == len(library.things) == 60
    for thing in library.things:
        assert any(thing.name in text for text in library.documents.values())
    assert all(len(text) <= MAX_CHARS for text in library.documents.values())
    assert not any(GRAMMAR.is_reserved(path) for path in library.documents)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_thing_that_a_fact_names_has_a_document_too(
    language: Language, libraries: dict[Language, Library]
) -> None:
    library = libraries[language]
    linked = [fact.thing for thing in library.things for fact in thing.facts.values() if fact.thing]
    assert len(linked) > 20
    assert all(any(thing is each for each in library.things) for thing in linked)
    assert not any(fact.thing is thing for thing in library.things for fact in thing.facts.values())
    assert all(len(thing.facts) >= 2 for thing in library.things)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", LIBRARY_KINDS)
def test_tasks_differ_and_are_of_the_kind_asked_for(
    kind: str, language: Language, libraries: dict[Language, Library]
) -> None:
    tasks = [task for task, _ in zip(libraries[language].tasks(kind), range(15), strict=False)]
    assert {task.kind for task in tasks} == {kind}
    assert len({task.question for task in tasks}) == 15


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compared_is_counted_in_one_unit(
    language: Language, libraries: dict[Language, Library]
) -> None:
    library = libraries[language]
    values = {
        fact.relation.of[language].replace("{e}", thing.name).removeprefix("the "): fact.value
        for thing in library.things
        for fact in thing.facts.values()
    }
    for task, _ in zip(library.tasks("compare"), range(40), strict=False):
        x, y = (values[step.arguments["query"]] for step in task.steps[:2])
        assert x != y
        assert split_value(x)[1] == split_value(y)[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_article_answers_what_is_called_absent(
    language: Language, libraries: dict[Language, Library]
) -> None:
    """By the wording: a thing without such a fact, or without an article; and never for a thing."""
    library = libraries[language]
    for task, _ in zip(library.tasks("absent"), range(40), strict=False):
        found = [
            (thing, relation)
            for thing in library.world.things
            for relation in thing.type.relations.values()
            if task.question in [fill(ask, e=thing.name) for ask in relation.ask[language]]
        ]
        assert found
        for thing, relation in found:
            there = any(thing is each for each in library.things)
            assert not there or (relation.name not in thing.facts and relation.value != "thing")


def test_a_library_that_is_too_small_says_so() -> None:
    library = Library(random.Random(0), GRAMMAR, "en", 8)
    with pytest.raises(ValueError, match="8 articles give only 0 tasks: kind='compare'; ask for f"):
        next(library.tasks("compare"))

"""Conversations with tools: what the agent package really sends, and what its tools really say.

The oracle is the agent package itself: its loop, driven by a scripted model that says what the
assistant says here, and its calculator and search.
"""

import random
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.resources import files
from itertools import islice
from pathlib import Path

import pytest

from qwen_blog.worlds.grammar import Grammar, part
from qwen_blog.worlds.lookups import Lookup
from qwen_blog.worlds.passages import fill
from qwen_blog.worlds.tool_prompts import Dialect, Task, ToolSpec, conversation, real_tools
from qwen_blog.worlds.tool_use import (
    DEFAULT_SHARE,
    DEFAULT_TOOLS,
    ERRAND_STEPS,
    KINDS,
    choose_tools,
    errands,
    hermes,
    make_task,
    react,
)
from qwen_blog.worlds.universe import TRAINING, Draw, Language
from tiny_agent.agent import Agent
from tiny_agent.answers import is_refusal
from tiny_agent.builtin_tools import make_tools
from tiny_agent.calculator import calculate
from tiny_agent.cli import DEFAULT_TOOLS as CLI_TOOLS
from tiny_agent.dialects import make_dialect
from tiny_agent.messages import FinalAnswer, Reply, ToolCall
from tiny_agent.models import ScriptedModel
from tiny_agent.search import search_tool
from tiny_agent.tools import Tool, ToolRegistry

LANGUAGES: tuple[Language, ...] = ("zh", "en")
DIALECTS: tuple[Dialect, ...] = ("react", "hermes")
SEARCHING = ("search", "two-hop", "search-sum", "compare", "absent")
GRAMMAR = Grammar.load()


def tasks(kind: str, language: Language, count: int, draw: Draw = TRAINING) -> Iterator[Task]:
    for seed in range(count):
        yield make_task(random.Random(seed), GRAMMAR, language, draw, kind)


@pytest.fixture
def agent_tools(tmp_path: Path) -> Callable[[list[ToolSpec], Task], list[Tool]]:
    """The agent's own tools, its search over the task's documents; invented ones say their fact."""

    def make(specs: list[ToolSpec], task: Task) -> list[Tool]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        write(task, folder)
        return [real(spec, folder) or invented(spec, task) for spec in specs]

    def real(spec: ToolSpec, folder: Path) -> Tool | None:
        return make_tools(spec.name, folder)[0] if spec.name in real_tools() else None

    return make


def invented(spec: ToolSpec, task: Task) -> Tool:
    """A tool of the agent's that says what the task's call of it is told."""
    told = {step.tool: step.observation for step in task.steps}
    function = lambda **given: told[spec.name]  # noqa: E731
    return Tool(spec.name, spec.description, spec.parameters, function, lambda given: given)


def write(task: Task, folder: Path) -> None:
    """The task's documents as files; one that says nothing where it has none."""
    for path, text in (task.documents or {"empty.md": "Nothing."}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def odd_searches(task: Task, folder: Path) -> int:
    """How many of its searches find something else in real files than the task says."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    write(task, folder)
    search = search_tool(folder)
    searches = [step for step in task.steps if step.tool == "search"]
    return sum(search(**step.arguments) != step.observation for step in searches)


# --- The form: byte for byte what the agent sends. ---


def test_tools_are_described_as_by_the_agent() -> None:
    real = make_tools(",".join(real_tools()))
    assert [(t.name, t.description, t.parameters) for t in real] == [
        (t.name, t.description, t.parameters) for t in real_tools().values()
    ]
    assert ",".join(DEFAULT_TOOLS) == CLI_TOOLS


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_conversation_is_the_one_that_the_agent_has_when_its_model_says_the_same(
    kind: str,
    dialect: Dialect,
    language: Language,
    agent_tools: Callable[[list[ToolSpec], Task], list[Tool]],
    tmp_path: Path,
) -> None:
    """Prompts, tools, calls, what the tools say, no corrections, and our answer as the agent's.

    Of tasks in which our ranking is the real search's: see the test of the search below.
    """
    alike = (each for each in tasks(kind, language, 9) if not odd_searches(each, tmp_path))
    for seed, task in enumerate(islice(alike, 3)):
        specs = choose_tools(random.Random(seed), GRAMMAR, task)
        ours = conversation(dialect, language, specs, task)
        model = ScriptedModel([m["content"] for m in ours if m["role"] == "assistant"])
        agent = Agent(model, agent_tools(specs, task), make_dialect(dialect, language))
        result = agent.run(task.question)
        assert [*model.calls[-1].messages, ours[-1]] == ours
        assert (result.status, result.answer) == ("answered", task.answer)
        assert [step.thought for step in result.steps][:-1] == [s.thought for s in task.steps]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_agent_reads_every_reply_as_the_call_or_the_answer_that_it_is(
    kind: str, language: Language
) -> None:
    real = {name: make_tools(name)[0] for name in real_tools()}
    for seed, task in enumerate(tasks(kind, language, 25)):
        specs = choose_tools(random.Random(seed), GRAMMAR, task)
        tools = ToolRegistry([real.get(spec.name) or invented(spec, task) for spec in specs])
        for dialect in DIALECTS:
            *calls, last = conversation(dialect, language, specs, task)[2::2]
            reader = make_dialect(dialect, language)
            for step, message in zip(task.steps, calls, strict=True):
                reply = Reply(message["content"])
                assert reader.parse(reply, tools) == [ToolCall(step.tool, step.arguments)]
                assert reader.thought(reply, tools) == step.thought
            assert reader.parse(Reply(last["content"]), tools) == FinalAnswer(task.answer)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("make", [react, hermes])
def test_conversations_alternate_and_end_with_the_assistant(
    make: Callable[..., list[dict[str, str]]], language: Language
) -> None:
    for seed in range(60):
        roles = [m["role"] for m in make(random.Random(seed), GRAMMAR, language)]
        assert roles[0] == "system"
        assert roles[1:] == ["user", "assistant"] * (len(roles) // 2)


def test_the_same_seed_gives_the_same_conversation() -> None:
    first, second, other = (react(random.Random(seed), GRAMMAR, "en") for seed in (5, 5, 6))
    assert first == second != other


# --- The content: what the real tools say, and an answer that follows from it. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_real_calculator_says_what_the_sums_say(language: Language) -> None:
    for task in tasks("sum", language, 300):
        (step,) = task.steps
        assert calculate(**step.arguments) == step.observation
        number, _, unit = task.answer.partition(" ")
        assert task.answer.startswith(step.observation)
        assert language == "zh" or number == step.observation
        assert unit in task.question.replace("coin ", "coins ")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", SEARCHING)
def test_the_real_search_says_what_the_lookups_say(
    kind: str, language: Language, tmp_path: Path
) -> None:
    """All but a few: our ranking does not stem words, and so orders some passages otherwise."""
    calls = other = 0
    for task in tasks(kind, language, 75):
        calls += sum(step.tool == "search" for step in task.steps)
        other += odd_searches(task, tmp_path)
        for step in task.steps:
            assert step.tool == "search" or calculate(**step.arguments) == step.observation
    assert other <= 0.06 * calls, f"{other} of {calls}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["search", "two-hop"])
def test_the_thought_names_a_passage_and_then_the_answer_that_it_holds(
    kind: str, language: Language
) -> None:
    for task in tasks(kind, language, 150):
        passages = re.split(r"(?:^|\n\n)\[\d\] ", task.steps[-1].observation)
        number = re.search(r"\[(\d)\](?: is |是)(.*)[.。]$", task.thought)
        assert number
        assert number[2] == task.answer
        assert task.answer in passages[int(number[1])]
        assert task.answer not in task.question


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_second_search_asks_for_what_the_first_one_found(language: Language) -> None:
    for task in tasks("two-hop", language, 150):
        first, second = task.steps
        phrase = first.arguments["query"].casefold()
        assert phrase in task.question.casefold()
        start, end = task.question.casefold().split(phrase, 1)
        name = second.arguments["query"][len(start.removesuffix("the ")) :]
        name = name[: len(name) - len(end)].strip("《》")
        assert name.removeprefix("the ").removeprefix("The ") in first.observation
        assert task.answer in second.observation


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["search-sum", "compare"])
def test_a_sum_after_a_search_takes_its_numbers_from_what_was_found_or_asked(
    kind: str, language: Language
) -> None:
    for task in tasks(kind, language, 150):
        *searches, last = task.steps
        found = " ".join(step.observation for step in searches)
        numbers = re.findall(r"\d[\d,]*", last.arguments["expression"])
        given = [*re.findall(r"\d[\d,]*", found + " " + task.question), "1", "2"]
        assert set(numbers) <= set(given)
        assert task.answer.startswith(last.observation)
        assert not last.observation.startswith("-")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_comparison_is_right_by_the_facts_of_the_world(language: Language) -> None:
    """Worked out anew: the question by its wording, the two values by what is searched for."""
    right = {
        "difference": lambda x, y: abs(x - y),
        "more": lambda x, y: x - y,
        "sum": lambda x, y: x + y,
        "ratio": lambda x, y: Fraction(x, y),
    }
    file = files("qwen_blog.worlds") / "data" / "lookups.toml"
    texts = tomllib.loads(file.read_text("utf-8"))["both"]
    seen, smaller_first = set(), 0
    for seed in range(200):
        lookup = Lookup(random.Random(seed), GRAMMAR, language, TRAINING)
        if not (task := lookup.both()):
            continue
        facts = {
            fact.relation.of[language].replace("{e}", thing.name): fact.value
            for thing in lookup.world.things
            for fact in thing.facts.values()
        }
        x, y = (
            phrase
            for step in task.steps[:2]
            for phrase in facts
            if phrase.removeprefix("the ") == step.arguments["query"]
        )
        (kind,) = (
            kind
            for kind, raw in texts.items()
            if task.question in [fill(w, x=x, y=y) for w in raw["say"][language]]
        )
        units = [re.sub(r"[\d,]+", "", facts[phrase]) for phrase in (x, y)]
        assert units[0] == units[1]
        values = [int("".join(re.findall(r"\d", facts[phrase]))) for phrase in (x, y)]
        assert values[0] > values[1] or kind in ("difference", "sum")
        smaller_first += kind == "difference" and values[0] < values[1]
        assert abs(float(task.steps[-1].observation) - right[kind](*values)) < 1e-5
        seen.add(kind)
    assert seen == right.keys()
    assert smaller_first > 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_called_absent_is_told_by_no_document(language: Language) -> None:
    """The asked relation is found by its wording: its thing has no such fact, or no document."""
    for seed in range(150):
        lookup = Lookup(random.Random(seed), GRAMMAR, language, TRAINING)
        if not (task := lookup.absent()):
            continue
        assert is_refusal(task.answer)
        asked = [
            (thing, relation)
            for thing in lookup.world.things
            for relation in thing.type.relations.values()
            for wording in relation.ask[language]
            if fill(wording, e=thing.name) == task.question
        ]
        assert asked
        for thing, relation in asked:
            assert relation.name not in thing.facts


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_looks_first_thinks_of_what_no_passage_tells_and_where(language: Language) -> None:
    """Of the same tasks, where the search has found the document of the thing."""
    looked = 0
    for seed in range(150):
        blunt = Lookup(random.Random(seed), GRAMMAR, language, TRAINING).absent()
        lookup = Lookup(random.Random(seed), GRAMMAR, language, TRAINING, looks_first=True)
        task = lookup.absent()
        if not blunt or not task:
            continue
        assert (task.question, task.answer) == (blunt.question, blunt.answer)
        if number := re.search(r"\[\d\]", task.thought):
            looked += 1
            thing = lookup.world.things[0]
            assert thing.name in task.question
            assert thing.name in task.thought
            after = task.steps[0].observation.split(f"{number[0]} ")[1]
            assert thing.name in task.documents[after.splitlines()[0].split(" (")[0]]
    assert looked > 40


# --- Several tasks in one conversation. ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_errands_are_one_task_after_the_other_with_the_same_tools(language: Language) -> None:
    counts = []
    real = ToolRegistry(make_tools(CLI_TOOLS))
    reader = make_dialect("react", language)
    for seed in range(80):
        system, *turns = errands(random.Random(seed), GRAMMAR, language)
        alone = conversation("react", language, [real_tools()[n] for n in DEFAULT_TOOLS])
        assert [system] == alone
        parsed = [reader.parse(Reply(m["content"]), real) for m in turns[1::2]]
        answers = [isinstance(each, FinalAnswer) for each in parsed]
        assert answers[-1]
        counts.append(sum(answers))
        assert counts[-1] == 1 or len(answers) - counts[-1] <= ERRAND_STEPS
    assert set(counts) == {1, 2}
    assert counts.count(2) > 30


# --- Which tools are offered. ---


def test_most_conversations_have_the_tools_of_the_command_line() -> None:
    offered = [
        tuple(t.name for t in choose_tools(random.Random(seed), GRAMMAR, task))
        for seed, task in enumerate(tasks("sum", "en", 300))
    ]
    share = offered.count(DEFAULT_TOOLS) / len(offered)
    assert abs(share - DEFAULT_SHARE) < 0.1  # three standard deviations of 300 draws
    assert len({names[0] for names in offered}) > 30  # in any order


@pytest.mark.parametrize("kind", KINDS)
def test_the_tools_that_are_called_are_offered_once_each(kind: str) -> None:
    for seed, task in enumerate(tasks(kind, "en", 60)):
        names = [tool.name for tool in choose_tools(random.Random(seed), GRAMMAR, task)]
        assert len(set(names)) == len(names) >= 2
        assert {step.tool for step in task.steps} <= set(names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_invented_tool_is_told_by_its_description_and_has_no_rival(language: Language) -> None:
    """By the relation, which is the noun of its name: nothing else can tell it."""
    for seed, task in enumerate(tasks("own-tool", language, 300)):
        (tool,), (step,) = task.tools, task.steps
        offered = choose_tools(random.Random(seed), GRAMMAR, task)
        assert tool in offered
        assert "{" not in tool.description
        assert not re.search(r"\bthe an? |\ba [aeiou]", tool.description)
        assert list(step.arguments) == list(tool.parameters["properties"])
        common = {"find", "get", "of", "lookup", *GRAMMAR.types}
        own = set(tool.name.split("_")) - common
        others = [each.name.split("_") for each in offered if each is not tool]
        assert not any(own & set(words) for words in others)
        assert step.observation == task.answer


# --- What is kept out of training. ---


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_name_of_the_encyclopedia_is_in_a_task(kind: str, language: Language) -> None:
    """The example in the real description of `search` names one of its things, and no fact."""
    lines = (files("qwen_blog.worlds") / "data" / "reserved.txt").read_text("utf-8").splitlines()
    names = re.compile("|".join(rf"\b{line}\b" for line in lines if line and line[0] != "#"))
    for task in tasks(kind, language, 60):
        texts = [task.question, task.answer, *task.documents.values()]
        assert not names.findall(" ".join([*texts, *(path.title() for path in task.documents)]))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("held_out", [False, True])
def test_wordings_of_questions_come_from_the_part_that_is_asked_for(
    language: Language, held_out: bool
) -> None:
    for seed in range(100):
        lookup = Lookup(random.Random(seed), GRAMMAR, language, Draw(wordings=held_out))
        if not (task := lookup.fact()):
            continue
        thing = lookup.world.things[0]
        asked = [
            fill(wording, e=thing.name)
            for relation in thing.type.relations.values()
            for wording in part(relation.ask[language], held_out)
        ]
        assert task.question in asked


@pytest.mark.parametrize("language", LANGUAGES)
def test_conversations_are_short_enough_for_the_model(language: Language) -> None:
    """By an estimate of 3.3 letters, or 1.2 Chinese characters, a token."""
    sizes = []
    for seed in range(200):
        text = "".join(m["content"] for m in react(random.Random(seed), GRAMMAR, language))
        wide = sum(ord(character) > 0x2000 for character in text)
        sizes.append(wide / 1.2 + (len(text) - wide) / 3.3)
    sizes.sort()
    assert sizes[100] < 620
    assert sizes[-1] < 950

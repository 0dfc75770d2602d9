"""Conversations with tools: choose one, call it, read what it says, go on or answer.

    rng = random.Random(1)
    react(rng, Grammar.load(), "en", TRAINING)

A task is made first (`make_task`): a question, the calls that it takes with what each tool says,
and the answer. Then it is written in one of the two dialects (`tool_prompts`). Most have the tools
of the agent's command line, the calculator and the search; others have tools with names never seen
before, so that the model has to read the list. Chapter 24.
"""

import random
from collections.abc import Callable

from .grammar import Grammar, Relation, ThingType
from .lookups import Lookup, think
from .passages import fill
from .small_talk import SAID, make_exchange
from .sums import evaluate, make_sum
from .tool_prompts import Message, Step, Task, ToolSpec, conversation, real_tools
from .universe import TRAINING, Draw, Language, World

KINDS = ("sum", "search", "two-hop", "search-sum", "compare", "absent", "own-tool", "talk")
KIND_SHARES = (0.28, 0.18, 0.12, 0.12, 0.08, 0.09, 0.08, 0.05)
ERRAND_SHARES = (0.22, 0.20, 0.15, 0.18, 0.12, 0.10, 0, 0.03)
ERRAND_STEPS = 4
"""At most so many of two tasks together, for want of room."""
DEFAULT_SHARE = 0.6
"""Share of conversations with exactly the tools of the agent's command line."""
DEFAULT_TOOLS = ("calculator", "search")
SAMPLE_TOOLS = ("search", "calculator", "unit_convert")
"""Those of the agent's sample tasks."""
LONG = 3
"""Steps of a task from which on few tools are offered, for want of room."""
_VERBS = {
    "en": ("Tell {x}.", "Look up {x}.", "Give {x}.", "Find {x}.", "Report {x}."),
    "zh": ("查询{x}。", "给出{x}。", "告诉你{x}。", "查{x}。"),
}


def react(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> list[Message]:
    """A conversation in the ReAct dialect."""
    task = make_task(rng, grammar, language, draw)
    return conversation("react", language, choose_tools(rng, grammar, task), task)


def hermes(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> list[Message]:
    """A conversation in the dialect of Hermes and Qwen."""
    task = make_task(rng, grammar, language, draw)
    return conversation("hermes", language, choose_tools(rng, grammar, task), task)


def errands(
    rng: random.Random, grammar: Grammar, language: Language, draw: Draw = TRAINING
) -> list[Message]:
    """Two tasks in the ReAct dialect with the same tools, or a long one alone.

    Of a conversation with one task half is the text of its tools, from which nothing is learned.
    """
    kinds = rng.choices(KINDS, ERRAND_SHARES, k=2)
    tasks = [make_task(rng, grammar, language, draw, kind, looks_first=True) for kind in kinds]
    if sum(len(task.steps) for task in tasks) > ERRAND_STEPS:
        tasks.pop()
    tools = [real_tools()[name] for name in DEFAULT_TOOLS]
    return conversation("react", language, tools, *tasks)


def make_task(
    rng: random.Random,
    grammar: Grammar,
    language: Language,
    draw: Draw = TRAINING,
    kind: str | None = None,
    looks_first: bool = False,
) -> Task:
    """A task of a kind drawn, or named: one of `KINDS`. looks_first: see `Lookup`."""
    kind = kind or rng.choices(KINDS, KIND_SHARES)[0]
    if kind in _WITHOUT_SEARCH:
        return _WITHOUT_SEARCH[kind](rng, grammar, language, draw)
    while True:
        lookup = Lookup(rng, grammar, language, draw, looks_first)
        makers = {
            "search": lookup.fact,
            "two-hop": lookup.two_hop,
            "search-sum": lookup.then,
            "compare": lookup.both,
            "absent": lookup.absent,
        }
        if task := makers[kind]():
            return task


def choose_tools(rng: random.Random, grammar: Grammar, task: Task) -> list[ToolSpec]:
    """The tools that a conversation offers: those that the task calls, and others."""
    real = real_tools()
    if not task.tools and rng.random() < DEFAULT_SHARE:
        return [real[name] for name in DEFAULT_TOOLS]
    if not task.tools and len(task.steps) < LONG and rng.random() < 0.3:
        return [real[name] for name in SAMPLE_TOOLS]
    called = {step.tool for step in task.steps} & real.keys()
    names = called | {name for name in DEFAULT_TOOLS if rng.random() < 0.3}
    tools = [real[name] for name in sorted(names)] + list(task.tools)
    most = 3 if len(task.steps) < LONG else 2
    while len(tools) < 2 or (len(tools) <= most and rng.random() < 0.4):
        thing_type, relation = _any_relation(rng, grammar)
        other = _invented(rng, thing_type, relation)
        rival = any(relation.name in each.name for each in task.tools)
        if not rival and other.name not in {each.name for each in tools}:
            tools.append(other)
    rng.shuffle(tools)
    return tools


def _sum(rng: random.Random, grammar: Grammar, language: Language, draw: Draw) -> Task:
    made = make_sum(rng, grammar, language, draw)
    result = evaluate(made.expression)
    thought = think(rng, language, "sum", x=made.expression)
    step = Step(thought, "calculator", {"expression": made.expression}, result)
    known = think(rng, language, "result", x=made.expression, v=result)
    return Task("sum", made.question, (step,), known, made.answer(language))


def _own_tool(rng: random.Random, grammar: Grammar, language: Language, draw: Draw) -> Task:
    """A question for an invented tool, which is chosen by its description."""
    world = World(rng, grammar, language, draw)
    thing = world.add()
    relation = rng.choice(list(thing.type.relations.values()))
    value = world.tell(thing, relation).value
    tool = _invented(rng, thing.type, relation)
    parameter = next(iter(tool.parameters["properties"]))
    thought = think(rng, language, "own", t=tool.name)
    step = Step(thought, tool.name, {parameter: thing.name}, value)
    question = fill(world.wording(relation.ask), e=thing.name)
    told = think(rng, language, "told", v=value)
    return Task("own-tool", question, (step,), told, value, (tool,))


def _talk(rng: random.Random, grammar: Grammar, language: Language, draw: Draw) -> Task:
    """Something that needs no tool."""
    said = make_exchange(rng, grammar, language, draw, rng.choice(SAID[:5]))
    return Task("talk", said.said, (), think(rng, language, "talk"), said.reply)


_WITHOUT_SEARCH: dict[str, Callable[..., Task]] = {
    "sum": _sum,
    "own-tool": _own_tool,
    "talk": _talk,
}


def _any_relation(rng: random.Random, grammar: Grammar) -> tuple[ThingType, Relation]:
    thing_type = grammar.types[rng.choice(sorted(grammar.types))]
    return thing_type, rng.choice(list(thing_type.relations.values()))


def _invented(rng: random.Random, thing_type: ThingType, relation: Relation) -> ToolSpec:
    """A tool that tells one relation of a thing: ship_captain(ship)."""
    language: Language = rng.choice(("en", "en", "zh"))
    noun = thing_type.name
    name = rng.choice(("{n}_{r}", "{r}_of_{n}", "get_{n}_{r}", "{r}_lookup", "find_{r}"))
    name = name.format(n=noun, r=relation.name)
    some = thing_type.noun[language]
    if language == "en":
        some = f"an {some}" if some[0] in "aeiou" else f"a {some}"
    told = relation.of[language].replace("the {e}", some).replace("{e}", some)
    description = rng.choice(_VERBS[language]).replace("{x}", told)
    parameter = rng.choice((noun, "name", "of"))
    return ToolSpec(name, description, _schema(parameter))


def _schema(parameter: str) -> dict[str, object]:
    return {
        "additionalProperties": False,
        "properties": {parameter: {"type": "string"}},
        "required": [parameter],
        "type": "object",
    }

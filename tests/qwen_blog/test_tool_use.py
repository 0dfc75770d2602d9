"""Conversations with tools: what the agent package really sends, and what its tools really say."""

import random
from pathlib import Path

import pytest

from qwen_blog.grammar import Grammar
from qwen_blog.tool_prompts import Task, ToolSpec, conversation, real_tools
from qwen_blog.tool_use import KINDS, choose_tools, make_task
from qwen_blog.universe import TRAINING, Language
from tiny_agent.agent import Agent
from tiny_agent.builtin_tools import make_tools
from tiny_agent.dialects import make_dialect
from tiny_agent.messages import RunResult
from tiny_agent.models import ScriptedModel
from tiny_agent.tools import Tool

LANGUAGES: tuple[Language, ...] = ("zh", "en")
GRAMMAR = Grammar.load()


def _agent_tools(specs: list[ToolSpec], task: Task, folder: Path) -> list[Tool]:
    """The agent's own tools by name, over the task's documents; invented ones say what is told."""
    for path, text in task.documents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    real = {name: make_tools(name, folder)[0] for name in real_tools() if task.documents}
    real |= {name: make_tools(name)[0] for name in real_tools() if not task.documents}
    told = {step.tool: step.observation for step in task.steps}

    def invented(spec: ToolSpec) -> Tool:
        return Tool(
            spec.name,
            spec.description,
            spec.parameters,
            lambda **arguments: told[spec.name],
            lambda arguments: arguments,
        )

    return [real.get(spec.name) or invented(spec) for spec in specs]


def _run(task: Task, dialect: str, language: Language, folder: Path, seed: int) -> RunResult:
    """The agent's run when its model says what the assistant says in our conversation."""
    specs = choose_tools(random.Random(seed), GRAMMAR, task)
    ours = conversation(dialect, language, specs, task)  # type: ignore[arg-type]
    model = ScriptedModel([m["content"] for m in ours if m["role"] == "assistant"])
    agent = Agent(model, _agent_tools(specs, task, folder), make_dialect(dialect, language))
    result = agent.run(task.question)
    sent = [*model.calls[-1].messages, {"role": "assistant", "content": model.script[-1]}]
    assert sent == ours
    return result


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("dialect", ["react", "hermes"])
@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("search", "absent")])
def test_the_agent_sends_our_prompts_and_its_tools_say_our_observations(
    kind: str, dialect: str, language: Language, tmp_path: Path
) -> None:
    same = 0
    for seed in range(10):
        task = make_task(random.Random(seed), GRAMMAR, language, TRAINING, kind)
        result = _run(task, dialect, language, tmp_path / str(seed), seed)
        assert result.answer == task.answer
        same += 1
    assert same == 10

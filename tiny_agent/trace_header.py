"""The first line of a trace: the question, and all that has to be known to ask it again.

Chapter 43 reads one. No key, no URL and no path is in it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

from .agent import Agent
from .messages import Message
from .models import ToolSpec
from .plans import PROMPTS
from .run_state import Limits
from .trace_lines import Line, get, messages_in
from .workflows import SOP, PlanAndExecute

FORMAT = "tiny_agent trace"
VERSION = 1
_TEXTS = ("question", "model", "dialect", "instructions")


Runner = Agent | SOP | PlanAndExecute
"""What answers a question."""


@dataclass(frozen=True)
class Header:
    """The question and how it was asked."""

    question: str
    model: str = ""
    """Its name, as a server or a folder calls it."""
    dialect: str = "react"
    language: str | None = None
    """Of the dialect's labels, where it has a choice."""
    workflow: Line = field(default_factory=lambda: {"name": "react"})
    """Or {"name": "plan", "max_steps": 6, "language": "en"}, or {"name": "sop", "steps": [...]}."""
    instructions: str = ""
    tools: list[ToolSpec] = field(default_factory=list)
    needs_approval: list[str] = field(default_factory=list)
    """The tools that the user is asked about before they run."""
    limits: Limits = field(default_factory=Limits)
    context_tokens: int | None = None
    history: list[Message] = field(default_factory=list)

    @classmethod
    def of(cls, runner: Runner, question: str, history: Sequence[Message] = ()) -> "Header":
        """The header of a run."""
        agent = runner if isinstance(runner, Agent) else runner.agent
        return cls(
            question=question,
            model=model_name(agent.model),
            dialect=agent.dialect.name,
            language=getattr(agent.dialect, "language", None),
            workflow=_workflow(runner),
            instructions=agent.instructions,
            tools=[each.to_openai() for each in agent.tools],
            needs_approval=[each.name for each in agent.tools if each.needs_approval],
            limits=agent.limits,
            context_tokens=agent.context_tokens,
            history=list(history),
        )


def header_line(header: Header) -> Line:
    """The line of a header."""
    return {"type": "run", "format": FORMAT, "version": VERSION} | asdict(header)


def header_from(line: Line) -> Header:
    """The header of a line. ValueError, KeyError or TypeError if it is not that of one."""
    if line.get("format") != FORMAT:
        raise ValueError("this is no trace of a run; --trace FILE makes one")
    if line["version"] != VERSION:
        raise ValueError(f"its format is {line['version']}, known here is {VERSION}; update this")
    texts = {key: get(line, key, str) for key in _TEXTS}
    limits, workflow = get(line, "limits", dict), get(line, "workflow", dict)
    get(workflow, "name", str)
    return Header(
        **texts,
        language=get(line, "language", str | None),
        workflow=workflow,
        tools=[_checked(spec) for spec in get(line, "tools", list)],
        needs_approval=get(line, "needs_approval", list),
        limits=Limits(**{each.name: limits[each.name] for each in fields(Limits)}),
        context_tokens=get(line, "context_tokens", int | None),
        history=messages_in(line, "history"),
    )


def model_name(model: object) -> str:
    """What a model is called: by its server, by its folder, or else by its class."""
    name = getattr(model, "model", None) or getattr(getattr(model, "folder", None), "name", None)
    return name if isinstance(name, str) else type(model).__name__


def _workflow(runner: Runner) -> Line:
    if isinstance(runner, SOP):
        return {"name": "sop", "steps": [asdict(step) for step in runner.steps]}
    if isinstance(runner, PlanAndExecute):
        known = (key for key, prompts in PROMPTS.items() if prompts == runner.prompts)
        language = next(known, "en")  # prompts of one's own are a difference when replayed
        return {"name": "plan", "max_steps": runner.max_steps, "language": language}
    return {"name": "react"}


def _checked(spec: ToolSpec) -> ToolSpec:
    """The tool. TypeError or KeyError if it is not described as one."""
    function = get(spec, "function", dict)
    get(function, "name", str)
    get(function, "description", str)
    get(function, "parameters", dict)
    return spec

"""What each command of `cli.py` does: load, run, print (`printing`)."""

import argparse
import os
import re
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

from .agent import Agent
from .choices import make_model
from .dialects import make_dialect
from .events import Event
from .messages import Message, RunResult
from .models import Model
from .printing import (
    StepPrinter,
    ask_approval,
    note,
    print_json,
    print_report,
    print_result,
    print_tool,
)
from .run_state import Limits
from .tools import Tool
from .trace import TraceWriter
from .trace_header import Header, model_name
from .workflows import PlanAndExecute

_KEYS = ("TINY_API_KEY", "OPENAI_API_KEY", "SERPER_API_KEY")
_CJK = re.compile("[\u3400-\u9fff]")
MODEL_ERRORS = 3
"""Of the model in a row, after which an evaluation is given up."""
SAMPLE_TRACE = "sample_trace.jsonl"


def run_question(args: argparse.Namespace) -> int:
    """Answer one question. 0; 1 if there is no answer."""
    _check_question(args.question)
    with _opened(args) as setup:
        result = _answer(setup, args.question, (), _numbered(args.trace, 1))
    return 0 if result.answer is not None else 1


def run_chat(args: argparse.Namespace) -> int:
    """Answer questions until the input ends. What fails is told, and the chat goes on.

    0; 1 if a question had no answer
    """
    history: list[Message] = []
    failed = 0
    with _opened(args) as setup:
        for number, question in enumerate(_questions(), start=1):
            result = _answer(setup, question, history, _numbered(args.trace, number))
            if result.answer is None:
                failed = 1
            else:
                history = result.messages
    return failed


def run_tools(args: argparse.Namespace) -> int:
    """List the tools."""
    from .builtin_tools import BUILTIN, make_tools

    names = ",".join(BUILTIN) if args.tools is None else args.tools
    with _server_tools(args) as more:
        for tool in [*make_tools(names, args.folder), *more]:
            print_tool(tool, args.json)
    return 0


def run_replay(args: argparse.Namespace) -> int:
    """Run a trace again. 0; 1 if something is not the same."""
    from .replay import replay

    with _trace_file(args) as path:
        outcome = replay(path)
    if args.json:
        found = {"same": outcome.ok, "steps": outcome.steps, "difference": outcome.difference}
        print_json(found | {"missing": outcome.missing})
    elif outcome.difference:
        print(f"{outcome.steps} steps are the same; {outcome.difference}")
    else:
        print(f"all is the same: {outcome.steps} steps{'' if outcome.missing else ', the result'}")
        if outcome.missing:
            note(outcome.missing)
    return 0 if outcome.ok else 1


def run_view(args: argparse.Namespace) -> int:
    """Make the page of a trace."""
    from .trace_page import is_page, write_page

    with _trace_file(args) as path:
        out = path.with_suffix(".html") if args.trace else Path(path.stem + ".html")
        if not args.out and out.exists() and not is_page(out):
            raise ValueError(f"{out} is there, and no page of a trace; name a file: --out FILE")
        Path(args.out or out).parent.mkdir(parents=True, exist_ok=True)
        write_page(path, args.out or out)
    print(args.out or out)
    return 0


def run_eval(args: argparse.Namespace) -> int:
    """Run tasks, and print how good the answers are."""
    from tqdm import tqdm

    from .evaluation import SAMPLE_TASKS, Task, evaluate, read_tasks

    tasks = read_tasks(args.tasks or SAMPLE_TASKS)
    failed, error = 0, "see the file"

    def run(task: Task) -> RunResult:
        nonlocal failed, error
        result = setup.runner(task.question, ",".join(task.tools)).run(task.question)
        failed = failed + 1 if result.status == "model_error" else 0
        error = result.error or error
        if failed == MODEL_ERRORS:
            raise RuntimeError(f"the model failed {failed} times in a row: {result.error}")
        return result

    with _opened(args) as setup, tqdm(total=len(tasks) * args.trials, disable=None) as bar:
        report = evaluate(run, tasks, args.trials, args.out, setup.label, lambda _: bar.update())
    print_report(report, setup.label, args.json)
    unanswered = [each for each in report.outcomes if each.status == "model_error"]
    if unanswered:
        note(f"{len(unanswered)} of {len(report.outcomes)} runs had no reply: {error}")
    return 1 if unanswered else 0


# --- What answers. ---


@dataclass
class _Setup:
    """The model and the tools that the options ask for."""

    args: argparse.Namespace
    model: Model
    more_tools: list[Tool]
    """Those of MCP servers."""
    made: dict[str, list[Tool]]
    """Tools by the names that were asked for; search reads its folder when it is made."""

    @property
    def label(self) -> str:
        """What is run, in a few words."""
        return f"{model_name(self.model)}, {self.args.protocol}, {self.args.workflow}"

    def tools(self, names: str = "") -> list[Tool]:
        """The tools of these names, else those of --tools, and the servers'."""
        from .builtin_tools import make_tools

        names = names or self.args.tools
        if names not in self.made:
            self.made[names] = [*make_tools(names, self.args.folder), *self.more_tools]
        return self.made[names]

    def runner(self, question: str, names: str = "") -> Agent | PlanAndExecute:
        """What answers this question, in its language."""
        from .rules import RuleModel

        args, model = self.args, self.model
        language: Literal["en", "zh"] = args.language or ("zh" if _CJK.search(question) else "en")
        dialect = make_dialect(args.protocol, language)
        agent = Agent(
            RuleModel(dialect) if isinstance(model, RuleModel) else model,
            self.tools(names),
            dialect,
            args.instructions,
            Limits(args.max_steps, args.max_tokens, args.max_seconds),
            (lambda call: True) if args.yes else partial(ask_approval, new_line=not args.quiet),
            args.context_tokens or getattr(model, "context_tokens", None),
        )
        return agent if args.workflow == "react" else PlanAndExecute(agent, language=language)


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[_Setup]:
    """The model and the tools; servers of tools run until the end."""
    from .builtin_tools import make_tools

    own = make_tools(args.tools, args.folder)  # what is wrong here is said before anything starts
    with _server_tools(args) as more:
        model = make_model(args.model, args.model_name)
        yield _Setup(args, model, more, {args.tools: [*own, *more]})


@contextmanager
def _server_tools(args: argparse.Namespace) -> Iterator[list[Tool]]:
    """The tools of the MCP servers that a file lists, each behind its server's name."""
    with ExitStack() as stack:
        tools: list[Tool] = []
        if args.mcp:
            from .mcp import read_mcp_config

            for name, client in read_mcp_config(args.mcp).items():
                tools += stack.enter_context(client).tools(prefix=f"{name}_")
        yield tools


def _answer(
    setup: _Setup, question: str, history: Sequence[Message], trace: Path | None
) -> RunResult:
    """Answer a question: show the steps, write the trace, print the answer."""
    args, runner = setup.args, setup.runner(question)
    told = {"history": history} if isinstance(runner, Agent) else {}
    events = runner.stream(question, **told)
    with ExitStack() as stack:
        if trace:
            header = Header.of(runner, question, history)
            secrets = [os.environ.get(name, "").strip() for name in _KEYS]
            events = stack.enter_context(TraceWriter(trace, header, secrets)).follow(events)
        try:
            result = _shown(events, args.quiet)
        except KeyboardInterrupt:
            if trace:
                print(file=sys.stderr)  # what was being said has not ended its line
                note(f"the steps until now are in {trace}")
            raise
    print_result(question, result, args.json, args.quiet)
    return result


def _shown(events: Generator[Event, None, RunResult], quiet: bool) -> RunResult:
    printer = StepPrinter()
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            printer.end_line()
            return end.value
        if not quiet:
            printer.show(event)


# --- Files and questions. ---


@contextmanager
def _trace_file(args: argparse.Namespace) -> Iterator[Path]:
    """The trace that is asked for, or the sample."""
    if args.trace:
        yield Path(args.trace)
        return
    note("no trace is given, so this is of one that comes along")
    with as_file(files("tiny_agent") / "data" / SAMPLE_TRACE) as path:
        yield path


def _numbered(trace: str | None, number: int) -> Path | None:
    """The file for a question of a chat: run.jsonl, run.2.jsonl, ..."""
    if trace is None or number == 1:
        return Path(trace) if trace else None
    path = Path(trace)
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


def _check_question(question: str) -> None:
    if not question.strip():
        raise ValueError(f"the question {question!r} is empty; ask something")


def _questions() -> Iterator[str]:
    """Lines of standard input that are not blank; a prompt if a person types them."""
    while True:
        if sys.stdin.isatty():
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()

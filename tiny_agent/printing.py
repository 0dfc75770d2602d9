"""What the commands print: results on stdout, the steps and notes on stderr.

No character of a model or a tool reaches the terminal that could move its cursor or change its
title.
"""

import json
import os
import re
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .events import Event, StepFinished, TextDelta, ToolFinished, ToolStarted
from .messages import ParseError, RunResult, ToolCall
from .tools import Tool

if TYPE_CHECKING:
    from .report import Report

SHOWN_LINES, SHOWN_CHARS = 6, 500
"""Of a tool's result."""

_COLOURS = {"dim": 2, "bold": 1, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]")

_REMEDIES = {
    "max_steps": "it took all the steps that it may; raise --max-steps",
    "token_budget": "it used up its tokens; raise --max-tokens",
    "time_budget": "its time was up; raise --max-seconds",
    "format_errors": "the model does not keep to the form; try another --protocol or --model",
    "repeated_calls": "it made the same call again and again; ask in other words, or another model",
}


class StepPrinter:
    """Shows the steps of a run on stderr, as they happen."""

    def __init__(self) -> None:
        self._steps, self._is_open = 0, False

    def end_line(self) -> None:
        """End the line of a step that was broken off."""
        if self._is_open:
            _say("\n")

    def show(self, event: Event) -> None:
        """Show an event."""
        if not self._is_open:
            self._steps, self._is_open = self._steps + 1, True
            _say(f"{coloured(f'step {self._steps}', 'bold')}\n")
        match event:
            case TextDelta(text):
                _say(coloured(text, "dim"))
            case ToolStarted(call):
                _say(f"\n{coloured(f'→ {_one_line(call)}', 'cyan')}")
            case ToolFinished(result):
                colour = "red" if result.is_error else "green"
                _say(f"\n{coloured(f'← {_beginning(result.content)}', colour)}")
            case StepFinished(step):
                if isinstance(step.decision, ParseError):
                    _say(f"\n{coloured(f'! {step.decision.message}', 'yellow')}")
                _say("\n\n")
                self._is_open = False


def print_result(question: str, result: RunResult, as_json: bool, quiet: bool) -> None:
    """Print the answer, and on stderr what it took, or why there is none."""
    if as_json:
        print_json(
            {
                "question": question,
                "answer": result.answer,
                "status": result.status,
                "error": result.error,
                "steps": len(result.steps),
                "usage": asdict(result.usage),
            }
        )
    elif result.answer is not None:
        print(clean(result.answer), flush=True)
    if result.status != "answered":
        made = "no answer" if result.answer is None else "an answer of what there was"
        note(f"{made}: {result.error or _REMEDIES.get(result.status, result.status)}")
    if not quiet:
        steps = "1 step" if len(result.steps) == 1 else f"{len(result.steps)} steps"
        note(f"{result.status}, {steps}, {_tokens(result)}")


def print_tool(tool: Tool, as_json: bool) -> None:
    """Print a tool as a model is told of it."""
    if as_json:
        print_json(tool.to_openai() | {"needs_approval": tool.needs_approval})
        return
    from .protocols import describe

    name, _, rest = describe(tool).partition(":")
    approval = " (asks before it runs)" if tool.needs_approval else ""
    print(f"{clean(name)}{approval}:{clean(rest)}\n")


def print_report(report: "Report", label: str, as_json: bool) -> None:
    """Print how good an agent is: in all, and by the kind of the tasks."""
    trials = len(report.outcomes) // len({outcome.id for outcome in report.outcomes})
    powers = {f"pass^{k}": report.pass_hat(k) for k in range(1, trials + 1)}
    if as_json:
        kinds = {kind: part.summary() for kind, part in report.by("kind").items()}
        print_json({"label": label} | report.summary() | powers | {"kinds": kinds})
        return
    print(f"{label}\n{'':22}{'tasks':>6}{'success':>22}{'steps':>7}{'tokens':>9}", end="")
    print(f"{'bad form':>10}{'repeated':>10}")
    named = {kind: part for kind, part in report.by("kind").items() if kind}
    for name, part in {"all": report, **named}.items():
        print(_table_row(name, part))
    if trials > 1:
        print("  ".join(f"{name} {share:.0%}" for name, share in powers.items()))


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def ask_approval(call: ToolCall, new_line: bool = False) -> bool:
    """Ask the user whether a call may be run; no, where there is no user.

    new_line: there is text on the line, which is ended first
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        _say("\n" * new_line)
        note(f"{call.name} needs your approval and was not run; --yes approves all calls")
        return False
    _say(f"\n{coloured(f'{call.name} wants to run with', 'yellow')}\n")
    for name, value in call.arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        below = text.replace("\n", "\n    ")
        _say(f"  {clean(name)}:\n    {clean(below)}\n")
    _say(coloured("Run it? [y/N] ", "yellow"))
    return sys.stdin.readline().strip().casefold() in ("y", "yes", "是")


def note(text: str) -> None:
    """Say something beside the results."""
    _say(f"note: {clean(text)}\n")


def coloured(text: str, colour: str) -> str:
    """The text in a colour, where stderr is a terminal and $NO_COLOR is not set."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or not sys.stderr.isatty():
        return clean(text)
    return f"\033[{_COLOURS[colour]}m{clean(text)}\033[0m"


def clean(text: str) -> str:
    """The text without characters that command a terminal."""
    return _CONTROL.sub("\ufffd", text)


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def _one_line(call: ToolCall) -> str:
    return f"{call.name} {json.dumps(call.arguments, ensure_ascii=False)}"


def _beginning(text: str) -> str:
    shown = "\n".join(text[:SHOWN_CHARS].split("\n")[:SHOWN_LINES])
    return shown if shown == text else f"{shown} … ({len(text)} characters)"


def _tokens(result: RunResult) -> str:
    usage = result.usage
    about = "about " if usage.estimated else ""
    return f"{about}{usage.prompt_tokens:,} tokens read and {usage.completion_tokens:,} written"


def _table_row(name: str, report: "Report") -> str:
    row = report.summary()
    success = f"{row['success']:.0%} ({row['low']:.0%} to {row['high']:.0%})"
    text = f"{name:22}{row['tasks']:6.0f}{success:>22}{row['steps']:7.1f}{row['tokens']:9,.0f}"
    return f"{text}{row['format_error_rate']:10.1%}{row['repeated_call_rate']:10.1%}"

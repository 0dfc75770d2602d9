"""The command line: `python -m tiny_agent "QUESTION"`, and chat|tools|replay|view|eval.

Answers go to stdout, the steps and everything else to stderr. Exit codes: 0 answered or done, 1 no
answer or failed, 2 wrong usage.
"""

import argparse
import difflib
import io
import itertools
import os
import shlex
import sys
from typing import Any

from . import commands
from .choices import MODEL_HELP
from .dialects import DIALECTS

COMMANDS = ("run", "chat", "tools", "replay", "view", "eval")
DEFAULT_TOOLS = "calculator,search"


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = build_parser().parse_args(_with_command(sys.argv[1:] if argv is None else argv))
    for stream in (sys.stdout, sys.stderr):  # a text may hold what the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        if isinstance(error, BrokenPipeError):  # the reader has seen enough, as `head` does
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # nothing left to flush into
            return 0
        print(f"error: {_said(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 1


def _said(error: Exception) -> str:
    """The error without Python's "[Errno 2]"."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="tiny_agent",
        description="An agent: a model that calls tools until it can answer. What stands first and "
        "is no command is a question, as if after `run`.",
        epilog='Try: python -m tiny_agent "What is 12.5% of 840?" --model rules',
    )
    subparsers = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", dest="command"
    )
    _run_parser(subparsers)
    _chat_parser(subparsers)
    _tools_parser(subparsers)
    _replay_parser(subparsers)
    _view_parser(subparsers)
    _eval_parser(subparsers)
    return parser


def _with_command(argv: list[str]) -> list[str]:
    """The arguments with their command: `run`, where the first is neither one nor a slip of one."""
    if not argv or argv[0] in ("-h", "--help"):
        return argv
    words = list(itertools.takewhile(lambda each: not each.startswith("-"), argv))
    if words and words[0] not in COMMANDS and len(words) > 1:
        question = shlex.join([" ".join(words)])
        build_parser().error(f"a question is one argument; put it in quotes: {question}")
    is_command = words and difflib.get_close_matches(words[0], COMMANDS, cutoff=0.75)
    return argv if is_command else ["run", *argv]


def _run_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "run",
        help="Answer a question (the command may be left out).",
        description="Answer a question. The steps are shown on stderr as they come, the answer "
        "alone goes to stdout.",
        epilog='Example: python -m tiny_agent "How deep is the Bottle Sump? Then halve it." '
        "--model http://127.0.0.1:11434/v1 --trace run.jsonl",
    )
    parser.set_defaults(run=commands.run_question)
    parser.add_argument("question", metavar="QUESTION")
    _agent_options(parser)
    _workflow_option(parser)
    _limit_options(parser)
    _output_options(parser)


def _chat_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "chat",
        help="Ask one question after another.",
        description="Read questions, one a line, until the end of the input. A question may refer "
        "to those before it. Exit code 1 if one had no answer.",
    )
    parser.set_defaults(run=commands.run_chat, workflow="react")
    _agent_options(parser)
    _limit_options(parser)
    _output_options(parser)


def _tools_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "tools", help="List the tools.", description="List the tools, as a model is told of them."
    )
    parser.set_defaults(run=commands.run_tools)
    parser.add_argument("--tools", metavar="NAMES", help="only these (default: all)")
    _source_options(parser)
    parser.add_argument("--json", action="store_true", help="a line of JSON each, with the schema")


def _replay_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "replay",
        help="Run a trace again without a model.",
        description="Run a trace again: replies and tool results come from the file, all else is "
        "run, and compared. Exit code 1 at the first difference, which is shown.",
    )
    parser.set_defaults(run=commands.run_replay)
    _trace_argument(parser)
    parser.add_argument("--json", action="store_true", help="JSON for programs")


def _view_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "view",
        help="Make a page of a trace, to look at in a browser.",
        description="Make one HTML file of a trace. It needs no network. Its name goes to stdout.",
    )
    parser.set_defaults(run=commands.run_view)
    _trace_argument(parser)
    parser.add_argument(
        "--out", metavar="PAGE.html", help="where to (default: the trace's name, with .html)"
    )


def _eval_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "eval",
        help="Measure on tasks with known answers.",
        description="Run every task of a JSONL file, one object a line: question, answers, "
        'tools (a list of names), kind ("unanswerable" has no answers). Without one, some forty '
        "tasks that come along.",
        epilog="Example: python -m tiny_agent eval --model rules",
    )
    parser.set_defaults(run=commands.run_eval, quiet=True)
    parser.add_argument("tasks", nargs="?", metavar="TASKS.jsonl")
    parser.add_argument(
        "--trials", type=_count, default=1, metavar="K", help="runs of each task (default 1)"
    )
    parser.add_argument(
        "--out",
        metavar="RESULTS.jsonl",
        help="a line a run, as they come; what is in the file is not run again",
    )
    _agent_options(parser)
    _workflow_option(parser)
    _limit_options(parser)
    parser.add_argument("--json", action="store_true", help="JSON for programs")


def _trace_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "trace", nargs="?", metavar="TRACE.jsonl", help="as --trace wrote it (default: a sample)"
    )


def _agent_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tools",
        default=DEFAULT_TOOLS,
        metavar="NAMES",
        help=f"see `tools` (default {DEFAULT_TOOLS})",
    )
    _source_options(parser)
    parser.add_argument(
        "--model", metavar="WHICH", help=f"{MODEL_HELP} (default $TINY_MODEL, else the shipped one)"
    )
    parser.add_argument(
        "--model-name", metavar="NAME", help="which of the server's models (default: its first)"
    )
    parser.add_argument(
        "--protocol",
        choices=DIALECTS,
        default="react",
        help="how the model calls tools: in text (react, for any model), in tags (hermes: Qwen), "
        "in a field of the server's reply (openai)",
    )
    parser.add_argument(
        "--language",
        choices=["en", "zh"],
        help="of react's instructions and labels (default: the question's)",
    )
    parser.add_argument(
        "--instructions", default="", metavar="TEXT", help="what comes first in every prompt"
    )
    parser.add_argument(
        "--yes", action="store_true", help="run tools that need approval without asking"
    )


def _source_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        metavar="DIR",
        help="what search looks in and read_file reads (default: a small encyclopedia; here)",
    )
    parser.add_argument(
        "--mcp",
        metavar="CONFIG.json",
        help='the tools of MCP servers, beside those of --tools: {"mcpServers": {...}}',
    )


def _workflow_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workflow",
        choices=["react", "plan"],
        default="react",
        help="step by step (react), or a plan that is then carried out (plan)",
    )


def _limit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-steps",
        type=_count,
        default=10,
        metavar="N",
        help="calls of the model, then one for an answer (default 10)",
    )
    parser.add_argument(
        "--max-tokens", type=_count, metavar="N", help="read and written, in all (no limit)"
    )
    parser.add_argument("--max-seconds", type=_seconds, metavar="S", help="in all (no limit)")
    parser.add_argument(
        "--context-tokens",
        type=_count,
        metavar="N",
        help="the model's context; the oldest turns are left out where it is full (default: "
        "two thirds of a local model's, else none)",
    )


def _output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trace",
        metavar="RUN.jsonl",
        help="write every prompt and reply to this file, in place of a trace that is there; in a "
        "chat, run.2.jsonl and so on for the questions after the first",
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="do not show the steps")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{number:g} must be above 0")
    return number

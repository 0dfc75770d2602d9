"""The command line: `python -m tiny_eval run|list|infer|score|compare|report|judge`.

Results go to stdout, progress and notes to stderr. Exit codes: 0 done, 1 failed (also if a document
has no answer), 2 wrong usage.
"""

import argparse
import io
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import commands
from .choices import JUDGE_HELP, MODEL_HELP
from .judge_prompts import POINTS_FORM
from .models import ModelError


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = build_parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):  # a text may hold what the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except (ValueError, OSError, RuntimeError, ImportError, ModelError) as error:
        if isinstance(error, BrokenPipeError):  # the reader has seen enough, as `head` does
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # nothing left to flush into
            return 0
        print(f"error: {_said(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 1


def _said(error: Exception) -> str:
    """The error without Python's "[Errno 2]"."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="tiny_eval",
        description="Measure a language model: ask it what a task asks, keep the replies, score "
        "them as often as you like.",
        epilog="Try: python -m tiny_eval run --task sample-qa-en --model ngram",
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    run = _command(
        subparsers,
        "run",
        commands.run_run,
        "Ask a model, then score its answers. What was asked before with the same settings is not "
        "asked again, so a run that was stopped goes on where it was.",
    )
    _infer_options(run)
    _json_option(run)
    listing = _command(subparsers, "list", commands.run_list, "List the tasks that come along.")
    _json_option(listing)
    infer = _command(
        subparsers,
        "infer",
        commands.run_infer,
        "Ask a model, and keep what it says. The name of the run's folder goes to stdout; `score` "
        "takes it.",
    )
    _infer_options(infer)
    _add_commands_for_runs(subparsers)
    return parser


def _add_commands_for_runs(subparsers: Any) -> None:
    score = _command(
        subparsers,
        "score",
        commands.run_score,
        "Score the answers of runs; no model is asked. So it may be done again with other filters "
        "and metrics.",
    )
    _runs_argument(score)
    score.add_argument(
        "--task", metavar="FILE", help="score by this task's target, filters and metrics instead"
    )
    _json_option(score)
    compare = _command(
        subparsers,
        "compare",
        commands.run_compare,
        "Say whether one run is better than another, or was only lucky. They are compared document "
        "by document, with a test of whether chance alone would set them so far apart.",
    )
    compare.add_argument("run_a", type=Path, metavar="RUN_A", help="a run's folder")
    compare.add_argument("run_b", type=Path, metavar="RUN_B", help="another, of the same task")
    _json_option(compare)
    _add_report_and_judge(subparsers)


def _add_report_and_judge(subparsers: Any) -> None:
    report = _command(
        subparsers,
        "report",
        commands.run_report,
        "Make a report of runs. It holds scores, pictures, the worst answers; a page needs no "
        "network.",
    )
    _runs_argument(report)
    report.add_argument(
        "--out", type=Path, metavar="FILE", help=".html or .md (default: Markdown to stdout)"
    )
    report.add_argument("--lang", choices=["en", "zh"], default="en", help="(default en)")
    judge = _command(
        subparsers,
        "judge",
        commands.run_judge,
        "Let a model mark the open answers of a run. It marks by the points of each solution, and "
        "`score` then counts them. What is marked already is not marked again. A judge's reply "
        f"ends with a line as {POINTS_FORM}, the points of each step in order; script:FILE holds "
        "such replies, by id of the question.",
    )
    judge.add_argument("folder", type=Path, metavar="RUN", help="a run's folder")
    _model_options(judge, JUDGE_HELP)


def _command(
    subparsers: Any, name: str, run: Callable[[argparse.Namespace], int], about: str
) -> argparse.ArgumentParser:
    """A command; the list of commands shows the first sentence about it."""
    first = about.partition(". ")[0].removesuffix(".")
    parser = subparsers.add_parser(name, help=f"{first}.", description=about)
    parser.set_defaults(run=run)
    return parser


def _runs_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder")


def _infer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task",
        action="append",
        required=True,
        metavar="WHICH",
        help="a task's file, or a name that `list` shows; may be given several times",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs"), metavar="DIR", help="for runs (default runs)"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="only the first N documents")
    parser.add_argument("--data", type=Path, metavar="FILE", help="other documents, same fields")
    parser.add_argument(
        "--few-shot", type=_count_or_zero, metavar="N", help="solved examples before the question"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--chat", action="store_true", default=None, help="ask in a conversation, by chat template"
    )
    form.add_argument("--raw", action="store_false", dest="chat", help="ask in plain text")
    parser.add_argument("--max-tokens", type=_count, metavar="N", help="of a free answer")
    _model_options(parser, MODEL_HELP)


def _model_options(parser: argparse.ArgumentParser, which: str) -> None:
    parser.add_argument(
        "--model", metavar="WHICH", help=f"{which} (default $TINY_MODEL, else the shipped one)"
    )
    server = parser.add_argument_group("if the model is a server")
    server.add_argument("--model-name", metavar="NAME", help="(default: the first that it lists)")
    server.add_argument(
        "--concurrency", type=_count, default=4, metavar="N", help="requests at once (default 4)"
    )
    server.add_argument(
        "--rpm", dest="requests_per_minute", type=_count, metavar="N", help="requests a minute"
    )
    server.add_argument(
        "--timeout",
        dest="timeout_s",
        type=_seconds,
        default=120.0,
        metavar="S",
        help="seconds of waiting for a reply's next byte (default 120)",
    )
    folder = parser.add_argument_group("if the model is a folder")
    folder.add_argument(
        "--batch-size", type=_count, default=8, metavar="N", help="prompts at once (default 8)"
    )
    folder.add_argument(
        "--truncation",
        choices=["left", "middle"],
        default="left",
        help="what goes of a prompt that is too long (default left)",
    )
    folder.add_argument("--adapter", type=Path, metavar="DIR", help="a PEFT adapter")
    folder.add_argument(
        "--device", choices=["auto", "cpu", "cuda", "mps"], default="auto", help="(default auto)"
    )


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="a line of JSON each, for programs")


def _count(text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, {least} or more")
    return int(text)


def _count_or_zero(text: str) -> int:
    return _count(text, 0)


def _seconds(text: str) -> float:
    try:
        if 0 < (seconds := float(text)) < math.inf:
            return seconds
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds above 0")

"""The command line: `python -m tiny_rag ask|search|chat|index|info|eval`.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

import argparse
import io
import os
import sys
from typing import Any

from . import commands
from .choices import EMBEDDER_HELP, MODEL_HELP
from .commands import DEFAULT_FOLDER


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    _check_usage(parser, args)
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
        prog="tiny_rag",
        description="Answers from your own files, with citations. Without an index, or with "
        "--sample, the questions go to a small encyclopedia that comes along, of a star system "
        "that does not exist.",
        epilog='Try: python -m tiny_rag ask "What is moonglass?"',
    )
    subparsers = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", dest="command"
    )
    _index_parser(subparsers)
    _search_parser(subparsers)
    _ask_parser(subparsers)
    _chat_parser(subparsers)
    _eval_parser(subparsers)
    _info_parser(subparsers)
    return parser


def _index_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "index",
        help="Read files and folders into an index.",
        description="Read pdf, md, txt, html, docx, json and jsonl files into an index. A record "
        'of the last two is {"text": ..., "title": ...}; what else it has is kept, not searched. '
        "When it is run again, what has not changed is not read into it twice, and what is gone "
        "is forgotten. A file that cannot be read is reported and left out.",
        epilog="Example: python -m tiny_rag index docs papers/rag.pdf",
    )
    parser.set_defaults(run=commands.run_index)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or a folder")
    _index_option(parser)
    parser.add_argument(
        "--embedder", metavar="WHICH", help=f"{EMBEDDER_HELP} (default: the index's own, else none)"
    )
    parser.add_argument("--chunk-size", type=_count, metavar="N", help="tokens each (default 256)")
    parser.add_argument(
        "--chunk-overlap",
        type=int,
        metavar="N",
        help="tokens that two share (default: an eighth of the size)",
    )
    parser.add_argument("--strict", action="store_true", help="exit code 1 if any was left out")
    _json_option(parser)


def _search_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "search", help="Show the passages that are found.", description="Find passages; no answer."
    )
    parser.set_defaults(run=commands.run_search)
    parser.add_argument("query", metavar="TEXT", help="what to look for")
    _retrieval_options(parser)
    _json_option(parser)


def _ask_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "ask",
        help="Answer a question, with citations.",
        description="Answer a question from the index. With --model extractive, the answer is made "
        "of the sentences that fit best, without a model. If nothing fits, it says so.",
        epilog='Example: python -m tiny_rag ask "Who composed The Drowned Bell?" --model '
        "http://127.0.0.1:8000/v1",
    )
    parser.set_defaults(run=commands.run_ask)
    parser.add_argument("question", metavar="QUESTION")
    _retrieval_options(parser)
    _model_options(parser)
    _json_option(parser)


def _chat_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "chat",
        help="Ask one question after another.",
        description="Read questions, one a line, until the end of the input. With a model, a "
        "question may refer to those before it. Exit code 1 if one could not be answered.",
    )
    parser.set_defaults(run=commands.run_chat)
    _retrieval_options(parser)
    _model_options(parser)
    _json_option(parser)


def _eval_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "eval",
        help="Measure retrieval and answers on questions with known answers.",
        description="Measure on a JSONL file, one object a line: question, answers (wordings of "
        "the right one), and gold (a list of source and quote: what it rests on). Either will do. "
        'A question that nothing answers has "kind": "unanswerable" instead; --answers measures '
        "whether it is refused. Without a file, on the encyclopedia that comes along and its "
        "questions.",
    )
    parser.set_defaults(run=commands.run_eval)
    parser.add_argument("questions", nargs="?", metavar="QUESTIONS.jsonl")
    parser.add_argument("--answers", action="store_true", help="answers too, not just retrieval")
    _retrieval_options(parser, "default 10; for answers 6")
    _model_options(parser)
    _json_option(parser)


def _info_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("info", help="Say what is in an index.")
    parser.set_defaults(run=commands.run_info)
    _which_index(parser)
    _json_option(parser)


def _index_option(parser: Any) -> None:
    parser.add_argument(
        "--index", metavar="DIR", help=f"the index's folder (default {DEFAULT_FOLDER})"
    )


def _which_index(parser: argparse.ArgumentParser) -> None:
    either = parser.add_mutually_exclusive_group()
    _index_option(either)
    either.add_argument(
        "--sample",
        action="store_true",
        help="the encyclopedia that comes along, also where there is an index",
    )


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON for programs")


def _retrieval_options(parser: argparse.ArgumentParser, usual: str = "default 6") -> None:
    _which_index(parser)
    parser.add_argument("-k", type=_count, metavar="N", help=f"how many passages ({usual})")
    parser.add_argument(
        "--mode",
        choices=["bm25", "dense", "hybrid"],
        help="how to search (default: bm25; hybrid if the index has vectors)",
    )


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="WHICH", help=f"{MODEL_HELP} (default $TINY_MODEL, else the shipped one)"
    )
    parser.add_argument(
        "--model-name", metavar="NAME", help="which of the server's models (default: its first)"
    )
    parser.add_argument(
        "--min-relevance",
        type=_relevance,
        metavar="X",
        help="say that there is no answer if no passage has to do with the question by so much "
        "(default 0.6; more refuses more); 0 where questions and files have different languages",
    )


def _check_usage(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Exit with 2 where options do not go together, or say nothing."""
    given = vars(args)
    if given.get("model") == "":
        parser.error("--model '' names no model; leave it out for the default, or say extractive")
    if given.get("model_name") and not _is_url(args.model or os.environ.get("TINY_MODEL")):
        parser.error(f"--model-name {args.model_name} needs --model URL: the server that has it")
    if args.command == "ask" and not args.question.strip():
        parser.error(f"question={args.question!r} is empty; ask something")
    if args.command == "eval" and args.index is not None and not args.questions:
        parser.error(
            f"eval --index {args.index} needs QUESTIONS.jsonl, questions about these files; "
            "without --index it measures on the encyclopedia"
        )


def _is_url(model: str | None) -> bool:
    return (model or "").startswith(("http://", "https://"))


def _relevance(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be 0 or above; 0.6 is usual")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} must be at least 1")
    return number

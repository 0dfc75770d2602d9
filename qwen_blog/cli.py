"""The command line: `python -m qwen_blog train|exam|generate|chat|serve|trace ...`.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage.
A model is a folder in the Hugging Face layout; `untrained` stands for a small one made of random
numbers, which talks nonsense but shows every shape.
"""

import argparse
import os
import sys
from typing import Any

from . import commands
from .commands import UNTRAINED


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader has seen enough, as `head` does
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # nothing left to flush into
            return 0
        print(f"error: {_said(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 1
    return 0


def _said(error: Exception) -> str:
    """The error without Python's "[Errno 2]"."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(
        prog="qwen_blog",
        description="A hand-written Qwen2 decoder.",
        epilog='Try: python -m qwen_blog trace --model untrained "Hello" | head -40',
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _train_parser(subparsers)
    _exam_parser(subparsers)
    _generate_parser(subparsers)
    _chat_parser(subparsers)
    _serve_parser(subparsers)
    _trace_parser(subparsers)
    _tokenize_parser(subparsers)
    _convert_parser(subparsers)
    return parser


def _command(subparsers: Any, run: Any, name: str, text: str, example: str) -> Any:
    parser = subparsers.add_parser(name, help=text, description=text, epilog=f"Example: {example}")
    parser.set_defaults(run=run)
    parser.add_argument(
        "--model",
        metavar="FOLDER",
        help="a folder with config.json, model.safetensors and tokenizer.json, or "
        f"'{UNTRAINED}' (random weights); without it $TINY_MODEL, else tiny-qwen2",
    )
    return parser


def _train_parser(subparsers: Any) -> None:
    text = "Train a model from nothing, or go on where an earlier call was stopped."
    example = "python -m qwen_blog train --recipe nano --out runs/nano"
    parser = subparsers.add_parser(
        "train",
        help=text,
        description=text,
        epilog=f"Example: {example}. On two processes: torchrun --nproc-per-node 2 -m qwen_blog "
        "train ...",
    )
    parser.set_defaults(run=commands.run_train)
    text = "nano: 3 minutes on two cores; tiny-qwen2: the shipped model, four hours"
    parser.add_argument("--recipe", required=True, metavar="NAME", help=text)
    text = "where the run is kept: tokenizer, checkpoints, logs, and in the end the model"
    parser.add_argument("--out", required=True, metavar="FOLDER", help=text)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))


def _exam_parser(subparsers: Any) -> None:
    text = (
        "Write questions about worlds that training has never seen, for tiny_eval and tiny_agent."
    )
    example = "python -m qwen_blog exam --out exam"
    parser = subparsers.add_parser(
        "exam", help=text, description=text, epilog=f"Example: {example}"
    )
    parser.set_defaults(run=commands.run_exam)
    text = "where to write them; what is there already is written anew"
    parser.add_argument("--out", required=True, metavar="FOLDER", help=text)
    text = "of each kind, number of passages, novelty and language (default %(default)s)"
    parser.add_argument("--questions", type=int, default=100, metavar="N", help=text)
    text = "tasks for an agent, of each kind and language (default %(default)s)"
    parser.add_argument("--tasks", type=int, default=25, metavar="N", help=text)
    text = "other worlds for another number (default %(default)s)"
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=text)


def _generate_parser(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        commands.run_generate,
        "generate",
        "Continue a text.",
        'python -m qwen_blog generate --model FOLDER "Once upon a time" --temperature 0.7',
    )
    parser.add_argument("prompt", help="the text to continue; - reads it from standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a stream")
    _sampling_options(parser)
    _device_options(parser)


def _chat_parser(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        commands.run_chat,
        "chat",
        "Talk in turns: one line each, /reset forgets, /exit or end of input leaves.",
        "python -m qwen_blog chat --model FOLDER --system 'Answer briefly.'",
    )
    parser.add_argument("--system", default=None, help="what the model is told before the talk")
    _sampling_options(parser)
    _device_options(parser)


def _serve_parser(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        commands.run_serve,
        "serve",
        "Answer over HTTP, in the OpenAI protocol; the model is called as its folder.",
        "python -m qwen_blog serve --model FOLDER --port 8000",
    )
    text = "who may ask: 127.0.0.1 is this machine alone, 0.0.0.0 everyone (default %(default)s)"
    parser.add_argument("--host", default="127.0.0.1", help=text)
    parser.add_argument("--port", type=int, default=8000, help="0: any (default %(default)s)")
    text = "replies that grow at once (default %(default)s)"
    parser.add_argument("--max-batch", type=int, default=16, metavar="N", help=text)
    text = "requests that may wait; more get a 503 (default %(default)s)"
    parser.add_argument("--max-queue", type=int, default=64, metavar="N", help=text)
    _device_options(parser)


def _trace_parser(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        commands.run_trace,
        "trace",
        "Follow a text through the model, operation by operation.",
        'python -m qwen_blog trace --model untrained "Hello" --within model.layers.0',
    )
    parser.add_argument("prompt", help="the text; - reads it from standard input")
    parser.add_argument("--within", metavar="MODULE", help="only this module, e.g. model.layers.0")
    parser.add_argument("--path", action="store_true", help="only what is made from the text")
    parser.add_argument("--fused", action="store_true", help="attention as one step, as in use")
    parser.add_argument("--picture", metavar="FILE", help="draw it into a .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true", help="one JSON object a step")
    _device_options(parser)


def _tokenize_parser(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        commands.run_tokenize,
        "tokenize",
        "Show the tokens of a text.",
        'python -m qwen_blog tokenize --model FOLDER "Hello, 世界"',
    )
    parser.add_argument("text", help="the text; - reads it from standard input")
    parser.add_argument("--plain", action="store_true", help="read <|im_end|> as characters")
    parser.add_argument("--json", action="store_true", help="one JSON object a token")


def _convert_parser(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        commands.run_convert,
        "convert",
        "Copy a model folder with another number format or other file sizes.",
        "python -m qwen_blog convert --model FOLDER --out NEW --dtype bfloat16",
    )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where to write it")
    parser.add_argument("--dtype", default="auto", choices=_DTYPES, help="auto keeps the file's")
    parser.add_argument(
        "--max-shard-gb",
        type=float,
        default=5.0,
        help="gigabytes (1e9) a file (default %(default)s)",
    )


_DTYPES = ("auto", "float32", "bfloat16", "float16")


_SAMPLING = (
    ("--max-new-tokens", int, 128, "N", "longest reply"),
    ("--temperature", float, 0.0, "T", "0: the most likely token"),
    ("--top-k", int, 0, "K", "among the K most likely; 0: all"),
    ("--top-p", float, 1.0, "P", "among the top share P"),
    ("--min-p", float, 0.0, "P", "at least P times the likeliest"),
    ("--repetition-penalty", float, 1.0, "X", "1: off"),
    ("--seed", int, 0, "N", "repeats a sampled reply"),
)


def _sampling_options(parser: Any) -> None:
    group = parser.add_argument_group("choosing tokens")
    for name, kind, default, letter, text in _SAMPLING:
        text = f"{text} (default {default})"
        group.add_argument(name, type=kind, default=default, metavar=letter, help=text)
    text = "end here; may be repeated"
    group.add_argument("--stop", action="append", default=[], metavar="TEXT", help=text)


def _device_options(parser: Any) -> None:
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument(
        "--dtype", default="auto", choices=_DTYPES, help="auto: float32 on a CPU, else the file's"
    )

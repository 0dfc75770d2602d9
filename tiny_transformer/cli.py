"""The command line: `python -m tiny_transformer translate|train|evaluate`.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from . import commands, recipes


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if problem := args.problem(args):
        parser.error(f"{args.command}: {problem}")
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
        prog="tiny_transformer",
        description="The Transformer of 'Attention Is All You Need': train it, translate with it.",
        epilog="Try: python -m tiny_transformer translate 三千二百一十万零五",
    )
    subparsers = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", dest="command"
    )
    _translate_parser(subparsers)
    _train_parser(subparsers)
    _evaluate_parser(subparsers)
    return parser


def _translate_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "translate",
        help="Translate texts.",
        description="Translate texts, one sentence each. The shipped model knows numerals, dates "
        "and amounts of money only, from Chinese to English and from English to Chinese; to "
        "anything else it answers with some numeral.",
        epilog="Example: python -m tiny_transformer translate 三千二百一十万零五 'May 4, 1919'",
    )
    parser.set_defaults(run=commands.run_translate, problem=_translate_problem)
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="a sentence; only -: lines of standard input"
    )
    parser.add_argument(
        "--file", help="translate its lines (UTF-8); line n of the output translates line n"
    )
    _model_option(parser)
    _search_options(parser)
    parser.add_argument(
        "--nbest", type=_count, default=1, metavar="N", help="the N best of each (default 1)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a translation")
    _device_option(parser, "cpu")


def _translate_problem(args: argparse.Namespace) -> str | None:
    if bool(args.texts) == bool(args.file):
        return "give texts, or - for standard input, or --file FILE"
    if args.nbest > args.beam:
        return f"--nbest {args.nbest} is more than --beam {args.beam} finds"
    return None


def _train_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "train",
        help="Train a model, or go on with a run that was stopped.",
        description="Train a model. The same command again goes on from the last checkpoint of a "
        "run that was stopped, to the same result. Several processes: torchrun "
        "--nproc-per-node=N -m tiny_transformer train ...",
        epilog="Examples: python -m tiny_transformer train --task numerals --small | "
        "python -m tiny_transformer train --data train.de train.en --out runs/de-en",
    )
    parser.set_defaults(run=commands.run_train, problem=_train_problem)
    _corpus_options(parser, "the task of the shipped weights")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        help="where the run lives (default runs/NAME, by what is trained)",
    )
    group = parser.add_argument_group("your own pairs (with --data)")
    group.add_argument(
        "--valid",
        type=_count_or_zero,
        metavar="N",
        help="hold out N pairs, by a hash of the source (default: 2%% of them, at most 500)",
    )
    group.add_argument(
        "--valid-data", nargs="+", metavar="FILE", help="held-out pairs, in files like --data"
    )
    _on_error_option(group)
    for title, options in _RECIPE_OPTIONS.items():
        group = parser.add_argument_group(title)
        for name, kind, letter, text in options:
            choice = name.removeprefix("--").replace("-", "_")
            own, numerals = (recipes.value_of(x, choice) for x in (recipes.PAIRS, recipes.NUMERALS))
            default = own if own == numerals else f"{own}; numerals {numerals}"
            text = f"{text} (default {default})"
            group.add_argument(name, type=kind, metavar=letter, help=text)
    _device_option(parser, "auto")


def _train_problem(args: argparse.Namespace) -> str | None:
    if args.valid is not None and args.valid_data:
        return "give --valid or --valid-data, not both"
    if args.task and (misplaced := _given(args, "valid", "valid_data", "on_error")):
        return f"{misplaced} belongs to --data, not to --task"
    return _corpus_problem(args) or _files_problem(args.valid_data, "--valid-data")


def _evaluate_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "evaluate",
        help="Measure a model on texts it has not seen.",
        description="Translate held-out texts and count the exact matches, with the 95% interval "
        "of Wilson. For numerals also: which kinds and lengths fail, what the mistakes are, and "
        "how numbers longer than any trained one fare.",
        epilog="Example: python -m tiny_transformer evaluate --task numerals --count 500",
    )
    parser.set_defaults(run=commands.run_evaluate, problem=_evaluate_problem)
    _corpus_options(parser, "held-out items")
    _model_option(parser)
    group = parser.add_argument_group("numerals (with --task)")
    group.add_argument(
        "--count",
        type=_count,
        metavar="N",
        help="held-out items a direction (default 10000; --small: 2000)",
    )
    group.add_argument(
        "--longer",
        type=_count_or_zero,
        metavar="N",
        help="longer numbers a direction (default 1000; 0: none)",
    )
    group.add_argument("--direction", choices=("zh-en", "en-zh", "both"), help="default both")
    group = parser.add_argument_group("your own pairs (with --data)")
    group.add_argument("--bleu", action="store_true", help="BLEU too; needs sacrebleu")
    _on_error_option(group)
    _search_options(parser)
    parser.add_argument("--errors", metavar="FILE", help="write what is wrong into a TSV file")
    parser.add_argument("--json", action="store_true", help="one JSON object a direction and part")
    _device_option(parser, "auto")


def _evaluate_problem(args: argparse.Namespace) -> str | None:
    if args.task and (misplaced := _given(args, "bleu", "on_error")):
        return f"{misplaced} belongs to --data, not to --task"
    if args.data and (misplaced := _given(args, "count", "longer", "direction")):
        return f"{misplaced} belongs to --task, not to --data"
    return _corpus_problem(args)


def _given(args: argparse.Namespace, *names: str) -> str:
    """The first of these options that was typed, or nothing. A 0 is typed too."""
    for name in names:
        value = getattr(args, name)
        if value is not None and value is not False:
            return f"--{name.replace('_', '-')}"
    return ""


def _corpus_options(parser: Any, text: str) -> None:
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--task", choices=("numerals",), help=text)
    group.add_argument(
        "--data",
        nargs="+",
        metavar="FILE",
        help="one TSV file (source, tab, target), or two files whose lines correspond; UTF-8",
    )
    parser.add_argument(
        "--small", action="store_true", help="with --task: numbers below a million only"
    )


def _corpus_problem(args: argparse.Namespace) -> str | None:
    if args.small and not args.task:
        return "--small belongs to --task, not to --data"
    return _files_problem(args.data, "--data")


def _files_problem(files: list[str] | None, name: str) -> str | None:
    if files and len(files) > 2:
        return f"{name} takes one TSV file or two text files, not {len(files)}"
    return None


def _model_option(parser: Any) -> None:
    parser.add_argument(
        "--model",
        metavar="FOLDER",
        help="a folder that `train` made; without it, the shipped numerals",
    )


def _search_options(parser: Any) -> None:
    group = parser.add_argument_group("beam search")
    group.add_argument(
        "--beam", type=_count, default=4, metavar="N", help="paths kept (default 4; 1: greedy)"
    )
    group.add_argument(
        "--alpha",
        type=float,
        default=0.6,
        metavar="X",
        help="length penalty (default 0.6; 0: none, larger: longer texts)",
    )


def _on_error_option(group: Any) -> None:
    group.add_argument(
        "--on-error",
        choices=("skip", "raise"),
        help="malformed lines: report and skip them (default), or stop at the first",
    )


def _device_option(parser: Any, default: str) -> None:
    parser.add_argument(
        "--device",
        default=default,
        choices=("auto", "cpu", "cuda", "mps"),
        help=f"default {default}",
    )


def _number_of_at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
        return int(text)

    return number


_count, _count_or_zero = _number_of_at_least(1), _number_of_at_least(0)

_RECIPE_OPTIONS = {
    "the model": (
        ("--vocab-size", _count, "N", "most tokens to learn"),
        ("--d-model", _count, "N", "width"),
        ("--layers", _count, "N", "of the encoder, and of the decoder"),
        ("--heads", _count, "N", "attention heads"),
        ("--d-ff", _count, "N", "width inside the feed-forward networks"),
        ("--dropout", float, "P", "share of values set to 0 while training"),
        ("--norm", str, "post|pre", "post: the paper's; pre: easier to train when deep"),
    ),
    "the training": (
        ("--steps", _count, "N", "updates; more than before goes on with a finished run"),
        ("--max-tokens", _count, "N", "of a batch, source and target each, padding included"),
        ("--max-length", _count, "N", "tokens a side; longer pairs are left out"),
        ("--accumulate", _count, "N", "batches a step"),
        ("--warmup", _count, "N", "steps until the learning rate is highest"),
        ("--lr-factor", float, "X", "times the paper's learning rate"),
        ("--label-smoothing", float, "P", "the paper's is 0.1"),
        ("--clip", float, "X", "longest gradient; 0: any"),
        ("--precision", str, "fp32|bf16", "bf16: autocast; faster on new machines"),
        ("--average", _count, "N", "last checkpoints that make the model"),
        ("--checkpoint-every", _count, "N", "steps between checkpoints"),
        ("--validate-every", _count, "N", "steps between validations"),
        ("--seed", _count_or_zero, "N", "of everything random"),
    ),
}

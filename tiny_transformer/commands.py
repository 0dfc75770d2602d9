"""What each command of `cli.py` does: load, run, print.

Imports of torch and of what needs it stand inside the functions that use them.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .progress import TrainingProgress, is_main, listed, note, progress_bar

if TYPE_CHECKING:
    from .data import Pair
    from .preparation import Preparation
    from .recipes import Recipe
    from .translation import Translation, Translator

AT_A_TIME = 1000  # of many texts, so that the first translations come out soon
FEW = 16
REPORTED = 5  # malformed lines are named, the others counted


def run_translate(args: argparse.Namespace) -> None:
    """Print the translations in the order of the texts."""
    import torch

    texts = _texts(args)
    total = len(texts) if isinstance(texts, list) else None
    waiting, cut = iter(texts), 0
    if total is None or total <= FEW:  # matrices of few rows: a second thread waits, never helps
        torch.set_num_threads(1)
    translator = _translator(args)
    with progress_bar(" texts", total, shown=bool(args.file) and not sys.stdout.isatty()) as bar:
        while some := list(islice(waiting, AT_A_TIME if total else 1)):
            found = translator.translations(some, args.beam, args.alpha, args.nbest, bar.update)
            for text, best in zip(some, found, strict=True):
                _print_translations(text, best, args)
                cut += not best[0].finished
    if cut:
        note(f"{cut} cut at the maximum length, the tokens of the source + 50")


def run_train(args: argparse.Namespace) -> None:
    """Prepare everything, train, say where the model is."""
    from .training import train

    recipe, out = _recipe(args), _out(args)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file: name a folder")
    device = _device(args.device)
    prepared, held_out = _prepare(args, recipe, device)
    with TrainingProgress(out, recipe.training.steps, held_out) as progress:
        given = prepared.model, prepared.tokenizer, prepared.corpus, recipe.training
        train(*given, out, prepared.validate, progress)
    if is_main():
        found = prepared.validate(prepared.model) if prepared.validate else {}
        print(f"{out}: {recipe.training.steps} steps{listed(found)}")


def run_evaluate(args: argparse.Namespace) -> None:
    """Print the scores; write the mistakes, if asked to."""
    errors = Path(args.errors) if args.errors else None
    if errors and (errors.is_dir() or not errors.parent.is_dir()):
        raise ValueError(f"--errors {errors}: give a file in a folder that exists")
    rows = _evaluate_numerals(args) if args.task else _evaluate_pairs(args)
    if errors:
        from .files import write_text
        from .reports import one_line

        write_text(errors, "".join("\t".join(map(one_line, row)) + "\n" for row in rows))
        note(f"{len(rows) - 1} mistakes in {errors}")


def _texts(args: argparse.Namespace) -> list[str] | Iterator[str]:
    """What is to be translated. Only of what a person types, the end is not waited for."""
    if args.file:
        with open(args.file, "rb") as file:
            return list(_lines(file, args.file))
    if args.texts != ["-"]:
        return list(args.texts)
    lines = _lines(sys.stdin.buffer, "standard input")
    return lines if sys.stdin.isatty() else list(lines)


def _lines(file: Iterable[bytes], name: str) -> Iterator[str]:
    """The lines without their ends. ValueError, naming the line, if one is not UTF-8."""
    for number, line in enumerate(file, start=1):
        if b"\0" in line:
            raise ValueError(f"{name}, line {number} holds zero bytes: UTF-16? {_CONVERT}")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}, line {number} is not UTF-8; {_CONVERT}") from error
        yield text.removesuffix("\n").removesuffix("\r")


_CONVERT = "convert it: iconv -f GB18030 (or UTF-16) -t UTF-8 OLD > NEW"


def _print_translations(source: str, best: "list[Translation]", args: argparse.Namespace) -> None:
    from .reports import one_line

    for found in best:
        if args.json:
            row = {"source": source, "translation": found.text, "score": found.score}
            _print_json(row | {"log_prob": found.log_prob, "finished": found.finished})
        else:
            score = f"{found.score:.4f}\t" if args.nbest > 1 else ""
            print(score + one_line(found.text), flush=True)


def _recipe(args: argparse.Namespace) -> "Recipe":
    """The named recipe with what the options change in it."""
    from .recipes import NUMERALS, NUMERALS_SMALL, PAIRS, changed

    numerals = NUMERALS_SMALL if args.small else NUMERALS
    return changed(numerals if args.task else PAIRS, vars(args))


def _out(args: argparse.Namespace) -> Path:
    if args.out:
        return Path(args.out)
    if args.task:
        return Path("runs", "numerals-small" if args.small else "numerals")
    return Path("runs", Path(args.data[0]).stem)


def _prepare(
    args: argparse.Namespace, recipe: "Recipe", device: str
) -> "tuple[Preparation, list[Pair]]":
    """All that is to be trained, and the pairs held out of --data."""
    from .preparation import hold_out, prepare_numerals, prepare_pairs
    from .recipes import NumeralsRecipe

    if isinstance(recipe, NumeralsRecipe):
        prepared = prepare_numerals(recipe, device)
        note(f"{_size(prepared)}, {recipe.training.steps} steps")
        return prepared, []
    pairs = _read_pairs(args.data, args.on_error)
    if args.valid_data:
        held_out = _read_pairs(args.valid_data, args.on_error)
    else:
        count = min(500, len(pairs) // 50) if args.valid is None else args.valid
        pairs, held_out = hold_out(pairs, count)
    prepared = prepare_pairs(recipe, pairs, held_out, device)
    note(
        f"{len(pairs) - len(prepared.too_long)} pairs to train on, {len(held_out)} held out, "
        f"{len(prepared.too_long)} left out with more than {recipe.max_length} tokens; "
        f"{_size(prepared)}, {recipe.training.steps} steps"
    )
    return prepared, held_out


def _size(prepared: "Preparation") -> str:
    parameters = sum(x.numel() for x in prepared.model.parameters())
    return f"{prepared.tokenizer.vocab_size} tokens, {parameters:,} parameters"


def _read_pairs(files: list[str], on_error: Any) -> "list[Pair]":
    """The pairs of one TSV file or of two files, with a note about the lines that are none."""
    from .data import read_pairs

    pairs, problems = read_pairs(
        (files[0], files[1]) if len(files) == 2 else files[0], on_error or "skip"
    )
    if problems:
        named = "; ".join(map(str, problems[:REPORTED]))
        more = f"; and {len(problems) - REPORTED} more" if len(problems) > REPORTED else ""
        note(f"{' and '.join(files)}: {len(problems)} malformed lines skipped: {named}{more}")
    return pairs


def _evaluate_numerals(args: argparse.Namespace) -> list[tuple[str, ...]]:
    from .evaluation import DIRECTIONS, evaluate_numerals
    from .numerals import NumeralsTask
    from .reports import report_row, report_text

    task = NumeralsTask.small() if args.small else NumeralsTask.shipped()
    items = {"held out": task.test_items(0, args.count or (2000 if args.small else 10_000))}
    longer = 1000 if args.longer is None else args.longer
    if longer and task.round_digits > task.max_digits:
        items["longer than trained"] = task.longer_items(0, longer)
    translator = _translator(args)
    directions = [d for d in DIRECTIONS if args.direction in (None, "both", d)]
    header = ("part", "direction", "kind", "verdict", "source", "reference", "output")
    rows: list[tuple[str, ...]] = [header]
    total = len(directions) * sum(map(len, items.values()))
    with progress_bar(" items", total=total) as bar:
        for direction in directions:
            for part, some in items.items():
                search = args.beam, args.alpha, bar.update
                report = evaluate_numerals(translator, some, direction, *search)
                bar.clear()
                if args.json:
                    _print_json(report_row(report, part))
                else:
                    print(report_text(report, part), flush=True)
                rows += [
                    (part, direction, m.item.kind, m.verdict, m.source, m.reference, m.output)
                    for m in report.mistakes
                ]
    return rows


def _evaluate_pairs(args: argparse.Namespace) -> list[tuple[str, ...]]:
    from .evaluation import bleu, evaluate_pairs
    from .reports import score_row, score_text

    if args.bleu:
        bleu(["to fail"], ["before the work"])
    pairs = _read_pairs(args.data, args.on_error)
    translator = _translator(args)
    with progress_bar(" pairs", total=len(pairs)) as bar:
        outputs, score = evaluate_pairs(translator, pairs, args.beam, args.alpha, bar.update)
    row = score_row(score)
    if args.bleu:
        row["bleu"], row["signature"] = bleu(outputs, [pair.target for pair in pairs])
    if args.json:
        _print_json(row)
    else:
        print(f"exact match: {score_text(score)}")
        if args.bleu:
            print(f"BLEU: {row['bleu']:.2f} ({row['signature']})")
    compared = zip(pairs, outputs, strict=True)
    wrong = [(*pair, output) for pair, output in compared if output.strip() != pair.target.strip()]
    return [("source", "reference", "output"), *wrong]


def _translator(args: argparse.Namespace) -> "Translator":
    from .translation import Translator

    return Translator.load(args.model, _device(args.device))


def _device(name: str) -> str:
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, found in there.items() if found)
    if not there[name]:
        raise ValueError(f"--device {name}: torch finds none here; leave it out, or say cpu")
    if name == "cuda" and "LOCAL_RANK" in os.environ:  # of torchrun: a device for each process
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return name


def _print_json(row: dict[str, Any]) -> None:
    print(json.dumps(row, ensure_ascii=False), flush=True)

"""What each command of `cli.py` does: load, run, print (`printing`)."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from .choices import (
    JUDGE_HELP,
    ModelOptions,
    about_task,
    can_judge,
    find_task,
    is_about_task,
    make_model,
    shipped_tasks,
)
from .comparison import compare_all, compare_runs
from .judge_runs import judge_prompts, judge_run
from .models import Model, ModelError
from .printing import (
    note,
    print_comparison,
    print_json,
    print_scores,
    print_tasks,
    progress_bar,
    scores_as_json,
)
from .report import markdown
from .report_page import page
from .run_files import JUDGEMENTS, PREDICTIONS, read_rows, read_run, write_whole
from .runner import Inference, infer, run_folder
from .scoring import Scores, score_run
from .scripted import script_for
from .tasks import Task, task_of

SHOWN_REASONS = 3
"""Of failures."""


def run_list(args: argparse.Namespace) -> int:
    """List the shipped tasks."""
    print_tasks([(find_task(name), about_task(name)) for name in shipped_tasks()], args.json)
    return 0


def run_infer(args: argparse.Namespace) -> int:
    """Ask a model. 0; 1 if a document has no answer."""
    failed = False
    for inference in _inferences(args):
        print(inference.folder, flush=True)
        failed = failed or bool(inference.failures)
    return int(failed)


def run_run(args: argparse.Namespace) -> int:
    """Ask a model, then score. 0; 1 if a document has no answer."""
    failed = False
    for inference in _inferences(args):
        if inference.asked or inference.kept:
            _print_scores([inference.folder], None, args.json)
        failed = failed or bool(inference.failures)
    return int(failed)


def run_score(args: argparse.Namespace) -> int:
    """Score runs."""
    task = find_task(args.task) if args.task else None
    _print_scores(args.runs, task, args.json)
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """Compare two runs."""
    folders = args.run_a, args.run_b
    print_comparison(compare_runs(*map(score_run, folders)), folders, args.json)
    return 0


def run_report(args: argparse.Namespace) -> int:
    """Make a report of runs: Markdown or a page, by the ending of the file."""
    ending = args.out.suffix.lower() if args.out else ".md"
    if ending not in (".html", ".md"):
        raise ValueError(f"--out {args.out} must end in .html or .md")
    if ending == ".md" and args.lang != "en":
        raise ValueError("Markdown is in English; for --lang zh give --out FILE.html")
    scores = list(_scored(args.runs).values())
    compared = compare_all(scores)
    text = markdown(scores, compared) if ending == ".md" else page(scores, compared, args.lang)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(args.out, text.encode())
        print(args.out)
    else:
        print(text, end="")
    return 0


def run_judge(args: argparse.Namespace) -> int:
    """Let a model mark a run's open answers. 0; 1 if one has no marks."""
    choice = args.model or ""
    if choice.startswith("script:"):  # of the judge's replies, by id of the question
        prompts = judge_prompts(args.folder)
        model: Model = script_for(choice.removeprefix("script:"), prompts)
    elif not can_judge(args.model):
        named = choice or "$TINY_MODEL"
        raise ValueError(f"{named} cannot judge; give as --model {JUDGE_HELP}")
    else:
        task = task_of(read_run(args.folder)["task"], Path(), str(args.folder))
        model = make_model(args.model, task, _options(args))
    with progress_bar("judge") as progress:
        inference = judge_run(args.folder, model, progress)
    _note_inference(inference)
    _note_shortened(model)
    print(inference.folder / JUDGEMENTS)
    return int(bool(inference.failures))


def _print_scores(folders: Sequence[Path], task: Task | None, as_json: bool) -> None:
    runs = _scored(folders, task)
    if not as_json:
        print_scores(runs)
        return
    for folder, scores in runs.items():
        print_json(scores_as_json(folder, scores))


def _scored(folders: Sequence[Path], task: Task | None = None) -> dict[Path, Scores]:
    """By folder, without the runs that have no answers. ValueError if none has any."""
    empty = [each for each in folders if read_run(each) and not read_rows(each / PREDICTIONS)]
    left = [folder for folder in folders if folder not in empty]
    if left and empty:
        note(f"left out, no predictions to score: {', '.join(map(str, empty))}")
    return {folder: score_run(folder, task) for folder in left or folders}


def _inferences(args: argparse.Namespace) -> Iterator[Inference]:
    """What came of each task, as each is done. All tasks are read before anything is asked."""
    tasks = [_changed(find_task(name), args) for name in args.task]
    model: Model | None = None
    for task in tasks:
        if model is None or is_about_task(args.model):
            model = make_model(args.model, task, _options(args))
        inference = _infer(task, model, args)
        _note_inference(inference)
        yield inference
    _note_shortened(model)


def _changed(task: Task, args: argparse.Namespace) -> Task:
    """The task with what the options say otherwise."""
    changes: dict[str, Any] = {"data": args.data, "few_shot": args.few_shot, "chat": args.chat}
    if args.max_tokens:
        changes["generation"] = replace(task.generation, max_tokens=args.max_tokens)
    return replace(task, **{name: value for name, value in changes.items() if value is not None})


def _options(args: argparse.Namespace) -> ModelOptions:
    return ModelOptions(**{each.name: getattr(args, each.name) for each in fields(ModelOptions)})


def _infer(task: Task, model: Model, args: argparse.Namespace) -> Inference:
    try:
        with progress_bar(task.name) as progress:
            return infer(task, model, args.out, args.limit, progress)
    except (KeyboardInterrupt, ModelError, OSError):
        folder = run_folder(task, model, args.out)
        if kept := len(read_rows(folder / PREDICTIONS)):
            goes_on = "the same command goes on from there"
            note(f"{folder} keeps the answers to {_documents(kept)}; {goes_on}")
        raise


def _note_inference(inference: Inference) -> None:
    if inference.kept:
        note(f"{_documents(inference.kept)} answered before, {inference.asked} now")
    if inference.superseded:
        note(f"answers to what is no longer asked, put aside: {inference.superseded}")
    if not inference.failures:
        return
    by_reason: dict[str, list[str]] = {}
    for name, reason in inference.failures.items():
        by_reason.setdefault(reason, []).append(name)
    reasons = [
        f"{reason} ({len(names)}, such as {names[0]})"
        for reason, names in list(by_reason.items())[:SHOWN_REASONS]
    ]
    total = inference.asked + inference.kept + len(inference.failures)
    failed = f"no answer to {len(inference.failures)} of {_documents(total)}"
    note(f"{failed}: {'; '.join(reasons)}")


def _note_shortened(model: Model | None) -> None:
    if count := getattr(model, "shortened", 0):  # only a folder's model knows
        note(f"prompts too long for the model, and cut: {count}; --truncation says where")


def _documents(count: int) -> str:
    return "1 document" if count == 1 else f"{count} documents"
